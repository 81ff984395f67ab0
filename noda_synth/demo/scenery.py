"""Backgrounds: a floor that runs away from the camera, something upright at its end, and the sky above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo import fabric, props
from noda_synth.demo.camera import Camera
from noda_synth.demo.fabric import Colour, noise
from noda_synth.demo.light import Light, Shadows, floor_openness, linear
from noda_synth.demo.props import Prop

Floats: TypeAlias = NDArray[np.float64]
Pixels: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]
Random: TypeAlias = np.random.Generator


@dataclass(frozen=True, eq=False)
class Scenery:
    """A place.

    Attributes:
        floor: (S, S, 3) uint8 RGB, repeats every `floor_size` metres.
        floor_size: metres.
        wall: (H, W, 3) uint8 RGB, repeats to both sides.
        ridge: (W,) float32 height of the wall in metres at each column of its picture; above it is the sky.
        wall_size: (width, height) of the wall's picture in metres.
        distance: metres from the camera to the wall.
        yaw: radians by which the wall is turned.
        sky: (3, 3) float32 RGB light low, in the middle and high up; clouds are drawn over it.
        light: the light of the place.
        palette: colours that are common here.
        props: what stands around here.
    """

    floor: Picture
    floor_size: float
    wall: Picture
    ridge: Pixels
    wall_size: tuple[float, float]
    distance: float
    yaw: float
    sky: Pixels
    light: Light
    palette: tuple[Colour, ...]
    props: tuple[Callable[[Random], Prop], ...]

    def wall_depth(self, x: float) -> float:
        """Metres from the camera's plane to the wall, `x` metres to the right."""
        return (self.distance - x * float(np.sin(self.yaw))) / float(np.cos(self.yaw))


def draw_scenery(random: Random) -> Scenery:
    return (park, street, room, hall, beach)[int(random.choice(5, p=[0.26, 0.26, 0.24, 0.16, 0.08]))](random)


def daylight(random: Random) -> Light:
    warm, strong = random.uniform(0, 1), random.uniform(0.45, 1.25)
    sun = strong * np.array([1.0, 0.97 - 0.08 * warm, 0.92 - 0.25 * warm])
    sky = random.uniform(0.42, 0.6) * np.array([0.86, 0.95, 1.1])
    return _light(random, random.uniform(28, 68), sun, sky, random.uniform(0.16, 0.3) * np.array([1.0, 0.96, 0.85]))


def lamplight(random: Random) -> Light:
    tint = np.array([1.0, random.uniform(0.88, 1.0), random.uniform(0.72, 1.0)])
    return _light(random, random.uniform(40, 75), random.uniform(0.35, 0.75) * tint, random.uniform(0.38, 0.6) * tint, random.uniform(0.22, 0.36) * tint)


def _light(random: Random, elevation: float, sun: Floats, sky: Floats, floor: Floats) -> Light:
    # Mostly from the camera's side, now and then against it.
    around = random.normal(0, 65) if random.random() < 0.8 else random.uniform(100, 260)
    a, e = np.radians([around, elevation])
    direction = (float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e)))
    return Light(direction, _triple(sun), _triple(sky), _triple(floor))


def _triple(values: Floats) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def park(random: Random) -> Scenery:
    grass = speckled(random, fabric.pick(random, props.GREEN), 0.22)
    if random.random() < 0.35:
        grass = speckled(random, fabric.pick(random, ((150, 128, 98), (170, 160, 146))), 0.14)
    width, height = 1024, 512
    hedge = props.leaves(random, side=width, count=5200)[:height]
    rows = np.linspace(1.0, 0.75, height)[:, None, None]
    hedge = np.clip(hedge * rows, 0, 255).astype(np.uint8)
    for _ in range(int(random.integers(2, 7))):
        x, wide = int(random.integers(0, width)), int(random.integers(8, 26))
        cv2.line(hedge, (x, int(random.integers(0, 150))), (x + int(random.integers(-30, 30)), height), fabric.pick(random, props.WOOD[2:4]).tolist(), wide)
    if random.random() < 0.4:
        _fence(random, hedge)
    tall = random.uniform(1.6, 5.5)
    ridge = np.maximum(tall * (1 + 0.16 * noise(random, (width, 1), (9, 1), 4)[0]), 0.6).astype(np.float32)
    return Scenery(grass, 2.6, hedge, ridge, (9.0, 4.5), random.uniform(7, 15), random.uniform(-0.3, 0.3), _sky(random), daylight(random), props.GREEN + fabric.CLOTH[::5], props.OUTDOORS)


def street(random: Random) -> Scenery:
    floor = paving(random) if random.random() < 0.6 else speckled(random, fabric.pick(random, ((112, 112, 114), (88, 88, 90), (140, 136, 130))), 0.1)
    width, height = 1024, 512
    masonry = fabric.pick(random, ((150, 84, 66), (184, 160, 128), (198, 196, 190), (128, 122, 116), (204, 176, 120), (120, 140, 150)))
    wall = bricks(random, masonry, width, height) if random.random() < 0.6 else plaster(random, masonry, width, height)
    step = int(random.integers(170, 300))
    for x in range(int(random.integers(0, 80)), width - 130, step):
        _window(random, wall, x, int(random.integers(60, 110)), int(random.integers(80, 130)), int(random.integers(150, 240)))
    for _ in range(int(random.integers(1, 6))):
        _poster(random, wall)
    if random.random() < 0.5:
        cv2.rectangle(wall, (0, height - int(random.integers(30, 70))), (width, height), (fabric.pick(random, fabric.CLOTH) * 0.7).tolist(), -1)
    tall = random.uniform(3, 9)
    ridge = np.full(width, tall, np.float32)
    palette = tuple(_shade(masonry, f) for f in (0.8, 1.0, 1.15)) + fabric.CLOTH[::4]
    return Scenery(floor, 2.4, wall, ridge, (8.0, 4.0), random.uniform(5, 11), random.uniform(-0.5, 0.5), _sky(random), daylight(random), palette, props.OUTDOORS)


def room(random: Random) -> Scenery:
    floor = cv2.resize(fabric.wood(random, fabric.pick(random, props.WOOD)), (512, 512), interpolation=cv2.INTER_CUBIC)
    if random.random() < 0.4:
        floor = cv2.resize(fabric.cloth(random), (512, 512), interpolation=cv2.INTER_CUBIC)
    width, height = 1024, 512
    paint = fabric.pick(random, ((226, 220, 208), (206, 214, 218), (222, 204, 168), (176, 190, 168), (212, 186, 180), (150, 160, 172), (190, 172, 148)))
    wall = plaster(random, paint, width, height)
    if random.random() < 0.45:
        pattern = fabric.cloth(random, paint)
        wall = np.tile(cv2.resize(pattern, (128, 128), interpolation=cv2.INTER_AREA), (4, 8, 1))
    if random.random() < 0.5:
        _curtains(random, wall)
    for _ in range(int(random.integers(2, 6))):
        _poster(random, wall)
    cv2.rectangle(wall, (0, 492), (width, height), _tuple(paint * 0.55), -1)
    cv2.line(wall, (0, 490), (width, 490), _tuple(paint * 1.1), 2)
    ridge = np.full(width, 12, np.float32)
    palette = (*tuple(_shade(paint, f) for f in (0.6, 0.85, 1.0)), *props.WOOD)
    return Scenery(floor, 1.8, wall, ridge, (5.6, 2.8), random.uniform(4.2, 6.5), random.uniform(-0.45, 0.45), _sky(random), lamplight(random), palette, props.INDOORS)


def hall(random: Random) -> Scenery:
    """A sports hall."""
    board = fabric.wood(random, fabric.pick(random, ((206, 164, 108), (190, 140, 88), (96, 130, 100), (90, 110, 140))))
    floor = np.tile(cv2.resize(board, (256, 256)), (2, 2, 1))
    for _ in range(int(random.integers(1, 4))):
        at, colour = int(random.integers(20, 490)), fabric.pick(random, fabric.CLOTH).tolist()
        cv2.line(floor, (at, 0), (at, 511), colour, 7)
        if random.random() < 0.5:
            cv2.ellipse(floor, (256, 256), (int(random.integers(80, 240)),) * 2, 0, 0, 360, colour, 7, cv2.LINE_AA)
    width, height = 1024, 512
    paint = fabric.pick(random, fabric.CLOTH[:2] + fabric.CLOTH[8:10] + props.WOOD[:2])
    wall = plaster(random, paint, width, height)
    wall[330:] = (wall[330:] * 0.2 + 0.8 * fabric.pick(random, fabric.CLOTH)).astype(np.uint8)
    for x in range(0, width, int(random.integers(64, 160))):
        cv2.line(wall, (x, 0), (x, height), _tuple(paint * 0.6), 3)
    for y in range(200, 460, 18) if random.random() < 0.5 else ():
        cv2.line(wall, (300, y), (520, y), (176, 132, 84), 5)
    for _ in range(int(random.integers(3, 8))):
        _poster(random, wall)
    palette = (*fabric.CLOTH[::3], _shade(paint, 0.9))
    return Scenery(floor, 4.5, wall, np.full(width, 20, np.float32), (9.0, 4.5), random.uniform(6, 12), random.uniform(-0.3, 0.3), _sky(random), lamplight(random), palette, props.INDOORS)


def beach(random: Random) -> Scenery:
    sand = speckled(random, fabric.pick(random, ((206, 184, 146), (222, 206, 176), (176, 150, 116))), 0.1)
    width, height = 1024, 256
    sea = fabric.pick(random, ((70, 120, 140), (60, 100, 130), (110, 150, 160)))
    waves = noise(random, (width, height), (12, 50), 3)[..., None]
    water = np.clip(sea * (1 + 0.13 * waves) + 60 * (waves > 1.6), 0, 255).astype(np.uint8)
    hills = np.maximum(1.3 + 1.6 * noise(random, (width, 1), (4, 1), 4)[0], 0.9).astype(np.float32)
    water[: height // 2] = np.clip(np.float32([96, 112, 118]) * (1 + 0.12 * noise(random, (width, height // 2), (30, 12), 3)[..., None]), 0, 255)
    palette = fabric.CLOTH[::3] + ((206, 184, 146), (70, 120, 140))
    return Scenery(sand, 2.2, water, hills, (26.0, 2.4), random.uniform(14, 24), random.uniform(-0.15, 0.15), _sky(random), daylight(random), palette, (props.ball, props.crates, props.pole, props.bush))


def speckled(random: Random, colour: Pixels, depth: float) -> Picture:
    """Grass, sand or asphalt."""
    fine = random.standard_normal((512, 512), np.float32)
    coarse = noise(random, (512, 512), (4, 4), 4)
    tone = noise(random, (512, 512), (10, 10), 2)[..., None] * np.float32([0.02, 0, -0.02])
    image = colour * (1 + depth * (0.5 * fine + 0.4 * coarse)[..., None] + tone)
    return np.clip(image, 0, 255).astype(np.uint8)


def paving(random: Random) -> Picture:
    colour = fabric.pick(random, ((168, 162, 154), (150, 130, 116), (126, 128, 132), (190, 180, 164)))
    image = speckled(random, colour, 0.07).astype(np.float32)
    step = int(random.choice([32, 64, 128]))
    tones = random.normal(1, 0.09, (512 // step, 512 // step + 1)).astype(np.float32)
    for row in range(512 // step):
        shift = (row % 2) * step // 2
        for column in range(512 // step + 1):
            x = column * step - shift
            image[row * step : (row + 1) * step, max(x, 0) : max(x + step, 0)] *= tones[row, column]
            image[row * step : (row + 1) * step, max(x, 0) : max(x + 3, 0)] *= 0.6
        image[row * step : row * step + 3] *= 0.6
    return np.clip(image, 0, 255).astype(np.uint8)


def plaster(random: Random, colour: Pixels, width: int, height: int) -> Picture:
    stain = noise(random, (width, height), (5, 3), 4)[..., None]
    fine = random.standard_normal((height, width, 1), np.float32)
    return np.clip(colour * (1 + 0.05 * stain + 0.025 * fine), 0, 255).astype(np.uint8)


def bricks(random: Random, colour: Pixels, width: int, height: int) -> Picture:
    image = plaster(random, colour, width, height).astype(np.float32)
    tall, wide = 13, 32
    tones = random.normal(1, 0.12, (height // tall + 1, width // wide + 2)).astype(np.float32)
    rows, columns = np.mgrid[:height, :width]
    course = rows // tall
    along = columns + (course % 2) * (wide // 2)
    image *= tones[course, along // wide][..., None]
    mortar = (rows % tall < 2) | (along % wide < 2)
    image[mortar] = image[mortar] * 0.3 + np.float32([176, 172, 164]) * 0.6
    return np.clip(image, 0, 255).astype(np.uint8)


def _window(random: Random, wall: Picture, x: int, y: int, wide: int, tall: int) -> None:
    frame = _tuple(fabric.pick(random, ((232, 230, 224), (70, 54, 44), (60, 70, 80), (150, 40, 40))))
    glass = np.linspace(random.uniform(60, 120), random.uniform(20, 70), tall)[:, None, None] * np.float32([0.85, 0.95, 1.1])
    shine = noise(random, (wide, tall), (3, 4), 3)[..., None] * 14
    pane = wall[y : y + tall, x : x + wide]
    pane[:] = np.clip(glass + shine, 0, 255)[: pane.shape[0], : pane.shape[1]]
    cv2.rectangle(wall, (x, y), (x + wide, y + tall), frame, 7)
    cv2.line(wall, (x + wide // 2, y), (x + wide // 2, y + tall), frame, 4)
    cv2.line(wall, (x, y + tall // 3), (x + wide, y + tall // 3), frame, 4)
    cv2.rectangle(wall, (x - 8, y + tall + 4), (x + wide + 8, y + tall + 12), frame, -1)


def _poster(random: Random, wall: Picture) -> None:
    """A picture, a poster or a notice on the wall."""
    height, width = wall.shape[:2]
    wide, tall = int(random.integers(50, 170)), int(random.integers(50, 150))
    x, y = int(random.integers(0, width - wide)), int(random.integers(60, max(height - tall - 70, 61)))
    cloth = fabric.cloth(random)
    wall[y : y + tall, x : x + wide] = cloth[:tall, :wide]
    for _ in range(int(random.integers(1, 5))):
        middle = (x + int(random.integers(10, wide - 9)), y + int(random.integers(10, tall - 9)))
        axes = (int(random.integers(5, 30)), int(random.integers(5, 30)))
        colour = fabric.pick(random, fabric.CLOTH + fabric.SKIN).tolist()
        patch = wall[y : y + tall, x : x + wide]
        cv2.ellipse(patch, (middle[0] - x, middle[1] - y), axes, float(random.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    cv2.rectangle(wall, (x, y), (x + wide, y + tall), fabric.pick(random, fabric.CLOTH[:6] + props.WOOD).tolist(), int(random.integers(1, 7)))


def _curtains(random: Random, wall: Picture) -> None:
    x, wide = int(random.integers(60, 700)), int(random.integers(140, 260))
    _window(random, wall, x, 70, wide, 230)
    wall[74:296, x + 6 : x + wide - 5] = np.clip(wall[74:296, x + 6 : x + wide - 5].astype(np.float32) * 0.5 + 120, 0, 255)
    cloth = fabric.cloth(random).astype(np.float32)
    for start in (x - 50, x + wide - 40):
        pleat = 1 + 0.22 * np.sin(np.arange(90) / 90 * 2 * np.pi * 5)[None, :, None]
        left = max(start, 0)
        panel = np.tile(cloth, (2, 1, 1))[:380, :90] * pleat
        wall[50:430, left : left + 90] = np.clip(panel, 0, 255)


def _fence(random: Random, wall: Picture) -> None:
    colour = fabric.pick(random, props.WOOD)
    top = int(random.integers(330, 420))
    for x in range(0, wall.shape[1], 22):
        cv2.rectangle(wall, (x, top - x % 3), (x + 15, 512), _tuple(colour * random.uniform(0.8, 1.1)), -1)
    for y in (top + 20, 480):
        cv2.rectangle(wall, (0, y), (wall.shape[1], y + 10), _tuple(colour * 0.8), -1)


def _sky(random: Random) -> Pixels:
    high = np.array([[0.30, 0.50, 0.86], [0.55, 0.66, 0.80], [0.72, 0.74, 0.78], [0.34, 0.46, 0.70]])[int(random.integers(4))]
    low = high * 0.35 + np.array([0.86, 0.84, 0.80]) * 0.62
    return np.stack([low, (low + high) / 2, high]).astype(np.float32)


def _shade(colour: Pixels, factor: float) -> Colour:
    red, green, blue = (int(v) for v in np.clip(colour * factor, 0, 255))
    return red, green, blue


def _tuple(colour: Pixels) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])


def paint(scenery: Scenery, camera: Camera, shadows: Shadows, below: Shadows, random: Random) -> Pixels:
    """(H, W, 3) float32 light that comes from the background.

    Args:
        shadows: what the sun sees.
        below: what the floor sees.
    """
    width, height = camera.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    rays = camera.rays(x, y)
    to_floor = np.where(rays[1] < -1e-4, np.float32(-camera.height) / np.minimum(rays[1], -1e-4), np.float32(1e4))
    c, s = np.float32(np.cos(scenery.yaw)), np.float32(np.sin(scenery.yaw))
    to_wall = np.float32(scenery.distance) / np.maximum(rays[0] * s - rays[2] * c, 1e-3)
    on_floor = to_floor < to_wall
    reach = np.minimum(to_floor, to_wall)
    place = rays * reach
    place[1] += np.float32(camera.height)

    # The wall's own picture, from left to right and down to the floor.
    wide, tall = scenery.wall_size
    rows, columns = scenery.wall.shape[:2]
    along = (place[0] * c + place[2] * s) / wide % 1 * columns
    on_wall = ~on_floor & (place[1] < scenery.ridge[np.minimum(along.astype(np.int64), columns - 1)])
    down = np.abs(rows - 1 - place[1] / tall * rows) % rows
    wall = cv2.remap(scenery.wall, along, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    floor = _floor(scenery, place, reach**2 / (camera.focal * camera.height))
    surface = np.where(on_floor[..., None], floor, wall)

    half = np.s_[::2, ::2]
    lit = np.ones(on_floor[half].shape, np.float32)
    solid = (on_floor | on_wall)[half]
    lit[solid] = shadows.lit(place[:, ::2, ::2][:, solid].T, slack=0.01)
    lit = cv2.GaussianBlur(cv2.resize(lit, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), 0.9)
    open_ = np.where(on_floor, floor_openness(below, place), 0.75 + 0.25 * np.clip(place[1], 0, 1))
    normals = np.stack([np.float32([0, 1, 0]), np.array([-s, 0, c], np.float32)])
    sun, around = scenery.light.parts(normals)
    haze = np.clip(reach / 120, 0, 0.25)
    result = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        light = np.where(on_floor, sun[0, channel], sun[1, channel]) * lit
        light += np.where(on_floor, around[0, channel], around[1, channel]) * open_
        result[..., channel] = linear(surface[..., channel]) * light * (1 - haze / 2) + haze * (0.5 * scenery.sky[0, channel])
    empty = ~(on_floor | on_wall)
    if empty.any():
        result[empty] = _heavens(scenery, rays[1], random)[empty]
    return result


def _floor(scenery: Scenery, place: Pixels, depth: Pixels) -> Picture:
    """(H, W, 3) uint8: the picture of the floor at places (3, H, W), where a pixel is `depth` (H, W) metres deep."""
    side = scenery.floor.shape[0]
    u, v = (place[axis] / np.float32(scenery.floor_size) % 1 * side for axis in (0, 2))
    near = cv2.remap(scenery.floor, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    small = cv2.resize(scenery.floor, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    far = cv2.remap(small, u / 4, v / 4, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    # Where many samples of the picture fall into one pixel, the coarse one keeps the floor from glittering.
    coarse = np.clip(depth * np.float32(side / scenery.floor_size / 3) - 0.3, 0, 1).astype(np.float32)
    return np.asarray(cv2.blendLinear(near, far, 1 - coarse, coarse))


def _heavens(scenery: Scenery, rise: Pixels, random: Random) -> Pixels:
    """(H, W, 3) light of the sky with its clouds, for directions that rise so much (H, W)."""
    high = np.clip(rise / np.float32(0.5), 0, 1)[..., None]
    low, middle, top = scenery.sky
    sky = np.where(high < 0.5, low * (1 - 2 * high) + middle * 2 * high, middle * (2 - 2 * high) + top * (2 * high - 1))
    cloud = np.clip(noise(random, (256, 256), (3, 7), 5) * 0.5 - 0.1, 0, 1)
    drift = cv2.resize(cloud, rise.shape[::-1], interpolation=cv2.INTER_LINEAR)[..., None] * np.float32(0.8)
    return np.asarray(sky * (1 - drift) + np.float32([0.95, 0.95, 0.97]) * drift)
