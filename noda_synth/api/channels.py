"""The order of the colours in pictures of others; inside it is OpenCV's, BGR."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError


def check_channels(channels: str) -> None:
    if channels not in ("rgb", "bgr"):
        raise NodaError(f'channels is {channels!r}; "rgb" or "bgr"')


def to_bgr(picture: NDArray[np.uint8], channels: str) -> NDArray[np.uint8]:
    """A copy of a picture (H, W, 3) uint8 in BGR; the same the other way round."""
    if channels == "bgr":
        return picture.copy()
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR), np.uint8)
