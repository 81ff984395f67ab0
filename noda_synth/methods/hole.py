"""Methods that drop one rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.imaging.compositing import Overlay
from noda_synth.methods.fill import FilledSettingsT, FillMethod


@dataclass(frozen=True)
class Hole:
    """A rectangle in pixels of the picture, and what fills it: see `fill`."""

    left: int
    top: int
    width: int
    height: int
    fill: str
    noise_seed: int


class HoleMethod(FillMethod[FilledSettingsT, Hole]):
    placement_type = Hole

    def overlay(self, placement: Hole) -> Overlay:
        return Overlay(np.full((placement.height, placement.width), 255, np.uint8), placement.left, placement.top)
