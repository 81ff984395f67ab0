"""Training and validation people whose crops lie differently about them.

Trainers cut a crop by center and scale. Where those of training are, say, the exact middles of the joints and those of
validation an annotator's clicks, a network learns that people stand in the middle, and is off where they do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.geometry import joint_box
from noda_synth.formats.scales import median_error, spread_of
from noda_synth.validate.entries import TRAINING, VALIDATION, Entry
from noda_synth.validate.findings import Finding

PEOPLE, JOINTS = 30, 10
"""Parts are compared where both have so many people with so many labelled joints: a bent arm moves a box of few."""
MEDIAN = 0.02
"""Medians that differ by more than this are told, shares of the person's height (200 x scale); for the size of the box
it is 4 times as much, of its logarithm."""
SPREAD = 2.0
"""Spreads (1.4826 MAD) that differ by more than this factor are told, where the larger is above MEDIAN, too."""
ERRORS = 4.0
"""Differences of medians within so many standard errors are chance."""
MEASURES = ("center across", "center down", "size of the joint box")


def check_crops(entries: Iterable[Entry], file: str) -> Iterator[Finding]:
    """One finding where center or scale lie differently about the joints in training and validation.

    `file` is the validation list's name.
    """
    found: dict[str, list[NDArray[np.float64]]] = {TRAINING: [], VALIDATION: []}
    for entry in entries:
        person = entry.person
        if person.center is None or person.scale is None or person.scale <= 0 or person.labelled.sum() < JOINTS:
            continue
        box = joint_box(person.joints[person.labelled])
        height, diagonal = 200 * person.scale, math.hypot(*(box[2:] - box[:2]))
        offset = (person.center - (box[:2] + box[2:]) / 2) / height
        if np.isfinite(offset).all() and diagonal > 0:
            found[entry.part].append(np.array([*offset, math.log(diagonal / height)]))
    if min(map(len, found.values())) < PEOPLE:
        return
    training, validation = (np.array(found[part]) for part in (TRAINING, VALIDATION))
    told = [
        text
        for number, name in enumerate(MEASURES)
        if (text := _difference(name, training[:, number], validation[:, number], MEDIAN * (4 if number == 2 else 1)))
    ]
    if told:
        yield Finding("crops-differ", file, "; ".join(told))


def _difference(name: str, training: NDArray[np.float64], validation: NDArray[np.float64], limit: float) -> str:
    """What differs of a measure; empty if nothing does."""
    middles = [float(np.median(values)) for values in (training, validation)]
    spreads = [spread_of(values) for values in (training, validation)]
    error = math.hypot(median_error(spreads[0], len(training)), median_error(spreads[1], len(validation)))
    apart = abs(middles[0] - middles[1]) > max(limit, ERRORS * error)
    wider = max(spreads) > max(limit, SPREAD * min(spreads))
    if not (apart or wider):
        return ""
    of = "the height" if name.startswith("center") else "its logarithm"
    return (
        f"{name}: median {middles[0]:+.3f} in training, {middles[1]:+.3f} in validation (of {of}), spread"
        f" {spreads[0]:.3f} and {spreads[1]:.3f}"
    )
