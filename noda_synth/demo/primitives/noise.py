"""Smooth noise that repeats without a seam: what folds, stains, leaves and clouds are made from."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives.chance import Random, whole

Floats: TypeAlias = NDArray[np.float32]

SIDE = 256
"""Pixels on each side of a texture."""

_PIECES = 8


def noise(random: Random, size: tuple[int, int], cells: tuple[int, int], octaves: int = 1) -> Floats:
    """(H, W) float32 with mean 0 and deviation near 1.

    Args:
        size: width, height.
        cells: bumps across and down for the coarsest octave.
        octaves: how many times finer and weaker noise is added.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across, down = (min(cells[0] << octave, width), min(cells[1] << octave, height))
        grid = np.pad(random.standard_normal((down, across), np.float32), 2, mode="wrap")
        step_x, step_y = width / across, height / down
        affine = np.array([[step_x, 0, -1.5 * step_x - 0.5], [0, step_y, -1.5 * step_y - 0.5]], np.float32)
        smooth = cv2.INTER_CUBIC if octave == 0 else cv2.INTER_LINEAR
        total += cv2.warpAffine(grid, affine, (width, height), flags=smooth) * np.float32(0.6**octave)
    return total


def ripple(random: Random, count: int, cells: int, octaves: int = 1) -> Floats:
    """(count,) float32: noise along a line."""
    line: Floats = noise(random, (count, 1), (cells, 1), octaves)[0]
    return line


@cache
def _stock(cells: tuple[int, int], octaves: int) -> Floats:
    """(_PIECES, SIDE, SIDE) float32: a few pieces of noise, the same ones always."""
    random = np.random.default_rng([*cells, octaves])
    return np.stack([noise(random, (SIDE, SIDE), cells, octaves) for _ in range(_PIECES)])


def shifted_noise(random: Random, cells: tuple[int, int], octaves: int) -> Floats:
    """(SIDE, SIDE) float32 like `noise`, for much less work: one of a few pieces, shifted."""
    piece = _stock(cells, octaves)[whole(random, 0, _PIECES)]
    return np.roll(piece, (whole(random, 0, SIDE), whole(random, 0, SIDE)), axis=(0, 1))
