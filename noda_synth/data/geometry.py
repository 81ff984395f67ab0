"""Where the joints of a person lie: boxes around them, head sizes, and whether they are inside the image.

Points are (N, 2) float64, x and y in 0-based pixels; sizes of images are (width, height).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import Problem

BOX_MARGIN = 0.15
"""Added on every side of the joint box, as a share of its longer side, where the input has no box of the person."""

HEAD_SIZE_PER_DIAGONAL, HEAD_SIZE_PER_SEGMENT = 0.6, 0.75
"""MPII's head size over the diagonal of the head box; and the usual stand-in where no head box is known, over the
distance from head top to upper neck (validation set: 0.7504)."""


def head_size(head_box: NDArray[np.float64]) -> float:
    """MPII's head size in pixels, from a head box (4,) of x1, y1, x2, y2."""
    return HEAD_SIZE_PER_DIAGONAL * float(np.hypot(*(head_box[2:] - head_box[:2])))


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


def stated_box(record: Mapping[str, Any]) -> Sequence[float] | None:
    """The box x, y, width, height of a COCO annotation; None where there is none, or one of no size."""
    box: Sequence[float] | None = record.get("bbox") if "keypoints" in record else None
    return box if box and box[2] > 0 and box[3] > 0 else None


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
    joints = skeleton.named(far_outside(person, size))
    if not joints:
        return None
    reason = f"{', '.join(joints)}: farther outside the image than the body is large; ignored, written back unchanged"
    return Problem(stage, f"person {person.person_id}", reason, failed=False)


def usable_joints(person: Person, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(J,) bool: joints that masks and placement may rely on: labelled, and not far outside the image."""
    return person.labelled & ~far_outside(person, size)
