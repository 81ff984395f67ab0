"""AP and AR of poses as COCO reports them, by pycocotools: over all joints, and over visible and occluded ones apart.
hotcoco does where pycocotools is not installed; its numbers are the same.

"Visible" is the very same evaluation on a truth in which only the visible joints are labelled, and so for "occluded".
People without such a joint are neither missed nor found, as COCO has it for people without keypoints.

What is right and wrong pycocotools decides; its sum over ranks is stated once more here, under weights of images, so
that AP has a bootstrap interval. Images are drawn, not people: people on an image compete for its poses.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_train.arrays import Bools, Floats
from noda_train.metrics.pck import interval, resamples
from noda_train.metrics.truth import Truth

NUMBERS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""pycocotools' statistics of keypoints in their order; M: areas from 32^2 to 96^2 px, L: above."""
RECALLS = np.linspace(0, 1, 101)
EVALUATORS = (("pycocotools.coco", "pycocotools.cocoeval"), ("hotcoco", "hotcoco"))
"""Where COCO and COCOeval are, the first that is installed. faster-coco-eval is none of them: it does not say which
pose was somebody's, from which intervals are drawn."""
MISSING = "AP needs pycocotools (pip install 'noda-synth[coco]') or hotcoco"
JOINT_SCORE = 0.2
"""Joints that score less do not count for the score of a pose (HRNet's and MMPose's threshold)."""

ImageId = int | str


@dataclass(frozen=True)
class DetectedPose:
    """A detected person: its image, joints (J, 3) of x, y (0-based) and score, and the score of the whole."""

    image: ImageId
    joints: Floats
    score: float


def pose_scores(scores: NDArray[Any]) -> Floats:
    """(N,) scores of poses from those of their joints (N, J): the mean of those above 0.2, times a box score of 1."""
    counted = scores > JOINT_SCORE
    total = np.where(counted, scores, 0.0).sum(axis=1)
    result: Floats = np.divide(total, counted.sum(axis=1), out=np.zeros(len(scores)), where=counted.any(axis=1))
    return result


@dataclass(frozen=True, eq=False)
class Ranking:
    """What pycocotools makes of poses: its numbers, and what AP is the sum of.

    Attributes:
        numbers: percent by name; None where there is nobody to be found.
        right: (T, D) bool, by falling score: at this threshold of OKS the pose is somebody's; T thresholds from 0.5 to
            0.95, D poses.
        wrong: (T, D) bool: it is nobody's. Neither holds where nobody has to be found.
        image: (D,) int64, the row of the pose's image.
        people: (I,) float64, how many people have to be found on each of I images.
    """

    numbers: dict[str, float | None]
    right: Bools
    wrong: Bools
    image: NDArray[np.int64]
    people: Floats


def rank(
    poses: Sequence[DetectedPose],
    truth: Truth,
    images: Sequence[ImageId],
    constants: Floats,
    ignored: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Ranking]:
    """The rankings by "all", "visible" and "occluded" joints, and by the parts of these that the truth knows.

    Args:
        poses: the detected ones; those on other images are left out.
        truth: the people; 1-based, as everything that is scored here.
        images: (N) the image of each.
        constants: (J,) the sigmas.
        ignored: annotations of crowds and of people without keypoints on these images: who is found there is no fault.

    Raises:
        NodaError: neither pycocotools nor hotcoco is installed.
    """
    _evaluator()
    known: list[ImageId] = np.unique(np.array(images)).tolist()  # pycocotools' order
    numbers = {image: number for number, image in enumerate(known, start=1)}  # hotcoco takes no text for an id
    results = [_result(pose, numbers[pose.image]) for pose in poses if pose.image in numbers]
    others = [_ignored(one, numbers[one["image_id"]], len(constants)) for one in ignored if one["image_id"] in numbers]
    on = [numbers[image] for image in images]
    return {
        name: _ranking([*_people(truth, on, truth.subset(name)), *others], results, len(known), constants)
        for name in truth.subsets
    }


def _ranking(people: list[dict[str, Any]], results: list[dict[str, Any]], images: int, constants: Floats) -> Ranking:
    wanted = [person for person in people if person["num_keypoints"] and not person["iscrowd"]]
    if not results or not wanted:
        empty = np.zeros((1, 0), bool)
        counts = np.bincount([person["image_id"] - 1 for person in wanted], minlength=images).astype(np.float64)
        numbers: dict[str, float | None] = dict.fromkeys(NUMBERS, 0.0 if wanted else None)
        return Ranking(numbers, empty, empty, np.zeros(0, np.int64), counts)
    run = _cocoeval(people, results, images, constants)
    values = [None if value < 0 else 100 * float(value) for value in run.stats]
    # One entry per image and range of areas, None where there is nothing; the range of all alone begins at 0.
    entries = [(entry["image_id"] - 1, entry) for entry in run.evalImgs if entry and entry["aRng"][0] == 0]
    matched, passed = (np.concatenate([e[key] for _, e in entries], axis=1) for key in ("dtMatches", "dtIgnore"))
    order = np.argsort(-np.concatenate([e["dtScores"] for _, e in entries]), kind="mergesort")
    counts = np.zeros(images)
    for row, entry in entries:
        counts[row] = (np.asarray(entry["gtIgnore"]) == 0).sum()
    return Ranking(
        dict(zip(NUMBERS, values, strict=True)),
        ((matched > 0) & (passed == 0))[:, order],
        ((matched == 0) & (passed == 0))[:, order],
        np.concatenate([np.full(len(e["dtScores"]), row) for row, e in entries])[order],
        counts,
    )


def _cocoeval(people: list[dict[str, Any]], results: list[dict[str, Any]], images: int, constants: Floats) -> Any:
    """The evaluation of results against annotations of people on images 1, 2, .., when it is done."""
    coco, cocoeval = _evaluator()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():  # pycocotools prints its progress
        warnings.filterwarnings("ignore", "hotcoco: kpt_oks_sigmas differ")  # those of the skeleton are what is asked
        annotated = coco()
        annotated.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(1, images + 1)],
            "annotations": [{**person, "id": number} for number, person in enumerate(people, start=1)],
            "categories": [{"id": 1, "name": "person"}],
        }
        annotated.createIndex()
        run = cocoeval(annotated, annotated.loadRes([dict(one) for one in results]), "keypoints")
        run.params.kpt_oks_sigmas = constants
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def precision(ranking: Ranking, weights: Floats) -> float:
    """AP in percent where each image (I,) counts so many times, as COCO sums it: the mean over thresholds and over 101
    recalls of the best precision at that recall or a higher one. NaN where nobody has to be found."""
    wanted = weights @ ranking.people
    if not wanted:
        return float("nan")
    each = weights[ranking.image]
    right, wrong = (np.cumsum(kind * each, axis=1) for kind in (ranking.right, ranking.wrong))
    exact = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(exact[:, ::-1], axis=1)[:, ::-1]
    best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)
    ranks = [np.searchsorted(line, RECALLS, side="left") for line in right / wanted]
    return 100 * float(np.take_along_axis(best, np.array(ranks), axis=1).mean())


def evaluate(rankings: Mapping[str, Ranking], bootstrap: int = 1000, seed: int = 0) -> dict[str, dict[str, Any]]:
    """{"all": {"AP": percent, .., "interval": {"AP": [low, high]}}, "visible": .., "occluded": ..}, None for n/a."""
    result = {}
    for name, ranking in rankings.items():
        result[name] = {**ranking.numbers, "interval": {"AP": interval(_drawn(ranking, bootstrap, seed))}}
    return result


def compare(
    ours: Mapping[str, Ranking], other: Mapping[str, Ranking], bootstrap: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Differences ours - other in points, in the layout of `evaluate`; both see the same images."""
    result = {}
    for name, ranking in ours.items():
        against = other[name]
        drawn = _drawn(ranking, bootstrap, seed) - _drawn(against, bootstrap, seed)
        differences = {key: _less(value, against.numbers[key]) for key, value in ranking.numbers.items()}
        result[name] = {**differences, "interval": {"AP": interval(drawn)}}
    return result


def _drawn(ranking: Ranking, bootstrap: int, seed: int) -> Floats:
    """(bootstrap,) the precision of each bootstrap sample of images; of few images most samples are the same."""
    samples, places = np.unique(resamples(len(ranking.people), bootstrap, seed), axis=0, return_inverse=True)
    return np.array([precision(ranking, weights) for weights in samples])[places.reshape(-1)]


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _evaluator() -> tuple[Any, Any]:
    """The classes COCO and COCOeval."""
    for coco, cocoeval in EVALUATORS:
        with contextlib.suppress(ImportError):
            return importlib.import_module(coco).COCO, importlib.import_module(cocoeval).COCOeval
    raise NodaError(MISSING)


def _result(pose: DetectedPose, image: int) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": pose.joints.ravel().tolist(), "score": pose.score}


def _people(truth: Truth, images: Sequence[int], chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Annotations in which only the chosen joints (N, J) are labelled."""
    if truth.box is None or truth.area is None:
        raise ValueError(f"AP needs the boxes of persons, which a truth for {truth.metric} does not have")
    tables = np.concatenate([truth.joints - 1, 2.0 * np.ones_like(truth.joints[:, :, :1])], axis=2)
    tables = np.where(chosen[:, :, None], tables, 0.0)
    return [
        {
            "image_id": image,
            "category_id": 1,
            "keypoints": table.ravel().tolist(),
            "num_keypoints": int(labelled.sum()),
            "bbox": box.tolist(),
            "area": float(area),
            "iscrowd": 0,
        }
        for image, table, labelled, box, area in zip(images, tables, chosen, truth.box, truth.area, strict=True)
    ]


def _ignored(annotation: Mapping[str, Any], image: int, joints: int) -> dict[str, Any]:
    box = annotation.get("bbox") or [0, 0, 0, 0]
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": [value or 0 for value in annotation.get("keypoints", [0] * 3 * joints)],
        "num_keypoints": annotation.get("num_keypoints", 0),
        "bbox": box,
        "area": annotation.get("area", box[2] * box[3]),
        "iscrowd": int(bool(annotation.get("iscrowd"))),
    }
