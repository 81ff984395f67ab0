"""The numbers of a table, from the predictions that its runs have left, at any time.

Values are means over seeds with their standard deviation (n - 1). Differences to the row that a row is compared with
are over all seeds of both together, with a 95 % interval from a paired bootstrap over the validation persons
(`metrics/pck.py`): it tells how far the difference depends on who is in the validation set, not on the seed of the
training; that is what the standard deviation is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from noda_synth.errors import NodaError
from noda_train.metrics.truth import SUBSETS
from noda_train.tables.spec import COLUMNS, Row
from noda_train.tables.work import Work

THRESHOLD = 0.5


@dataclass(frozen=True)
class MeanScore:
    """A mean over seeds in percent, and its standard deviation; None where it is not known (n/a)."""

    mean: float | None
    deviation: float | None


@dataclass(frozen=True)
class Difference:
    """Percentage points above the other row, and the 95 % interval."""

    points: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RowScores:
    """A row with its numbers, by (subset, column); no numbers where no run is finished."""

    row: Row
    seeds: tuple[int, ...]
    values: Mapping[tuple[str, str], MeanScore] = field(default_factory=dict)
    differences: Mapping[tuple[str, str], Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class TableScores:
    """The whole table: a result for each row, and how many persons were judged."""

    rows: tuple[RowScores, ...]
    persons: int
    seeds: int

    @property
    def complete(self) -> bool:
        return all(len(result.seeds) == self.seeds or result.row.skipped for result in self.rows)


def collect(work: Work) -> TableScores:
    """What there is. Nothing is read but the truth and the predictions of finished runs."""
    finished = {row.name: _finished(work, row) for row in work.spec.rows}
    if not any(finished.values()):
        return TableScores(tuple(RowScores(row, ()) for row in work.spec.rows), 0, work.spec.seeds)
    from noda_train import evaluate
    from noda_train import settings as config
    from noda_train.data import load
    from noda_train.metrics import scoring

    settings = config.load(work.spec.rows[0].preset, work.spec.rows[0].settings)
    evaluator = evaluate.evaluation_set(load(work.spec.data), settings).evaluator
    truth = evaluator.truth
    if truth.metric != "PCKh":
        raise NodaError(f"{work.spec.data}: the paper's tables are PCKh on MPII's joints; this set has others")
    predictions = {
        name: np.stack([scoring.read(work.run_of(row, seed), evaluator).joints for seed in seeds])
        for row in work.spec.rows
        if (seeds := finished[name := row.name])
    }
    rows = [measure(row, finished[row.name], predictions, truth) for row in work.spec.rows]
    return TableScores(tuple(rows), len(truth), work.spec.seeds)


def measure(row: Row, seeds: Sequence[int], predictions: Mapping[str, Any], truth: Any) -> RowScores:
    """A row's numbers; `predictions` has (seeds, N, 16, 2) by the names of rows with finished runs."""
    from noda_train.metrics import pck

    if row.name not in predictions:
        return RowScores(row, ())
    own = predictions[row.name]
    tables = [pck.evaluate(run, truth, (THRESHOLD,), bootstrap=0)["thresholds"][f"{THRESHOLD:g}"] for run in own]
    cells = [(subset, column) for subset in SUBSETS for column in COLUMNS]
    values = {(subset, column): _value([table[subset][column] for table in tables]) for subset, column in cells}
    differences = {}
    if row.against is not None and row.against in predictions:
        differing = pck.compare(own, predictions[row.against], truth, (THRESHOLD,))["thresholds"][f"{THRESHOLD:g}"]
        for subset, column in cells:
            cell = differing[subset][column]
            differences[subset, column] = Difference(cell["difference"], *cell["interval"])
    return RowScores(row, tuple(seeds), values, differences)


def _finished(work: Work, row: Row) -> list[int]:
    if row.skipped:
        return []
    return [seed for seed in range(work.spec.seeds) if work.tasks[work.run_key(row, seed)].done]


def _value(numbers: Sequence[float | None]) -> MeanScore:
    known = [number for number in numbers if number is not None]
    if not known:
        return MeanScore(None, None)
    return MeanScore(float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None)
