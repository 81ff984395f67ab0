"""The file of a picture that was made of another: in its format, with its quality and its colour profile."""

from __future__ import annotations

import io
import zlib
from pathlib import PurePosixPath
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from noda_synth.errors import ItemError
from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.images import encode_jpeg, encode_png
from noda_synth.imaging.jpeg import encode_in_style, jpeg_style
from noda_synth.imaging.jpeg_blocks import replace_blocks
from noda_synth.imaging.pillow import opened

SOURCE: Final = "source"
"""A setting of format: each picture in that of its source; and of quality: each JPEG as its source was encoded."""
EXACT: Final = "exact"
"""A setting of quality: a JPEG keeps its source's coefficients wherever nothing is pasted, see `jpeg_blocks`."""
OTHER_QUALITY: Final = 95
"""Of what is lossy, where the source does not tell a quality."""

_LOSSLESS = frozenset({".bmp", ".dib", ".gif", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"})
_PNG_HEADER = 33
_RGB = b"RGB "
_PROFILE_START = b"ICC_PROFILE\0"
# What a segment of a JPEG holds of a profile, beside its own head.
_PROFILE_PART = 65_519


def format_of(name: str) -> str:
    """What a copy of an image is written as, by its name: "png" where that loses nothing, else "webp" or "jpg"."""
    suffix = PurePosixPath(name).suffix.lower()
    return "png" if suffix in _LOSSLESS else "webp" if suffix == ".webp" else "jpg"


def encode_copy(
    picture: NDArray[np.uint8],
    source: bytes,
    suffix: str,
    quality: int | str,
    overlay: Overlay | None = None,
    *,
    turned: bool = False,
) -> bytes:
    """The bytes of a picture that was made of a file; the same arguments give the same bytes.

    PNG loses nothing, nor does WebP where the source is without loss. A profile of RGB colours is kept.

    Args:
        picture: (H, W, 3) uint8 BGR.
        source: the bytes of the file.
        suffix: "jpg", "png", "webp" or another that OpenCV writes, without the dot.
        quality: of JPEG and WebP, 1..100, SOURCE or EXACT.
        overlay: with EXACT, what was laid over the source; None for nothing.
        turned: the picture was turned as the file's EXIF says, so it has none of its blocks.

    Raises:
        NodaError: EXACT without pyjpegio.
    """
    suffix = suffix.lower()
    if suffix in ("jpg", "jpeg"):
        return _jpeg(picture, source, quality, overlay, turned=turned)
    profile = _profile(source)
    if suffix == "png":
        data = encode_png(picture)
        return data[:_PNG_HEADER] + _png_profile(profile) + data[_PNG_HEADER:] if profile else data
    if suffix == "webp":
        number = OTHER_QUALITY if isinstance(quality, str) else quality
        stream = io.BytesIO()
        image = PillowImage.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        image.save(stream, "WEBP", lossless=not _is_lossy(source), quality=number, icc_profile=profile)
        return stream.getvalue()
    return cv2.imencode(f".{suffix}", picture)[1].tobytes()


def _jpeg(
    picture: NDArray[np.uint8], source: bytes, quality: int | str, overlay: Overlay | None, *, turned: bool
) -> bytes:
    style = jpeg_style(source) if isinstance(quality, str) else None
    if style and quality == EXACT and not turned:
        exact = replace_blocks(picture, source, overlay)
        if exact is not None:
            return exact
    if style:
        data = encode_in_style(picture, style)
    else:
        data = encode_jpeg(picture, OTHER_QUALITY if isinstance(quality, str) else quality)
    profile = _profile(source)
    # Behind the first segment, the one of JFIF.
    place = 4 + int.from_bytes(data[4:6])
    return data[:place] + _jpeg_profile(profile) + data[place:] if profile else data


def _profile(source: bytes) -> bytes:
    """The ICC profile of an image file, if it is one of RGB colours; those of others do not fit what is written."""
    try:
        with opened(io.BytesIO(source)) as image:
            profile = image.info.get("icc_profile") or b""
    except ItemError:  # the picture was decoded; of the many ways to be damaged none keeps a copy from being written
        return b""
    return bytes(profile) if profile[16:20] == _RGB else b""


def _jpeg_profile(profile: bytes) -> bytes:
    """A profile as segments of a JPEG."""
    parts = [profile[start : start + _PROFILE_PART] for start in range(0, len(profile), _PROFILE_PART)]
    return b"".join(
        b"\xff\xe2" + (len(part) + 16).to_bytes(2) + _PROFILE_START + bytes((number, len(parts))) + part
        for number, part in enumerate(parts, 1)
    )


def _png_profile(profile: bytes) -> bytes:
    """A profile as a chunk of a PNG."""
    chunk = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
    return (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)


def _is_lossy(source: bytes) -> bool:
    """Whether a WebP, or what else lies under that name, is not one without loss."""
    if source[:4] != b"RIFF" or source[8:12] != b"WEBP":
        return source[:2] == b"\xff\xd8"
    offset = 12
    while offset + 8 <= len(source):
        if source[offset : offset + 4] == b"VP8 ":
            return True
        size = int.from_bytes(source[offset + 4 : offset + 8], "little")
        offset += 8 + size + size % 2
    return False
