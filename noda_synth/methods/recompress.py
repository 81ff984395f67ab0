"""Nothing is occluded: the image is decoded and encoded again, as by every other method.

The control of a comparison: what this changes in a trained network comes from the JPEG, not from occlusion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.base import Method, Subject


@dataclass(frozen=True)
class RecompressSettings:
    """There is nothing to choose; format and quality are those of every method."""


@dataclass(frozen=True)
class Recompressed:
    """There is nothing to draw."""


class Recompress(Method[RecompressSettings, Recompressed]):
    settings_type, placement_type = RecompressSettings, Recompressed

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Recompressed, str]:
        return Recompressed(), ""

    def overlay(self, placement: Recompressed) -> None:
        return None

    def colours(self, placement: Recompressed, overlay: Overlay, picture: BGRImage) -> BGRImage:
        return picture
