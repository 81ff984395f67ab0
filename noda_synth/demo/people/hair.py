"""Hair and caps: shells over the skull, and what hangs down from it. Lengths are head heights, as in `head`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.people.anatomy import BONE, BONES, Anatomy
from noda_synth.demo.people.body import Piece
from noda_synth.demo.people.head import AROUND, RINGS, SKULL, SQUARENESS, on_head, to_body
from noda_synth.demo.primitives.chance import Random, one_of
from noda_synth.demo.primitives.mesh import Mesh, loft, outline
from noda_synth.demo.primitives.noise import noise, ripple

Floats: TypeAlias = NDArray[np.float64]

# Rows of y, half width, depth to the front and to the back, shift in x and in z.
_CURTAIN = np.array([
    [0.90, 0.200, 0.10, 0.42, 0, -0.06], [0.70, 0.385, 0.13, 0.50, 0, -0.04], [0.45, 0.400, 0.14, 0.46, 0, -0.06],
    [0.20, 0.395, 0.12, 0.36, 0, -0.10], [0.00, 0.380, 0.08, 0.26, 0, -0.14], [-0.3, 0.360, 0.03, 0.22, 0, -0.20],
    [-0.6, 0.340, 0.02, 0.20, 0, -0.24], [-0.9, 0.280, 0.00, 0.14, 0, -0.26],
])  # fmt: skip
_BUN = np.array([
    [0.16, 0.02, 0.02, 0.02], [0.12, 0.11, 0.11, 0.11], [0.00, 0.16, 0.15, 0.15], [-0.12, 0.11, 0.11, 0.11],
    [-0.16, 0.02, 0.02, 0.02],
])  # fmt: skip
# The brim runs forward: rows of -z, half width, height above and below.
_BRIM = np.array([
    [-0.02, 0.10, 0.030, 0.020], [-0.20, 0.30, 0.022, 0.015], [-0.38, 0.29, 0.012, 0.010],
    [-0.55, 0.20, -0.01, 0.030], [-0.62, 0.06, -0.03, 0.040],
])  # fmt: skip


def hairline(turn: NDArray[np.floating], fringe: float, sides: float) -> Floats:
    """Height where hair begins, by the angle from the front in radians; `fringe` over the brow, `sides` at the ears."""
    angles = [0, 0.7, 1.05, 1.45, 1.8, 2.2, np.pi]
    height: Floats = np.interp(np.abs(turn), angles, [fringe, fringe - 0.03, 0.66, sides, sides * 0.8, 0.12, 0.08])
    return height


def hair(anatomy: Anatomy, random: Random, material: int, style: str, *, flat: bool) -> list[Piece]:
    """Hair as a shell over the skull, and what hangs down from it.

    Args:
        style: short, crop, bob, long, tail or bun.
        flat: pressed down by a cap.
    """
    u = random.uniform
    thick = 0.02 if flat else {"crop": 0.02, "short": u(0.035, 0.075), "bob": 0.07, "long": 0.06}.get(style, 0.035)
    sides = 0.5 if style == "crop" else 0.42
    pieces = [_shell(anatomy, random, material, thick, u(0.76, 0.86), sides)]
    if style == "bob":
        pieces.append(_curtain(anatomy, random, material, u(0.0, 0.16)))
    if style == "long":
        pieces.append(_curtain(anatomy, random, material, u(-0.9, -0.35)))
    if style == "tail":
        pieces.append(_tail(anatomy, random, material))
    if style == "bun" and not flat:
        mesh = loft(outline(_BUN, 0.16, -0.16, 9), 14).of(material)
        pieces.append(on_head(mesh, mesh.points + one_of(random, ((0, 1.0, -0.2), (0, 0.72, -0.56))), anatomy))
    return pieces


def cap(anatomy: Anatomy, random: Random, material: int, *, brim: bool) -> list[Piece]:
    """A baseball cap, or a woollen one without brim."""
    pieces = [_shell(anatomy, random, material, 0.065 if brim else 0.08, 0.70, 0.62)]
    if brim:
        flat = loft(outline(_BRIM, -0.02, -0.62, 9), 16).of(material)
        x, back, up = flat.points.T
        pieces.append(on_head(flat, np.stack([x, 0.735 + up - 0.67 * x**2, 0.17 - back], axis=1), anatomy))
    return pieces


def _shell(anatomy: Anatomy, random: Random, material: int, thick: float, fringe: float, sides: float) -> Piece:
    """A layer over the skull above the hairline; below it the shell hides inside the head."""
    sections = outline(SKULL, 1.0, 0.02, RINGS)
    turn = np.linspace(-np.pi, np.pi, AROUND + 1)[:-1]
    above = np.clip((sections[:, :1] - hairline(turn, fringe, sides)) / 0.05, -1, 1)
    rough = 1 + 0.22 * noise(random, (AROUND, RINGS), (9, 7), 2).astype(float)
    swell = np.where(above > 0, thick / 0.38 * (0.5 + 0.5 * above) * rough, 0.03 * (above - 1))
    mesh = loft(sections, AROUND, squareness=SQUARENESS, bumps=1 + swell).of(material)
    points = mesh.points.astype(float)
    tousled = 1 + 0.2 * ripple(random, len(points), 12)
    points[:, 1] += 0.9 * thick * np.clip((points[:, 1] - 0.7) / 0.3, 0, 1) * tousled
    return on_head(mesh, points, anatomy)


def _curtain(anatomy: Anatomy, random: Random, material: int, end: float) -> Piece:
    """Hair that falls behind the face, down to `end`; below the chin it follows the chest."""
    bumps = 1 + 0.05 * noise(random, (24, 16), (11, 3)).astype(float)
    mesh = loft(outline(_CURTAIN, 0.88, end, 16), 24, bumps=bumps).of(material)
    weights = np.zeros((len(mesh.points), len(BONES)))
    weights[:, BONE["head"]] = np.interp(mesh.points[:, 1], [-0.35, 0.15], [0, 1])
    weights[:, BONE["chest"]] = 1 - weights[:, BONE["head"]]
    return Piece(_in_body(mesh, anatomy), weights)


def _in_body(mesh: Mesh, anatomy: Anatomy) -> Mesh:
    return mesh.moved(to_body(mesh.points, anatomy))


def _tail(anatomy: Anatomy, random: Random, material: int) -> Piece:
    along = np.array([0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
    thick = np.array([0.03, 0.07, 0.11, 0.10, 0.07, 0.02])
    length, back = random.uniform(0.7, 1.3), -0.50 - 0.18 * np.sin(np.pi * along**0.7)
    table = np.column_stack([0.80 - length * along, thick, thick, thick, np.zeros(6), back])
    mesh = loft(outline(table, 0.80, 0.80 - length, 14), 12).of(material)
    return on_head(mesh, mesh.points, anatomy)
