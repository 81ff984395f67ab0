"""Skeletons: the joints of MPII (16) and COCO (17), and what is true of them.

Everything that depends on which joints a data set marks is stated here once: names, limbs, left-right pairs, the joints
that must never be covered, the limb joints that may be, and the groups (columns) of the paper's tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

LIMB_JOINTS = tuple(f"{side}_{joint}" for joint in ("elbow", "wrist", "knee", "ankle") for side in ("right", "left"))
"""The joints of the four limbs, of which a pasted body has to cover at least one (paper, section III-B, rule 2)."""


@dataclass(frozen=True)
class Skeleton:
    """The joints of a data set, in its order.

    A *spot* is a tuple of joint names and stands for the mean of those joints; segments run from spot to spot.

    Attributes:
        name: short name, as stored in pools and manifests.
        joints: joint names in the order of the files.
        limbs: pairs of joint names that are connected by a bone; drawn, and sure foreground for GrabCut.
        flips: (right, left) pairs of joint names that change places when an image is mirrored.
        protected: joints that a pasted body never covers.
        protected_needed: how many of the protected joints have to be labelled before a person can be a target.
        protected_segments: pairs of spots; the whole line between them is kept free as well.
        groups: column of the paper's tables -> joint names.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    flips: tuple[tuple[str, str], ...]
    protected: tuple[str, ...]
    protected_needed: int
    protected_segments: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    groups: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def index(self) -> dict[str, int]:
        """Joint name -> position in the files, 0-based."""
        return {joint: position for position, joint in enumerate(self.joints)}

    def at(self, *joints: str) -> list[int]:
        """The positions of the named joints, leaving out those that this skeleton does not have."""
        return [self.index[joint] for joint in joints if joint in self.index]

    @property
    def limb_joints(self) -> list[int]:
        return self.at(*LIMB_JOINTS)

    @property
    def limb_pairs(self) -> list[tuple[int, int]]:
        return [(self.index[a], self.index[b]) for a, b in self.limbs]

    @property
    def flip_pairs(self) -> list[tuple[int, int]]:
        return [(self.index[a], self.index[b]) for a, b in self.flips]


def _both(*joints: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"right_{joint}", f"left_{joint}") for joint in joints)


_ARMS_AND_LEGS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("right", "left")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
_GROUPS = {part: _both(part)[0] for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}

MPII = Skeleton(
    name="mpii16",
    joints=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax",
        "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
        "left_wrist",
    ),
    limbs=(
        ("head_top", "upper_neck"), ("upper_neck", "thorax"), ("thorax", "pelvis"),
        ("thorax", "right_shoulder"), ("thorax", "left_shoulder"), ("pelvis", "right_hip"), ("pelvis", "left_hip"),
        *_ARMS_AND_LEGS,
    ),
    flips=_both("ankle", "knee", "hip", "wrist", "elbow", "shoulder"),
    # The two joints that MPII never marks as occluded (2,932 of 2,932 visible in its validation set).
    protected=("head_top", "upper_neck"),
    protected_needed=2,
    protected_segments=((("head_top",), ("upper_neck",)),),
    groups={"head": ("head_top",), **_GROUPS},
)  # fmt: skip

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")

COCO = Skeleton(
    name="coco17",
    joints=(
        *_FACE, "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    limbs=(
        ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear"),
        ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
        *_ARMS_AND_LEGS,
    ),
    flips=_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    # A face seen from the side or from behind has joints without label: one that is there is enough to judge by.
    protected=_FACE,
    protected_needed=1,
    protected_segments=((("left_shoulder", "right_shoulder"), _FACE), (("left_ear",), ("right_ear",))),
    groups={"head": _FACE, **_GROUPS},
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (MPII, COCO)}
