"""Encoding a picture as its source was: the same quantisation tables and chroma sampling.

A JPEG that is decoded and encoded again with its own tables comes back with nearly all values equal; with any other
tables every block changes. Nearly all files in the wild have the standard tables of some quality, for which OpenCV
is the fastest; other tables go through Pillow.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import JpegImagePlugin

Tables = tuple[tuple[int, ...], ...]

_SAMPLINGS = {0: 0x111111, 1: 0x211111, 2: 0x221111}
"""Pillow's number for 4:4:4, 4:2:2 and 4:2:0 -> OpenCV's."""


@dataclass(frozen=True)
class JpegStyle:
    """How a JPEG was encoded.

    Attributes:
        quality: 1..100 where the tables are the standard's at that quality, else None.
        tables: the quantisation tables, 64 numbers each.
        sampling: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
        profile: the ICC profile, or nothing.
    """

    quality: int | None
    tables: Tables
    sampling: int
    profile: bytes = b""


def jpeg_style(data: bytes) -> JpegStyle | None:
    """How the bytes of a JPEG were encoded, from its headers alone; None where it is no JPEG of three channels in one
    of the three usual samplings."""
    try:
        with PillowImage.open(io.BytesIO(data)) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode != "RGB":
                return None
            tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
            sampling = JpegImagePlugin.get_sampling(image)
            profile = image.info.get("icc_profile") or b""
    except (OSError, SyntaxError, ValueError):
        return None
    if sampling not in _SAMPLINGS:
        return None
    return JpegStyle(_standard().get(tables), tables, sampling, profile)


def encode_in_style(picture: NDArray[np.uint8], style: JpegStyle) -> bytes:
    """JPEG bytes of a picture (h, w, 3) uint8 BGR; the same pixels and style give the same bytes."""
    if style.quality is not None and not style.profile:
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            style.quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            _SAMPLINGS[style.sampling],
        ]
        return cv2.imencode(".jpg", picture, options)[1].tobytes()
    stream = io.BytesIO()
    PillowImage.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).save(
        stream,
        "JPEG",
        qtables=[list(table) for table in style.tables],
        subsampling=style.sampling,
        icc_profile=style.profile or None,
    )
    return stream.getvalue()


@lru_cache(maxsize=1)
def _standard() -> dict[Tables, int]:
    """The tables that OpenCV's encoder has for each quality."""
    grey = np.zeros((8, 8, 3), np.uint8)
    found: dict[Tables, int] = {}
    for quality in range(1, 101):
        data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        with PillowImage.open(io.BytesIO(data)) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            found[tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))] = quality
    return found
