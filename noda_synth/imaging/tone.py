"""The tone of a picture in six numbers: how bright, how contrasty, how colourful, and of which cast."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

TONE_FIELDS = ("dark", "middle", "bright", "chroma", "a", "b")
_SIDE = 96
_WEIGHTS = np.array([1 / 15, 1 / 25, 1 / 20, 1 / 20])
_CAST = 1 / 15
GREY_CHROMA = 4.0
"""A picture whose chroma stays below this is grey."""


def tone(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(6,) float64 of TONE_FIELDS, of a picture (h, w, 3) uint8 BGR of at least one pixel.

    L at 3, 50 and 97 %, chroma at 85 %, median a and b of CIELAB, taken from a copy of at most 96 pixels a side.
    """
    height, width = picture.shape[:2]
    shrink = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)).reshape(-1, 3)
    dark, middle, bright = np.percentile(lab[:, 0], (3, 50, 97))
    chroma = np.percentile(np.hypot(lab[:, 1], lab[:, 2]), 85)
    return np.array([dark, middle, bright, chroma, np.median(lab[:, 1]), np.median(lab[:, 2])], np.float64)


def tone_distance(tones: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) float64: how far tones (N, 6) lie from `other` (6,). Colour beside grey counts four times as much."""
    apart = np.abs(tones - other)
    levels = apart[:, :4] * _WEIGHTS
    if other[3] < GREY_CHROMA:
        levels[:, 3] *= 4
    return np.asarray(levels.sum(axis=1) + np.hypot(apart[:, 4], apart[:, 5]) * _CAST)
