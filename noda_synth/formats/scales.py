"""Scales that are not people's sizes: found by comparison with the joints, and measured from these instead.

MPII's scale is the standing height over 200 px. People write a constant for it, or what a loader has enlarged already
(hourglass files hold 1.25 times the scale); every crop of a training and every pasted body then has the wrong size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, People, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError, Problem

STAGE = "scale"
"""Of the notes on scales."""
_BODY_SIZE = 57.0
"""Pixels of body size S (`noda_synth.data.pose`) at scale 1: the median of 269 validation people of MPII, half of
whom lie within 9 % of it. It makes S 0.285 of the height."""
_LEAST = 0.01
_DECIMALS = 6

PEOPLE, JOINTS, LOOKED_AT = 10, 6, 400
"""Told are lists of so many people with so many labelled joints; of more than `LOOKED_AT`, so many are looked at."""
FACTOR, ERRORS = 1.15, 2.0
"""Scales are off as a whole if their median ratio to what the joints measure is beyond this factor by more than so many
standard errors. (MPII 1.0, drawn people 1.1, hourglass files 1.25.)"""
SIZES, EXPLAINED = 0.15, 0.9
"""Scales say nothing of people's sizes if these are spread by more than the first (1.4826 MAD of the logarithm), and
their ratios to the scales nearly as widely (MPII: sizes 0.43, ratios 0.12)."""


def measured_scale(person: Person, skeleton: Skeleton) -> float:
    """MPII's scale by the person's joints, of which one at least is labelled."""
    size = Pose(skeleton, person.joints, person.labelled, person.visible).size
    return round(max(size / _BODY_SIZE, _LEAST), _DECIMALS)


def check_scales(people: Sequence[Person], skeleton: Skeleton, file: str) -> Problem | None:
    """A note if the scales of a list are not those of its people."""
    rows = np.unique(np.linspace(0, len(people) - 1, min(len(people), LOOKED_AT)).astype(int))
    pairs = [
        (person.scale, measured_scale(person, skeleton))
        for person in (people[int(row)] for row in rows)
        if person.scale is not None and person.labelled.sum() >= JOINTS
    ]
    if len(pairs) < PEOPLE:
        return None
    stated, measured = np.array(pairs).T
    what = _fault(stated, measured)
    way_out = "--scale from-joints of build-pool, render, benchmark and convert measures them"
    return Problem(STAGE, file, f"{what}; {way_out}", failed=False) if what else None


def with_measured_scales(dataset: Dataset) -> Dataset:
    """The data set with everyone's scale measured from the joints; their records, which say so, are written with it.

    Raises:
        NodaError: it is in COCO's form, which goes by boxes.
    """
    if dataset.source == "coco":
        raise NodaError(
            "--scale from-joints is for MPII's formats, whose records state scales; COCO and YOLO-pose go by boxes."
        )
    everyone = len(dataset.persons) + len(dataset.valid)
    note = Problem("read", "scales", f"those of all {everyone} people are measured from their joints", failed=False)
    others = (problem for problem in dataset.problems if problem.stage != STAGE)
    return replace(
        dataset,
        persons=People(_measured(dataset.persons, dataset.skeleton)),
        valid=People(_measured(dataset.valid, dataset.skeleton)),
        problems=DiskList(chain([note], others)),
    )


def _measured(people: People, skeleton: Skeleton) -> Iterator[Person]:
    for person in people:
        if not person.labelled.any():
            yield person
            continue
        scale = measured_scale(person, skeleton)
        estimated = [name for name in person.record.get("estimated", ()) if name != "scale"]
        record = {**person.record, "scale": scale, "estimated": ["scale", *estimated]}
        yield replace(person, scale=scale, record=record)


def _fault(stated: NDArray[np.float64], measured: NDArray[np.float64]) -> str:
    """What is wrong with scales (N,), given those by the joints (N,); "" if nothing is."""
    count, ratios = len(stated), np.log(stated / measured)
    spread, sizes = spread_of(ratios), spread_of(np.log(measured))
    low, middle, high = np.exp(np.percentile(ratios, [5, 50, 95]))
    if sizes > SIZES and spread > EXPLAINED * sizes:
        what = f"is {stated[0]:g} for all" if (stated == stated[0]).all() else "does not go with the size"
        return f"the scale {what} of {count} people, {low:.2f} to {high:.2f} times what their joints measure"
    if abs(math.log(middle)) > math.log(FACTOR) + ERRORS * median_error(spread, count):
        hourglass = " (hourglass lists hold 1.25 times MPII's)" if 1.15 < middle < 1.4 else ""
        return f"the scales of {count} people are {middle:.3g} times what their joints measure{hourglass}"
    return ""


def spread_of(values: NDArray[np.float64]) -> float:
    """The spread of values (N,) that a few wild ones do not move: 1.4826 MAD, the standard deviation of a normal
    distribution."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def median_error(spread: float, count: int) -> float:
    """The standard error of the median of so many values of this spread."""
    return 1.2533 * spread / math.sqrt(count)
