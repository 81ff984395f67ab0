"""Who is for training and who for validation when all there is is the original .mat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, UNKNOWN
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, hold_out, read_dataset
from noda_synth.formats.source import open_dataset
from tests.mpii_files import all_joints, image, record, rect, shifted, write_json, write_release


@pytest.fixture
def mat(tmp_path: Path) -> Layout:
    """Three images; the validation image b.jpg has three people, the second without joints."""
    path = write_release(
        tmp_path / "mpii.mat",
        [
            image("a.jpg", [rect(all_joints(0)), rect(all_joints(50))], video=1),
            image("b.jpg", [rect(all_joints(0), {0: "0"}), rect(), rect(all_joints(50), {1: "0"})], video=2),
            image("c.jpg", [rect(all_joints(0))], video=1),
        ],
    )
    return Layout(tmp_path, path, "mpii_mat", mat=path)


def test_without_a_split_the_way_out_is_told(mat: Layout) -> None:
    with pytest.raises(NodaError, match=r"(?s)does not say who.*--split FILE.*--all-train"):
        read_dataset(mat)


def test_everyone_for_training(mat: Layout) -> None:
    dataset = read_dataset(mat, all_train=True)
    assert len(dataset.persons) == 5
    assert not dataset.valid


def test_a_valid_json_gives_rows_verbatim_and_takes_whole_images_out_of_training(mat: Layout, tmp_path: Path) -> None:
    rows = [record("b.jpg", shifted(50.2)), {"bad": 1}, record("b.jpg", shifted(200))]
    split = write_json(tmp_path / "valid.json", rows)
    dataset = read_dataset(mat, split=split)
    assert [person.image for person in dataset.persons] == ["a.jpg", "a.jpg", "c.jpg"]
    assert list(dataset.images) == ["a.jpg", "c.jpg"]
    assert [dict(person.record) for person in dataset.valid] == [rows[0], rows[2]]
    assert dataset.valid[0].person_id == "b.jpg#2"
    assert np.flatnonzero(dataset.valid[0].visible == OCCLUDED).tolist() == [1]
    assert (dataset.valid[1].visible == UNKNOWN).all()
    failed = [problem.item for problem in dataset.problems if problem.failed]
    assert failed == ["valid.json record 1"]
    assert any("1 of 3 records have no counterpart" in problem.reason for problem in dataset.problems)


def test_the_layouts_own_valid_json_is_the_split(mat: Layout, tmp_path: Path) -> None:
    split = write_json(tmp_path / "valid.json", [record("b.jpg")])
    assert len(read_dataset(replace(mat, valid=split)).persons) == 3
    assert len(read_dataset(replace(mat, valid=split), all_train=True).persons) == 5


@pytest.mark.parametrize("codes", [False, True], ids=["bytes", "character codes"])
def test_an_hourglass_file_names_people_in_its_order(mat: Layout, tmp_path: Path, codes: bool) -> None:
    names = ["b.jpg", "b.jpg"]
    split = tmp_path / "valid.h5"
    with h5py.File(split, "w") as file:
        if codes:
            file["imgname"] = np.array([[*map(ord, name), *[0] * 11] for name in names], float)
        else:
            file["imgname"] = [name.encode() for name in names]
        file["person"] = np.array([2.0, 0.0])
    dataset = read_dataset(mat, split=split)
    assert [person.person_id for person in dataset.valid] == ["b.jpg#2", "b.jpg#0"]
    assert len(dataset.persons) == 3


def test_an_hourglass_row_without_counterpart_is_reported(mat: Layout, tmp_path: Path) -> None:
    split = tmp_path / "valid.h5"
    with h5py.File(split, "w") as file:
        file["imgname"], file["person"] = [b"b.jpg", b"b.jpg"], [0, 1]
    dataset = read_dataset(mat, split=split)
    assert len(dataset.valid) == 1
    (failed,) = [problem for problem in dataset.problems if problem.failed]
    assert failed.item == "valid.h5 row 1 (image b.jpg)"


def hourglass(path: Path, numbers: list[int], parts: list[np.ndarray]) -> Path:
    """A valid.h5 of people of b.jpg: their numbers and 1-based joints."""
    with h5py.File(path, "w") as file:
        file["imgname"], file["person"] = [b"b.jpg"] * len(numbers), numbers
        file["part"] = np.array(parts, float)
    return path


@pytest.mark.parametrize("base", [1, 0])
@pytest.mark.parametrize(
    ("numbers", "moved"), [([2, 0], 0), ([0, 2], 2), ([1, 0], 1), ([7, 7], 2)], ids=["true", "turned", "one", "none"]
)
def test_an_hourglass_split_is_matched_by_its_joints(
    mat: Layout, tmp_path: Path, numbers: list[int], moved: int, base: int
) -> None:
    parts = [np.floor(np.array(shifted(dx)) - 1 + base) for dx in (50, 0)]
    dataset = read_dataset(mat, split=hourglass(tmp_path / "valid.h5", numbers, parts))
    assert [person.person_id for person in dataset.valid] == ["b.jpg#2", "b.jpg#0"]
    told = [problem.reason for problem in dataset.problems if problem.item == "valid.h5"]
    assert told == ([f"{moved} of 2 rows give another person's number: matched by their joints"] if moved else [])


def test_a_row_whose_joints_are_nobodys_fails_by_name(mat: Layout, tmp_path: Path) -> None:
    parts = [np.array(shifted(50)), np.array(shifted(20))]
    dataset = read_dataset(mat, split=hourglass(tmp_path / "valid.h5", [2, 0], parts))
    (failed,) = [problem for problem in dataset.problems if problem.failed]
    assert [person.person_id for person in dataset.valid] == ["b.jpg#2"]
    assert failed.item == "valid.h5 row 1 (image b.jpg)" and "(part) are those of nobody there" in failed.reason
    assert all(person.image != "b.jpg" for person in dataset.persons)


def test_joints_that_are_missing_or_at_the_frame_agree(tmp_path: Path) -> None:
    joints = {joint: place for joint, place in all_joints(0).items() if joint > 2} | {3: [0.4, 50.2]}
    path = write_release(tmp_path / "mpii.mat", [image("a.jpg", [rect(all_joints(0))]), image("b.jpg", [rect(joints)])])
    part = np.zeros((16, 2))
    part[list(joints)] = np.floor(list(joints.values()))
    layout = Layout(tmp_path, path, "mpii_mat", mat=path)
    assert len(read_dataset(layout, split=hourglass(tmp_path / "valid.h5", [0], [part])).valid) == 1
    part[5] = 0
    with pytest.raises(NodaError, match=r"valid\.h5: its joints \(part\) are those of nobody"):
        read_dataset(layout, split=hourglass(tmp_path / "other.h5", [0], [part]).rename(tmp_path / "valid.h5"))


def test_a_split_that_is_missing_says_where_there_is_one(mat: Layout, tmp_path: Path) -> None:
    with pytest.raises(NodaError, match=r"no_split\.json: there is no such split.*--holdout"):
        open_dataset(None, annotations=mat.annotations, images=tmp_path, split=tmp_path / "no_split.json")


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_list_of_image_names(mat: Layout, tmp_path: Path, as_json: bool) -> None:
    split = tmp_path / "split"
    if as_json:
        write_json(split, ["./b.jpg"])
    else:
        split.write_text("\n.//b.jpg \r\n\n")
    dataset = read_dataset(mat, split=split)
    assert [person.person_id for person in dataset.valid] == ["b.jpg#0", "b.jpg#2"]
    assert len(dataset.persons) == 3


def test_a_split_that_names_none_of_the_images_is_refused(mat: Layout, tmp_path: Path) -> None:
    split = tmp_path / "names.txt"
    split.write_text("images/b.jpg\n")
    with pytest.raises(NodaError, match=r"names\.txt: none of its images.*'images/b\.jpg'"):
        read_dataset(mat, split=split)


def test_files_that_are_no_split_are_refused(mat: Layout, tmp_path: Path) -> None:
    with pytest.raises(NodaError, match=r"a \.mat is no split"):
        read_dataset(mat, split=mat.annotations)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    with pytest.raises(NodaError, match="no image names"):
        read_dataset(mat, split=empty)
    h5 = tmp_path / "other.h5"
    with h5py.File(h5, "w") as file:
        file["preds"] = [1]
    with pytest.raises(NodaError, match=r"other\.h5: not an hourglass"):
        read_dataset(mat, split=h5)
    coco = write_json(tmp_path / "coco.json", {"images": [], "annotations": [], "categories": []})
    with pytest.raises(NodaError, match="is no split"):
        read_dataset(mat, split=coco)


def test_a_split_is_only_for_the_mat(tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [record("a.jpg")])
    with pytest.raises(NodaError, match="training list already"):
        read_dataset(Layout(tmp_path, train, "mpii_json"), split=train)


def test_whole_videos_are_held_out(mat: Layout) -> None:
    everyone = read_dataset(mat, all_train=True)
    videos = {"a.jpg": 1, "c.jpg": 1, "b.jpg": 2}
    for seed in range(6):
        dataset = hold_out(everyone, 0.2, seed)
        train, valid = ({videos[person.image] for person in part} for part in (dataset.persons, dataset.valid))
        assert not train & valid
        assert len(dataset.valid) >= 1
        assert len(dataset.persons) + len(dataset.valid) == 5
        assert set(dataset.images) == {person.image for person in dataset.persons}


def test_one_video_cannot_be_split(tmp_path: Path) -> None:
    mat = write_release(tmp_path / "mpii.mat", [image(f"{n}.jpg", [rect(all_joints())], video=3) for n in range(4)])
    everyone = read_dataset(Layout(tmp_path, mat, "mpii_mat", mat), all_train=True)
    with pytest.raises(NodaError, match="leaves nobody to train with"):
        hold_out(everyone, 0.25, 0)


def test_without_videos_whole_images_are_held_out_by_seed(tmp_path: Path) -> None:
    train = [record(f"{n}.jpg", shifted(dx)) for n in range(20) for dx in (0, 50)]
    everyone = read_dataset(Layout(tmp_path, write_json(tmp_path / "train.json", train), "mpii_json"))
    parts = [hold_out(everyone, 0.25, seed) for seed in (0, 0, 1)]
    held = [{person.image for person in part.valid} for part in parts]
    assert held[0] == held[1] != held[2]
    assert [len(part.valid) for part in parts] == [10, 10, 10]
    assert not held[0] & set(parts[0].images)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5])
def test_a_hold_out_has_to_leave_someone_on_both_sides(mat: Layout, fraction: float) -> None:
    with pytest.raises(NodaError, match="hold-out"):
        hold_out(read_dataset(mat, all_train=True), fraction, 0)
