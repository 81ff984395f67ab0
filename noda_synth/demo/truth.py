"""What is true of each person in a rendering: joints, what of them can be seen, and outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person
from noda_synth.data.geometry import inside, joint_box
from noda_synth.data.skeleton import MPII
from noda_synth.demo.optics.camera import Camera
from noda_synth.demo.people.anatomy import BONE, SIDES
from noda_synth.demo.people.figure import Figure
from noda_synth.demo.rendering import FINE, NOBODY, THING, Rendering
from noda_synth.demo.scene import Scene

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_COVERS: dict[str, tuple[tuple[str, ...], float]] = {
    "SIDE_ankle": (("SIDE_shin", "SIDE_foot"), 0.080),
    "SIDE_knee": (("SIDE_thigh", "SIDE_shin"), 0.070),
    "SIDE_hip": (("SIDE_thigh", "pelvis", "lumbar"), 0.115),
    "SIDE_wrist": (("SIDE_forearm", "SIDE_hand"), 0.050),
    "SIDE_elbow": (("SIDE_upper_arm", "SIDE_forearm"), 0.050),
    "SIDE_shoulder": (("SIDE_upper_arm", "SIDE_clavicle", "chest"), 0.085),
    "pelvis": (("pelvis", "lumbar", "left_thigh", "right_thigh"), 0.125),
    "thorax": (("chest", "neck", "left_clavicle", "right_clavicle"), 0.095),
    "upper_neck": (("neck", "head", "chest"), 0.100),
    "head_top": (("head",), 0.110),
}

COVERS: dict[str, tuple[frozenset[int], float]] = {
    joint.replace("SIDE", side): (frozenset(BONE[bone.replace("SIDE", side)] for bone in bones), deep)
    for joint, (bones, deep) in _COVERS.items()
    for side in SIDES
}
"""MPII joint -> the bones whose skin or clothes lie over it, and how deep under them it can lie, in body heights.

A joint can be seen where the surface at its pixel belongs to one of these bones and is not further in front of it: the
far hip of someone seen from the side is under the near one, and the hand before the belly is no bone of the pelvis.
"""


@dataclass(frozen=True, eq=False)
class PersonTruth:
    """A person as annotated, and the exact outlines.

    Attributes:
        person: the annotation.
        visible: (H, W) bool, pixels of the image that show this person.
        amodal: (H, W) bool, pixels that would if nothing stood in front.
    """

    person: Person
    visible: Mask
    amodal: Mask


def truths(scene: Scene, rendering: Rendering, image: str) -> list[PersonTruth]:
    """What is true of everyone in a scene of whom a pixel can be seen and a joint lies in the picture."""
    seen_by = owners(rendering)
    result = []
    for index, figure in enumerate(scene.people):
        visible = seen_by == index
        joints = _joints(figure, scene.camera)
        if visible.any() and not np.isnan(joints).all():
            seen = _seen(figure, index, joints, scene.camera, rendering, seen_by)
            person = _person(figure, scene.camera, joints, seen, f"{image}#{index}", image)
            amodal = 2 * _samples_a_pixel(rendering.whole[index]) >= FINE**2
            result.append(PersonTruth(person, visible, amodal | visible))
    return result


def owners(rendering: Rendering) -> NDArray[np.int16]:
    """(H, W) int16: who has most of each pixel's samples: a person's index, NOBODY or THING; a tie goes to people."""
    candidates = [*range(len(rendering.whole)), THING, NOBODY]
    counts = np.stack([_samples_a_pixel(rendering.owner == candidate) for candidate in candidates])
    most: NDArray[np.int16] = np.array(candidates, np.int16)[counts.argmax(axis=0)]
    return most


def _samples_a_pixel(samples: Mask) -> NDArray[np.uint8]:
    """(H, W) uint8: how many of each pixel's samples are set."""
    height, width = (side // FINE for side in samples.shape)
    total = np.zeros((height, width), np.uint8)
    for row in range(FINE):
        for column in range(FINE):
            total += samples[row::FINE, column::FINE]
    return total


def _joints(figure: Figure, camera: Camera) -> Floats:
    """(16, 2) float64 0-based pixels, NaN outside the picture."""
    projected = camera.project(figure.joints)
    joints = np.round(projected[:, :2], 3)
    within = (projected[:, 2] > 0) & inside(joints, camera.size)
    return np.where(within[:, None], joints, np.nan)


def _seen(
    figure: Figure, index: int, joints: Floats, camera: Camera, rendering: Rendering, seen_by: NDArray[np.int16]
) -> NDArray[np.int8]:
    """(16,) int8: whether each joint can be seen.

    The joint's pixel must be this person's, and at least half of the person's samples there must show a bone that
    covers the joint, not too far before it.
    """
    seen = np.full(len(MPII), UNKNOWN, np.int8)
    depths = 1 / camera.project(figure.joints)[:, 2]
    for number in np.flatnonzero(~np.isnan(joints[:, 0])):
        column, row = (int(value) for value in np.floor(joints[number] + 0.5))
        block = np.s_[row * FINE : (row + 1) * FINE, column * FINE : (column + 1) * FINE]
        own = rendering.owner[block] == index
        bones, deep = COVERS[MPII.joints[number]]
        before = depths[number] - 1 / np.maximum(rendering.near[block], 1e-6)
        clear = own & np.isin(rendering.bone[block], list(bones)) & (before <= deep * figure.height)
        shown = seen_by[row, column] == index and 2 * clear.sum() >= own.sum()
        seen[number] = VISIBLE if shown else OCCLUDED
    return seen


def _person(
    figure: Figure, camera: Camera, joints: Floats, seen: NDArray[np.int8], person_id: str, image: str
) -> Person:
    pelvis = camera.project(figure.joints[MPII.indices("pelvis")])[0]
    scale = round(float(figure.height * camera.focal * pelvis[2] / 200), 5)
    labelled = ~np.isnan(joints[:, 0])
    box = joint_box(joints[labelled])
    # Trainers add 15 * scale to the center's y: after that it is the middle of the joints.
    center = (box[:2] + box[2:]) / 2 - [0, 15 * scale]
    top, neck = camera.project(figure.joints[MPII.indices("head_top", "upper_neck")])[:, :2]
    # As large against these two joints as MPII's boxes are: 0.6 of the diagonal is 0.75 of their distance.
    half = 0.625 * float(np.hypot(*(top - neck))) / np.sqrt(2)
    head_box = np.concatenate([(top + neck) / 2 - half, (top + neck) / 2 + half])
    return Person(image, person_id, joints, labelled, seen, np.round(center, 3), scale, head_box=np.round(head_box, 3))
