"""How good a mask is, without a true outline to compare with."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED
from noda_synth.masks.evidence import evidence_of
from noda_synth.masks.view import View

_NEAR = 0.3
_EXPECTED, _AGREEMENT, _HIDDEN_SHARE = 0.6, 0.4, 0.3


def mask_quality(view: View, inside: NDArray[np.bool_]) -> float:
    """A score Q of a mask of this view, (H, W) bool; about 0.6 for a poor mask and 0.95 for a very good one.

    A mean of two agreements between mask and evidence: the expected intersection over union if the evidence's
    probabilities were right, and the share of pixels near the body where the colour alone speaks for the side that the
    mask puts them on. Less 0.3 times the share of labelled body joints that are occluded.
    """
    evidence = evidence_of(view)
    x1, y1, x2, y2 = evidence.window
    height, width = evidence.distance.shape
    window = inside[y1:y2, x1:x2].view(np.uint8)
    mask = np.asarray(cv2.resize(window, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)) > 0
    probability = evidence.probability
    expected = float(probability[mask].sum() / (mask.sum() + probability[~mask].sum() + 1e-9))
    near = evidence.distance < _NEAR
    agreement = float(((evidence.colour > 0) == mask)[near].mean()) if near.any() else 0.0
    # Joints of the body; those of the head say little about how much of a person is hidden.
    known = view.pose.labelled.copy()
    known[view.pose.skeleton.indices(*view.pose.skeleton.protected)] = False
    hidden = known & (view.pose.visible == OCCLUDED)
    share = float(hidden.sum() / max(1, known.sum()))
    return _EXPECTED * expected + _AGREEMENT * agreement - _HIDDEN_SHARE * share
