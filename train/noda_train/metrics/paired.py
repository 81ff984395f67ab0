"""Differences between two rows of trainings, with intervals over persons and seeds together.

Who is in the validation set and which seed a network was trained with are both chance. Each bootstrap sample draws
persons and, apart from them, seeds, with replacement; both rows see the same persons and the same seeds, since a seed
stands for the same order, the same augmentation and the same first weights in both. Of few seeds the spread is known
badly, and the bootstrap makes it too small, by a factor of sqrt((n - 1) / n): with one it says nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from noda_train.arrays import Floats
from noda_train.metrics.pck import columns, distances, interval, number, resamples
from noda_train.metrics.truth import Truth

POWER = (1.96 + 0.84) / 1.96
"""Half an interval times this is the difference that is found (at 5 %) four times out of five."""


@dataclass(frozen=True)
class Difference:
    """Percentage points above the other row, and the 95 % interval; None where it is not known (n/a)."""

    points: float | None
    low: float | None
    high: float | None

    @property
    def detectable(self) -> float | None:
        """The true difference, in points, that would have been found with a probability of 80 %."""
        return None if self.low is None or self.high is None else POWER * (self.high - self.low) / 2


def compare(
    ours: Floats, other: Floats, truth: Truth, threshold: float, times: int = 1000, seed: int = 0
) -> Mapping[tuple[str, str], Difference]:
    """Differences ours - other by (the truth's subset, column), for predictions (seeds, N, J, 2) of the same seeds."""
    if len(ours) != len(other):
        raise ValueError(f"{len(ours)} seeds against {len(other)}")
    persons = resamples(len(truth), times, seed)
    seeds = resamples(len(ours), times, seed + 1) / len(ours)
    right = [[distances(run, truth) <= threshold for run in side] for side in (ours, other)]
    differences = {}
    for subset in truth.subsets:
        mask = truth.subset(subset).astype(np.float64)
        points = [columns((np.mean(side, axis=0) * mask).sum(0), mask.sum(0), truth) for side in right]
        counts = persons @ mask
        drawn = [
            columns(_sum_over_seeds(seeds, [persons @ (run * mask) for run in side]), counts, truth) for side in right
        ]
        for column in points[0]:
            low, high = interval(drawn[0][column] - drawn[1][column])
            differences[subset, column] = Difference(number(points[0][column] - points[1][column]), low, high)
    return differences


def _sum_over_seeds(weights: Floats, right: Sequence[Floats]) -> Floats:
    """(times, J): right joints (times, J) of each seed, weighed by (times, seeds)."""
    result: Floats = np.einsum("ts,stj->tj", weights, np.stack(right))
    return result
