"""What surfaces are made of: small square textures that repeat.

A texture is (SIDE, SIDE, 3) uint8 RGB and covers `mesh.TILE` metres of surface.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives.chance import Random, weighted
from noda_synth.demo.primitives.colours import CLOTH, DENIM, GREEN, eight_bit, muted, pick
from noda_synth.demo.primitives.noise import SIDE, shifted_noise
from noda_synth.demo.primitives.patterns import ALL_OVER, Pattern

Floats: TypeAlias = NDArray[np.float32]
Texture: TypeAlias = NDArray[np.uint8]


def cloth(random: Random, colour: Floats | None = None, patterns: Mapping[Pattern, float] = ALL_OVER) -> Texture:
    """A woven or knitted cloth with one of the patterns, with folds and wear."""
    colour = pick(random, CLOTH) if colour is None else colour
    other = pick(random, CLOTH)
    while np.abs(other - colour).sum() < 90:
        other = pick(random, CLOTH)
    image = weighted(random, patterns)(random, muted(random, colour), muted(random, other))
    return worn(random, image, folds=random.uniform(0.05, 0.13), grain=random.uniform(0.02, 0.06))


def denim(random: Random) -> Texture:
    faded = np.clip(shifted_noise(random, (3, 2), 3) * 0.18, -0.2, 0.4)[..., None]
    return worn(random, pick(random, DENIM) * (1 + faded), folds=0.1, grain=0.08)


def worn(random: Random, image: Floats, *, folds: float, grain: float) -> Texture:
    """The image with the light and dark of soft folds, and with the grain of its threads, as fractions."""
    height = shifted_noise(random, (3, 5), 3)
    slope = np.roll(height, 1, axis=0) - np.roll(height, -1, axis=0)
    shade = 1 + 0.6 * folds * slope / slope.std() + grain * shifted_noise(random, (SIDE, SIDE), 1)
    shade += 0.04 * shifted_noise(random, (2, 2), 2)
    return eight_bit(image * shade[..., None])


def skin(random: Random, tone: Floats) -> Texture:
    """Skin with faint blotches."""
    blotch = 1 + 0.025 * shifted_noise(random, (5, 5), 3)[..., None]
    redness = shifted_noise(random, (3, 3), 2)[..., None] * np.array([0.6, -1.5, -1.2], np.float32)
    return worn(random, tone * blotch + redness, folds=0.008, grain=0.012)


def strands(random: Random, colour: Floats, cells: tuple[int, int] = (80, 3)) -> Texture:
    """Hair or bark: light and dark strands that run down."""
    return eight_bit(colour * (1 + 0.16 * shifted_noise(random, cells, 2)[..., None]))


def leather(random: Random, colour: Floats) -> Texture:
    """Leather, paint, metal: plain, with stains."""
    return worn(random, colour * (1 + 0.05 * shifted_noise(random, (8, 8), 3)[..., None]), folds=0.03, grain=0.03)


def wood(random: Random, colour: Floats) -> Texture:
    """Boards whose grain runs along u."""
    grain = 0.09 * shifted_noise(random, (3, 40), 3)[..., None]
    boards = random.normal(0, 0.06, 4).repeat(SIDE // 4)[:, None, None]
    joints = np.where(np.arange(SIDE) % (SIDE // 4) < 2, 0.55, 1.0)[:, None, None]
    return eight_bit(colour * (1 + grain + boards) * joints)


def leaves(random: Random, side: int = SIDE, count: int = 900) -> Texture:
    """(side, side, 3) foliage: leaves over leaves, the upper ones lighter."""
    colour = pick(random, GREEN)
    image = np.zeros((side, side, 3), np.uint8) + eight_bit(colour * 0.35)
    centers = random.integers(-8, side + 8, (count, 2)).tolist()
    sizes, turns = random.uniform(5, 15, count), random.uniform(0, 180, count)
    lights = np.linspace(0.45, 1.15, count) + random.normal(0, 0.14, count)
    tones = eight_bit(colour * (lights[:, None] + random.normal(0, 0.05, (count, 3)))).tolist()
    for center, size, turn, tone in zip(centers, sizes, turns, tones, strict=True):
        cv2.ellipse(image, (center, (size * 1.5, size * 0.7), turn), tone, -1)
    return image
