"""Finding the parts of a data set, and telling what a file is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from noda_synth.data.skeleton import COCO
from noda_synth.errors import NodaError
from noda_synth.formats import coco_category, find_layout
from noda_synth.formats.files.detect import detect
from tests.mpii_files import all_joints, image, record, rect, write_json, write_release

COCO_FILE = {"images": [], "annotations": [], "categories": [coco_category(COCO)]}


def release(path: Path) -> Path:
    return write_release(path, [image("a.jpg", [rect(all_joints())])])


def gt_valid(path: Path) -> Path:
    savemat(path, {"jnt_missing": np.zeros((16, 1)), "pos_gt_src": np.zeros((16, 2, 1))})
    return path


def test_the_usual_layout(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    train = write_json(tmp_path / "annot/train.json", [record("a.jpg")])
    valid = write_json(tmp_path / "annot/valid.json", [record("b.jpg")])
    truth = gt_valid(tmp_path / "annot/gt_valid.mat")
    layout = find_layout(tmp_path)
    assert (layout.images, layout.annotations, layout.kind) == (tmp_path / "images", train, "mpii_json")
    assert (layout.mat, layout.valid, layout.gt_valid, layout.valid_images) == (None, valid, truth, None)


@pytest.mark.parametrize("place", [".", "annot", "mpii_human_pose_v1_u12_2"])
@pytest.mark.parametrize("name", ["mpii_human_pose_v1_u12_1.mat", "my_copy.mat"])
def test_the_original_mat_beside_the_json(tmp_path: Path, place: str, name: str) -> None:
    (tmp_path / "images").mkdir()
    write_json(tmp_path / "annot/train.json", [record("a.jpg")])
    gt_valid(tmp_path / "annot/a_gt.mat")
    mat = release(tmp_path / place / name)
    assert find_layout(tmp_path).mat == mat


def test_the_mat_alone(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    mat = release(tmp_path / "mpii_human_pose_v1_u12_1.mat")
    valid = write_json(tmp_path / "annot/valid.json", [record("b.jpg")])
    layout = find_layout(tmp_path)
    assert (layout.annotations, layout.kind, layout.mat, layout.valid) == (mat, "mpii_mat", mat, valid)


def test_the_names_of_mmpose(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    train = write_json(tmp_path / "annotations/mpii_train.json", [record("a.jpg")])
    valid = write_json(tmp_path / "annotations/mpii_val.json", [record("b.jpg")])
    truth = gt_valid(tmp_path / "annotations/mpii_gt_val.mat")
    layout = find_layout(tmp_path)
    assert (layout.annotations, layout.valid, layout.gt_valid) == (train, valid, truth)


def test_coco_with_its_folders_of_images(tmp_path: Path) -> None:
    for name in ("train2017", "val2017"):
        (tmp_path / name).mkdir()
        write_json(tmp_path / f"annotations/person_keypoints_{name}.json", COCO_FILE)
    layout = find_layout(tmp_path)
    assert layout.kind == "coco"
    assert layout.images == tmp_path / "train2017"
    assert layout.valid == tmp_path / "annotations/person_keypoints_val2017.json"
    assert layout.valid_images == tmp_path / "val2017"


def test_a_lone_coco_file(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    file = write_json(tmp_path / "person_keypoints.json", COCO_FILE)
    layout = find_layout(tmp_path)
    assert (layout.annotations, layout.images, layout.valid) == (file, tmp_path / "images", None)


def test_a_written_coco_set_with_its_validation_part(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    train = write_json(tmp_path / "annot/coco_train_topdown.json", COCO_FILE)
    write_json(tmp_path / "annot/coco_train_scene.json", COCO_FILE)
    assert find_layout(tmp_path).valid is None
    valid = write_json(tmp_path / "annot/person_keypoints_val2017.json", COCO_FILE)
    layout = find_layout(tmp_path)
    assert (layout.annotations, layout.valid, layout.valid_images) == (train, valid, None)


def test_parts_that_lie_elsewhere(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    annotations = write_json(tmp_path / "mine/annot/train_1.json", [record("a.jpg")])
    valid = write_json(tmp_path / "mine/annot/valid.json", [record("b.jpg")])
    mat = release(tmp_path / "mine/mpii_human_pose_v1_u12_1.mat")
    layout = find_layout(tmp_path / "nothing here", pictures, annotations)
    assert (layout.images, layout.annotations, layout.valid, layout.mat) == (pictures, annotations, valid, mat)


def test_a_validation_list_is_not_its_own_validation_part(tmp_path: Path) -> None:
    valid = write_json(tmp_path / "valid.json", [record("b.jpg")])
    assert find_layout(None, tmp_path, valid).valid is None


def test_what_is_found_is_told_by_content(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    write_json(tmp_path / "annot/train.json", COCO_FILE)
    assert find_layout(tmp_path).kind == "coco"


def test_nothing_found_says_where_it_looked_and_every_way_out(tmp_path: Path) -> None:
    for data in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NodaError) as caught:
            find_layout(data)
        message = str(caught.value)
        for word in (str(data), "--data", "--images", "--annotations", "http://human-pose.mpi-inf.mpg.de", "demo-data"):
            assert word in message
    with pytest.raises(NodaError, match=r"in annot/.* for:\n  train\.json"):
        find_layout(tmp_path)


def test_missing_images_are_told_with_the_places_looked_at(tmp_path: Path) -> None:
    write_json(tmp_path / "annot/train.json", [record("a.jpg")])
    with pytest.raises(NodaError, match=r"(?s)No images folder.*images\n.*--images"):
        find_layout(tmp_path)
    with pytest.raises(NodaError, match="nowhere"):
        find_layout(tmp_path, images=tmp_path / "nowhere")


def test_kinds(tmp_path: Path) -> None:
    assert detect(release(tmp_path / "a")) == "mpii_mat"
    assert detect(gt_valid(tmp_path / "b.mat")) == "gt_valid"
    assert detect(write_json(tmp_path / "c.mat", [record("a.jpg")])) == "mpii_json"
    assert detect(write_json(tmp_path / "d.txt", COCO_FILE)) == "coco"
    with h5py.File(tmp_path / "e.json", "w") as file:
        file["imgname"], file["person"] = [b"a.jpg"], [0]
    assert detect(tmp_path / "e.json") == "hourglass_h5"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b'[{"image": "a.jpg", "joi', "not valid JSON .* line 1, column"),
        (b"\xfe\xd8\xff\xe0 no text", "neither a .mat or HDF5 file nor JSON"),
        (b"{}", "a JSON object, but not COCO keypoints"),
        (b"[]", "an empty list"),
        (b"[1, 2]", "a list, but not of records"),
        (b'"text"', "not a list of records"),
        (b"[" * 100_000, "not valid JSON"),
        (b"MATLAB 5.0 MAT-file, cut short", "not a whole .mat file"),
        (b"MATLAB 7.3 MAT-file, Platform", "not a whole HDF5 file"),
        (b"\x89HDF\r\n\x1a\n cut short", "not a whole HDF5 file"),
    ],
)
def test_what_is_no_annotation_file_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(content)
    with pytest.raises(NodaError, match=rf"train\.json: .*{reason}"):
        detect(path)


def test_other_files_of_known_containers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match="no such file"):
        detect(tmp_path / "missing")
    savemat(tmp_path / "other.mat", {"x": 1})
    with pytest.raises(NodaError, match="it has x"):
        detect(tmp_path / "other.mat")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["preds"] = [1]
    with pytest.raises(NodaError, match=r"no hourglass valid\.h5"):
        detect(tmp_path / "other.h5")


def test_importing_the_formats_loads_nothing_heavy() -> None:
    code = "import sys, noda_synth.formats; print([m for m in ('scipy', 'h5py', 'cv2', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
