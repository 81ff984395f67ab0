"""The part of a picture without the black bars of a letterboxed film: what counts as its frame."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

REDUCTION: Final = 4
"""Bars are looked for in a picture of a quarter of the size."""
_BLACK = 26
# Bars narrower than this share of the side are the rim of a scan, and pictures with less left than this are dark ones.
_LEAST_BAR, _LEAST_LEFT = 0.02, 0.4


def frame_of(picture: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(4,) int32 left, top, right, bottom in pixels of a picture (h, w, 3) uint8 without its black bars."""
    height, width = picture.shape[:2]
    return frame_of_reduced(reduce_picture(picture), (width, height))


def reduce_picture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (h, w, 3) uint8 at 1 / REDUCTION of its width and height, rounded up."""
    height, width = picture.shape[:2]
    size = -(-width // REDUCTION), -(-height // REDUCTION)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def frame_of_reduced(reduced: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.int32]:
    """The same from the picture reduced by `REDUCTION`; `size` is the (width, height) of the whole one."""
    light = reduced.max(axis=2)
    frame = [0, 0, *size]
    for axis, side in enumerate(size):
        bright = np.flatnonzero(light.max(axis=axis) > _BLACK)
        if not len(bright):
            continue
        # A pixel more: the bar's edge lies somewhere in the first one that is not black.
        low = int(bright[0] + 1) * REDUCTION if bright[0] else 0
        high = int(bright[-1]) * REDUCTION if bright[-1] + 1 < light.shape[1 - axis] else side
        if high - low < _LEAST_LEFT * side:
            continue
        frame[axis] = low if low >= _LEAST_BAR * side else 0
        frame[axis + 2] = high if side - high >= _LEAST_BAR * side else side
    return np.array(frame, np.int32)
