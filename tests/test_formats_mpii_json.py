"""MPII JSON: verbatim there and back, bad records, duplicates, and visibility from the .mat."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Dataset
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, mpii_record, read_dataset, write_mpii_json
from tests.mpii_files import JOINTS, all_joints, image, record, rect, shifted, write_json, write_release


def layout(folder: Path, train: list[Any], **parts: Path) -> Layout:
    return Layout(folder, write_json(folder / "train.json", train), "mpii_json", **parts)


def read(folder: Path, train: list[Any], **parts: Path) -> Dataset:
    return read_dataset(layout(folder, train, **parts))


AWKWARD = [1.1, 0.1 + 0.2, 519.0, -4.9356, 1e-7, 480.03620000000001]


def test_records_are_written_with_their_very_numbers_keys_and_order(tmp_path: Path) -> None:
    joints = [[x, y] for x, y in zip(AWKWARD * 3, reversed(AWKWARD * 3), strict=True)][:16]
    joints[3] = [-1, -1]
    train = [
        record("b.jpg", joints, joints_vis=[1, 1, 1, 0] + [1] * 12, note={"kept": [1, None]}, scale=2.718281828459045),
        record("a/ü.jpg", center=[-1, -1], scale=-1),
    ]
    dataset = read(tmp_path, train)
    write_mpii_json(tmp_path / "out.json", dataset.persons, extra=False)
    written = json.loads((tmp_path / "out.json").read_text())
    assert written == train
    assert [list(entry) for entry in written] == [list(entry) for entry in train]


def test_extra_keys_are_added_and_read_again(tmp_path: Path) -> None:
    dataset = read(tmp_path, [record("a.jpg"), record("a.jpg", shifted(30)), record("b.jpg")])
    seen = np.array([VISIBLE, OCCLUDED, UNKNOWN] + [VISIBLE] * 13, np.int8)
    write_mpii_json(tmp_path / "out.json", [replace(dataset.persons[0], visible=seen), *dataset.persons[1:]])
    written = json.loads((tmp_path / "out.json").read_text())
    assert written[0]["joints_visible"] == [1, 0, -1] + [1] * 13
    assert [entry["person_id"] for entry in written] == ["a.jpg#0", "a.jpg#1", "b.jpg#0"]
    again = read(tmp_path, list(reversed(written)))
    assert [person.person_id for person in again.persons] == ["b.jpg#0", "a.jpg#1", "a.jpg#0"]
    np.testing.assert_array_equal(again.persons[2].visible, seen)


def test_the_record_of_a_person_may_be_altered(tmp_path: Path) -> None:
    dataset = read(tmp_path, [record("a.jpg")])
    changed = mpii_record(dataset.persons[0])
    changed["image"] = "noda/a.jpg"
    assert dataset.persons[0].record["image"] == "a.jpg"


def test_joints_are_0_based_and_unlabelled_ones_nan(tmp_path: Path) -> None:
    joints = [[-1.0, -1.0], *JOINTS[1:]]
    (person,) = read(tmp_path, [record("a.jpg", joints, joints_vis=[0] + [1] * 15)]).persons
    assert np.isnan(person.joints[0]).all()
    np.testing.assert_array_equal(person.joints[1:], np.array(JOINTS[1:]) - 1)
    assert not person.labelled[0]
    assert (person.visible == UNKNOWN).all()
    np.testing.assert_array_equal(person.center, [593.0, 256.0])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("a string", "not an object"),
        (None, "not an object"),
        ({"image": "x.jpg"}, "lacks center, scale, joints, joints_vis"),
        (record("x.jpg", JOINTS[:15]), r"joints: shape \(15, 2\) where \(16, 2\)"),
        (record("x.jpg", [*JOINTS[:15], [1.0]]), "joints: rows of unequal length"),
        (record("x.jpg", [*JOINTS[:15], [1.0, float("nan")]]), "joints: NaN or infinite"),
        (record("x.jpg", [*JOINTS[:15], [float("-inf"), 1.0]]), "joints: NaN or infinite"),
        (record("x.jpg", [*JOINTS[:15], ["1", 2.0]]), "joints: not numbers"),
        (record("x.jpg", [*JOINTS[:15], [None, 2.0]]), "joints: not numbers"),
        (record("x.jpg", joints_vis=[1] * 17), r"joints_vis: shape \(17,\)"),
        (record("x.jpg", center=None), "center: not numbers"),
        (record("x.jpg", scale=float("inf")), "scale: NaN or infinite"),
        (record("x.jpg", joints_visible=[2] * 16), "joints_visible: other values"),
        (record(""), "has no image name"),
        (record("../x.jpg"), "leads out of the images folder"),
        (record("/etc/x.jpg"), "leads out of the images folder"),
        (record("a/../../x.jpg"), "leads out of the images folder"),
        (record("..\\x.jpg"), "leads out of the images folder"),
        (record("C:x.jpg"), "leads out of the images folder"),
        (record(7), "has no image name"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_record_is_named_and_costs_only_itself(tmp_path: Path, bad: Any, reason: str) -> None:
    dataset = read(tmp_path, [record("a.jpg"), bad, record("b.jpg")])
    assert [person.image for person in dataset.persons] == ["a.jpg", "b.jpg"]
    (problem,) = dataset.problems
    assert problem.failed
    assert problem.stage == "read"
    assert problem.item.startswith("train.json record 1")
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(problem.reason)


def test_the_image_of_a_bad_record_is_named(tmp_path: Path) -> None:
    dataset = read(tmp_path, [record("a.jpg"), record("x.jpg", JOINTS[:3])])
    assert dataset.problems[0].item == "train.json record 1 (image x.jpg)"


def test_a_list_with_nobody_usable_stops_with_the_first_fault(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match=r"nobody with a labelled joint.*first of 2 faults: train\.json record 0"):
        read(tmp_path, [record("../a.jpg"), {}])
    with pytest.raises(NodaError, match="nobody with a labelled joint"):
        read(tmp_path, [record("a.jpg", joints_vis=[0] * 16)])


def test_the_same_person_twice_is_marked_and_told(tmp_path: Path) -> None:
    dataset = read(tmp_path, [record("a.jpg"), record("b.jpg"), record("a.jpg")])
    assert [person.duplicate for person in dataset.persons] == [False, False, True]
    (problem,) = dataset.problems
    assert not problem.failed
    assert "a.jpg#0" in problem.reason


def test_ids_are_made_unique(tmp_path: Path) -> None:
    train = [record("a.jpg", shifted(dx), person_id="same") for dx in (0, 20, 40)]
    assert [person.person_id for person in read(tmp_path, train).persons] == ["same", "same~2", "same~3"]


def test_visibility_comes_from_the_mat_by_joints_and_not_by_order(tmp_path: Path) -> None:
    rects = [rect(all_joints(40), {0: "0"}), rect(all_joints(0), {1: "0"}), rect(all_joints(80))]
    mat = write_release(tmp_path / "mpii.mat", [image("a.jpg", rects), image("b.jpg", [rect(all_joints(), {2: 0})])])
    train = [record("b.jpg"), record("a.jpg"), record("a.jpg", shifted(40.4)), record("a.jpg", shifted(80))]
    dataset = read(tmp_path, [*train, record("c.jpg")], mat=mat)
    assert [np.flatnonzero(person.visible == OCCLUDED).tolist() for person in dataset.persons] == [
        [2],
        [1],
        [0],
        [],
        [],
    ]
    assert (dataset.persons[3].visible == UNKNOWN).all()
    np.testing.assert_array_equal(dataset.persons[0].head_box, [49.0, 39.0, 79.0, 79.0])
    (problem,) = dataset.problems
    assert "1 of 5 records have no counterpart in mpii.mat" in problem.reason
    assert not problem.failed


def test_one_person_of_the_mat_serves_one_record_and_the_nearest(tmp_path: Path) -> None:
    mat = write_release(tmp_path / "mpii.mat", [image("a.jpg", [rect(all_joints(), {2: 0})])])
    dataset = read(tmp_path, [record("a.jpg", shifted(0.4)), record("a.jpg", shifted(0.1))], mat=mat)
    assert [bool((person.visible == OCCLUDED).any()) for person in dataset.persons] == [False, True]


def test_joints_farther_than_half_a_pixel_or_labelled_differently_do_not_match(tmp_path: Path) -> None:
    mat = write_release(tmp_path / "mpii.mat", [image("a.jpg", [rect(all_joints(), {2: 0})])])
    far = record("a.jpg", shifted(0.6))
    other = record("a.jpg", joints_vis=[0] + [1] * 15)
    dataset = read(tmp_path, [far, other], mat=mat)
    assert all((person.visible == UNKNOWN).all() for person in dataset.persons)


def test_own_visibility_wins_over_the_mat(tmp_path: Path) -> None:
    mat = write_release(tmp_path / "mpii.mat", [image("a.jpg", [rect(all_joints(), {2: "0", 3: "1"})])])
    (person,) = read(tmp_path, [record("a.jpg", joints_visible=[0] * 16)], mat=mat).persons
    assert (person.visible == OCCLUDED).all()


def test_an_image_in_both_parts_is_told(tmp_path: Path) -> None:
    valid = write_json(tmp_path / "valid.json", [record("a.jpg", shifted(50))])
    dataset = read(tmp_path, [record("a.jpg"), record("b.jpg")], valid=valid)
    assert "training and in the validation part" in dataset.problems[0].reason
    assert [person.image for person in dataset.persons] == ["b.jpg"]
    assert [person.person_id for person in dataset.valid] == ["a.jpg#1"]
