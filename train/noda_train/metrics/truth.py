"""What predictions are measured against, and its two makers: for PCKh on MPII, and for PCK, OKS and AP on sets in
COCO's form.

Of MPII's 16 joints, pelvis and thorax do not count. "Mean@0.1" as published by Simple Baselines and HRNet is
the value at 0.11: both are computed and carry their own name.

PCK takes the longer side of the person's box as its unit (Yang and Ramanan, Articulated Human Detection with Flexible
Mixtures of Parts, TPAMI 2013). Their thresholds are 0.1 for whole bodies (PARSE) and 0.2 for upper bodies (Buffy); 0.2
is what is printed most on sets with boxes. All joints count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import UNKNOWN, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.geometry import HEAD_SIZE_PER_DIAGONAL, HEAD_SIZE_PER_SEGMENT
from noda_synth.data.skeleton import MPII, Skeleton
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.detect import is_kind
from noda_synth.formats.layout import people_beside, truth_beside
from noda_synth.formats.mpii.gt_valid import GtValid, belongs, read_gt_valid
from noda_synth.formats.mpii.records import PersonIds, read_persons
from noda_train.arrays import Bools, Floats
from noda_train.data import Samples, behind_pasted
from noda_train.metrics.files import read_arrays
from noda_train.metrics.hiding import neighbours_by_joints, neighbours_in, where_others_are

SUBSETS = ("all", "visible", "occluded")
FURTHER = {
    "visible_near": "visible, somebody near",
    "visible_apart": "visible, nobody near",
    "occluded_by_person": "occluded by a person",
    "occluded_otherwise": "occluded otherwise",
}
"""Parts of the visible and of the occluded joints: name -> which they are (`hiding.py`)."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of N persons, and how predictions are measured by it.

    Attributes:
        metric: "PCKh" or "PCK".
        thresholds: those that are reported, in units.
        followed: the threshold that a training is judged by.
        skeleton: the J joints.
        groups: column of the tables -> its joints, 0-based.
        counted: (J,) bool, the joints that count.
        joints: (N, J, 2) float64 pixels, in the same base as the predictions (1-based, as MPII's files).
        labelled: (N, J) bool.
        unit: (N,) float64 pixels, what distances are measured in: the head size, or the longer side of the box.
        visible: (N, J) int8, 1 visible, 0 occluded, -1 unknown; None where nothing is known of visibility.
        why_not: the reason, where `visible` is None.
        box: (N, 4) float64 pixels, x, y, width and height of the person; None for MPII.
        area: (N,) float64 square pixels, of the person's outline; None for MPII, which is not scored by OKS.
        ids: (N) what the persons are called; empty where no file says.
        unjudged: (N,) bool, people with labelled joints whose unit is not known: none of their joints counts.
        lacking: what the unjudged lack.
        notes: what is worth knowing of this truth, such as stand-ins for head sizes.
        hidden_by_other: (N, J) bool, the joint lies inside another annotated person; None where nothing is known.
        near_other: (N, J) bool, it lies inside another annotated person's box; None likewise.
    """

    metric: str
    thresholds: tuple[float, ...]
    followed: float
    skeleton: Skeleton
    groups: Mapping[str, tuple[int, ...]]
    counted: Bools
    joints: Floats
    labelled: Bools
    unit: Floats
    visible: NDArray[np.int8] | None = None
    why_not: str = ""
    box: Floats | None = None
    area: Floats | None = None
    ids: tuple[str, ...] = ()
    unjudged: Bools | None = None
    lacking: str = ""
    notes: tuple[str, ...] = ()
    hidden_by_other: Bools | None = None
    near_other: Bools | None = None

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def followed_name(self) -> str:
        """The number that a training is judged by, such as PCKh@0.5."""
        return f"{self.metric}@{self.followed:g}"

    def account(self) -> dict[str, Any]:
        """Who is judged, ready for JSON: {"persons": n, "judged": m}, and only where there is something to say
        {"not_judged": {"why": "no head box", "persons": [ids, or "row 3" from 0]}, "notes": [..]}."""
        rows = [] if self.unjudged is None else np.flatnonzero(self.unjudged).tolist()
        result: dict[str, Any] = {"persons": len(self), "judged": len(self) - len(rows)}
        if rows:
            names = [self.ids[row] if self.ids else f"row {row}" for row in rows]
            result["not_judged"] = {"why": self.lacking, "persons": names}
        return {**result, "notes": list(self.notes)} if self.notes else result

    @property
    def subsets(self) -> tuple[str, ...]:
        """The names that `subset` takes: those of FURTHER only where visibility and neighbours are known."""
        return (*SUBSETS, *FURTHER) if self.visible is not None and self.near_other is not None else SUBSETS

    def subset(self, name: str) -> Bools:
        """(N, J) bool: the joints that count for "all", "visible", "occluded", or a name of FURTHER."""
        chosen: Bools = self.labelled & self.counted
        kind, _, part = name.partition("_")
        if kind != "all":
            chosen &= False if self.visible is None else self.visible == (1 if kind == "visible" else 0)
        others = self.near_other if kind == "visible" else self.hidden_by_other
        if part and others is not None:
            chosen &= others if part in ("near", "by_person") else ~others
        return chosen


def mpii_truth(
    joints: Floats, labelled: Bools, head_size: Floats, visible: NDArray[np.int8] | None = None, why_not: str = ""
) -> Truth:
    """Truth for PCKh, from head sizes (N,) in pixels and arrays as `Truth` has them.

    A person whose head size is NaN or 0 cannot be judged: its joints count as unlabelled.
    """
    judged = np.isfinite(head_size) & (head_size > 0)
    return Truth(
        metric="PCKh",
        thresholds=(0.5, 0.1, 0.11),
        followed=0.5,
        skeleton=MPII,
        groups=_groups(MPII),
        counted=np.array([joint not in ("pelvis", "thorax") for joint in MPII.joints]),
        joints=joints,
        labelled=labelled & judged[:, None],
        unit=np.where(judged, head_size, 1.0),
        visible=_known(visible),
        why_not=why_not,
        unjudged=labelled.any(axis=1) & ~judged,
        lacking="no head box",
    )


def coco_truth(
    joints: Floats,
    labelled: Bools,
    box: Floats,
    area: Floats,
    skeleton: Skeleton,
    visible: NDArray[np.int8] | None = None,
    why_not: str = "",
) -> Truth:
    """Truth for PCK in box sizes, OKS and AP, from boxes (N, 4), areas (N,) and arrays as `Truth` has them."""
    return Truth(
        metric="PCK",
        thresholds=(0.2, 0.1, 0.05),
        followed=0.1,
        skeleton=skeleton,
        groups=_groups(skeleton),
        counted=np.ones(len(skeleton), bool),
        joints=joints,
        labelled=labelled,
        unit=box[:, 2:].max(axis=1),
        visible=_known(visible),
        why_not=why_not,
        box=box,
        area=area,
    )


def truth_of(samples: Samples, file: Path | None = None) -> Truth:
    """The persons' own annotations as truth, 1-based: PCKh's for MPII's joints, else that of a set with boxes.

    Who else is on the images stands in `file`, a COCO file; without it the persons are each other's neighbours.
    """
    truth = _truth_of(samples)
    if file is None:
        return with_neighbours(truth, [str(name.image) for name in samples.names], samples.behind_pasted)
    everybody = neighbours_in(file, samples.names)
    images, ids = [name.image for name in samples.names], [name.annotation for name in samples.names]
    hidden, near = where_others_are(truth.joints, images, ids, everybody)
    return replace(truth, hidden_by_other=hidden | samples.behind_pasted, near_other=near)


def with_neighbours(truth: Truth, images: Sequence[str], behind_pasted: Bools | None = None) -> Truth:
    """The truth with who is near whom, from the image (N) of each person, their joints, and the joints (N, J) bool that
    a pasted person covers, whom no list of MPII's form has."""
    rows = [str(row) for row in range(len(truth))]
    everybody = neighbours_by_joints(images, rows, truth.joints, truth.labelled)
    hidden, near = where_others_are(truth.joints, images, rows, everybody)
    return replace(truth, hidden_by_other=hidden if behind_pasted is None else hidden | behind_pasted, near_other=near)


def _truth_of(samples: Samples) -> Truth:
    joints, visible, why_not = samples.joints + 1, samples.visible, "the annotations have no visibility"
    if samples.skeleton.joints == MPII.joints:
        truth = mpii_truth(joints, samples.labelled, samples.head_size, visible, why_not)
        # The numbers tell a stand-in: a box's diagonal has this very size by chance only.
        estimated = np.isclose(samples.head_size, _stand_in_sizes(joints, samples.labelled), rtol=1e-9, atol=0)
        return replace(_with_stand_ins(truth, estimated, "the annotations have"), ids=samples.ids)
    box, area = samples.person_box, samples.area
    truth = coco_truth(joints, samples.labelled, box, area, samples.skeleton, visible, why_not)
    return replace(truth, ids=samples.ids)


def read_truth(path: Path, visible: Path | None = None) -> Truth:
    """Truth from gt_valid.mat or from an MPII valid.json, in 1-based pixels as both files have it.

    The gt_valid.mat of the same people that lies beside a valid.json is the truth for it, since JSON has no head boxes;
    without one the head size is the usual stand-in. Either is said in the notes. The valid.json beside a gt_valid.mat
    says what its people are called. Visibility comes from `visible` (a file of `read_visibility`), else from the
    truth's own `jnt_visible` or `joints_visible`. Corrupt coordinates of MPII's file (0 although labelled) are kept:
    published numbers need them.

    Raises:
        NodaError: a file cannot be read, or a record of it; the message names both.
    """
    truth = _truth_from_json(path) if path.suffix == ".json" else _truth_from_mat(path)
    if visible is None:
        return truth
    flags = read_visibility(visible)
    if flags.shape != truth.labelled.shape:
        raise NodaError(f"{visible}: visibility of shape {flags.shape}, but {path} has {truth.labelled.shape}")
    return replace(truth, visible=_where_labelled(truth.labelled, flags), why_not="")


def read_visibility(path: Path) -> NDArray[np.int8]:
    """(N, 16) int8 of 1, 0, -1: `visible` of HDF5, `jnt_visible` of a .mat, `joints_visible` of a valid.json."""
    if path.suffix == ".json":
        known = _known(np.array([person.visible for person in read_everyone(path)]))
        if known is None:
            raise NodaError(f"{path}: no record has joints_visible; `noda-synth convert` adds it from the .mat")
        return known
    if is_kind(path, "gt_valid") and (flags := read_gt_valid(path).visible) is not None:
        return flags
    arrays = read_arrays(path, "visible", "jnt_visible")
    if "visible" in arrays:
        return arrays["visible"].astype(np.int8)
    if "jnt_visible" in arrays:
        return arrays["jnt_visible"].T.astype(np.int8)
    raise NodaError(f"{path}: neither `visible` (N, 16) nor `jnt_visible` (16, N) in this file")


def read_everyone(path: Path) -> list[Person]:
    """The persons of an MPII JSON file, one per record. NodaError that names the first record that cannot be used."""
    problems: DiskList[Problem] = DiskList()
    people = [person for person in read_persons(path, problems) if person is not None]
    if problems:
        record = problems[0].item.removeprefix(f"{path.name} ")
        raise NodaError(f"{path}: {record}: {problems[0].reason}")
    return people


def _groups(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Column -> the joints of it that the skeleton has, 0-based; columns without any are left out."""
    columns = {
        name: tuple(skeleton.index[joint] for joint in joints if joint in skeleton.index)
        for name, joints in skeleton.groups.items()
    }
    return {name: joints for name, joints in columns.items() if joints}


def _truth_from_mat(path: Path) -> Truth:
    content = read_gt_valid(path)
    truth = _truth_of_content(content, path)
    beside = people_beside(path)
    if beside is None:
        return truth
    try:
        people = read_everyone(beside)
    except NodaError:  # it was not asked for: its faults are not those of the truth
        return truth
    return _named(truth, people) if belongs(content, people) else truth


def _truth_of_content(content: GtValid, path: Path) -> Truth:
    if content.head_boxes is None:
        raise NodaError(f"{path}: no headboxes_src in this file; it should be MPII's gt_valid.mat")
    boxes, labelled = content.head_boxes, ~content.missing
    if len(lost := np.argwhere(labelled & ~np.isfinite(content.joints).all(axis=2))):
        row, joint = lost[0].tolist()
        raise NodaError(
            f"{path}: row {row}: {MPII.joints[joint]} is labelled, but pos_gt_src has no coordinates for it"
            f" ({len(lost)} joints in all); correct them, or mark these joints in jnt_missing"
        )
    sizes = HEAD_SIZE_PER_DIAGONAL * np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    visible = None if content.visible is None else _where_labelled(labelled, content.visible)
    return mpii_truth(content.joints, labelled, sizes, visible, f"{path.name} has no visibility")


def _truth_from_json(path: Path) -> Truth:
    people = read_everyone(path)
    beside = truth_beside(path)
    content = read_gt_valid(beside) if beside else None
    if beside is None or content is None or content.head_boxes is None:
        return _truth_of_people(path, people)
    if not belongs(content, people):
        truth = _truth_of_people(path, people)
        return replace(truth, notes=(*truth.notes, f"{beside.name} beside it is of other people: not used"))
    truth = _truth_of_content(content, beside)
    if truth.visible is None:
        visible = _where_labelled(truth.labelled, np.array([person.visible for person in people]))
        why_not = f"neither {path.name} nor {beside.name} has visibility"
        truth = replace(truth, visible=_known(visible), why_not=why_not)
    return replace(_named(truth, people), notes=(f"joints and head boxes of {beside.name} beside {path.name}",))


def _truth_of_people(path: Path, people: list[Person]) -> Truth:
    joints = np.array([person.record["joints"] for person in people], np.float64)
    labelled = np.array([person.labelled for person in people])
    visible = np.array([person.visible for person in people])
    sizes = _stand_in_sizes(joints, labelled)
    truth = mpii_truth(joints, labelled, sizes, visible, f"{path.name} has no visibility")
    return _named(_with_stand_ins(truth, np.isfinite(sizes), f"{path.name} has"), people)


def _stand_in_sizes(joints: Floats, labelled: Bools) -> Floats:
    """(N,) head sizes from head top and upper neck of (N, 16, 2) joints; NaN where one of them is missing."""
    top, neck = MPII.index["head_top"], MPII.index["upper_neck"]
    lengths = np.sqrt(((joints[:, top] - joints[:, neck]) ** 2).sum(axis=1))
    return np.where(labelled[:, top] & labelled[:, neck], HEAD_SIZE_PER_SEGMENT * lengths, np.nan)


def _with_stand_ins(truth: Truth, estimated: Bools, who_has: str) -> Truth:
    """The truth with a note on the people (N,) bool whose head size is a stand-in, where there are any."""
    if not estimated.any():
        return truth
    everyone = estimated.sum() + (0 if truth.unjudged is None else truth.unjudged.sum()) == len(estimated)
    note = (
        f"head sizes{'' if everyone else f' of {estimated.sum()} persons'} from neck and head top"
        f" ({HEAD_SIZE_PER_SEGMENT} x their distance), since {who_has} no head boxes{'' if everyone else ' for them'}"
    )
    return replace(truth, notes=(note,), lacking="neither a head box nor both neck and head top")


def _named(truth: Truth, people: list[Person]) -> Truth:
    """The truth with what its people are called, and who is near whom."""
    ids = PersonIds()
    names = tuple(ids.with_id(person).person_id for person in people)
    pasted = np.array([behind_pasted(person, truth.skeleton) for person in people]).reshape(truth.labelled.shape)
    return replace(with_neighbours(truth, [person.image for person in people], pasted), ids=names)


def _where_labelled(labelled: Bools, visible: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.where(labelled, visible, UNKNOWN).astype(np.int8)


def _known(visible: NDArray[np.int8] | None) -> NDArray[np.int8] | None:
    """The visibility (N, J), None where nothing is known of anybody's."""
    return visible if visible is not None and (visible >= 0).any() else None
