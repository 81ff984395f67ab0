"""Heads: the skull with nose, brow, chin and ears.

Inside this module and `hair` lengths are head heights: y from the chin up, z = 0 at the ears.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.people.anatomy import Anatomy
from noda_synth.demo.people.body import Piece, rigid
from noda_synth.demo.primitives.chance import Random
from noda_synth.demo.primitives.mesh import Mesh, loft, outline

Floats: TypeAlias = NDArray[np.float64]

# Rows of y, half width, depth to the front and to the back.
SKULL = np.array([
    [1.000, 0.030, 0.030, 0.060], [0.985, 0.120, 0.120, 0.170], [0.950, 0.205, 0.220, 0.290],
    [0.880, 0.285, 0.325, 0.400], [0.780, 0.330, 0.390, 0.465], [0.670, 0.343, 0.420, 0.480],
    [0.560, 0.338, 0.415, 0.470], [0.460, 0.325, 0.415, 0.430], [0.350, 0.305, 0.420, 0.350],
    [0.240, 0.280, 0.420, 0.250], [0.130, 0.235, 0.410, 0.150], [0.050, 0.170, 0.390, 0.060],
    [0.005, 0.095, 0.330, 0.000], [-0.015, 0.030, 0.260, -0.050],
])  # fmt: skip
_EAR = np.array([
    [0.600, 0.010, 0.020, 0.030], [0.575, 0.035, 0.050, 0.060], [0.500, 0.040, 0.055, 0.060],
    [0.420, 0.025, 0.040, 0.030], [0.390, 0.010, 0.010, 0.010],
])  # fmt: skip
RINGS, AROUND, SQUARENESS = 34, 40, 2.15


def skull(anatomy: Anatomy, random: Random, material: int) -> list[Piece]:
    """The bare head and the ears, for a texture made by `face`."""
    table = SKULL.copy()
    table[:, 1] *= 1 - 0.04 * anatomy.curve + random.normal(0, 0.02)
    table[:, 1] *= 1 - np.interp(table[:, 0], [0.0, 0.4], [0.08 * anatomy.curve, 0])
    mesh = loft(outline(table, 1.0, -0.015, RINGS), AROUND, squareness=SQUARENESS, turns=1)
    x, y, z = mesh.points.astype(float).T

    def bump(at_x: float, at_y: float, wide: float, high: float) -> Floats:
        return np.where(z > 0, np.exp(-(((np.abs(x) - at_x) / wide) ** 2) - ((y - at_y) / high) ** 2), 0)

    nose = random.uniform(0.085, 0.12) * (bump(0, 0.385, 0.055, 0.06) + 0.5 * bump(0, 0.46, 0.04, 0.07))
    eyes = 0.018 * bump(0.11, 0.61, 0.12, 0.035) - 0.035 * bump(0.14, 0.52, 0.075, 0.05)
    mouth = 0.02 * bump(0, 0.20, 0.09, 0.035) - 0.02 * bump(0, 0.135, 0.1, 0.03) + 0.02 * bump(0, 0.06, 0.08, 0.05)
    # The face is painted once around the head: v runs from the crown down to the chin.
    uv = np.stack([mesh.uv[:, 0], np.clip(1 - y, 0.004, 0.996)], axis=1).astype(np.float32)
    face = replace(mesh.of(material), uv=uv)
    shaped = np.stack([x, y, z + nose + eyes + mouth], axis=1)
    return [on_head(face, shaped, anatomy), *(_ear(anatomy, sign, material) for sign in (1, -1))]


def _ear(anatomy: Anatomy, sign: int, material: int) -> Piece:
    table = np.column_stack([_EAR, np.full(len(_EAR), sign * 0.335), np.full(len(_EAR), -0.03)])
    mesh = loft(outline(table, 0.60, 0.39, 7), 8).of(material)
    skin_of_the_cheek = np.tile(np.array([0.5 + sign * 0.2, 0.62], np.float32), (len(mesh.points), 1))
    return on_head(replace(mesh, uv=skin_of_the_cheek), mesh.points, anatomy)


def to_body(points: NDArray[np.floating], anatomy: Anatomy) -> NDArray[np.float32]:
    """Points (V, 3) in head heights to metres in the standing body."""
    size = anatomy.head * anatomy.height
    return np.asarray(points * size + [0, anatomy.height - size, 0.004 * anatomy.height], np.float32)


def on_head(mesh: Mesh, points: NDArray[np.floating], anatomy: Anatomy) -> Piece:
    """The surface with its points (V, 3) in head heights, as a piece that goes with the head."""
    return rigid(mesh.moved(to_body(points, anatomy)), "head")
