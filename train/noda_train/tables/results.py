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
from noda_train.tables.grid import COLUMNS, Row
from noda_train.tables.work import Work

SUBSETS = ("all", "visible", "occluded")
THRESHOLD = 0.5


@dataclass(frozen=True)
class Value:
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
class Result:
    """A row with its numbers, by (subset, column); no numbers where no run is finished."""

    row: Row
    seeds: tuple[int, ...]
    values: Mapping[tuple[str, str], Value] = field(default_factory=dict)
    differences: Mapping[tuple[str, str], Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """The whole table: a result for each row, and how many persons were judged."""

    rows: tuple[Result, ...]
    persons: int
    seeds: int

    @property
    def complete(self) -> bool:
        return all(len(result.seeds) == self.seeds or result.row.skipped for result in self.rows)


def collect(work: Work) -> Results:
    """What there is. Nothing is read but the truth and the predictions of finished runs."""
    found = {row.name: _finished(work, row) for row in work.grid.rows}
    if not any(found.values()):
        return Results(tuple(Result(row, ()) for row in work.grid.rows), 0, work.grid.seeds)
    from noda_train import evaluate
    from noda_train import settings as config
    from noda_train.data import load
    from noda_train.metrics import scoring

    settings = config.load(work.grid.rows[0].preset, work.grid.rows[0].settings)
    evaluator = evaluate.evaluation_set(load(work.grid.data), settings).evaluator
    truth = evaluator.truth
    if truth.metric != "PCKh":
        raise NodaError(f"{work.grid.data}: the paper's tables are PCKh on MPII's joints; this set has others")
    predictions = {
        name: np.stack([scoring.read(work.run_of(row, seed), evaluator).joints for seed in seeds])
        for row in work.grid.rows
        if (seeds := found[name := row.name])
    }
    rows = [measured(row, found[row.name], predictions, truth) for row in work.grid.rows]
    return Results(tuple(rows), len(truth), work.grid.seeds)


def measured(row: Row, seeds: Sequence[int], predictions: Mapping[str, Any], truth: Any) -> Result:
    """A row's numbers; `predictions` has (seeds, N, 16, 2) by the names of rows with finished runs."""
    from noda_train.metrics import pck

    if row.name not in predictions:
        return Result(row, ())
    own = predictions[row.name]
    tables = [pck.evaluate(run, truth, (THRESHOLD,), bootstrap=0)["thresholds"][f"{THRESHOLD:g}"] for run in own]
    cells = [(subset, column) for subset in SUBSETS for column in COLUMNS]
    values = {(subset, column): _value([table[subset][column] for table in tables]) for subset, column in cells}
    differences = {}
    if row.against is not None and row.against in predictions:
        found = pck.compare(own, predictions[row.against], truth, (THRESHOLD,))["thresholds"][f"{THRESHOLD:g}"]
        for subset, column in cells:
            cell = found[subset][column]
            differences[subset, column] = Difference(cell["difference"], *cell["interval"])
    return Result(row, tuple(seeds), values, differences)


def _finished(work: Work, row: Row) -> list[int]:
    if row.skipped:
        return []
    return [seed for seed in range(work.grid.seeds) if work.tasks[work.run_key(row, seed)].done]


def _value(numbers: Sequence[float | None]) -> Value:
    known = [number for number in numbers if number is not None]
    if not known:
        return Value(None, None)
    return Value(float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None)
