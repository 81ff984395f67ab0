"""Is all of a body under its mask? Two numbers that tell a whole person from a part of one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.pose import Pose

_POINTS = 12


def limb_cover(inside: NDArray[np.bool_], pose: Pose) -> tuple[float, float]:
    """The least and the mean share of a limb that lies under the mask; a limb that is not labelled counts as 0.

    Args:
        inside: (h, w) bool, the mask.
        pose: joints in pixels of the mask.
    """
    height, width = inside.shape
    shares = []
    for start, end in pose.skeleton.limbs:
        if not pose.has(start, end):
            shares.append(0.0)
            continue
        points = pose[start] + (pose[end] - pose[start]) * np.linspace(0, 1, _POINTS)[:, None]
        columns, rows = np.clip(np.floor(points + 0.5).astype(int), 0, [width - 1, height - 1]).T
        shares.append(float(inside[rows, columns].mean()))
    return min(shares), float(np.mean(shares))


def largest_piece(inside: NDArray[np.bool_]) -> float:
    """The share of the mask that hangs together in its largest piece."""
    count, _, figures, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    areas = figures[1:count, cv2.CC_STAT_AREA]
    return float(areas.max() / areas.sum()) if len(areas) else 0.0
