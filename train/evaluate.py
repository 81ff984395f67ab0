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
from train import geometry, pckh
from train.config import Settings
from train.data import Parts, Samples
from train.distributed import World
from train.pckh import Floats, Truth
from train.predict import Crops, Prediction, predict
from train.truth import read_predictions, read_truth

PREDICTIONS = "predictions.h5"
SCORES = "scores.json"


@dataclass(frozen=True, eq=False)
class Subject:
    """Who is evaluated: persons and what is true of them."""

    samples: Samples
    truth: Truth


def subject(parts: Parts, settings: Settings) -> Subject:
    """The validation part with gt_valid.mat where there is one; or the training persons, to watch over-fitting."""
    if settings.validate_on == "train":
        samples = limited(parts.train, settings)
        return Subject(samples, samples.truth())
    samples = parts.valid
    if not len(samples):
        raise NodaError(
            f"{parts.layout.annotations}: this data set has no validation part (annot/valid.json);"
            " train without with --set validate_every=0, or choose one that has"
        )
    own = samples.truth()
    if parts.layout.gt_valid is None:
        return Subject(samples, own)
    truth = read_truth(parts.layout.gt_valid)
    if len(truth) != len(samples):
        raise NodaError(f"{parts.layout.gt_valid}: {len(truth)} rows, but {parts.layout.valid} has {len(samples)}")
    if truth.visible is None:
        why_not = f"{truth.why_not}, nor has valid.json"
        truth = Truth(truth.joints, truth.labelled, truth.head_size, own.visible, why_not)
    return Subject(samples, truth)


def limited(samples: Samples, settings: Settings) -> Samples:
    return samples.take(np.arange(min(settings.limit, len(samples)))) if settings.limit else samples


def score(
    network: nn.Module, who: Subject, settings: Settings, world: World, crops: Crops | None = None
) -> dict[str, float | None]:
    """The three numbers that are followed during training: PCKh@0.5, all, visible and occluded."""
    prediction = predict(network, who.samples, settings, world, crops)
    tables = pckh.evaluate(prediction.joints, who.truth, thresholds=(0.5,), bootstrap=0)["thresholds"]["0.5"]
    return {name: tables[name]["mean"] for name in pckh.SUBSETS}


def mean_pose(train: Samples, who: Samples) -> Floats:
    """The least that training must beat: the mean position of each joint in the training crops, put into every crop.

    (N, 16, 2) float64, 1-based.
    """
    in_crop = geometry.apply(geometry.invert(geometry.crop_to_image(train.center, train.box, 1)), train.joints)
    labelled = train.labelled[:, :, None]
    mean = (in_crop * labelled).sum(0) / np.maximum(labelled.sum(0), 1)
    maps = geometry.crop_to_image(who.center, who.box, 1)
    return geometry.apply(maps, np.broadcast_to(mean, (len(who), 16, 2))) + 1


def write_predictions(path: Path, prediction: Prediction, samples: Samples, attributes: Mapping[str, str]) -> None:
    """An HDF5 file with `preds` (N, 16, 2) 1-based, `scores` (N, 16) and `ids` (N), in the order of valid.json."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with h5py.File(temporary, "w") as file:
        file["preds"], file["scores"] = prediction.joints, prediction.scores
        file["ids"] = np.array(samples.ids, dtype=h5py.string_dtype())
        file.attrs.update(attributes)
    temporary.replace(path)


def predictions_of(place: Path) -> Floats:
    """Predictions of a run (a folder that was evaluated) or of any file."""
    if place.is_dir():
        if not (place / PREDICTIONS).is_file():
            raise NodaError(f"{place}: not evaluated yet; `python -m train eval --run {place}` does it")
        place = place / PREDICTIONS
    return read_predictions(place)


def compare(ours: Floats, place: Path, truth: Truth) -> dict[str, Any]:
    """Our predictions less those of another run or file, on the same persons."""
    other = predictions_of(place)
    if other.shape != ours.shape:
        raise NodaError(f"{place}: predictions for {len(other)} persons, not for {len(ours)}: another validation set")
    return pckh.compare(ours, other, truth)


def score_file(predictions: Path, truth: Path, visible: Path | None = None) -> dict[str, Any]:
    """All numbers for a file of predictions, whoever made it."""
    joints, known = read_predictions(predictions), read_truth(truth, visible)
    if joints.shape != known.joints.shape:
        raise NodaError(f"{predictions}: predictions for {len(joints)} persons, but {truth} has {len(known)}")
    return pckh.evaluate(joints, known)


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def evaluate_network(
    network: nn.Module, who: Subject, settings: Settings, world: World, folder: Path, origin: Mapping[str, str]
) -> tuple[Prediction, dict[str, Any]]:
    """Predict, score, and leave predictions.h5 and scores.json in a folder."""
    prediction = predict(network, who.samples, settings, world)
    result = pckh.evaluate(prediction.joints, who.truth)
    if world.is_first:
        write_predictions(folder / PREDICTIONS, prediction, who.samples, origin)
        write_json(folder / SCORES, {**origin, **result})
    return prediction, result
