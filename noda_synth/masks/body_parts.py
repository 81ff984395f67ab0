"""The cardboard model: a body as tapered capsules along its limbs and a padded polygon for its torso.

Ju, Black, Yacoob, "Cardboard people" (1996), is the paper's reference [29]. The widths are fractions of the body size S
(`noda_synth.data.pose`). They were fitted to COCO's outlines for COCO's joints, and to a matting network's outlines for
MPII's. Limbs of joints with other names are as wide as their skeleton's file says, and the head is then found by the
protected joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.pose import DOWN, FACE, SHOULDERS, Point, Pose, head_by, neck_of, stated_limbs
from noda_synth.data.skeleton import Skeleton
from noda_synth.masks.head import head_axes, protected_points


@dataclass(frozen=True)
class Widths:
    """Radii at the start and the end of each part, and lengths of hand and foot, all in S."""

    upper_arm: tuple[float, float]
    forearm: tuple[float, float]
    hand: tuple[float, float]
    thigh: tuple[float, float]
    shin: tuple[float, float]
    foot: tuple[float, float]
    torso: tuple[float, float]
    neck: tuple[float, float]
    head: tuple[float, float]
    hand_length: float = 0.20
    foot_length: float = 0.13
    # Stubs that stand in for limbs whose end is not labelled.
    arm_stub: tuple[float, float] = (0.13, 0.10)
    thigh_stub: tuple[float, float] = (0.29, 0.12)
    shin_stub: tuple[float, float] = (0.20, 0.11)
    head_stub: tuple[float, float] = (0.18, 0.22)


WIDTHS = {
    "coco17": Widths(
        upper_arm=(0.142, 0.124), forearm=(0.124, 0.11), hand=(0.115, 0.10), thigh=(0.247, 0.19), shin=(0.166, 0.157),
        foot=(0.20, 0.19), torso=(0.14, 0.22), neck=(0.25, 0.30), head=(0.20, 0.27),
    ),
    "mpii16": Widths(
        upper_arm=(0.135, 0.117), forearm=(0.117, 0.104), hand=(0.115, 0.10), thigh=(0.22, 0.17), shin=(0.143, 0.143),
        foot=(0.19, 0.165), torso=(0.132, 0.204), neck=(0.30, 0.18), head=(0.25, 0.25), foot_length=0.20,
    ),
}  # fmt: skip


def fitted_like(skeleton: Skeleton) -> str:
    """Name of the skeleton whose constants to use: its own, else COCO's if the face shows the head, else MPII's."""
    if skeleton.name in WIDTHS:
        return skeleton.name
    return "coco17" if head_by(skeleton) == "face" else "mpii16"


@dataclass(frozen=True)
class Capsule:
    """All points closer to the segment start-end than a radius that runs from radii[0] to radii[1]; pixels."""

    start: Point
    end: Point
    radii: tuple[float, float]


@dataclass(frozen=True)
class Torso:
    """The convex hull of `corners` (N, 2), padded by pads[0] at `top` to pads[1] at `bottom`; pixels."""

    corners: NDArray[np.float64]
    top: Point
    bottom: Point
    pads: tuple[float, float]


@lru_cache(maxsize=256)
def body_parts(pose: Pose, frame: tuple[float, float, float, float]) -> tuple[Capsule | Torso, ...]:
    """The parts of a body, cached for the last poses: the rules and all mask levels ask for them.

    Args:
        pose: the keypoints; an occluded joint halves its limb and pulls in its corner of the torso.
        frame: x1, y1, x2, y2 of the image in the pose's coordinates: a leg without a labelled end runs on to a border
            that is near.
    """
    return tuple(_parts(pose, pose.size, frame))


def _parts(pose: Pose, size: float, frame: tuple[float, float, float, float]) -> Iterator[Capsule | Torso]:
    widths = WIDTHS[fitted_like(pose.skeleton)]

    def capsule(start: Point, end: Point, radii: tuple[float, float]) -> Capsule:
        return Capsule(start, end, (radii[0] * size, radii[1] * size))

    for side in ("left", "right"):
        shoulder, elbow, wrist = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
        hip, knee, ankle = f"{side}_hip", f"{side}_knee", f"{side}_ankle"
        for start, end, radii in (
            (shoulder, elbow, widths.upper_arm),
            (elbow, wrist, widths.forearm),
            (hip, knee, widths.thigh),
            (knee, ankle, widths.shin),
        ):
            if pose.has(start, end) and not (pose.hidden(start) and pose.hidden(end)):
                yield capsule(_shown_end(pose, start, end), _shown_end(pose, end, start), radii)
        if pose.shown(wrist):
            along = _direction(pose, elbow, wrist, 0.25 * size, fallback=np.zeros(2))
            yield capsule(pose[wrist], pose[wrist] + along * widths.hand_length * size, widths.hand)
        if pose.shown(ankle):
            along = _direction(pose, knee, ankle, 0.4 * size, fallback=DOWN)
            yield capsule(pose[ankle], pose[ankle] + along * widths.foot_length * size, widths.foot)
    for start, end, width in stated_limbs(pose.skeleton):
        if pose.has(start, end) and not (pose.hidden(start) and pose.hidden(end)):
            yield capsule(_shown_end(pose, start, end), _shown_end(pose, end, start), (width[0] / 2, width[1] / 2))
    for stub in _stubs(pose, size, frame, widths):
        yield capsule(*stub)
    torso = _torso(pose, size, widths)
    if torso:
        yield torso
    for segment in head_axes(pose, size, widths.neck, widths.head):
        yield capsule(*segment)


def _shown_end(pose: Pose, joint: str, other: str) -> Point:
    """The end of a limb: the joint, or the limb's middle where the joint is hidden."""
    return (pose[joint] + pose[other]) / 2 if pose.hidden(joint) else pose[joint]


def _direction(pose: Pose, start: str, end: str, shortest: float, fallback: Point) -> Point:
    """Unit vector from start to end; shorter than a unit where the limb is foreshortened below `shortest`."""
    if not pose.has(start, end):
        return fallback
    along = pose[end] - pose[start]
    unit: Point = along / max(float(np.hypot(*along)), shortest)
    return unit


def _down_the_torso(pose: Pose, size: float) -> Point:
    shoulders, hips = pose.midpoint(SHOULDERS, need_all=False), pose.midpoint(("left_hip", "right_hip"), need_all=False)
    if shoulders is None or hips is None:
        return DOWN
    along = hips - shoulders
    length = float(np.hypot(*along))
    return along / length if length > 0.3 * size else DOWN


def _to_border(point: Point, along: Point, frame: tuple[float, float, float, float]) -> float:
    """Distance in pixels from a point along a direction to the frame; infinite without direction."""
    steps = [
        ((frame[axis + 2] if along[axis] > 0 else frame[axis]) - point[axis]) / along[axis]
        for axis in (0, 1)
        if abs(along[axis]) > 1e-6
    ]
    return max(0.0, min(steps)) if steps else np.inf


def _stubs(
    pose: Pose, size: float, frame: tuple[float, float, float, float], widths: Widths
) -> Iterator[tuple[Point, Point, tuple[float, float]]]:
    """Short capsules for limbs of which only the start is labelled, so that some of the limb is kept."""
    down = _down_the_torso(pose, size)
    # Where another limb of the skeleton begins, that limb shows where the flesh goes.
    continued = {joint for a, b, _ in stated_limbs(pose.skeleton) for joint in (a, b) if pose.has(a, b)}

    def ends(joint: str, following: str) -> bool:
        return pose.shown(joint) and not pose.has(following) and joint not in continued

    for side in ("left", "right"):
        shoulder, elbow, wrist = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
        hip, knee, ankle = f"{side}_hip", f"{side}_knee", f"{side}_ankle"
        if ends(shoulder, elbow):
            yield pose[shoulder], pose[shoulder] + 0.6 * size * down, widths.arm_stub
        if ends(elbow, wrist):
            yield pose[elbow], pose[elbow] + 0.1 * size * down, widths.arm_stub
        if ends(hip, knee):
            length = 0.75 if _to_border(pose[hip], down, frame) < size else 0.3
            yield pose[hip], pose[hip] + length * size * down, widths.thigh_stub
        if ends(knee, ankle):
            along = _direction(pose, hip, knee, 0.3 * size, fallback=DOWN) + DOWN
            along = along / max(float(np.hypot(*along)), 1e-3)
            length = 0.5 if _to_border(pose[knee], along, frame) < size else 0.2
            yield pose[knee], pose[knee] + length * size * along, widths.shin_stub
    shoulders = pose.midpoint(SHOULDERS, need_all=False)
    headless = pose.midpoint(FACE, need_all=False) is None and not pose.has("head_top", neck_of(pose.skeleton))
    if head_by(pose.skeleton) == "protected":
        headless = not protected_points(pose)
    if headless and shoulders is not None:
        yield shoulders, shoulders - 0.6 * size * down, widths.head_stub


def _torso(pose: Pose, size: float, widths: Widths) -> Torso | None:
    corners = []
    for side in ("left", "right"):
        shoulder, hip = f"{side}_shoulder", f"{side}_hip"
        for joint, other in ((shoulder, hip), (hip, shoulder)):
            if pose.has(joint):
                pull = 0.4 if pose.hidden(joint) and pose.has(other) else 0.0
                corners.append(pose[joint] + pull * (pose[other] - pose[joint] if pull else 0.0))
    corner_joints = [joint for side in ("left", "right") for joint in (f"{side}_shoulder", f"{side}_hip")]
    if not any(pose.shown(joint) for joint in corner_joints):
        return None
    top = pose.midpoint(SHOULDERS, need_all=False)
    bottom = pose.midpoint(("left_hip", "right_hip"), need_all=False)
    if top is not None and bottom is None and pose.has(*SHOULDERS):
        # Hips out of sight: the torso goes on from the shoulders, a little narrower.
        head = pose.midpoint((*FACE, neck_of(pose.skeleton)), need_all=False)
        away = top - head if head is not None else DOWN * 0.0
        down = away / max(float(np.hypot(*away)), 0.25 * size) + DOWN
        down = down / max(float(np.hypot(*down)), 1e-3)
        bottom = top + 0.95 * size * down
        corners += [bottom + 0.8 * (pose[shoulder] - top) for shoulder in SHOULDERS]
    if len(corners) < 2:
        return None
    pads = (widths.torso[0] * size, widths.torso[1] * size)
    if top is None or bottom is None:
        pads = (sum(pads) / 2, sum(pads) / 2)
        top = bottom = corners[0]
    return Torso(np.array(corners), top, bottom, pads)


def extent(parts: Iterable[Capsule | Torso]) -> NDArray[np.float64]:
    """The box around all parts: x1, y1, x2, y2 as (4,) float64; an empty box (inf, inf, -inf, -inf) without parts."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for part in parts:
        ends: Sequence[tuple[Point, float]]
        if isinstance(part, Capsule):
            ends = ((part.start, part.radii[0]), (part.end, part.radii[1]))
        else:
            ends = [(corner, max(part.pads)) for corner in part.corners]
        for point, radius in ends:
            low, high = np.minimum(low, point - radius), np.maximum(high, point + radius)
    return np.concatenate([low, high])
