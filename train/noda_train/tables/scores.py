"""The numbers of a table, from the predictions that its runs have left, at any time.

Values are means over seeds with their standard deviation (n - 1). Differences to the row that a row is compared with
are over the seeds that both have, with a 95 % interval from a paired bootstrap over the validation persons and, where
there are several, the seeds (`metrics/paired.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError
from noda_train.metrics import paired
from noda_train.metrics.paired import Difference
from noda_train.metrics.truth import Truth
from noda_train.tables.spec import COLUMNS, Row
from noda_train.tables.work import Work

THRESHOLD = 0.5


@dataclass(frozen=True)
class MeanScore:
    """A mean over seeds in percent, and its standard deviation; None where it is not known (n/a)."""

    mean: float | None
    deviation: float | None


@dataclass(frozen=True)
class RowScores:
    """A row with its numbers, by (subset, column); no numbers where no run is finished."""

    row: Row
    seeds: tuple[int, ...]
    values: Mapping[tuple[str, str], MeanScore] = field(default_factory=dict)
    differences: Mapping[tuple[str, str], Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class TableScores:
    """The whole table: a result for each row, and how many persons were judged; the same for each further test set, by
    what is printed of it, with the column "mean" alone."""

    rows: tuple[RowScores, ...]
    persons: int
    seeds: int
    tests: Mapping[str, tuple[RowScores, ...]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all runs of all rows are done, but for rows that are skipped."""
        return all(len(result.seeds) == result.row.runs(self.seeds) or result.row.skipped for result in self.rows)


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
    rows = [measure(row, finished, predictions, truth) for row in work.spec.rows]
    tests = dict(_test_scores(work, name, finished) for name in work.spec.tests)
    return TableScores(tuple(rows), len(truth), work.spec.seeds, tests)


def _test_scores(work: Work, name: str, finished: Mapping[str, Sequence[int]]) -> tuple[str, tuple[RowScores, ...]]:
    """What is printed of a further test set, and its rows: of the runs that were tested on it."""
    from noda_train import evaluate
    from noda_train import settings as config
    from noda_train.data import load
    from noda_train.metrics.files import read_predictions
    from noda_train.outputs import PREDICTIONS

    options = work.spec.tests[name]
    data = Path(options[options.index("--data") + 1]) if "--data" in options else work.spec.data
    row = work.spec.rows[0]
    sets = [options[place + 1] for place, word in enumerate(options) if word == "--set"]
    settings = config.for_evaluation(config.load(row.preset, row.settings), sets)
    persons = evaluate.evaluation_set(load(data), settings)
    if persons.samples.skeleton.joints != MPII.joints:
        persons = evaluate.by_name(persons, MPII)
    truth, joints = persons.truth, len(persons.samples.skeleton)
    files = {
        row.name: {seed: work.run_of(row, seed) / "tests" / name / PREDICTIONS for seed in finished[row.name]}
        for row in work.spec.rows
    }
    tested = {row: [seed for seed, file in of_row.items() if file.is_file()] for row, of_row in files.items()}
    predictions = {
        row: np.stack([read_predictions(files[row][seed], joints) for seed in seeds])
        for row, seeds in tested.items()
        if seeds
    }
    rows = [measure(row, tested, predictions, truth, ("mean",), truth.followed) for row in work.spec.rows]
    words = f" ({' '.join(options)})" if options else ""
    return f"{name}{words}: {truth.followed_name}, {len(truth)} persons", tuple(rows)


def measure(
    row: Row,
    finished: Mapping[str, Sequence[int]],
    predictions: Mapping[str, Any],
    truth: Truth,
    columns: Sequence[str] = COLUMNS,
    threshold: float = THRESHOLD,
) -> RowScores:
    """A row's numbers.

    Args:
        row: the row.
        finished: the seeds of finished runs, by the name of the row.
        predictions: (seeds, N, J, 2) of these, by the names of rows that have some.
        truth: what they are measured against.
        columns: of the table.
        threshold: within which a joint is right, in the truth's units.
    """
    from noda_train.metrics import pck

    if row.name not in predictions:
        return RowScores(row, ())
    own, seeds = predictions[row.name], finished[row.name]
    tables = [pck.evaluate(run, truth, (threshold,), bootstrap=0)["thresholds"][f"{threshold:g}"] for run in own]
    cells = [(subset, column) for subset in truth.subsets for column in columns]
    values = {(subset, column): _value([table[subset][column] for table in tables]) for subset, column in cells}
    differences: Mapping[tuple[str, str], Difference] = {}
    if row.against is not None and row.against in predictions:
        others = finished[row.against]
        both = [seed for seed in seeds if seed in others]
        if both:
            other = predictions[row.against][[others.index(seed) for seed in both]]
            found = paired.compare(own[[seeds.index(seed) for seed in both]], other, truth, threshold)
            differences = {cell: found[cell] for cell in cells}
    return RowScores(row, tuple(seeds), values, differences)


def _finished(work: Work, row: Row) -> list[int]:
    if row.skipped:
        return []
    return [seed for seed in range(row.runs(work.spec.seeds)) if work.tasks[work.run_key(row, seed)].done]


def _value(numbers: Sequence[float | None]) -> MeanScore:
    known = [number for number in numbers if number is not None]
    if not known:
        return MeanScore(None, None)
    return MeanScore(float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None)
