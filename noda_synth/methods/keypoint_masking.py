"""Keypoint masking (Ke et al. 2018, the NODA paper's [24]): patches of background copied over some of the joints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, Person
from noda_synth.data.geometry import usable_joints
from noda_synth.data.pose import Pose
from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.images import BGRImage
from noda_synth.masks.body_parts import Capsule, Torso, body_parts
from noda_synth.masks.cardboard import signed_distance
from noda_synth.methods.base import Subject
from noda_synth.methods.pieces import PieceMethod, Pieces
from noda_synth.settings import within

# Positions tried for a patch of background: around the person first, then anywhere in the picture.
_NEAR, _ANYWHERE = 100, 400


@dataclass(frozen=True)
class KeypointMaskingSettings:
    """How many joints and how large a patch; these numbers are ours.

    Attributes:
        joints: range of the number of joints that are masked.
        side: range of the side of the square patch, in sides of the person's box (`base.Box.side`).
    """

    joints: tuple[int, int] = (1, 3)
    side: tuple[float, float] = (0.15, 0.25)

    def __post_init__(self) -> None:
        within("joints", self.joints, 1, 100)
        within("side", self.side, 0.01, 2)


@dataclass(frozen=True)
class Patch:
    """A square of the picture copied to another part of it: corners in pixels of the picture."""

    joint: str
    left: int
    top: int
    side: int
    from_left: int
    from_top: int


class KeypointMasking(PieceMethod[KeypointMaskingSettings]):
    settings_type, piece_type = KeypointMaskingSettings, Patch
    sees_others = True

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Pieces | None, str]:
        """Joints in the image, those not known to be occluded first; for each its patch of background."""
        joints = rng.permutation(np.flatnonzero(subject.inside))
        joints = joints[np.argsort(subject.person.visible[joints] == OCCLUDED, kind="stable")]
        count = int(rng.integers(self.settings.joints[0], self.settings.joints[1] + 1))
        people = list(_everybody(subject))
        patches = []
        for joint in joints[:count]:
            side = max(1, round(float(rng.uniform(*self.settings.side)) * subject.box.side))
            corner = _background(subject, people, side, rng)
            if corner is None:
                return None, "no background to copy over a joint"
            left, top = (int(value) for value in np.floor(subject.person.joints[joint] + 0.5) - side // 2)
            patches.append(Patch(subject.skeleton.joints[joint], left, top, side, *corner))
        return Pieces(tuple(patches)), ""

    def piece_overlay(self, piece: Patch) -> Overlay:
        return Overlay(np.full((piece.side, piece.side), 255, np.uint8), piece.left, piece.top)

    def piece_colours(self, piece: Patch, overlay: Overlay, picture: BGRImage) -> BGRImage:
        rows = slice(piece.from_top, piece.from_top + piece.side)
        return picture[rows, piece.from_left : piece.from_left + piece.side].copy()


def _everybody(subject: Subject) -> Iterator[Capsule | Torso]:
    """The cardboard bodies of all people of the image."""
    frame = (0.0, 0.0, float(subject.size[0]), float(subject.size[1]))
    persons: list[Person] = [subject.person, *subject.others]
    for person in persons:
        # Occluded or not, a limb is no background: what covers it is mostly another body.
        unknown = np.full(len(subject.skeleton), UNKNOWN, np.int8)
        pose = Pose(subject.skeleton, person.joints, usable_joints(person, subject.size), unknown)
        if pose.labelled.any():
            yield from body_parts(pose, frame)
        # Of a skeleton that the cardboard model does not know all of, no joint is background either.
        yield from (Capsule(joint, joint, (0.0, 0.0)) for joint in person.joints[pose.labelled])


def _background(
    subject: Subject, people: list[Capsule | Torso], side: int, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Left and top of a square in the picture that touches nobody, within twice the person's box if there is one."""
    room = np.array(subject.size) - side
    if (room < 0).any():
        return None
    box = subject.box
    low = np.clip([box.left - box.width // 2, box.top - box.height // 2], 0, room)
    high = np.clip([box.left + box.width * 3 // 2 - side, box.top + box.height * 3 // 2 - side], low, room)
    for first, last, tries in ((low, high, _NEAR), (np.zeros(2, np.int64), room, _ANYWHERE)):
        corners = rng.integers(first, last + 1, (tries, 2))
        free = np.flatnonzero(_distance(people, corners.astype(np.float64) + (side - 1) / 2) > side / np.sqrt(2))
        if len(free):
            return int(corners[free[0], 0]), int(corners[free[0], 1])
    return None


def _distance(people: list[Capsule | Torso], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """(P,) float32: pixels from points (P, 2) to the nearest body; infinite without bodies."""
    x, y = points.astype(np.float32).T
    return np.asarray(signed_distance(people, x[None, :], y[None, :])[0])
