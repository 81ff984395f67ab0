"""A table's scores as Markdown and CSV, in the paper's form."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence

from noda_train.metrics.tables import SURE_MEANS, sure
from noda_train.metrics.tables import cell as number
from noda_train.metrics.truth import FURTHER, SUBSETS
from noda_train.tables.scores import RowScores, TableScores
from noda_train.tables.spec import COLUMNS, TableSpec

HEADINGS = ("Head", "Sho.", "Elb.", "Wri.", "Hip", "Knee", "Ank.", "PCKh@0.5")


def cell(result: RowScores, column: str) -> str:
    """As the paper prints it: a baseline's 88.5 (92.8, 70.8), else 89.4 (+0.7, +1.8) and, of the mean, 89.4 (+0.9)."""
    if not result.values:
        return ""
    value = number(result.values["all", column].mean)
    if result.row.against is None:
        return f"{value} ({', '.join(number(result.values[subset, column].mean) for subset in SUBSETS[1:])})"
    if not result.differences:
        return value
    points = {subset: number(result.differences[subset, column].points, sign=True) for subset in SUBSETS}
    own = f" ({points['all']})" if column == "mean" else ""
    return f"{value}{own} ({points['visible']}, {points['occluded']})"


def state(result: RowScores, seeds: int) -> str:
    """What is missing of a row; empty if nothing is."""
    if result.row.skipped:
        return f"skipped: {result.row.skipped}"
    wanted = result.row.runs(seeds)
    return "" if len(result.seeds) == wanted else f"{len(result.seeds)} of {wanted} seeds"


def notes(spec: TableSpec, scores: TableScores) -> list[str]:
    """The notes that belong to the numbers, in sentences."""
    sentences = [spec.note] if spec.note else []
    if not scores.complete:
        sentences.append("Not complete: rows say what is missing.")
    runs = f"{scores.seeds} seeds" if scores.seeds > 1 else "1 seed"
    sentences.append(
        f"Ours: {spec.data}, {scores.persons} validation persons, means of {runs}. "
        "In brackets (visible, occluded): values in a baseline's row, else differences to the baseline's, in points."
    )
    if any(result.row.paper for result in scores.rows):
        sentences.append(f"Paper: {spec.source}, as printed there: MPII's whole validation set, one run.")
    return sentences


def markdown(spec: TableSpec, scores: TableScores) -> str:
    """The table in the paper's form, with the paper's rows below ours; then the means with deviation and interval."""
    body = []
    for result in scores.rows:
        name = f"{result.row.name} ({missing})" if (missing := state(result, scores.seeds)) else result.row.name
        body.append([name, *result.row.labels, *(cell(result, column) for column in COLUMNS)])
        if result.row.paper:
            body.append(["*paper*", *([""] * len(spec.labels)), *(f"*{text}*" for text in result.row.paper)])
    parts = [f"# {spec.title}", *notes(spec, scores)]
    parts.append(_markdown(["Method", *spec.labels, *HEADINGS], body))
    parts.append("## Mean and spread, PCKh@0.5")
    parts.append(
        "Mean and standard deviation over seeds; differences with 95 % intervals (paired bootstrap over persons and "
        "seeds together; of one seed over persons alone, and then the chance of training is not in it). Could be seen: "
        f"the true difference (all; occluded) that would have been found four times out of five. {SURE_MEANS}."
    )
    parts.append(_spreads(scores.rows))
    for name, rows in scores.tests.items():
        parts += [f"## {name}", _spreads(rows)]
    return "\n\n".join(parts) + "\n"


def _spreads(rows: Sequence[RowScores]) -> str:
    """The means of the rows that have numbers, with deviation, interval and what could have been seen."""
    lines, shown = [], _subsets(rows)
    for result in rows:
        if result.values:
            spreads = (f"{spread(result, subset)}{_interval(result, subset)}" for subset in shown)
            seeds = ", ".join(map(str, result.seeds))
            lines.append([result.row.name, *spreads, _power(result), seeds, result.row.against or ""])
    heads = [FURTHER.get(subset, subset) for subset in shown]
    return _markdown(["Method", *heads, "could be seen", "seeds", "compared with"], lines)


def _subsets(rows: Sequence[RowScores]) -> list[str]:
    """The subsets of joints that the rows have numbers for; the three of the paper's tables always."""
    known = {subset for result in rows for subset, _ in result.values}
    return [*SUBSETS, *(subset for subset in FURTHER if subset in known)]


def _power(result: RowScores) -> str:
    if not result.differences:
        return ""
    return "; ".join(number(result.differences[subset, "mean"].detectable) for subset in ("all", "occluded"))


def spread(result: RowScores, subset: str, column: str = "mean") -> str:
    """A mean over seeds, with its standard deviation where there are several."""
    value = result.values[subset, column]
    return number(value.mean) if value.deviation is None else f"{number(value.mean)} ± {number(value.deviation)}"


def _interval(result: RowScores, subset: str) -> str:
    if not result.differences or result.differences[subset, "mean"].points is None:
        return ""
    difference = result.differences[subset, "mean"]
    points, low, high = (number(value, sign=True) for value in (difference.points, difference.low, difference.high))
    return f"; {points} [{low}, {high}]{sure(difference.low, difference.high)}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def as_csv(spec: TableSpec, scores: TableScores) -> str:
    """A line per row, column and subset, with all digits; the paper's cell beside, as printed, and the further test
    set that a line is of."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = "table note row against column subset seeds mean deviation difference low high detectable paper test"
    writer.writerow(head.split())
    tests = ((name, ("mean",), rows) for name, rows in scores.tests.items())
    for test, columns, rows in (("", COLUMNS, scores.rows), *tests):
        subsets = _subsets(rows)
        for result in rows:
            paper = dict(zip(COLUMNS, result.row.paper, strict=False)) if not test else {}
            for column, subset in itertools.product(columns, subsets):
                value, other = result.values.get((subset, column)), result.differences.get((subset, column))
                numbers = [
                    *((value.mean, value.deviation) if value else (None, None)),
                    *((other.points, other.low, other.high, other.detectable) if other else (None,) * 4),
                ]
                note, against = spec.note or state(result, scores.seeds), result.row.against or ""
                digits = ("" if n is None else f"{n:.4f}" for n in numbers)
                printed = paper.get(column, "") if subset == "all" else ""
                which = (spec.name, note, result.row.name, against, column, subset, len(result.seeds))
                writer.writerow([*which, *digits, printed, test])
    return out.getvalue()
