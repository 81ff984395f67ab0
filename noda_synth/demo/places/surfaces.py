"""Pictures of floors and walls, and what is drawn on walls. Pictures are (H, W, 3) uint8 RGB."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives import fabric
from noda_synth.demo.primitives.chance import Random, one_of, whole
from noda_synth.demo.primitives.colours import CLOTH, FRAMES, SKIN, STONE, WOOD, eight_bit, pick, rgb
from noda_synth.demo.primitives.noise import noise

Floats: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]

FLOOR = 512
"""Pixels on each side of a floor's picture."""
WALL = (1024, 512)
"""Width and height of a wall's picture."""


def speckled(random: Random, colour: Floats, depth: float) -> Picture:
    """Grass, sand, earth or asphalt; `depth` is how much darker and lighter specks are, as a fraction."""
    specks = 0.5 * random.standard_normal((FLOOR, FLOOR), np.float32) + 0.4 * noise(random, (FLOOR, FLOOR), (4, 4), 4)
    tone = noise(random, (FLOOR, FLOOR), (10, 10), 2)[..., None] * np.array([0.02, 0, -0.02], np.float32)
    return eight_bit(colour * (1 + depth * specks[..., None] + tone))


def paving(random: Random) -> Picture:
    """Square stones, each row shifted by half a stone."""
    image = speckled(random, pick(random, STONE), 0.07).astype(np.float32)
    step = one_of(random, (32, 64, 128))
    count = FLOOR // step
    rows, columns = np.mgrid[:FLOOR, :FLOOR]
    along = (columns + rows // step % 2 * step // 2) % FLOOR
    image *= random.normal(1, 0.09, (count, count)).astype(np.float32)[rows // step, along // step][..., None]
    image[(rows % step < 3) | (along % step < 3)] *= 0.6
    return eight_bit(image)


def planks(picture: Picture, repeats: int = 1) -> Picture:
    """A floor of a texture, `repeats` times along each side."""
    side = FLOOR // repeats
    return np.tile(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), (repeats, repeats, 1))


def plaster(random: Random, colour: Floats) -> Picture:
    fine = random.standard_normal((WALL[1], WALL[0]), np.float32)
    return eight_bit(colour * (1 + 0.05 * noise(random, WALL, (5, 3), 4) + 0.025 * fine)[..., None])


def bricks(random: Random, colour: Floats) -> Picture:
    image = plaster(random, colour).astype(np.float32)
    tall, wide = 16, 32
    tones = random.normal(1, 0.12, (WALL[1] // tall, WALL[0] // wide)).astype(np.float32)
    rows, columns = np.mgrid[: WALL[1], : WALL[0]]
    along = (columns + rows // tall % 2 * wide // 2) % WALL[0]
    image *= tones[rows // tall, along // wide][..., None]
    mortar = (rows % tall < 2) | (along % wide < 2)
    image[mortar] = image[mortar] * 0.3 + np.array([106, 103, 98], np.float32)
    return eight_bit(image)


def window(random: Random, wall: Picture, x: int, y: int, wide: int, tall: int) -> None:
    """Dark glass in a frame with a sill."""
    pane = wall[y : y + tall, x : x + wide]
    dark = np.linspace(random.uniform(60, 120), random.uniform(20, 70), pane.shape[0])[:, None, None]
    shine = 14 * noise(random, (pane.shape[1], pane.shape[0]), (3, 4), 3)[..., None]
    pane[:] = eight_bit(dark * np.array([0.85, 0.95, 1.1]) + shine)
    frame = rgb(pick(random, FRAMES))
    cv2.rectangle(wall, (x, y), (x + wide, y + tall), frame, 7)
    cv2.line(wall, (x + wide // 2, y), (x + wide // 2, y + tall), frame, 4)
    cv2.line(wall, (x, y + tall // 3), (x + wide, y + tall // 3), frame, 4)
    cv2.rectangle(wall, (x - 8, y + tall + 4), (x + wide + 8, y + tall + 12), frame, -1)


def posters(random: Random, wall: Picture, count: int) -> None:
    """Pictures and notices on the wall."""
    height, width = wall.shape[:2]
    for _ in range(count):
        wide, tall = whole(random, 50, 170), whole(random, 50, 150)
        x, y = whole(random, 0, width - wide), whole(random, 60, height - tall - 70)
        patch = wall[y : y + tall, x : x + wide]
        patch[:] = fabric.cloth(random)[:tall, :wide]
        for _ in range(whole(random, 1, 5)):
            centre, axes = (whole(random, 10, wide), whole(random, 10, tall)), random.uniform(10, 60, 2)
            colour = rgb(pick(random, CLOTH + SKIN))
            cv2.ellipse(patch, (centre, axes.tolist(), random.uniform(0, 180)), colour, -1, cv2.LINE_AA)
        cv2.rectangle(wall, (x, y), (x + wide, y + tall), rgb(pick(random, CLOTH[:6] + WOOD)), whole(random, 1, 7))


def curtains(random: Random, wall: Picture) -> None:
    """A bright window between two curtains."""
    x, wide = whole(random, 60, 700), whole(random, 140, 260)
    window(random, wall, x, 70, wide, 230)
    glass = wall[74:296, x + 6 : x + wide - 5]
    glass[:] = glass // 2 + 120
    cloth = np.tile(fabric.cloth(random), (2, 1, 1))[:380, :90]
    pleats = 1 + 0.22 * np.sin(np.arange(90) * 2 * np.pi / 18)[None, :, None]
    for left in (x - 50, x + wide - 40):
        wall[50:430, left : left + 90] = eight_bit(cloth * pleats)[:, : wall.shape[1] - left]


def fence(random: Random, wall: Picture) -> None:
    colour, top = pick(random, WOOD), whole(random, 330, 420)
    height, width = wall.shape[:2]
    for x in range(0, width, 22):
        cv2.rectangle(wall, (x, top - x % 3), (x + 15, height), rgb(colour * np.float32(random.uniform(0.8, 1.1))), -1)
    for y in (top + 20, 480):
        cv2.rectangle(wall, (0, y), (width, y + 10), rgb(colour * np.float32(0.8)), -1)
