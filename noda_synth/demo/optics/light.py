"""Light: one sun or lamp with its shadows, and what comes from the sky and the floor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.optics.raster import nearest, scan
from noda_synth.demo.primitives.mesh import Mesh

Floats: TypeAlias = NDArray[np.float64]
Pixels: TypeAlias = NDArray[np.float32]

NOTHING = -1e6
"""What stands for a surface where a ray meets none."""

_LINEAR = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(2.2)


def linear(image: NDArray[np.uint8]) -> Pixels:
    """Amounts of light, 0 to 1, that an 8-bit image stands for."""
    light: Pixels = _LINEAR[image]
    return light


@dataclass(frozen=True, eq=False)
class Light:
    """Where light comes from, and how much of it; all (3,) float64.

    Attributes:
        direction: unit vector towards the sun.
        sun: RGB light of the sun.
        sky: RGB light from above.
        floor: RGB light thrown back from below.
    """

    direction: Floats
    sun: Floats
    sky: Floats
    floor: Floats

    def on(self, normals: Pixels, lit: Pixels, open_: Pixels) -> Pixels:
        """(N, 3) light that surfaces throw back.

        Args:
            normals: (N, 3) unit vectors.
            lit: (N,) 0 in the shadow to 1 in the sun.
            open_: (N,) 0 where surfaces around keep the sky off to 1 in the open.
        """
        direct, around = self.parts(normals)
        return direct * lit[:, None] + around * open_[:, None]

    def parts(self, normals: Pixels) -> tuple[Pixels, Pixels]:
        """(..., 3) light of the sun, and of all around, on surfaces of normals (..., 3) in the open."""
        toward, sun, sky, floor = (np.asarray(v, np.float32) for v in (self.direction, self.sun, self.sky, self.floor))
        facing = normals[..., 0] * toward[0] + normals[..., 1] * toward[1] + normals[..., 2] * toward[2]
        # Light that wraps a little around the edge looks like skin and cloth, not like plaster.
        direct = np.clip((facing + 0.12) / 1.12, 0, 1)[..., None] * sun
        up = (0.5 + 0.5 * normals[..., 1])[..., None]
        return direct, sky * up + floor * (1 - up)


@dataclass(frozen=True, eq=False)
class Shadows:
    """What the sun sees: the nearest surface along each of its rays.

    Attributes:
        axes: (3, 3) float64 rows: across, up and towards the sun.
        corner: (2,) float64 metres across and up of the first sample.
        step: metres between samples.
        near: (H, W) float32 metres towards the sun of the surface that the sun meets; very low where it meets none.
    """

    axes: Floats
    corner: Floats
    step: float
    near: Pixels

    @cached_property
    def _padded(self) -> Pixels:
        return np.pad(self.near, 1, constant_values=NOTHING)

    def lit(self, points: NDArray[np.floating], slack: float = 0.025) -> Pixels:
        """(N,) float32: the share of the sun, 0 to 1, that reaches points (N, 3), softened over a few samples."""
        x, y, z = points.T
        across, up, toward = (x * a[0] + y * a[1] + z * a[2] for a in self.axes)
        column, row = (across - self.corner[0]) / self.step, (up - self.corner[1]) / self.step
        height, width = self.near.shape
        total = np.zeros(len(points), np.float32)
        for right, down in ((-0.9, -0.4), (0.4, -0.9), (0.9, 0.4), (-0.4, 0.9)):
            i = np.clip(np.floor(column + right + 1.5).astype(np.int64), 0, width + 1)
            j = np.clip(np.floor(row + down + 1.5).astype(np.int64), 0, height + 1)
            total += self._padded[j, i] < toward + slack
        return total / np.float32(4)


def cast(mesh: Mesh, toward: Floats, samples: int) -> Shadows:
    """The shadows of a mesh in light from where `toward` (3,) points, on a grid of `samples` on its longer side."""
    across = np.cross([0, 1, 0] if abs(toward[1]) < 0.99 else [0, 0, 1], toward)
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(toward, across), toward])
    x, y, z = mesh.points.astype(float).T
    seen = np.stack([x * a[0] + y * a[1] + z * a[2] for a in axes], axis=1)
    low, high = seen.min(axis=0), seen.max(axis=0)
    step = float((high - low)[:2].max() / samples)
    size = (int((high - low)[0] / step) + 2, int((high - low)[1] / step) + 2)
    # The rows of the grid run up instead of down, which turns faces around.
    screen = np.stack([(seen[:, 0] - low[0]) / step, (seen[:, 1] - low[1]) / step, seen[:, 2] - low[2] + 1], axis=1)
    face, near = nearest(scan(screen, mesh.faces[:, ::-1], size), size)
    return Shadows(axes, low[:2], step, np.where(face < 0, NOTHING, near + low[2] - 1).astype(np.float32))


def footing(mesh: Mesh) -> Shadows:
    """What the floor sees when it looks up: its `near` are heights, negative."""
    return cast(mesh, np.array([0.0, -1.0, 0.0]), 300)


def floor_openness(footing: Shadows, points: Pixels) -> Pixels:
    """(H, W) float32: how much of the sky the floor at points (3, H, W) sees: less around what stands on it."""
    low = np.clip(1 + footing.near / 0.45, 0, 1)
    closed = np.zeros_like(low)
    for metres in (0.07, 0.22):
        closed += 0.5 * cv2.GaussianBlur(low, (0, 0), max(metres / footing.step, 0.5), borderType=cv2.BORDER_CONSTANT)
    x, y, z = points
    across, up, _ = (x * np.float32(a[0]) + y * np.float32(a[1]) + z * np.float32(a[2]) for a in footing.axes)
    column = ((across - footing.corner[0]) / footing.step).astype(np.float32)
    row = ((up - footing.corner[1]) / footing.step).astype(np.float32)
    return np.asarray(1 - 0.85 * cv2.remap(closed, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def openness(near: Pixels, focal: float) -> Pixels:
    """(H, W) float32: how open each pixel is to the sky, judged by how much nearer its surroundings are.

    Args:
        near: (H, W) float32 nearness, one over metres; 0 where there is only the background.
        focal: pixels that a metre has at a depth of one.
    """
    small = near[2::4, 2::4]
    covered = small > 0
    if not covered.any():
        return np.ones_like(near)
    weight = covered.astype(np.float32)
    depth = weight / np.maximum(small, 1e-3)
    scale = focal / 4 * float(np.median(small[covered]))
    result = np.ones_like(small)
    for metres in (0.05, 0.16):
        sigma = max(metres * scale, 0.6)
        around = cv2.GaussianBlur(depth, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
        result *= 1 - 0.42 * np.clip((depth - around) / metres, 0, 1.2) * weight
    return np.asarray(cv2.resize(result, (near.shape[1], near.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
