"""noda-synth validate: every kind of damage is found and named, and whole sets pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from noda_synth.validate.findings import KINDS
from tests.command import done, noda, refused
from tests.conftest import Made
from tests.drawn_set import SIZE

Record = dict[str, Any]


def findings(data: Path, *options: object) -> dict[str, list[Record]]:
    """All findings by kind; the exit code has to fit them."""
    file = data.parent / "findings.json"
    result = noda("validate", data, "--json", file, "--jobs", 1, *options)
    content = json.loads(file.read_text())
    assert result.exit_code == (1 if content["errors"] else 0), result.output
    assert content["errors"] + content["warnings"] == len(content["findings"])
    found: dict[str, list[Record]] = {}
    for finding in content["findings"]:
        found.setdefault(finding["kind"], []).append(finding)
        assert finding["severity"] == KINDS[finding["kind"]].severity
    assert {kind: len(group) for kind, group in found.items()} == {
        kind: stated["count"] for kind, stated in content["kinds"].items()
    }
    return found


def only(found: dict[str, list[Record]], kind: str) -> Record:
    """The one finding there is, which has to be of this kind."""
    assert list(found) == [kind], found
    (finding,) = found[kind]
    return finding


@pytest.fixture
def data(drawn: Made, tmp_path: Path) -> Path:
    return shutil.copytree(drawn.data, tmp_path / "data")


@pytest.fixture
def plain(data: Path) -> Path:
    """Without the .mat, so that records speak for themselves."""
    next(data.glob("*.mat")).unlink()
    return data


@pytest.fixture
def coco(drawn_coco: Made, tmp_path: Path) -> Path:
    return shutil.copytree(drawn_coco.data, tmp_path / "data")


@pytest.fixture(scope="module")
def six(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.render(tmp_path_factory.mktemp("six") / "set", "--limit", 6, "--originals", "copy")


@pytest.fixture
def rendered(six: Path, tmp_path: Path) -> Path:
    return shutil.copytree(six, tmp_path / "set")


def change(path: Path, alter: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    alter(content)
    path.write_text(json.dumps(content))


def change_record(data: Path, row: int, **values: object) -> None:
    change(data / "annot" / "train.json", lambda records: records[row].update(values))


def record(data: Path, row: int, name: str = "train.json") -> Record:
    found: Record = json.loads((data / "annot" / name).read_text())[row]
    return found


def test_whole_sets_pass(drawn: Made, drawn_coco: Made, rendered: Path, tmp_path: Path) -> None:
    copies = drawn.render(tmp_path / "copies", "--copies", 2, "--coco")
    appended = drawn.render(tmp_path / "appended", "--append", "--originals", "copy")
    coco = drawn_coco.render(tmp_path / "coco", "--copies", 2, "--append")
    for made in (drawn.data, drawn_coco.data, rendered, copies, appended, coco):
        said = done("validate", made, "--jobs", 1, "--strict")
        assert said.endswith("0 errors, 0 warnings\n")
        assert said.count("\n") == 1
    mat = next(drawn.data.glob("*.mat"))
    assert "0 errors" in done("validate", mat, "--jobs", 1)


def test_a_picture_of_which_only_the_scenes_know_is_no_stray(coco: Path, tmp_path: Path) -> None:
    """People without keypoints are no samples, but stay in their scenes."""
    change(
        coco / "person_keypoints.json",
        lambda content: [
            annotation.update(keypoints=[0] * len(annotation["keypoints"]), num_keypoints=0)
            for annotation in content["annotations"]
            if annotation["image_id"] == content["images"][0]["id"]
        ],
    )
    done("render", "--data", coco, "--method", "cutout", "--out", tmp_path / "set", "--jobs", 1, "-q")
    assert findings(tmp_path / "set") == {}
    scenes = tmp_path / "set" / "annot" / "coco_train_scene.json"
    change(scenes, lambda content: content["images"].pop(0))
    assert only(findings(tmp_path / "set"), "stray-image")


@pytest.mark.parametrize("append", [[], ["--append", "--copies", 2]], ids=["replaced", "appended"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
@pytest.mark.parametrize("form", ["mpii", "coco"])
def test_who_is_on_an_unreadable_image_is_in_no_written_list(
    drawn: Made, drawn_coco: Made, tmp_path: Path, form: str, damage: str, append: list[object]
) -> None:
    made, name = (drawn, "003.jpg") if form == "mpii" else (drawn_coco, f"{3:012d}.jpg")
    source = shutil.copytree(made.data, tmp_path / "data")
    path = source / "images" / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    out = tmp_path / "set"
    result = noda("render", "--data", source, "--method", "cutout", "--out", out, "--jobs", 1, "-v", *append)
    assert result.exit_code == 1 and "so the written data set lacks it and the 2 people on it" in result.stderr
    assert findings(out) == {}
    lists = [path for path in (out / "annot").glob("*train*.json") if "scene" not in path.name]
    assert len(lists) == (4 if append else 1)
    assert all(f'"{name}"' not in path.read_text() for path in (out / "annot").glob("*train*.json"))
    counts = json.loads((out / "report.json").read_text())["counts"]
    assert (counts["images"], counts["people"]) == ((25, 37) if form == "mpii" else (13, 19))
    assert not (out / "images" / name).exists()


def test_any_number_of_workers_finds_the_same(data: Path) -> None:
    for number in (3, 9):
        (data / "images" / f"{number:03d}.jpg").unlink()
    assert findings(data, "--jobs", 2) == findings(data, "--jobs", 1)


def test_a_missing_image(data: Path) -> None:
    (data / "images" / "004.jpg").unlink()
    found = only(findings(data), "missing-image")
    assert found["image"] == "004.jpg"
    assert "train.json record 6" in found["where"]


def test_a_missing_validation_image(data: Path) -> None:
    (data / "images" / "026.jpg").unlink()
    assert "valid.json record 0" in only(findings(data), "missing-image")["where"]


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_image(data: Path, damage: str) -> None:
    path = data / "images" / "004.jpg"
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) * 2 // 3], "empty": b"", "text": b"<html>not found</html>"}[damage])
    assert only(findings(data), "damaged-image")["image"] == "004.jpg"
    assert bool(findings(data, "--headers")) == (damage != "cut")


@pytest.mark.parametrize("change", ["smaller", "worse", "the next frame"])
def test_a_validation_image_that_shows_what_a_training_image_shows(data: Path, change: str) -> None:
    picture = cv2.imread(str(data / "images" / "004.jpg"))
    assert picture is not None
    if change == "the next frame":
        picture[120:200, 150:190] = 90
    elif change == "smaller":
        picture = cv2.resize(picture, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(data / "images" / "027.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 25 if change == "worse" else 90])
    (found,) = findings(data)["alike"]
    assert found["image"] == "027.jpg" and "shows what 004.jpg of the training part shows" in found["what"]
    assert findings(data, "--jobs", 2)["alike"] == [found]
    assert "alike" not in findings(data, "--headers")


def test_an_image_that_is_turned_by_exif(data: Path) -> None:
    path = data / "images" / "004.jpg"
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(path, exif=exif)
    assert "orientation 6" in only(findings(data), "turned-image")["what"]


def test_an_image_of_another_size_than_annotated(coco: Path) -> None:
    path = sorted((coco / "images").iterdir())[2]
    cv2.imwrite(str(path), np.zeros((310, 370, 3), np.uint8))
    found = only(findings(coco), "size-differs")
    assert found["image"] == path.name
    assert "360 x 300 annotated, 370 x 310" in found["what"]


def test_a_record_that_cannot_be_read_is_numbered_and_the_others_keep_their_numbers(data: Path) -> None:
    change_record(data, 2, joints=record(data, 2)["joints"][:15])
    (data / "images" / "004.jpg").unlink()
    found = findings(data)
    assert set(found) == {"unusable-record", "missing-image"}
    assert "train.json record 2" in found["unusable-record"][0]["where"]
    assert "train.json record 6" in found["missing-image"][0]["where"]


def test_joints_outside_the_image(plain: Path) -> None:
    joints = record(plain, 3)["joints"]
    joints[0] = [SIZE[0] + 9.0, 50.0]
    joints[5] = [SIZE[0] + 4000.0, 50.0]
    change_record(plain, 3, joints=joints)
    found = findings(plain)
    assert set(found) == {"joint-outside", "joint-far-outside"}
    assert found["joint-outside"][0]["what"].startswith("right_ankle at (368, 49); the image has 360 x 300")
    assert found["joint-far-outside"][0]["what"].startswith("left_ankle")
    assert found["joint-outside"][0]["where"] == "train.json record 3"


def test_labels_without_coordinates(plain: Path) -> None:
    joints = record(plain, 3)["joints"]
    joints[0], joints[1] = [-1, -1], [0, 0]
    change_record(plain, 3, joints=joints)
    assert only(findings(plain), "no-coordinates")["what"].startswith("right_ankle, right_knee:")


def test_coco_flags_and_coordinates_that_contradict_each_other(coco: Path) -> None:
    def spoil(content: Any) -> None:
        first, second, third = content["annotations"][:3]
        first["keypoints"][:3] = [0, 0, 2]
        second["keypoints"][12:15] = [30, 40, 0]
        third["num_keypoints"] += 1

    change(coco / "person_keypoints.json", spoil)
    found = findings(coco)
    assert found["no-coordinates"][0]["where"] == "person_keypoints.json annotation 1000"
    assert found["visibility"][0]["what"].startswith("right_ear")
    assert found["keypoint-count"][0]["person"] == "1002"


def test_visibility_without_label(plain: Path) -> None:
    labels = [1] * 16
    labels[4] = labels[7] = 0
    stated = [1] * 16
    stated[4], stated[7] = 0, -1
    change_record(plain, 3, joints_vis=labels, joints_visible=stated)
    assert only(findings(plain), "visibility")["what"].startswith("left_knee:")


def test_a_person_without_any_label(plain: Path) -> None:
    change_record(plain, 3, joints_vis=[0] * 16)
    assert only(findings(plain), "no-joints")["where"] == "train.json record 3"


def test_scale_and_center_that_are_missing(plain: Path) -> None:
    change_record(plain, 3, scale=-1)
    change_record(plain, 4, center=[-1, -1])
    found = findings(plain)
    assert set(found) == {"no-scale", "no-center"}
    assert found["no-scale"][0]["where"] == "train.json record 3"
    assert found["no-center"][0]["where"] == "train.json record 4"


@pytest.mark.parametrize("head", [True, False])
def test_scale_outliers(plain: Path, head: bool) -> None:
    labels = [1] * 16
    if not head:
        labels[9] = 0
        for row in range(20):
            change_record(plain, row, joints_vis=labels)
    for row, factor in ((3, 4.5), (5, 1 / 4.5), (7, 1.5)):
        change_record(plain, row, scale=record(plain, row)["scale"] * factor)
    found = findings(plain)
    assert list(found) == ["scale-outlier"]
    assert [finding["where"] for finding in found["scale-outlier"]] == ["train.json record 3", "train.json record 5"]
    assert ("head size" if head else "joint box") in found["scale-outlier"][0]["what"]


def test_a_center_far_off(plain: Path) -> None:
    for row, shift in ((3, 160), (4, 20)):
        x, y = record(plain, row)["center"]
        change_record(plain, row, center=[x + shift, y])
    assert only(findings(plain), "center-off")["where"] == "train.json record 3"


def test_people_who_stand_there_twice(plain: Path) -> None:
    def twice(records: Any) -> None:
        again = {**records[3], "joints": [[x + 1.5, y - 1.0] for x, y in records[3]["joints"]]}
        records += [records[0], again]

    count = len(json.loads((plain / "annot" / "train.json").read_text()))
    change(plain / "annot" / "train.json", twice)
    found = findings(plain)
    assert set(found) == {"duplicate", "near-duplicate"}
    assert found["duplicate"][0]["where"] == f"train.json record {count}"
    assert found["near-duplicate"][0]["where"] == f"train.json record {count + 1}"
    assert "train.json record 3" in found["near-duplicate"][0]["what"]


def test_an_image_in_both_parts(plain: Path) -> None:
    valid = record(plain, 0, "valid.json")
    change(
        plain / "annot" / "train.json", lambda records: records.append({**valid, "joints": record(plain, 0)["joints"]})
    )
    found = only(findings(plain), "shared-image")
    assert found["image"] == valid["image"]
    assert found["where"].startswith("valid.json record")


def truth(data: Path, alter: Callable[[dict[str, Any]], None]) -> None:
    path = data / "annot" / "gt_valid.mat"
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    alter(content)
    savemat(path, content)


def test_truth_that_does_not_fit_its_list(data: Path) -> None:
    def shift(content: dict[str, Any]) -> None:
        content["pos_gt_src"][:, :, 1] += 5
        content["jnt_missing"][3, 2] = 1
        content["headboxes_src"][:, :, 0] = 7

    truth(data, shift)
    found = findings(data)
    assert set(found) == {"truth-differs", "head-box"}
    assert [f["where"] for f in found["truth-differs"]] == ["gt_valid.mat row 1", "gt_valid.mat row 2"]
    assert "5.0 px" in found["truth-differs"][0]["what"]
    assert "left_hip" in found["truth-differs"][1]["what"]
    assert found["head-box"][0]["where"] == "gt_valid.mat row 0"


def test_truth_of_another_length(data: Path) -> None:
    change(data / "annot" / "valid.json", lambda records: records.pop())
    assert "6 rows, but valid.json has 5" in only(findings(data), "row-count")["what"]


def test_truth_whose_joints_have_another_shape(data: Path) -> None:
    truth(data, lambda content: content.update(pos_gt_src=content["pos_gt_src"][:, :, :4]))
    assert "(16, 2, 4)" in only(findings(data), "unusable-file")["what"]


def test_no_truth_at_all(data: Path) -> None:
    (data / "annot" / "gt_valid.mat").unlink()
    assert not findings(data)  # the .mat has the head boxes
    next(data.glob("*.mat")).unlink()
    assert "6 of 6 people have no head box" in only(findings(data), "no-truth")["what"]


def test_truth_without_head_boxes(plain: Path) -> None:
    truth(plain, lambda content: content.pop("headboxes_src"))
    assert "headboxes_src" in only(findings(plain), "head-box")["what"]


@pytest.mark.parametrize("name", ["annot/gt_valid.mat", "annot/valid.json", "mpii_human_pose_v1_u12_1.mat"])
def test_a_side_file_that_cannot_be_read_does_not_hide_the_rest(data: Path, name: str) -> None:
    path = data / name
    path.write_bytes(path.read_bytes()[:200])
    (data / "images" / "004.jpg").unlink()
    found = findings(data)
    assert set(found) == {"unusable-file", "missing-image"}
    assert found["unusable-file"][0]["where"] == path.name


def test_a_copy_that_is_gone(rendered: Path) -> None:
    copy = sorted((rendered / "images").glob("*_0*"))[0]
    copy.unlink()
    found = findings(rendered)
    assert set(found) == {"missing-image", "no-copy"}
    assert found["no-copy"][0]["image"] == copy.name


def test_lines_that_are_damaged_or_gone(rendered: Path) -> None:
    path = rendered / "manifest.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0][:50], *lines[2:]]) + "\n")
    found = findings(rendered)
    assert found["manifest-line"][0]["where"] == "manifest.jsonl line 1"
    assert {finding["image"] for finding in found["no-line"]} == {json.loads(line)["file"] for line in lines[:2]}
    assert (
        f"{len(lines) - 2} lines that can be read, but report.json counts {len(lines)}"
        in (found["copies-missing"][0]["what"])
    )


def test_a_line_whose_record_is_gone(rendered: Path) -> None:
    path = rendered / "annot" / "train.json"
    copy = next(entry for entry in json.loads(path.read_text()) if "synth" in entry)
    change(path, lambda records: records.remove(copy))
    assert only(findings(rendered), "no-record")["image"] == copy["image"]


def test_a_covered_joint_that_is_called_visible(rendered: Path) -> None:
    path = rendered / "annot" / "train.json"
    entries = json.loads(path.read_text())
    row = next(row for row, entry in enumerate(entries) if "synth" in entry)
    joint = entries[row]["synth"]["covered"][0]
    change(path, lambda records: records[row].update(joints_visible=[1] * 16))
    found = only(findings(rendered), "covered-visible")
    assert found["where"] == f"train.json record {row}"
    assert joint in found["what"]


def test_originals_that_were_left_out_on_purpose(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--originals", "none", "--limit", 4)
    assert "originals are not in" in only(findings(out), "originals-left-out")["what"]
    next((out / "images").glob("*_0*")).unlink()
    assert set(findings(out)) == {"originals-left-out", "missing-image", "no-copy"}


def test_an_image_that_nobody_knows(rendered: Path) -> None:
    shutil.copy(next((rendered / "images").glob("*_0*")), rendered / "images" / "mine.jpg")
    assert only(findings(rendered), "stray-image")["image"] == "mine.jpg"
    assert noda("validate", rendered, "--jobs", 1).exit_code == 0
    assert noda("validate", rendered, "--jobs", 1, "--strict").exit_code == 1


def test_a_report_that_is_gone(rendered: Path) -> None:
    (rendered / "report.json").unlink()
    assert only(findings(rendered), "unusable-file")["where"] == "report.json"


def test_findings_are_counted_and_the_first_are_named(data: Path) -> None:
    for number in range(10, 20):
        (data / "images" / f"{number:03d}.jpg").unlink(missing_ok=True)
    few, every = (noda("validate", data, "--jobs", 1, *more).stdout for more in ((), ("-v",)))
    assert "error: 9 missing images" in few  # one of the ten lies in a folder of its own
    assert "... and 6 more; -v names all" in few
    assert "way out: fetch the file again" in few
    assert few.count("no such file") == 3
    assert every.count("no such file") == 9
    assert noda("validate", data, "--jobs", 1, "-q").stdout.startswith("error: 9 missing images")


def test_what_is_no_data_set_is_refused(tmp_path: Path, plain: Path) -> None:
    assert str(tmp_path / "none") in refused("validate", tmp_path / "none")
    (plain / "annot" / "train.json").write_text("[1, 2")
    assert "train.json" in refused("validate", plain)


def test_real_sets_have_no_errors(noda_data: Path, mpii_mini: Made, coco_masks: Made, tmp_path: Path) -> None:
    """Their warnings were looked at, each: joints at the border, and people of COCO with a neighbour's joints,
    and training centres that are the middles of the joints' boxes, as in mpii-mini."""
    sets = {
        noda_data / "mpii-mini": {"joint-outside": 5, "crops-differ": 1},
        noda_data / "coco-masks": {"near-duplicate": 3},
        mpii_mini.render(tmp_path / "mpii", "--limit", 10): {"joint-outside": 5, "crops-differ": 1},
        coco_masks.render(tmp_path / "coco", "--limit", 10): None,
    }
    for data, expected in sets.items():
        noda("validate", data, "--headers", "--json", tmp_path / "findings.json", "--jobs", 1)
        content = json.loads((tmp_path / "findings.json").read_text())
        assert content["errors"] == 0
        if expected is not None:
            assert {kind: stated["count"] for kind, stated in content["kinds"].items()} == expected
