"""Who cannot be cut out alone: people who overlap with others, and people whose mask ends at the picture's border.

Of 171 COCO people whose visibility was ignored, the 23 who share five joints or more with others have a mean IoU of
.69, the rest .79. docs/masks.md has the figures, and what was seen of MPII's people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED
from noda_synth.data.geometry import joint_box
from noda_synth.data.pose import Pose
from noda_synth.masks.body_parts import body_parts
from noda_synth.masks.cardboard import signed_distance
from noda_synth.masks.view import View

MAX_SHARED_JOINTS = 4
"""People who share more joints with others stay out of a pool by default."""
MAX_BORDER_SHARE = 0.5
"""Bodies whose mask runs along the border for longer, in body sizes S, stay out of a pool by default."""


def shared_joints(pose: Pose, others: Sequence[Pose], frame: tuple[float, float, float, float]) -> int:
    """How many joints lie on two bodies: others' joints on this cardboard body, and this one's joints on theirs.

    Joints that are known to be occluded do not count: they do not show whose body is seen there.

    Args:
        pose: the person.
        others: the other people of the image, in the same coordinates.
        frame: x1, y1, x2, y2 of the image in these coordinates.
    """
    return sum(_joints_on(pose, other, frame) + _joints_on(other, pose, frame) for other in others)


def _joints_on(body: Pose, other: Pose, frame: tuple[float, float, float, float]) -> int:
    """How many joints of the other lie on the cardboard body; none if it has fewer than three labelled joints."""
    joints = other.joints[other.labelled & (other.visible != OCCLUDED)].astype(np.float32)
    if body.labelled.sum() < 3 or not len(joints):
        return 0
    # A body reaches beyond its joints, but never this far.
    x1, y1, x2, y2 = joint_box(body.joints[body.labelled])
    reach = max(x2 - x1, y2 - y1) / 2
    joints = joints[((joints > (x1 - reach, y1 - reach)) & (joints < (x2 + reach, y2 + reach))).all(axis=1)]
    if not len(joints):
        return 0
    x, y = joints[None, :, 0], joints[None, :, 1]
    return int((signed_distance(body_parts(body, frame), x, y) < 0).sum())


def border_share(view: View, inside: NDArray[np.bool_]) -> float:
    """Length of a mask, (H, W) bool, along the image's borders, in body sizes S."""
    height, width = inside.shape
    x1, y1, x2, y2 = view.frame
    # The frame's edges lie half a pixel outside the outermost pixels; further away the view ends before the image does.
    sides = (
        (x1 > -1.5, inside[:, 0]),
        (y1 > -1.5, inside[0]),
        (x2 < width + 0.5, inside[:, -1]),
        (y2 < height + 0.5, inside[-1]),
    )
    return float(sum(int(line.sum()) for at_border, line in sides if at_border) / view.pose.size)
