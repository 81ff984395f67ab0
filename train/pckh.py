"""PCKh on MPII as the field reports it, with visible and occluded joints apart. Needs numpy only.

A joint is right when |prediction - truth| <= threshold * head size. Of the 16 joints, pelvis and thorax do not count.
A column (Shoulder, ...) is the mean of its two joints; *mean* weighs the 14 joints by their number of samples (Simple
Baselines, HRNet, the NODA paper), *macro mean* weighs them equally (the hourglass papers). Where there is no sample the
value is NaN here, null in JSON and "n/a" in print.

"Mean@0.1" as published by Simple Baselines and HRNet is the value at 0.11: both are computed and carry their own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GROUPS: Mapping[str, tuple[int, ...]] = {
    "head": (9,),
    "shoulder": (12, 13),
    "elbow": (11, 14),
    "wrist": (10, 15),
    "hip": (2, 3),
    "knee": (1, 4),
    "ankle": (0, 5),
}
"""Column -> MPII joints, 0-based."""
COUNTED = np.array([joint not in (6, 7) for joint in range(16)])
"""(16,) bool: all joints but pelvis and thorax."""
THRESHOLDS = (0.5, 0.1, 0.11)
SUBSETS = ("all", "visible", "occluded")
HEAD_FACTOR = 0.6
"""MPII's head size is 0.6 times the diagonal of the head box."""
STAND_IN_FACTOR = 0.75
"""Head size over |head top - upper neck|, for people without a head box (median on the validation set: 0.7504)."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What predictions are measured against.

    Attributes:
        joints: (N, 16, 2) float64 pixels, in the same base as the predictions (MPII's files: 1-based).
        labelled: (N, 16) bool.
        head_size: (N,) float64 pixels.
        visible: (N, 16) int8, 1 visible, 0 occluded, -1 unknown; None where nothing is known of visibility.
        why_not: the reason, where `visible` is None.
    """

    joints: Floats
    labelled: Bools
    head_size: Floats
    visible: NDArray[np.int8] | None = None
    why_not: str = ""

    def __len__(self) -> int:
        return len(self.joints)

    def subset(self, name: str) -> Bools:
        """(N, 16) bool: the joints that count for "all", "visible" or "occluded"."""
        chosen: Bools = self.labelled & COUNTED
        if name != "all":
            chosen &= False if self.visible is None else self.visible == (1 if name == "visible" else 0)
        return chosen


def head_sizes(boxes: Floats) -> Floats:
    """(N,) head sizes from head boxes (N, 4) of x1, y1, x2, y2."""
    result: Floats = HEAD_FACTOR * np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return result


def stand_in_head_sizes(joints: Floats) -> Floats:
    """(N,) head sizes of people without a head box, from head top and upper neck of joints (N, 16, 2)."""
    result: Floats = STAND_IN_FACTOR * np.linalg.norm(joints[:, 9] - joints[:, 8], axis=1)
    return result


def distances(predictions: Floats, truth: Truth) -> Floats:
    """(N, 16) distances in head sizes, for predictions (N, 16, 2) in the truth's base. NaN is never right."""
    if predictions.shape != truth.joints.shape:
        raise ValueError(f"predictions have shape {predictions.shape}, the truth has {truth.joints.shape}")
    result: Floats = np.linalg.norm(predictions - truth.joints, axis=2) / truth.head_size[:, None]
    return result


def _percent(right: Floats, counts: Floats) -> Floats:
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


def columns(right: Floats, counts: Floats) -> dict[str, Floats]:
    """The table's columns from right joints and samples per joint, both (..., 16); each column is (...)."""
    per_joint = _percent(right, counts)
    result = {name: _mean(per_joint[..., list(joints)]) for name, joints in GROUPS.items()}
    counted = counts * COUNTED
    result["mean"] = _percent((right * COUNTED).sum(-1), counted.sum(-1))
    result["macro_mean"] = _mean(np.where(counted > 0, per_joint, np.nan))
    return result


def resamples(persons: int, times: int, seed: int = 0) -> Floats:
    """(times, persons) float64: how often each person is drawn in each bootstrap sample."""
    rng = np.random.default_rng([seed, persons])
    return rng.multinomial(persons, np.full(persons, 1 / persons), size=times).astype(np.float64)


def _interval(values: Floats) -> list[float | None]:
    """The central 95 % of bootstrap values, or nulls where nothing is known."""
    known = values[~np.isnan(values)]
    return [float(v) for v in np.percentile(known, [2.5, 97.5])] if len(known) else [None, None]


def _number(value: Floats | float) -> float | None:
    return None if np.isnan(value) else float(value)


def evaluate(
    predictions: Floats,
    truth: Truth,
    thresholds: Sequence[float] = THRESHOLDS,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All numbers of the paper's tables, ready for JSON.

    Returns {"persons": n, "thresholds": {"0.5": {"all": {"head": .., "mean": .., "macro_mean": .., "n": ..,
    "counts": {"head": ..}, "interval": {"mean": [low, high], ..}}, "visible": .., "occluded": ..}, ..}}; percentages,
    None for n/a; intervals are 95 % bootstrap intervals over persons and are left out with bootstrap=0.
    """
    distance = distances(predictions, truth)
    weights = resamples(len(truth), bootstrap, seed) if bootstrap and len(truth) else None
    result: dict[str, Any] = {"persons": len(truth), "thresholds": {}}
    if truth.visible is None:
        result["split"] = f"n/a: {truth.why_not or 'nothing is known of visibility'}"
    masks = {name: truth.subset(name).astype(np.float64) for name in SUBSETS}
    draws = {name: weights @ mask for name, mask in masks.items()} if weights is not None else {}
    for threshold in thresholds:
        right = (distance <= threshold).astype(np.float64)
        tables = {}
        for name, mask in masks.items():
            counts = mask.sum(0)
            table: dict[str, Any] = {
                key: _number(value) for key, value in columns((right * mask).sum(0), counts).items()
            }
            table["n"] = int(counts.sum())
            table["counts"] = {group: int(counts[list(joints)].sum()) for group, joints in GROUPS.items()}
            if weights is not None:
                values = columns(weights @ (right * mask), draws[name])
                table["interval"] = {key: _interval(value) for key, value in values.items()}
            tables[name] = table
        result["thresholds"][f"{threshold:g}"] = tables
    return result


def compare(
    ours: Floats,
    other: Floats,
    truth: Truth,
    thresholds: Sequence[float] = THRESHOLDS,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Differences ours - other in percentage points, with paired bootstrap intervals: both see the same persons.

    Same layout as `evaluate`, each number a {"difference": d, "interval": [low, high]}.
    """
    ours_distance, other_distance = distances(ours, truth), distances(other, truth)
    weights = resamples(len(truth), bootstrap, seed)
    result: dict[str, Any] = {"persons": len(truth), "thresholds": {}}
    for threshold in thresholds:
        tables = {}
        for name in SUBSETS:
            mask = truth.subset(name).astype(np.float64)
            right = [(d <= threshold) * mask for d in (ours_distance, other_distance)]
            point = [columns(r.sum(0), mask.sum(0)) for r in right]
            drawn = [columns(weights @ r, weights @ mask) for r in right]
            tables[name] = {
                key: {
                    "difference": _number(point[0][key] - point[1][key]),
                    "interval": _interval(drawn[0][key] - drawn[1][key]),
                }
                for key in point[0]
            }
        result["thresholds"][f"{threshold:g}"] = tables
    return result


_HEADINGS = {
    **{group: group.capitalize() for group in GROUPS},
    "mean": "Mean",
    "macro_mean": "Macro",
}  # fmt: skip
_EXPLAINED = "Mean: weighted by samples, 14 joints (Simple Baselines, HRNet, NODA). Macro: plain mean of the 14 joints."


def _cell(value: float | None, sign: bool = False) -> str:
    return "n/a" if value is None else f"{value:+.1f}" if sign else f"{value:.1f}"


def _grid(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)


def format_table(result: Mapping[str, Any]) -> str:
    """The paper's table: a row for all joints, and below it the pairs (visible, occluded)."""
    parts = [f"{result['persons']} persons"]
    if "split" in result:
        parts.append(f"visible and occluded: {result['split']}")
    for threshold, tables in result["thresholds"].items():
        rows = [[f"PCKh@{threshold}", *_HEADINGS.values(), "95 % of mean", "n"]]
        everything, visible, occluded = (tables[name] for name in SUBSETS)
        rows.append(["all", *(_cell(everything[key]) for key in _HEADINGS), _span(everything), str(everything["n"])])
        if "split" not in result:
            pairs = [f"({_cell(visible[key])}, {_cell(occluded[key])})" for key in _HEADINGS]
            counts = f"({visible['n']}, {occluded['n']})"
            rows.append(["(visible, occluded)", *pairs, f"({_span(visible)}, {_span(occluded)})", counts])
        parts.append(_grid(rows))
    return "\n\n".join([*parts, _EXPLAINED])


def _span(table: Mapping[str, Any]) -> str:
    low, high = table.get("interval", {}).get("mean", (None, None))
    return "n/a" if low is None else f"{low:.1f}..{high:.1f}"


def format_comparison(result: Mapping[str, Any]) -> str:
    """Differences in the paper's form: (+visible, +occluded), then the intervals of the means."""
    parts = [f"differences over {result['persons']} persons, this run less the other"]
    for threshold, tables in result["thresholds"].items():
        everything, visible, occluded = (tables[name] for name in SUBSETS)
        rows = [
            [f"PCKh@{threshold}", *_HEADINGS.values()],
            ["all", *(_cell(everything[key]["difference"], sign=True) for key in _HEADINGS)],
            [
                "(visible, occluded)",
                *(
                    f"({_cell(visible[key]['difference'], sign=True)}, {_cell(occluded[key]['difference'], sign=True)})"
                    for key in _HEADINGS
                ),
            ],
        ]
        spans = [
            f"{name} {_cell(low, sign=True)}..{_cell(high, sign=True)}"
            for name in SUBSETS
            for low, high in [tables[name]["mean"]["interval"]]
        ]
        parts.append(_grid(rows) + "\n95 % of the mean's difference: " + ", ".join(spans))
    return "\n\n".join([*parts, _EXPLAINED])
