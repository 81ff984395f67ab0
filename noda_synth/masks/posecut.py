"""The posecut level: one exact graph cut of the evidence of pose, neighbours and colour, with a soft edge.

Where the paper's GrabCut learns the person's shape and colours from a line drawing of the skeleton, in several rounds,
posecut starts from a cardboard body of fitted widths and needs one round at 128 pixels. docs/masks.md has the figures.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.imaging.compositing import COVERING
from noda_synth.masks import guided_filter
from noda_synth.masks.evidence import Evidence, evidence_of, sigmoid
from noda_synth.masks.view import Mask, View

Field = NDArray[np.float32]

# The cut: smoothness, and log-odds beyond which it makes no difference; `_LEVELS` grey values stand for `_LIMIT`.
_SMOOTHNESS, _LIMIT, _LEVELS = 10.0, 6.0, 64.0
# The guided filter: radius in S, and epsilon.
_RADIUS, _EPSILON = 0.05, 1e-3
# Opacity of the matte: what is below is none, and from there it takes so much to be full.
_HAZE, _OPAQUE = 0.1, 0.8
# Regions smaller than this share of the largest, and holes smaller than this share of the body, are dropped.
_SPECK = 0.02


def posecut_mask(view: View) -> Mask:
    """The mask and its soft alpha; see docs/masks.md."""
    evidence = evidence_of(view)
    guide = guide_of(evidence)
    smooth = body_field(evidence, guide)
    x1, y1, x2, y2 = evidence.window

    inside, matte = np.zeros(view.image.shape[:2], np.bool_), np.zeros(view.image.shape[:2], np.uint8)
    hard = np.asarray(cv2.resize(smooth, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)) > 0.5
    inside[y1:y2, x1:x2] = hard
    matte[y1:y2, x1:x2] = soft_edge(view, evidence, guide, (smooth > 0.5).astype(np.float32), hard)
    return Mask(inside, matte=matte)


def soft_edge(
    view: View, evidence: Evidence, guide: guided_filter.Guide, body: Field, hard: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The opacity of a mask, with an edge as soft as that of the picture.

    Args:
        view: the picture.
        evidence: of the view; its window is what the edge is made for.
        guide: of the evidence.
        body: (h, w) float32 of 0 and 1, the mask at working size.
        hard: (H, W) bool, the mask in the window.

    Returns:
        (H, W) uint8 of the window: 128 or more exactly where the mask is.
    """
    x1, y1, x2, y2 = evidence.window
    # A matte is filtered from the hard mask: the posterior would leave haze all over the window.
    slope, offset = (
        np.asarray(cv2.resize(field, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR), np.float32)
        for field in guide.coefficients(body)
    )
    picture = view.image[y1:y2, x1:x2].astype(np.float32) / np.float32(255)
    soft = guided_filter.apply(picture, slope, offset)
    opacity = np.clip(255 * (soft - _HAZE) / _OPAQUE + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(np.where(hard, np.maximum(opacity, COVERING), np.minimum(opacity, COVERING - 1)), np.uint8)


def guide_of(evidence: Evidence) -> guided_filter.Guide:
    """The window at working size, as the guide of everything that is smoothed there."""
    radius = max(1, round(_RADIUS * evidence.size))
    return guided_filter.Guide(evidence.image.astype(np.float32) / np.float32(255), radius, _EPSILON)


def body_field(evidence: Evidence, guide: guided_filter.Guide) -> Field:
    """(h, w) float32 at working size: above 0.5 inside the mask; smooth, so that it can be enlarged."""
    mixture = (0.5 * graph_cut(evidence) + 0.5 * sigmoid(evidence.logodds)).astype(np.float32)
    smooth = guided_filter.apply(guide.picture, *guide.coefficients(mixture))
    body = _without_specks(smooth > 0.5, evidence.distance < -0.05)
    # What was dropped or filled must not come back when the field is enlarged.
    return np.where(body, np.maximum(smooth, 0.501), np.minimum(smooth, 0.499)).astype(np.float32)


def graph_cut(evidence: Evidence) -> NDArray[np.bool_]:
    """(h, w) bool: the cut that minimises evidence and broken smoothness together, exactly.

    OpenCV's grabCut is made to do it: colour models with one hand-made Gaussian each turn the first channel of a
    made-up picture into the log-odds, the other two carry lightness and colour for the smoothness, and the models are
    frozen.
    """
    first = np.round(128 + np.clip(evidence.logodds / _LIMIT, -1, 1) * _LEVELS).astype(np.uint8)
    colour = cv2.addWeighted(evidence.lab[..., 1], 1.0, evidence.lab[..., 2], 1.0, -128)
    picture = np.dstack([first, evidence.lab[..., 0], colour])
    # Two Gaussians at 128 -+ LEVELS whose log-ratio at the grey value of a log-odds z is SMOOTHNESS * z.
    variance = 2 * _LEVELS / (_SMOOTHNESS * _LIMIT / _LEVELS)
    labels = np.where(evidence.logodds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    background, foreground = (_gaussian(128 + sign * _LEVELS, variance) for sign in (-1, 1))
    cv2.grabCut(picture, labels, None, background, foreground, 1, cv2.GC_EVAL_FREEZE_MODEL)  # type: ignore[call-overload]
    return np.asarray((labels & 1) > 0)


def _gaussian(mean: float, variance: float) -> NDArray[np.float64]:
    """OpenCV's model (1, 65): five weights, five means, five covariances; only the first component counts."""
    model = np.zeros((1, 65))
    model[0, 0] = 1.0
    model[0, 5:8] = mean, 128, 128
    model[0, 20:29] = np.diag([variance, 1e6, 1e6]).ravel()
    for component in range(1, 5):
        model[0, 20 + 9 * component : 29 + 9 * component] = np.eye(3).ravel()
    return model


def _without_specks(body: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The regions that touch the core, small ones left out, small holes filled."""
    count, regions, statistics, _ = cv2.connectedComponentsWithStats(body.astype(np.uint8), connectivity=4)
    if count > 2:
        area = statistics[:, cv2.CC_STAT_AREA]
        kept = [region for region in np.unique(regions[core & body]) if area[region] > _SPECK * area[1:].max()]
        body = np.isin(regions, kept)
    count, regions, statistics, _ = cv2.connectedComponentsWithStats((~body).astype(np.uint8), connectivity=4)
    height, width = body.shape
    filled = body.copy()
    for region in range(1, count):
        x, y, w, h, area_px = (int(value) for value in statistics[region])
        closed = x > 0 and y > 0 and x + w < width and y + h < height
        if closed and area_px < _SPECK * body.sum():
            filled[regions == region] = True
    return filled
