"""Numbers, tables and comparisons: of a run, or of anybody's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_train import boxes, geometry
from noda_train.arrays import Bools, Floats
from noda_train.data import Parts, Samples
from noda_train.distributed import World
from noda_train.metrics import pck
from noda_train.metrics.results import write_results
from noda_train.metrics.scoring import Evaluator, numbers, predictions_of
from noda_train.metrics.truth import SUBSETS, Truth, read_truth, truth_of
from noda_train.outputs import PREDICTIONS, RESULTS, SCORES, Prediction, write_json, write_predictions
from noda_train.predict import Crops, predict
from noda_train.settings import Settings


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Who is evaluated: persons and what is true of them, and the COCO file that has the crowds beside them.

    `found` (N,) bool says who has a detector's box, None for everybody; the others get no pose. `finds` are the joints
    that the network finds where these are others than the set's: what has the same name in both is judged.
    """

    samples: Samples
    truth: Truth
    file: Path | None = None
    found: Bools | None = None
    finds: Skeleton | None = None

    @property
    def evaluator(self) -> Evaluator:
        return Evaluator(self.truth, self.samples.names, self.file)


def evaluation_set(parts: Parts, settings: Settings) -> EvaluationSet:
    """The validation part with gt_valid.mat where there is one; or the training persons, to watch over-fitting."""
    layout = parts.layout
    is_coco = layout.kind == "coco"
    if settings.validate_on == "train":
        samples = parts.train.first(settings.limit)
        file = layout.annotations if is_coco else None
        return EvaluationSet(samples, truth_of(samples, file), file)
    samples = parts.valid
    if not len(samples):
        missing = "person_keypoints_val*.json" if is_coco else "annot/valid.json"
        make = f", make one with `noda-synth convert {layout.annotations} OUT --to coco --holdout 0.1`"
        raise NodaError(
            f"{layout.annotations}: this data set has no validation part ({missing}); train without with"
            f" --set validate_every=0{make if is_coco else ''}, or choose one that has"
        )
    own = truth_of(samples, layout.valid if is_coco else None)
    if layout.gt_valid is None:
        return EvaluationSet(samples, own, layout.valid if is_coco else None)
    truth = replace(read_truth(layout.gt_valid), ids=samples.ids)
    if truth.near_other is None:
        truth = replace(truth, hidden_by_other=own.hidden_by_other, near_other=own.near_other)
    if len(truth) != len(samples):
        raise NodaError(f"{layout.gt_valid}: {len(truth)} rows, but {layout.valid} has {len(samples)}")
    if truth.visible is None:
        truth = replace(truth, visible=own.visible, why_not=f"{truth.why_not}, nor has valid.json")
    return EvaluationSet(samples, truth)


def score(
    network: nn.Module, persons: EvaluationSet, settings: Settings, world: World, crops: Crops | None = None
) -> dict[str, float | None]:
    """The three numbers that are followed during training: PCKh@0.5 or PCK@0.1, all, visible and occluded."""
    prediction = predict(network, persons.samples, settings, world, crops)
    followed = persons.truth.followed
    tables = pck.evaluate(prediction.joints, persons.truth, thresholds=(followed,), bootstrap=0)["thresholds"]
    return {name: tables[f"{followed:g}"][name]["mean"] for name in SUBSETS}


def mean_pose(train: Samples, persons: Samples) -> Floats:
    """The least that training must beat: the mean position of each joint in the training crops, put into every crop.

    (N, J, 2) float64, 1-based.
    """
    in_crop = geometry.apply(geometry.invert(geometry.crop_to_image(train.center, train.box, 1)), train.joints)
    labelled = train.labelled[:, :, None]
    mean = (in_crop * labelled).sum(0) / np.maximum(labelled.sum(0), 1)
    maps = geometry.crop_to_image(persons.center, persons.box, 1)
    return geometry.apply(maps, np.broadcast_to(mean, (len(persons), *mean.shape))) + 1


def evaluate_network(
    network: nn.Module,
    persons: EvaluationSet,
    settings: Settings,
    world: World,
    folder: Path,
    origin: Mapping[str, str],
) -> tuple[Prediction, dict[str, Any]]:
    """Predict, score, and leave predictions.h5 and scores.json in a folder; for COCO's sets predictions.json, too."""
    prediction = predict_persons(network, persons, settings, world)
    result = numbers(predictions_of(prediction, persons.evaluator), persons.evaluator)
    if world.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / PREDICTIONS, prediction, persons.samples.ids, origin)
        if persons.file is not None:
            rows = np.flatnonzero(np.isfinite(prediction.joints).all(axis=(1, 2)))
            posed = Prediction(prediction.joints[rows], prediction.scores[rows])
            write_results(folder / RESULTS, posed, persons.samples.take(rows).names)
        write_json(folder / SCORES, {**origin, **result})
    return prediction, result


def predict_persons(network: nn.Module, persons: EvaluationSet, settings: Settings, world: World) -> Prediction:
    """What a network predicts for the persons, in the set's joints; NaN for whom no detector found, and for joints that
    the network does not know."""
    samples, finds = persons.samples, persons.finds or persons.samples.skeleton
    if persons.found is None and persons.finds is None:
        return predict(network, samples, settings, world)
    rows = np.arange(len(samples)) if persons.found is None else np.flatnonzero(persons.found)
    own = predict(network, replace(samples.take(rows), skeleton=finds), settings, world)
    joints, scores = np.full(samples.joints.shape, np.nan), np.zeros(samples.labelled.shape)
    for number, name in enumerate(samples.skeleton.joints):
        if name in finds.index:
            joints[rows, number] = own.joints[:, finds.index[name]]
            scores[rows, number] = own.scores[:, finds.index[name]]
    return Prediction(joints, scores)


def by_name(persons: EvaluationSet, finds: Skeleton) -> EvaluationSet:
    """The persons for a network that finds other joints: those of the same name count, by PCKh or PCK alone.

    OKS and AP are left out: they are defined for all joints of their set. Raises NodaError where no name is in both.
    """
    truth = persons.truth
    known = np.array([name in finds.index for name in truth.skeleton.joints])
    if not known.any():
        raise NodaError(
            f"the network finds the joints of {finds.name}, the data set marks those of {truth.skeleton.name}, and none"
            " has the same name in both; rename them in a skeleton file"
        )
    groups = {
        name: tuple(joint for joint in joints if known[joint])
        for name, joints in truth.groups.items()
        if known[list(joints)].any()
    }
    judged = replace(truth, groups=groups, counted=truth.counted & known, labelled=truth.labelled & known, area=None)
    return replace(persons, truth=judged, file=None, finds=finds)


def in_detected_boxes(persons: EvaluationSet, path: Path) -> EvaluationSet:
    """The persons in the boxes of a detector's results, see `boxes.detected`."""
    samples, found = boxes.detected(persons.samples, path)
    return replace(persons, samples=samples, found=found)


def in_boxes_off(persons: EvaluationSet, error: float) -> EvaluationSet:
    """The persons in crops that are off, see `boxes.off_centre`."""
    return replace(persons, samples=boxes.off_centre(persons.samples, error)) if error else persons


def predict_lists(
    network: nn.Module, lists: Mapping[str, Samples], settings: Settings, world: World, folder: Path, data: Path
) -> dict[str, Floats]:
    """The joints of each list of a benchmark by name, (n, J, 2) 1-based; they are left in a folder as NAME.h5, too.

    `data` is the benchmark's folder.
    """
    predictions = {name: predict(network, samples, settings, world) for name, samples in lists.items()}
    if world.is_first:
        for name, prediction in predictions.items():
            origin = {"data": str(data / name)}
            write_predictions(folder / f"{name}.h5", prediction, lists[name].ids, origin)
    return {name: prediction.joints for name, prediction in predictions.items()}
