"""A person who stands upright, as MPII's joints: for tests that need a body and no picture."""

from __future__ import annotations

import numpy as np

from noda_synth.data.dataset import VISIBLE
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import SKELETONS

MPII16 = SKELETONS["mpii16"]

# x from the middle and y from the head top, in percent of the standing height.
_PLACES = {
    "head_top": (0, 0), "upper_neck": (0, 15), "thorax": (0, 18), "pelvis": (0, 50),
    "shoulder": (11, 19), "elbow": (14, 36), "wrist": (15, 50), "hip": (6, 51), "knee": (7, 74), "ankle": (7, 95),
}  # fmt: skip


def standing(middle: float, top: float = 20.0, height: float = 150.0, visible: int = VISIBLE) -> Pose:
    """A person seen from the front (the right side of the body is on the left)."""
    points = []
    for joint in MPII16.joints:
        side, _, part = joint.partition("_")
        x, y = _PLACES[joint if joint in _PLACES else part]
        points.append((middle + (-x if side == "right" else x) * height / 100, top + y * height / 100))
    return Pose(MPII16, np.array(points), np.ones(16, np.bool_), np.full(16, visible, np.int8))
