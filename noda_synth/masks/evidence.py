"""What speaks for a pixel being part of a person: the cardboard body, the other people, and colour.

Everything here is measured: the constants were fitted on outlines of COCO people (docs/masks.md, scripts/fit_masks.py).
Log-odds are natural logarithms of (person : not person); lengths are in body sizes S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN
from noda_synth.data.pose import KNOWN_JOINTS, Pose
from noda_synth.masks.body_parts import Capsule, Torso, body_parts, fitted_like
from noda_synth.masks.cardboard import signed_distance
from noda_synth.masks.view import View

Field = NDArray[np.float32]

_LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence counts.

    Attributes:
        side: working size, pixels on the longer side of the window.
        margin: of the window around the axes of the body's parts.
        slope, limit: prior log-odds are -limit * tanh(slope * distance / limit).
        reach: how far around a joint its penalty goes (Gaussian).
        shown, shown_reach: bonus at the person's own joints that are not known to be occluded and along the limbs
            between them, and how far it goes.
        hidden: penalty at the person's own occluded joints.
        other_joint: penalty at other people's joints.
        other_body: penalty on other people's cardboard bodies ...
        in_front, behind: ... times this, where nothing is known of visibility, for people who stand nearer (lower in
            the picture) or further away by more than `depth_step`.
        prior, colour, bias: log-odds = prior * prior + colour * colour + bias.
        bands: of how many heights in the window the background's colours are known, each band running into the next:
            a colour of the sky is no background further down.
        bin_lightness, bin_colour, bin_blur: the Lab histogram: widths of its bins, and its smoothing in bins.
        colour_limit: colour's log-odds are cut off here.
    """

    side: int = 128
    margin: float = 0.55
    slope: float = 17.0
    limit: float = 3.8
    reach: float = 0.15
    shown: float = 2.0
    shown_reach: float = 0.08
    hidden: float = 4.0
    other_joint: float = 2.5
    other_body: float = 1.0
    in_front: float = 3.0
    behind: float = 0.3
    depth_step: float = 0.1
    prior: float = 0.87
    colour: float = 1.3
    bias: float = 0.4
    bands: int = 5
    bin_lightness: int = 16
    bin_colour: int = 8
    bin_blur: float = 0.5
    colour_limit: float = 4.0


WEIGHTS = {"coco17": Weights(), "mpii16": Weights(bias=0.25)}
"""Fitted on two skeletons; see `fitted_like` for the others."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Log-odds of every pixel of the working window.

    Attributes:
        window: x1, y1, x2, y2 in pixels of the view, end exclusive.
        image: (h, w, 3) uint8 BGR, the window at working size.
        lab: (h, w, 3) uint8, the same in OpenCV's Lab.
        size: the body size S in pixels of the working image.
        distance: (h, w) float32, signed distance to the cardboard body in S, negative inside.
        colour: (h, w) float32, log-odds of the colour.
        logodds: (h, w) float32, all evidence together.
        bias: the part of `logodds` that is the same everywhere.
    """

    window: tuple[int, int, int, int]
    image: NDArray[np.uint8]
    lab: NDArray[np.uint8]
    size: float
    distance: Field
    colour: Field
    logodds: Field
    bias: float

    @cached_property
    def probability(self) -> Field:
        """(h, w) float32: how likely a pixel is part of the person, by all evidence but what is the same everywhere.

        Twice the log-odds rank masks a little better than the log-odds: neighbouring pixels are not mere repeats.
        """
        return sigmoid(2 * (self.logodds - np.float32(self.bias)))


def sigmoid(logodds: Field) -> Field:
    return np.asarray(1 / (1 + np.exp(-np.clip(logodds, -30, 30))), np.float32)


@lru_cache(maxsize=1)
def evidence_of(view: View) -> Evidence:
    """The evidence in a view, cached for the last view: the mask and its quality both ask for it."""
    weights = WEIGHTS[fitted_like(view.pose.skeleton)]
    size = view.pose.size
    parts = body_parts(view.pose, view.frame)
    window = _window(view, parts, weights.margin * size)
    x1, y1, x2, y2 = window
    shrink = min(1.0, weights.side / max(x2 - x1, y2 - y1))
    width, height = max(4, round((x2 - x1) * shrink)), max(4, round((y2 - y1) * shrink))
    image = np.asarray(cv2.resize(view.image[y1:y2, x1:x2], (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    lab = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2LAB), np.uint8)
    # Distances vary slowly: they are computed for every other pixel and enlarged.
    across, down = -(-width // 2), -(-height // 2)
    x = ((np.arange(across, dtype=np.float32) + 0.5) * ((x2 - x1) / across) + x1 - 0.5)[None, :]
    y = ((np.arange(down, dtype=np.float32) + 0.5) * ((y2 - y1) / down) + y1 - 0.5)[:, None]
    distance = np.minimum(signed_distance(parts, x, y) / np.float32(size), 9)
    penalty = _penalty(view, size, x, y, weights)
    distance = np.asarray(cv2.resize(distance, (width, height), interpolation=cv2.INTER_LINEAR))
    penalty = np.asarray(cv2.resize(penalty, (width, height), interpolation=cv2.INTER_LINEAR))
    prior = (-weights.limit * np.tanh(weights.slope * distance / weights.limit) - penalty).astype(np.float32)
    colour = colour_logodds(lab, sigmoid(prior), weights)
    logodds = (weights.prior * prior + weights.colour * colour + weights.bias).astype(np.float32)
    return Evidence(window, image, lab, size * shrink, distance, colour, logodds, weights.bias)


def _window(view: View, parts: Sequence[Capsule | Torso], margin: float) -> tuple[int, int, int, int]:
    """The part of the view around the axes of the body's parts."""
    points = np.concatenate(
        [part.corners if isinstance(part, Torso) else np.stack([part.start, part.end]) for part in parts]
        or [view.pose.joints[view.pose.labelled]]
    )
    height, width = view.image.shape[:2]
    ends = np.array([width, height])
    low = np.clip(points.min(axis=0), 0, ends - 1)
    high = np.clip(points.max(axis=0), 0, ends - 1)
    x1, y1 = (int(max(0, value)) for value in np.floor(low - margin))
    x2, y2 = (int(min(end, value)) for end, value in zip(ends, np.ceil(high + margin), strict=True))
    x2, y2 = min(max(x2, x1 + 8), width), min(max(y2, y1 + 8), height)
    return min(x1, x2 - 1), min(y1, y2 - 1), x2, y2


def _penalty(view: View, size: float, x: Field, y: Field, weights: Weights) -> Field:
    """(H, W) float32: what joints and other people say against the person; negative at own joints."""
    penalty = np.zeros((y.shape[0], x.shape[1]), np.float32)
    hidden = view.pose.labelled & (view.pose.visible == OCCLUDED)
    penalty += weights.hidden * _around(view.pose.joints[hidden], weights.reach * size, x, y)
    bones = signed_distance(_bones(view.pose), x, y) / np.float32(weights.shown_reach * size)
    penalty -= np.float32(weights.shown) * np.exp(-bones * bones)
    unknown = bool((view.pose.visible[view.pose.labelled] == UNKNOWN).all())
    near = (x.min() - 0.4 * size, y.min() - 0.4 * size, x.max() + 0.4 * size, y.max() + 0.4 * size)
    joints, bodies = [], np.zeros_like(penalty)
    for other in view.others:
        shown = other.labelled & (other.visible != OCCLUDED)
        points = other.joints[shown]
        if not len(points) or not _touches(points, near):
            continue
        joints.append(points)
        if other.labelled.sum() >= 3:
            distance = signed_distance(body_parts(other, view.frame), x, y) / np.float32(size)
            rank = _depth_weight(view.pose, other, size, weights) if unknown else 1.0
            bodies = np.maximum(bodies, rank * sigmoid(-weights.slope * distance))
    if joints:
        penalty += weights.other_joint * _around(np.concatenate(joints), weights.reach * size, x, y)
    return penalty + np.float32(weights.other_body) * bodies


def _bones(pose: Pose) -> list[Capsule]:
    """Lines along the limbs whose joints are both not known to be occluded, and points at the other such joints."""
    shown = pose.labelled & (pose.visible != OCCLUDED)
    limbs = [*_LIMBS, *(limb for limb in pose.skeleton.limbs if not KNOWN_JOINTS.issuperset(limb))]
    lines = [
        (i, j)
        for a, b in limbs
        for i in pose.skeleton.indices(a)
        for j in pose.skeleton.indices(b)
        if shown[i] & shown[j]
    ]
    alone = set(map(int, np.flatnonzero(shown))) - {joint for line in lines for joint in line}
    lines += [(joint, joint) for joint in sorted(alone)]
    return [Capsule(pose.joints[i], pose.joints[j], (0.0, 0.0)) for i, j in lines]


def _depth_weight(own: Pose, other: Pose, size: float, weights: Weights) -> float:
    """On level ground, who stands lower in the picture stands nearer, and hides others."""
    lower = (other.joints[other.labelled, 1].max() - own.joints[own.labelled, 1].max()) / size
    if lower > weights.depth_step:
        return weights.in_front
    return weights.behind if lower < -weights.depth_step else 1.0


def _touches(points: NDArray[np.float64], box: tuple[float, float, float, float]) -> bool:
    low, high = points.min(axis=0), points.max(axis=0)
    return bool(high[0] >= box[0] and high[1] >= box[1] and low[0] <= box[2] and low[1] <= box[3])


def _around(points: NDArray[np.float64], reach: float, x: Field, y: Field) -> Field:
    """(H, W) float32: 1 at the nearest of the points, falling off as a Gaussian."""
    nearest = np.full((y.shape[0], x.shape[1]), np.inf, np.float32)
    for px, py in points.astype(np.float32):
        np.minimum(nearest, (x - px) ** 2 + (y - py) ** 2, out=nearest)
    return np.asarray(np.exp(-nearest / np.float32(reach * reach)))


def colour_logodds(lab: NDArray[np.uint8], probability: Field, weights: Weights) -> Field:
    """Log-odds of every pixel's colour, from smoothed Lab histograms of what is probably the person and what not.

    The person's colours are looked for all over the body, the background's near the pixel's own height.
    """
    bins = lab // np.array([weights.bin_lightness, weights.bin_colour, weights.bin_colour], np.uint8)
    low = bins.reshape(-1, 3).min(axis=0)
    shape = tuple(int(count) for count in bins.reshape(-1, 3).max(axis=0).astype(int) - low + 1)
    bin_index = np.ravel_multi_index(tuple(np.moveaxis((bins - low).astype(np.intp), 2, 0)), shape)
    count = int(np.prod(shape))
    shares = _band_shares(lab.shape[0], weights.bands)
    layers = np.concatenate([probability[None], (1 - probability) * shares[..., None]])
    histograms = np.stack([np.bincount(bin_index.ravel(), weights=layer.ravel(), minlength=count) for layer in layers])
    smooth = _blurred(histograms.reshape(-1, *shape), weights.bin_blur).reshape(-1, count)
    densities = (smooth / (smooth.sum(axis=1, keepdims=True) + 1e-9))[:, bin_index]
    background = np.einsum("by,byx->yx", shares, densities[1:])
    floor = 2.0 / bin_index.size
    logodds = np.log((densities[0] + floor) / (background + floor))
    return np.asarray(np.clip(logodds, -weights.colour_limit, weights.colour_limit), np.float32)


def _blurred(histograms: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Histograms (B, l, a, b), each smoothed along its three axes by a Gaussian of four sigmas' reach.

    `scipy.ndimage.gaussian_filter` does the same, but importing it takes longer than all else that the command imports.
    """
    reach = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    for axis in (1, 2, 3):
        length = histograms.shape[axis]
        padding = [(reach, reach) if axis == other else (0, 0) for other in range(4)]
        padded = np.moveaxis(np.pad(histograms, padding), axis, 0)
        shifted = (weight * padded[start : start + length] for start, weight in enumerate(kernel / kernel.sum()))
        histograms = np.moveaxis(np.asarray(sum(shifted)), 0, axis)
    return histograms


def _band_shares(height: int, bands: int) -> NDArray[np.float64]:
    """(bands, height) float64: how much of each row belongs to each band; one in all."""
    row = (np.arange(height) + 0.5) / height
    middle = (np.arange(bands)[:, None] + 0.5) / bands
    shares = np.exp(-(((row - middle) * bands / 0.7) ** 2))
    return np.asarray(shares / shares.sum(axis=0))
