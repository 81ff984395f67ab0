"""PCK: the share of joints that lie near enough to the truth, with visible and occluded joints apart. Needs numpy only.

A joint is right when |prediction - truth| <= threshold * unit. What the unit is, which joints count and which share a
column is for the `Truth` to say. A column (Shoulder, ...) is the mean of its joints; *mean* weighs all joints that
count by their number of samples (Simple Baselines, HRNet, the NODA paper), *macro mean* weighs them equally (the
hourglass papers). Where there is no sample the value is NaN here, null in JSON and "n/a" in print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noda_train.arrays import Floats
from noda_train.metrics.truth import Truth


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
    """A value ready for JSON, where there is no NaN."""
    return None if np.isnan(value) else float(value)


def evaluate(
    predictions: Floats,
    truth: Truth,
    thresholds: Sequence[float] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """All numbers of the paper's tables, ready for JSON.

    Returns {who is judged, see `Truth.account`, "metric": "PCKh", "bias": see `bias`, "thresholds": {"0.5": {"all":
    {"head": .., "mean": .., "macro_mean": .., "n": .., "counts": {"head": ..}, "interval": {"mean": [low, high], ..}},
    "visible": .., "occluded": .., and FURTHER's where neighbours are known}, ..}}; percentages, None for n/a; intervals
    are 95 % bootstrap intervals over persons and are left out with bootstrap=0.
    """
    distance = distances(predictions, truth)
    weights = resamples(len(truth), bootstrap, seed) if bootstrap and len(truth) else None
    result: dict[str, Any] = {**truth.account(), "metric": truth.metric, "thresholds": {}}
    if truth.visible is None:
        result["split"] = f"n/a: {truth.why_not or 'nothing is known of visibility'}"
    result["bias"] = bias(predictions, truth)
    masks = {name: truth.subset(name).astype(np.float64) for name in truth.subsets}
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


def bias(predictions: Floats, truth: Truth) -> dict[str, dict[str, float | None]]:
    """{"all": {"x": units, "y": units}, "head": .., ..}: the median of prediction less truth, y downwards, over the
    joints that count; of each column of the table, and of all."""
    offsets = (predictions - truth.joints) / truth.unit[:, None, None]
    known = truth.subset("all") & np.isfinite(offsets).all(axis=2)
    result = {}
    for name, joints in {"all": tuple(range(known.shape[1])), **truth.groups}.items():
        columns_of = np.zeros_like(known)
        columns_of[:, list(joints)] = known[:, list(joints)]
        chosen = offsets[columns_of]
        x, y = np.median(chosen, axis=0) if len(chosen) else (np.nan, np.nan)
        result[name] = {"x": number(x), "y": number(y)}
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
        for name in truth.subsets:
            mask = truth.subset(name).astype(np.float64)
            right = [np.mean([d <= threshold for d in runs], axis=0) * mask for runs in sides]
            point = [columns(r.sum(0), mask.sum(0), truth) for r in right]
            drawn = [columns(weights @ r, weights @ mask, truth) for r in right]
            tables[name] = differences(point, drawn)
        result["thresholds"][f"{threshold:g}"] = tables
    return result


def differences(values: Sequence[Mapping[str, Floats]], drawn: Sequence[Mapping[str, Floats]]) -> dict[str, Any]:
    """Column -> {"difference": d, "interval": [low, high]} of two sides, the first less the second, from their columns
    and those of the same bootstrap samples."""
    (one, other), (ours, theirs) = values, drawn
    return {
        key: {"difference": number(one[key] - other[key]), "interval": interval(ours[key] - theirs[key])} for key in one
    }
