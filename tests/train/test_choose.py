"""Whom the figure of predictions shows."""

from __future__ import annotations

import numpy as np

from noda_train.metrics.truth import mpii_truth
from noda_train.pictures import most_different


def test_people_are_shown_where_the_numbers_of_wrong_joints_differ() -> None:
    joints = np.full((4, 16, 2), 100.0)
    truth = mpii_truth(joints, np.ones((4, 16), bool), np.full(4, 10.0))
    ours, other = joints.copy(), joints.copy()
    ours[0, :3], other[0, 3:6] = 0, 0  # three joints each, but others: nothing that a count would show
    other[1, :2] = 0
    ours[2, :3] = 0
    chosen = {how: most_different(truth, other, ours, 4, how).tolist() for how in ("different", "better", "worse")}
    assert chosen == {"different": [2, 1], "better": [1], "worse": [2]}
