"""The head of the cardboard body: by its top and the neck, by the face, or by the protected joints."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from noda_synth.data.pose import DOWN, FACE, SHOULDERS, Point, Pose, head_by, neck_of

Radii = tuple[float, float]


def head_axes(pose: Pose, size: float, neck_radii: Radii, head_radii: Radii) -> Iterator[tuple[Point, Point, Radii]]:
    """Start, end and radii (in S) of the neck's and the head's capsules, as far as the joints are known.

    Args:
        pose: the keypoints.
        size: the body size S in pixels.
        neck_radii: at the start and at the end, in S.
        head_radii: the same of the head.
    """
    shoulders = pose.midpoint(SHOULDERS, need_all=False)
    known_by = head_by(pose.skeleton)
    if known_by == "top":
        if not pose.has(neck_of(pose.skeleton), "head_top"):
            return
        neck, top = pose[neck_of(pose.skeleton)], pose["head_top"]
        up = top - neck
        if shoulders is not None:
            yield shoulders, neck + 0.1 * up, neck_radii
        length = max(float(np.hypot(*up)), 1e-3)
        # The outline ends at the head top, so the axis ends a radius below it, but never below where it starts.
        reach = max(0.3 * length, length - head_radii[1] * size)
        yield neck + 0.3 * up, neck + up / length * reach, head_radii
        return
    if known_by == "protected":
        if points := protected_points(pose):
            first, last = max(product(points, points), key=lambda pair: float(np.hypot(*(pair[1] - pair[0]))))
            if shoulders is not None:
                yield shoulders, (first + last) / 2, neck_radii
            # The outline ends a little beyond the outermost joints, whichever of them is the top.
            inwards = min(0.5, 0.2 * size / max(float(np.hypot(*(last - first))), 1e-3)) * (last - first)
            yield first + inwards, last - inwards, head_radii
        return
    if not any(pose.shown(joint) for joint in FACE):
        return
    center, up = _face_axis(pose, size)
    if shoulders is not None:
        yield shoulders, center, neck_radii
    yield center - 0.10 * size * up, center + 0.17 * size * up, head_radii


def protected_points(pose: Pose) -> list[Point]:
    """The protected joints that can be seen."""
    return [pose[joint] for joint in pose.skeleton.protected if pose.shown(joint)]


def _face_axis(pose: Pose, size: float) -> tuple[Point, Point]:
    """Centre of the head and the unit vector up, from COCO's face joints that can be seen."""
    seen = [joint for joint in FACE if pose.shown(joint)]
    center: Point = np.mean([pose[joint] for joint in seen], axis=0)
    ears = [joint for joint in ("left_ear", "right_ear") if joint in seen]
    eyes = [joint for joint in ("left_eye", "right_eye") if joint in seen]
    if len(ears) == 2:
        center = (pose[ears[0]] + pose[ears[1]]) / 2
    elif ears and (eyes or "nose" in seen):
        front = np.mean([pose[joint] for joint in eyes], axis=0) if eyes else pose["nose"]
        center = 0.6 * pose[ears[0]] + 0.4 * front
    up = np.zeros(2)
    shoulders = pose.midpoint(SHOULDERS, need_all=False)
    if shoulders is not None and (length := float(np.hypot(*(center - shoulders)))) > 0.05 * size:
        up = (center - shoulders) / length
    for left, right in (("left_ear", "right_ear"), ("left_eye", "right_eye")):
        if left in seen and right in seen:
            across = pose[left] - pose[right]
            width = float(np.hypot(*across))
            if width <= 0.06 * size:
                continue
            # Seen from the front the left ear is to the right in the picture; from behind the shoulders tell.
            normal = np.array([across[1], -across[0]]) / width
            if up.any():
                normal = normal if normal @ up >= 0 else -normal
            elif "nose" in seen and eyes and normal @ (pose["nose"] - np.mean([pose[j] for j in eyes], axis=0)) > 0:
                normal = -normal
            up = up + normal * min(1.0, width / (0.3 * size))
            break
    length = float(np.hypot(*up))
    return center, up / length if length > 1e-6 else -DOWN
