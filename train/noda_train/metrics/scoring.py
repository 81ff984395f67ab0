"""All numbers of predictions, whoever made them: PCKh for MPII; PCK in box sizes, OKS and AP for COCO's sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.detect import detect
from noda_train.data import Ids, annotated
from noda_train.metrics import average_precision, oks, pck
from noda_train.metrics.average_precision import NUMBERS, Pose
from noda_train.metrics.pck import Floats, Truth
from noda_train.metrics.results import assigned, ignored_in, poses_of, read_results
from noda_train.metrics.truth import read_attributes, read_predictions, read_scores, read_truth
from noda_train.predict import Prediction

PREDICTIONS = "predictions.h5"


@dataclass(frozen=True, eq=False)
class Judge:
    """What predictions are scored by: the truth, what COCO calls its people, and the file that has the crowds."""

    truth: Truth
    names: tuple[Ids, ...] = ()
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """Somebody's predictions: joints (N, J, 2) of each person, 1-based, NaN where nobody was found; and all poses,
    None where nothing is known of scores."""

    joints: Floats
    poses: Sequence[Pose] | None = None


def judge_of(truth: Path, visible: Path | None = None) -> Judge:
    """By a gt_valid.mat, an MPII valid.json or a COCO file."""
    if truth.suffix != ".json" or detect(truth) != "coco":
        return Judge(read_truth(truth, visible))
    if visible is not None:
        raise NodaError(f"{visible}: visibility of {truth} stands in its own flags; leave --visible out")
    samples = annotated(truth)
    return Judge(samples.truth(), samples.names, truth)


def found_by(prediction: Prediction, judge: Judge) -> Found:
    poses = poses_of(prediction.joints, prediction.scores, judge.names) if judge.file else None
    return Found(prediction.joints, poses)


def _file_of(place: Path) -> Path:
    if not place.is_dir():
        return place
    if not (place / PREDICTIONS).is_file():
        raise NodaError(f"{place}: not evaluated yet; `noda-train eval --run {place}` does it")
    return place / PREDICTIONS


def data_of(place: Path) -> Path | None:
    """The data set that predictions of a run were made on, where they say so and it is there."""
    data = read_attributes(_file_of(place)).get("data")
    return Path(data) if isinstance(data, str) and Path(data).exists() else None


def found_in(place: Path, judge: Judge) -> Found:
    """Somebody's predictions: of a run, an HDF5 or MATLAB file in the order of the truth, or COCO results."""
    file, truth = _file_of(place), judge.truth
    if file.suffix == ".json":
        if not isinstance(truth, oks.Truth):
            raise NodaError(f"{file}: COCO results need a truth in COCO's form; give an HDF5 or MATLAB file")
        results = read_results(file, len(truth.skeleton))
        return Found(assigned(results, truth, judge.names), results.poses)
    joints = read_predictions(file, truth.joints.shape[1])
    if len(joints) != len(truth):
        raise NodaError(f"{place}: predictions for {len(joints)} persons, not for {len(truth)}: another validation set")
    scores = read_scores(file) if judge.file else None
    return Found(joints, None if scores is None else poses_of(joints, scores, judge.names))


def numbers(found: Found, judge: Judge) -> dict[str, Any]:
    """All numbers, ready for JSON: those of `pck.evaluate`, and `oks` for sets in COCO's form."""
    result = pck.evaluate(found.joints, judge.truth)
    if isinstance(judge.truth, oks.Truth):
        result["oks"] = _similarity(found, judge, judge.truth)
    return result


def _similarity(found: Found, judge: Judge, truth: oks.Truth) -> dict[str, Any]:
    constants = oks.sigmas(truth.skeleton)
    if constants is None:
        return {"why_not": f"the skeleton {truth.skeleton.name} has no sigmas"}
    result: dict[str, Any] = {"mean": oks.evaluate(found.joints, truth, constants)}
    try:
        return {**result, "ap": average_precision.evaluate(_rankings(found, judge, truth, constants))}
    except NodaError as error:
        return {**result, "why_no_ap": str(error)}


def _rankings(found: Found, judge: Judge, truth: oks.Truth, constants: Floats) -> dict[str, average_precision.Ranking]:
    if found.poses is None:
        raise NodaError("these predictions have no scores")
    images = [name.image for name in judge.names]
    ignored = ignored_in(judge.file, set(images)) if judge.file else []
    return average_precision.rank(found.poses, truth, images, constants, ignored)


def compare(ours: Found, other: Found, judge: Judge) -> dict[str, Any]:
    """Our predictions less another's on the same persons, with paired bootstrap intervals."""
    result = pck.compare(ours.joints, other.joints, judge.truth)
    truth = judge.truth
    if isinstance(truth, oks.Truth) and (constants := oks.sigmas(truth.skeleton)) is not None:
        result["oks"] = {"mean": oks.compare(ours.joints, other.joints, truth, constants)}
        try:
            one, two = (_rankings(found, judge, truth, constants) for found in (ours, other))
            result["oks"]["ap"] = average_precision.compare(one, two)
        except NodaError as error:
            result["oks"]["why_no_ap"] = str(error)
    return result


def score_file(
    predictions: Path, truth: Path, visible: Path | None = None, against: Path | None = None
) -> dict[str, Any]:
    """All numbers for a file of predictions, whoever made it; with `against`, the differences to another, too."""
    judge = judge_of(truth, visible)
    ours = found_in(predictions, judge)
    result = numbers(ours, judge)
    if against is not None:
        result["against"] = compare(ours, found_in(against, judge), judge)
    return result


def format_numbers(result: Mapping[str, Any]) -> str:
    """The tables that a command prints."""
    parts = [pck.format_table(result)]
    if similarity := result.get("oks"):
        parts.append(_format_similarity(similarity, "split" not in result))
    return "\n\n".join(parts)


def _format_similarity(similarity: Mapping[str, Any], has_split: bool) -> str:
    if "why_not" in similarity:
        return f"OKS and AP: n/a, {similarity['why_not']}"
    subsets = pck.SUBSETS if has_split else ("all",)
    tables: Mapping[str, Any] = similarity.get("ap", {})
    keys = NUMBERS if tables else ()
    rows = [["OKS", *keys, *(["95 % of AP"] if tables else []), "mean OKS", "95 % of mean", "persons"]]
    for name in subsets:
        mean = similarity["mean"][name]
        shown = [pck.cell(tables[name][key]) for key in keys]
        spans = [pck.span(tables[name]["interval"]["AP"])] if tables else []
        rows.append([name, *shown, *spans, pck.cell(mean["mean"]), pck.span(mean["interval"]), str(mean["persons"])])
    return pck.grid(rows) + _no_ap(similarity)


def _no_ap(similarity: Mapping[str, Any]) -> str:
    return f"\n\nAP: n/a, {similarity['why_no_ap']}" if "why_no_ap" in similarity else ""


def format_comparison(result: Mapping[str, Any]) -> str:
    """The differences that a command prints."""
    parts = [pck.format_comparison(result)]
    if similarity := result.get("oks"):
        tables: Mapping[str, Any] = similarity.get("ap", {})
        keys = NUMBERS if tables else ()
        rows = [["OKS", *keys, *(["95 % of AP"] if tables else []), "mean OKS", "95 % of mean"]]
        for name in pck.SUBSETS:
            mean = similarity["mean"][name]
            shown = [pck.cell(tables[name][key], sign=True) for key in keys]
            spans = [_signed(tables[name]["interval"]["AP"])] if tables else []
            rows.append([name, *shown, *spans, pck.cell(mean["difference"], sign=True), _signed(mean["interval"])])
        parts.append(pck.grid(rows) + _no_ap(similarity))
    return "\n\n".join(parts)


def _signed(interval: Sequence[float | None]) -> str:
    low, high = interval
    return "n/a" if low is None else f"{low:+z.1f}..{high:+z.1f}"
