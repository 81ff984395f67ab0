"""Sets of other joints, made from those that are there: a COCO file about the same images, joints computed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.data.dataset import UNKNOWN, Dataset, Person
from noda_synth.data.skeleton import SKELETONS
from noda_synth.formats import coco_annotation, coco_image, find_layout, read_dataset
from noda_synth.imaging.images import image_path, image_size
from tests.mpii_files import write_json

_BODY = SKELETONS["crowdpose14"].joints[:12]
_SHOULDERS = ("left_shoulder", "right_shoulder")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")

CROWDPOSE = {joint: {joint: 1.0} for joint in _BODY} | {
    # From the shoulders through the middle of the face, once more as far.
    "head": {**dict.fromkeys(_FACE, 0.34), **dict.fromkeys(_SHOULDERS, -0.35)},
    "neck": {**dict.fromkeys(_FACE, 0.06), **dict.fromkeys(_SHOULDERS, 0.35)},
}
"""Keypoints of CrowdPose's files -> weights of COCO's joints."""

LSP = {joint: {"upper_neck" if joint == "neck" else joint: 1.0} for joint in SKELETONS["lsp14"].joints}
"""Joints of LSP -> weights of MPII's."""

NINE_TOML = """
name = "nine"
joints = ["crown", "chin", "chest", "belly", "seat", "hand_r", "hand_l", "foot_r", "foot_l"]
limbs = [
    { joints = ["crown", "chin"], length = 0.6 },
    { joints = ["chin", "chest"], width = 0.4 },
    { joints = ["chest", "belly"], width = [0.8, 0.7] },
    { joints = ["belly", "seat"], width = [0.7, 0.75] },
    { joints = ["chest", "hand_r"], width = [0.35, 0.2], length = 1.5 },
    { joints = ["chest", "hand_l"], width = [0.35, 0.2], length = 1.5 },
    { joints = ["seat", "foot_r"], width = [0.45, 0.3], length = 1.6 },
    { joints = ["seat", "foot_l"], width = [0.45, 0.3], length = 1.6 },
]
flips = [["hand_r", "hand_l"], ["foot_r", "foot_l"]]
limb_joints = ["hand_r", "hand_l", "foot_r", "foot_l"]
protected = ["crown", "chin"]
protected_segments = [["crown", "chin"]]

[groups]
head = ["crown", "chin"]
hands = ["hand_r", "hand_l"]
feet = ["foot_r", "foot_l"]
"""
NINE: Mapping[str, Mapping[str, float]] = {
    "crown": {"head_top": 1.0}, "chin": {"upper_neck": 1.0}, "chest": {"thorax": 1.0},
    "belly": {"thorax": 0.5, "pelvis": 0.5}, "seat": {"pelvis": 1.0},
    "hand_r": {"right_wrist": 1.0}, "hand_l": {"left_wrist": 1.0},
    "foot_r": {"right_ankle": 1.0}, "foot_l": {"left_ankle": 1.0},
}  # fmt: skip
"""Joints with names that nobody knows -> weights of MPII's."""

assert list(NINE) == tomllib.loads(NINE_TOML)["joints"]


def recast(source: Path, file: Path, joints: Mapping[str, Mapping[str, float]], *, guessed: Sequence[str] = ()) -> Path:
    """Write a COCO file about the training people of a data set, with other joints; returns the images folder.

    Args:
        source: the data set.
        file: to be written.
        joints: keypoint of the new file -> weights of the source's joints; labelled where all of them are, but of
            faces whatever is there counts.
        guessed: keypoints with v = 1 for everyone, as CrowdPose has its heads.
    """
    layout = find_layout(source)
    dataset = read_dataset(layout)
    sizes = {name: image_size(image_path(layout.images, name)) for name in dataset.images}
    ids = {name: number for number, name in enumerate(dataset.images, start=1)}
    annotations: list[dict[str, Any]] = []
    for number, person in enumerate(dataset.persons, start=1):
        cast = _cast(person, dataset, joints)
        entry = coco_annotation(cast, annotation_id=number, image_id=ids[person.image], size=sizes[person.image])
        if dataset.source == "coco":
            entry |= {key: person.record[key] for key in ("segmentation", "area")}
            for joint in guessed:
                place = 3 * list(joints).index(joint) + 2
                entry["keypoints"][place] = min(1, entry["keypoints"][place])
        entry.pop("noda", None)
        annotations.append(entry)
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(joints)}
    images = [coco_image(name, ids[name], size) for name, size in sizes.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"images": images, "annotations": annotations, "categories": [category]})
    return layout.images


def _cast(person: Person, dataset: Dataset, joints: Mapping[str, Mapping[str, float]]) -> Person:
    index = dataset.skeleton.index
    points, labelled, visible = [], [], []
    for weights in joints.values():
        known = {name: weight for name, weight in weights.items() if person.labelled[index[name]]}
        face = [name for name in known if name in _FACE]
        # Of a face the joints that are there share the weight of all.
        share = sum(weights[name] for name in weights if name in _FACE) / len(face) if face else 0.0
        whole = len(known) == len(weights) or (
            bool(face) and all(name in known for name in weights if name not in _FACE)
        )
        labelled.append(whole)
        points.append(
            sum((person.joints[index[n]] * (share if n in face else w) for n, w in known.items()), np.zeros(2))
            if whole
            else np.full(2, np.nan)
        )
        seen = [int(person.visible[index[name]]) for name in known]
        visible.append(min(seen) if whole and seen else UNKNOWN)
    return replace(
        person, joints=np.array(points), labelled=np.array(labelled), visible=np.array(visible, np.int8),
        center=None, scale=None, head_box=None, record={},
    )  # fmt: skip
