"""The data set as values: images, the people on them, and what is known of every joint.

Inside the program coordinates are pixels, 0-based: the centre of the top-left pixel is (0, 0). The readers and writers
in `noda_synth.formats` convert at the edge of MPII's 1-based files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import Problem
from noda_synth.skeleton import Skeleton

VISIBLE, OCCLUDED, UNKNOWN = 1, 0, -1
"""What is known of a joint. *Unknown* is a state of its own; a joint without label is always unknown."""

BOX_MARGIN = 0.15
"""Added on every side of the joint box, as a share of its longer side, where the input has no box of the person."""


@dataclass(frozen=True, eq=False)
class Person:
    """One annotated person.

    Attributes:
        image: name of the image as in the annotations, relative to the images folder, with forward slashes.
        person_id: unique within the data set and stable from run to run.
        joints: (J, 2) float64, x and y in 0-based pixels; NaN where the joint is not labelled.
        labelled: (J,) bool, the joint has coordinates.
        visible: (J,) int8 of VISIBLE, OCCLUDED or UNKNOWN.
        center: (2,) float64, MPII's `objpos` as it stands in the file less one, or None.
        scale: MPII's scale, person height / 200 px, or None.
        head_box: (4,) float64, x1 y1 x2 y2 in 0-based pixels, or None.
        record: the record as it stood in the file (MPII JSON record or COCO annotation; readers of the .mat make the
            MPII JSON record), so that what is not touched is written back with its very numbers.
        duplicate: the same person stands in the data set before; carried along, but neither covered nor pasted.
    """

    image: str
    person_id: str
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]
    center: NDArray[np.float64] | None = None
    scale: float | None = None
    head_box: NDArray[np.float64] | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    duplicate: bool = False


@dataclass(frozen=True)
class Image:
    """An image as the annotations know it: its name, its size (width, height) if they state it, its video if any."""

    name: str
    size: tuple[int, int] | None = None
    video: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set read from its annotation files.

    Attributes:
        skeleton: the joints.
        images: images of the training part by name, in the order of the file.
        persons: people of the training part, in the order of the file. One who has no labelled joint is no training
            sample, but stands here too, so that scenes stay complete.
        valid: people of the validation part, in the order of its file (the rows of gt_valid.mat); empty if unknown.
        problems: records that could not be used, and what else is worth knowing about the files.
        source: "mpii_json", "mpii_mat" or "coco".
        header: what stands at the top of a COCO file (info, licenses, categories), else empty.
    """

    skeleton: Skeleton
    images: Mapping[str, Image]
    persons: tuple[Person, ...]
    valid: tuple[Person, ...] = ()
    problems: tuple[Problem, ...] = ()
    source: str = "mpii_json"
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def by_image(self) -> dict[str, tuple[Person, ...]]:
        """People of the training part by image name, each in the order of the file; every image has an entry."""
        groups: dict[str, list[Person]] = defaultdict(list)
        for person in self.persons:
            groups[person.image].append(person)
        return {name: tuple(groups[name]) for name in self.images}

    @cached_property
    def samples(self) -> tuple[Person, ...]:
        """The training samples: people with at least one labelled joint."""
        return tuple(person for person in self.persons if person.labelled.any())


def joint_box(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest box around points (N, 2): x1, y1, x2, y2 as (4,) float64."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def padded_box(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """The box around points (N, 2) with a margin for the flesh, cut at the frame of an image of (width, height).

    x1, y1, x2, y2 as (4,) float64, where a pixel reaches from x to x + 1.
    """
    x1, y1, x2, y2 = joint_box(points)
    margin = BOX_MARGIN * max(x2 - x1, y2 - y1)
    limits = (size[0], size[1], size[0], size[1])
    return np.asarray(np.clip([x1 - margin, y1 - margin, x2 + 1 + margin, y2 + 1 + margin], 0, limits))


def inside(joints: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(J,) bool: the joint's pixel, floor(x + 0.5), lies in an image of (width, height). False for NaN."""
    pixel = np.floor(joints + 0.5)
    with np.errstate(invalid="ignore"):
        return np.asarray(((pixel >= 0) & (pixel < np.asarray(size))).all(axis=1))


def far_outside(person: Person, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(J,) bool: labelled joints more than a box diagonal outside the image; these are faults of the annotation.

    The diagonal is that of the box of the person's joints inside the image, or of the image where there is none.
    """
    within = person.labelled & inside(person.joints, size)
    diagonal = float(np.hypot(*size))
    if within.sum() >= 2:
        x1, y1, x2, y2 = joint_box(person.joints[within])
        diagonal = max(float(np.hypot(x2 - x1, y2 - y1)), 1.0)
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(-person.joints, person.joints - (np.asarray(size) - 1)).max(axis=1)
        return np.asarray(person.labelled & (beyond > diagonal))


def far_outside_note(person: Person, skeleton: Skeleton, size: tuple[int, int], stage: str) -> Problem | None:
    """A note on joints that `usable_joints` leaves out, if there are any."""
    joints = [skeleton.joints[joint] for joint in np.flatnonzero(far_outside(person, size))]
    if not joints:
        return None
    reason = f"{', '.join(joints)}: farther outside the image than the body is large; ignored, written back unchanged"
    return Problem(stage, f"person {person.person_id}", reason, failed=False)


def usable_joints(person: Person, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(J,) bool: joints that masks and placement may rely on: labelled, and not far outside the image."""
    return person.labelled & ~far_outside(person, size)
