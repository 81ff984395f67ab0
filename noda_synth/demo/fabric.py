"""What surfaces are made of: small square textures that repeat, drawn from a generator.

A texture is (SIDE, SIDE, 3) uint8 RGB and covers `mesh.TILE` metres of surface.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Texture: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
Random: TypeAlias = np.random.Generator

SIDE = 256

SKIN: tuple[Colour, ...] = (
    (228, 190, 166), (222, 178, 150), (212, 164, 132), (198, 148, 114), (186, 134, 100), (160, 110, 78), (128, 84, 58),
    (98, 63, 44), (74, 48, 36),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (28, 22, 20), (44, 32, 26), (70, 46, 32), (98, 66, 42), (132, 96, 60), (176, 140, 90), (206, 176, 122), (118, 54, 32),
    (150, 148, 146), (90, 88, 88),
)  # fmt: skip
CLOTH: tuple[Colour, ...] = (
    (236, 236, 232), (214, 210, 200), (150, 152, 156), (92, 94, 98), (46, 47, 52), (24, 25, 29), (34, 48, 86), (52, 82, 140),
    (96, 136, 184), (158, 190, 214), (150, 36, 40), (196, 62, 56), (214, 116, 52), (226, 182, 72), (84, 104, 58), (46, 84, 62),
    (120, 152, 96), (92, 62, 44), (140, 104, 72), (188, 160, 120), (104, 54, 92), (204, 122, 146), (232, 196, 202), (60, 130, 134),
)  # fmt: skip
DENIM: tuple[Colour, ...] = ((48, 62, 92), (70, 90, 124), (106, 128, 158), (38, 42, 54))


def noise(random: Random, size: tuple[int, int], cells: tuple[int, int], octaves: int = 1) -> Floats:
    """(H, W) float32 smooth noise, mean 0 and deviation near 1, that repeats without a seam.

    Args:
        size: width, height.
        cells: bumps across and down for the coarsest octave.
        octaves: how many times finer and weaker noise is added.
    """
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across, down = (min(cells[0] << octave, width), min(cells[1] << octave, height))
        grid = random.standard_normal((down, across), np.float32)
        smooth = cv2.INTER_CUBIC if octave == 0 else cv2.INTER_LINEAR
        wrapped = np.pad(grid, 2, mode="wrap")
        step_x, step_y = width / across, height / down
        turn = np.float32([[step_x, 0, -2 * step_x + (step_x - 1) / 2], [0, step_y, -2 * step_y + (step_y - 1) / 2]])
        total += cv2.warpAffine(wrapped, turn, (width, height), flags=smooth) * np.float32(0.6**octave)
    return total


@cache
def _stock(cells: tuple[int, int], octaves: int) -> Floats:
    """(8, SIDE, SIDE) float32: a few pieces of noise, the same ones always."""
    random = np.random.default_rng([*cells, octaves])
    return np.stack([noise(random, (SIDE, SIDE), cells, octaves) for _ in range(8)])


def shifted_noise(random: Random, cells: tuple[int, int], octaves: int) -> Floats:
    """(SIDE, SIDE) float32 like `noise`, for much less work: one of a few pieces, shifted."""
    piece = _stock(cells, octaves)[int(random.integers(8))]
    return np.roll(piece, tuple(random.integers(0, SIDE, 2)), axis=(0, 1))


def pick(random: Random, colours: tuple[Colour, ...], spread: float = 8.0) -> Floats:
    """(3,) float32 RGB, one of the colours, a little off."""
    chosen = np.array(colours[int(random.integers(len(colours)))], np.float32)
    return np.clip(chosen + random.normal(0, spread) + random.normal(0, spread / 2, 3), 6, 250).astype(np.float32)


def plain(random: Random, colour: Floats, other: Floats) -> Floats:
    return np.broadcast_to(colour, (SIDE, SIDE, 3)).copy()


def heather(random: Random, colour: Floats, other: Floats) -> Floats:
    mix = np.clip(shifted_noise(random, (90, 50), 2) * 0.13 + 0.2, 0, 0.6)[..., None]
    return colour * (1 - mix) + other * mix


def stripes(random: Random, colour: Floats, other: Floats) -> Floats:
    count, share = int(random.integers(4, 20)), random.uniform(0.2, 0.55)
    on = (np.arange(SIDE) * count / SIDE % 1 < share).astype(np.float32)[:, None, None]
    image = colour * (1 - on) + other * on + np.zeros((SIDE, SIDE, 1), np.float32)
    return np.swapaxes(image, 0, 1) if random.random() < 0.25 else image


def checks(random: Random, colour: Floats, other: Floats) -> Floats:
    count = int(random.integers(5, 14))
    band = (np.arange(SIDE) * count / SIDE % 1 < 0.5).astype(np.float32)
    mix = (band[:, None] + band[None, :])[..., None] / 2
    return colour * (1 - mix) + other * mix


def plaid(random: Random, colour: Floats, other: Floats) -> Floats:
    third = pick(random, CLOTH)
    image = np.zeros((SIDE, SIDE, 3), np.float32) + colour
    phase = np.arange(SIDE) * int(random.integers(3, 7)) / SIDE % 1
    for tone, start, width, strength in ((other, 0.1, 0.35, 0.5), (third, 0.2, 0.06, 0.6), (third, 0.34, 0.04, 0.6), (other, 0.7, 0.1, 0.4)):
        band = ((phase > start) & (phase < start + width)).astype(np.float32) * strength
        for mask in (band[:, None, None], band[None, :, None]):
            image = image * (1 - mask) + tone * mask
    return image


def dots(random: Random, colour: Floats, other: Floats) -> Floats:
    count = int(random.integers(6, 16))
    y, x = np.mgrid[:SIDE, :SIDE] * count / SIDE
    x = x + 0.5 * (np.floor(y) % 2)
    on = np.hypot(x % 1 - 0.5, y % 1 - 0.5) < random.uniform(0.18, 0.36)
    return np.where(on[..., None], other, colour)


def flowers(random: Random, colour: Floats, other: Floats) -> Floats:
    image = np.zeros((SIDE, SIDE, 3), np.float32) + colour
    third = pick(random, CLOTH)
    for _ in range(int(random.integers(40, 90))):
        x, y = (int(v) for v in random.integers(0, SIDE, 2))
        size = int(random.integers(3, 11))
        cv2.ellipse(image, ((x, y), (2 * size, size), float(random.uniform(0, 180))), _tuple(other if random.random() < 0.6 else third), -1, cv2.LINE_AA)
        cv2.ellipse(image, ((x, y), (2 * size, size), float(random.uniform(0, 180))), _tuple(other), -1, cv2.LINE_AA)
        cv2.circle(image, (x, y), max(size // 3, 1), _tuple(third), -1, cv2.LINE_AA)
    return image


def camouflage(random: Random, colour: Floats, other: Floats) -> Floats:
    level = noise(random, (SIDE, SIDE), (7, 7), 2)
    third = pick(random, CLOTH)
    return np.where(level[..., None] > 0.7, third, np.where(level[..., None] > -0.1, colour, other))


def blocks(random: Random, colour: Floats, other: Floats) -> Floats:
    """A yoke or a band across the chest."""
    image = np.zeros((SIDE, SIDE, 3), np.float32) + colour
    top = int(random.integers(0, 90))
    image[top : top + int(random.integers(20, 80))] = other
    return image


def motif(random: Random, colour: Floats, other: Floats) -> Floats:
    """Something on the chest and on the back: a number, words, a sign."""
    image = np.zeros((SIDE, SIDE, 3), np.float32) + colour
    for shift in (0, SIDE // 2):
        on = np.roll(_sign(random), shift, axis=1)[..., None] / np.float32(255)
        image = image * (1 - on) + other * on
    return image


def _sign(random: Random) -> Texture:
    """(SIDE, SIDE) uint8 mask of a number, words, rings or a splash in the middle of the upper half."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    match int(random.integers(4)):
        case 0:
            text = str(random.integers(1, 99))
            cv2.putText(mask, text, (128 - 20 * len(text), 130), cv2.FONT_HERSHEY_DUPLEX, 2.2, 255, 6, cv2.LINE_AA)
        case 1:
            for line in range(int(random.integers(1, 4))):
                text = "".join(random.choice(list("AEIKLMNORSTUV"), int(random.integers(4, 7))))
                cv2.putText(mask, text, (94, 72 + 22 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_AA)
        case 2:
            for radius in range(int(random.integers(10, 28)), 0, -int(random.integers(6, 10))):
                cv2.circle(mask, (128, 90), radius, 255, 3, cv2.LINE_AA)
        case _:
            splash = np.stack([128 + random.normal(0, 20, 9), 90 + random.normal(0, 24, 9)], 1)
            cv2.fillPoly(mask, [splash.astype(np.int32)], 255, cv2.LINE_AA)
    return mask


PATTERNS: dict[Callable[[Random, Floats, Floats], Floats], float] = {
    plain: 0.24, heather: 0.14, stripes: 0.16, checks: 0.06, plaid: 0.09, dots: 0.05, flowers: 0.08, camouflage: 0.04,
    blocks: 0.07, motif: 0.14,
}  # fmt: skip


def cloth(random: Random, colour: Floats | None = None, *, calm: bool = False) -> Texture:
    """A woven or knitted cloth with a pattern, folds and wear; `calm` leaves out loud patterns."""
    colour = pick(random, CLOTH) if colour is None else colour
    other = pick(random, CLOTH)
    while np.abs(other - colour).sum() < 90:
        other = pick(random, CLOTH)
    patterns = [plain, plain, heather] if calm else list(PATTERNS)
    shares = np.ones(3) / 3 if calm else np.array(list(PATTERNS.values())) / sum(PATTERNS.values())
    image = patterns[int(random.choice(len(patterns), p=shares))](random, colour, other)
    return worn(random, image, folds=random.uniform(0.05, 0.13), grain=random.uniform(0.02, 0.06))


def denim(random: Random) -> Texture:
    colour = pick(random, DENIM)
    faded = np.clip(shifted_noise(random, (3, 2), 3) * 0.18, -0.2, 0.4)[..., None]
    return worn(random, colour * (1 + faded), folds=0.1, grain=0.08)


def worn(random: Random, image: Floats, *, folds: float, grain: float) -> Texture:
    """The image with the light and dark of soft folds, and with the grain of its threads, as fractions."""
    height = shifted_noise(random, (3, 5), 3)
    slope = np.roll(height, 1, axis=0) - np.roll(height, -1, axis=0)
    shade = 1 + folds * slope / (slope.std() + 1e-6) * 0.6 + grain * shifted_noise(random, (SIDE, SIDE), 1)
    shade += 0.04 * shifted_noise(random, (2, 2), 2)
    return np.clip(image * shade[..., None], 0, 255).astype(np.uint8)


def skin(random: Random, tone: Floats) -> Texture:
    """Skin with faint blotches."""
    blotch = shifted_noise(random, (5, 5), 3)[..., None]
    redness = shifted_noise(random, (3, 3), 2)[..., None] * np.array([0.2, -0.5, -0.4], np.float32)
    image = tone * (1 + 0.025 * blotch) + 3.0 * redness
    return worn(random, image, folds=0.008, grain=0.012)


def strands(random: Random, colour: Floats, cells: tuple[int, int] = (80, 3)) -> Texture:
    """Hair: light and dark strands that run down."""
    streak = shifted_noise(random, cells, 2)[..., None]
    return np.clip(colour * (1 + 0.16 * streak), 0, 255).astype(np.uint8)


def leather(random: Random, colour: Floats) -> Texture:
    stain = shifted_noise(random, (8, 8), 3)[..., None]
    return worn(random, colour * (1 + 0.05 * stain), folds=0.03, grain=0.03)


def wood(random: Random, colour: Floats) -> Texture:
    """Boards whose grain runs along u."""
    grain = shifted_noise(random, (3, 40), 3)[..., None]
    boards = random.normal(0, 0.06, 4).repeat(SIDE // 4)[:, None, None]
    joint = (np.arange(SIDE) % (SIDE // 4) < 2)[:, None, None]
    return np.clip(colour * (1 + 0.09 * grain + boards) * np.where(joint, 0.55, 1.0), 0, 255).astype(np.uint8)


def _tuple(colour: Floats) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])
