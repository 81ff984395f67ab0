"""What is put in the place of dropped information."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FILLS = ("mean", "black", "noise")

_IMAGENET_MEAN = (104, 116, 124)
"""Blue, green, red: ImageNet's mean, which becomes zero when a trainer normalises its input by it."""


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


def draw_seed(rng: np.random.Generator) -> int:
    """A seed for the noise, to be kept in the placement."""
    return int(rng.integers(1 << 32))
