"""What a pose is worth where there is no head box: object keypoint similarity (OKS), and PCK in box sizes.

OKS is COCO's: the mean over a person's labelled joints of exp(-d^2 / (2 area (2 sigma)^2)), d in pixels, sigma a
constant of the joint (https://cocodataset.org/#keypoints-eval). Over the visible joints alone, or the occluded ones, it
is the same mean over these joints; the mean over persons takes those who have such a joint.

PCK takes the longer side of the person's box as its unit (Yang and Ramanan, Articulated Human Detection with Flexible
Mixtures of Parts, TPAMI 2013). Their thresholds are 0.1 for whole bodies (PARSE) and 0.2 for upper bodies (Buffy); 0.2
is what is printed most on sets with boxes. All joints count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.skeleton import Skeleton
from noda_train.metrics import pck
from noda_train.metrics.pck import SUBSETS, Bools, Floats


@dataclass(frozen=True, eq=False)
class Truth(pck.Truth):
    """Truth of a set in COCO's form.

    Attributes:
        joints: (N, J, 2) float64 pixels, in the same base as the predictions.
        labelled: (N, J) bool.
        box: (N, 4) float64 pixels, x, y, width and height of the person.
        area: (N,) float64 square pixels, of the person's outline.
        skeleton: the joints.
        visible: (N, J) int8, 1 visible, 0 occluded, -1 unknown; None where nothing is known of visibility.
        why_not: the reason, where `visible` is None.
    """

    metric: ClassVar[str] = "PCK"
    thresholds: ClassVar[tuple[float, ...]] = (0.2, 0.1, 0.05)
    followed: ClassVar[float] = 0.1

    joints: Floats
    labelled: Bools
    box: Floats
    area: Floats
    skeleton: Skeleton
    visible: NDArray[np.int8] | None = None
    why_not: str = ""

    @property
    def unit(self) -> Floats:
        longer: Floats = self.box[:, 2:].max(axis=1)
        return longer

    @property
    def groups(self) -> Mapping[str, tuple[int, ...]]:
        columns = {name: tuple(self.skeleton.indices(*joints)) for name, joints in self.skeleton.groups.items()}
        return {name: joints for name, joints in columns.items() if joints}

    @property
    def counted(self) -> Bools:
        return np.ones(len(self.skeleton), bool)


def sigmas(skeleton: Skeleton) -> Floats | None:
    """(J,) the constants of the joints; None where the skeleton has none."""
    return None if skeleton.sigmas is None else np.array(skeleton.sigmas, dtype=np.float64)


def similarities(predictions: Floats, truth: Truth, constants: Floats) -> Floats:
    """(N, J) in 0..1, each joint's part in the OKS, for predictions (N, J, 2) in the truth's base; 0 for NaN."""
    return _similarity(((predictions - truth.joints) ** 2).sum(axis=2), truth.area[:, None], constants)


def _similarity(squared: Floats, area: Any, constants: Floats) -> Floats:
    scaled = squared / (2 * constants) ** 2 / (area + np.spacing(1)) / 2
    result: Floats = np.exp(-np.where(np.isnan(scaled), np.inf, scaled))
    return result


def of_persons(predictions: Floats, truth: Truth, constants: Floats, subset: str = "all") -> Floats:
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
    parts = _similarity(squared, truth.area[person], constants)
    return float(parts[truth.labelled[person]].mean())


def evaluate(
    predictions: Floats, truth: Truth, constants: Floats, bootstrap: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """{"all": {"mean": percent, "persons": n, "interval": [low, high]}, "visible": .., "occluded": ..}."""
    weights = pck.resamples(len(truth), bootstrap, seed)
    result = {}
    for name in SUBSETS:
        values = of_persons(predictions, truth, constants, name)
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
    for name in SUBSETS:
        difference = of_persons(ours, truth, constants, name) - of_persons(other, truth, constants, name)
        result[name] = {
            "difference": pck.number(_mean(difference, np.ones(len(difference)))),
            "interval": pck.interval(_mean(difference, weights)),
        }
    return result


def _mean(values: Floats, weights: Floats) -> Floats:
    """Percentages: means of (N,) under weights (..., N), leaving out NaN."""
    known = ~np.isnan(values)
    return pck.percent(weights @ np.where(known, values, 0.0), weights @ known.astype(np.float64))
