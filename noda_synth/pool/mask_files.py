"""A mask as a user has it: a COCO segmentation, a PNG of one person, or one label value of a PNG of the whole image."""

from __future__ import annotations

import ast
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import ItemError
from noda_synth.formats.coco.rle import segmentation_mask
from noda_synth.imaging.images import read_checked
from noda_synth.imaging.pillow import opened

_GREY = ("1", "L", "P", "I;16", "I")


class MaskFile(Protocol):
    """Where a mask is to be read; small, so that it goes to workers, who read it."""

    def read(self, size: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
        """The opacity (H, W) uint8 for an image of (width, height), and whether its edge is soft. Raises ItemError."""


@dataclass(frozen=True)
class Segmentation:
    """Polygons or run lengths, as COCO has them."""

    value: Any

    def read(self, size: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
        return _hard(segmentation_mask(_as_text(self.value), size)), False


@dataclass(frozen=True)
class PersonPicture:
    """A PNG of one person: its alpha, or its grey values, or what is not 0 in it."""

    path: Path

    def read(self, size: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
        values, mode = _picture(self.path, size)
        if values.ndim == 3:
            colours, alpha = values[..., :-1], values[..., -1]
            # An alpha that is full everywhere says nothing: the mask is in the colours then.
            stated = mode in ("RGBA", "LA") and alpha.min() < 255
            values = alpha if stated else (colours if mode in ("RGBA", "LA") else values).max(axis=2)
        levels = np.unique(values)
        if mode in ("1", "P", "I", "I;16") or len(levels[levels > 0]) < 2:
            return _hard(values > 0), False
        return values.astype(np.uint8), True


@dataclass(frozen=True)
class Label:
    """The pixels of one value in a PNG of the whole image."""

    path: Path
    value: int

    def read(self, size: tuple[int, int]) -> tuple[NDArray[np.uint8], bool]:
        return _hard(label_values(self.path, size) == self.value), False


def label_values(path: Path, size: tuple[int, int]) -> NDArray[np.int64]:
    """The values (H, W) of a PNG of labels, of a palette its indices. Raises ItemError."""
    values, mode = _picture(path, size)
    if mode not in _GREY:
        raise ItemError(f"{path}: label values need a PNG of one channel or with a palette; this one is {mode}")
    return values.astype(np.int64)


def _as_text(segmentation: Any) -> Any:
    """A segmentation whose counts are bytes that were printed, "b'...'", as text; any other as it is."""
    counts = segmentation.get("counts") if isinstance(segmentation, dict) else None
    if not isinstance(counts, str) or not counts.startswith(("b'", 'b"')):
        return segmentation
    try:
        return {**segmentation, "counts": ast.literal_eval(counts).decode("ascii")}
    except (ValueError, SyntaxError):
        raise ItemError("segmentation: run lengths that cannot be read") from None


def _hard(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(inside, np.uint8(255), np.uint8(0))


def _picture(path: Path, size: tuple[int, int]) -> tuple[NDArray[Any], str]:
    """Values (H, W) or (H, W, C) and Pillow's mode, which is looked at before anything is decoded."""
    with opened(io.BytesIO(read_checked(path)), path) as picture:
        if picture.size != size:
            raise ItemError(
                f"{path}: a mask of {picture.size[0]} x {picture.size[1]} pixels, "
                f"but the image has {size[0]} x {size[1]}"
            )
        # A palette with transparency is a picture of somebody; one without has the values of labels.
        seen = picture.convert("RGBA") if picture.mode == "P" and "transparency" in picture.info else picture
        return np.asarray(seen), seen.mode
