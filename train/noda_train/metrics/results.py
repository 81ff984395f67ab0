"""COCO results, the list of poses in which the field exchanges predictions: written, read, and given to people.

Each entry has `image_id`, `category_id`, `keypoints` (x, y and score of each joint; 0-based pixels) and `score`. Ours
have `annotation_id` as well, the person whose box the pose was found in.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from noda_synth.errors import NodaError
from noda_synth.formats.coco.ochuman import coco_list
from noda_synth.formats.files.atomic import read_json, write_json_list
from noda_train.arrays import Floats, best_pairs
from noda_train.data import Ids
from noda_train.metrics import oks
from noda_train.metrics.average_precision import DetectedPose, ImageId, pose_scores
from noda_train.metrics.hiding import annotations_of
from noda_train.metrics.mmpose import is_mmpose
from noda_train.metrics.truth import Truth
from noda_train.outputs import Prediction

UNKNOWN_SIGMA = 0.1
"""Stands in for the sigmas of a skeleton that has none, to tell whose a pose is."""


@dataclass(frozen=True, eq=False)
class CocoResults:
    """The poses of a file, and for each the annotation that it belongs to, None where the file does not say."""

    poses: tuple[DetectedPose, ...]
    annotations: tuple[ImageId | None, ...]


def poses_of(joints: Floats, scores: Floats, names: Sequence[Ids]) -> list[DetectedPose]:
    """Poses of people whose boxes were known, from joints (N, J, 2), 1-based, and their scores (N, J); who has none
    (NaN), has no pose."""
    tables = np.concatenate([joints - 1, scores[:, :, None]], axis=2)
    wholes = pose_scores(scores)
    return [
        DetectedPose(name.image, table, float(whole))
        for name, table, whole in zip(names, tables, wholes, strict=True)
        if np.isfinite(table).all()
    ]


def write_results(path: Path, prediction: Prediction, names: Sequence[Ids]) -> None:
    """Write what a network predicts, one entry per person."""
    entries = (
        {
            "image_id": name.image,
            "category_id": name.category,
            "annotation_id": name.annotation,
            "keypoints": pose.joints.ravel().tolist(),
            "score": pose.score,
        }
        for name, pose in zip(names, poses_of(prediction.joints, prediction.scores, names), strict=True)
    )
    write_json_list(path, entries)


def image_ids(path: Path) -> dict[ImageId, ImageId]:
    """What results may call an image -> its id in a COCO file: the id itself, its digits as text, the name of its file
    whole, without folders, or without extension. What stands for two images is left out."""
    found: dict[ImageId, ImageId] = {}
    entries = [entry for entry in coco_list(path, "images") if isinstance(entry, dict)]
    twice = set[ImageId]()
    for entry in entries:
        name, image = str(entry.get("file_name", "")), entry.get("id")
        if not isinstance(image, int | str):
            continue
        file = PurePosixPath(name)
        aliases: set[ImageId] = {str(image), name, file.name, file.stem}
        for alias in aliases - {""}:
            if found.setdefault(alias, image) != image:
                twice.add(alias)
    for alias in twice:
        del found[alias]
    return found | {entry["id"]: entry["id"] for entry in entries if isinstance(entry.get("id"), int | str)}


def read_results(path: Path, joints: int, known: Mapping[ImageId, ImageId] | None = None) -> CocoResults:
    """The poses of a file, each of so many joints.

    Args:
        path: the file.
        joints: J.
        known: what an image may be called -> its id (`image_ids`).

    Raises:
        NodaError: it is no such list, or an entry is none (it is named), or no image of it is known.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise NodaError(f"{path}: not a list of COCO results")
    if is_mmpose(content):
        raise NodaError(f"{path}: MMPose's results on MPII, which need MPII's truth: --truth gt_valid.mat")
    poses, annotations = [], []
    for row, entry in enumerate(content):
        try:
            table = np.array(entry["keypoints"], dtype=np.float64)
            if table.shape != (3 * joints,):
                raise NodaError(f"{path} entry {row}: {len(table) / 3:g} keypoints, but the truth has {joints}")
            image = _identity(entry["image_id"])
            image = image if known is None else known.get(image, image)
            pose = DetectedPose(image, table.reshape(joints, 3), float(entry["score"]))
            if not np.isfinite([*table, pose.score]).all():
                raise NodaError(f"{path} entry {row}: a number that is none; leave the pose out")
            poses.append(pose)
            annotations.append(_identity(entry["annotation_id"]) if "annotation_id" in entry else None)
        except (TypeError, KeyError, ValueError) as error:
            shown = json.dumps(entry)[:80]
            raise NodaError(f"{path} entry {row}: no image_id, keypoints and score in {shown}") from error
    if known is not None and poses and not any(pose.image in known for pose in poses):
        raise NodaError(f"{path}: none of its images is in the truth, {poses[0].image!r} for one: another data set")
    return CocoResults(tuple(poses), tuple(annotations))


def _identity(value: Any) -> ImageId:
    if not isinstance(value, int | str):
        raise TypeError(value)
    return value


def assign(results: CocoResults, truth: Truth, names: Sequence[Ids]) -> Floats:
    """(N, J, 2), 1-based: the joints of the pose that belongs to each person, NaN where there is none.

    Where the file does not say whose a pose is, the pairs on an image that fit best (by OKS) are joined first, each
    pose and each person once. Surplus poses cost nothing here; in AP they do.
    """
    joints = np.full(truth.joints.shape, np.nan)
    row_of = {name.annotation: row for row, name in enumerate(names)}
    poses_on: dict[ImageId, list[DetectedPose]] = defaultdict(list)
    for pose, annotation in zip(results.poses, results.annotations, strict=True):
        row = None if annotation is None else row_of.get(annotation)
        if row is not None and names[row].image == pose.image:
            joints[row] = pose.joints[:, :2] + 1
        else:
            poses_on[pose.image].append(pose)
    rows_on: dict[ImageId, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        if np.isnan(joints[row]).all():
            rows_on[name.image].append(row)
    constants = oks.sigmas(truth.skeleton)
    if constants is None:
        constants = np.full(len(truth.skeleton), UNKNOWN_SIGMA)
    for image, poses in poses_on.items():
        rows = rows_on[image]
        fits = [[oks.of_pose(pose.joints[:, :2] + 1, row, truth, constants) for row in rows] for pose in poses]
        for number, row in best_pairs(np.array(fits).reshape(len(poses), len(rows))):
            joints[rows[row]] = poses[number].joints[:, :2] + 1
    return joints


def ignored_in(path: Path, names: Sequence[Ids]) -> list[Mapping[str, Any]]:
    """Annotations of a COCO file on these people's images that nobody has to find: crowds, people without keypoints.

    Only those of the people's own categories: a dog is no place where a false pose is forgiven.
    """
    return [
        annotation
        for annotation in annotations_of(path, names)
        if annotation.get("iscrowd") or not any((annotation.get("keypoints") or ())[2::3])
    ]
