"""The box level (paper, section III-A.1): the compact box of the labelled joints, expanded."""

from __future__ import annotations

import numpy as np

from noda_synth.data.geometry import joint_box
from noda_synth.masks.view import Mask, View


def expanded_box(view: View, expand: float) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the expanded box in pixels of the view, end exclusive, cut off at the view's borders.

    Every side moves outwards by `expand` times the longer side of the joint box: a narrow box, as of somebody who
    stands upright, needs as much room for hands, feet and hair as a wide one.
    """
    height, width = view.image.shape[:2]
    x1, y1, x2, y2 = joint_box(view.pose.joints[view.pose.labelled])
    margin = expand * max(x2 - x1, y2 - y1)
    left, top = (int(np.clip(np.floor(low - margin + 0.5), 0, end - 1)) for low, end in ((x1, width), (y1, height)))
    right, bottom = (
        int(np.clip(np.floor(high + margin + 0.5) + 1, start + 1, end))
        for high, start, end in ((x2, left, width), (y2, top, height))
    )
    return left, top, right, bottom


def box_mask(view: View, expand: float = 0.15) -> Mask:
    """Everything inside the expanded box."""
    left, top, right, bottom = expanded_box(view, expand)
    inside = np.zeros(view.image.shape[:2], np.bool_)
    inside[top:bottom, left:right] = True
    return Mask(inside)
