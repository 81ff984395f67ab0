"""The GrabCut level (paper, section III-A.3; Rother et al. 2004, the paper's reference [30]).

Sure foreground are the joints and their connections, sure background is everything outside the person's box, and
GrabCut decides about the rest.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.masks.box import expanded_box
from noda_synth.masks.cardboard import cardboard_mask
from noda_synth.masks.view import Mask, View

# Thickness of the skeleton that is sure foreground, over the longer side of the joint box.
_BONE = 0.02


def grabcut_mask(view: View, side: int = 160, iterations: int = 2, expand: float = 0.10) -> Mask:
    """The paper's mask.

    Args:
        view: the person; outside the box it shows the sure background.
        side: the view is reduced to this many pixels on its longer side (`--grabcut-size`): the native size costs
            12 s a person and gains nothing, and 256 pixels with five rounds cost five times as much as the default
            for 0.004 IoU (docs/masks.md).
        iterations: rounds of colour models and cut.
        expand: the box is that of the joints, each side moved out by this times its longer side.

    Returns:
        the foreground that is connected to the skeleton. The cardboard mask where GrabCut cannot run: it needs pixels
        that are sure background, pixels that are not, and colours that differ.
    """
    seeds, small = _seeds(view, side, expand)
    if not (seeds == cv2.GC_BGD).any():
        return _stand_in(view, "no background: the person's box fills the picture")
    bones = seeds == cv2.GC_FGD
    # Its colour models start from OpenCV's global generator: seeded before each call, the result is always the same.
    cv2.setRNGSeed(view.seed & 0x7FFFFFFF)
    try:
        cv2.grabCut(small, seeds, None, np.zeros((1, 65)), np.zeros((1, 65)), iterations, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    except cv2.error as error:
        return _stand_in(view, f"GrabCut failed: {error.err}")
    foreground = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    body = connected_to(foreground, bones)
    height, width = view.image.shape[:2]
    return Mask(np.asarray(cv2.resize(body.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5))


def connected_to(foreground: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The connected regions (4 neighbours) of a (H, W) bool mask that touch the core."""
    _, regions = cv2.connectedComponents(foreground.astype(np.uint8), connectivity=4)
    kept = np.unique(regions[core & foreground])
    return np.isin(regions, kept[kept > 0])


def _seeds(view: View, side: int, expand: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """GrabCut's starting labels and the reduced image, (h, w) uint8 and (h, w, 3) uint8."""
    height, width = view.image.shape[:2]
    shrink = min(1.0, side / max(height, width))
    small_size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(view.image, small_size, interpolation=cv2.INTER_AREA) if shrink < 1 else view.image
    factor = np.array([small_size[0] / width, small_size[1] / height])

    seeds = np.full(small_size[::-1], cv2.GC_BGD, np.uint8)
    left, top, right, bottom = expanded_box(view, expand)
    x1, y1 = np.floor(np.array([left, top]) * factor + 0.5).astype(int)
    x2, y2 = np.floor(np.array([right, bottom]) * factor + 0.5).astype(int)
    seeds[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)] = cv2.GC_PR_FGD

    joints = (view.pose.joints + 0.5) * factor - 0.5
    labelled = view.pose.labelled
    longer = float(np.ptp(joints[labelled], axis=0).max())
    thickness = max(1, round(_BONE * longer))
    points = {int(j): (round(joints[j, 0]), round(joints[j, 1])) for j in np.flatnonzero(labelled)}
    for a, b in view.pose.skeleton.limb_indices:
        if labelled[a] and labelled[b]:
            cv2.line(seeds, points[a], points[b], cv2.GC_FGD, thickness)
    for point in points.values():
        cv2.circle(seeds, point, max(1, thickness // 2), cv2.GC_FGD, -1)
    return seeds, np.asarray(small, np.uint8)


def _stand_in(view: View, reason: str) -> Mask:
    return Mask(cardboard_mask(view).inside, fallback=reason)
