"""How a body stands, told by its keypoints: what has to agree for two people to share one ground.

Lengths are in body sizes S (`noda_synth.data.pose`), so that bodies of all sizes compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.pose import HIPS, SHOULDERS, Pose

ANKLES = ("left_ankle", "right_ankle")
KNEES = ("left_knee", "right_knee")
WRISTS = ("left_wrist", "right_wrist")

STANCE_FIELDS = ("size", "trunk_x", "trunk_y", "legs_x", "legs_y", "step", "feet", "lowest")
"""Columns of a stance as an array, see `Stance`."""

HIPS_ABOVE_GROUND = 1.6
"""S between the hips and the ground of a person who stands."""
_SOLE = 0.1
"""S that other joints may lie below the lower ankle of somebody who stands on it."""
_BENT = 40.0
_SHORT_THIGH, _KNEES_APART, _HANDS_APART, _HANDS_OFF_HIPS = 0.68, (0.7, 1.5), 1.0, 0.35
_MAX_TRUNK_TILT, _MAX_LEG_TILT, _MIN_LEGS, _MAX_STEP = 40.0, 30.0, 1.0, 0.6


@dataclass(frozen=True)
class Stance:
    """A body's stance; every number is NaN where its joints are not labelled.

    Attributes:
        size: body size S in pixels.
        trunk_x, trunk_y: from the middle of the shoulders to that of the hips, in S.
        legs_x, legs_y: from the middle of the hips to that of the ankles, in S.
        step: height difference of the ankles, in S; 0 where one alone is labelled.
        feet: y in pixels of the lower ankle; without ankles of the ground that the hips imply.
        lowest: y in pixels of the lowest joint.
    """

    size: float
    trunk_x: float
    trunk_y: float
    legs_x: float
    legs_y: float
    step: float
    feet: float
    lowest: float

    def as_array(self) -> NDArray[np.float64]:
        """(8,) float64 in the order of STANCE_FIELDS."""
        return np.array([getattr(self, name) for name in STANCE_FIELDS], np.float64)


def stance_of(pose: Pose) -> Stance:
    """The stance of a person, from joints in any frame whose y runs downwards."""
    size = pose.size
    shoulders, hips = pose.midpoint(SHOULDERS, need_all=False), pose.midpoint(HIPS, need_all=False)
    ankles = pose.midpoint(ANKLES, need_all=False)
    heights = [float(pose[name][1]) for name in ANKLES if pose.has(name)]
    trunk = _between(shoulders, hips, size)
    legs = _between(hips, ankles, size)
    known = pose.joints[pose.labelled]
    feet = max(heights) if heights else np.nan if hips is None else float(hips[1]) + HIPS_ABOVE_GROUND * size
    lowest = float(known[:, 1].max()) if len(known) else np.nan
    step = (max(heights) - min(heights)) / size if heights else np.nan
    return Stance(size, *trunk, *legs, step, feet, lowest)


def standing(stances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) bool: upright on both feet, for stances (N, 8) in the order of STANCE_FIELDS.

    Trunk and legs are near upright, the legs near their full length, and the ankles lowest. The legs of somebody whose
    ankles are not labelled are taken to go on as the trunk does.
    """
    size, trunk_x, trunk_y, legs_x, legs_y, step, feet, lowest = stances.T
    upright = _tilt(trunk_x, trunk_y) < _MAX_TRUNK_TILT
    with np.errstate(invalid="ignore"):
        on_legs = (_tilt(legs_x, legs_y) < _MAX_LEG_TILT) & (legs_y > _MIN_LEGS) & (step < _MAX_STEP)
        on_feet = lowest - feet < _SOLE * size
    return np.asarray(upright & (on_legs | np.isnan(legs_y)) & on_feet)


def grounded(stances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) bool: the body rests on a ground under its lowest joint, as far as joints can tell.

    Not so where one foot is far above the other (riders, climbers, kicks and jumps), and where nothing is known of the
    legs of somebody who is not upright.
    """
    size, _, trunk_y, _, legs_y, step, feet, lowest = stances.T
    with np.errstate(invalid="ignore"):
        even = (step < _MAX_STEP) | (np.abs(legs_y) < 0.5)
        hangs = (legs_y > _MIN_LEGS) & (lowest - feet > _SOLE * size)
    rests = np.asarray(even & ~hangs & ~np.isnan(trunk_y) & ~np.isnan(legs_y))
    return np.asarray(standing(stances) | rests)


def bent_legs(pose: Pose) -> bool:
    """Both knees are bent by 40 degrees or more: riders and people on high chairs, and some who crouch or jump.

    Of people whose trunk is upright and whose feet are level these are the ones whose ground joints do not tell: on
    MPII more than half of them ride, sit or are in the air.
    """
    angles = []
    for side in ("left", "right"):
        names = tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
        if not pose.has(*names):
            return False
        hip, knee, ankle = (pose[name] for name in names)
        thigh, shin = hip - knee, ankle - knee
        angles.append(_tilt(*(np.array(value) for value in _turned(thigh, shin))))
    return bool(min(angles) > _BENT)


def astride(pose: Pose) -> bool:
    """Short thighs, knees apart, the hands together at the hips: a rider seen more or less from the front.

    A thigh that hangs straight down is about .8 S long; one that points at the camera or aside looks shorter.
    """
    if not pose.has(*HIPS, *KNEES, *WRISTS):
        return False
    size, low, high = pose.size, *_KNEES_APART
    hips, knees, wrists = (np.array([pose[name] for name in names]) for names in (HIPS, KNEES, WRISTS))
    short = float((knees - hips)[:, 1].max()) < _SHORT_THIGH * size
    apart = low < abs(float(knees[0, 0] - knees[1, 0])) / size < high
    together = float(np.hypot(*(wrists[0] - wrists[1]))) < _HANDS_APART * size
    at_hips = abs(float(wrists[:, 1].mean() - hips[:, 1].mean())) < _HANDS_OFF_HIPS * size
    return short and apart and together and at_hips


def stance_distance(stances: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) float64, in S: how far trunk and legs of stances (N, 8) lie from those of `other` (8,); NaN where unknown.

    A mirror image counts as the same: sitting is sitting, to the left or to the right.
    """

    def apart(x: NDArray[np.float64]) -> NDArray[np.float64]:
        trunk = np.hypot(x[:, 0] - other[1], x[:, 1] - other[2])
        return np.asarray(trunk + np.hypot(x[:, 2] - other[3], x[:, 3] - other[4]))

    shape = stances[:, 1:5]
    return np.minimum(apart(shape), apart(shape * [-1, 1, -1, 1]))


def _between(start: NDArray[np.float64] | None, end: NDArray[np.float64] | None, size: float) -> tuple[float, float]:
    if start is None or end is None:
        return np.nan, np.nan
    x, y = (end - start) / size
    return float(x), float(y)


def _turned(thigh: NDArray[np.float64], shin: NDArray[np.float64]) -> tuple[float, float]:
    """The shin (x, y) in a frame whose y axis runs on from the thigh."""
    x = thigh[0] * shin[1] - thigh[1] * shin[0]
    return float(x), float(-(thigh @ shin))


def _tilt(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees from straight down."""
    return np.asarray(np.degrees(np.arctan2(np.abs(x), y)))
