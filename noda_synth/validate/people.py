"""People who are not where their image is, or not as large as their scale says."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.geometry import HEAD_SIZE_PER_SEGMENT, far_outside, head_size, inside, joint_box
from noda_synth.data.skeleton import Skeleton
from noda_synth.formats.scales import spread_of
from noda_synth.validate.entries import Entries, Entry
from noda_synth.validate.findings import Finding
from noda_synth.validate.pictures import Sizes
from noda_synth.validate.records import names, without_coordinates

SCALE_BY_HEAD, SCALE_BY_BOX = 2.5, 4.0
"""A scale is an outlier if its ratio to the head size, or without a head to the joint box, is off the data set's median
ratio by more than this factor; and by more than DEVIATIONS robust standard deviations (1.4826 MAD of the logarithm)."""
DEVIATIONS = 6.0

CENTER_OFF = 0.25
"""A center is far off if it lies farther outside the joint box than this share of the person's height (200 x scale)."""

NEAR, NEAR_JOINTS = 0.04, 6
"""Two people on an image are nearly the same if half of at least NEAR_JOINTS joints of both lie closer together than
this share of the diagonal of the smaller joint box."""


def check_positions(entries: Iterable[Entry], sizes: Sizes, skeleton: Skeleton) -> Iterator[Finding]:
    """Joints outside their image, centers off their person. `sizes`: of the images, where known."""
    for entry in entries:
        person = entry.person
        size = sizes.get((entry.part, person.image))
        if size is not None and person.labelled.any():
            far = far_outside(person, size)
            near = person.labelled & ~inside(person.joints, size) & ~far
            for kind, joints in (("joint-far-outside", far), ("joint-outside", near)):
                joints &= ~without_coordinates(person)
                if joints.any():
                    points = "; ".join(f"{x:.0f}, {y:.0f}" for x, y in person.joints[joints])
                    frame = f"the image has {size[0]} x {size[1]} pixels"
                    yield entry.finding(kind, f"{names(joints, skeleton)} at ({points}); {frame}")
        if person.center is not None and person.scale is not None and person.labelled.sum() >= 2:
            box = joint_box(person.joints[person.labelled])
            beyond = np.maximum(np.maximum(box[:2] - person.center, person.center - box[2:]), 0)
            off = float(np.hypot(*beyond)) / (200 * person.scale)
            if off > CENTER_OFF:
                x, y = person.center
                what = f"({x:.0f}, {y:.0f}) is {off:.2f} of the person's height outside the box of the joints"
                yield entry.finding("center-off", what)


def check_scale_outliers(entries: Iterable[Entry], skeleton: Skeleton) -> Iterator[Finding]:
    """Scales that are outliers against head size or joint box."""
    values = (ratio for entry in entries for ratio in _ratios(entry, skeleton))
    ratios = np.fromiter(values, np.float64).reshape(-1, 2)
    heads, boxes = _outliers(ratios[:, 0], SCALE_BY_HEAD), _outliers(ratios[:, 1], SCALE_BY_BOX)
    for entry, by_head, by_box in zip(entries, heads, boxes, strict=True):
        for off, measure in ((by_head, "head size"), (by_box, "diagonal of the joint box")):
            if off:
                much = f"{off:.1f} times what" if off > 1 else f"1 / {1 / off:.1f} of what"
                what = f"scale {entry.person.scale:.3g} is {much} its {measure} has with others of this data set"
                yield entry.finding("scale-outlier", what)


def check_twice(entries: Entries) -> Iterator[Finding]:
    """People who stand nearly at the same place of an image; those with the very same joints are known already."""
    last: dict[str, int] = {}
    before = array("q")  # of each entry the one before it on its image, or -1
    for number, entry in enumerate(entries):
        person = entry.person
        before.append(-1)
        if person.duplicate or person.labelled.sum() < NEAR_JOINTS:
            continue
        image = f"{entry.part}/{person.image}"
        before[number] = last.get(image, -1)
        last[image] = number
        for other in reversed(list(_back(number, before))):
            one = entries.by_index(other)
            where, joints = one.where, one.person.joints
            apart = np.hypot(*(person.joints - joints).T)
            apart = apart[np.isfinite(apart)]
            if len(apart) >= NEAR_JOINTS and np.median(apart) < NEAR * min(_diagonal(person.joints), _diagonal(joints)):
                what = f"half of the joints lie within {np.median(apart):.1f} px of {where}"
                yield entry.finding("near-duplicate", what)


def _back(number: int, before: Sequence[int]) -> Iterator[int]:
    while (number := before[number]) >= 0:
        yield number


def _outliers(ratios: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """How many times the median each ratio is, where that is beyond the limits; 0 for the others, and for NaN."""
    off = np.zeros(len(ratios))
    known = np.isfinite(ratios)
    if known.any():
        logs = np.log(ratios[known])
        limit = max(math.log(factor), DEVIATIONS * spread_of(logs))
        logs -= np.median(logs)
        off[known] = np.where(np.abs(logs) > limit, np.exp(logs), 0)
    return off


def _ratios(entry: Entry, skeleton: Skeleton) -> tuple[float, float]:
    """A person's height by the scale over head size, or where there is none over the joint box; NaN for the other."""
    by_head = _by_head(entry, skeleton) or math.nan
    return by_head, (_by_box(entry) or math.nan) if math.isnan(by_head) else math.nan


def _diagonal(joints: NDArray[np.float64]) -> float:
    """Of the box of the joints that are labelled, which are not NaN."""
    box = joint_box(joints[~np.isnan(joints[:, 0])])
    return math.hypot(*(box[2:] - box[:2]))


def _by_head(entry: Entry, skeleton: Skeleton) -> float:
    """Person height by the scale over head size; 0 where the one or the other is not known."""
    person = entry.person
    if person.scale is None:
        return 0.0
    size = 0.0
    if person.head_box is not None:
        size = head_size(person.head_box)
    elif "head_top" in skeleton.index and "upper_neck" in skeleton.index:
        top, neck = (person.joints[skeleton.index[joint]] for joint in ("head_top", "upper_neck"))
        length = math.hypot(*(top - neck))
        size = HEAD_SIZE_PER_SEGMENT * length if math.isfinite(length) else 0.0
    return 200 * person.scale / size if size >= 1 else 0.0


def _by_box(entry: Entry) -> float:
    person = entry.person
    if person.scale is None or person.labelled.sum() < NEAR_JOINTS:
        return 0.0
    return 200 * person.scale / max(_diagonal(person.joints), 1.0)
