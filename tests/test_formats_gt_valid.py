"""gt_valid.mat, written and carried along."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, Dataset
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, read_dataset, write_gt_valid, write_validation
from tests.mpii_files import JOINTS, all_joints, image, record, rect, shifted, write_json, write_release


def people(tmp_path: Path, *records: dict[str, Any]) -> Dataset:
    return read_dataset(Layout(tmp_path, write_json(tmp_path / "people.json", list(records)), "mpii_json"))


def test_arrays_and_conventions(tmp_path: Path) -> None:
    dataset = people(
        tmp_path,
        record("a.jpg", [[-1, -1], *JOINTS[1:]], joints_vis=[0] + [1] * 15, joints_visible=[-1, 0] + [1] * 14),
        record("b.jpg", shifted(0.1), joints_visible=[1] * 16),
    )
    write_gt_valid(tmp_path / "gt.mat", dataset.persons)
    truth = loadmat(tmp_path / "gt.mat")
    assert truth["jnt_missing"].dtype == np.uint8
    assert truth["jnt_missing"][:, 0].tolist() == [1] + [0] * 15
    assert truth["pos_gt_src"].shape == (16, 2, 2)
    assert truth["pos_gt_src"].dtype == np.float64
    assert truth["pos_gt_src"][0, :, 0].tolist() == [0, 0]
    assert truth["pos_gt_src"][:, :, 1].tolist() == shifted(0.1)
    assert truth["headboxes_src"].shape == (2, 2, 2)
    assert truth["jnt_visible"].dtype == np.uint8
    assert truth["jnt_visible"].T.tolist() == [[0, 0] + [1] * 14, [1] * 16]
    assert [str(name[0]) for name in truth["dataset_joints"][0]][:2] == ["rank", "rkne"]


def test_unknown_visibility_is_minus_one(tmp_path: Path) -> None:
    write_gt_valid(tmp_path / "gt.mat", people(tmp_path, record("a.jpg")).persons)
    visible = loadmat(tmp_path / "gt.mat")["jnt_visible"]
    assert visible.dtype == np.int8
    assert (visible == -1).all()


def test_an_estimated_head_box_has_the_usual_stand_in_for_head_size(tmp_path: Path) -> None:
    dataset = people(tmp_path, record("a.jpg"))
    (note,) = write_gt_valid(tmp_path / "gt.mat", dataset.persons)
    assert "1 head boxes estimated" in note.reason
    (x1, y1), (x2, y2) = loadmat(tmp_path / "gt.mat")["headboxes_src"][:, :, 0]
    top, neck = np.array(JOINTS[9]), np.array(JOINTS[8])
    assert 0.6 * np.hypot(x2 - x1, y2 - y1) == pytest.approx(0.75 * np.hypot(*(top - neck)))
    np.testing.assert_allclose([(x1 + x2) / 2, (y1 + y2) / 2], (top + neck) / 2)


def test_without_head_joints_the_head_size_comes_from_the_scale(tmp_path: Path) -> None:
    labelled = [1] * 16
    labelled[9] = 0
    write_gt_valid(tmp_path / "gt.mat", people(tmp_path, record("a.jpg", joints_vis=labelled, scale=2.0)).persons)
    (x1, y1), (x2, y2) = loadmat(tmp_path / "gt.mat")["headboxes_src"][:, :, 0]
    assert 0.6 * np.hypot(x2 - x1, y2 - y1) == pytest.approx(2.0 * 200 / 8)


def test_the_same_people_give_the_same_bytes(tmp_path: Path) -> None:
    persons = people(tmp_path, record("a.jpg")).persons
    for name in ("1.mat", "2.mat"):
        write_gt_valid(tmp_path / name, persons)
    assert (tmp_path / "1.mat").read_bytes() == (tmp_path / "2.mat").read_bytes()
    # The header is where scipy would put the time of day.
    assert (tmp_path / "1.mat").read_bytes()[:116].rstrip() == b"MATLAB 5.0 MAT-file, written by noda-synth"


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gt.mat"
    persons = people(tmp_path, record("a.jpg")).persons
    write_gt_valid(path, persons)
    before = path.read_bytes()

    usual = Path.open

    def half(self: Path, mode: str = "r", **options: Any) -> Any:
        if "w" in mode:
            with usual(self, mode) as file:
                file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return usual(self, mode, **options)

    monkeypatch.setattr(Path, "open", half)
    with pytest.raises(NodaError, match=r"gt\.mat: cannot be written \(No space left"):
        write_gt_valid(path, persons[:0])
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["gt.mat", "people.json"]


@pytest.fixture
def mpii(tmp_path: Path) -> Layout:
    """A data set whose valid.json has a bad record between two good ones, with the .mat beside it."""
    folder = tmp_path / "mpii"
    valid = [record("v.jpg", shifted(50)), {"image": "v.jpg"}, record("v.jpg")]
    mat = write_release(
        folder / "mpii.mat",
        [image("v.jpg", [rect(all_joints(0), {3: "0"}), rect(all_joints(50), {4: "0"})])],
    )
    train = write_json(folder / "train.json", [record("a.jpg")])
    return Layout(folder, train, "mpii_json", mat, write_json(folder / "valid.json", valid))


def given_truth(layout: Layout, rows: int = 3, **more: Any) -> Layout:
    path = layout.annotations.with_name("gt_valid.mat")
    arrays = {
        "jnt_missing": np.zeros((16, rows), np.uint8),
        "pos_gt_src": np.random.default_rng(0).random((16, 2, rows)),
        "headboxes_src": np.arange(4.0 * rows).reshape(2, 2, rows),
        "something_else": np.arange(3, dtype=np.int16),
    }
    savemat(path, arrays | more)
    return replace(layout, gt_valid=path)


def test_validation_records_are_carried_verbatim_with_visibility(mpii: Layout, tmp_path: Path) -> None:
    dataset = read_dataset(mpii)
    written, problems = write_validation(mpii, dataset, tmp_path / "out")
    given, carried = (json.loads(path.read_text()) for path in (mpii.valid, tmp_path / "out/valid.json"))
    seen = [entry.pop("joints_visible", None) for entry in carried]
    assert carried == given
    assert seen[1] is None
    assert [np.flatnonzero(np.array(row) == OCCLUDED).tolist() for row in (seen[0], seen[2])] == [[4], [3]]
    # A row for every record cannot be made here, so that no gt_valid.mat is written, and this is said.
    assert written == [tmp_path / "out/valid.json"]
    assert "each needs its row" in problems[0].reason


def test_visibility_is_added_to_the_given_truth_and_all_else_kept(mpii: Layout, tmp_path: Path) -> None:
    layout = given_truth(mpii)
    written, problems = write_validation(layout, read_dataset(layout), tmp_path / "out")
    assert [path.name for path in written] == ["valid.json", "gt_valid.mat"]
    assert not problems
    given, carried = loadmat(layout.gt_valid), loadmat(tmp_path / "out/gt_valid.mat")
    for name in ("jnt_missing", "pos_gt_src", "headboxes_src", "something_else"):
        np.testing.assert_array_equal(given[name], carried[name])
        assert given[name].dtype == carried[name].dtype
    assert [np.flatnonzero(row == 0).tolist() for row in carried["jnt_visible"].T] == [[4], [], [3]]
    assert (carried["jnt_visible"][:, 1] == UNKNOWN).all()


def test_a_truth_that_has_visibility_is_copied_to_the_byte_and_read(mpii: Layout, tmp_path: Path) -> None:
    visible = np.ones((16, 3), np.uint8)
    visible[7] = 0
    layout = given_truth(replace(mpii, mat=None), jnt_visible=visible)
    dataset = read_dataset(layout)
    assert [np.flatnonzero(person.visible == 0).tolist() for person in dataset.valid] == [[7], [7]]
    write_validation(layout, dataset, tmp_path / "out")
    assert (tmp_path / "out/gt_valid.mat").read_bytes() == layout.gt_valid.read_bytes()


def test_the_mat_is_believed_before_the_truth(mpii: Layout) -> None:
    layout = given_truth(mpii, jnt_visible=np.zeros((16, 3), np.uint8))
    valid = read_dataset(layout).valid
    assert [np.flatnonzero(person.visible == OCCLUDED).tolist() for person in valid] == [[4], [3]]


def test_a_validation_part_from_another_split_is_not_mixed_with_the_files_at_hand(tmp_path: Path) -> None:
    mat = write_release(
        tmp_path / "mpii.mat", [image(f"{name}.jpg", [rect(all_joints(), {3: "0"})]) for name in ("a", "b", "c")]
    )
    valid = write_json(tmp_path / "valid.json", [record("a.jpg")])
    layout = given_truth(Layout(tmp_path, mat, "mpii_mat", mat, valid), rows=1)
    (tmp_path / "names.txt").write_text("b.jpg")
    write_validation(layout, read_dataset(layout, split=tmp_path / "names.txt"), tmp_path / "out")
    assert [entry["image"] for entry in json.loads((tmp_path / "out/valid.json").read_text())] == ["b.jpg"]
    assert "something_else" not in loadmat(tmp_path / "out/gt_valid.mat")


def test_nothing_known_means_a_copy(mpii: Layout, tmp_path: Path) -> None:
    layout = given_truth(replace(mpii, mat=None))
    write_validation(layout, read_dataset(layout), tmp_path / "out")
    assert (tmp_path / "out/gt_valid.mat").read_bytes() == layout.gt_valid.read_bytes()
    assert json.loads((tmp_path / "out/valid.json").read_text()) == json.loads(layout.valid.read_text())


def test_a_truth_of_other_length_is_not_trusted(mpii: Layout, tmp_path: Path) -> None:
    layout = given_truth(replace(mpii, mat=None), rows=2, jnt_visible=np.zeros((16, 2), np.uint8))
    dataset = read_dataset(layout)
    assert all((person.visible == UNKNOWN).all() for person in dataset.valid)
    assert any("has 2 rows, but valid.json 3" in problem.reason for problem in dataset.problems)
    _, problems = write_validation(layout, dataset, tmp_path / "out")
    assert "copied as it is" in problems[0].reason


def test_a_validation_part_from_the_mat_alone_gets_both_files(tmp_path: Path) -> None:
    mat = write_release(
        tmp_path / "mpii.mat",
        [image("a.jpg", [rect(all_joints())]), image("v.jpg", [rect(all_joints(), {3: "0"})])],
    )
    (tmp_path / "names.txt").write_text("v.jpg")
    layout = Layout(tmp_path, mat, "mpii_mat", mat)
    dataset = read_dataset(layout, split=tmp_path / "names.txt")
    written, problems = write_validation(layout, dataset, tmp_path / "out")
    assert [path.name for path in written] == ["valid.json", "gt_valid.mat"]
    assert not problems
    truth = loadmat(tmp_path / "out/gt_valid.mat")
    assert truth["headboxes_src"][:, :, 0].tolist() == [[50, 40], [80, 80]]
    assert truth["jnt_visible"][3, 0] == 0
