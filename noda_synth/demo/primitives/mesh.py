"""Surfaces: triangle meshes, and the two ways they are made here: closed rings along an axis, and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats: TypeAlias = NDArray[np.float32]
Table: TypeAlias = NDArray[np.float64]

TILE = 0.6
"""Metres of surface that one texture covers."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface of triangles, counter-clockwise seen from outside.

    Attributes:
        points: (V, 3) float32, metres.
        faces: (F, 3) int32, indices of points.
        uv: (V, 2) float32, place in the texture, in textures (1 = a whole one); it repeats.
        material: (F,) int32, index of the texture.
        part: (F,) int32, what the face belongs to; for people a bone, else -1.
        twin: (V,) int32, for each point the first one at the same place; points stand twice where a texture begins.
    """

    points: Floats
    faces: NDArray[np.int32]
    uv: Floats
    material: NDArray[np.int32]
    part: NDArray[np.int32]
    twin: NDArray[np.int32]

    def moved(self, points: NDArray[np.floating]) -> Mesh:
        """The same surface with its points elsewhere."""
        return replace(self, points=points.astype(np.float32))

    def of(self, material: int) -> Mesh:
        """The same surface made of one material."""
        return replace(self, material=np.full(len(self.faces), material, np.int32))

    @property
    def normals(self) -> Floats:
        """(V, 3) float32 unit vectors, outward; the mean over the faces around each point, weighted by area."""
        a, b, c = (self.points[self.faces[:, corner]] for corner in range(3))
        across = np.cross(b - a, c - a)
        total = np.zeros((len(self.points), 3))
        for corner in range(3):
            shared = self.twin[self.faces[:, corner]]
            for axis in range(3):
                total[:, axis] += np.bincount(shared, across[:, axis], len(self.points))
        length = np.linalg.norm(total, axis=1, keepdims=True)
        return np.asarray(total / np.maximum(length, 1e-12), np.float32)[self.twin]


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh out of many."""
    offsets = np.cumsum([0, *(len(mesh.points) for mesh in meshes[:-1])])
    return Mesh(
        points=np.concatenate([mesh.points for mesh in meshes]),
        faces=_counted_on([mesh.faces for mesh in meshes], offsets),
        uv=np.concatenate([mesh.uv for mesh in meshes]),
        material=np.concatenate([mesh.material for mesh in meshes]),
        part=np.concatenate([mesh.part for mesh in meshes]),
        twin=_counted_on([mesh.twin for mesh in meshes], offsets),
    )


def _counted_on(indices: list[NDArray[np.int32]], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.concatenate([index + offset for index, offset in zip(indices, offsets, strict=True)]).astype(np.int32)


def outline(table: Table, top: float, bottom: float, rings: int) -> Table:
    """Rows of a table of cross-sections between two heights, smoothly interpolated.

    Args:
        table: (S, C); the first column is the place along the axis, in either order.
        top: where the first row lies along the axis.
        bottom: where the last row lies.
        rings: number of rows.

    Returns:
        (rings, C) float64.
    """
    ordered = table[np.argsort(table[:, 0])]
    along = np.linspace(top, bottom, rings)
    return np.column_stack([along, PchipInterpolator(ordered[:, 0], ordered[:, 1:])(along)])


def loft(
    sections: Table,
    around: int,
    *,
    squareness: float = 2.0,
    turns: float | None = None,
    bumps: Table | None = None,
) -> Mesh:
    """A closed surface around the y axis through rings from top to bottom.

    Args:
        sections: (K, 4..6) float64 rows of y, half width (x), front (+z), back (-z), then shift in x and in z; metres.
        around: points on each ring.
        squareness: 2 for ellipses; more is boxier.
        turns: textures around the ring; None keeps the texture's own measure at the widest ring.
        bumps: (K, around) float64 factors on the distance from the axis.
    """
    rings = len(sections)
    y, width, front, back = sections[:, :4].T[:, :, None]
    shift = np.zeros((rings, 2))
    shift[:, : sections.shape[1] - 4] = sections[:, 4:]

    # The seam of the texture lies at the back; its points stand there twice, so that u runs from 0 to 1.
    turn = np.linspace(-np.pi, np.pi, around + 1)
    sine, cosine = np.sin(turn), np.cos(turn)
    radius = (np.abs(sine) ** squareness + np.abs(cosine) ** squareness) ** (-1 / squareness)
    swell = np.ones((rings, around)) if bumps is None else bumps
    swell = np.column_stack([swell, swell[:, 0]]) * radius
    x = width * sine * swell + shift[:, :1]
    z = np.where(cosine > 0, front, back) * cosine * swell + shift[:, 1:]
    grid = np.stack([x, np.broadcast_to(y, x.shape), z], axis=2)

    steps = np.linalg.norm(np.diff(grid.mean(axis=1), axis=0), axis=1)
    v = np.concatenate([[0.0], np.cumsum(steps)]) / TILE
    if turns is None:
        turns = float(np.pi * (width + (front + back) / 2).max() / TILE)
    u = turns * np.linspace(0, 1, around + 1)

    middle = grid[:, :-1].mean(axis=1)
    points = np.concatenate([grid.reshape(-1, 3), middle[[0, -1]]]).astype(np.float32)
    uv = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=2).reshape(-1, 2)
    uv = np.concatenate([uv, [[turns / 2, v[0]], [turns / 2, v[-1]]]]).astype(np.float32)

    index = np.arange(rings * (around + 1)).reshape(rings, around + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    first, last = index.size, index.size + 1
    lid = np.stack([np.full(around, first), index[0, :-1], index[0, 1:]], axis=1)
    base = np.stack([np.full(around, last), index[-1, 1:], index[-1, :-1]], axis=1)
    sides = [np.stack([a, c, b], axis=2).reshape(-1, 3), np.stack([b, c, d], axis=2).reshape(-1, 3)]
    faces = np.concatenate([*sides, lid, base]).astype(np.int32)
    none, twin = np.full(len(faces), -1, np.int32), np.arange(len(points), dtype=np.int32)
    twin[index[:, -1]] = index[:, 0]
    return Mesh(points, faces, uv, none, none, twin)


def box(size: tuple[float, float, float], middle: tuple[float, float, float], material: int) -> Mesh:
    """A box of a width, height and depth in metres."""
    half = np.array(size) / 2
    points: list[Table] = []
    uv: list[Table] = []
    faces: list[NDArray[np.int64]] = []
    for axis in range(3):
        across, up = ((axis + 1) % 3, (axis + 2) % 3) if axis else (2, 1)
        for sign in (-1, 1):
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, across], corners[:, up] = (-1, 1, 1, -1), (-1, -1, 1, 1)
            # Each side is seen from outside, where it has to run counter-clockwise.
            ring = np.arange(4)[:: sign if axis else -sign] + len(points) * 4
            points.append(corners * half + middle)
            uv.append((corners * half)[:, [across, up]] * [sign, -1] / TILE + 0.37 * axis)
            faces += [ring[[0, 1, 2]], ring[[0, 2, 3]]]
    none = np.full(len(faces), -1, np.int32)
    return Mesh(
        np.concatenate(points).astype(np.float32),
        np.array(faces, np.int32),
        np.concatenate(uv).astype(np.float32),
        none,
        none,
        np.arange(len(points) * 4, dtype=np.int32),
    ).of(material)
