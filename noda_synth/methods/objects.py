"""Pasted objects (Sárándi et al. 2018, the NODA paper's [17]): one to seven cut-out objects over the person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset
from noda_synth.errors import NodaError
from noda_synth.imaging.compositing import SMOOTHINGS, Overlay, edge_alpha, resize_alpha, resize_crop
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.base import Subject
from noda_synth.methods.object_sources import ObjectSource, open_objects
from noda_synth.methods.pieces import PieceMethod, Pieces
from noda_synth.settings import one_of, within

_ORIGINAL_SIDE = 256
# Decoded objects that are kept in memory.
_KEPT = 64


@dataclass(frozen=True)
class ObjectsSettings:
    """The original's choices, for pictures of 256 pixels a side.

    Attributes:
        number: range of the number of objects.
        scale: range of the factor on an object's own pixels, on a person whose box has a side of 256. The original
            halves its objects first and then draws from 0.2 to 1.
        smooth: edge, see `compositing.edge_alpha`; the original's is "ring".
        people: of a COCO file take people too, which the original leaves out.
    """

    number: tuple[int, int] = (1, 7)
    scale: tuple[float, float] = (0.1, 0.5)
    smooth: str = "ring"
    people: bool = False

    def __post_init__(self) -> None:
        within("number", self.number, 1, 100)
        within("scale", self.scale, 0.01, 10)
        one_of("smooth", self.smooth, SMOOTHINGS)


@dataclass(frozen=True)
class PastedObject:
    """An object brought to width x height pixels, and its corner in pixels of the picture."""

    object: str
    left: int
    top: int
    width: int
    height: int


class Objects(PieceMethod[ObjectsSettings]):
    settings_type, piece_type = ObjectsSettings, PastedObject
    takes = frozenset({"objects"})

    @cached_property
    def source(self) -> ObjectSource:
        assert self.sources.objects is not None
        return open_objects(self.sources.objects, self.sources.objects_images)

    @cached_property
    def choice(self) -> NDArray[np.intp]:
        """The objects to draw from."""
        return np.flatnonzero(~self.source.person | self.settings.people)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.source.names)}

    @cached_property
    def _cut(self) -> Callable[[int], tuple[BGRImage, NDArray[np.uint8]]]:
        return lru_cache(maxsize=_KEPT)(self.source.cut)

    @cached_property
    def _content(self) -> str:
        return self.source.content()

    def check(self, dataset: Dataset) -> None:
        if not len(self.choice):
            raise NodaError(
                f"{self.sources.objects}: all {len(self.source.names)} instances that can be pasted are people; "
                "take another file, or people too with --set people=true"
            )

    def source_hashes(self) -> dict[str, str]:
        return {"objects": self._content}

    def counts(self) -> dict[str, int]:
        return {"objects": len(self.choice)}

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Pieces, str]:
        """Object, scale and centre are drawn anew for each; the centre is anywhere in the person's box."""
        box, pieces = subject.box, []
        for _ in range(int(rng.integers(self.settings.number[0], self.settings.number[1] + 1))):
            number = int(self.choice[int(rng.integers(len(self.choice)))])
            scale = float(rng.uniform(*self.settings.scale)) * box.side / _ORIGINAL_SIDE
            width, height = (max(1, round(float(side) * scale)) for side in self.source.sizes[number])
            x, y = rng.uniform(0, (box.width, box.height))
            left, top = box.left + round(float(x)) - width // 2, box.top + round(float(y)) - height // 2
            pieces.append(PastedObject(self.source.names[number], left, top, width, height))
        return Pieces(tuple(pieces)), ""

    def piece_overlay(self, piece: PastedObject) -> Overlay:
        smooth = self.settings.smooth
        opacity = edge_alpha(self._cut(self._numbers[piece.object])[1], smooth)
        return Overlay(resize_alpha(opacity, (piece.width, piece.height), smooth), piece.left, piece.top)

    def piece_colours(self, piece: PastedObject, overlay: Overlay, picture: BGRImage) -> BGRImage:
        return resize_crop(self._cut(self._numbers[piece.object])[0], (piece.width, piece.height))

    def occluder(self, placement: Pieces) -> dict[str, Any]:
        return {"objects": [piece.object for piece in placement.pieces]}
