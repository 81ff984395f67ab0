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

from noda_synth.errors import ItemError
from noda_synth.imaging.pillow import opened

Tables = tuple[tuple[int, ...], ...]

_SAMPLINGS = {0: 0x111111, 1: 0x211111, 2: 0x221111}
"""Pillow's number for 4:4:4, 4:2:2 and 4:2:0 -> OpenCV's."""
_START = b"\xff\xd8"
# Steps of a baseline JPEG have eight bits.
_LARGEST_STEP = 255


@dataclass(frozen=True)
class JpegStyle:
    """How a JPEG was encoded.

    Attributes:
        quality: 1..100 where the tables are the standard's at that quality, else None.
        tables: the quantisation tables, 64 numbers each.
        sampling: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
    """

    quality: int | None
    tables: Tables
    sampling: int


def jpeg_style(data: bytes) -> JpegStyle | None:
    """How the bytes of a JPEG were encoded, from its headers alone.

    None for other files, and for a JPEG that is not of three channels, Y Cb Cr, in one of the three usual samplings.
    """
    if data[:2] != _START:
        return None
    try:
        with opened(io.BytesIO(data)) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode != "RGB":
                return None
            if image.info.get("adobe_transform") == 0:
                return None
            tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
            sampling = JpegImagePlugin.get_sampling(image)
    except ItemError:
        return None
    if sampling not in _SAMPLINGS or not 1 <= len(tables) <= 2 or max(map(max, tables)) > _LARGEST_STEP:
        return None
    return JpegStyle(_standard().get(tables), tables, sampling)


def encode_in_style(picture: NDArray[np.uint8], style: JpegStyle) -> bytes:
    """JPEG bytes of a picture (h, w, 3) uint8 BGR; the same pixels and style give the same bytes."""
    if style.quality is not None:
        sampling = _SAMPLINGS[style.sampling]
        options = [cv2.IMWRITE_JPEG_QUALITY, style.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        return cv2.imencode(".jpg", picture, options)[1].tobytes()
    stream = io.BytesIO()
    tables = [list(table) for table in style.tables]
    PillowImage.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).save(
        stream, "JPEG", qtables=tables, subsampling=style.sampling
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
