"""PCKh on MPII as the field reports it: PCK in head sizes. Needs numpy only.

Of the 16 joints, pelvis and thorax do not count. A column (Shoulder, ...) is the mean of its two joints; *mean* weighs
the 14 joints by their number of samples (Simple Baselines, HRNet, the NODA paper), *macro mean* weighs them equally
(the hourglass papers).

"Mean@0.1" as published by Simple Baselines and HRNet is the value at 0.11: both are computed and carry their own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from noda_train.metrics import pck
from noda_train.metrics.pck import (
    SUBSETS,
    Bools,
    Floats,
    columns,
    compare,
    distances,
    evaluate,
    format_comparison,
    format_table,
)

__all__ = [
    "COUNTED",
    "GROUPS",
    "SUBSETS",
    "THRESHOLDS",
    "Floats",
    "Truth",
    "columns",
    "compare",
    "distances",
    "evaluate",
    "format_comparison",
    "format_table",
    "head_sizes",
    "stand_in_head_sizes",
]

GROUPS: Mapping[str, tuple[int, ...]] = {
    "head": (9,),
    "shoulder": (12, 13),
    "elbow": (11, 14),
    "wrist": (10, 15),
    "hip": (2, 3),
    "knee": (1, 4),
    "ankle": (0, 5),
}
"""Column -> MPII joints, 0-based."""
COUNTED = np.array([joint not in (6, 7) for joint in range(16)])
"""(16,) bool: all joints but pelvis and thorax."""
THRESHOLDS = (0.5, 0.1, 0.11)
HEAD_FACTOR = 0.6
"""MPII's head size is 0.6 times the diagonal of the head box."""
STAND_IN_FACTOR = 0.75
"""Head size over |head top - upper neck|, for people without a head box (median on the validation set: 0.7504)."""


@dataclass(frozen=True, eq=False)
class Truth(pck.Truth):
    """MPII's truth.

    Attributes:
        joints: (N, 16, 2) float64 pixels, in the same base as the predictions (MPII's files: 1-based).
        labelled: (N, 16) bool.
        head_size: (N,) float64 pixels.
        visible: (N, 16) int8, 1 visible, 0 occluded, -1 unknown; None where nothing is known of visibility.
        why_not: the reason, where `visible` is None.
    """

    metric: ClassVar[str] = "PCKh"
    thresholds: ClassVar[tuple[float, ...]] = THRESHOLDS
    followed: ClassVar[float] = 0.5

    joints: Floats
    labelled: Bools
    head_size: Floats
    visible: NDArray[np.int8] | None = None
    why_not: str = ""

    @property
    def unit(self) -> Floats:
        return self.head_size

    @property
    def groups(self) -> Mapping[str, tuple[int, ...]]:
        return GROUPS

    @property
    def counted(self) -> Bools:
        return COUNTED


def head_sizes(boxes: Floats) -> Floats:
    """(N,) head sizes from head boxes (N, 4) of x1, y1, x2, y2."""
    result: Floats = HEAD_FACTOR * np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return result


def stand_in_head_sizes(joints: Floats) -> Floats:
    """(N,) head sizes of people without a head box, from head top and upper neck of joints (N, 16, 2)."""
    result: Floats = STAND_IN_FACTOR * np.linalg.norm(joints[:, 9] - joints[:, 8], axis=1)
    return result
