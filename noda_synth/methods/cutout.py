"""Cutout (DeVries and Taylor 2017, the NODA paper's [20]): a square around a random point of the person is dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.compositing import Stamp
from noda_synth.images import BGRImage
from noda_synth.methods.base import Method, Subject
from noda_synth.methods.fill import FILLS, fill_colours
from noda_synth.methods.options import one_of, within


@dataclass(frozen=True)
class CutoutSettings:
    """The paper's choices for CIFAR-10: 16 of 32 pixels, filled with the data set's mean.

    Attributes:
        side: of the square, as a share of the side of the square that has the area of the person's box.
        fill: what is put there, see `fill`.
    """

    side: float = 0.5
    fill: str = "mean"

    def __post_init__(self) -> None:
        one_of("fill", self.fill, FILLS)
        within("side", self.side, 0.01, 4)


@dataclass(frozen=True)
class Hole:
    """A rectangle in pixels of the picture, and what fills it."""

    left: int
    top: int
    width: int
    height: int
    fill: str
    noise_seed: int


class Cutout(Method[Hole]):
    settings_type, placement_type = CutoutSettings, Hole

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Hole, str]:
        """The centre is any pixel of the person's box, and what hangs over the box is cut off, as in the original."""
        box = subject.box
        side = max(1, round(self.settings.side * box.side))
        x, y = (int(rng.integers(length)) for length in (box.width, box.height))
        noise_seed = int(rng.integers(1 << 32))
        (left, right), (top, bottom) = (
            (max(0, centre - side // 2), min(length, centre - side // 2 + side))
            for centre, length in ((x, box.width), (y, box.height))
        )
        return Hole(box.left + left, box.top + top, right - left, bottom - top, self.settings.fill, noise_seed), ""

    def stamp(self, placement: Hole) -> Stamp:
        return Stamp(np.full((placement.height, placement.width), 255, np.uint8), placement.left, placement.top)

    def colours(self, placement: Hole, stamp: Stamp, picture: BGRImage) -> BGRImage:
        return fill_colours(placement.fill, stamp.alpha.shape, placement.noise_seed)
