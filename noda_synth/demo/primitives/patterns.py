"""Patterns of cloth: each draws a square picture from two colours (3,).

A pattern is (SIDE, SIDE, 3) float32 RGB and repeats on all sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives.chance import Random, likely, one_of, whole
from noda_synth.demo.primitives.colours import CLOTH, pick, rgb
from noda_synth.demo.primitives.noise import SIDE, shifted_noise

Floats: TypeAlias = NDArray[np.float32]
Pattern: TypeAlias = Callable[[Random, Floats, Floats], Floats]


def _filled(colour: Floats) -> Floats:
    return np.broadcast_to(colour, (SIDE, SIDE, 3)).copy()


def _mixed(colour: Floats, other: Floats, share: Floats) -> Floats:
    """`share` (H, W or broadcastable) of the other colour."""
    amount = np.broadcast_to(share, (SIDE, SIDE))[..., None].astype(np.float32)
    return colour * (1 - amount) + other * amount


def plain(_random: Random, colour: Floats, _other: Floats) -> Floats:
    return _filled(colour)


def heather(random: Random, colour: Floats, other: Floats) -> Floats:
    """Threads of two colours."""
    share = np.clip(shifted_noise(random, (90, 50), 2) * 0.13 + 0.2, 0, 0.6)
    return _mixed(colour, other, share.astype(np.float32))


def stripes(random: Random, colour: Floats, other: Floats) -> Floats:
    count, share = whole(random, 4, 20), random.uniform(0.2, 0.55)
    image = _mixed(colour, other, (np.arange(SIDE) * count / SIDE % 1 < share)[:, None].astype(np.float32))
    return np.swapaxes(image, 0, 1) if likely(random, 0.25) else image


def checks(random: Random, colour: Floats, other: Floats) -> Floats:
    band = (np.arange(SIDE) * whole(random, 5, 14) / SIDE % 1 < 0.5).astype(np.float32)
    return _mixed(colour, other, (band[:, None] + band[None, :]) / np.float32(2))


def plaid(random: Random, colour: Floats, other: Floats) -> Floats:
    third = pick(random, CLOTH)
    image = _filled(colour)
    phase = np.arange(SIDE) * whole(random, 3, 7) / SIDE % 1
    bands = ((other, 0.1, 0.35, 0.5), (third, 0.2, 0.06, 0.6), (third, 0.34, 0.04, 0.6), (other, 0.7, 0.1, 0.4))
    for tone, start, width, strength in bands:
        band = ((phase > start) & (phase < start + width)).astype(np.float32) * np.float32(strength)
        for share in (band[:, None], band[None, :]):
            image += (tone - image) * share[..., None]
    return image


def dots(random: Random, colour: Floats, other: Floats) -> Floats:
    y, x = np.mgrid[:SIDE, :SIDE] * whole(random, 3, 8) * 2 / SIDE
    x = x + 0.5 * (np.floor(y) % 2)
    on = np.hypot(x % 1 - 0.5, y % 1 - 0.5) < random.uniform(0.18, 0.36)
    return np.where(on[..., None], other, colour)


def flowers(random: Random, colour: Floats, other: Floats) -> Floats:
    image, third = _filled(colour), pick(random, CLOTH)
    for _ in range(whole(random, 40, 90)):
        centre, size = (whole(random, 0, SIDE), whole(random, 0, SIDE)), whole(random, 3, 11)
        for petal in (one_of(random, (other, third)), other):
            turned = (centre, (2 * size, size), random.uniform(0, 180))
            cv2.ellipse(image, turned, rgb(petal), -1, cv2.LINE_AA)
        cv2.circle(image, centre, max(size // 3, 1), rgb(third), -1, cv2.LINE_AA)
    return image


def camouflage(random: Random, colour: Floats, other: Floats) -> Floats:
    level, third = shifted_noise(random, (7, 7), 2)[..., None], pick(random, CLOTH)
    return np.where(level > 0.7, third, np.where(level > -0.1, colour, other))


def blocks(random: Random, colour: Floats, other: Floats) -> Floats:
    """A yoke or a band across the chest."""
    image, top = _filled(colour), whole(random, 0, 90)
    image[top : top + whole(random, 20, 80)] = other
    return image


def motif(random: Random, colour: Floats, other: Floats) -> Floats:
    """Something on the chest and on the back: a number, words, a sign."""
    image = _filled(colour)
    for shift in (0, SIDE // 2):
        sign = np.roll(_sign(random), shift, axis=1)[..., None].astype(np.float32) / 255
        image += (other - image) * sign
    return image


def _sign(random: Random) -> NDArray[np.uint8]:
    """(SIDE, SIDE) uint8 mask of a number, words, rings or a splash in the middle of the upper half."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    match whole(random, 0, 4):
        case 0:
            text = str(whole(random, 1, 99))
            cv2.putText(mask, text, (128 - 20 * len(text), 130), cv2.FONT_HERSHEY_DUPLEX, 2.2, 255, 6, cv2.LINE_AA)
        case 1:
            for line in range(whole(random, 1, 4)):
                text = "".join(one_of(random, "AEIKLMNORSTUV") for _ in range(whole(random, 4, 7)))
                cv2.putText(mask, text, (94, 72 + 22 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_AA)
        case 2:
            for radius in range(whole(random, 10, 28), 0, -whole(random, 6, 10)):
                cv2.circle(mask, (128, 90), radius, 255, 3, cv2.LINE_AA)
        case _:
            splash = np.stack([128 + random.normal(0, 20, 9), 90 + random.normal(0, 24, 9)], axis=1)
            cv2.fillPoly(mask, [splash.astype(np.int32)], 255, cv2.LINE_AA)
    return mask


CALM: dict[Pattern, float] = {plain: 2, heather: 1}
ALL_OVER: dict[Pattern, float] = {
    plain: 5, heather: 3, stripes: 3, checks: 1, plaid: 2, dots: 1, flowers: 1.5, camouflage: 0.7,
}  # fmt: skip
SHIRT: dict[Pattern, float] = {**ALL_OVER, blocks: 1.5, motif: 3}
"""Patterns and how often each is worn."""
