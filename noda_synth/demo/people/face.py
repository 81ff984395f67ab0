"""Faces: what is painted on a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.people.hair import hairline
from noda_synth.demo.primitives.chance import Random, likely, weighted, whole
from noda_synth.demo.primitives.colours import HAIR, SKIN, eight_bit, pick, rgb
from noda_synth.demo.primitives.fabric import Texture
from noda_synth.demo.primitives.noise import SIDE, shifted_noise

Floats: TypeAlias = NDArray[np.float32]

_EYE_TURN, _EYE_HEIGHT = 0.42, 0.525
"""Radians from the front, and head heights above the chin."""


@dataclass(frozen=True, eq=False)
class Looks:
    """What a face and hair are coloured by.

    Attributes:
        tone: (3,) float32 RGB of the skin.
        hair: (3,) float32 RGB.
        beard: 0 for none to 1 for a full one.
        bald: no hair on the head.
        soft: thin brows and red lips.
        shades: sunglasses.
    """

    tone: Floats
    hair: Floats
    beard: float
    bald: bool
    soft: bool
    shades: bool


def draw_looks(random: Random, *, soft: bool, grown: bool) -> Looks:
    tone = pick(random, SKIN, 4)
    dark = tone.sum() < 330
    return Looks(
        tone=tone,
        hair=pick(random, HAIR[:3] if dark else HAIR, 5),
        beard=weighted(random, {0.0: 5, 0.25: 3, 0.9: 2}) if grown and not soft else 0.0,
        bald=not soft and likely(random, 0.1),
        soft=soft,
        shades=likely(random, 0.1),
    )


def face(random: Random, looks: Looks) -> Texture:
    """The texture of a head: around it from left to right with the nose in the middle, from the crown to the chin."""
    tone = looks.tone
    image = tone * (1 + 0.02 * shifted_noise(random, (5, 5), 3)[..., None])
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    height, turn = 1 - rows / SIDE, (columns / SIDE - 0.5) * 2 * np.pi

    def blend(colour: Floats, share: NDArray[np.floating]) -> None:
        image[...] += (colour - image) * np.clip(share, 0, 1).astype(np.float32)[..., None]

    def blot(at_turn: float, at_height: float, wide: float, high: float) -> Floats:
        share = np.exp(-(((np.abs(turn) - at_turn) / wide) ** 2) - ((height - at_height) / high) ** 2)
        return np.asarray(share, np.float32)

    flushed = _tinted(tone, 1.04, 0.80, 0.78)
    blend(flushed, 0.35 * blot(0.62, 0.36, 0.28, 0.09))
    blend(flushed, 0.40 * blot(0, 0.39, 0.12, 0.05))
    blend(tone * 0.72, 0.55 * blot(_EYE_TURN, 0.53, 0.24, 0.045))
    blend(tone * 0.60, 0.60 * blot(0, 0.335, 0.16, 0.014))
    blend(tone * 0.80, 0.40 * blot(0, 0.13, 0.25, 0.02))
    if looks.beard:
        cheek = np.interp(np.abs(turn), [0, 0.3, 0.9, 1.5, 1.7], [0.30, 0.29, 0.22, 0.42, 0.0])
        where = np.clip((cheek - height) / 0.05, 0, 1) * (1 - 0.9 * blot(0, 0.205, 0.2, 0.03))
        blend(looks.hair, looks.beard * where * (1 + 0.25 * shifted_noise(random, (60, 60), 1)))
    lips = _tinted(tone, 0.95, 0.45, 0.48) if looks.soft else _tinted(tone, 0.92, 0.58, 0.58)
    blend(lips, 1.2 * blot(0, 0.205, 0.22, 0.028))
    blend(tone * 0.35, np.minimum(1.2 * blot(0, 0.207, 0.21, 0.007), 0.9))
    brow = 0.605 + 0.02 * np.cos((np.abs(turn) - _EYE_TURN) * 5)
    thick = 0.012 if looks.soft else 0.018
    blend(looks.hair * 0.7, 0.8 * np.exp(-(((height - brow) / thick) ** 2)) * (np.abs(np.abs(turn) - 0.42) < 0.24))
    _draw_eyes(random, image, looks)
    if not looks.bald:
        blend(looks.hair, (height - hairline(turn, 0.83, 0.45)) / 0.03)
    return eight_bit(image)


def _draw_eyes(random: Random, image: Floats, looks: Looks) -> None:
    iris, glance, y = random.uniform([40, 30, 20], [110, 100, 120]), whole(random, -1, 2), int((1 - _EYE_HEIGHT) * SIDE)
    dark = (22, 22, 26)
    for side in (-1, 1):
        x = int(SIDE * (0.5 + side * _EYE_TURN / (2 * np.pi)))
        cv2.ellipse(image, (x, y), (9, 6), 0, 180, 360, rgb(looks.tone * np.float32(0.4)), 2, cv2.LINE_AA)
        cv2.ellipse(image, (x, y), (8, 4), 0, 0, 360, (225, 220, 215), -1, cv2.LINE_AA)
        cv2.circle(image, (x + glance, y), 4, iris.tolist(), -1, cv2.LINE_AA)
        cv2.circle(image, (x + glance, y), 2, dark, -1, cv2.LINE_AA)
        if looks.shades:
            cv2.ellipse(image, (x, y), (15, 13), 0, 0, 360, dark, -1, cv2.LINE_AA)
            cv2.line(image, (SIDE // 2, y - 3), (x + side * 51, y - 3), dark, 4, cv2.LINE_AA)


def _tinted(tone: Floats, red: float, green: float, blue: float) -> Floats:
    return tone * np.array([red, green, blue], np.float32)
