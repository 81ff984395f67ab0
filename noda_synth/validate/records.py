"""What in a record contradicts itself: labels without coordinates, visibility without labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.validate.entries import TRAINING, Entry
from noda_synth.validate.findings import Finding


def check_record(entry: Entry, skeleton: Skeleton, source: str) -> Iterator[Finding]:
    """Findings about one record.

    Args:
        entry: the person.
        skeleton: names of the joints.
        source: "coco", or "mpii_json" and "mpii_mat", whose records are MPII's.
    """
    person = entry.person
    if person.duplicate:
        yield entry.finding("duplicate", "has the very joints of a person before")
    if source == "coco":
        yield from _coco(entry, skeleton)
        return
    if not person.labelled.any() and entry.part == TRAINING:
        yield entry.finding("no-joints", "no joint is labelled")
    yield from _mpii(entry, skeleton)


def _mpii(entry: Entry, skeleton: Skeleton) -> Iterator[Finding]:
    person = entry.person
    if (nowhere := without_coordinates(person)).any():
        yield entry.finding("no-coordinates", f"{names(nowhere, skeleton)}: joints_vis is 1 at (0, 0) or (-1, -1)")
    if "joints_visible" in person.record:
        stated = np.asarray(person.record["joints_visible"])
        wrong = ~person.labelled & (stated != -1)
        if wrong.any():
            yield entry.finding(
                "visibility", f"{names(wrong, skeleton)}: joints_visible is 0 or 1 where joints_vis is 0"
            )
    if person.scale is None:
        yield entry.finding("no-scale", f"scale is {person.record.get('scale', 'not there')}")
    if person.center is None:
        yield entry.finding("no-center", f"center is {person.record.get('center', 'not there')}")


def _coco(entry: Entry, skeleton: Skeleton) -> Iterator[Finding]:
    person = entry.person
    table = np.asarray(person.record["keypoints"], np.float64).reshape(-1, 3)
    at_zero = (table[:, :2] == 0).all(axis=1)
    if (nowhere := without_coordinates(person)).any():
        yield entry.finding("no-coordinates", f"{names(nowhere, skeleton)}: v is 1 or 2 at (0, 0)")
    if (wrong := ~person.labelled & ~at_zero).any():
        yield entry.finding("visibility", f"{names(wrong, skeleton)}: v is 0, but there are coordinates")
    box, area = person.record.get("bbox"), person.record.get("area")
    if person.labelled.any() and ((box and min(box[2:]) <= 0) or area == 0):
        yield entry.finding("box", f"bbox {box}, area {area}")
    stated = person.record.get("num_keypoints")
    if stated is not None and stated != int(person.labelled.sum()):
        yield entry.finding("keypoint-count", f"num_keypoints is {stated}, labelled are {int(person.labelled.sum())}")


def without_coordinates(person: Person) -> NDArray[np.bool_]:
    """(J,) bool: labelled, but at (0, 0), which means no coordinates, or (-1, -1) in MPII's 1-based numbers."""
    joints = person.joints if "keypoints" in person.record else person.joints + 1
    nowhere = (joints == 0).all(axis=1)
    if "keypoints" not in person.record:
        nowhere |= (joints == -1).all(axis=1)
    return np.asarray(person.labelled & nowhere)


def names(joints: NDArray[np.bool_], skeleton: Skeleton) -> str:
    """`left_knee, left_ankle`."""
    return ", ".join(skeleton.named(joints))
