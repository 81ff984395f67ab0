"""Sets that networks are tested on as they come: CrowdPose's files and OCHuman's own, small ones made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, VISIBLE
from noda_synth.data.skeleton import COCO
from noda_synth.errors import NodaError
from noda_synth.formats.coco.read import read_coco
from noda_synth.formats.coco.rle import segmentation_mask
from noda_train import settings as config
from noda_train.data import load
from noda_train.evaluate import evaluation_set
from noda_train.metrics import pck

NAMES = [
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "right_hip",
    "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "head", "neck", "right_ear", "left_ear", "nose",
    "right_eye", "left_eye",
]  # fmt: skip


def square(left: int, top: int, side: int) -> list[int]:
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def ochuman() -> dict[str, Any]:
    """A person whose joints are visible, hidden by themselves, by others, or missing in turn; one without joints."""
    keypoints = [value for place in range(19) for value in (10 + 3 * place, 20 + 2 * place, (1, 2, 3, 0)[place % 4])]
    segms = {"outer": [square(10, 20, 60)], "inner": [square(30, 40, 10)], "width": 100, "height": 90}
    people = [
        {"bbox": [5, 10, 75, 80], "keypoints": keypoints, "segms": segms, "max_iou": 0.7},
        {"bbox": [20, 15, 90, 85], "keypoints": None, "segms": None, "max_iou": 0.7},
    ]
    return {
        "keypoint_names": NAMES,
        "keypoint_visible": {"missing": 0, "vis": 1, "self_occluded": 2, "others_occluded": 3},
        "images": [{"image_id": "000007", "file_name": "a.jpg", "width": 100, "height": 90, "annotations": people}],
    }


def crowdpose() -> dict[str, Any]:
    """As its files are: an index of the crowd with each image, no area."""
    names = [*(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
               for side in ("left", "right")), "head", "neck"]  # fmt: skip
    keypoints = [value for place in range(14) for value in (10 + 3 * place, 20 + 2 * place, 1 + place % 2)]
    person = {"id": 1, "image_id": 9, "category_id": 1, "iscrowd": 0, "bbox": [5, 10, 70, 70]}
    return {
        "images": [{"id": 9, "file_name": "a.jpg", "width": 100, "height": 90, "crowdIndex": 0.8}],
        "annotations": [{**person, "keypoints": keypoints, "num_keypoints": 14}],
        "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}],
    }


@pytest.mark.parametrize(
    ("name", "content", "joints"),
    [("ochuman.json", ochuman(), 13), ("json/crowdpose_test.json", crowdpose(), 14)],
)
def test_a_test_set_in_its_own_form_is_evaluated(
    tmp_path: Path, name: str, content: dict[str, Any], joints: int
) -> None:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.zeros((90, 100, 3), np.uint8))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(json.dumps(content))
    for data in (tmp_path, tmp_path / name):
        persons = evaluation_set(load(data, for_training=False), config.load("demo"))
        assert len(persons.samples) == 1 and persons.samples.labelled.sum() == joints
        assert persons.truth.visible is not None
        table = pck.evaluate(persons.truth.joints, persons.truth, bootstrap=0)["thresholds"]["0.1"]
        assert table["all"]["mean"] == table["occluded"]["mean"] == 100 and table["occluded"]["n"] > 0


def test_ochumans_joints_are_cocos_with_what_others_hide_occluded(tmp_path: Path) -> None:
    path = tmp_path / "ochuman.json"
    path.write_text(json.dumps(ochuman()))
    dataset = read_coco(path)
    assert dataset.skeleton.joints == COCO.joints and not [problem for problem in dataset.problems if problem.failed]
    person, other = dataset.persons
    for joint in COCO.joints:
        place, row = NAMES.index(joint), COCO.index[joint]
        assert person.labelled[row] == (place % 4 != 3)
        if person.labelled[row]:
            assert person.joints[row].tolist() == [10 + 3 * place, 20 + 2 * place]
            assert person.visible[row] == (OCCLUDED if place % 4 == 2 else VISIBLE)
    assert person.record["bbox"] == [5, 10, 70, 70] and person.record["area"] == 4900
    mask = segmentation_mask(person.record["segmentation"], (100, 90))
    assert mask.sum() == 60 * 60 - 10 * 10 and not mask[45, 35]
    assert not other.labelled.any() and other.record["bbox"] == [20, 15, 70, 70]


def test_an_ochuman_file_without_its_names_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ochuman.json"
    path.write_text(json.dumps({**ochuman(), "keypoint_names": NAMES[:16]}))
    with pytest.raises(NodaError, match=r"ochuman\.json: .*lacks nose"):
        read_coco(path)
