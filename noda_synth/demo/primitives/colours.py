"""Colours of people, cloth and things, RGB from 0 to 255."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives.chance import Random, one_of

Colour: TypeAlias = tuple[int, int, int]
Floats: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]

SKIN: tuple[Colour, ...] = (
    (228, 190, 166), (222, 178, 150), (212, 164, 132), (198, 148, 114), (186, 134, 100), (160, 110, 78),
    (128, 84, 58), (98, 63, 44), (74, 48, 36),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (28, 22, 20), (44, 32, 26), (70, 46, 32), (98, 66, 42), (132, 96, 60), (176, 140, 90), (206, 176, 122),
    (118, 54, 32), (150, 148, 146), (90, 88, 88),
)  # fmt: skip
CLOTH: tuple[Colour, ...] = (
    (236, 236, 232), (214, 210, 200), (150, 152, 156), (92, 94, 98), (46, 47, 52), (24, 25, 29), (34, 48, 86),
    (52, 82, 140), (96, 136, 184), (158, 190, 214), (150, 36, 40), (196, 62, 56), (214, 116, 52), (226, 182, 72),
    (84, 104, 58), (46, 84, 62), (120, 152, 96), (92, 62, 44), (140, 104, 72), (188, 160, 120), (104, 54, 92),
    (204, 122, 146), (232, 196, 202), (60, 130, 134),
)  # fmt: skip
DENIM: tuple[Colour, ...] = ((48, 62, 92), (70, 90, 124), (106, 128, 158), (38, 42, 54))
SOLES: tuple[Colour, ...] = ((235, 235, 230), (30, 30, 32), (170, 140, 100))
WOOD: tuple[Colour, ...] = (
    (150, 108, 68), (186, 146, 98), (112, 74, 46), (84, 58, 42), (206, 178, 138), (196, 190, 182),
)  # fmt: skip
BARK: tuple[Colour, ...] = ((92, 74, 58), (120, 108, 92), (66, 52, 42))
CLAY: tuple[Colour, ...] = ((172, 96, 66), (220, 216, 206), (70, 76, 84), (60, 110, 120))
METAL: tuple[Colour, ...] = ((120, 124, 128), (60, 64, 68), (190, 192, 194), (46, 90, 70))
GREEN: tuple[Colour, ...] = ((70, 104, 44), (52, 84, 44), (104, 130, 60), (86, 110, 70), (134, 140, 66), (44, 70, 40))
EARTH: tuple[Colour, ...] = ((150, 128, 98), (170, 160, 146))
SAND: tuple[Colour, ...] = ((206, 184, 146), (222, 206, 176), (176, 150, 116))
SEA: tuple[Colour, ...] = ((70, 120, 140), (60, 100, 130), (110, 150, 160))
ASPHALT: tuple[Colour, ...] = ((112, 112, 114), (88, 88, 90), (140, 136, 130))
STONE: tuple[Colour, ...] = ((168, 162, 154), (150, 130, 116), (126, 128, 132), (190, 180, 164))
MASONRY: tuple[Colour, ...] = (
    (150, 84, 66), (184, 160, 128), (198, 196, 190), (128, 122, 116), (204, 176, 120), (120, 140, 150),
)  # fmt: skip
WALLPAINT: tuple[Colour, ...] = (
    (226, 220, 208), (206, 214, 218), (222, 204, 168), (176, 190, 168), (212, 186, 180), (150, 160, 172),
    (190, 172, 148),
)  # fmt: skip
FRAMES: tuple[Colour, ...] = ((232, 230, 224), (70, 54, 44), (60, 70, 80), (150, 40, 40))


def pick(random: Random, colours: tuple[Colour, ...], spread: float = 8.0) -> Floats:
    """(3,) float32, one of the colours, a little off."""
    chosen = np.array(one_of(random, colours), float) + random.normal(0, spread) + random.normal(0, spread / 2, 3)
    return np.asarray(np.clip(chosen, 6, 250), np.float32)


def muted(random: Random, colour: Floats) -> Floats:
    """The colour, up to two fifths of its way to grey."""
    share = np.float32(random.uniform(0, 0.4))
    return colour + share * (np.float32(colour.mean()) - colour)


def shaded(colour: Floats, factor: float) -> Colour:
    """A darker or lighter one, as plain numbers."""
    red, green, blue = (int(value) for value in np.clip(colour * factor, 0, 255))
    return red, green, blue


def rgb(colour: Floats) -> tuple[float, float, float]:
    """A colour (3,) as OpenCV's drawing functions want it."""
    return float(colour[0]), float(colour[1]), float(colour[2])


def eight_bit(image: NDArray[np.floating]) -> Picture:
    """The picture as uint8, what is too dark or too light cut off."""
    return np.asarray(np.clip(image, 0, 255), np.uint8)
