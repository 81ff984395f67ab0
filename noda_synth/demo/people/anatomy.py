"""Proportions of a person, the bones, and where their joints lie in a body that stands with hanging arms.

Lengths are fractions of body height after Drillis and Contini and de Leva; in the body's own frame x points to its
left, y up and z to its front, and the floor is y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives.chance import Random, likely

Floats: TypeAlias = NDArray[np.float64]

SIDES = ("right", "left")

PARENT: dict[str, str | None] = {
    "pelvis": None,
    "lumbar": "pelvis",
    "chest": "lumbar",
    "neck": "chest",
    "head": "neck",
}
for _side in SIDES:
    PARENT |= {
        f"{_side}_clavicle": "chest",
        f"{_side}_upper_arm": f"{_side}_clavicle",
        f"{_side}_forearm": f"{_side}_upper_arm",
        f"{_side}_hand": f"{_side}_forearm",
        f"{_side}_thigh": "pelvis",
        f"{_side}_shin": f"{_side}_thigh",
        f"{_side}_foot": f"{_side}_shin",
    }
"""Bone -> the bone that carries it; each stands after its parent."""

BONES = tuple(PARENT)
BONE = {bone: index for index, bone in enumerate(BONES)}

# Heights of joints and half distances across, as fractions of body height.
NECK, SHOULDER, ELBOW, WRIST = 0.825, 0.803, 0.638, 0.490
CHEST, LUMBAR, HIP, KNEE, ANKLE = 0.675, 0.575, 0.522, 0.285, 0.042
HIP_X, SHOULDER_X = 0.052, 0.107


@dataclass(frozen=True)
class Anatomy:
    """What one body has of its own.

    Attributes:
        height: metres, soles to top of the head.
        girth: factor on all widths; 1 is average.
        curve: 0 for a straight trunk to 1 for a narrow waist, wide hips and a bust.
        shoulders: factor on the width of the shoulders.
        head: height of the head as a fraction of body height.
    """

    height: float
    girth: float
    curve: float
    shoulders: float
    head: float

    @property
    def shoulder_x(self) -> float:
        """How far from the middle the arms hang, as a fraction of body height."""
        return SHOULDER_X * self.shoulders * (1 + 0.7 * max(self.girth - 1, 0))


def draw_anatomy(random: Random) -> Anatomy:
    """A man, a woman or a child."""
    curve = random.uniform(0.7, 1.0) if likely(random, 0.5) else random.uniform(0.0, 0.15)
    child = likely(random, 0.12)
    height = random.uniform(1.2, 1.45) if child else random.normal(1.775 - 0.12 * curve, 0.06)
    return Anatomy(
        height=float(np.clip(height, 1.15, 2.0)),
        girth=float(np.clip(random.normal(1.0, 0.08), 0.86, 1.22)),
        curve=curve * (0.3 if child else 1.0),
        shoulders=random.normal(1.02 - 0.09 * curve, 0.03),
        head=0.155 if child else random.normal(0.132, 0.003),
    )


def pivots(anatomy: Anatomy) -> dict[str, Floats]:
    """The point around which each bone turns, (3,) float64 metres, in the body that stands with hanging arms."""
    chin = 1 - anatomy.head
    trunk = {
        "pelvis": (0, HIP, 0),
        "lumbar": (0, LUMBAR, -0.012),
        "chest": (0, CHEST, -0.015),
        "neck": (0, NECK, -0.012),
        "head": (0, chin + 0.010, -0.004),
    }
    shoulder = anatomy.shoulder_x
    side = {
        "clavicle": (0.015, SHOULDER + 0.005, 0),
        "upper_arm": (shoulder, SHOULDER, -0.004),
        "forearm": (shoulder, ELBOW, -0.004),
        "hand": (shoulder, WRIST, -0.002),
        "thigh": (HIP_X, HIP, 0),
        "shin": (HIP_X, KNEE, 0),
        "foot": (HIP_X, ANKLE, -0.004),
    }
    mirrored = {
        f"{name}_{bone}": (x * sign, y, z)
        for name, sign in (("left", 1), ("right", -1))
        for bone, (x, y, z) in side.items()
    }
    return {bone: anatomy.height * np.array(point, float) for bone, point in (trunk | mirrored).items()}


def mpii_joints(anatomy: Anatomy) -> dict[str, tuple[str, Floats]]:
    """The joints that MPII marks: name -> (bone that carries it, point of the standing body as (3,) float64 metres)."""
    pivot = pivots(anatomy)
    ends = {
        "ankle": "foot",
        "knee": "shin",
        "hip": "thigh",
        "wrist": "hand",
        "elbow": "forearm",
        "shoulder": "upper_arm",
    }
    joints = {f"{s}_{joint}": (f"{s}_{bone}", pivot[f"{s}_{bone}"]) for joint, bone in ends.items() for s in SIDES}
    return joints | {
        "pelvis": ("pelvis", pivot["pelvis"]),
        "thorax": ("chest", anatomy.height * np.array([0, 0.818, -0.008])),
        "upper_neck": ("neck", pivot["head"] - anatomy.height * np.array([0, 0.004, 0])),
        # A little below the crown, so that its pixel is the person's from every side.
        "head_top": ("head", anatomy.height * np.array([0, 0.988, 0.0])),
    }
