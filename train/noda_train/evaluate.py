"""Numbers, tables and comparisons: of a run, or of anybody's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from noda_synth.errors import NodaError
from noda_train import geometry
from noda_train.arrays import Floats
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
    """Who is evaluated: persons and what is true of them, and the COCO file that has the crowds beside them."""

    samples: Samples
    truth: Truth
    file: Path | None = None

    @property
    def evaluator(self) -> Evaluator:
        return Evaluator(self.truth, self.samples.names, self.file)


def evaluation_set(parts: Parts, settings: Settings) -> EvaluationSet:
    """The validation part with gt_valid.mat where there is one; or the training persons, to watch over-fitting."""
    layout = parts.layout
    is_coco = layout.kind == "coco"
    if settings.validate_on == "train":
        samples = limited(parts.train, settings)
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


def limited(samples: Samples, settings: Settings) -> Samples:
    """The first persons only, where the settings limit them."""
    return samples.take(np.arange(min(settings.limit, len(samples)))) if settings.limit else samples


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
    prediction = predict(network, persons.samples, settings, world)
    result = numbers(predictions_of(prediction, persons.evaluator), persons.evaluator)
    if world.is_first:
        write_predictions(folder / PREDICTIONS, prediction, persons.samples.ids, origin)
        if persons.file is not None:
            write_results(folder / RESULTS, prediction, persons.samples.names)
        write_json(folder / SCORES, {**origin, **result})
    return prediction, result


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
