"""A pinhole camera that stands above the origin and looks along -z."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera.

    Attributes:
        size: (width, height) of the picture in pixels.
        focal: focal length in pixels.
        height: metres above the floor.
        pitch: radians it looks down.
        roll: radians by which the picture is turned.
        softness: pixels by which the background is out of focus.
    """

    size: tuple[int, int]
    focal: float
    height: float
    pitch: float
    roll: float
    softness: float = 0.0

    @cached_property
    def axes(self) -> Floats:
        """(3, 3) float64: rows are the directions of the picture's right, up and into the scene."""
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        right, up, forward = np.array([1.0, 0, 0]), np.array([0, c, -s]), np.array([0, -s, -c])
        return np.stack([cr * right + sr * up, cr * up - sr * right, forward])

    @property
    def position(self) -> Floats:
        return np.array([0, self.height, 0])

    def project(self, points: Floats) -> Floats:
        """(N, 3) metres to (N, 3): x and y in 0-based pixels, and nearness, one over the depth in metres."""
        x, y, z = (points - self.position).T
        right, up, depth = (x * a[0] + y * a[1] + z * a[2] for a in self.axes)
        near = np.where(depth > 0.05, 1 / np.maximum(depth, 0.05), -1.0)
        middle_x, middle_y = (self.size[0] - 1) / 2, (self.size[1] - 1) / 2
        return np.stack([middle_x + self.focal * right * near, middle_y - self.focal * up * near, near], axis=1)

    def rays(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        """(3, ...) float32 x, y and z of directions through 0-based pixels, one metre deep."""
        axes = self.axes.astype(np.float32)
        right = (x - (self.size[0] - 1) / 2) / self.focal
        up = ((self.size[1] - 1) / 2 - y) / self.focal
        return np.stack([right * axes[0, i] + up * axes[1, i] + axes[2, i] for i in range(3)])
