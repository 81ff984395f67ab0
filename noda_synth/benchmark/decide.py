"""Who is covered by whom, and where: decided by annotations and image sizes alone, in whole numbers.

A joint counts as covered where it lies in the core of the pasted body, and as free where it lies outside its hull;
a placement that leaves any joint of the target in between is not taken. So the picture that is made later, with a mask
that knows the pixels, only has to agree with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from noda_synth.benchmark.capsules import (
    BODY,
    CORE,
    HULL,
    BodyShape,
    Integers,
    Joints,
    body_shape,
    body_size,
    joint_pixels,
    joints_of,
    line_pixels,
)
from noda_synth.benchmark.protocol import (
    MAX_ENLARGE,
    MIN_BODY_SIZE,
    POSITIONS,
    RESCALE,
    UNCOUNTED,
    HashRandom,
    Settings,
    Severity,
)
from noda_synth.data.dataset import VISIBLE, Dataset, Person
from noda_synth.data.skeleton import Skeleton

_LIMB_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
WHOLE = tuple(f"{side}_{joint}" for joint in _LIMB_JOINTS for side in ("right", "left"))
Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Body:
    """A person of the training part who may be pasted.

    Attributes:
        image: name of their image.
        row: their index in `Dataset.persons`.
        joints: their joints in whole pixels of the image.
        size: S in pixels.
        tone: of its crop in whole numbers (`imaging/tone.py`), where it matters.
    """

    image: str
    row: int
    joints: Joints
    size: int
    tone: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Of which body it is, whatever file it was read from."""
        return key_of(self.image, self.joints)

    def scaled(self, factor: int) -> Joints:
        """The joints about the centre of their box, in the size of `factor` 256ths."""
        return self.joints.scaled(self.joints.center(), factor)

    def shape(self, factor: int, kind: int) -> BodyShape:
        """Their CORE, BODY or HULL about the same centre."""
        return body_shape(self.scaled(factor), self.size * factor // 256, kind)


@dataclass(frozen=True)
class BodyPosition:
    """Where a body (by its index) is pasted: `factor` 256ths of its size, the centre of its joints' box on (x, y)."""

    body: int
    factor: int
    x: int
    y: int


@dataclass(frozen=True, eq=False)
class Twin:
    """A person to be covered and how; `covered` (J,) bool are the labelled joints in the image under the body."""

    position: BodyPosition
    covered: NDArray[np.bool_]


def bodies_of(dataset: Dataset, sizes: Mapping[str, Size]) -> list[Body]:
    """The people of the training part who may be pasted, by rising size S.

    Whole people (both shoulders, elbows, wrists, hips, knees and ankles labelled, and the joints of the head that are
    needed), whose body lies inside the frame, of at least MIN_BODY_SIZE, entangled with nobody who is annotated; not
    from an image that has validation people on it. What is known of visibility plays no part: it depends on the
    file.

    Args:
        dataset: the annotations.
        sizes: image name -> (width, height); people on images that are not in it are passed over.
    """
    skeleton = dataset.skeleton
    kept_out = {person.image for person in dataset.valid}
    by_image: dict[str, list[tuple[int, Joints]]] = defaultdict(list)
    for row, person in enumerate(dataset.persons):
        if not person.duplicate and person.image in sizes and person.image not in kept_out:
            by_image[person.image].append((row, joints_of(person, skeleton)))
    bodies = []
    for name, people in by_image.items():
        for row, joints in people:
            size = body_size(joints)
            if size < MIN_BODY_SIZE or not is_whole(joints, skeleton) or not _in_frame(joints, size, sizes[name]):
                continue
            if not any(_entangled(joints, size, other) for other_row, other in people if other_row != row):
                bodies.append(Body(name, row, joints, size))
    return sorted(bodies, key=lambda body: (body.size, body.key))


def key_of(image: str, joints: Joints) -> str:
    """Image and joints: they tell a person from all others, and do not depend on the file that they were read from."""
    return f"{image} {' '.join(f'{name}:{x},{y}' for name, (x, y) in sorted(joints.pixels.items()))}"


def is_whole(joints: Joints, skeleton: Skeleton) -> bool:
    """All limbs are labelled, and as many joints of the head as have to be known."""
    head = sum(name in joints.pixels for name in skeleton.protected)
    return all(name in joints.pixels for name in WHOLE) and head >= skeleton.protected_needed


def _in_frame(joints: Joints, size: int, image: Size) -> bool:
    x1, y1, x2, y2 = body_shape(joints, size, BODY).box()
    slack = size // 10
    return min(x1, y1) >= -slack and x2 < image[0] + slack and y2 < image[1] + slack


def _entangled(joints: Joints, size: int, other: Joints) -> bool:
    """A joint of one lies in the hull of the other."""
    return _touches(body_shape(joints, size, HULL), other) or _touches(
        body_shape(other, body_size(other), HULL), joints
    )


def _touches(hull: BodyShape, joints: Joints) -> bool:
    return bool(len(joints.pixels) and hull.holds(np.array(list(joints.pixels.values()), np.int64)).any())


class ValidationTarget:
    """A validation person who is to be covered, and what the rules need of them.

    Attributes:
        inside: (J,) bool, labelled joints in the image: those that can be covered.
        obstacle: why the person cannot be covered at all, or an empty string.
        height: of the image.
        frame: left, top, right and bottom of the image, without black bars where that matters.
        tone: of the picture around the person, in whole numbers, where it matters.
    """

    def __init__(self, person: Person, skeleton: Skeleton, size: Size) -> None:
        self.person = person
        self.points = joint_pixels(person.joints)
        self.inside = person.labelled & ((self.points >= 0) & (self.points < np.array(size))).all(axis=1)
        self.joints = joints_of(person, skeleton)
        self.size = body_size(self.joints)
        self.height, self.frame, self.tone = size[1], (0, 0, *size), tuple[int, ...]()
        self.key = key_of(person.image, self.joints)
        self.seen = self.inside & ~skeleton.flags(UNCOUNTED) & (person.visible == VISIBLE)
        self.seen_limbs = self.seen & skeleton.flags(skeleton.coverable)
        self.obstacle = self._obstacle(skeleton)
        if not self.obstacle:
            self.free_points = _free_points(self.joints, skeleton)
            within = [tuple(point) for point in self.points[self.inside].tolist()]
            self.box = Joints({str(n): (x, y) for n, (x, y) in enumerate(within)})

    def _obstacle(self, skeleton: Skeleton) -> str:
        if self.person.duplicate:
            return "duplicate record"
        if self.inside.sum() < 2:
            return "fewer than two joints inside the image"
        if sum(name in self.joints.pixels for name in skeleton.protected) < skeleton.protected_needed:
            return "a protected joint is not labelled"
        if not self.seen_limbs.any():
            return "no limb joint can be seen"
        return "" if self.size else "nothing tells the size"

    @property
    def _diagonal2(self) -> int:
        """The squared diagonal of the box of the joints inside the image."""
        x1, y1, x2, y2 = self.box.box()
        return max((x2 - x1) ** 2 + (y2 - y1) ** 2, 4)

    @property
    def reach(self) -> int:
        """Pixels along x or y beyond which no body's centre lies from that of the box."""
        return isqrt(self._diagonal2) // 2 + 1

    def in_ring(self, distance2: Integers) -> NDArray[np.bool_]:
        """(K,) bool: squared distances (K,) from the box's centre within the paper's ring, 1/3 to 1 half diagonals."""
        return np.asarray((4 * distance2 <= self._diagonal2) & (36 * distance2 >= self._diagonal2))

    def obstacle_at(self, severity: Severity) -> str:
        """Why the person cannot be covered at this severity, or an empty string."""
        if self.obstacle:
            return self.obstacle
        few = self.seen.sum() < severity.least
        return f"fewer than {severity.least} joints can be seen" if few else ""


def _free_points(joints: Joints, skeleton: Skeleton) -> Integers:
    """(P, 2) the points that stay free: the protected joints and the lines between them.

    The rule of `noda_synth.methods.placement`, in whole numbers, so that it is the same on every machine.
    """
    points = [joints.pixels[name] for name in skeleton.protected if name in joints.pixels]
    for start, end in skeleton.protected_segments:
        a, b = joints.midpoint(*start), joints.midpoint(*end)
        if a is not None and b is not None:
            points += line_pixels(a, b)
    return np.array(points, np.int64).reshape(-1, 2)


class Decider:
    """Draws the twins of one person after another; what it says of one does not depend on the others."""

    def __init__(self, bodies: Sequence[Body], settings: Settings) -> None:
        self.bodies = bodies
        self.settings = settings

    @cached_property
    def _sizes(self) -> list[int]:
        return [body.size for body in self.bodies]

    def first_of(self, wanted: int) -> int:
        """The first body that need not be enlarged too much to have `wanted` 256ths of a pixel."""
        return bisect_left(self._sizes, -(-wanted // MAX_ENLARGE))

    def propose(self, target: ValidationTarget, random: HashRandom) -> tuple[int, int, Integers] | None:
        """A body, its factor in 256ths and places (K, 2) for the centre of its joints' box; None where none is large
        enough."""
        rescale = RESCALE[0] + int(random.integers(RESCALE[1] - RESCALE[0] + 1, 1, "rescale")[0])
        wanted = target.size * rescale  # 256 times the body's size in the picture
        first = self.first_of(wanted)
        if first == len(self.bodies):
            return None
        row = first + int(random.integers(len(self.bodies) - first, 1, "body")[0])
        return row, wanted // self.bodies[row].size, _centers(target, random)

    def draw_twin(self, target: ValidationTarget, severity: Severity) -> tuple[Twin | None, str]:
        """The twin of a person at a severity, or None and the reason.

        With each body that is drawn POSITIONS positions are tried, of which the first good one is taken.
        """
        if reason := target.obstacle_at(severity):
            return None, reason
        reason = "no body is large enough"
        for attempt in range(self.settings.tries // POSITIONS):
            random = HashRandom(f"{self.settings.seed} {severity.name} {attempt} {target.key}")
            proposed = self.propose(target, random)
            if proposed is None:
                continue
            row, factor, centers = proposed
            body = self.bodies[row]
            reason = f"no placement in {self.settings.tries} tries"
            if body.image == target.person.image:
                continue
            covered, good = _outcomes(target, body, factor, centers, severity)
            if good.any():
                first_good = int(np.argmax(good))
                x, y = (int(value) for value in centers[first_good])
                return Twin(BodyPosition(row, factor, x, y), covered[first_good]), ""
        return None, reason


def _centers(target: ValidationTarget, random: HashRandom) -> Integers:
    """(K, 2) centres within the paper's ring: 1/3 to 1 half diagonals of the target's box from its centre."""
    reach = target.reach
    offsets = np.stack([random.integers(2 * reach + 1, POSITIONS, axis) - reach for axis in ("x", "y")], axis=1)
    ring = target.in_ring((offsets * offsets).sum(axis=1))
    return np.asarray(offsets[ring] + np.array(target.box.center()))


def _outcomes(
    target: ValidationTarget, body: Body, factor: int, centers: Integers, severity: Severity
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(K, J) bool, the joints covered from each centre (K, 2), and (K,) bool, whether it keeps the rules."""
    shape = (len(centers), len(target.points))
    points = (target.points[None] - centers[:, None]).reshape(-1, 2)
    hull = body.shape(factor, HULL)
    sure = body.shape(factor, CORE).holds(points).reshape(shape) & target.inside
    touched = hull.holds(points).reshape(shape) & target.inside
    plain = (sure == touched).all(axis=1)
    good = plain & severity.admits((sure & target.seen).sum(axis=1)) & (sure & target.seen_limbs).any(axis=1)
    for index in np.flatnonzero(good):
        if hull.holds(target.free_points - centers[index]).any():
            good[index] = False
        else:
            break  # nobody needs more than the first good one
    return sure, good


def newly_hidden(twin: Twin, before: NDArray[np.int8]) -> NDArray[np.bool_]:
    """(J,) bool: the joints that could be seen before and are under the body now."""
    return np.asarray(twin.covered & (before == VISIBLE))
