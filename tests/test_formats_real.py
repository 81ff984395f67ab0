"""On the real files: what is read, carried and converted agrees with what others made of the same annotations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from noda_synth.data.dataset import Dataset, Person
from noda_synth.formats import (
    Layout,
    find_layout,
    read_dataset,
    rle_decode,
    segmentation_mask,
    write_gt_valid,
    write_mpii_json,
    write_validation,
)
from tests.mpii_files import as_loaders_do


@pytest.fixture(scope="module")
def mini(noda_data: Path) -> Path:
    return noda_data / "mpii-mini"


@pytest.fixture(scope="module")
def from_json(mini: Path) -> Dataset:
    return read_dataset(find_layout(mini))


@pytest.fixture(scope="module")
def mat_layout(mini: Path) -> Layout:
    return replace(find_layout(mini, annotations=mini / "mpii_human_pose_v1_u12_1.mat"), gt_valid=None)


@pytest.fixture(scope="module")
def from_mat(mat_layout: Layout) -> Dataset:
    return read_dataset(mat_layout)


def seen(persons: Iterable[Person]) -> np.ndarray:
    return np.array([np.where(person.labelled, person.visible, 0) for person in persons]).T


def fingerprint(person: Person) -> tuple[str, bytes]:
    """Image and joints to a tenth of a thousandth of a pixel, the rounding of the JSON files."""
    return person.image, np.nan_to_num(np.round(person.joints, 3), nan=-9).tobytes()


def test_counts(from_json: Dataset, from_mat: Dataset) -> None:
    for dataset in (from_json, from_mat):
        assert len(dataset.images) == 160
        assert len(dataset.persons) == 348
        assert len(dataset.valid) == 67
        assert len({person.image for person in dataset.valid}) == 60
        assert not any(problem.failed for problem in dataset.problems)


def test_the_training_list_is_written_back_verbatim(mini: Path, from_json: Dataset, tmp_path: Path) -> None:
    write_mpii_json(tmp_path / "train.json", from_json.persons, extra=False)
    assert json.loads((tmp_path / "train.json").read_text()) == json.loads((mini / "annot/train.json").read_text())


def test_the_mat_and_the_json_hold_the_same_training_people(from_json: Dataset, from_mat: Dataset) -> None:
    assert Counter(map(fingerprint, from_json.persons)) == Counter(map(fingerprint, from_mat.persons))
    theirs = {fingerprint(person): person.record for person in from_json.persons}
    for person in from_mat.persons:
        given = theirs[fingerprint(person)]
        assert person.record["joints_vis"] == given["joints_vis"]
        # The JSON has joints and center with four decimals and the scale with six; the .mat has them all.
        np.testing.assert_allclose(person.record["joints"], given["joints"], atol=0.51e-4, rtol=0)
        np.testing.assert_allclose(person.record["center"], given["center"], atol=0.51e-4, rtol=0)
        assert person.record["scale"] == pytest.approx(given["scale"], abs=0.51e-6)


def test_the_mat_with_a_valid_json_reproduces_its_rows(mini: Path, from_mat: Dataset, tmp_path: Path) -> None:
    write_mpii_json(tmp_path / "valid.json", from_mat.valid, extra=False)
    assert json.loads((tmp_path / "valid.json").read_text()) == json.loads((mini / "annot/valid.json").read_text())


def test_people_from_the_mat_alone_have_the_numbers_of_valid_json(
    from_mat: Dataset, mat_layout: Layout, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(sorted({person.image for person in from_mat.valid})))
    alone = {fingerprint(person): person for person in read_dataset(mat_layout, split=names).valid}
    for person in from_mat.valid:
        found = alone[fingerprint(person)]
        np.testing.assert_array_equal(found.record["joints_vis"], person.record["joints_vis"])
        assert found.record["scale"] == pytest.approx(person.record["scale"], abs=0.51e-6)
        assert found.record["center"] == person.record["center"]


def test_visibility_from_the_mat_is_that_of_gt_valid_for_every_person(
    mini: Path, from_json: Dataset, from_mat: Dataset
) -> None:
    expected = loadmat(mini / "annot/gt_valid.mat")["jnt_visible"]
    np.testing.assert_array_equal(seen(from_mat.valid), expected)
    np.testing.assert_array_equal(seen(from_json.valid), expected)
    without_truth = read_dataset(replace(find_layout(mini), gt_valid=None))
    np.testing.assert_array_equal(seen(without_truth.valid), expected)
    without_mat = read_dataset(replace(find_layout(mini), mat=None))
    np.testing.assert_array_equal(seen(without_mat.valid), expected)


def test_head_top_and_upper_neck_are_never_occluded(from_mat: Dataset) -> None:
    assert not any((person.visible[[8, 9]] == 0).any() for person in from_mat.valid)


def test_our_truth_is_the_given_one(mini: Path, from_mat: Dataset, tmp_path: Path) -> None:
    assert write_gt_valid(tmp_path / "gt_valid.mat", from_mat.valid) == []
    given, ours = loadmat(mini / "annot/gt_valid.mat"), loadmat(tmp_path / "gt_valid.mat")
    assert {name for name in given if name[0] != "_"} == {name for name in ours if name[0] != "_"}
    for name in ("jnt_missing", "pos_gt_src", "jnt_visible", "dataset_joints"):
        np.testing.assert_array_equal(given[name], ours[name])
        assert given[name].dtype == ours[name].dtype
    # The given head boxes have been through a division; the .mat has whole pixels.
    np.testing.assert_allclose(given["headboxes_src"], ours["headboxes_src"], atol=1e-4, rtol=0)


def test_the_validation_part_is_carried_along(mini: Path, from_json: Dataset, tmp_path: Path) -> None:
    written, problems = write_validation(find_layout(mini), from_json, tmp_path)
    assert [path.name for path in written] == ["valid.json", "gt_valid.mat"]
    assert not problems
    assert (tmp_path / "gt_valid.mat").read_bytes() == (mini / "annot/gt_valid.mat").read_bytes()
    carried, given = (json.loads(path.read_text()) for path in (tmp_path / "valid.json", mini / "annot/valid.json"))
    visible = [entry.pop("joints_visible") for entry in carried]
    assert carried == given
    np.testing.assert_array_equal(np.maximum(visible, 0).T, loadmat(tmp_path / "gt_valid.mat")["jnt_visible"])


def test_what_is_written_is_read_by_the_original_loaders_steps(mini: Path, from_mat: Dataset, tmp_path: Path) -> None:
    """Drop-in: all files made from the .mat, read as the trainers read them."""
    write_mpii_json(tmp_path / "train.json", from_mat.persons)
    write_mpii_json(tmp_path / "valid.json", from_mat.valid)
    write_gt_valid(tmp_path / "gt_valid.mat", from_mat.valid)
    ours = {part: as_loaders_do(json.loads((tmp_path / f"{part}.json").read_text())) for part in ("train", "valid")}
    for rows, people in ((ours["train"], from_mat.persons), (ours["valid"], from_mat.valid)):
        for row, person in zip(rows, people, strict=True):
            assert (mini / "images" / row["image"]).is_file()
            np.testing.assert_array_equal(row["joints"][person.labelled], person.joints[person.labelled])
            np.testing.assert_array_equal(row["weights"], person.labelled)
    theirs = as_loaders_do(json.loads((mini / "annot/valid.json").read_text()))
    for row, given in zip(ours["valid"], theirs, strict=True):
        for key in ("image", "center", "scale", "joints", "weights"):
            np.testing.assert_array_equal(row[key], given[key])
    truth = loadmat(tmp_path / "gt_valid.mat")
    joints = np.stack([row["joints"] + 1 for row in ours["valid"]], axis=2)
    labelled = np.stack([row["weights"] for row in ours["valid"]], axis=1) > 0
    np.testing.assert_array_equal(labelled, truth["jnt_missing"] == 0)
    np.testing.assert_allclose(joints.transpose(0, 2, 1)[labelled], truth["pos_gt_src"].transpose(0, 2, 1)[labelled])


def test_scale_is_eight_heads(from_mat: Dataset) -> None:
    """The rule that missing scales are estimated by, on the people whose scale is exact."""
    for person in from_mat.valid:
        x1, y1, x2, y2 = person.head_box
        assert person.scale == pytest.approx(8 * 0.6 * np.hypot(x2 - x1, y2 - y1) / 200, rel=1e-6)


def test_reduced_images_have_no_mat_and_keep_their_visibility(noda_data: Path) -> None:
    dataset = read_dataset(find_layout(noda_data / "mpii-640"))
    assert (len(dataset.persons), len(dataset.valid)) == (1908, 140)
    expected = loadmat(noda_data / "mpii-640/annot/gt_valid.mat")["jnt_visible"]
    np.testing.assert_array_equal(seen(dataset.valid), expected)


def test_real_coco_is_written_back_as_it_stood(noda_data: Path) -> None:
    from noda_synth.formats import coco_annotation

    dataset = read_dataset(find_layout(noda_data / "coco-masks"))
    assert len(dataset.images) == 119
    for person in dataset.persons:
        given = dict(person.record)
        size = dataset.images[person.image].size
        assert size is not None
        assert coco_annotation(person, annotation_id=given["id"], image_id=given["image_id"], size=size) == given


def test_real_outlines_are_those_of_pycocotools(noda_data: Path) -> None:
    coco_mask = pytest.importorskip("pycocotools.mask")
    dataset = read_dataset(find_layout(noda_data / "coco-masks"))
    overlaps = []
    for person in dataset.persons:
        outline, size = person.record["segmentation"], dataset.images[person.image].size
        assert size is not None
        ours = segmentation_mask(outline, size)
        theirs = rle_decode(coco_mask.merge(coco_mask.frPyObjects(outline, size[1], size[0])), size)
        overlaps.append((ours & theirs).sum() / (ours | theirs).sum())
    assert np.mean(overlaps) > 0.99
    assert min(overlaps) > 0.9
