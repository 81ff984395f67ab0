"""Places: a floor that runs away from the camera, something upright at its end, and the light there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.optics.light import Light
from noda_synth.demo.places import props, surfaces
from noda_synth.demo.places.props import Prop
from noda_synth.demo.places.surfaces import FLOOR, WALL
from noda_synth.demo.primitives import colours, fabric
from noda_synth.demo.primitives.chance import Random, likely, one_of, weighted, whole
from noda_synth.demo.primitives.colours import Colour, eight_bit, pick, rgb, shaded
from noda_synth.demo.primitives.noise import noise, ripple

Floats: TypeAlias = NDArray[np.float64]
Pixels: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Floor:
    """A picture (S, S, 3) uint8 RGB that repeats every `size` metres."""

    picture: Picture
    size: float


@dataclass(frozen=True, eq=False)
class Wall:
    """What stands upright behind everything.

    Attributes:
        picture: (H, W, 3) uint8 RGB; repeats to both sides.
        size: (width, height) of the picture in metres.
        ridge: (W,) float32 height of the wall in metres at each column of the picture; above it is the sky.
        distance: metres from the camera.
        yaw: radians by which it is turned.
    """

    picture: Picture
    size: tuple[float, float]
    ridge: Pixels
    distance: float
    yaw: float

    def depth(self, x: float) -> float:
        """Metres from the camera's plane, `x` metres to the right."""
        return (self.distance - x * float(np.sin(self.yaw))) / float(np.cos(self.yaw))


@dataclass(frozen=True, eq=False)
class Scenery:
    """A place.

    Attributes:
        sky: (3, 3) float32 RGB light of the sky low, in the middle and high up.
        palette: colours that are common here.
        props: what stands around here.
    """

    floor: Floor
    wall: Wall
    sky: Pixels
    light: Light
    palette: tuple[Colour, ...]
    props: tuple[Callable[[Random], Prop], ...]


def draw_scenery(random: Random) -> Scenery:
    return weighted(random, PLACES)(random)


def park(random: Random) -> Scenery:
    """Grass or earth before a hedge."""
    ground, depth = (colours.EARTH, 0.14) if likely(random, 0.35) else (colours.GREEN, 0.22)
    floor = Floor(surfaces.speckled(random, pick(random, ground), depth), 2.6)
    hedge = fabric.leaves(random, side=WALL[0], count=5200)[: WALL[1]]
    hedge = eight_bit(hedge * np.linspace(1.0, 0.75, WALL[1])[:, None, None])
    for _ in range(whole(random, 2, 7)):
        top, foot = (whole(random, 0, WALL[0]), whole(random, 0, 150)), (whole(random, 0, WALL[0]), WALL[1])
        cv2.line(
            hedge, top, (top[0] + foot[0] % 60 - 30, foot[1]), rgb(pick(random, colours.BARK)), whole(random, 8, 26)
        )
    if likely(random, 0.4):
        surfaces.fence(random, hedge)
    ridge = random.uniform(1.6, 5.5) + 0.2 * ripple(random, WALL[0], 9, 2)  # round tops: no sky in the hedge
    wall = Wall(hedge, (9.0, 4.5), ridge, random.uniform(7, 15), random.uniform(-0.3, 0.3))
    palette = colours.GREEN + colours.CLOTH[::5]
    return Scenery(floor, wall, _sky(random), daylight(random), palette, props.OUTDOORS)


def street(random: Random) -> Scenery:
    """Paving or asphalt before a house with windows."""
    asphalt = likely(random, 0.4)
    picture = surfaces.speckled(random, pick(random, colours.ASPHALT), 0.1) if asphalt else surfaces.paving(random)
    masonry = pick(random, colours.MASONRY)
    house = (surfaces.bricks if likely(random, 0.6) else surfaces.plaster)(random, masonry)
    for x in range(whole(random, 0, 80), WALL[0] - 130, whole(random, 170, 300)):
        size = (whole(random, 80, 130), whole(random, 150, 240))
        surfaces.window(random, house, x, whole(random, 60, 110), *size)
    surfaces.posters(random, house, whole(random, 1, 6))
    if likely(random, 0.5):
        plinth = rgb(pick(random, colours.CLOTH) * np.float32(0.7))
        cv2.rectangle(house, (0, WALL[1] - whole(random, 30, 70)), WALL, plinth, -1)
    wall = Wall(house, (8.0, 4.0), _level(random.uniform(3, 9)), random.uniform(5, 11), random.uniform(-0.5, 0.5))
    palette = (*(shaded(masonry, factor) for factor in (0.8, 1.0, 1.15)), *colours.CLOTH[::4])
    return Scenery(Floor(picture, 2.4), wall, _sky(random), daylight(random), palette, props.OUTDOORS)


def room(random: Random) -> Scenery:
    """Boards or a carpet before a papered wall."""
    texture = fabric.cloth(random) if likely(random, 0.4) else fabric.wood(random, pick(random, colours.WOOD))
    paint = pick(random, colours.WALLPAINT)
    picture = surfaces.plaster(random, paint)
    if likely(random, 0.45):
        paper = cv2.resize(fabric.cloth(random, paint), (128, 128), interpolation=cv2.INTER_AREA)
        picture = np.tile(paper, (WALL[1] // 128, WALL[0] // 128, 1))
    if likely(random, 0.5):
        surfaces.curtains(random, picture)
    surfaces.posters(random, picture, whole(random, 2, 6))
    cv2.rectangle(picture, (0, WALL[1] - 20), WALL, rgb(paint * np.float32(0.55)), -1)
    wall = Wall(picture, (5.6, 2.8), _level(12), random.uniform(4.2, 6.5), random.uniform(-0.45, 0.45))
    palette = (*(shaded(paint, factor) for factor in (0.6, 0.85, 1.0)), *colours.WOOD)
    floor = Floor(surfaces.planks(texture), 1.8)
    return Scenery(floor, wall, _sky(random), lamplight(random), palette, props.INDOORS)


def hall(random: Random) -> Scenery:
    """A sports hall: a floor with lines, a wall with bars."""
    board = fabric.wood(random, pick(random, (*colours.WOOD[:2], (96, 130, 100), (90, 110, 140))))
    floor = surfaces.planks(board, 2)
    for _ in range(whole(random, 1, 4)):
        x, line = whole(random, 20, FLOOR - 20), rgb(pick(random, colours.CLOTH))
        cv2.line(floor, (x, 0), (x, FLOOR), line, 7)
        if likely(random, 0.5):
            cv2.circle(floor, (FLOOR // 2, FLOOR // 2), whole(random, 80, 240), line, 7, cv2.LINE_AA)
    paint = pick(random, colours.WALLPAINT + colours.CLOTH[8:10])
    picture = surfaces.plaster(random, paint)
    picture[330:] = eight_bit(picture[330:] * 0.2 + 0.8 * pick(random, colours.CLOTH))
    for x in range(0, WALL[0], whole(random, 64, 160)):
        cv2.line(picture, (x, 0), (x, WALL[1]), rgb(paint * np.float32(0.6)), 3)
    for y in range(200, 460, 18) if likely(random, 0.5) else ():
        cv2.line(picture, (300, y), (520, y), colours.WOOD[1], 5)
    surfaces.posters(random, picture, whole(random, 3, 8))
    wall = Wall(picture, (9.0, 4.5), _level(20), random.uniform(6, 12), random.uniform(-0.3, 0.3))
    palette = (*colours.CLOTH[::3], shaded(paint, 0.9))
    return Scenery(Floor(floor, 4.5), wall, _sky(random), lamplight(random), palette, props.INDOORS)


def beach(random: Random) -> Scenery:
    """Sand before the sea, with hills behind it."""
    floor = Floor(surfaces.speckled(random, pick(random, colours.SAND), 0.1), 2.2)
    width, height = 1024, 256
    waves = noise(random, (width, height), (12, 50), 3)[..., None]
    picture = eight_bit(pick(random, colours.SEA) * (1 + 0.13 * waves) + 60 * (waves > 1.6))
    rock = np.array([96, 112, 118]) * (1 + 0.12 * noise(random, (width, height // 2), (30, 12), 3)[..., None])
    picture[: height // 2] = eight_bit(rock)
    hills = np.maximum(1.3 + 1.6 * ripple(random, width, 4, 4), 0.9)
    wall = Wall(picture, (26.0, 2.4), hills, random.uniform(14, 24), random.uniform(-0.15, 0.15))
    palette = colours.CLOTH[::3] + colours.SAND + colours.SEA
    things = (props.ball, props.crates, props.pole, props.bush)
    return Scenery(floor, wall, _sky(random), daylight(random), palette, things)


PLACES: dict[Callable[[Random], Scenery], float] = {park: 0.26, street: 0.26, room: 0.24, hall: 0.16, beach: 0.08}
"""Places and how often each is drawn."""


def daylight(random: Random) -> Light:
    warm = random.uniform(0, 1)
    sun = random.uniform(0.45, 1.25) * np.array([1.0, 0.97 - 0.08 * warm, 0.92 - 0.25 * warm])
    sky = random.uniform(0.42, 0.6) * np.array([0.86, 0.95, 1.1])
    floor = random.uniform(0.16, 0.3) * np.array([1.0, 0.96, 0.85])
    return Light(_direction(random, random.uniform(28, 68)), sun, sky, floor)


def lamplight(random: Random) -> Light:
    tint = np.array([1.0, random.uniform(0.88, 1.0), random.uniform(0.72, 1.0)])
    sun, sky, floor = random.uniform([0.35, 0.38, 0.22], [0.75, 0.60, 0.36])
    return Light(_direction(random, random.uniform(40, 75)), sun * tint, sky * tint, floor * tint)


def _direction(random: Random, elevation: float) -> Floats:
    """(3,) unit vector to a sun at an elevation in degrees; mostly on the camera's side, sometimes against it."""
    around = random.normal(0, 65) if likely(random, 0.8) else random.uniform(100, 260)
    a, e = np.radians([around, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def _level(height: float) -> Pixels:
    return np.full(WALL[0], height, np.float32)


def _sky(random: Random) -> Pixels:
    high = np.array(one_of(random, ((0.30, 0.50, 0.86), (0.55, 0.66, 0.80), (0.72, 0.74, 0.78), (0.34, 0.46, 0.70))))
    low = high * 0.35 + np.array([0.86, 0.84, 0.80]) * 0.62
    return np.stack([low, (low + high) / 2, high]).astype(np.float32)
