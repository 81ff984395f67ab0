"""Numbers, tables and comparisons: of a run, or of anybody's predictions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from torch import nn

from noda_synth.errors import NodaError
from noda_train import geometry
from noda_train.data import Parts, Samples
from noda_train.distributed import World
from noda_train.metrics import pck
from noda_train.metrics.pck import Floats, Truth
from noda_train.metrics.pckh import Truth as HeadTruth
from noda_train.metrics.results import write_results
from noda_train.metrics.scoring import PREDICTIONS, Judge, found_by, numbers
from noda_train.metrics.truth import read_truth
from noda_train.predict import Crops, Prediction, predict
from noda_train.settings import Settings

RESULTS = "predictions.json"
SCORES = "scores.json"


@dataclass(frozen=True, eq=False)
class Subject:
    """Who is evaluated: persons and what is true of them, and the COCO file that has the crowds beside them."""

    samples: Samples
    truth: Truth
    file: Path | None = None

    @property
    def judge(self) -> Judge:
        return Judge(self.truth, self.samples.names, self.file)


def subject(parts: Parts, settings: Settings) -> Subject:
    """The validation part with gt_valid.mat where there is one; or the training persons, to watch over-fitting."""
    layout = parts.layout
    is_coco = layout.kind == "coco"
    if settings.validate_on == "train":
        samples = limited(parts.train, settings)
        return Subject(samples, samples.truth(), layout.annotations if is_coco else None)
    samples = parts.valid
    if not len(samples):
        missing = "person_keypoints_val*.json" if is_coco else "annot/valid.json"
        make = f", make one with `noda-synth convert {layout.annotations} OUT --to coco --holdout 0.1`"
        raise NodaError(
            f"{layout.annotations}: this data set has no validation part ({missing}); train without with"
            f" --set validate_every=0{make if is_coco else ''}, or choose one that has"
        )
    own = samples.truth()
    if layout.gt_valid is None:
        return Subject(samples, own, layout.valid if is_coco else None)
    truth = read_truth(layout.gt_valid)
    if len(truth) != len(samples):
        raise NodaError(f"{layout.gt_valid}: {len(truth)} rows, but {layout.valid} has {len(samples)}")
    if truth.visible is None:
        why_not = f"{truth.why_not}, nor has valid.json"
        truth = HeadTruth(truth.joints, truth.labelled, truth.head_size, own.visible, why_not)
    return Subject(samples, truth)


def limited(samples: Samples, settings: Settings) -> Samples:
    return samples.take(np.arange(min(settings.limit, len(samples)))) if settings.limit else samples


def score(
    network: nn.Module, who: Subject, settings: Settings, world: World, crops: Crops | None = None
) -> dict[str, float | None]:
    """The three numbers that are followed during training: PCKh@0.5 or PCK@0.1, all, visible and occluded."""
    prediction = predict(network, who.samples, settings, world, crops)
    followed = who.truth.followed
    tables = pck.evaluate(prediction.joints, who.truth, thresholds=(followed,), bootstrap=0)["thresholds"]
    return {name: tables[f"{followed:g}"][name]["mean"] for name in pck.SUBSETS}


def mean_pose(train: Samples, who: Samples) -> Floats:
    """The least that training must beat: the mean position of each joint in the training crops, put into every crop.

    (N, J, 2) float64, 1-based.
    """
    in_crop = geometry.apply(geometry.invert(geometry.crop_to_image(train.center, train.box, 1)), train.joints)
    labelled = train.labelled[:, :, None]
    mean = (in_crop * labelled).sum(0) / np.maximum(labelled.sum(0), 1)
    maps = geometry.crop_to_image(who.center, who.box, 1)
    return geometry.apply(maps, np.broadcast_to(mean, (len(who), *mean.shape))) + 1


def write_predictions(path: Path, prediction: Prediction, samples: Samples, attributes: Mapping[str, str]) -> None:
    """An HDF5 file with `preds` (N, J, 2) 1-based, `scores` (N, J) and `ids` (N), in the order of the list."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with h5py.File(temporary, "w") as file:
        file["preds"], file["scores"] = prediction.joints, prediction.scores
        file["ids"] = np.array(samples.ids, dtype=h5py.string_dtype())
        file.attrs.update(attributes)
    temporary.replace(path)


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def evaluate_network(
    network: nn.Module, who: Subject, settings: Settings, world: World, folder: Path, origin: Mapping[str, str]
) -> tuple[Prediction, dict[str, Any]]:
    """Predict, score, and leave predictions.h5 and scores.json in a folder; for COCO's sets predictions.json, too."""
    prediction = predict(network, who.samples, settings, world)
    result = numbers(found_by(prediction, who.judge), who.judge)
    if world.is_first:
        write_predictions(folder / PREDICTIONS, prediction, who.samples, origin)
        if who.file is not None:
            write_results(folder / RESULTS, prediction, who.samples.names)
        write_json(folder / SCORES, {**origin, **result})
    return prediction, result
