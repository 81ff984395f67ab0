"""From surfaces to pixels: which face is nearest at each sample, and where on it the sample lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """Where the scan of a mesh met the grid: one entry for every sample under every face that looks at the viewer.

    Attributes:
        pixel: (N,) int64, row * width + column.
        face: (N,) int64.
        near: (N,) float32, larger is nearer; always positive.
    """

    pixel: Ints
    face: Ints
    near: Floats


def scan(points: NDArray[np.float64], faces: NDArray[np.int32], size: tuple[int, int]) -> Samples:
    """All samples under all faces that look at the viewer.

    Args:
        points: (V, 3) float64 x, y (in samples, 0-based, y down) and nearness, which is linear on the screen (for
            perspective, one over the depth); points behind the viewer have nearness <= 0 and lose their faces.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        size: (width, height) of the grid.
    """
    width, height = size
    corners = points[faces]
    (x0, y0, n0), (x1, y1, n1), (x2, y2, n2) = (corners[:, corner].T for corner in range(3))
    # With y downwards a face that looks at the viewer runs clockwise on the screen: its doubled area is negative.
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    top, bottom = np.ceil(corners[:, :, 1].min(axis=1)), np.floor(corners[:, :, 1].max(axis=1))
    top, bottom = np.maximum(top, 0), np.minimum(bottom, height - 1)
    wanted = np.flatnonzero((area < -1e-9) & (bottom >= top) & (corners[:, :, 2].min(axis=1) > 0))

    # Each face as rows, ...
    rows_of = (bottom - top + 1)[wanted].astype(np.int64)
    face = np.repeat(wanted, rows_of)
    row = _count_up(rows_of) + top[face]
    low, high = np.full(len(face), -np.inf), np.full(len(face), np.inf)
    for xa, ya, xb, yb in ((x0, y0, x1, y1), (x1, y1, x2, y2), (x2, y2, x0, y0)):
        # Inside means a*x + b >= 0 for each of the three edges.
        a = (yb - ya)[face]
        b = (xa - xb)[face] * (row - ya[face]) - a * xa[face]
        with np.errstate(divide="ignore", invalid="ignore"):
            cut = -b / a
        low = np.where(a > 0, np.maximum(low, cut), low)
        high = np.where(a < 0, np.minimum(high, cut), high)
    low, high = np.maximum(np.ceil(low), 0), np.minimum(np.floor(high), width - 1)
    kept = high >= low
    face, row, low, high = face[kept], row[kept], low[kept], high[kept]

    # ... and each row as samples.
    slope_x = ((n1 - n0) * (y2 - y0) - (n2 - n0) * (y1 - y0)) / np.where(area == 0, 1, area)
    slope_y = ((n2 - n0) * (x1 - x0) - (n1 - n0) * (x2 - x0)) / np.where(area == 0, 1, area)
    start = n0[face] + slope_x[face] * (low - x0[face]) + slope_y[face] * (row - y0[face])
    samples_of = (high - low + 1).astype(np.int64)
    step = _count_up(samples_of)
    near = np.repeat(start, samples_of) + np.repeat(slope_x[face], samples_of) * step
    pixel = np.repeat((row * width + low).astype(np.int64), samples_of) + step
    return Samples(pixel, np.repeat(face, samples_of), np.maximum(near, 1e-9).astype(np.float32))


def _count_up(lengths: Ints) -> Ints:
    """0, 1, .. length - 1 for each length, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def nearest(samples: Samples, size: tuple[int, int]) -> tuple[NDArray[np.int32], Floats]:
    """The nearest face at each sample of the grid: (H, W) int32 face or -1, and (H, W) float32 nearness or 0."""
    width, height = size
    # Positive floats are ordered like their bits: one maximum finds the nearest, and the face rides along.
    key = samples.near.view(np.int32).astype(np.int64) << 32 | samples.face
    best = np.full(width * height, -1, np.int64)
    np.maximum.at(best, samples.pixel, key)
    face, near = np.full(width * height, -1, np.int32), np.zeros(width * height, np.float32)
    met = np.flatnonzero(best >= 0)
    keys = best[met]
    face[met] = keys & 0xFFFFFFFF
    near[met] = (keys >> 32).astype(np.int32).view(np.float32)
    return face.reshape(height, width), near.reshape(height, width)
