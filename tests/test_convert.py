"""`noda-synth convert`, from the command line to the files it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from scipy.io import loadmat, savemat

from noda_synth.data.skeleton import COCO
from noda_synth.formats import coco_category
from tests.command import ROOT, noda
from tests.drawn_set import write_coco
from tests.mpii_files import all_joints, image, record, rect, shifted, write_json, write_release


def convert(*arguments: object) -> Result:
    return noda("convert", *arguments)


def load(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    rects = [rect(all_joints(0), {4: "0"}), rect(all_joints(60))]
    images = [image("a.jpg", rects, video=1), image("b.jpg", rects[:1], video=2), image("t.jpg", [], train=False)]
    return write_release(tmp_path / "original.mat", images)


def test_the_mat_into_a_folder_with_everything(mat: Path, tmp_path: Path) -> None:
    split = write_json(tmp_path / "split/valid.json", [record("b.jpg")])
    result = convert(mat, tmp_path / "out", "--split", split)
    assert result.exit_code == 0, result.output
    train, valid = load(tmp_path / "out/train.json"), load(tmp_path / "out/valid.json")
    assert [entry["image"] for entry in train] == ["a.jpg", "a.jpg"]
    assert train[0]["joints_visible"] == [1, 1, 1, 1, 0] + [1] * 11
    assert train[1]["joints_visible"] == [-1] * 16
    visible = valid[0].pop("joints_visible")
    assert valid == [record("b.jpg")]
    assert loadmat(tmp_path / "out/gt_valid.mat")["jnt_visible"][:, 0].tolist() == visible
    assert "2 people on 1 images; visibility known of 1" in result.output
    assert "Lost: activities" in result.output


def test_a_valid_json_beside_the_mat_is_its_split(mat: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "annot/valid.json", [record("b.jpg")])
    assert convert(mat, tmp_path / "out").exit_code == 0
    assert len(load(tmp_path / "out/train.json")) == 2


def test_without_a_split_the_mat_is_refused_with_the_ways_out(mat: Path, tmp_path: Path) -> None:
    result = convert(mat, tmp_path / "out")
    assert result.exit_code == 2
    assert "--split" in result.stderr
    assert "--all-train" in result.stderr
    assert not (tmp_path / "out").exists()


def test_hold_out_and_everyone(mat: Path, tmp_path: Path) -> None:
    assert convert(mat, tmp_path / "all", "--all-train").exit_code == 0
    assert len(load(tmp_path / "all/train.json")) == 3
    assert not (tmp_path / "all/valid.json").exists()
    for folder in ("1", "2"):
        assert convert(mat, tmp_path / folder, "--holdout", "0.3", "--seed", "5").exit_code == 0
    for name in ("train.json", "valid.json", "gt_valid.mat"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    parts = [{entry["image"] for entry in load(tmp_path / "1" / name)} for name in ("train.json", "valid.json")]
    assert sorted(map(len, parts)) == [1, 1]
    assert not parts[0] & parts[1]


def test_a_coco_file_is_held_out_from_entry_by_entry(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "set") / "person_keypoints.json"
    result = convert(source, tmp_path / "out", "--to", "coco", "--holdout", "0.3")
    assert result.exit_code == 0 and "Lost" not in result.output, result.output
    whole = load(source)
    parts = [load(tmp_path / "out" / f"person_keypoints_{part}.json") for part in ("train", "val")]
    for key in ("images", "annotations"):
        halves = [part[key] for part in parts]
        assert sorted(halves[0] + halves[1], key=lambda e: e["id"]) == sorted(whole[key], key=lambda e: e["id"])
        assert all(halves)
    for part in parts:
        assert {a["image_id"] for a in part["annotations"]} <= {i["id"] for i in part["images"]}
        assert part["categories"] == whole["categories"] and part["info"] == whole["info"]
    assert not (tmp_path / "out/skeleton.toml").exists()
    own = ROOT / "noda_synth/data/skeletons/coco17.toml"
    assert convert(source, tmp_path / "own", "--to", "coco", "--holdout", "0.3", "--skeleton", own).exit_code == 0
    assert (tmp_path / "own/skeleton.toml").read_bytes() == own.read_bytes()
    again = convert(tmp_path / "out", tmp_path / "more", "--to", "coco", "--holdout", "0.3")
    assert again.exit_code == 2 and "No data set" not in again.stderr
    nothing = convert(source, tmp_path / "plain", "--to", "coco")
    assert nothing.exit_code == 2 and "--holdout" in nothing.stderr


def test_split_holdout_and_all_train_exclude_each_other(mat: Path, tmp_path: Path) -> None:
    result = convert(mat, tmp_path / "out", "--holdout", "0.1", "--all-train")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_visibility_for_a_json_file(mat: Path, tmp_path: Path) -> None:
    train = write_json(tmp_path / "old.json", [record("a.jpg", note=1)])
    assert convert(train, tmp_path / "new.json", "--visibility-from", mat).exit_code == 0
    (entry,) = load(tmp_path / "new.json")
    assert entry["joints_visible"][4] == 0
    assert {key: entry[key] for key in record("a.jpg", note=1)} == record("a.jpg", note=1)


def test_a_valid_json_into_gt_valid(tmp_path: Path) -> None:
    valid = write_json(tmp_path / "valid.json", [record("a.jpg"), record("b.jpg", shifted(9))])
    result = convert(valid, tmp_path / "gt.mat")
    assert result.exit_code == 0
    assert "Lost: image names" in result.output
    assert "2 head boxes estimated" in result.stderr
    assert loadmat(tmp_path / "gt.mat")["pos_gt_src"][:, :, 1].tolist() == shifted(9)


def test_rows_that_would_not_match_are_refused(tmp_path: Path) -> None:
    valid = write_json(tmp_path / "valid.json", [record("a.jpg"), {}])
    result = convert(valid, tmp_path / "gt.mat")
    assert result.exit_code == 2
    assert "valid.json record 1" in result.stderr


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (320, 240)).save(folder / name)
    return folder


def test_mpii_into_coco_and_back_loses_nothing(mat: Path, pictures: Path, tmp_path: Path) -> None:
    split = write_json(tmp_path / "split.json", ["b.jpg"])
    assert convert(mat, tmp_path / "mpii", "--split", split).exit_code == 0
    result = convert(tmp_path / "mpii", tmp_path / "coco", "--to", "coco", "--images", pictures)
    assert result.exit_code == 0, result.output
    train = load(tmp_path / "coco/person_keypoints_train.json")
    assert train["images"] == [{"file_name": "a.jpg", "height": 240, "width": 320, "id": 1}]
    assert [entry["keypoints"][2::3][4] for entry in train["annotations"]] == [1, 2]
    assert [entry["noda"].get("visibility") for entry in train["annotations"]] == [None, "unknown"]
    assert convert(tmp_path / "coco", tmp_path / "back").exit_code == 0
    for name in ("train.json", "valid.json"):
        assert load(tmp_path / "back" / name) == load(tmp_path / "mpii" / name)
    given, back = (loadmat(tmp_path / folder / "gt_valid.mat") for folder in ("mpii", "back"))
    for name in ("pos_gt_src", "headboxes_src", "jnt_missing", "jnt_visible"):
        np.testing.assert_array_equal(given[name], back[name])


def test_an_image_that_is_missing_costs_its_people_and_exit_code_1(pictures: Path, tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [record("a.jpg"), record("gone.jpg"), record("b.jpg")])
    result = convert(train, tmp_path / "coco", "--to", "coco", "--images", pictures)
    assert result.exit_code == 1
    written = load(tmp_path / "coco/person_keypoints_train.json")
    assert [entry["image_id"] for entry in written["annotations"]] == [1, 2]
    (line,) = (tmp_path / "coco/errors.jsonl").read_text().splitlines()
    assert "gone.jpg" in json.loads(line)["item"]
    assert "gone.jpg" in result.stderr


def test_without_images_coco_is_refused(tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [record("a.jpg")])
    result = convert(train, tmp_path / "coco", "--to", "coco")
    assert result.exit_code == 2
    assert "--images" in result.stderr


@pytest.mark.parametrize("to", ["mpii-json", "gt-valid"])
def test_17_joints_do_not_go_into_16(tmp_path: Path, to: str) -> None:
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [5, 6, 2] * 17}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [person],
        "categories": [coco_category(COCO)],
    }
    coco = write_json(tmp_path / "coco.json", content)
    result = convert(coco, tmp_path / "out", "--to", to)
    assert result.exit_code == 2
    assert "17 joints of coco17 do not map to MPII's 16" in result.stderr


def test_nothing_is_overwritten_unasked_and_the_input_never(tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [record("a.jpg")])
    write_json(tmp_path / "out.json", "mine")
    result = convert(train, tmp_path / "out.json")
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert load(tmp_path / "out.json") == "mine"
    assert convert(train, tmp_path / "out.json", "--overwrite").exit_code == 0
    before = train.read_bytes()
    for output in (train, tmp_path):
        result = convert(train, output, "--overwrite")
        assert result.exit_code == 2
        assert "never written to" in result.stderr
    assert train.read_bytes() == before


def test_a_bad_record_ends_in_exit_code_1_and_errors_jsonl(tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [record("a.jpg"), record("../b.jpg")])
    result = convert(train, tmp_path / "out")
    assert result.exit_code == 1
    assert len(load(tmp_path / "out/train.json")) == 1
    assert "leads out" in json.loads((tmp_path / "out/errors.jsonl").read_text())["reason"]


def test_verbose_names_every_problem_and_quiet_only_failures(tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [*[record("a.jpg")] * 3, *[{}] * 8])
    told = {flag: convert(train, tmp_path / f"out{flag}", flag) for flag in ("-v", "-q")}
    assert told["-v"].stderr.count("failed: ") == 8
    assert told["-v"].stderr.count("note: ") == 2
    assert told["-q"].stderr.count("failed: ") == 5
    assert "... and 3 more" in told["-q"].stderr
    assert "note: " not in told["-q"].stderr
    assert told["-q"].stdout == ""


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("nothing.json", [], "no such file"),
        ("train.json", ["--all-train"], "--all-train is only for the original .mat"),
        ("train.json", ["--split", "x"], "a split is only for the original .mat"),
        ("train.json", ["--holdout", "2"], "hold-out"),
        ("train.json", ["--visibility-from", "train.json"], "visibility is taken from the original MPII .mat"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, name: str, arguments: list[str], reason: str) -> None:
    write_json(tmp_path / "train.json", [record("a.jpg"), record("b.jpg")])
    given = [str(tmp_path / item) if item.endswith(".json") else item for item in arguments]
    result = convert(tmp_path / name, tmp_path / "out", *given)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr


def test_files_that_stand_for_nobody_are_refused_with_what_to_do(tmp_path: Path) -> None:
    valid = write_json(tmp_path / "valid.json", [record("a.jpg")])
    assert convert(valid, tmp_path / "gt.mat").exit_code == 0
    result = convert(tmp_path / "gt.mat", tmp_path / "out")
    assert result.exit_code == 2
    assert "convert the valid.json" in result.stderr


def test_one_file_cannot_hold_two_parts(tmp_path: Path) -> None:
    for name in ("train", "valid"):
        write_json(tmp_path / f"annot/{name}.json", [record(f"{name}.jpg")])
    result = convert(tmp_path, tmp_path / "out.json")
    assert result.exit_code == 2
    assert "give a folder" in result.stderr


def test_help_shows_examples() -> None:
    result = convert("--help")
    assert result.exit_code == 0
    assert "noda-synth convert mpii_human_pose_v1_u12_1.mat" in result.output


def test_head_boxes_of_a_list_come_from_the_truth_beside_it(tmp_path: Path) -> None:
    people = [record("a.jpg"), record("b.jpg", joints_vis=[0] * 16), record("c.jpg")]
    valid = write_json(tmp_path / "annot/valid.json", people)
    boxes = np.arange(12.0).reshape(2, 2, 3) * 7
    joints = np.array([entry["joints"] for entry in people]).transpose(1, 2, 0)
    missing = 1 - np.array([entry["joints_vis"] for entry in people], np.uint8).T
    arrays = {"jnt_missing": missing, "pos_gt_src": joints, "headboxes_src": boxes}
    savemat(tmp_path / "annot/gt_valid.mat", arrays)
    result = convert(valid, tmp_path / "exact.mat", "--to", "gt-valid")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(loadmat(tmp_path / "exact.mat")["headboxes_src"], boxes)
    assert "head boxes taken from this file" in result.stderr
    savemat(tmp_path / "annot/gt_valid.mat", {**arrays, "pos_gt_src": joints + 30})
    result = convert(valid, tmp_path / "estimated.mat", "--to", "gt-valid")
    assert "other people than valid.json: not used" in result.stderr
    estimated = loadmat(tmp_path / "estimated.mat")["headboxes_src"]
    assert estimated.shape == (2, 2, 3), "each record keeps its row, also one without any joint"
    assert (estimated[:, :, 0] != boxes[:, :, 0]).any() and (estimated[0] == estimated[1])[:, 1].all()


@pytest.mark.parametrize("name", ["gt.h5", "train.csv", "train.txt", "set.yaml"])
def test_an_output_that_is_named_like_another_file_is_refused(tmp_path: Path, name: str) -> None:
    source = write_json(tmp_path / "valid.json", [record("a.jpg")])
    result = convert(source, tmp_path / name)
    assert result.exit_code == 2
    assert "give a folder" in result.stderr
    assert not (tmp_path / name).exists()
