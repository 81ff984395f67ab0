"""MPII's annotations as other programs and other people leave them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, find_layout, read_dataset, write_validation
from noda_synth.formats.files.detect import detect
from noda_synth.formats.layout import find_annotations
from noda_synth.formats.mpii.gt_valid import read_gt_valid
from noda_synth.formats.mpii.release import read_release
from noda_synth.formats.source import open_dataset
from tests.command import noda
from tests.mpii_files import JOINTS, all_joints, image, record, rect, shifted, structs, write_json, write_release


def plain(person: Person) -> tuple[Any, ...]:
    joints = np.nan_to_num(person.joints, nan=-1).tolist()
    return person.person_id, joints, person.visible.tolist(), person.head_box.tolist(), person.record


def top_level(path: Path) -> dict[str, Any]:
    release = loadmat(path)["RELEASE"][0, 0]
    return {name: release[name] for name in ("annolist", "img_train")}


SAVED_AGAIN: dict[str, Callable[[Path], dict[str, Any]]] = {
    "as it was": lambda path: {"RELEASE": loadmat(path)["RELEASE"]},
    "squeezed": lambda path: {"RELEASE": loadmat(path, squeeze_me=True)["RELEASE"]},
    "objects": lambda path: {"RELEASE": loadmat(path, squeeze_me=True, struct_as_record=False)["RELEASE"]},
    "objects in arrays": lambda path: {"RELEASE": loadmat(path, struct_as_record=False)["RELEASE"]},
    "simplified": lambda path: {"RELEASE": loadmat(path, simplify_cells=True)["RELEASE"]},
    "fields alone": top_level,
    "fields alone, simplified": lambda path: loadmat(path, simplify_cells=True)["RELEASE"],
}


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("again", SAVED_AGAIN.values(), ids=SAVED_AGAIN)
def test_a_mat_that_scipy_saved_again(tmp_path: Path, again: Callable[[Path], dict[str, Any]], images: int) -> None:
    people = [rect(None), rect(all_joints(), {3: "0", 4: 1}), rect({2: [5.5, 6.5]}, {2: "1"})]
    given = [image("a.jpg", people, video=4), image("b.jpg", people[1:2]), image("t.jpg", [], train=False)][:images]
    original = write_release(tmp_path / "mpii.mat", given)
    savemat(tmp_path / "again.mat", again(original))
    assert detect(tmp_path / "again.mat") == "mpii_mat"
    wanted, found = read_release(original), read_release(tmp_path / "again.mat")
    assert list(map(plain, found.persons)) == list(map(plain, wanted.persons))
    assert found.images == wanted.images
    assert found.persons[0].person_id == "a.jpg#1"


def test_an_annolist_of_posetrack_is_refused(tmp_path: Path) -> None:
    """Its joint ids are the numbers of other joints."""
    entry = {"image": {"name": "a.jpg"}, "annorect": structs([rect(all_joints())]), "is_labeled": 1, "imgnum": 1}
    savemat(tmp_path / "a.mat", {"annolist": structs([entry])})
    with pytest.raises(NodaError, match="PoseTrack"):
        read_release(tmp_path / "a.mat")


@pytest.fixture
def with_test_part(tmp_path: Path) -> Path:
    test = [image("t.jpg", [rect(all_joints(30)), rect({3: [float("nan"), 1]})], train=False)]
    return write_release(tmp_path / "set/m.mat", [image("a.jpg", [rect(all_joints())]), *test])


@pytest.mark.parametrize("split", ["test", "names", "rows"])
def test_the_test_part_of_a_mat_with_its_joints(with_test_part: Path, tmp_path: Path, split: str) -> None:
    (tmp_path / "names").write_text("t.jpg\n")
    write_json(tmp_path / "rows", [record("t.jpg", shifted(30))])
    chosen = Path(split) if split == "test" else tmp_path / split
    _, dataset, inputs = open_dataset(None, annotations=with_test_part, images=tmp_path, split=chosen)
    assert [person.person_id for person in dataset.persons] == ["a.jpg#0"]
    assert [person.person_id for person in dataset.valid] == ["t.jpg#0"]
    assert any(problem.failed for problem in dataset.problems) is (split == "test")
    assert inputs["split"]


def test_what_the_test_part_holds_is_said_where_it_is_left_out(with_test_part: Path, tmp_path: Path) -> None:
    result = noda("convert", with_test_part, tmp_path / "o", "--all-train")
    assert "1 images of the test set left out: 1 of them have 1 people with joints, which --split test" in result.stderr
    result = noda("convert", with_test_part, tmp_path / "p", "--split", "test")
    assert "left out: 1 of" not in result.stderr
    assert len(json.loads((tmp_path / "p/valid.json").read_text())) == 1
    alone = write_release(tmp_path / "alone.mat", [image("a.jpg", [rect(all_joints())])])
    assert "--split test takes nobody" in noda("convert", alone, tmp_path / "q", "--split", "test").stderr


def truth_of_version_7_3(path: Path, count: int) -> None:
    arrays = {
        "jnt_missing": np.zeros((16, count)),
        "pos_gt_src": np.tile(np.array(JOINTS)[:, :, None], count),
        "headboxes_src": np.tile(np.array([[5.0, 6.0], [35.0, 46.0]])[:, :, None], count),
    }
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = (array[..., 0] if count == 1 and name != "jnt_missing" else array).T
        file["dataset_joints"] = np.array([[file["jnt_missing"].ref]], h5py.ref_dtype)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


@pytest.mark.parametrize("count", [1, 2])
def test_a_truth_of_version_7_3_is_read_and_written_as_loaders_read_it(tmp_path: Path, count: int) -> None:
    valid = [record("b.jpg", joints_visible=[1] * 16)] * count
    write_json(tmp_path / "annot/train.json", [record("a.jpg")])
    write_json(tmp_path / "annot/valid.json", valid)
    (tmp_path / "images").mkdir()
    truth_of_version_7_3(tmp_path / "annot/gt_valid.mat", count)
    layout = find_layout(tmp_path)
    dataset = read_dataset(layout)
    assert not dataset.problems[1:]  # of the second person, who is the first again
    assert dataset.valid[0].head_box.tolist() == [4, 5, 34, 45]
    write_validation(layout, dataset, tmp_path / "out")
    written = loadmat(tmp_path / "out/gt_valid.mat")
    assert written["pos_gt_src"].shape[:2] == (16, 2)
    assert written["dataset_joints"].shape == (1, 16)
    assert read_gt_valid(tmp_path / "out/gt_valid.mat").joints[0].tolist() == JOINTS


def test_a_release_of_version_7_3_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.mat", "w") as file:
        file.create_group("RELEASE")
    with pytest.raises(NodaError, match=r"version 7\.3.*-v7"):
        detect(tmp_path / "m.mat")


def cpm(name: str, flags: list[int], valid: float = 0.0, **changes: Any) -> dict[str, Any]:
    joints = [[*joint, flag] for joint, flag in zip(JOINTS[: len(flags)], flags, strict=True)]
    joints += [[0, 0, 0]] * (16 - len(flags))
    entry = {"dataset": "MPI", "isValidation": valid, "img_paths": name, "objpos": [300.5, 200], "joint_self": joints}
    return {**entry, "scale_provided": 1.9, "people_index": 2, "joint_others": [], **changes}


CPM = [cpm("a.jpg", [1, 0, 2, *[1] * 12]), cpm("v.jpg", [1] * 16, 1.0), cpm("b.jpg", [5] * 16)]


@pytest.mark.parametrize("content", [CPM, {"root": CPM}], ids=["list", "root"])
def test_the_json_of_pytorch_pose_has_visibility_and_split(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / "mpii_annotations.json", content)
    layout = find_annotations(tmp_path)
    assert layout.kind == "cpm_json"
    dataset = read_dataset(layout)
    (person,), (held,) = dataset.persons, dataset.valid
    assert (person.person_id, person.scale, person.center.tolist()) == ("a.jpg#1", 1.9, [299.5, 199])
    assert person.visible.tolist() == [VISIBLE, OCCLUDED, UNKNOWN, *[VISIBLE] * 12, UNKNOWN]
    assert person.labelled.tolist() == [True, True, False, *[True] * 12, False]
    assert held.joints.tolist() == (np.array(JOINTS) - 1).tolist()
    assert [problem.item for problem in dataset.problems] == ["mpii_annotations.json record 2 (image b.jpg)"]
    result = noda("convert", tmp_path / "mpii_annotations.json", tmp_path / "out")
    train = json.loads((tmp_path / "out/train.json").read_text())
    assert train[0]["joints_visible"] == person.visible.tolist(), result.output
    assert train[0]["center"] == [300.5, 200]


def test_flags_that_tell_nothing_and_better_knowledge_from_the_mat(tmp_path: Path) -> None:
    file = write_json(tmp_path / "mpii_annotations.json", [cpm("a.jpg", [1] * 16), cpm("b.jpg", [1] * 16)])
    dataset = read_dataset(Layout(tmp_path, file, "cpm_json"))
    assert (dataset.persons[0].visible == UNKNOWN).all()
    assert "visibility unknown" in dataset.problems[0].reason
    write_release(tmp_path / "m.mat", [image("a.jpg", [rect(all_joints(), {3: "0", 4: "1"})])])
    dataset = read_dataset(find_annotations(tmp_path))
    assert dataset.persons[0].visible.tolist() == [VISIBLE] * 3 + [OCCLUDED] + [VISIBLE] * 12
    assert dataset.persons[0].head_box is not None


def test_the_list_of_both_parts_with_the_validation_list_beside_it(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    both = write_json(tmp_path / "annotations/mpii_trainval.json", [record("a.jpg"), record("b.jpg")])
    valid = write_json(tmp_path / "annotations/mpii_val.json", [record("b.jpg")])
    layout = find_layout(tmp_path)
    assert (layout.annotations, layout.valid) == (both, valid)
    dataset = read_dataset(layout)
    assert [person.image for person in dataset.persons] == ["a.jpg"]
    assert [person.image for person in dataset.valid] == ["b.jpg"]
