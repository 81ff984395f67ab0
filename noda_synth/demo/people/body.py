"""The body without head: tubes that know their cross-sections and how they bend, and what is cut from them.

Bare skin, sleeves, trouser legs and shirts are cuts of the same tubes, some a little wider, so that clothes follow the
limbs they are worn on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.people.anatomy import (
    ANKLE,
    BONE,
    BONES,
    CHEST,
    ELBOW,
    HIP,
    HIP_X,
    KNEE,
    LUMBAR,
    NECK,
    WRIST,
    Anatomy,
)
from noda_synth.demo.primitives.mesh import Mesh, loft, outline

Floats: TypeAlias = NDArray[np.float64]

# Rows of y, half width, depth to the front and to the back, all as fractions of body height.
_TORSO = np.array([
    [0.850, 0.030, 0.026, 0.036], [0.840, 0.060, 0.031, 0.042], [0.828, 0.092, 0.038, 0.047],
    [0.812, 0.111, 0.048, 0.055], [0.785, 0.111, 0.061, 0.064], [0.745, 0.102, 0.066, 0.066],
    [0.700, 0.095, 0.063, 0.061], [0.650, 0.087, 0.058, 0.052], [0.610, 0.084, 0.057, 0.049],
    [0.570, 0.091, 0.059, 0.056], [0.530, 0.098, 0.060, 0.073], [0.500, 0.095, 0.056, 0.077],
    [0.478, 0.074, 0.046, 0.060], [0.465, 0.036, 0.030, 0.036],
])  # fmt: skip
_LEG = np.array([
    [0.540, 0.030, 0.030, 0.034], [0.520, 0.047, 0.050, 0.054], [0.480, 0.051, 0.055, 0.058],
    [0.430, 0.049, 0.052, 0.052], [0.370, 0.043, 0.046, 0.044], [0.320, 0.0355, 0.0385, 0.037],
    [0.285, 0.0325, 0.0355, 0.034], [0.260, 0.0305, 0.0320, 0.035], [0.215, 0.0325, 0.0300, 0.043],
    [0.170, 0.0295, 0.0270, 0.038], [0.120, 0.0220, 0.0225, 0.0275], [0.070, 0.0175, 0.0190, 0.0215],
    [0.045, 0.0190, 0.0200, 0.0220], [0.022, 0.0170, 0.0180, 0.0200],
])  # fmt: skip
_ARM = np.array([
    [0.826, 0.008, 0.010, 0.010], [0.822, 0.017, 0.020, 0.020], [0.808, 0.0265, 0.0295, 0.0295],
    [0.788, 0.0300, 0.0320, 0.0310], [0.750, 0.0270, 0.0295, 0.0290], [0.700, 0.0240, 0.0265, 0.0255],
    [0.660, 0.0208, 0.0225, 0.0225], [0.638, 0.0205, 0.0220, 0.0225], [0.605, 0.0215, 0.0240, 0.0235],
    [0.570, 0.0195, 0.0220, 0.0215], [0.520, 0.0145, 0.0170, 0.0170], [0.492, 0.0118, 0.0160, 0.0155],
    [0.478, 0.0120, 0.0170, 0.0160],
])  # fmt: skip
_PALM = np.array([
    [0.494, 0.0105, 0.0150, 0.0145], [0.482, 0.0125, 0.0200, 0.0180], [0.460, 0.0130, 0.0245, 0.0215],
    [0.440, 0.0110, 0.0240, 0.0220], [0.430, 0.0075, 0.0215, 0.0195],
])  # fmt: skip
_NECK = np.array([
    [0.892, 0.028, 0.024, 0.034], [0.872, 0.0320, 0.0310, 0.036], [0.850, 0.0335, 0.0330, 0.036],
    [0.832, 0.0390, 0.0350, 0.040], [0.815, 0.0460, 0.0370, 0.044],
])  # fmt: skip
# The foot runs along z: rows of z, half width, height of the instep, (nothing below the sole).
_FOOT = np.array([
    [-0.037, 0.0100, 0.026, 0.0], [-0.032, 0.0190, 0.038, 0.0], [-0.015, 0.0225, 0.050, 0.0],
    [0.012, 0.0230, 0.052, 0.0], [0.040, 0.0245, 0.042, 0.0], [0.068, 0.0275, 0.031, 0.0],
    [0.095, 0.0265, 0.023, 0.0], [0.110, 0.0190, 0.017, 0.0], [0.117, 0.0080, 0.010, 0.0],
])  # fmt: skip


# z and length of each finger as fractions of body height, and how much it curls.
_FINGERS = ((0.0165, 0.042, 0.3), (0.0055, 0.046, 0.35), (-0.0055, 0.044, 0.4), (-0.0155, 0.035, 0.5))

ARM_TOP, LEG_TOP = 0.8258, 0.539
"""Where the tubes of the limbs begin, as fractions of body height."""
RING = 0.022
"""Metres between the rings of a surface."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A mesh in the standing body, and (V, B) float64 weights that say how much each point follows each bone."""

    mesh: Mesh
    weights: Floats


def rigid(mesh: Mesh, bone: str) -> Piece:
    """A piece that goes with one bone."""
    weights = np.zeros((len(mesh.points), len(BONES)))
    weights[:, BONE[bone]] = 1
    return Piece(mesh, weights)


@dataclass(frozen=True, eq=False)
class Tube:
    """A part of the body that bends along its axis.

    Attributes:
        table: cross-sections as `loft` wants them, metres.
        chain: bones from top to bottom.
        bends: y of the joints between them, metres.
        softness: how far above and below a joint the skin follows both bones, metres.
    """

    table: Floats
    chain: tuple[str, ...]
    bends: tuple[float, ...]
    softness: tuple[float, ...]

    def weights(self, points: NDArray[np.float32]) -> Floats:
        """(V, B) float64 for points (V, 3); rows sum to 1."""
        y = points[:, 1].astype(float)
        result, left = np.zeros((len(y), len(BONES))), np.ones(len(y))
        for bone, bend, soft in zip(self.chain, self.bends, self.softness, strict=False):
            step = np.clip((bend - y) / (2 * soft) + 0.5, 0, 1)
            below = left * step * step * (3 - 2 * step)
            result[:, BONE[bone]] = left - below
            left = below
        result[:, BONE[self.chain[-1]]] = left
        return result

    def widened(self, by: float | Floats) -> Tube:
        """The same tube with `by` metres, for all or for each of its sections, added to its widths."""
        table = self.table.copy()
        table[:, 1:4] += np.reshape(by, (-1, 1))
        return replace(self, table=table)


@dataclass(frozen=True)
class Rings:
    """How densely the surface of a tube is set with points.

    Attributes:
        around: points on each ring.
        spacing: metres between rings.
        squareness, turns: as in `loft`.
    """

    around: int
    spacing: float = RING
    squareness: float = 2.0
    turns: float | None = None


_TRUNK_RINGS = Rings(around=28, squareness=2.35, turns=1)
"""Around the trunk a texture goes once, so that its middle lies in front."""


@dataclass(frozen=True, eq=False)
class Trunk(Tube):
    """The trunk, whose outer upper corners rise with the arms: they follow the collarbones."""

    height: float

    def weights(self, points: NDArray[np.float32]) -> Floats:
        result = super().weights(points)
        x, y = points[:, :2].T.astype(float) / self.height
        share = np.clip((np.abs(x) - 0.05) / 0.055, 0, 1) * np.clip((y - 0.74) / 0.06, 0, 1)
        for bone, on_side in (("left_clavicle", x > 0), ("right_clavicle", x < 0)):
            given = share * on_side * result[:, BONE["chest"]]
            result[:, BONE[bone]] += given
            result[:, BONE["chest"]] -= given
        return result


def cut(tube: Tube, top: float, bottom: float, material: int, rings: Rings, folds: Floats | None = None) -> Piece:
    """The part of a tube between two heights (metres) as a closed surface.

    Args:
        tube: what is cut.
        top: upper height in metres.
        bottom: lower height in metres.
        material: index of the surface's texture.
        rings: how densely it is set with points.
        folds: (N, N) float64 factors on the distance from the axis, stretched over the surface.
    """
    count = max(round((top - bottom) / rings.spacing), 3)
    size = (rings.around, count)
    bumps = None if folds is None else cv2.resize(folds, size, interpolation=cv2.INTER_CUBIC).astype(float)
    sections = outline(tube.table, top, bottom, count)
    mesh = loft(sections, rings.around, squareness=rings.squareness, turns=rings.turns, bumps=bumps).of(material)
    return Piece(mesh, tube.weights(mesh.points))


def cut_trunk(tube: Tube, top: float, bottom: float, material: int, folds: Floats | None = None) -> Piece:
    return cut(tube, top, bottom, material, _TRUNK_RINGS, folds)


def torso(anatomy: Anatomy) -> Trunk:
    """The trunk from the neck to the crotch."""
    h, y = anatomy.height, _TORSO[:, 0]
    shoulders = np.interp(y, [0.70, 0.79], [1, anatomy.shoulders])
    waist = 1 - 0.13 * anatomy.curve * np.exp(-(((y - 0.62) / 0.045) ** 2))
    hips = 1 + 0.07 * anatomy.curve * np.exp(-(((y - 0.515) / 0.045) ** 2))
    girth = 1 + (anatomy.girth - 1) * np.interp(y, [0.78, 0.84], [1.2, 0.5])
    slim = girth * (1 - 0.05 * anatomy.curve)
    bust = 0.016 * anatomy.curve * np.exp(-(((y - 0.735) / 0.026) ** 2))
    belly = 0.09 * max(anatomy.girth - 1, 0) * np.exp(-(((y - 0.60) / 0.06) ** 2))
    table = _TORSO.copy()
    table[:, 1] *= shoulders * waist * hips * girth
    table[:, 2] = table[:, 2] * slim + bust + belly
    table[:, 3] *= slim * (1 + 0.6 * (hips - 1))
    return Trunk(table * h, ("chest", "lumbar", "pelvis"), (CHEST * h, LUMBAR * h), (0.05 * h, 0.04 * h), h)


def leg(anatomy: Anatomy, side: str) -> Tube:
    h, sign = anatomy.height, 1 if side == "left" else -1
    table = _limb_table(_LEG, anatomy, sign * HIP_X)
    table[:, 1:4] *= 1 + 0.06 * anatomy.curve * np.interp(_LEG[:, :1], [0.35, 0.5], [0, 1])
    bones = ("pelvis", f"{side}_thigh", f"{side}_shin", f"{side}_foot")
    return Tube(table, bones, ((HIP + 0.015) * h, KNEE * h, ANKLE * h), (0.025 * h, 0.030 * h, 0.012 * h))


def arm(anatomy: Anatomy, side: str) -> Tube:
    h, sign = anatomy.height, 1 if side == "left" else -1
    table = _limb_table(_ARM, anatomy, sign * anatomy.shoulder_x)
    table[:, 1:4] *= 1 - 0.14 * anatomy.curve
    bones = (f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand")
    return Tube(table, bones, (ELBOW * h, WRIST * h), (0.022 * h, 0.012 * h))


def neck(anatomy: Anatomy) -> Tube:
    h, y, chin = anatomy.height, _NECK[:, 0], 1 - anatomy.head
    table = np.column_stack([_NECK, np.zeros(len(y)), np.interp(y, [0.82, 0.89], [-0.010, 0.004])])
    table[:, 0] = np.interp(y, [0.815, 0.868, 0.892], [0.815, chin, chin + 0.024])
    table[:, 1:4] *= (1 - 0.14 * anatomy.curve) * (0.5 + 0.5 * anatomy.girth)
    return Tube(table * h, ("head", "neck", "chest"), ((chin + 0.01) * h, (NECK + 0.007) * h), (0.012 * h, 0.012 * h))


def _limb_table(rows: Floats, anatomy: Anatomy, shift_x: float) -> Floats:
    table = np.column_stack([rows, np.full(len(rows), shift_x), np.zeros(len(rows))])
    table[:, 1:4] *= 1 + 0.8 * (anatomy.girth - 1)
    return table * anatomy.height


def hand(anatomy: Anatomy, side: str, material: int) -> list[Piece]:
    """A palm, four fingers a little bent, and a thumb, hanging with the palm towards the thigh."""
    sign = 1 if side == "left" else -1
    size = 1 - 0.1 * anatomy.curve

    def piece(y: Floats, thick: Floats, inward: Floats, front: Floats) -> Piece:
        x = sign * (anatomy.shoulder_x - inward)
        table = np.column_stack([y, size * thick, x, front])
        return rigid(loft(table * anatomy.height, 8).of(material), f"{side}_hand")

    rows, none = outline(_PALM, 0.494, 0.430, 7), np.zeros(7)
    pieces = [piece(rows[:, 0], rows[:, 1:4], none, none)]
    thick = np.tile(np.array([0.003, 0.0058, 0.0054, 0.0042, 0.0015])[:, None], 3)
    for z, length, curl in _FINGERS:
        y = np.array([0.437, 0.434, 0.432 - length * 0.5, 0.434 - length, 0.432 - length])
        pieces.append(piece(y, thick, curl * (0.44 - y) ** 2 / 0.04, np.full(5, z)))
    y = np.array([0.478, 0.472, 0.455, 0.440, 0.434])
    front = np.array([0.014, 0.018, 0.027, 0.034, 0.036])
    pieces.append(piece(y, 1.3 * thick, np.linspace(0, 0.008, 5), front))
    return pieces


def foot(anatomy: Anatomy, side: str, material: int, *, thick: float, sole: int | None) -> list[Piece]:
    """A foot or a shoe, `thick` metres larger than the bare foot; a shoe has a sole of its own material."""
    h, sign = anatomy.height, 1 if side == "left" else -1

    def along_z(table: Floats, which: int) -> Piece:
        """The axis of the loft is turned to the back, its front up."""
        mesh = loft(table, 14, squareness=2.6).of(which)
        x, back, up = mesh.points.T
        points = np.stack([sign * (HIP_X + 0.004) * h + x, up, -back], axis=1)
        return rigid(mesh.moved(points), f"{side}_foot")

    upper = outline(_FOOT * h, -0.037 * h, 0.117 * h, 14)
    upper[:, 0] *= -(1 + thick / (0.07 * h))
    upper[:, 1:3] += thick
    upper[:, 3] = 0.001
    pieces = [along_z(upper, material)]
    if sole is not None:
        lower = upper * [1.02, 1, 0, 0] + [0, 0.004, 0.018, 0.006]
        pieces.append(along_z(lower, sole))
    return pieces
