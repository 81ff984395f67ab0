"""Bodies as capsules and triangles in whole numbers, so that what lies under them is the same on every machine.

No sine, no root that is not `math.isqrt`, no sum of floats: whether a joint is under a body does not depend on the
processor, the compiler or the library. The measures are those of the cardboard body (`noda_synth.masks.body_parts`),
in thousandths of the body size S.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton

Integers = NDArray[np.int64]
Pixel = tuple[int, int]

_SIDES = ("left", "right")
_SHOULDERS, _HIPS = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
_NECK, _FACE = ("upper_neck", "neck"), ("nose", "left_eye", "right_eye", "left_ear", "right_ear")

# Length of a part over S, seen at full length (see `noda_synth.data.pose`).
_OF_A_SIDE = (
    (1030, "shoulder", "hip"),
    (650, "shoulder", "elbow"),
    (700, "elbow", "wrist"),
    (840, "hip", "knee"),
    (750, "knee", "ankle"),
)
_LENGTHS = (
    (1150, _SHOULDERS, _HIPS),
    (700, ("left_shoulder",), ("right_shoulder",)),
    (600, _NECK, ("head_top",)),
    *((length, (f"{side}_{a}",), (f"{side}_{b}",)) for side in _SIDES for length, a, b in _OF_A_SIDE),
)
_LONGEST = 3

# Radius of a limb in the core (None: not part of it), the body and the hull. A hull leaves room for loose clothes.
_RADII: dict[str, tuple[int | None, int, int]] = {
    "upper_arm": (70, 126, 230),
    "forearm": (None, 111, 220),
    "hand": (None, 108, 220),
    "thigh": (110, 195, 330),
    "shin": (70, 143, 250),
    "foot": (None, 178, 260),
    "torso": (0, 168, 320),
    "head": (120, 250, 380),
}
_HAND_LENGTH, _FOOT_LENGTH = 200, 200
CORE, BODY, HULL = 0, 1, 2


@dataclass(frozen=True, eq=False)
class BodyShape:
    """A union of capsules and triangles in whole pixels.

    Attributes:
        capsules: (C, 5) int64: x, y of one end, x, y of the other, radius.
        triangles: (T, 6) int64: x, y of the three corners.
    """

    capsules: Integers
    triangles: Integers

    def holds(self, points: Integers) -> NDArray[np.bool_]:
        """(P,) bool: which of the points (P, 2) int64 lie in the shape or on its border."""
        inside = np.zeros(len(points), np.bool_)
        for x1, y1, x2, y2, radius in self.capsules:
            inside |= _in_capsule(points, x1, y1, x2, y2, radius)
        for corners in self.triangles.reshape(-1, 3, 2):
            inside |= _in_triangle(points, corners)
        return inside

    def box(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of all capsules; the triangles lie among them."""
        ends, radius = self.capsules[:, :4].reshape(-1, 2, 2), self.capsules[:, 4, None, None]
        low, high = (ends - radius).min(axis=(0, 1)), (ends + radius).max(axis=(0, 1))
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _in_capsule(points: Integers, x1: int, y1: int, x2: int, y2: int, radius: int) -> NDArray[np.bool_]:
    """Exact as long as all differences stay below 2 ** 15: squares of cross products then fit into 63 bits."""
    along_x, along_y = x2 - x1, y2 - y1
    right, down = points[:, 0] - x1, points[:, 1] - y1
    length2, limit = along_x * along_x + along_y * along_y, radius * radius
    along = right * along_x + down * along_y
    across = right * along_y - down * along_x
    far_right, far_down = points[:, 0] - x2, points[:, 1] - y2
    from_start, from_end = right * right + down * down, far_right * far_right + far_down * far_down
    beside = (along > 0) & (along < length2) & (across * across <= limit * length2)
    return np.asarray(beside | (from_start <= limit) | (from_end <= limit))


def _in_triangle(points: Integers, corners: Integers) -> NDArray[np.bool_]:
    turns = []
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        turns.append((x2 - x1) * (points[:, 1] - y1) - (y2 - y1) * (points[:, 0] - x1))
    flat = (corners == corners[0]).all()
    sides = np.stack(turns)
    return np.asarray(((sides >= 0).all(axis=0) | (sides <= 0).all(axis=0)) & ~flat)


@dataclass(frozen=True)
class Joints:
    """The labelled joints of a person by name, in whole pixels."""

    pixels: dict[str, Pixel]

    def midpoint(self, *names: str) -> Pixel | None:
        """The middle of the named joints that are labelled, rounded down."""
        known = [self.pixels[name] for name in names if name in self.pixels]
        if not known:
            return None
        return sum(x for x, _ in known) // len(known), sum(y for _, y in known) // len(known)

    def scaled(self, center: Pixel, factor: int) -> Joints:
        """The joints about a centre, which becomes (0, 0), in `factor` 256ths of their size, rounded down."""
        left, top = center
        scaled = {name: ((x - left) * factor // 256, (y - top) * factor // 256) for name, (x, y) in self.pixels.items()}
        return Joints(scaled)

    def box(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the joints, of which there is one at least."""
        xs, ys = [x for x, _ in self.pixels.values()], [y for _, y in self.pixels.values()]
        return min(xs), min(ys), max(xs), max(ys)

    def center(self) -> Pixel:
        """The middle of the box, rounded down."""
        x1, y1, x2, y2 = self.box()
        return (x1 + x2) // 2, (y1 + y2) // 2


def joint_pixels(joints: NDArray[np.float64]) -> Integers:
    """(J, 2) int64: the pixel of each joint, 0-based; anything for NaN.

    Rounded at 1/1024 below the half: halves are common in annotations, and no number of the files lies there.
    """
    known = np.where(np.isfinite(joints), joints, 0.0)
    return np.floor(np.clip(known, -30000, 30000) + 0.5 + 2.0**-10).astype(np.int64)


def joints_of(person: Person, skeleton: Skeleton) -> Joints:
    """All labelled joints of a person."""
    named = zip(skeleton.joints, joint_pixels(person.joints).tolist(), person.labelled, strict=True)
    return Joints({name: (x, y) for name, (x, y), labelled in named if labelled})


def body_size(joints: Joints) -> int:
    """S in whole pixels: the mean of the three largest of length / expected length; 0 with nothing to measure."""
    sizes = []
    for expected, start, end in _LENGTHS:
        a, b = joints.midpoint(*start), joints.midpoint(*end)
        if a is not None and b is not None:
            sizes.append(isqrt(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) * 1_000_000) // expected)
    longest = sorted(sizes)[-_LONGEST:]
    return sum(longest) // len(longest) if longest else 0


def body_shape(joints: Joints, size: int, kind: int) -> BodyShape:
    """The shape of a body of size S: its CORE, which is body for sure, its BODY, or its HULL, with all it may wear."""
    capsules = [
        (*start, *end, radius * size // 1000)
        for start, end, part in _limbs(joints, size)
        if (radius := _RADII[part][kind]) is not None
    ]
    corners = [joints.pixels[name] for name in (*_SHOULDERS, *reversed(_HIPS)) if name in joints.pixels]
    triangles = [(*corners[0], *corners[n], *corners[n + 1]) for n in range(1, len(corners) - 1)]
    if kind == HULL:  # a skirt, wide trousers
        hips = [joints.pixels[name] for name in _HIPS if name in joints.pixels]
        knees = [joints.pixels[f"{side}_knee"] for side in _SIDES if f"{side}_knee" in joints.pixels]
        legs = [*hips, *reversed(knees)]
        triangles += [(*legs[0], *legs[n], *legs[n + 1]) for n in range(1, len(legs) - 1)]
    return BodyShape(np.array(capsules, np.int64).reshape(-1, 5), np.array(triangles, np.int64).reshape(-1, 6))


_LIMBS = (
    ("shoulder", "elbow", "upper_arm"),
    ("elbow", "wrist", "forearm"),
    ("hip", "knee", "thigh"),
    ("knee", "ankle", "shin"),
    ("shoulder", "hip", "torso"),
)
_TIPS = {"forearm": ("hand", _HAND_LENGTH), "shin": ("foot", _FOOT_LENGTH)}


def _limbs(joints: Joints, size: int) -> Iterator[tuple[Pixel, Pixel, str]]:
    """Both ends of each part whose joints are labelled, and the part."""
    pixels = joints.pixels
    for side, (a, b, part) in product(_SIDES, _LIMBS):
        start, end = pixels.get(f"{side}_{a}"), pixels.get(f"{side}_{b}")
        if start is None or end is None:
            continue
        yield start, end, part
        if part in _TIPS:
            tip, length = _TIPS[part]
            yield end, _beyond(start, end, length * size // 1000), tip
    for a, b in (_SHOULDERS, _HIPS):
        if a in pixels and b in pixels:
            yield pixels[a], pixels[b], "torso"
    yield from _head(joints)


def _head(joints: Joints) -> Iterator[tuple[Pixel, Pixel, str]]:
    neck, top, face = joints.midpoint(*_NECK), joints.midpoint("head_top"), joints.midpoint(*_FACE)
    if neck is not None and top is not None:
        low, high = _between(neck, top, 300), _between(neck, top, 700)
        yield low, high, "head"
    elif face is not None:
        yield face, face, "head"


def _between(start: Pixel, end: Pixel, share: int) -> Pixel:
    return start[0] + (end[0] - start[0]) * share // 1000, start[1] + (end[1] - start[1]) * share // 1000


def _beyond(start: Pixel, end: Pixel, length: int) -> Pixel:
    """The point that lies a length in pixels beyond the end of a line."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    whole = max(1, isqrt(dx * dx + dy * dy))
    return end[0] + dx * length // whole, end[1] + dy * length // whole


def line_pixels(start: Pixel, end: Pixel) -> list[Pixel]:
    """Points on a line, no two neighbours more than a pixel apart in x and in y."""
    steps = max(1, abs(end[0] - start[0]), abs(end[1] - start[1]))
    return [
        (start[0] + (end[0] - start[0]) * n // steps, start[1] + (end[1] - start[1]) * n // steps)
        for n in range(steps + 1)
    ]
