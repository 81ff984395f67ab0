"""The cardboard level (paper, section III-A.2): the body's parts as oriented shapes along its limbs."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.pose import Point
from noda_synth.masks.body_parts import Capsule, Torso, body_parts
from noda_synth.masks.view import Mask, View

# The distance field is smooth, so it is computed at no more than this many pixels a side and enlarged.
_FIELD_SIDE = 192


def cardboard_mask(view: View) -> Mask:
    """All pixels inside a part of the cardboard body; see `noda_synth.masks.body_parts`."""
    height, width = view.image.shape[:2]
    shrink = min(1.0, _FIELD_SIDE / max(height, width))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    x = ((np.arange(small[0], dtype=np.float32) + 0.5) * (width / small[0]) - 0.5)[None, :]
    y = ((np.arange(small[1], dtype=np.float32) + 0.5) * (height / small[1]) - 0.5)[:, None]
    parts = body_parts(view.pose, view.frame)
    distance = cv2.resize(signed_distance(parts, x, y), (width, height), interpolation=cv2.INTER_LINEAR)
    return Mask(np.asarray(distance <= 0))


def signed_distance(
    parts: Iterable[Capsule | Torso], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Signed distance in pixels to the union of the parts, negative inside; infinite without parts.

    Args:
        parts: the parts.
        x: (1, W) float32, y: (H, 1) float32: the coordinates of the field's columns and rows;
            or both (1, W): those of W points.

    Returns:
        (H, W) float32.
    """
    field = np.full((y.shape[0], x.shape[1]), np.inf, np.float32)
    for part in parts:
        if isinstance(part, Capsule):
            distance, along = _segment_distance(part.start, part.end, x, y)
            near, far = part.radii
        else:
            distance = _hull_distance(part.corners, x, y)
            along = _segment_distance(part.top, part.bottom, x, y)[1]
            near, far = part.pads
        along *= np.float32(far - near)
        distance -= along
        distance -= np.float32(near)
        np.minimum(field, distance, out=field)
    return field


def _segment_distance(
    start: Point, end: Point, x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Distance of every grid point to a segment, and where along it (0..1) the nearest point lies; (H, W) each.

    Mostly in place: there are a hundred segments per person. np.hypot guards against overflow, which no picture comes
    near, and takes several times as long as a root.
    """
    (x0, y0), (dx, dy) = start.astype(np.float32), (end - start).astype(np.float32)
    right, down = x - x0, y - y0
    squared = dx * dx + dy * dy
    if squared > 1e-9:
        along = right * (dx / squared) + down * (dy / squared)
        np.maximum(along, 0, out=along)
        np.minimum(along, 1, out=along)
    else:
        along = np.zeros((y.shape[0], x.shape[1]), np.float32)
    distance, beyond = along * -dx, along * -dy
    distance += right
    beyond += down
    distance *= distance
    beyond *= beyond
    distance += beyond
    return np.sqrt(distance, out=distance), along


def _hull_distance(corners: NDArray[np.float64], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Signed distance of every grid point to the convex hull of the corners (N, 2), N >= 2."""
    hull = cv2.convexHull(corners.astype(np.float32), clockwise=True)[:, 0]
    outline = np.full((y.shape[0], x.shape[1]), np.inf, np.float32)
    leftmost = outline.copy()
    for start, end in zip(hull, (*hull[1:], hull[0]), strict=True):
        np.minimum(outline, _segment_distance(start, end, x, y)[0], out=outline)
        # Positive for points on the inner side of this edge.
        turn = (end[0] - start[0]) * (start[1] - y) + (end[1] - start[1]) * (x - start[0])
        np.minimum(leftmost, turn, out=leftmost)
    return np.where((leftmost >= 0) & (len(hull) > 2), -outline, outline)
