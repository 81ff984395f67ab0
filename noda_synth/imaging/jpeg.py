"""Encoding a picture as its source was: the same quantisation tables and chroma sampling.

A JPEG that is decoded and encoded again with its own tables comes back with nearly all values equal; with any other
tables every block changes. Nearly all files in the wild have the standard tables of some quality, for which OpenCV
is the fastest; other tables go through Pillow.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import JpegImagePlugin

from noda_synth.imaging.images import encode_jpeg

SOURCE_QUALITY = "source"
"""A setting of quality: each JPEG as its source was, other sources with `OTHER_QUALITY`."""
OTHER_QUALITY = 95

Tables = tuple[tuple[int, ...], ...]

_SAMPLINGS = {0: 0x111111, 1: 0x211111, 2: 0x221111}
"""Pillow's number for 4:4:4, 4:2:2 and 4:2:0 -> OpenCV's."""
_START, _JFIF, _APP2, _SCAN = b"\xff\xd8", b"\xff\xe0", 0xE2, 0xDA
# Steps of a baseline JPEG have eight bits.
_LARGEST_STEP = 255


@dataclass(frozen=True)
class JpegStyle:
    """How a JPEG was encoded.

    Attributes:
        quality: 1..100 where the tables are the standard's at that quality, else None.
        tables: the quantisation tables, 64 numbers each.
        sampling: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
        profile: the segments that hold the ICC profile, as they stand in the file.
    """

    quality: int | None
    tables: Tables
    sampling: int
    profile: bytes = b""


def jpeg_style(data: bytes) -> JpegStyle | None:
    """How the bytes of a JPEG were encoded, from its headers alone.

    None for other files, and for a JPEG that is not of three channels, Y Cb Cr, in one of the three usual samplings.
    """
    if data[:2] != _START:
        return None
    try:
        with PillowImage.open(io.BytesIO(data)) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode != "RGB":
                return None
            if image.info.get("adobe_transform") == 0:
                return None
            tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
            sampling = JpegImagePlugin.get_sampling(image)
            has_profile = "icc_profile" in image.info
    except (OSError, SyntaxError, ValueError, KeyError, struct.error):
        return None
    if sampling not in _SAMPLINGS or not 1 <= len(tables) <= 2 or max(map(max, tables)) > _LARGEST_STEP:
        return None
    return JpegStyle(_standard().get(tables), tables, sampling, _profile(data) if has_profile else b"")


def encode_as(picture: NDArray[np.uint8], source: bytes, quality: int | str) -> bytes:
    """JPEG bytes of a picture (h, w, 3) uint8 BGR.

    Args:
        picture: what was made of the source.
        source: the bytes of the source's file.
        quality: 1..100, or SOURCE_QUALITY.
    """
    if quality != SOURCE_QUALITY:
        return encode_jpeg(picture, int(quality))
    style = jpeg_style(source)
    return encode_jpeg(picture, OTHER_QUALITY) if style is None else encode_in_style(picture, style)


def encode_in_style(picture: NDArray[np.uint8], style: JpegStyle) -> bytes:
    """JPEG bytes of a picture (h, w, 3) uint8 BGR; the same pixels and style give the same bytes."""
    if style.quality is not None:
        sampling = _SAMPLINGS[style.sampling]
        options = [cv2.IMWRITE_JPEG_QUALITY, style.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        data = cv2.imencode(".jpg", picture, options)[1].tobytes()
    else:
        stream = io.BytesIO()
        tables = [list(table) for table in style.tables]
        PillowImage.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).save(
            stream, "JPEG", qtables=tables, subsampling=style.sampling
        )
        data = stream.getvalue()
    if not style.profile:
        return data
    # Behind the first segment, the one of JFIF.
    place = 4 + int.from_bytes(data[4:6]) if data[2:4] == _JFIF else 2
    return data[:place] + style.profile + data[place:]


def _profile(data: bytes) -> bytes:
    """The APP2 segments of an ICC profile, all before the first scan."""
    found, offset = b"", 2
    while offset + 4 <= len(data) and data[offset] == 0xFF and data[offset + 1] != _SCAN:
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4])
        if data[offset + 1] == _APP2 and data[offset + 4 : end].startswith(b"ICC_PROFILE\0"):
            found += data[offset:end]
        offset = end
    return found


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
