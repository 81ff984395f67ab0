"""Cutout (DeVries and Taylor 2017, the NODA paper's [20]): a square around a random point of the person is dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.methods.base import Subject
from noda_synth.methods.fill import FILLS
from noda_synth.methods.hole import Hole, HoleMethod
from noda_synth.settings import one_of, within


@dataclass(frozen=True)
class CutoutSettings:
    """The paper's choices for CIFAR-10: 16 of 32 pixels, filled with the data set's mean.

    Attributes:
        side: of the square, in sides of the person's box (`base.Box.side`).
        fill: what is put there: "mean", "black" or "noise".
    """

    side: float = 0.5
    fill: str = "mean"

    def __post_init__(self) -> None:
        within("side", self.side, 0.01, 4)
        one_of("fill", self.fill, FILLS)


class Cutout(HoleMethod[CutoutSettings]):
    settings_type = CutoutSettings

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Hole, str]:
        """The centre is any pixel of the person's box, and what hangs over the box is cut off, as in the original."""
        box = subject.box
        side = max(1, round(self.settings.side * box.side))
        (left, right), (top, bottom) = (
            (max(0, start), min(length, start + side))
            for length in (box.width, box.height)
            for start in [int(rng.integers(length)) - side // 2]
        )
        hole = (box.left + left, box.top + top, max(1, right - left), max(1, bottom - top))
        return Hole(*hole, *self.draw_fill(rng)), ""
