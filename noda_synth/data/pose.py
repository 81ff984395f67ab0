"""How large a body is in the picture, and where its parts lie: what keypoints tell about the flesh around them.

The measures are fractions of the *body size* S, a length in pixels that stays nearly the same while a person turns or
bends: about the length of the torso, or 0.3 times the standing height.

What is fitted here and in `noda_synth.masks.body_parts` goes by the names of joints. A skeleton with other names brings
its own measures along, in its file: `stated_limbs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED
from noda_synth.data.skeleton import Anchor, Skeleton

Point = NDArray[np.float64]
"""(2,) float64, x and y in pixels."""

SHOULDERS = ("left_shoulder", "right_shoulder")
HIPS = ("left_hip", "right_hip")
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
DOWN = np.array([0.0, 1.0])
_NECKS = ("upper_neck", "neck")
KNOWN_JOINTS = frozenset((
    *SHOULDERS, *HIPS, *FACE, *_NECKS, "head_top", "thorax", "pelvis",
    *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle")),
))  # fmt: skip
"""Names of joints whose flesh is fitted."""
DEFAULT_WIDTH = 0.25
"""Of a limb of unknown joints whose file states none; about that of an arm."""


def _sides(a: str, b: str) -> tuple[tuple[Anchor, Anchor], ...]:
    return tuple(((f"{side}_{a}",), (f"{side}_{b}",)) for side in ("left", "right"))


# Length of a part over S when it is seen at full length, fitted on COCO outlines (MPII's head: looked at on 60 people).
# A part is given by the anchors between which it runs; of several (left and right) the longer one counts.
_PART_LENGTHS: tuple[tuple[float, tuple[tuple[Anchor, Anchor], ...]], ...] = (
    (1.15, ((SHOULDERS, HIPS),)),
    (1.03, _sides("shoulder", "hip")),
    (0.65, _sides("shoulder", "elbow")),
    (0.70, _sides("elbow", "wrist")),
    (0.84, _sides("hip", "knee")),
    (0.75, _sides("knee", "ankle")),
    (0.70, ((("left_shoulder",), ("right_shoulder",)),)),
    (0.30, ((("left_ear",), ("right_ear",)),)),
    (0.31, ((("nose",), ("left_ear",)), (("nose",), ("right_ear",)))),
    (0.22, _sides("eye", "ear")),
    (0.60, ((("upper_neck",), ("head_top",)),)),
    # Between the upper neck's and the thorax's, which is 1.22 times as far (median of mpii-640's 1,802 whole people).
    (0.66, ((("neck",), ("head_top",)),)),
)
_HEAD_TO_SHOULDERS = 0.53


@dataclass(frozen=True, eq=False)
class Pose:
    """Keypoints of one person in some frame, looked up by name.

    Attributes:
        skeleton: the joints.
        joints: (J, 2) float64, x and y in 0-based pixels of that frame.
        labelled: (J,) bool, the joint may be relied on.
        visible: (J,) int8 of VISIBLE, OCCLUDED, UNKNOWN.
    """

    skeleton: Skeleton
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]

    def has(self, *names: str) -> bool:
        """All the named joints exist in the skeleton and are labelled."""
        return all(name in self.skeleton.index and self.labelled[self.skeleton.index[name]] for name in names)

    def hidden(self, name: str) -> bool:
        return bool(self.visible[self.skeleton.index[name]] == OCCLUDED)

    def shown(self, name: str) -> bool:
        """The joint is labelled and not known to be occluded."""
        return self.has(name) and not self.hidden(name)

    def __getitem__(self, name: str) -> Point:
        point: Point = self.joints[self.skeleton.index[name]]
        return point

    def midpoint(self, names: Anchor, need_all: bool = True) -> Point | None:
        """Mean of the named joints; None unless all of them (or any, if not `need_all`) are labelled."""
        known = [name for name in names if self.has(name)]
        if not known or (need_all and len(known) < len(names)):
            return None
        # Two points, or five: np.mean takes ten times as long to see what it is given.
        total = self[known[0]]
        for name in known[1:]:
            total = total + self[name]
        return total / len(known)

    @cached_property
    def size(self) -> float:
        """The body size S in pixels, see `body_size`."""
        return body_size(self)


def head_by(skeleton: Skeleton) -> Literal["top", "face", "protected"]:
    """What a skeleton tells where the head is: its top and the neck, the face, or nothing but the protected joints."""
    if "head_top" in skeleton.index and skeleton.indices(*_NECKS):
        return "top"
    return "face" if skeleton.indices(*FACE) else "protected"


def neck_of(skeleton: Skeleton) -> str:
    """The joint that the head stands on, where `head_by` is "top"."""
    return next((name for name in _NECKS if name in skeleton.index), _NECKS[0])


def stated_limbs(skeleton: Skeleton) -> list[tuple[str, str, tuple[float, float]]]:
    """Limbs that are as wide as the skeleton's file says, in S: those of unknown joints, and those with a width.

    Between protected joints lies the head, unless a width is stated.
    """
    apart = [KNOWN_JOINTS, frozenset(skeleton.protected)]
    return [
        (a, b, width or (DEFAULT_WIDTH, DEFAULT_WIDTH))
        for (a, b), width in zip(skeleton.limbs, skeleton.widths, strict=True)
        if width or not any({a, b} <= names for names in apart)
    ]


def body_size(pose: Pose) -> float:
    """S in pixels, from all lengths at hand: the power mean (exponent 4) of length / expected length.

    A foreshortened limb looks short and never long, so long ones count for more. With no pair of joints to measure, a
    third of the joint box. Never below one pixel.
    """
    sizes = []
    for expected, ways in _PART_LENGTHS:
        lengths = [
            float(np.hypot(*(a - b)))
            for start, end in ways
            if (a := pose.midpoint(start)) is not None and (b := pose.midpoint(end)) is not None
        ]
        if lengths:
            sizes.append(max(lengths) / expected)
    face, shoulders = pose.midpoint(FACE, need_all=False), pose.midpoint(SHOULDERS)
    if face is not None and shoulders is not None:
        sizes.append(float(np.hypot(*(face - shoulders))) / _HEAD_TO_SHOULDERS)
    for limb, stated in zip(pose.skeleton.limbs, pose.skeleton.lengths, strict=True):
        if stated and pose.has(*limb):
            sizes.append(float(np.hypot(*(pose[limb[0]] - pose[limb[1]]))) / stated)
    if not sizes:
        known = pose.joints[pose.labelled]
        return max(1.0, float(np.ptp(known, axis=0).max()) / 3 if len(known) else 1.0)
    return max(1.0, float(np.mean(np.power(sizes, 4)) ** 0.25))
