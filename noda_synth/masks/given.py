"""The given level: a mask that the user has, brought to the view; posecut where there is none.

What is inside stays as it was given. A mask without soft edge gets posecut's, which only says how opaque its rim is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.imaging.compositing import COVERING
from noda_synth.masks.evidence import evidence_of
from noda_synth.masks.posecut import guide_of, posecut_mask, soft_edge
from noda_synth.masks.view import Mask, View


@dataclass(frozen=True, eq=False)
class GivenMask:
    """A level for one person alone: it makes the mask of a view from the one of the whole image.

    Attributes:
        opacity: (H, W) uint8, of the size of the whole image: 128 and more is inside.
        soft: its edge is soft, and stays as it is.
    """

    opacity: NDArray[np.uint8]
    soft: bool = False

    @property
    def box(self) -> NDArray[np.float64]:
        """x1, y1, x2, y2 of what is not transparent, (4,) float64 in pixels of the image, ends exclusive."""
        rows, columns = (np.flatnonzero(self.opacity.any(axis=axis)) for axis in (1, 0))
        return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)

    def __call__(self, view: View) -> Mask:
        """The part that the view shows, at its size."""
        height, width = view.image.shape[:2]
        x1, y1, x2, y2 = view.frame
        # The frame is the whole image in pixels of the view, which may be reduced.
        factor = np.array([x2 - x1, y2 - y1]) / self.opacity.shape[::-1]
        left, top = (int(value) for value in np.floor(-(np.array([x1, y1]) + 0.5) / factor + 0.5))
        right, bottom = (int(value) for value in np.floor(np.array([left, top]) + (width, height) / factor + 0.5))
        part = self.opacity[top:bottom, left:right]
        if part.shape != (height, width):
            part = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        inside = part >= COVERING
        return Mask(inside, matte=part.copy() if self.soft else _matte(view, inside))


def no_given_mask(view: View, reason: str) -> Mask:
    """Posecut's mask, for a body without a given one."""
    return replace(posecut_mask(view), fallback=reason)


def _matte(view: View, inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Posecut's soft edge around a hard mask (H, W), as far as posecut looks; opaque beyond."""
    evidence = evidence_of(view)
    x1, y1, x2, y2 = evidence.window
    height, width = evidence.distance.shape
    window = inside[y1:y2, x1:x2]
    reduced = cv2.resize(window.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    body = (reduced > 0.5).astype(np.float32)
    matte = inside.astype(np.uint8) * np.uint8(255)
    matte[y1:y2, x1:x2] = soft_edge(view, evidence, guide_of(evidence), body, window)
    return matte
