"""Occluded joints by who hides them, visible ones by who is near; and predictions that lean to one side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.data.skeleton import COCO, MPII
from noda_train.data import samples_of
from noda_train.metrics import oks, pck, scoring, tables
from noda_train.metrics.truth import mpii_truth, read_everyone, read_truth, truth_of, with_neighbours


def coco(people: list[dict[str, Any]]) -> dict[str, Any]:
    shared = {"image_id": 1, "category_id": 1, "iscrowd": 0, "area": 2000.0}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO.joints)}, {"id": 2, "name": "dog"}],
        "annotations": [{"id": n, **shared, **person} for n, person in enumerate(people, start=1)],
    }


def test_joints_are_split_by_the_outline_of_others_else_by_their_box(tmp_path: Path) -> None:
    keypoints = np.zeros((17, 3))
    keypoints[0] = 110, 50, 1  # in the box and the outline of the second
    keypoints[1] = 140, 20, 1  # in the box, outside of the outline
    keypoints[2] = 150, 50, 1  # in the box of the third, who has no outline; the second ends at 145
    keypoints[3] = 30, 50, 1  # nobody but a dog
    keypoints[4] = 140, 20, 2  # near
    keypoints[5] = 30, 50, 2  # apart
    nobody = [0.0] * 51
    dog = {"category_id": 2, "bbox": [20, 40, 30, 30]}
    people = [
        {"bbox": [20, 10, 140, 80], "keypoints": keypoints.ravel().tolist(), "num_keypoints": 6},
        {
            "bbox": [100, 10, 45, 80],
            "keypoints": nobody,
            "segmentation": [[100, 10, 120, 10, 120, 90, 100, 90]],
            "num_keypoints": 0,
        },
        {"bbox": [146, 10, 20, 80], "keypoints": nobody, "num_keypoints": 0},
        dog,
    ]
    path = tmp_path / "val.json"
    path.write_text(json.dumps(coco(people)))
    truth = scoring.evaluator_of(path).truth
    joints = {name: np.flatnonzero(truth.subset(name)[0]).tolist() for name in truth.subsets}
    assert joints["occluded_by_person"] == [0, 2] and joints["occluded_otherwise"] == [1, 3]
    assert joints["visible_near"] == [4] and joints["visible_apart"] == [5]
    right = truth.joints.copy()
    right[0, 0] += 500
    result = pck.evaluate(right, truth, bootstrap=10)
    table = result["thresholds"]["0.2"]
    assert table["occluded_by_person"]["mean"] == 50 and table["occluded_otherwise"]["mean"] == 100
    said = tables.format_numbers(result)
    assert "occluded by a person" in said and "visible, nobody near" in said
    similarity = oks.evaluate(right, truth, np.array(COCO.sigmas), bootstrap=10)
    assert similarity["occluded_by_person"]["mean"] == 50 and similarity["occluded_otherwise"]["mean"] == 100
    changed = pck.compare(right, truth.joints, truth, bootstrap=10)
    assert changed["thresholds"]["0.2"]["occluded_by_person"]["mean"]["difference"] == -50
    assert "occluded otherwise" in tables.format_comparison(changed)
    mask = {"size": [100, 200], "counts": [100 * 100, 20 * 100, 80 * 100]}  # columns 100 to 119
    people[1]["segmentation"] = mask
    path.write_text(json.dumps(coco(people)))
    again = scoring.evaluator_of(path).truth
    np.testing.assert_array_equal(again.subset("occluded_by_person"), truth.subset("occluded_by_person"))


def test_people_of_mpii_are_neighbours_by_the_boxes_of_their_joints() -> None:
    rng = np.random.default_rng(0)
    joints = rng.uniform(50, 100, (3, 16, 2))
    joints[1] += 30
    visible = np.zeros((3, 16), np.int8)
    truth = with_neighbours(
        mpii_truth(joints, np.ones((3, 16), bool), np.full(3, 10.0), visible), ["a.jpg", "a.jpg", "b.jpg"]
    )
    by_person = truth.subset("occluded_by_person")
    assert by_person[0].any() and by_person[1].any() and not by_person[2].any()
    otherwise = truth.subset("occluded_otherwise")
    np.testing.assert_array_equal(by_person | otherwise, truth.subset("occluded"))
    assert not (by_person & otherwise).any()
    blind = replace(truth, visible=None)
    assert blind.subsets == ("all", "visible", "occluded")


def test_predictions_that_lean_to_one_side_show_it() -> None:
    rng = np.random.default_rng(1)
    joints = rng.uniform(0, 300, (20, 16, 2))
    truth = mpii_truth(joints, np.ones((20, 16), bool), np.full(20, 10.0))
    straight = pck.evaluate(joints + rng.normal(0, 0.1, joints.shape), truth, bootstrap=0)
    assert abs(straight["bias"]["all"]["x"]) < 0.01 and "lean" not in tables.format_numbers(straight)
    leaning = pck.evaluate(joints + np.array([0.7, -0.2]), truth, bootstrap=0)
    np.testing.assert_allclose([leaning["bias"]["wrist"]["x"], leaning["bias"]["all"]["y"]], [0.07, -0.02])
    said = tables.format_numbers(leaning)
    assert "in heads: All +0.070 -0.020; Head +0.070" in said and "lean to one side" in said


@pytest.mark.parametrize(
    ("extra", "by_person"),
    [
        ({"synth": {"method": "noda", "covered": ["left_wrist"]}}, True),
        ({"synth": {"method": "cutout", "covered": ["left_wrist"]}}, False),
        ({"twin": {"severity": "light"}, "joints_covered": [0] * 15 + [1]}, True),
    ],
    ids=["copy", "cutout", "twin"],
)
def test_a_pasted_person_hides_what_they_cover(tmp_path: Path, extra: dict[str, Any], by_person: bool) -> None:
    """No list of MPII's form has the pasted person, yet they are who hides the joint."""
    visible = [1] * 14 + [0, 0]  # left elbow and left wrist are occluded
    joints = np.random.default_rng(0).uniform(50, 100, (16, 2)).tolist()
    record = {"image": "a.jpg", "center": [75, 75], "scale": 0.3, "joints": joints, "joints_vis": [1] * 16}
    path = tmp_path / "valid.json"
    path.write_text(json.dumps([{**record, "joints_visible": visible, **extra}]))
    truth = read_truth(path)
    elbow, wrist = MPII.index["left_elbow"], MPII.index["left_wrist"]
    assert truth.subset("occluded_by_person")[0].nonzero()[0].tolist() == ([wrist] if by_person else [])
    assert truth.subset("occluded_otherwise")[0].nonzero()[0].tolist() == ([elbow] if by_person else [elbow, wrist])
    samples = samples_of(tmp_path, MPII, read_everyone(path))
    np.testing.assert_array_equal(truth_of(samples).subset("occluded_by_person"), truth.subset("occluded_by_person"))
    said = tables.format_numbers(pck.evaluate(truth.joints, truth, bootstrap=10))
    assert ("occluded by a person" in said) == by_person and "somebody near" not in said
    changes = tables.format_comparison(pck.compare(truth.joints, truth.joints, truth, bootstrap=10))
    assert ("occluded by a person" in changes) == by_person and "somebody near" not in changes
