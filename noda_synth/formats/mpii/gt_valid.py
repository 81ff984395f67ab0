"""`gt_valid.mat`, the truth that evaluators read: joints, missing joints, head boxes, and our extra `jnt_visible`.

Rows stand in the order of `valid.json`; numbers are 1-based pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, Person
from noda_synth.data.geometry import HEAD_SIZE_PER_DIAGONAL, HEAD_SIZE_PER_SEGMENT
from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.atomic import copy_file
from noda_synth.formats.files.matlab import is_hdf5_mat, load_mat, save_mat
from noda_synth.formats.mpii.records import ESTIMATED_SCALE_FROM_HEAD, mpii_record, one_based
from noda_synth.formats.mpii.visibility import is_known

_LEGS, _TRUNK = ("rank", "rkne", "rhip", "lhip", "lkne", "lank"), ("pelv", "thor", "neck", "head")
_JOINT_NAMES = (*_LEGS, *_TRUNK, "rwri", "relb", "rsho", "lsho", "lelb", "lwri")

SAME_PLACE, SAME_SHARE = 1.5, 0.9
"""Rows are people's own where this share of their joints lies within so many pixels: files are 1-based or 0-based, and
rounded."""


@dataclass(frozen=True, eq=False)
class GtValid:
    """What stands in a gt_valid.mat of N persons. Pixels are 1-based, as in the file.

    Attributes:
        joints: (N, 16, 2) float64, as they stand there: also of joints that are missing, or labelled but wrong.
        missing: (N, 16) bool.
        head_boxes: (N, 4) float64, x1 y1 x2 y2, or None where the file does not have `headboxes_src`.
        visible: (N, 16) int8 of 1, 0, -1, or None where the file does not have `jnt_visible`.
    """

    joints: NDArray[np.float64]
    missing: NDArray[np.bool_]
    head_boxes: NDArray[np.float64] | None
    visible: NDArray[np.int8] | None

    def __len__(self) -> int:
        return len(self.joints)


def read_gt_valid(path: Path) -> GtValid:
    """Read a gt_valid.mat. NodaError if the file is none, is damaged, or its arrays do not fit together."""
    content = load_mat(path)
    if not {"jnt_missing", "pos_gt_src"} <= set(content):
        raise NodaError("no gt_valid.mat: jnt_missing and pos_gt_src are expected.", path)
    rows = content["jnt_missing"].shape[-1]
    shapes = {
        "jnt_missing": (len(MPII), rows),
        "pos_gt_src": (len(MPII), 2, rows),
        "headboxes_src": (2, 2, rows),  # corner, then x and y
        "jnt_visible": (len(MPII), rows),
    }
    for name, shape in shapes.items():
        if name in content and (*content[name].shape, 1) == shape:  # MATLAB drops a last axis of one
            content[name] = content[name][..., np.newaxis]
        if name in content and (content[name].shape != shape or content[name].dtype.kind not in "biuf"):
            found = f"{content[name].dtype} {content[name].shape}"
            raise NodaError(f"{name} holds {found}, where numbers {shape} are expected.", path)
    boxes, visible = content.get("headboxes_src"), content.get("jnt_visible")
    return GtValid(
        content["pos_gt_src"].transpose(2, 0, 1).astype(np.float64),
        content["jnt_missing"].T != 0,
        None if boxes is None else boxes.astype(np.float64).transpose(2, 0, 1).reshape(rows, 4),
        None if visible is None else visible.astype(np.int8).T,
    )


def belongs(truth: GtValid, persons: Sequence[Person]) -> bool:
    """Whether the rows of a truth are these people in this order: as many, with nearly all joints at the same place.

    Nearly: MPII's own file has some joints at (0, 0) that are labelled.
    """
    if len(truth) != len(persons):
        return False
    joints = np.array([person.joints for person in persons]).reshape(-1, len(MPII), 2) + 1
    both = ~truth.missing & np.array([person.labelled for person in persons]).reshape(-1, len(MPII))
    with np.errstate(invalid="ignore"):
        near = np.abs(joints - truth.joints).max(axis=2) <= SAME_PLACE
    return bool(near[both].mean() >= SAME_SHARE) if both.any() else True


def write_gt_valid(path: Path, persons: Sequence[Person]) -> list[Problem]:
    """Write gt_valid.mat with one row per person, in their order.

    A missing joint stands as (0, 0). Where no head box is known it is the square around the middle of head top and
    upper neck with the diagonal that makes 0.6 x diagonal = 0.75 x |head top - upper neck|; without these joints the
    square of the head size that belongs to the person's scale, above the middle of the joint box.

    Returns:
        One note for the persons whose head box was estimated.
    """
    missing = np.zeros((len(persons), 16), np.uint8)
    joints = np.zeros((len(persons), 16, 2))
    boxes = np.zeros((len(persons), 2, 2))
    estimated = 0
    for row, person in enumerate(persons):
        record = mpii_record(person)
        missing[row] = [1 - known for known in record["joints_vis"]]
        joints[row] = record["joints"]
        boxes[row] = one_based(_head_box(person)).reshape(2, 2)
        estimated += person.head_box is None and bool(person.labelled.any())
    joints[missing > 0] = 0.0
    values = {
        "dataset_joints": _joint_names(),
        "jnt_missing": missing.T,
        "pos_gt_src": joints.transpose(1, 2, 0),
        "headboxes_src": boxes.transpose(1, 2, 0),
        "jnt_visible": visible_rows(persons),
    }
    save_mat(path, values)
    reason = (
        f"{estimated} head boxes estimated: from head top and upper neck, or where these are missing from the scale"
    )
    return [Problem("write", path.name, reason, failed=False)] if estimated else []


def copy_truth(source: Path, path: Path, persons: Sequence[Person | None] | None = None) -> None:
    """Write `source` again: a copy to the byte, or if the persons of its rows are given with `jnt_visible` and all else
    as it is; unknown for rows that are None. MATLAB's version 7.3, which loaders by scipy cannot read, becomes 5."""
    newer = is_hdf5_mat(source)
    if persons is None and not newer:
        copy_file(source, path)
        return
    names = {"dataset_joints": _joint_names()} if newer else {}  # text, of which version 7.3 keeps references only
    added = {} if persons is None else {"jnt_visible": visible_rows(persons)}
    save_mat(path, {**names, **load_mat(source), **added})


def _joint_names() -> NDArray[np.object_]:
    names = np.empty((1, len(MPII)), object)
    names[0, :] = _JOINT_NAMES
    return names


def visible_rows(persons: Iterable[Person | None]) -> NDArray[np.uint8] | NDArray[np.int8]:
    """`jnt_visible`, (16, N): 1 visible, 0 occluded or missing, -1 unknown; unsigned where nothing is unknown."""
    rows = np.frombuffer(b"".join(_visible_row(person).tobytes() for person in persons), np.int8)
    table = rows.reshape(-1, len(MPII)).T
    return table if (table < 0).any() else table.astype(np.uint8)


def anyone_known(persons: Iterable[Person]) -> bool:
    """Whether there is any visibility to write."""
    return any(is_known(person) for person in persons)


def _visible_row(person: Person | None) -> NDArray[np.int8]:
    if person is None:
        return np.full(len(MPII), UNKNOWN, np.int8)
    return np.where(person.labelled, person.visible, OCCLUDED).astype(np.int8)


def _head_box(person: Person) -> NDArray[np.float64]:
    """(4,) x1 y1 x2 y2, 0-based: the person's, else estimated; of no size for a person without any joint."""
    if person.head_box is not None:
        return person.head_box
    if not person.labelled.any():
        return np.zeros(4)
    top, neck = person.joints[MPII.index["head_top"]], person.joints[MPII.index["upper_neck"]]
    if not np.isnan([top, neck]).any() and (top != neck).any():
        middle, size = (top + neck) / 2, HEAD_SIZE_PER_SEGMENT * float(np.hypot(*(top - neck)))
    else:
        points = person.joints[person.labelled]
        size = float(mpii_record(person)["scale"]) / ESTIMATED_SCALE_FROM_HEAD
        middle = np.array([(points[:, 0].min() + points[:, 0].max()) / 2, points[:, 1].min()])
    half_side = size / HEAD_SIZE_PER_DIAGONAL / np.sqrt(2) / 2
    return np.concatenate([middle - half_side, middle + half_side])
