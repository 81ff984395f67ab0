"""Visibility for records that do not have it, from the original .mat: the same image and the same joints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from noda_synth.data.dataset import UNKNOWN, Person

TOLERANCE_PX = 0.5
"""Joints of the same person differ by the rounding of the file they stand in, and by no more."""


def match(persons: Sequence[Person], known: Sequence[Person]) -> Iterator[Person | None]:
    """For each person the one of `known` with the same image, labels and joints; nobody of `known` is given twice."""
    by_image: dict[str, list[int]] = defaultdict(list)
    for index, candidate in enumerate(known):
        by_image[candidate.image].append(index)
    pairs = sorted(
        (distance, row, index)
        for row, person in enumerate(persons)
        for index in by_image.get(person.image, ())
        if (distance := _distance_px(person, known[index])) <= TOLERANCE_PX
    )
    found = np.full(len(persons), -1)
    taken: set[int] = set()
    for _, row, index in pairs:
        if found[row] < 0 and index not in taken:
            found[row] = index
            taken.add(index)
    return (None if index < 0 else known[int(index)] for index in found)


def with_visibility(person: Person, known: Person | None) -> Person:
    """The person with the head box of `known`, and its visibility unless the record states its own."""
    if known is None:
        return person
    visible = person.visible if states_visibility(person) else known.visible
    return replace(person, visible=visible, head_box=known.head_box if person.head_box is None else person.head_box)


def states_visibility(person: Person) -> bool:
    """Whether the person's own record speaks of visibility."""
    return "joints_visible" in person.record


def is_known(person: Person) -> bool:
    """Whether the visibility of at least one joint is known."""
    return bool((person.visible != UNKNOWN).any())


def _distance_px(a: Person, b: Person) -> float:
    """The largest difference of a coordinate; infinite where different joints are labelled, or none."""
    if not a.labelled.any() or (a.labelled != b.labelled).any():
        return np.inf
    return float(np.abs(a.joints - b.joints)[a.labelled].max())
