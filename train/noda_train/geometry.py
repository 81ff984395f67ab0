"""Where a crop lies in its image: affine maps as arrays (N, 2, 3), and the augmentations that are drawn for them.

Maps go from crop pixels to image pixels, both 0-based, pixel centres at whole numbers. As in the originals the crop's
pixel (size / 2, size / 2) falls on the person's centre.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from noda_synth.data.skeleton import MPII, Skeleton
from noda_train.arrays import Bools, Floats
from noda_train.settings import Settings


@dataclass(frozen=True, eq=False)
class Augmentation:
    """One draw for each of N samples.

    Attributes:
        scale: (N,) float64, factor on the crop's side.
        rotation: (N,) float64, degrees; the crop's axes are turned so in the image.
        flip: (N,) bool, left and right change places.
        shift: (N, 2) float64, how far the crop lies off the person's centre in x and y of the image, in sides of the
            box; (1, 2) is the same for all.
    """

    scale: Floats
    rotation: Floats
    flip: Bools
    shift: Floats = field(default_factory=lambda: np.zeros((1, 2)))


def draw(count: int, settings: Settings, rng: np.random.Generator) -> Augmentation:
    """An augmentation for each of so many samples, distributed as the settings say."""
    s, r = settings.scale_jitter, settings.rotation
    scale = np.clip(1 + s * rng.standard_normal(count), 1 - s, 1 + s)
    rotation = np.clip(r * rng.standard_normal(count), -2 * r, 2 * r)
    rotation *= rng.random(count) < settings.rotation_probability
    flip = rng.random(count) < settings.flip_probability
    if not settings.shift:
        return Augmentation(scale, rotation, flip)
    # Last, so that all else is drawn as it is without.
    return Augmentation(scale, rotation, flip, settings.shift * within_one(rng.random((count, 2))))


def within_one(uniform: Floats) -> Floats:
    """Numbers of 0..1 as those of a normal distribution that is cut off at -1 and 1, by its inverse: MMPose's
    RandomBBoxTransform draws its shift from it."""
    low = ndtr(-1.0)
    result: Floats = ndtri(low + (1 - 2 * low) * uniform)
    return result


def no_augmentation(count: int) -> Augmentation:
    """What leaves so many samples as they are."""
    return Augmentation(np.ones(count), np.zeros(count), np.zeros(count, bool))


def reach(settings: Settings) -> float:
    """Side of the square, in person boxes, that no augmented crop leaves."""
    return turned_side(settings) + 2 * settings.shift


def turned_side(settings: Settings) -> float:
    """Side of the square, in the crop's own boxes, that a crop does not leave, however it is scaled and turned."""
    turn = min(2 * settings.rotation, 45.0) if settings.rotation_probability > 0 else 0.0
    return (1 + settings.scale_jitter) * float(np.cos(np.radians(turn)) + np.sin(np.radians(turn)))


def crop_to_image(center: Floats, box: Floats, size: int, augmentation: Augmentation | None = None) -> Floats:
    """(N, 2, 3) maps from crops of size x size to images, for centres (N, 2) and sides (N,).

    A flip mirrors the image about the person's centre, which is what the originals' flip of image, joints and centre
    before cropping comes to.
    """
    a = augmentation or no_augmentation(len(box))
    angle = np.radians(a.rotation)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    linear *= (box * a.scale / size)[:, None, None]
    linear[:, 0] *= np.where(a.flip, -1.0, 1.0)[:, None]
    offset = center + a.shift * box[:, None] - linear @ np.full(2, size / 2)
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def invert(maps: Floats) -> Floats:
    """The inverse maps (N, 2, 3)."""
    linear = np.linalg.inv(maps[:, :, :2])
    return np.concatenate([linear, -linear @ maps[:, :, 2:]], axis=2)


def chain(outer: Floats, inner: Floats) -> Floats:
    """The maps outer(inner(p)), all (N, 2, 3)."""
    linear = outer[:, :, :2] @ inner[:, :, :2]
    return np.concatenate([linear, outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]], axis=2)


def apply(maps: Floats, points: Floats) -> Floats:
    """Points (N, J, 2) through maps (N, 2, 3)."""
    result: Floats = points @ maps[:, :, :2].transpose(0, 2, 1) + maps[:, None, :, 2]
    return result


def flip_order(skeleton: Skeleton = MPII) -> NDArray[np.int64]:
    """(J,) int64: the joint that takes each joint's place when left and right are swapped."""
    return np.array(skeleton.flip_order, np.int64)


def swap_flipped(values: NDArray[np.generic], flip: Bools, order: NDArray[np.int64]) -> NDArray[np.generic]:
    """Joint rows (N, J, ...) with left and right swapped, as `flip_order` has it, where `flip` (N,) says so."""
    return np.where(flip.reshape(-1, *[1] * (values.ndim - 1)), values[:, order], values)
