"""Clothes: what a person wears, as wider cuts of the tubes of the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo import body
from noda_synth.demo.anatomy import BONE, BONES, SIDES, Anatomy
from noda_synth.demo.body import Piece, Tube, cut
from noda_synth.demo.fabric import noise
from noda_synth.demo.mesh import loft, outline

Floats = NDArray[np.float64]

RING, AROUND = 0.022, 28
"""Metres between rings, and points around the trunk."""


@dataclass(frozen=True)
class Outfit:
    """Where clothes begin and end, as fractions of body height; None for what is not worn.

    Attributes:
        top_hem: lower edge of the shirt.
        sleeve: lower end of the sleeves; None for a sleeveless shirt.
        legs: lower end of trousers or shorts.
        skirt: lower edge of a skirt or a dress.
        ease: metres between body and shirt.
        flare: metres by which trouser legs stand off at their end.
        shoes: metres by which shoes are larger than feet; None for bare feet.
        jacket: an outer layer, with a hood.
    """

    top_hem: float | None
    sleeve: float | None
    legs: float | None
    skirt: float | None
    ease: float
    flare: float
    shoes: float | None
    jacket: bool

    @property
    def seat_ease(self) -> float:
        """Metres between the seat and the trousers over it."""
        return 0.35 * self.flare + 0.004


def draw_outfit(random: np.random.Generator, feminine: bool) -> Outfit:
    u = random.uniform
    jacket = bool(random.random() < 0.2)
    sleeve: float | None = float(random.choice([u(0.68, 0.73), u(0.50, 0.53), u(0.58, 0.62)], p=[0.55, 0.35, 0.1]))
    if jacket:
        sleeve = u(0.497, 0.51)
    elif random.random() < 0.15:
        sleeve = None
    skirt = u(0.28, 0.44) if feminine and random.random() < 0.32 else None
    legs = None if skirt else float(random.choice([u(0.05, 0.075), u(0.30, 0.40), u(0.12, 0.2)], p=[0.6, 0.33, 0.07]))
    bare = legs is not None and legs > 0.3 and not feminine and random.random() < 0.12
    top_hem = u(0.555, 0.585) if skirt or random.random() < 0.25 else u(0.455, 0.515)
    return Outfit(
        top_hem=None if bare and not jacket else top_hem,
        sleeve=sleeve,
        legs=legs,
        skirt=skirt,
        ease=u(0.016, 0.03) if jacket else u(0.006, 0.018),
        flare=u(0.004, 0.03) if not feminine else u(0.002, 0.018),
        shoes=None if random.random() < 0.1 else u(0.004, 0.010),
        jacket=jacket,
    )


def folds(random: np.random.Generator, depth: float) -> Floats:
    """(24, 24) float64 factors near 1: cloth that stands off here and there."""
    return 1 + depth * np.clip(noise(random, (24, 24), (5, 6), 2).astype(float), -1.6, 2.2)


def shirt(anatomy: Anatomy, random: np.random.Generator, outfit: Outfit, material: int) -> list[Piece]:
    """A shirt, or a jacket, over the trunk and as much of the arms as its sleeves reach."""
    if outfit.top_hem is None:
        return []
    h = anatomy.height
    trunk = draped(body.torso(anatomy), anatomy, outfit)
    top = 0.845 if outfit.sleeve is not None else 0.832
    pieces = [cut(trunk, top * h, outfit.top_hem * h, material, spacing=RING, around=AROUND, squareness=2.35, turns=1, folds=folds(random, 0.022))]
    for side in SIDES if outfit.sleeve is not None else ():
        assert outfit.sleeve is not None
        tube = body.arm(anatomy, side)
        open_end = np.interp(tube.table[:, 0] / h, [outfit.sleeve, 0.76, 0.80], [outfit.ease * 0.9, outfit.ease * 0.7, 0.002])
        pieces.append(cut(tube.widened(open_end), 0.8258 * h, outfit.sleeve * h, material, spacing=RING, around=16, folds=folds(random, 0.045)))
    if outfit.jacket:
        pieces.append(_hood(anatomy, material))
    return pieces


def draped(tube: Tube, anatomy: Anatomy, outfit: Outfit) -> Tube:
    """The trunk as a shirt follows it: falling straight from waist and seat, over the trousers, unless tucked in."""
    h, ease = anatomy.height, outfit.ease
    loose = outfit.top_hem is not None and outfit.top_hem < 0.55
    wide = tube.widened(ease)
    table = wide.table[np.argsort(-wide.table[:, 0])].copy()
    y = table[:, 0] / h
    table[:, 1:4] += np.where((y > 0.8)[:, None], -0.5 * ease, 0)
    if loose:
        hips = table[np.argmin(np.abs(y - 0.53))].copy()
        below = y < 0.53
        over = outfit.seat_ease
        table[:, 1:4] += over * np.interp(y, [0.53, 0.62], [1, 0])[:, None]
        table[below, 1] = hips[1] + (0.53 - y[below]) * 0.06 * h + 0.004 + over
        table[below, 2] = hips[2] + 0.006 + over
        table[below, 3] = hips[3] + 0.004 + over
        table = np.vstack([table, [0.40 * h, *(table[-1, 1:4] + [0.02, 0.008, 0.004])]])
        waist = (y < 0.68) & (y > 0.53)
        table[:-1][waist, 1] = np.maximum(table[:-1][waist, 1], 0.9 * hips[1])
    return Tube(table, tube.chain, tube.bends, tube.softness)


def _hood(anatomy: Anatomy, material: int) -> Piece:
    h = anatomy.height
    rows = np.array([[0.862, 0.035, 0.00, 0.02, 0, -0.045], [0.852, 0.062, 0.03, 0.034, 0, -0.035], [0.832, 0.072, 0.03, 0.042, 0, -0.034], [0.808, 0.055, 0.02, 0.034, 0, -0.042], [0.795, 0.02, 0.01, 0.015, 0, -0.05]])
    mesh = loft(outline(rows, 0.862, 0.795, 8) * h, 18).of(material)
    weights = np.zeros((len(mesh.points), len(BONES)))
    weights[:, BONE["chest"]] = 1
    return Piece(mesh, weights)


def trousers(anatomy: Anatomy, random: np.random.Generator, outfit: Outfit, material: int) -> list[Piece]:
    """Trousers or shorts: the seat and two legs."""
    if outfit.legs is None:
        return []
    h = anatomy.height
    pieces = [cut(body.torso(anatomy).widened(outfit.seat_ease), 0.592 * h, 0.463 * h, material, spacing=RING, around=AROUND, squareness=2.35, turns=1)]
    for side in SIDES:
        tube = body.leg(anatomy, side)
        wide = np.interp(tube.table[:, 0] / h, [outfit.legs, outfit.legs + 0.1, 0.5], [outfit.flare + 0.003, outfit.flare, outfit.seat_ease])
        pieces.append(cut(tube.widened(wide), 0.539 * h, outfit.legs * h, material, spacing=RING, around=18, folds=folds(random, 0.03)))
    return pieces


def belt(anatomy: Anatomy, outfit: Outfit, material: int) -> list[Piece]:
    h = anatomy.height
    return [cut(body.torso(anatomy).widened(outfit.seat_ease + 0.005), 0.594 * h, 0.576 * h, material, spacing=0.008, around=AROUND, squareness=2.35)]


def skirt(anatomy: Anatomy, random: np.random.Generator, outfit: Outfit, material: int) -> list[Piece]:
    """A skirt that hangs from the waist and goes with both thighs."""
    if outfit.skirt is None:
        return []
    h = anatomy.height
    flare = random.uniform(0.0, 0.07)
    top = 0.60
    trunk = outline(body.torso(anatomy).widened(0.008).table, top * h, 0.51 * h, 5)
    hips = trunk[-1]
    y = np.linspace(0.49, outfit.skirt, 12)
    down = (0.51 - y) / 0.2
    falling = np.column_stack([y * h, hips[1] + 0.006 + flare * down, hips[2] + 0.008 + flare * 0.8 * down, hips[3] + 0.002 + flare * 0.8 * down])
    sections = np.vstack([trunk, falling])
    wave = np.linspace(0, 1, len(sections))[:, None] ** 1.5 * np.cos(np.linspace(0, 2 * np.pi, 37)[:-1] * int(random.integers(5, 10)) + random.uniform(0, 6))
    mesh = loft(sections, 36, bumps=1 + flare * wave, turns=2).of(material)
    x, height = mesh.points[:, 0].astype(float) / h, mesh.points[:, 1].astype(float) / h
    follow = np.interp(height, [0.44, 0.55], [0.95, 0])
    left = np.clip(x / 0.08 + 0.5, 0, 1)
    weights = np.zeros((len(x), len(BONES)))
    weights[:, BONE["pelvis"]] = 1 - follow
    weights[:, BONE["left_thigh"]] = follow * left
    weights[:, BONE["right_thigh"]] = follow * (1 - left)
    return [Piece(mesh, weights)]


def skin(anatomy: Anatomy, outfit: Outfit, material: int) -> list[Piece]:
    """What clothes leave bare of trunk, neck, arms and legs, and a little more under the hems."""
    h = anatomy.height
    pieces = [cut(body.neck(anatomy), (1 - anatomy.head + 0.02) * h, 0.816 * h, material, spacing=0.012, around=20)]
    if outfit.top_hem is None or outfit.sleeve is None or outfit.top_hem > 0.54:
        pieces.append(cut(body.torso(anatomy), 0.849 * h, 0.565 * h, material, spacing=RING, around=AROUND, squareness=2.35))
    for side in SIDES:
        covered = outfit.top_hem is not None and outfit.sleeve is not None
        sleeve = min(outfit.sleeve + 0.04, 0.82) if covered and outfit.sleeve is not None else 0.8258
        pieces.append(cut(body.arm(anatomy, side), sleeve * h, 0.479 * h, material, spacing=RING, around=14))
        pieces += body.hand(anatomy, side, material)
        end = outfit.legs if outfit.legs is not None else (outfit.skirt or 0.5) - 0.02
        pieces.append(cut(body.leg(anatomy, side), min(end + 0.05, 0.539) * h, 0.023 * h, material, spacing=RING, around=16))
    return pieces
