"""Crops on the upper or the lower half of a body, so that a network knows people who are seen in part.

After `half_body_transform` of HRNet's code (lib/dataset/JointsDataset.py), which its COCO configurations use with 0.3.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from noda_synth.data.skeleton import Skeleton
from noda_train.arrays import Bools
from noda_train.data import Samples
from noda_train.geometry import Augmentation, reach, turned_side
from noda_train.settings import Settings

LOWER = ("hip", "pelvis", "knee", "ankle", "heel", "toe", "foot")
"""What names of joints below the waist have in them; all others are of the upper half."""
MORE_THAN = 8
"""So many labelled joints and more has who is cut in half."""
MARGIN = 1.5
"""The crop's side over the longer side of the box of the half's joints."""


def with_halves(draw: Augmentation, samples: Samples, settings: Settings, rng: np.random.Generator) -> Augmentation:
    """The draw with the crops of some people, of a share `half_body`, on one half of theirs; scale, rotation, flip and
    shift are as drawn, about the half. A half that leaves the stored crop, as that of somebody far off their centre
    does, is passed over."""
    count = len(samples)
    chosen, upper_first = rng.random(count) < settings.half_body, rng.standard_normal(count) < 0.5
    half = _half(samples.labelled, upper_joints(samples.skeleton), upper_first)
    rows = np.flatnonzero(chosen & (samples.labelled.sum(1) > MORE_THAN) & (half.sum(1) >= 2))
    joints, used = samples.joints[rows], half[rows, :, None]
    low, high = np.where(used, joints, np.inf).min(1), np.where(used, joints, -np.inf).max(1)
    box = samples.box[rows]
    factor = MARGIN * (high - low).max(1) / box
    offset = (joints.mean(1, where=used) - samples.center[rows]) / box[:, None]
    fits = (factor > 0) & (
        np.abs(offset).max(1) + factor * (turned_side(settings) / 2 + settings.shift) <= reach(settings) / 2
    )
    rows, factor, offset = rows[fits], factor[fits], offset[fits]
    scale, shift = draw.scale.copy(), np.broadcast_to(draw.shift, (count, 2)).copy()
    scale[rows] *= factor
    shift[rows] = offset + shift[rows] * factor[:, None]
    return replace(draw, scale=scale, shift=shift)


def upper_joints(skeleton: Skeleton) -> Bools:
    """(J,) bool, the joints above the waist: MPII's 7 to 15, COCO's 0 to 10."""
    return np.array([not any(part in joint for part in LOWER) for joint in skeleton.joints])


def _half(labelled: Bools, upper: Bools, upper_first: Bools) -> Bools:
    """(N, J) bool, the joints of the half that is taken: the one drawn, the other where that has less than three."""
    above, below = labelled & upper, labelled & ~upper
    take_upper = np.where(upper_first & (above.sum(1) > 2), True, below.sum(1) <= 2)
    return np.where(take_upper[:, None], above, below)
