"""How much lower the nearer of two people stands in a data set's own pictures, for `--place ground` to draw from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.geometry import joint_box
from noda_synth.data.pose import Pose
from noda_synth.data.stance import ANKLES, stance_of, standing
from noda_synth.methods.ground import SHARES

LEAST_PAIRS = 100
"""With fewer pairs the figures that are shipped are better."""


def with_measured_drops(settings: Any, dataset: Dataset) -> Any:
    """Settings of a method; those of the ground get the data set's height differences, unless they state some.

    Measured once and part of the settings: a set that goes on, or is replayed, is not measured again.
    """
    if getattr(settings, "place", "") != "ground" or settings.drops is not None:
        return settings
    return replace(settings, drops=measured_drops(dataset))


def measured_drops(dataset: Dataset) -> tuple[float, ...] | None:
    """Quantiles of the height difference, in S, at the shares `ground.SHARES`; None for too few pairs."""
    drops = list(_drops(dataset))
    if len(drops) < LEAST_PAIRS:
        return None
    return tuple(round(float(value), 3) for value in np.quantile(drops, SHARES))


def _drops(dataset: Dataset) -> Iterator[float]:
    """Of all two training people of a picture who stand within the paper's ring of the farther one."""
    by_image: dict[str, list[Person]] = {}
    for person in dataset.samples:
        if not person.duplicate:
            by_image.setdefault(person.image, []).append(person)
    for people in by_image.values():
        if len(people) < 2:
            continue
        poses = [Pose(dataset.skeleton, p.joints, p.labelled, p.visible) for p in people]
        poses = [pose for pose in poses if pose.has(*ANKLES)]
        stances = [stance_of(pose).as_array() for pose in poses]
        boxes = [joint_box(pose.joints[pose.labelled]) for pose in poses]
        stand = [bool(standing(stance[None])[0]) for stance in stances]
        for back, box in enumerate(boxes):
            half = float(np.hypot(*(box[2:] - box[:2]))) / 2
            for front, other in enumerate(boxes):
                lower = stances[front][6] - stances[back][6]
                away = float(np.hypot(*((other[:2] + other[2:] - box[:2] - box[2:]) / 2)))
                if front != back and stand[front] and stand[back] and lower > 0 and half / 3 <= away <= half:
                    yield float(lower / stances[back][0])
