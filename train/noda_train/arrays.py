"""Types of arrays, and what is done with a matrix of fits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def best_pairs(fits: Floats) -> Iterable[tuple[int, int]]:
    """Pairs of rows and columns of (P, N), the best first, each row and column once at most."""
    rows, columns = set[int](), set[int]()
    for flat in np.argsort(-fits, axis=None, kind="stable"):
        row, column = divmod(int(flat), fits.shape[1])
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            yield row, column
