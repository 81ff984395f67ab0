"""AP and AR of poses as COCO reports them, by pycocotools: over all joints, and over visible and occluded ones apart.

"Visible" is the very same evaluation on a truth in which only the visible joints are labelled, and so for "occluded".
People without such a joint are neither missed nor found, as COCO has it for people without keypoints.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from train.oks import Truth
from train.pck import SUBSETS, Floats

NUMBERS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
"""pycocotools' statistics of keypoints in their order; M: areas from 32^2 to 96^2 px, L: above."""
MISSING = "AP needs pycocotools: pip install 'noda-synth[coco]'"
JOINT_SCORE = 0.2
"""Joints that score less do not count for the score of a pose (HRNet's and MMPose's threshold)."""

ImageId = int | str


@dataclass(frozen=True)
class Pose:
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


def average_precision(
    poses: Sequence[Pose],
    truth: Truth,
    images: Sequence[ImageId],
    constants: Floats,
    ignored: Sequence[Mapping[str, Any]] = (),
) -> dict[str, dict[str, float | None]]:
    """{"all": {"AP": percent, ..}, "visible": .., "occluded": ..}; None where there is nobody to be found.

    Args:
        poses: what was found, on these images.
        truth: the people; 1-based, as everything that is scored here.
        images: (N) the image of each.
        constants: (J,) the sigmas.
        ignored: annotations of crowds and of people without keypoints on these images: who is found there is no fault.

    Raises:
        NodaError: pycocotools is not installed.
    """
    api, evaluation = _needed()
    known = set(images)
    found = [_found(pose) for pose in poses if pose.image in known]
    result: dict[str, dict[str, float | None]] = {}
    for name in SUBSETS:
        people = [*_people(truth, images, truth.subset(name)), *(_left_out(a, len(constants)) for a in ignored)]
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            there = api.COCO()
            there.dataset = {
                "info": {},
                "images": [{"id": image} for image in dict.fromkeys(images)],
                "annotations": [{**person, "id": number} for number, person in enumerate(people, start=1)],
                "categories": [{"id": 1, "name": "person"}],
            }
            there.createIndex()
            if not found or not truth.subset(name).any():
                result[name] = dict.fromkeys(NUMBERS, 0.0 if truth.subset(name).any() else None)
                continue
            run = evaluation.COCOeval(there, there.loadRes([dict(one) for one in found]), "keypoints")
            run.params.kpt_oks_sigmas = constants
            run.evaluate()
            run.accumulate()
            run.summarize()
        values = [None if value < 0 else 100 * float(value) for value in run.stats]
        result[name] = dict(zip(NUMBERS, values, strict=True))
    return result


def _needed() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pycocotools.coco"), importlib.import_module("pycocotools.cocoeval")
    except ImportError as error:
        raise NodaError(MISSING) from error


def _found(pose: Pose) -> dict[str, Any]:
    return {"image_id": pose.image, "category_id": 1, "keypoints": pose.joints.ravel().tolist(), "score": pose.score}


def _people(truth: Truth, images: Sequence[ImageId], chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Annotations in which only the chosen joints (N, J) are labelled."""
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


def _left_out(annotation: Mapping[str, Any], joints: int) -> dict[str, Any]:
    box = annotation.get("bbox") or [0, 0, 0, 0]
    return {
        "image_id": annotation["image_id"],
        "category_id": 1,
        "keypoints": annotation.get("keypoints") or [0] * 3 * joints,
        "num_keypoints": annotation.get("num_keypoints", 0),
        "bbox": box,
        "area": annotation.get("area", box[2] * box[3]),
        "iscrowd": int(bool(annotation.get("iscrowd"))),
    }
