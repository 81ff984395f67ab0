"""The background as the camera sees it: floor, wall and sky, with the shadows that fall on them."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.optics.camera import Camera
from noda_synth.demo.optics.light import Shadows, floor_openness, linear
from noda_synth.demo.places.scenery import Floor, Scenery
from noda_synth.demo.primitives.chance import Random
from noda_synth.demo.primitives.noise import noise

Pixels: TypeAlias = NDArray[np.float32]
Picture: TypeAlias = NDArray[np.uint8]


def paint(scenery: Scenery, camera: Camera, shadows: Shadows, below: Shadows, random: Random) -> Pixels:
    """(H, W, 3) float32 light that comes from the background.

    Args:
        shadows: what the sun sees.
        below: what the floor sees.
    """
    width, height = camera.size
    wall = scenery.wall
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    rays = camera.rays(x, y)
    to_floor = np.where(rays[1] < -1e-4, np.float32(-camera.height) / np.minimum(rays[1], -1e-4), np.float32(1e4))
    c, s = np.float32(np.cos(wall.yaw)), np.float32(np.sin(wall.yaw))
    to_wall = np.float32(wall.distance) / np.maximum(rays[0] * s - rays[2] * c, 1e-3)
    on_floor = to_floor < to_wall
    reach = np.minimum(to_floor, to_wall)
    point = rays * reach
    point[1] += np.float32(camera.height)

    # The wall's own picture, from left to right and down to the floor.
    wide, tall = wall.size
    rows, columns = wall.picture.shape[:2]
    along = (point[0] * c + point[2] * s) / wide % 1 * columns
    on_wall = ~on_floor & (point[1] < wall.ridge[np.minimum(along.astype(np.int64), columns - 1)])
    down = np.abs(rows - 1 - point[1] / tall * rows) % rows
    upright = cv2.remap(wall.picture, along, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    level = _floor(scenery.floor, point, reach**2 / (camera.focal * camera.height))
    surface = np.where(on_floor[..., None], level, upright)

    half = np.s_[::2, ::2]
    lit = np.ones(on_floor[half].shape, np.float32)
    solid = (on_floor | on_wall)[half]
    lit[solid] = shadows.lit(point[:, ::2, ::2][:, solid].T, slack=0.01)
    lit = cv2.GaussianBlur(cv2.resize(lit, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), 0.9)
    open_ = np.where(on_floor, floor_openness(below, point), 0.75 + 0.25 * np.clip(point[1], 0, 1))
    normals = np.array([[0, 1, 0], [-s, 0, c]], np.float32)
    sun, around = scenery.light.parts(normals)
    haze = np.clip(reach / 900, 0, 0.03)
    result = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        light = np.where(on_floor, sun[0, channel], sun[1, channel]) * lit
        light += np.where(on_floor, around[0, channel], around[1, channel]) * open_
        result[..., channel] = linear(surface[..., channel]) * light * (1 - haze) + haze * scenery.sky[0, channel]
    empty = ~(on_floor | on_wall)
    if empty.any():
        result[empty] = _heavens(scenery.sky, rays[1][empty], _clouds(random, camera.size)[empty])
    return result


def _floor(floor: Floor, point: Pixels, depth: Pixels) -> Picture:
    """(H, W, 3) uint8: the picture of the floor at points (3, H, W), where a pixel is `depth` (H, W) metres deep."""
    side = floor.picture.shape[0]
    u, v = (point[axis] / np.float32(floor.size) % 1 * side for axis in (0, 2))
    near = cv2.remap(floor.picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    small = cv2.resize(floor.picture, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    far = cv2.remap(small, u / 4, v / 4, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    # Where many samples of the picture fall into one pixel, the coarse one keeps the floor from glittering.
    coarse = np.clip(depth * np.float32(side / floor.size / 3) - 0.3, 0, 1).astype(np.float32)
    return np.asarray(cv2.blendLinear(near, far, 1 - coarse, coarse))


def _heavens(sky: Pixels, rise: Pixels, cloud: Pixels) -> Pixels:
    """(N, 3) light of the sky in directions that rise so much (N,), with so much cloud (N,), 0 to 1."""
    blue = np.stack([np.interp(rise, [0, 0.25, 0.5], sky[:, channel]) for channel in range(3)], axis=1)
    return np.asarray(blue + cloud[:, None] * (np.array([0.95, 0.95, 0.97]) - blue), np.float32)


def _clouds(random: Random, size: tuple[int, int]) -> Pixels:
    """(H, W) float32, 0 to 0.8."""
    cloud = 0.8 * np.clip(noise(random, (256, 256), (3, 7), 5) * 0.5 - 0.1, 0, 1)
    return np.asarray(cv2.resize(cloud, size, interpolation=cv2.INTER_LINEAR))
