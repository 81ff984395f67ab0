"""What is put where information is dropped, and what the methods that drop it share."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.base import Method

FILLS = ("mean", "black", "noise")

_IMAGENET_MEAN = (104, 116, 124)
"""Blue, green, red: ImageNet's mean, which becomes zero when a trainer normalises its input by it."""


class FilledSettings(Protocol):
    """Settings that name a fill, one of FILLS."""

    @property
    def fill(self) -> str: ...


class FilledPlacement(Protocol):
    """A placement that keeps the fill, and the seed of its noise."""

    @property
    def fill(self) -> str: ...
    @property
    def noise_seed(self) -> int: ...


FilledSettingsT = TypeVar("FilledSettingsT", bound=FilledSettings)
FilledPlacementT = TypeVar("FilledPlacementT", bound=FilledPlacement)


class FillMethod(Method[FilledSettingsT, FilledPlacementT]):
    """A method that drops what lies under its overlay and fills it in."""

    def draw_fill(self, rng: np.random.Generator) -> tuple[str, int]:
        """The last two fields of a placement: the fill, and a seed for its noise."""
        return self.settings.fill, int(rng.integers(1 << 32))

    def colours(self, placement: FilledPlacementT, overlay: Overlay, picture: BGRImage) -> BGRImage:
        return fill_colours(placement.fill, overlay.alpha.shape, placement.noise_seed)


def fill_colours(fill: str, shape: tuple[int, ...], noise_seed: int = 0) -> NDArray[np.uint8]:
    """Colours of (h, w): (h, w, 3) uint8.

    Args:
        fill: "mean", "black", or "noise": every pixel its own random value.
        shape: (h, w).
        noise_seed: the noise is the same for the same seed.
    """
    if fill == "noise":
        return np.random.default_rng(noise_seed).integers(0, 256, (*shape[:2], 3), np.uint8)
    return np.full((*shape[:2], 3), _IMAGENET_MEAN if fill == "mean" else 0, np.uint8)
