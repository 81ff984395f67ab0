"""Clothes, as wider cuts of the tubes of the body; and the skin that they leave bare."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.people import body
from noda_synth.demo.people.anatomy import BONE, BONES, SIDES, Anatomy
from noda_synth.demo.people.body import ARM_TOP, LEG_TOP, Piece, Rings, Tube, cut, cut_trunk, rigid
from noda_synth.demo.people.outfit import Outfit
from noda_synth.demo.primitives.chance import Random, whole
from noda_synth.demo.primitives.mesh import loft, outline
from noda_synth.demo.primitives.noise import noise

Floats: TypeAlias = NDArray[np.float64]

# Rows of y, half width, depth to the front and to the back, shift in x and in z; fractions of body height.
_HOOD = np.array(
    [
        [0.862, 0.035, 0.00, 0.020, 0, -0.045],
        [0.852, 0.062, 0.03, 0.034, 0, -0.035],
        [0.832, 0.072, 0.03, 0.042, 0, -0.034],
        [0.808, 0.055, 0.02, 0.034, 0, -0.042],
        [0.795, 0.020, 0.01, 0.015, 0, -0.050],
    ]
)


def folds(random: Random, depth: float) -> Floats:
    """(24, 24) float64 factors near 1: cloth that stands off here and there."""
    off: Floats = np.clip(noise(random, (24, 24), (5, 6), 2), -1.6, 2.2).astype(float)
    return 1 + depth * off


def shirt(anatomy: Anatomy, random: Random, outfit: Outfit, material: int) -> list[Piece]:
    """A shirt, or a jacket, over the trunk and as much of the arms as its sleeves reach."""
    if outfit.hem is None:
        return []
    h = anatomy.height
    top = 0.832 if outfit.sleeve is None else 0.845
    pieces = [cut_trunk(_draped(anatomy, outfit), top * h, outfit.hem * h, material, folds=folds(random, 0.022))]
    if outfit.sleeve is not None:
        ends, ease = [outfit.sleeve, 0.76, 0.80], [0.9 * outfit.ease, 0.7 * outfit.ease, 0.002]
        for side in SIDES:
            tube = body.arm(anatomy, side)
            wide = tube.widened(np.interp(tube.table[:, 0] / h, ends, ease))
            pieces.append(cut(wide, ARM_TOP * h, outfit.sleeve * h, material, Rings(16), folds(random, 0.045)))
    if outfit.hood:
        pieces.append(rigid(loft(outline(_HOOD, 0.862, 0.795, 8) * h, 18).of(material), "chest"))
    return pieces


def _draped(anatomy: Anatomy, outfit: Outfit) -> Tube:
    """The trunk as a shirt follows it: tucked in at the waist, or falling straight over the trousers."""
    h, trunk = anatomy.height, body.torso(anatomy)
    y = trunk.table[:, 0] / h
    ease = np.where(y > 0.8, 0.5 * outfit.ease, outfit.ease)
    if not outfit.untucked:
        return trunk.widened(np.minimum(ease, np.interp(y, [0.60, 0.66], [0.002, outfit.ease])))
    table = trunk.widened(ease).table
    table[:, 1:4] += outfit.seat_ease * np.interp(y, [0.53, 0.62], [1, 0])[:, None]
    hips = table[y < 0.56, 1:4].max(axis=0)
    below, waist = y < 0.53, (y > 0.53) & (y < 0.68)
    table[below, 1:4] = hips + [0.010, 0.010, 0.009] + (0.53 - y[below, None]) * h * np.array([0.06, 0, 0])
    table[waist, 1] = np.maximum(table[waist, 1], 0.9 * hips[0])
    end = [0.40 * h, *(table[-1, 1:4] + [0.02, 0.008, 0.004])]
    return replace(trunk, table=np.vstack([table, end]))


def trousers(anatomy: Anatomy, random: Random, outfit: Outfit, material: int) -> list[Piece]:
    """Trousers or shorts: the seat and two legs."""
    if outfit.legs is None:
        return []
    h = anatomy.height
    pieces = [cut_trunk(body.torso(anatomy).widened(outfit.seat_ease), 0.592 * h, 0.465 * h, material)]
    ends, ease = [outfit.legs, outfit.legs + 0.1, 0.5], [outfit.flare + 0.003, outfit.flare, outfit.seat_ease]
    for side in SIDES:
        tube = body.leg(anatomy, side)
        wide = tube.widened(np.interp(tube.table[:, 0] / h, ends, ease))
        pieces.append(cut(wide, LEG_TOP * h, outfit.legs * h, material, Rings(18), folds(random, 0.03)))
    return pieces


def belt(anatomy: Anatomy, outfit: Outfit, material: int) -> list[Piece]:
    h = anatomy.height
    return [cut_trunk(body.torso(anatomy).widened(outfit.seat_ease + 0.005), 0.594 * h, 0.576 * h, material)]


def skirt(anatomy: Anatomy, random: Random, outfit: Outfit, material: int) -> list[Piece]:
    """A skirt that hangs from the waist and goes with both thighs."""
    if outfit.skirt is None:
        return []
    h, flare = anatomy.height, random.uniform(0.0, 0.07)
    seat = outline(body.torso(anatomy).widened(0.008).table, 0.60 * h, 0.51 * h, 5)
    y = np.linspace(0.49, outfit.skirt, 12)
    down = (0.51 - y[:, None]) / 0.2
    falling = seat[-1, 1:4] + [0.006, 0.008, 0.002] + flare * down * [1, 0.8, 0.8]
    sections = np.vstack([seat, np.column_stack([y * h, falling])])
    turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    waves = (
        np.cos(turn * whole(random, 5, 10) + random.uniform(0, 6)) * np.linspace(0, 1, len(sections))[:, None] ** 1.5
    )
    mesh = loft(sections, 36, bumps=1 + flare * waves, turns=2).of(material)

    across, high, _ = mesh.points.T.astype(float) / h
    follows, left = np.interp(high, [0.44, 0.55], [0.95, 0]), np.clip(across / 0.08 + 0.5, 0, 1)
    weights = np.zeros((len(high), len(BONES)))
    weights[:, BONE["pelvis"]] = 1 - follows
    weights[:, BONE["left_thigh"]] = follows * left
    weights[:, BONE["right_thigh"]] = follows * (1 - left)
    return [Piece(mesh, weights)]


def skin(anatomy: Anatomy, outfit: Outfit, material: int) -> list[Piece]:
    """What clothes leave bare of trunk, neck, arms and legs, and a little more under the hems."""
    h = anatomy.height
    pieces = [cut(body.neck(anatomy), (1 - anatomy.head + 0.02) * h, 0.816 * h, material, Rings(20, 0.012))]
    sleeved = outfit.sleeve is not None and outfit.hem is not None
    if not (sleeved and outfit.untucked):
        pieces.append(cut_trunk(body.torso(anatomy), 0.849 * h, 0.565 * h, material))
    arm_top = min(outfit.sleeve + 0.04, 0.82) if sleeved and outfit.sleeve is not None else ARM_TOP
    leg_top = min(outfit.legs + 0.05, LEG_TOP) if outfit.legs is not None else (outfit.skirt or 0.5) + 0.03
    for side in SIDES:
        pieces.append(cut(body.arm(anatomy, side), arm_top * h, 0.479 * h, material, Rings(14)))
        pieces.append(cut(body.leg(anatomy, side), leg_top * h, 0.023 * h, material, Rings(16)))
        pieces += body.hand(anatomy, side, material)
    return pieces
