"""All numbers of predictions, whoever made them: PCKh for MPII; PCK in box sizes, OKS and AP for COCO's sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json
from noda_synth.formats.files.detect import detect
from noda_synth.formats.files.strangers import stranger
from noda_train.arrays import Floats
from noda_train.data import Ids, annotated
from noda_train.metrics import average_precision, oks, pck
from noda_train.metrics.average_precision import DetectedPose
from noda_train.metrics.files import read_attributes, read_ids, read_predictions, read_scores
from noda_train.metrics.mmpose import is_mmpose, joints_of
from noda_train.metrics.results import assign, ignored_in, image_ids, poses_of, read_results
from noda_train.metrics.truth import Truth, read_truth, truth_of
from noda_train.outputs import PREDICTIONS, Prediction


@dataclass(frozen=True, eq=False)
class Evaluator:
    """What predictions are scored by: the truth, what COCO calls its people, and the file that has the crowds."""

    truth: Truth
    names: tuple[Ids, ...] = ()
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class Predictions:
    """Somebody's predictions: joints (N, J, 2) of each person, 1-based, NaN where there is no pose for a person; and
    all poses, None where nothing is known of scores."""

    joints: Floats
    poses: Sequence[DetectedPose] | None = None


def evaluator_of(truth: Path, visible: Path | None = None) -> Evaluator:
    """By a gt_valid.mat, an MPII valid.json or a COCO file."""
    if truth.suffix != ".json" or detect(truth) != "coco":
        return Evaluator(read_truth(truth, visible))
    if visible is not None:
        raise NodaError(f"{visible}: visibility of {truth} stands in its own flags; leave --visible out")
    samples = annotated(truth)
    return Evaluator(truth_of(samples, truth), samples.names, truth)


def predictions_of(prediction: Prediction, evaluator: Evaluator) -> Predictions:
    """A network's prediction, with its poses where AP can be computed."""
    poses = poses_of(prediction.joints, prediction.scores, evaluator.names) if evaluator.file else None
    return Predictions(prediction.joints, poses)


def read(path: Path, evaluator: Evaluator) -> Predictions:
    """Somebody's predictions: of a run, an HDF5, MATLAB or NumPy file in the order of the truth, COCO results, or
    MMPose's results on MPII."""
    file, truth = _file_of(path), evaluator.truth
    joints = truth.joints.shape[1]
    if file.suffix == ".json":
        if what := stranger(file):
            raise NodaError(f"{file}: {what}; COCO's results and MMPose's are one list of JSON")
        if truth.area is None:
            return Predictions(_mmpose(file, truth))
        results = read_results(file, joints, image_ids(evaluator.file) if evaluator.file else None)
        return Predictions(assign(results, truth, evaluator.names), results.poses)
    predictions = read_predictions(file, joints, len(truth))
    _check_people(path, read_ids(file), truth)
    if len(predictions) != len(truth):
        found = f"predictions for {len(predictions)} persons, not for {len(truth)}"
        raise NodaError(f"{path}: {found}: another validation set")
    scores = read_scores(file, joints) if evaluator.file else None
    return Predictions(predictions, None if scores is None else poses_of(predictions, scores, evaluator.names))


def _mmpose(file: Path, truth: Truth) -> Floats:
    content = read_json(file)
    if not is_mmpose(content):
        raise NodaError(f"{file}: COCO results need a truth in COCO's form; give an HDF5 or MATLAB file")
    return joints_of(file, content, len(truth.skeleton), truth.ids, len(truth))


def _check_people(path: Path, ids: Sequence[str], truth: Truth) -> None:
    """NodaError where a file says that its rows are other people than those of the truth.

    Only the images are compared: the .mat and valid.json may number the people on an image differently.
    """
    if not ids or not truth.ids or len(ids) != len(truth.ids):
        return
    for row, (theirs, ours) in enumerate(zip(ids, truth.ids, strict=True)):
        if (theirs.rpartition("#")[0] or theirs) != (ours.rpartition("#")[0] or ours):
            raise NodaError(
                f"{path}: its row {row} is {theirs}, that of the truth is {ours}: predictions of other people, made on"
                " another data set; evaluate both on the same (`noda-train eval --run RUN --data SET` leaves results of"
                " another set beside those of the run, in RUN/eval-SET)"
            )


def data_of(path: Path) -> Path | None:
    """The data set that predictions of a run were made on, where they say so and it is there."""
    data = read_attributes(_file_of(path)).get("data")
    return Path(data) if isinstance(data, str) and Path(data).exists() else None


def numbers(predictions: Predictions, evaluator: Evaluator) -> dict[str, Any]:
    """All numbers, ready for JSON: those of `pck.evaluate`, and `oks` for sets in COCO's form."""
    truth = evaluator.truth
    result = pck.evaluate(predictions.joints, truth)
    if truth.area is None:
        return result
    constants = oks.sigmas(truth.skeleton)
    if constants is None:
        return {**result, "oks": {"why_not": f"the skeleton {truth.skeleton.name} has no sigmas"}}
    similarity: dict[str, Any] = {"mean": oks.evaluate(predictions.joints, truth, constants)}
    try:
        similarity["ap"] = average_precision.evaluate(_rankings(predictions, evaluator, constants))
    except NodaError as error:
        similarity["why_no_ap"] = str(error)
    return {**result, "oks": similarity}


def compare(ours: Predictions, other: Predictions, evaluator: Evaluator) -> dict[str, Any]:
    """Our predictions less another's on the same persons, with paired bootstrap intervals."""
    truth = evaluator.truth
    result = pck.compare(ours.joints, other.joints, truth)
    if truth.area is None or (constants := oks.sigmas(truth.skeleton)) is None:
        return result
    similarity: dict[str, Any] = {"mean": oks.compare(ours.joints, other.joints, truth, constants)}
    try:
        one, two = (_rankings(predictions, evaluator, constants) for predictions in (ours, other))
        similarity["ap"] = average_precision.compare(one, two)
    except NodaError as error:
        similarity["why_no_ap"] = str(error)
    return {**result, "oks": similarity}


def score_file(
    predictions: Path, truth: Path, visible: Path | None = None, against: Path | None = None
) -> dict[str, Any]:
    """All numbers for a file of predictions, whoever made it; with `against`, the differences to another, too."""
    evaluator = evaluator_of(truth, visible)
    ours = read(predictions, evaluator)
    result = numbers(ours, evaluator)
    if against is not None:
        result["against"] = compare(ours, read(against, evaluator), evaluator)
    return result


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    if not (path / PREDICTIONS).is_file():
        raise NodaError(f"{path}: not evaluated yet; `noda-train eval --run {path}` does it")
    return path / PREDICTIONS


def _rankings(
    predictions: Predictions, evaluator: Evaluator, constants: Floats
) -> dict[str, average_precision.Ranking]:
    if predictions.poses is None:
        raise NodaError("these predictions have no scores")
    images = [name.image for name in evaluator.names]
    ignored = ignored_in(evaluator.file, evaluator.names) if evaluator.file else []
    return average_precision.rank(predictions.poses, evaluator.truth, images, constants, ignored)
