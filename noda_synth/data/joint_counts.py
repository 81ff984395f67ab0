"""How many joints of each kind are labelled, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE
from noda_synth.data.skeleton import Skeleton

STATES = {"visible": VISIBLE, "occluded": OCCLUDED, "unknown": UNKNOWN}

_MPII_LABELLED = (2115, 2485, 2889, 2888, 2478, 2119, 2878, 2932, 2932, 2932, 2928, 2935, 2944, 2944, 2932, 2909)
_MPII_VISIBLE = (1589, 1912, 2103, 2103, 1942, 1588, 1620, 1691, 2932, 2932, 2205, 2302, 2306, 2294, 2288, 2190)


@dataclass(frozen=True)
class States:
    """Labelled joints of one kind: how many are visible, occluded, or neither as far as is known."""

    visible: int = 0
    occluded: int = 0
    unknown: int = 0

    @property
    def labelled(self) -> int:
        return self.visible + self.occluded + self.unknown

    @property
    def occluded_share(self) -> float | None:
        """Of the labelled ones; the least it can be where some are unknown. None where nothing is known."""
        return self.occluded / self.labelled if self.visible + self.occluded else None

    def __add__(self, other: States) -> States:
        return States(self.visible + other.visible, self.occluded + other.occluded, self.unknown + other.unknown)


Counts = Mapping[str, States]
"""Joint name, or kind of joint -> what is known of those that are labelled."""

MPII_VALIDATION: dict[int, States] = {
    joint: States(visible, labelled - visible, 0)
    for joint, (labelled, visible) in enumerate(zip(_MPII_LABELLED, _MPII_VISIBLE, strict=True))
}
"""Joint number -> the 2,958 people of MPII's validation set (`is_visible` of the original file)."""


def count_states(people: Iterable[tuple[NDArray[np.bool_], NDArray[np.int8]]], skeleton: Skeleton) -> dict[str, States]:
    """Joint name -> states, from two arrays (J,) of each person: labelled or not, and VISIBLE, OCCLUDED or UNKNOWN."""
    values = np.array(list(STATES.values()), np.int8)[:, None]
    counts = np.zeros((len(STATES), len(skeleton)), np.int64)
    for labelled, visible in people:
        counts += (visible == values) & labelled
    return {
        joint: States(**dict(zip(STATES, counts[:, index].tolist(), strict=True)))
        for index, joint in enumerate(skeleton.joints)
    }


def kind_of(joint: str) -> str:
    """`left_wrist` -> `wrist`."""
    return joint.removeprefix("left_").removeprefix("right_")


def kinds(skeleton: Skeleton) -> tuple[str, ...]:
    """The kinds of joints from head to foot, arms first."""
    order = (
        "head_top", "head", "nose", "eye", "ear", "upper_neck", "neck", "thorax", "shoulder", "elbow", "wrist",
        "pelvis", "hip", "knee", "ankle",
    )  # fmt: skip
    found = list(dict.fromkeys(map(kind_of, skeleton.joints)))
    return tuple(sorted(found, key=lambda kind: order.index(kind) if kind in order else len(order)))


def by_kind(counts: Counts, skeleton: Skeleton) -> dict[str, States]:
    """Left and right together."""
    return {
        kind: total(counts[joint] for joint in skeleton.joints if kind_of(joint) == kind) for kind in kinds(skeleton)
    }


def total(states: Iterable[States]) -> States:
    return sum(states, States())


def mpii_validation(skeleton: Skeleton) -> dict[str, States]:
    """MPII_VALIDATION by joint name; for MPII's 16 joints only."""
    return {joint: MPII_VALIDATION[index] for index, joint in enumerate(skeleton.joints)}
