"""Methods that drop one rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.base import Method
from noda_synth.methods.fill import fill_colours


@dataclass(frozen=True)
class Hole:
    """A rectangle in pixels of the picture, and what fills it: see `fill`."""

    left: int
    top: int
    width: int
    height: int
    fill: str
    noise_seed: int


class HoleMethod(Method[Hole]):
    placement_type = Hole

    def stamp(self, placement: Hole) -> Overlay:
        return Overlay(np.full((placement.height, placement.width), 255, np.uint8), placement.left, placement.top)

    def colours(self, placement: Hole, stamp: Overlay, picture: BGRImage) -> BGRImage:
        return fill_colours(placement.fill, stamp.alpha.shape, placement.noise_seed)
