"""A table's results as Markdown and CSV, in the paper's form."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from noda_train.tables.grid import COLUMNS, Grid
from noda_train.tables.results import SUBSETS, Result, Results

HEADINGS = ("Head", "Sho.", "Elb.", "Wri.", "Hip", "Knee", "Ank.", "PCKh@0.5")


def number(value: float | None, *, sign: bool = False) -> str:
    """One decimal, as in the paper; n/a where there is no such joint. No minus before a zero."""
    if value is None:
        return "n/a"
    rounded = round(value, 1) + 0.0
    return f"{rounded:+.1f}" if sign else f"{rounded:.1f}"


def cell(result: Result, column: str) -> str:
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


def state(result: Result, seeds: int) -> str:
    """What is missing of a row; empty if nothing is."""
    if result.row.skipped:
        return f"skipped: {result.row.skipped}"
    return "" if len(result.seeds) == seeds else f"{len(result.seeds)} of {seeds} seeds"


def notes(grid: Grid, results: Results) -> list[str]:
    """What has to be said with the numbers, in sentences."""
    said = [grid.note] if grid.note else []
    if not results.complete:
        said.append("Not complete: rows say what is missing.")
    runs = f"{results.seeds} seeds" if results.seeds > 1 else "1 seed"
    said.append(
        f"Ours: {grid.data}, {results.persons} validation persons, means of {runs}. "
        "In brackets (visible, occluded): values in a baseline's row, else differences to the baseline's, in points."
    )
    if any(result.row.paper for result in results.rows):
        said.append(f"Paper: {grid.source}, as printed there: MPII's whole validation set, one run.")
    return said


def markdown(grid: Grid, results: Results) -> str:
    """The table in the paper's form, with the paper's rows below ours; then the means with deviation and interval."""
    body = []
    for result in results.rows:
        name = f"{result.row.name} ({missing})" if (missing := state(result, results.seeds)) else result.row.name
        body.append([name, *result.row.labels, *(cell(result, column) for column in COLUMNS)])
        if result.row.paper:
            body.append(["*paper*", *([""] * len(grid.labels)), *(f"*{text}*" for text in result.row.paper)])
    parts = [f"# {grid.title}", *notes(grid, results)]
    parts.append(_grid(["Method", *grid.labels, *HEADINGS], body))
    parts.append("## Mean and spread, PCKh@0.5")
    parts.append(
        "Mean and standard deviation over seeds; differences with 95 % intervals (paired bootstrap over persons, all "
        "seeds together)."
    )
    lines = [[r.row.name, *(f"{spread(r, s)}{_interval(r, s)}" for s in SUBSETS), ", ".join(map(str, r.seeds)),
              r.row.against or ""] for r in results.rows if r.values]  # fmt: skip
    parts.append(_grid(["Method", *SUBSETS, "seeds", "compared with"], lines))
    return "\n\n".join(parts) + "\n"


def spread(result: Result, subset: str, column: str = "mean") -> str:
    value = result.values[subset, column]
    return number(value.mean) if value.deviation is None else f"{number(value.mean)} ± {number(value.deviation)}"


def _interval(result: Result, subset: str) -> str:
    if not result.differences or result.differences[subset, "mean"].points is None:
        return ""
    found = result.differences[subset, "mean"]
    points, low, high = (number(value, sign=True) for value in (found.points, found.low, found.high))
    return f"; {points} [{low}, {high}]"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


def as_csv(grid: Grid, results: Results) -> str:
    """A line a row, column and subset, with all digits; the paper's cell beside, as printed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "note", "row", "against", "column", "subset", "seeds", "mean", "deviation", "difference",
                     "low", "high", "paper"])  # fmt: skip
    for result in results.rows:
        for place, column in enumerate(COLUMNS):
            for subset in SUBSETS:
                value, other = result.values.get((subset, column)), result.differences.get((subset, column))
                numbers = [
                    *((value.mean, value.deviation) if value else (None, None)),
                    *((other.points, other.low, other.high) if other else (None, None, None)),
                ]
                writer.writerow([
                    grid.name, grid.note or state(result, results.seeds), result.row.name, result.row.against or "",
                    column, subset, len(result.seeds), *("" if n is None else f"{n:.4f}" for n in numbers),
                    result.row.paper[place] if result.row.paper and subset == "all" else "",
                ])  # fmt: skip
    return out.getvalue()
