"""YOLO-pose written and read: labels as its readers want them, and nothing lost on the way there and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import COCO, MPII
from noda_synth.errors import NodaError
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.yolo.data_file import data_file_text, read_data_file
from noda_synth.formats.yolo.write import label_rows
from tests.command import done, noda, refused
from tests.conftest import Made
from tests.drawn_set import SIZE, records, write_coco


@pytest.fixture
def yolo(drawn: Made, tmp_path: Path) -> Path:
    done("convert", drawn.data, tmp_path / "yolo", "--to", "yolo", "-q")
    return tmp_path / "yolo"


def table(path: Path) -> Any:
    rows = [[float(value) for value in line.split()] for line in path.read_text().splitlines()]
    return np.array(rows)


def same(before: Person, after: Person) -> None:
    assert (before.image, before.person_id) == (after.image, after.person_id)
    assert np.array_equal(before.labelled, after.labelled)
    assert np.array_equal(before.visible, after.visible)
    assert np.abs(before.joints - after.joints)[before.labelled].max() < 1e-3


def test_mpii_there_and_back(drawn: Made, yolo: Path, tmp_path: Path) -> None:
    """Visibility is kept, of which the set has all three states; and center, scale and keys of the records."""
    done("convert", yolo / "data.yaml", tmp_path / "back", "-q")
    first, second = (
        read_dataset(find_layout(None, drawn.data / "images", file))
        for file in (drawn.data / "annot" / "train.json", tmp_path / "back" / "train.json")
    )
    known = read_dataset(find_layout(drawn.data))
    assert {int(value) for person in known.persons for value in person.visible} == {-1, 0, 1}
    back = {person.person_id: person for person in second.persons}
    assert len(back) == len(known.persons)
    for person in known.persons:
        same(person, back[person.person_id])
    written = {record["person_id"]: record for record in json.loads((tmp_path / "back" / "train.json").read_text())}
    for person in first.persons:
        record = written[person.person_id]
        assert record["scale"] == person.record["scale"]
        assert record["center"] == person.record["center"]
        assert record.get("note") == person.record.get("note")


def test_rows_are_as_its_readers_check_them(drawn: Made, yolo: Path) -> None:
    train = sorted((yolo / "labels" / "train").rglob("*.txt"))
    assert len(train) == len({record["image"] for record in records(drawn.data)})
    for file in train:
        rows = table(file)
        assert rows.shape[1] == 5 + 16 * 3
        assert (rows[:, 0] == 0).all()
        assert rows[:, 1:5].min() >= 0
        assert rows[:, 1:5].max() <= 1
        assert set(np.unique(rows[:, 7::3])) <= {0, 1, 2}
    text = (yolo / "data.yaml").read_text()
    assert "kpt_shape: [16, 3]\nflip_idx: [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10]\n" in text
    assert "names:\n  0: person\n" in text


def test_validation_pictures_are_not_in_train(drawn: Made, tmp_path: Path) -> None:
    """Not even where the input has one in both parts."""
    data = shutil.copytree(drawn.data, tmp_path / "data")
    valid = json.loads((data / "annot" / "valid.json").read_text())
    both = valid[0]["image"]
    (data / "annot" / "train.json").write_text(json.dumps([*records(data), {**records(data)[0], "image": both}]))
    result = noda("convert", data, tmp_path / "yolo", "--to", "yolo")
    assert f"1 images stand in the training and in the validation part, {both} for one" in result.stderr
    names = [
        {file.relative_to(tmp_path / "yolo" / "images" / part).as_posix() for file in folder.rglob("*.jpg")}
        for part in ("train", "val")
        for folder in [tmp_path / "yolo" / "images" / part]
    ]
    assert names[1] == {record["image"] for record in valid}
    assert not names[0] & names[1]
    assert any("/" in name for name in names[0])


def test_pictures_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    """Numbered alike in both parts; but for one, which is the same picture."""
    data = write_coco(tmp_path / "data", images=4)
    content = json.loads((data / "person_keypoints.json").read_text())
    (data / "annotations").mkdir()
    (data / "person_keypoints.json").unlink()
    for part, of in (("train", (100, 101)), ("val", (102, 103))):
        (data / "images" / part).mkdir()
        images = [image for image in content["images"] if image["id"] in of]
        for number, image in enumerate(images):
            (data / "images" / image["file_name"]).rename(data / "images" / part / f"{number}.jpg")
            image["file_name"] = f"{number}.jpg"
        people = [person for person in content["annotations"] if person["image_id"] in of]
        text = json.dumps({**content, "images": images, "annotations": people})
        (data / "annotations" / f"person_keypoints_{part}.json").write_text(text)
    shutil.copy(data / "images" / "val" / "1.jpg", data / "images" / "train" / "1.jpg")
    result = noda("convert", data, tmp_path / "yolo", "--to", "yolo", "--originals", "hardlink")
    assert result.exit_code == 0, result.output
    assert "1 pictures of the validation part are left out of the training part, 1.jpg for one" in result.stderr
    written = {str(file.relative_to(tmp_path / "yolo")) for file in (tmp_path / "yolo").rglob("*.???")}
    both = {
        f"{kind}/{part}.{end}"
        for part in ("train/0", "val/0", "val/1")
        for kind, end in (("images", "jpg"), ("labels", "txt"))
    }
    assert written == both
    for part in ("train", "val"):
        assert (tmp_path / "yolo" / "images" / part / "0.jpg").samefile(data / "images" / part / "0.jpg")
    before, after = read_dataset(find_layout(data)), read_dataset(find_layout(tmp_path / "yolo"))
    assert [person.image for person in after.persons] == ["0.jpg"]
    same_joints = [
        np.abs(a.joints - b.joints)[a.labelled].max() < 1e-3
        for a, b in zip([before.persons[0], *before.valid], [*after.persons, *after.valid], strict=True)
    ]
    assert all(same_joints)


def test_pictures_of_nobody_have_an_empty_label_file(drawn_coco: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn_coco.data, tmp_path / "data")
    file = json.loads((data / "person_keypoints.json").read_text())
    file["annotations"] = [annotation for annotation in file["annotations"] if annotation["image_id"] != 100]
    (data / "person_keypoints.json").write_text(json.dumps(file))
    done("convert", data, tmp_path / "yolo", "--to", "yolo", "--originals", "copy")
    assert (tmp_path / "yolo/labels/train/000000000000.txt").read_text() == ""
    assert not (tmp_path / "yolo/images/train/000000000000.jpg").is_symlink()
    read = read_dataset(find_layout(tmp_path / "yolo"))
    assert read.skeleton == COCO
    assert len(read.images) == len(file["images"])
    before = read_dataset(find_layout(data))
    assert len(read.persons) == len(before.persons)
    for first, second in zip(before.persons, read.persons, strict=True):
        assert np.array_equal(first.visible, second.visible)
        assert np.abs(np.array(first.record["bbox"]) - second.record["bbox"]).max() < 1e-3


def test_joints_outside_of_the_picture_are_kept_beside_the_labels(drawn: Made, tmp_path: Path) -> None:
    """One of them in a row would cost the whole picture: its readers take no shares below 0 or above 1."""
    person = read_dataset(find_layout(drawn.data)).persons[0]
    joints = person.joints.copy()
    joints[0] = (-5.5, 20)
    person.__dict__["joints"] = joints
    (row,), (extra,) = label_rows([person], SIZE, MPII)
    assert row.split()[5:8] == ["0.00000000", "0.00000000", "0"]
    assert extra["outside"] == {"right_ankle": [-5.5, 20.0]}


def test_a_render_reads_it_and_carries_the_validation_part_along(yolo: Path, drawn: Made, tmp_path: Path) -> None:
    done("build-pool", "--data", yolo, "--out", tmp_path / "p.h5", "--levels", "posecut", "--jobs", 1, "--follow-links")
    said = refused("build-pool", "--data", yolo, "--out", tmp_path / "p.h5", "--levels", "posecut")
    assert "symbolic links" in said
    done(
        "render", "--data", yolo / "data.yaml", "--pool", tmp_path / "p.h5", "--out", tmp_path / "out", "--jobs", 1,
        "--preset", "best", "--follow-links",
    )  # fmt: skip
    valid = json.loads((tmp_path / "out" / "annot" / "person_keypoints_val.json").read_text())
    assert len(valid["annotations"]) == len(json.loads((drawn.data / "annot" / "valid.json").read_text()))
    scene = read_dataset(find_layout(tmp_path / "out"))
    assert scene.skeleton == MPII
    assert len(scene.valid) == len(valid["annotations"])
    labels = next((yolo / "labels").rglob("*.txt"))
    labels.write_text(labels.read_text().replace("0 ", "0  ", 1))
    result = noda(
        "render", "--data", yolo, "--pool", tmp_path / "p.h5", "--out", tmp_path / "out", "--preset", "best",
        "--follow-links",
    )  # fmt: skip
    assert result.exit_code == 2, "labels are part of what decides"


def write_set(root: Path, data_yaml: str, row: str) -> Path:
    for part in ("train", "val"):
        (root / "images" / part).mkdir(parents=True)
        (root / "labels" / part).mkdir(parents=True)
        cv2.imwrite(str(root / "images" / part / f"{part}1.png"), np.zeros((100, 200, 3), np.uint8))
        (root / "labels" / part / f"{part}1.txt").write_text(row)
    (root / "data.yaml").write_text(data_yaml)
    return root


FACE = "kpt_shape: [17, 3]\nnames: ['person']\ntrain: images/train\nval: images/val\n"
FLIPS = f"flip_idx: {list(COCO.flip_order)}\n"
ROW = " ".join(["0 0.5 0.5 0.2 0.4", *["0.25 0.5 2"] * 16, "0 0 0"])


def test_others_files_are_read(tmp_path: Path) -> None:
    """Comments, quotes, lists below a key, keys that are not needed, and other classes."""
    text = (
        "# a set\npath: ../somewhere/else  # not here\ntrain: ../images/train\nval: 'images/val'\n\nnc: 2\nnames:\n"
        "  0: dog\n  1: person\nkpt_shape: [17, 3] # x, y, v\nflip_idx:\n"
        + "".join(f"  - {joint}\n" for joint in COCO.flip_order)
        + "download: |\n  from pathlib import Path\n  print('hello: [')\n  names: [\n"
    )
    root = write_set(tmp_path / "set", text, f"{ROW}\n1{ROW[1:]}\n")
    dataset = read_dataset(find_layout(root))
    (person,) = dataset.persons
    assert len(dataset.valid) == 1
    assert person.joints[0].tolist() == [50, 50]
    assert person.visible.tolist() == [1] * 16 + [-1]
    assert person.record["bbox"] == [80, 30, 40, 40]
    assert "2 labels of other classes left out" in [problem.reason for problem in dataset.problems]


def test_keypoints_without_v_are_of_unknown_visibility(tmp_path: Path) -> None:
    row = " ".join(["0 0.5 0.5 0.2 0.4", *["0.25 0.5"] * 16, "0 0"])
    root = write_set(tmp_path / "set", FACE.replace("17, 3", "17, 2") + FLIPS, row)
    (person,) = read_dataset(find_layout(root)).persons
    assert person.labelled.sum() == 16
    assert (person.visible == -1).all()


def test_lists_of_pictures_are_read(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", FACE.replace("images/train", "train.txt") + FLIPS, ROW)
    (root / "train.txt").write_text("./images/train/train1.png\n")
    assert read_dataset(find_layout(root)).persons[0].image == "train/train1.png"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FACE.replace("kpt_shape: [17, 3]", "kpt_shape: [17, 4]"), "kpt_shape: [17, 4]; [joints, 2] or [joints, 3]"),
        (FACE.replace("train: images/train\n", ""), "lacks train"),
        (FACE.replace("images/train", "images/tarin"), "train: images/tarin is not in the folder of this file"),
        (FACE.replace("images/train", "/etc"), "train: /etc is not in the folder of this file"),
        (FACE.replace("['person']", "[cat, dog]"), "names: no class is called person, but cat, dog"),
        (FACE.replace("['person']", "&a [person]"), "line 2: '&a [person]' is YAML that is not read here"),
        (FACE.replace("['person']", "{1: person}"), "names: classes 1; they count from 0"),
        (FACE.replace("[17, 3]", "[17,"), "line 1: a list that does not end"),
        (FACE + "flip_idx: [0, 1]\n", "flip_idx: each of 0 to 16 once is expected"),
        (FACE, "its 17 keypoints, without names (kpt_names), are not those of"),
        (FACE + "train: images/val\n", "line 5: train stands there twice"),
        (FACE + "kpt_names:\n  0: [a, b]\n", "kpt_names: 2 names for 17 keypoints"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NodaError) as error:
        read_dataset(find_layout(write_set(tmp_path / "set", text, ROW)))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "names: {0: dog, 1: 'a: b, c', 2: person}\ntrain: images/train\n",
        "names: [dog, bird, Person]\ntrain: [images/train]\n",
        "names:\n- dog\n- bird\n- person\ntrain:\n- images/train\n",
        "names: [dog,\n  bird,  # not people\n  person]\ntrain: ./images/train/\npath: .\n",
    ],
)
def test_classes_and_lists_are_written_in_many_ways(tmp_path: Path, text: str) -> None:
    keypoints = "kpt_shape: [17, 3]\n" + FLIPS.replace("7, ", "7,\n  ")
    root = write_set(tmp_path / "set", keypoints + text, f"{ROW}\n2{ROW[1:]}\n")
    dataset = read_dataset(find_layout(root))
    assert [person.person_id for person in dataset.persons] == ["train1.png#1"]


def test_who_has_one_class_need_not_name_it(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", FACE.replace("names: ['person']", "nc: 1") + FLIPS, ROW)
    assert len(read_dataset(find_layout(root)).persons) == 1


@pytest.mark.parametrize("marks", ["-1 -1", "-0.5 0.2", "0 0"])
def test_without_v_what_lies_nowhere_is_not_labelled(tmp_path: Path, marks: str) -> None:
    row = " ".join(["0 0.5 0.5 0.2 0.4", *["0.25 0.5"] * 16, marks])
    root = write_set(tmp_path / "set", FACE.replace("17, 3", "17, 2") + FLIPS, row)
    (person,) = read_dataset(find_layout(root)).persons
    assert person.labelled.tolist() == [True] * 16 + [False]


@pytest.mark.parametrize(
    "line",
    [
        "images/train/train1.png",
        "\ufeff./images/train/train1.png\r",
        ".\\images\\train\\train1.png",
        "{set}/images/train/train1.png",
    ],
)
@pytest.mark.parametrize("below", ["", "mine"])
def test_a_list_names_pictures_in_many_ways(tmp_path: Path, line: str, below: str) -> None:
    """With `path` the list, pictures and labels lie in a folder below that of data.yaml."""
    text = FACE.replace("images/train", "train.txt") + FLIPS + (f"path: ./{below}\n" if below else "")
    root = write_set(tmp_path / "set" / below, text, ROW)
    again = line.removeprefix("\ufeff")
    (root / "train.txt").write_text(f"{line}\n{again}\n".replace("{set}", str(root)), encoding="utf-8")
    if below:
        (root / "data.yaml").rename(tmp_path / "set" / "data.yaml")
    dataset = read_dataset(find_layout(tmp_path / "set"))
    assert [person.image for person in dataset.persons] == ["train/train1.png"] and len(dataset.valid) == 1
    assert "1 pictures are listed again: taken once" in [problem.reason for problem in dataset.problems]


def test_parts_may_have_pictures_and_labels_of_their_own(tmp_path: Path) -> None:
    """train/images beside train/labels; training takes both parts."""
    root = write_set(
        tmp_path / "set", FACE.replace("images/train", "[a/images, b/images]").replace("val:", "test:") + FLIPS, ROW
    )
    for new, old in (("a", "train"), ("b", "val")):
        (root / new).mkdir()
        for kind in ("images", "labels"):
            (root / kind / old).rename(root / new / kind)
    for kind in ("images", "labels"):
        (root / kind).rmdir()
    assert [person.image for person in read_dataset(find_layout(root)).persons] == [
        "a/images/train1.png", "b/images/val1.png",
    ]  # fmt: skip


def test_pictures_without_label_files_are_counted(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", FACE + FLIPS, "\ufeff" + ROW)
    (root / "labels" / "val" / "val1.txt").unlink()
    dataset = read_dataset(find_layout(root))
    assert len(dataset.persons) == 1 and not dataset.valid
    assert [problem.reason for problem in dataset.problems] == [
        "1 pictures have no label file (labels/ for images/): taken for pictures of nobody"
    ]


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", FACE.replace("images/train", "train.txt") + FLIPS, ROW)
    (root / "train.txt").write_bytes(b"./images/tr\xe4in.png\n")
    with pytest.raises(NodaError, match=r"train\.txt: no text in UTF-8"):
        read_dataset(find_layout(root))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW[:-2], "56 finite numbers are expected, not 55: class, box and 17 keypoints of 3"),
        (ROW + " 0.98", "56 finite numbers are expected, not 57"),
        (ROW.replace("0.25 0.5", "50 50"), "50 is no share of the picture's width or height, which are 0 to 1"),
        (ROW.replace("0.2 0.4", "40 40"), "40 is no share"),
        (ROW.replace("0.25 0.5", "-1 -1"), "-1 is no share"),
        (ROW.replace("0.25", "nan", 1), "56 finite numbers are expected"),
        (ROW.replace("0.25", "x", 1), "not numbers"),
        (ROW.replace("0.5 2", "0.5 3", 1), "other flags than v = 0, 1 and 2"),
    ],
)
def test_a_bad_row_costs_itself(tmp_path: Path, row: str, said: str) -> None:
    dataset = read_dataset(find_layout(write_set(tmp_path / "set", FACE + FLIPS, f"{ROW}\n{row}\n")))
    assert len(dataset.persons) == 1
    (problem, _) = dataset.problems
    assert "train1.txt row 1" in problem.item
    assert said in problem.reason


def test_a_set_whose_file_has_another_name_is_found_by_what_it_is(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", FACE + FLIPS, ROW)
    file = (root / "data.yaml").rename(root / "pose.yml")
    with pytest.raises(NodaError) as error:
        find_layout(root)
    assert f"{file} is the data.yaml of a YOLO-pose set: --annotations {file}" in str(error.value)
    assert find_layout(None, annotations=file).kind == find_layout(file).kind == "yolo"


def test_a_set_without_keypoints_is_named(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", FACE.replace("kpt_shape: [17, 3]\n", ""), ROW)
    with pytest.raises(NodaError, match="no kpt_shape, which says how many keypoints people have"):
        find_layout(root / "data.yaml")


def test_own_words_are_understood(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text(data_file_text(MPII, "images/train", "images/train"))
    data = read_data_file(tmp_path / "data.yaml")
    assert data.joint_names == MPII.joints
    assert data.flips == MPII.flip_order
    assert data.val == ()


def test_nothing_is_overwritten_and_the_input_never(drawn: Made, yolo: Path, tmp_path: Path) -> None:
    assert "exists" in refused("convert", drawn.data, yolo, "--to", "yolo")
    done("convert", drawn.data, yolo, "--to", "yolo", "--overwrite")
    said = refused("convert", drawn.data, drawn.data, "--to", "yolo", "--overwrite")
    assert "part of the input, which is never written to" in said
    assert "already: nothing to convert" in refused("convert", yolo, tmp_path / "again", "--to", "yolo")


def test_into_coco(yolo: Path, drawn: Made, tmp_path: Path) -> None:
    done("convert", yolo, tmp_path / "coco", "--to", "coco")
    before, after = read_dataset(find_layout(drawn.data)), read_dataset(find_layout(tmp_path / "coco", yolo / "images"))
    assert len(after.persons) == len(before.persons)
    assert len(after.valid) == len(before.valid)


def test_a_rendered_set_has_labels_for_everyone_in_every_picture(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "out", "--yolo", "--limit", 5)
    scene = read_dataset(find_layout(None, out / "images", out / "annot" / "coco_train_scene.json"))
    valid = {record["image"] for record in json.loads((out / "annot" / "valid.json").read_text())}
    lists = {name: (out / f"{name}.txt").read_text().splitlines() for name in ("train", "val")}
    assert set(lists["train"]) == {f"./images/{name}" for name in scene.images}
    assert set(lists["val"]) == {f"./images/{name}" for name in valid}
    for name in (*lists["train"], *lists["val"]):
        assert (out / name).is_file()
        assert (out / name.replace("/images/", "/labels/")).with_suffix(".txt").is_file()
    read = read_dataset(find_layout(out / "data.yaml"))
    assert len(read.valid) == len(json.loads((out / "annot" / "valid.json").read_text()))
    assert len(read.persons) == len(scene.persons)
    copies = [json.loads(line)["file"] for line in (out / "manifest.jsonl").read_text().splitlines()]
    for name in copies:
        assert len(read.by_image[name]) == len(scene.by_image[name])
        for one, other in zip(read.by_image[name], scene.by_image[name], strict=True):
            assert np.array_equal(one.visible, other.visible)
            assert np.abs(one.joints - other.joints)[one.labelled].max() < 1e-3


def test_without_yolo_the_settings_are_as_before(drawn: Made, tmp_path: Path) -> None:
    report = json.loads((drawn.render(tmp_path / "out", "--limit", 1) / "report.json").read_text())
    assert "yolo" not in report["settings"]
