"""What a pose is worth where there is no head box: object keypoint similarity (OKS).

OKS is COCO's: the mean over a person's labelled joints of exp(-d^2 / (2 area (2 sigma)^2)), d in pixels, sigma a
constant of the joint (https://cocodataset.org/#keypoints-eval). Over the visible joints alone, or the occluded ones, it
is the same mean over these joints; the mean over persons takes those who have such a joint.

`truth` is one of a set in COCO's form (`coco_truth`), `constants` are (J,) the sigmas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from noda_synth.data.skeleton import Skeleton
from noda_train.arrays import Floats
from noda_train.metrics import pck
from noda_train.metrics.truth import Truth


def sigmas(skeleton: Skeleton) -> Floats | None:
    """(J,) the constants of the joints; None where the skeleton has none."""
    return None if skeleton.sigmas is None else np.array(skeleton.sigmas, dtype=np.float64)


def similarities(predictions: Floats, truth: Truth, constants: Floats) -> Floats:
    """(N, J) in 0..1, each joint's part in the OKS, for predictions (N, J, 2) in the truth's base; 0 for NaN."""
    return _similarity(((predictions - truth.joints) ** 2).sum(axis=2), _areas(truth)[:, None], constants)


def per_person(predictions: Floats, truth: Truth, constants: Floats, subset: str = "all") -> Floats:
    """(N,) the OKS of each person over the joints of a subset; NaN for who has none."""
    chosen = truth.subset(subset)
    counts = chosen.sum(axis=1)
    total = (similarities(predictions, truth, constants) * chosen).sum(axis=1)
    result: Floats = np.divide(total, counts, out=np.full(len(truth), np.nan), where=counts > 0)
    return result


def of_pose(joints: Floats, person: int, truth: Truth, constants: Floats) -> float:
    """The OKS of one pose (J, 2) for one person; 0 for who has no labelled joint."""
    if not truth.labelled[person].any():
        return 0.0
    squared = ((joints - truth.joints[person]) ** 2).sum(axis=1)
    parts = _similarity(squared, _areas(truth)[person], constants)
    return float(parts[truth.labelled[person]].mean())


def evaluate(
    predictions: Floats, truth: Truth, constants: Floats, bootstrap: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """{"all": {"mean": percent, "persons": n, "interval": [low, high]}, "visible": .., ..}, for the truth's subsets."""
    weights = pck.resamples(len(truth), bootstrap, seed)
    result = {}
    for name in truth.subsets:
        values = per_person(predictions, truth, constants, name)
        result[name] = {
            "mean": pck.number(_mean(values, np.ones(len(values)))),
            "persons": int((~np.isnan(values)).sum()),
            "interval": pck.interval(_mean(values, weights)),
        }
    return result


def compare(
    ours: Floats, other: Floats, truth: Truth, constants: Floats, bootstrap: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Differences ours - other in points, with paired bootstrap intervals over persons."""
    weights = pck.resamples(len(truth), bootstrap, seed)
    result = {}
    for name in truth.subsets:
        difference = per_person(ours, truth, constants, name) - per_person(other, truth, constants, name)
        result[name] = {
            "difference": pck.number(_mean(difference, np.ones(len(difference)))),
            "interval": pck.interval(_mean(difference, weights)),
        }
    return result


def _areas(truth: Truth) -> Floats:
    if truth.area is None:
        raise ValueError(f"OKS needs the areas of persons, which a truth for {truth.metric} does not have")
    return truth.area


def _similarity(squared: Floats, area: Any, constants: Floats) -> Floats:
    scaled = squared / (2 * constants) ** 2 / (area + np.spacing(1)) / 2
    result: Floats = np.exp(-np.where(np.isnan(scaled), np.inf, scaled))
    return result


def _mean(values: Floats, weights: Floats) -> Floats:
    """Percentages: means of (N,) under weights (..., N), leaving out NaN."""
    known = ~np.isnan(values)
    return pck.percent(weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64))
