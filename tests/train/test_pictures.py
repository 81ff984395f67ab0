"""Which persons the picture of a run's predictions shows."""

from __future__ import annotations

import numpy as np
import pytest

from noda_train.metrics.truth import mpii_truth
from noda_train.pictures import spread_out


@pytest.mark.parametrize(("count", "expected"), [(3, [0, 5, 10]), (1, [0]), (50, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10])])
def test_persons_spread_over_the_file_who_have_joints(count: int, expected: list[int]) -> None:
    labelled = np.ones((11, 16), bool)
    labelled[4] = False
    truth = mpii_truth(np.zeros((11, 16, 2)), labelled, np.ones(11))
    assert spread_out(truth, count).tolist() == expected
