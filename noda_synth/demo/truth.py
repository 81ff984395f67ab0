"""What is true of each person in a rendering: joints, what of them can be seen, and outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person, inside, joint_box
from noda_synth.demo.anatomy import BONE, SIDES
from noda_synth.demo.camera import Camera
from noda_synth.demo.figure import Figure
from noda_synth.demo.rendering import FINE, NOBODY, THING, Rendering
from noda_synth.demo.scene import Scene
from noda_synth.skeleton import MPII

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_COVERS: dict[str, tuple[tuple[str, ...], float]] = {
    "SIDE_ankle": (("SIDE_shin", "SIDE_foot"), 0.080),
    "SIDE_knee": (("SIDE_thigh", "SIDE_shin"), 0.070),
    "SIDE_hip": (("SIDE_thigh", "pelvis"), 0.115),
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
class Truth:
    """A person as annotated, and the exact outlines.

    Attributes:
        person: the annotation.
        visible: (H, W) bool, pixels of the image that show this person.
        amodal: (H, W) bool, pixels that would if nothing stood in front.
    """

    person: Person
    visible: Mask
    amodal: Mask


def truths(scene: Scene, rendering: Rendering, image: str) -> list[Truth]:
    """What is true of every person of a scene of whom something can be seen, in the order of the scene."""
    seen_by = owners(rendering)
    result = []
    for index, figure in enumerate(scene.people):
        visible = seen_by == index
        amodal = _share(rendering.whole[index]) >= 0.5
        joints, seen = _joints(figure, index, scene.camera, rendering, seen_by)
        if visible.any() and (seen == VISIBLE).any():
            result.append(Truth(_person(figure, scene.camera, joints, seen, f"{image}#{index}", image), visible, amodal | visible))
    return result


def owners(rendering: Rendering) -> NDArray[np.int16]:
    """(H, W) int16: who has most of each pixel's samples: a person's index, NOBODY or THING; a tie goes to people."""
    people = len(rendering.whole)
    candidates = [*range(people), THING, NOBODY]
    shares = np.stack([_share(rendering.owner == candidate) for candidate in candidates])
    return np.array(candidates, np.int16)[shares.argmax(axis=0)]


def _share(samples: Mask) -> NDArray[np.float32]:
    """(H, W) float32: the share of a pixel's samples that are set."""
    blocks = [samples[row::FINE, column::FINE] for row in range(FINE) for column in range(FINE)]
    return np.asarray(np.sum(blocks, axis=0, dtype=np.float32) / FINE**2)


def _joints(figure: Figure, index: int, camera: Camera, rendering: Rendering, seen_by: NDArray[np.int16]) -> tuple[Floats, NDArray[np.int8]]:
    """(16, 2) float64 0-based pixels, NaN outside the picture, and (16,) int8 whether each can be seen."""
    projected = camera.project(figure.joints)
    within = (projected[:, 2] > 0) & inside(projected[:, :2], camera.size)
    joints = np.where(within[:, None], projected[:, :2], np.nan)
    seen = np.full(len(MPII), UNKNOWN, np.int8)
    for number in np.flatnonzero(within):
        column, row = (int(v) for v in np.floor(joints[number] + 0.5))
        bones, deep = COVERS[MPII.joints[number]]
        block = np.s_[row * FINE : (row + 1) * FINE, column * FINE : (column + 1) * FINE]
        own = rendering.owner[block] == index
        depth = 1 / np.maximum(rendering.near[block], 1e-6)
        clear = np.isin(rendering.bone[block], list(bones)) & (1 / projected[number, 2] - depth <= deep * figure.anatomy.height)
        shown = seen_by[row, column] == index and 2 * int((own & clear).sum()) >= int(own.sum())
        seen[number] = VISIBLE if shown else OCCLUDED
    return joints, seen


def _person(figure: Figure, camera: Camera, joints: Floats, seen: NDArray[np.int8], person_id: str, image: str) -> Person:
    labelled = ~np.isnan(joints[:, 0])
    pelvis = camera.project(figure.joints[[MPII.index["pelvis"]]])[0]
    scale = float(figure.anatomy.height * camera.focal * pelvis[2] / 200)
    box = joint_box(joints[labelled])
    # Trainers add 15 * scale to the center's y: after that it is the middle of the joints.
    center = (box[:2] + box[2:]) / 2 - np.array([0, 15 * scale])
    top, neck = camera.project(figure.joints[MPII.at("head_top", "upper_neck")])[:, :2]
    # As large against these two joints as MPII's boxes are: 0.6 of the diagonal is 0.75 of their distance.
    half = 0.625 * float(np.hypot(*(top - neck))) / np.sqrt(2)
    middle = (top + neck) / 2
    return Person(
        image=image,
        person_id=person_id,
        joints=np.round(joints, 3),
        labelled=labelled,
        visible=seen,
        center=np.round(center, 3),
        scale=round(scale, 5),
        head_box=np.round(np.concatenate([middle - half, middle + half]), 3),
    )
