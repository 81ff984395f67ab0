"""What a mask level sees of a person, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.pose import Pose


@dataclass(frozen=True, eq=False)
class View:
    """A person cut out of an image with some surroundings.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        pose: the person's keypoints in 0-based pixels of `image`.
        others: keypoints of the other people of the image, in the same coordinates.
        frame: x1, y1, x2, y2 of the whole image in the same coordinates.
        seed: for levels that draw random numbers; depends on the person alone.
    """

    image: NDArray[np.uint8]
    pose: Pose
    others: tuple[Pose, ...]
    frame: tuple[float, float, float, float]
    seed: int


@dataclass(frozen=True)
class Mask:
    """A body's mask.

    Attributes:
        inside: (H, W) bool, the shape of the view.
        fallback: empty, or why the level could not run and another stands in for it: cardboard, for given posecut.
        matte: (H, W) uint8 opacity with a soft edge, at least 128 exactly inside, or None.
    """

    inside: NDArray[np.bool_]
    fallback: str = ""
    matte: NDArray[np.uint8] | None = None

    @property
    def opacity(self) -> NDArray[np.uint8]:
        """(H, W) uint8: the matte, or 0 and 255."""
        return self.inside.astype(np.uint8) * np.uint8(255) if self.matte is None else self.matte
