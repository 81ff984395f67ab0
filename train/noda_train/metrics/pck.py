"""PCK: the share of joints that lie near enough to the truth, with visible and occluded joints apart. Needs numpy only.

A joint is right when |prediction - truth| <= threshold * unit. What the unit is, which joints count and which share a
column is for the kind of `Truth` to say: `pckh` for MPII, `oks` for sets in COCO's form. A column (Shoulder, ...) is
the mean of its joints; *mean* weighs all joints that count by their number of samples, *macro mean* weighs them
equally. Where there is no sample the value is NaN here, null in JSON and "n/a" in print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SUBSETS = ("all", "visible", "occluded")


class Truth:
    """What predictions are measured against. Each metric has its own kind.

    Attributes:
        metric: its name, such as PCKh.
        thresholds: those that are reported.
        followed: the one that a training is judged by.
        joints: (N, J, 2) float64 pixels, in the same base as the predictions (1-based, as MPII's files).
        labelled: (N, J) bool.
        visible: (N, J) int8, 1 visible, 0 occluded, -1 unknown; None where nothing is known of visibility.
        why_not: the reason, where `visible` is None.
    """

    metric: ClassVar[str]
    thresholds: ClassVar[tuple[float, ...]]
    followed: ClassVar[float]
    joints: Floats
    labelled: Bools
    visible: NDArray[np.int8] | None
    why_not: str

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def unit(self) -> Floats:
        """(N,) float64 pixels, what distances are measured in."""
        raise NotImplementedError

    @property
    def groups(self) -> Mapping[str, tuple[int, ...]]:
        """Column -> joints, 0-based."""
        raise NotImplementedError

    @property
    def counted(self) -> Bools:
        """(J,) bool: the joints that count."""
        raise NotImplementedError

    def subset(self, name: str) -> Bools:
        """(N, J) bool: the joints that count for "all", "visible" or "occluded"."""
        chosen: Bools = self.labelled & self.counted
        if name != "all":
            chosen &= False if self.visible is None else self.visible == (1 if name == "visible" else 0)
        return chosen


def followed_name(truth: Truth) -> str:
    """The number that a training is judged by, such as PCKh@0.5."""
    return f"{truth.metric}@{truth.followed:g}"


def distances(predictions: Floats, truth: Truth) -> Floats:
    """(N, J) distances in units, for predictions (N, J, 2) in the truth's base. NaN is never right."""
    if predictions.shape != truth.joints.shape:
        raise ValueError(f"predictions have shape {predictions.shape}, the truth has {truth.joints.shape}")
    result: Floats = np.linalg.norm(predictions - truth.joints, axis=2) / truth.unit[:, None]
    return result


def percent(right: Floats, counts: Floats) -> Floats:
    """Percentages; NaN where there is no sample."""
    result: Floats = np.divide(100.0 * right, counts, out=np.full(np.shape(counts), np.nan), where=counts > 0)
    return result


def _mean(values: Floats, axis: int = -1) -> Floats:
    """Mean over an axis, leaving out NaN; NaN where nothing is left (and no warning, unlike numpy's)."""
    known = ~np.isnan(values)
    n = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    result: Floats = np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0)
    return result


def columns(right: Floats, counts: Floats, truth: Truth) -> dict[str, Floats]:
    """The table's columns from right joints and samples per joint, both (..., J); each column is (...)."""
    per_joint = percent(right, counts)
    result = {name: _mean(per_joint[..., list(joints)]) for name, joints in truth.groups.items()}
    counted = counts * truth.counted
    result["mean"] = percent((right * truth.counted).sum(-1), counted.sum(-1))
    result["macro_mean"] = _mean(np.where(counted > 0, per_joint, np.nan))
    return result


def resamples(persons: int, times: int, seed: int = 0) -> Floats:
    """(times, persons) float64: how often each person is drawn in each bootstrap sample."""
    rng = np.random.default_rng([seed, persons])
    return rng.multinomial(persons, np.full(persons, 1 / persons), size=times).astype(np.float64)


def interval(values: Floats) -> list[float | None]:
    """The central 95 % of bootstrap values, or nulls where nothing is known."""
    known = values[~np.isnan(values)]
    return [float(v) for v in np.percentile(known, [2.5, 97.5])] if len(known) else [None, None]


def number(value: Floats | float) -> float | None:
    return None if np.isnan(value) else float(value)


def evaluate(
    predictions: Floats,
    truth: Truth,
    thresholds: Sequence[float] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All numbers of the paper's tables, ready for JSON.

    Returns {"persons": n, "metric": "PCKh", "thresholds": {"0.5": {"all": {"head": .., "mean": .., "macro_mean": ..,
    "n": .., "counts": {"head": ..}, "interval": {"mean": [low, high], ..}}, "visible": .., "occluded": ..}, ..}};
    percentages, None for n/a; intervals are 95 % bootstrap intervals over persons and are left out with bootstrap=0.
    """
    distance = distances(predictions, truth)
    weights = resamples(len(truth), bootstrap, seed) if bootstrap and len(truth) else None
    result: dict[str, Any] = {"persons": len(truth), "metric": truth.metric, "thresholds": {}}
    if truth.visible is None:
        result["split"] = f"n/a: {truth.why_not or 'nothing is known of visibility'}"
    masks = {name: truth.subset(name).astype(np.float64) for name in SUBSETS}
    draws = {name: weights @ mask for name, mask in masks.items()} if weights is not None else {}
    for threshold in thresholds or truth.thresholds:
        right = (distance <= threshold).astype(np.float64)
        tables = {}
        for name, mask in masks.items():
            counts = mask.sum(0)
            table: dict[str, Any] = {
                key: number(value) for key, value in columns((right * mask).sum(0), counts, truth).items()
            }
            table["n"] = int(counts.sum())
            table["counts"] = {group: int(counts[list(joints)].sum()) for group, joints in truth.groups.items()}
            if weights is not None:
                values = columns(weights @ (right * mask), draws[name], truth)
                table["interval"] = {key: interval(value) for key, value in values.items()}
            tables[name] = table
        result["thresholds"][f"{threshold:g}"] = tables
    return result


def compare(
    ours: Floats,
    other: Floats,
    truth: Truth,
    thresholds: Sequence[float] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Differences ours - other in percentage points, with paired bootstrap intervals: both see the same persons.

    Either may be several runs, (runs, N, J, 2): a joint then counts as the share of runs that have it right.
    Same layout as `evaluate`, each number a {"difference": d, "interval": [low, high]}.
    """
    sides = [[distances(run, truth) for run in (p if p.ndim == 4 else p[None])] for p in (ours, other)]
    weights = resamples(len(truth), bootstrap, seed)
    result: dict[str, Any] = {"persons": len(truth), "metric": truth.metric, "thresholds": {}}
    for threshold in thresholds or truth.thresholds:
        tables = {}
        for name in SUBSETS:
            mask = truth.subset(name).astype(np.float64)
            right = [np.mean([d <= threshold for d in runs], axis=0) * mask for runs in sides]
            point = [columns(r.sum(0), mask.sum(0), truth) for r in right]
            drawn = [columns(weights @ r, weights @ mask, truth) for r in right]
            tables[name] = {
                key: {
                    "difference": number(point[0][key] - point[1][key]),
                    "interval": interval(drawn[0][key] - drawn[1][key]),
                }
                for key in point[0]
            }
        result["thresholds"][f"{threshold:g}"] = tables
    return result


_EXPLAINED = {
    "PCKh": "Mean: weighted by samples, 14 joints (Simple Baselines, HRNet, NODA). Macro: plain mean of the 14 joints.",
    "PCK": "PCK: share of joints within the threshold x the longer side of the person's box. Mean: weighted by samples."
    " Macro: plain mean of the joints.",
}


def _metric(result: Mapping[str, Any]) -> str:
    name: str = result.get("metric", "PCKh")  # numbers that were written before there was another metric
    return name


def _headings(tables: Mapping[str, Any]) -> dict[str, str]:
    """Key -> heading of the table's columns, from the numbers themselves."""
    own = {"mean": "Mean", "macro_mean": "Macro"}
    left = ("n", "counts", "interval", *own)
    return {**{key: key.capitalize() for key in tables["all"] if key not in left}, **own}


def cell(value: float | None, sign: bool = False) -> str:
    """A number of a table; a difference that rounds to nothing is +0.0, never -0.0."""
    return "n/a" if value is None else f"{value:+z.1f}" if sign else f"{value:.1f}"


def grid(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)


def format_table(result: Mapping[str, Any]) -> str:
    """The paper's table: a row for all joints, and below it the pairs (visible, occluded)."""
    parts = [f"{result['persons']} persons"]
    if "split" in result:
        parts.append(f"visible and occluded: {result['split']}")
    for threshold, tables in result["thresholds"].items():
        headings = _headings(tables)
        rows = [[f"{_metric(result)}@{threshold}", *headings.values(), "95 % of mean", "n"]]
        everything, visible, occluded = (tables[name] for name in SUBSETS)
        rows.append(["all", *(cell(everything[key]) for key in headings), _of_mean(everything), str(everything["n"])])
        if "split" not in result:
            pairs = [f"({cell(visible[key])}, {cell(occluded[key])})" for key in headings]
            counts = f"({visible['n']}, {occluded['n']})"
            rows.append(["(visible, occluded)", *pairs, f"({_of_mean(visible)}, {_of_mean(occluded)})", counts])
        parts.append(grid(rows))
    return "\n\n".join([*parts, _EXPLAINED[_metric(result)]])


def span(interval: Sequence[float | None]) -> str:
    low, high = interval
    return "n/a" if low is None else f"{low:.1f}..{high:.1f}"


def _of_mean(table: Mapping[str, Any]) -> str:
    return span(table.get("interval", {}).get("mean", (None, None)))


def format_comparison(result: Mapping[str, Any]) -> str:
    """Differences in the paper's form: (+visible, +occluded), then the intervals of the means."""
    parts = [f"differences over {result['persons']} persons, this run less the other"]
    for threshold, tables in result["thresholds"].items():
        everything, visible, occluded = (tables[name] for name in SUBSETS)
        headings = _headings(tables)
        rows = [
            [f"{_metric(result)}@{threshold}", *headings.values()],
            ["all", *(cell(everything[key]["difference"], sign=True) for key in headings)],
            [
                "(visible, occluded)",
                *(
                    f"({cell(visible[key]['difference'], sign=True)}, {cell(occluded[key]['difference'], sign=True)})"
                    for key in headings
                ),
            ],
        ]
        spans = [
            f"{name} {cell(low, sign=True)}..{cell(high, sign=True)}"
            for name in SUBSETS
            for low, high in [tables[name]["mean"]["interval"]]
        ]
        parts.append(grid(rows) + "\n95 % of the mean's difference: " + ", ".join(spans))
    return "\n\n".join([*parts, _EXPLAINED[_metric(result)]])
