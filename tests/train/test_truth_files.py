"""Scoring anybody's files from the command line: without torch, and with one clear line where a file is damaged."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from noda_synth.data.skeleton import COCO
from noda_synth.errors import NodaError
from noda_train.metrics.scoring import evaluator_of, score_file
from noda_train.metrics.truth import read_truth

Run = Callable[..., int]


def records() -> list[dict[str, Any]]:
    """Three people whose joints lie on a line."""
    joints = [[number + 1.0, number + 2.0] for number in range(16)]
    one = {"image": "a.jpg", "center": [10, 10], "scale": 1.0, "joints": joints, "joints_vis": [1] * 16}
    return [dict(one) for _ in range(3)]


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "pred.h5", "w") as file:
        file["preds"] = np.array([record["joints"] for record in records()])
    return tmp_path / "pred.h5"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "whole.json"
    path.write_text(json.dumps(records()))
    return path


def gt_valid(path: Path) -> Path:
    boxes = np.array([[[1.0] * 3, [1.0] * 3], [[50.0] * 3, [60.0] * 3]])
    missing, joints = np.zeros((16, 3), np.uint8), np.array([record["joints"] for record in records()])
    arrays = {"jnt_missing": missing, "pos_gt_src": joints.transpose(1, 2, 0), "headboxes_src": boxes}
    scipy.io.savemat(path, arrays)
    return path


def without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`noda-train ...` where torch is not installed."""
    code = "import sys; sys.modules['torch'] = None; from noda_train.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_scoring_needs_no_torch(predictions: Path, truth: Path) -> None:
    for file in (truth, gt_valid(truth.with_name("gt_valid.mat"))):
        out = truth.with_name("scores.json")
        ended = without_torch(
            "eval", "--predictions", predictions, "--truth", file, "--against", predictions, "--json", out
        )
        assert ended.returncode == 0, ended.stderr
        assert "PCKh@0.5" in ended.stdout
        assert json.loads(out.read_text())["thresholds"]["0.5"]["all"]["mean"] == 100
    ended = without_torch("eval", "--predictions", predictions.parent, "--truth", truth)
    assert ended.returncode == 2 and "not evaluated yet" in ended.stderr


def test_the_published_numbers_need_no_torch(noda_data: Path) -> None:
    folder = noda_data / "mpii-val-golden"
    words = ("--predictions", folder / "preds_hourglass.h5", "--truth", folder / "gt_valid.mat")
    ended = without_torch("eval", *words, "--visible", folder / "visible.h5")
    assert ended.returncode == 0 and "88.0" in ended.stdout, ended.stderr


def cut(text: str) -> str:
    return text[: len(text) // 2]


def without_joints_vis(text: str) -> str:
    people = json.loads(text)
    del people[1]["joints_vis"]
    return json.dumps(people)


def with_five_joints(text: str) -> str:
    people = json.loads(text)
    people[1]["joints"] = people[1]["joints"][:5]
    return json.dumps(people)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "not valid JSON"),
        (without_joints_vis, "record 1 (image a.jpg): lacks joints_vis"),
        (with_five_joints, "record 1 (image a.jpg): joints: shape (5, 2)"),
        (lambda _: "[]", "an empty list"),
    ],
)
def test_a_damaged_truth_is_named_with_its_record(
    predictions: Path,
    truth: Path,
    python_m_train: Run,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[str], str],
    says: str,
) -> None:
    truth.write_text(damage(truth.read_text()))
    for option in ("--truth", "--visible"):
        other = gt_valid(truth.with_name("gt_valid.mat"))
        words = ["--truth", truth] if option == "--truth" else ["--truth", other, "--visible", truth]
        assert python_m_train("eval", "--predictions", predictions, *words) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"Error: {truth}: ") and says in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nowhere/out.json", "there is no folder"), ("folder", "it is a folder")],
)
def test_numbers_that_cannot_be_written_are_said_before_anything_is_read(
    tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    for words in (["--predictions", tmp_path / "none.h5", "--truth", tmp_path / "none.json"], ["--run", tmp_path]):
        assert python_m_train("eval", *words, "--json", tmp_path / name) == 2
        assert f"{name}: cannot be written ({reason}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def test_a_truth_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra variable of zeros, 2 MB of which take some kilobytes in the file."""
    path, size = gt_valid(tmp_path / "gt_valid.mat"), 2 << 20
    head = element(6, struct.pack("<II", 9, 0)) + element(5, struct.pack("<ii", 16, size // 16))
    head += element(1, b"jnt_visible")
    matrix = struct.pack("<II", 14, len(head) + 8 + size) + head + struct.pack("<II", 2, size) + bytes(size)
    packed = zlib.compress(matrix, 9)
    path.write_bytes(path.read_bytes() + struct.pack("<II", 15, len(packed)) + packed)
    monkeypatch.setattr("noda_synth.formats.files.matlab.MAX_BYTES", 1 << 20)
    with pytest.raises(NodaError, match=r"gt_valid\.mat: .*unpacks to more bytes than are read"):
        read_truth(path)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("pos_gt_src", np.zeros((16, 3, 3)), "pos_gt_src holds float64 (16, 3, 3)"),
        ("jnt_visible", np.zeros((3, 16)), "jnt_visible holds float64 (3, 16)"),
        ("jnt_missing", np.zeros((14, 3)), "jnt_missing holds float64 (14, 3)"),
        ("headboxes_src", None, "no headboxes_src"),
        ("pos_gt_src", None, "no gt_valid.mat"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, name: str, values: Any, says: str) -> None:
    path = gt_valid(tmp_path / "gt_valid.mat")
    content = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
    content.pop(name, None)
    scipy.io.savemat(path, content if values is None else {**content, name: values})
    with pytest.raises(NodaError) as error:
        read_truth(path)
    assert str(error.value).startswith(str(path)) and says in str(error.value)


def in_places(rng: np.random.Generator, count: int = 4) -> list[dict[str, Any]]:
    """People in different places, without visibility."""
    joints = rng.uniform(50, 200, (count, 16, 2)).round(1)
    return [
        {"image": f"{n}.jpg", "center": [99, 99], "scale": 1.0, "joints": j.tolist(), "joints_vis": [1] * 16}
        for n, j in enumerate(joints)
    ]


def truth_of_records(path: Path, people: list[dict[str, Any]], boxes: np.ndarray[Any, Any]) -> Path:
    joints = np.array([record["joints"] for record in people])
    missing = 1 - np.array([record["joints_vis"] for record in people]).T
    arrays = {"jnt_missing": missing.astype(np.uint8), "pos_gt_src": joints.transpose(1, 2, 0), "headboxes_src": boxes}
    scipy.io.savemat(path, arrays)
    return path


def scored(
    python_m_train: Run, capsys: pytest.CaptureFixture[str], predictions: Path, truth: Path
) -> tuple[str, dict[str, Any]]:
    out = truth.with_name("scores.json.out")
    code = python_m_train("eval", "--predictions", predictions, "--truth", truth, "--json", out)
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out, json.loads(out.read_text())


def test_people_who_cannot_be_judged_are_counted_and_named(
    tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    people = in_places(np.random.default_rng(0))
    boxes = np.zeros((2, 2, 4))
    boxes[1] = 40
    boxes[1, :, 0] = 0
    boxes[:, :, 2] = np.nan
    truth = truth_of_records(tmp_path / "gt_valid.mat", people, boxes)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["preds"] = np.array([record["joints"] for record in people])
    said, numbers = scored(python_m_train, capsys, tmp_path / "p.h5", truth)
    assert said.startswith("2 of 4 persons judged: 2 have no head box (row 0, row 2)\n")
    assert numbers["persons"] == 4 and numbers["judged"] == 2
    assert numbers["not_judged"] == {"why": "no head box", "persons": ["row 0", "row 2"]}
    (tmp_path / "valid.json").write_text(json.dumps(people))
    _, numbers = scored(python_m_train, capsys, tmp_path / "p.h5", truth)
    assert numbers["not_judged"]["persons"] == ["0.jpg#0", "2.jpg#0"], "the list beside it has the names"


def test_a_truth_beside_a_json_list_is_used_and_a_stand_in_is_said(
    tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    people = in_places(np.random.default_rng(0))
    people[0]["joints_vis"][9], people[0]["joints"][9] = 0, [-1, -1]
    boxes = np.zeros((2, 2, 4))
    boxes[1] = 40
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["preds"] = np.array([record["joints"] for record in people])
    path = tmp_path / "valid.json"
    path.write_text(json.dumps(people))
    said, alone = scored(python_m_train, capsys, tmp_path / "p.h5", path)
    assert "3 of 4 persons judged: 1 has neither a head box nor both neck and head top (0.jpg#0)" in said
    assert "from neck and head top (0.75 x their distance), since valid.json has no head boxes" in said
    assert alone["notes"] and alone["thresholds"]["0.5"]["all"]["n"] == 3 * 14
    truth = truth_of_records(tmp_path / "gt_valid.mat", people, boxes)
    said, beside = scored(python_m_train, capsys, tmp_path / "p.h5", path)
    assert said.startswith("4 persons\njoints and head boxes of gt_valid.mat beside valid.json\n")
    assert beside["thresholds"] == scored(python_m_train, capsys, tmp_path / "p.h5", truth)[1]["thresholds"]
    truth_of_records(truth, people[::-1], boxes)
    said, _ = scored(python_m_train, capsys, tmp_path / "p.h5", path)
    assert "gt_valid.mat beside it is of other people: not used" in said


def test_labelled_joints_without_coordinates_are_an_error(tmp_path: Path, predictions: Path) -> None:
    people = records()
    path = gt_valid(tmp_path / "gt_valid.mat")
    content = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
    content["pos_gt_src"][4, :, 1] = np.nan
    scipy.io.savemat(path, content)
    with pytest.raises(
        NodaError, match=r"gt_valid\.mat: row 1: left_knee is labelled, but pos_gt_src has no coordinates"
    ):
        read_truth(path)
    people[1]["joints"] = [[None, None], *people[1]["joints"][1:]]
    (tmp_path / "list.json").write_text(json.dumps(people))
    with pytest.raises(NodaError, match=r"record 1 \(image a\.jpg\): joints"):
        read_truth(tmp_path / "list.json")
    coco: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 90, "height": 90}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO.joints)}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "keypoints": [5.0, 5.0, 2] * 17, "bbox": [1, 1, 50, 50]}
            for n in (1, 2)
        ],
    }
    coco["annotations"][1]["keypoints"][3] = None
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    with pytest.raises(NodaError, match=r"coco\.json: annotation 1 \(id 2\): keypoints"):
        evaluator_of(tmp_path / "coco.json")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.json", b'{"image_id": 1}\n{"image_id": 2}\n', "JSON lines"),
        ("p.json", b"image,x0,y0\na.jpg,1,2\n", "a table"),
        ("p.h5", b"\x1f\x8b\x08\x00packed", "gunzip"),
        ("p.csv", b"1,2,3\n4,5,6\n", "a table"),
        ("p.mat", b"# Created by Octave 8.4.0\n# name: preds\n", "save -v7"),
    ],
)
def test_files_of_other_kinds_are_told_by_what_they_are(
    tmp_path: Path, truth: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NodaError, match=says):
        score_file(tmp_path / name, truth)
    with pytest.raises(NodaError, match=says):
        evaluator_of(tmp_path / name)
