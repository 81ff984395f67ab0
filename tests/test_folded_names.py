"""Names that are one on file systems that fold them are refused there, and written elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from noda_synth.errors import NodaError
from noda_synth.formats.files import folded_names
from noda_synth.formats.files.folded_names import check_kept_apart, pairs
from tests.command import done, noda, refused
from tests.conftest import Made

PAIRS = [
    ("A.jpg", "a.jpg"),
    ("dir/x.jpg", "Dir/x.jpg"),
    ("\u00e9.jpg", "e\u0301.jpg"),
    ("stra\u00dfe.jpg", "STRASSE.jpg"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_names_that_fold_to_one_are_found(one: str, other: str) -> None:
    assert list(pairs(["b.jpg", one], [other, "b.jpg"])) == [(one, other)]
    assert not list(pairs([one, "b.jpg", "half\ud800"], [one, "c.jpg"]))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_they_may_be_written_where_they_are_kept_apart(tmp_path: Path, one: str, other: str) -> None:
    (tmp_path / "CASE").touch()
    if (tmp_path / "case").exists():
        pytest.skip("the file system of the tests folds names")
    check_kept_apart(tmp_path / "not" / "there", [one], [other])
    assert [path.name for path in tmp_path.iterdir()] == ["CASE"]


@pytest.mark.parametrize("command", ["render", "benchmark"])
def test_a_set_with_two_names_for_one_place_is_refused(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    part = "valid" if command == "benchmark" else "train"
    file = data / "annot" / f"{part}.json"
    records = json.loads(file.read_text())
    name = records[0]["image"]
    shutil.copy(data / "images" / name, data / "images" / name.upper())
    file.write_text(json.dumps([*records, {**records[0], "image": name.upper(), "person_id": "other"}]))
    words: dict[str, tuple[object, ...]] = {
        "render": ("--data", data, "--out", tmp_path / "out", "--method", "cutout", "--jobs", 1, "-q"),
        "benchmark": (data, tmp_path / "out", "--tries", 64, "--jobs", 1, "-q"),
    }
    with monkeypatch.context() as folding:
        folding.setattr(folded_names, "are_one", lambda *_: True)
        said = refused(command, *words[command])
        assert f"{name!r} and {name.upper()!r} are two images, but one name" in said
        assert not (tmp_path / "out").exists()
    if command == "render":
        done(command, *words[command])


def test_of_two_labels_for_one_place_the_first_is_written(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data", ignore=shutil.ignore_patterns("*.mat"))
    file = data / "annot" / "train.json"
    records = json.loads(file.read_text())
    (data / "images" / "x.jpg").write_bytes((data / "images" / records[0]["image"]).read_bytes())
    (data / "images" / "X.jpg").write_bytes((data / "images" / "x.jpg").read_bytes())
    file.write_text(json.dumps([{**records[0], "image": name, "person_id": name} for name in ("x.jpg", "X.jpg")]))
    done("convert", data, tmp_path / "apart", "--to", "yolo", "-q")
    monkeypatch.setattr("noda_synth.formats.yolo.write.are_one", lambda *_: True)
    result = noda("convert", data, tmp_path / "out", "--to", "yolo", "-q")
    assert result.exit_code == 1
    assert "failed: X.jpg: left out with everyone on it: another picture has its name" in result.stderr


def test_a_file_system_that_folds_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: exists(path) or exists(path.with_name(path.name.lower())))
    with pytest.raises(NodaError, match=r"'a\.jpg' and 'A\.jpg'"):
        check_kept_apart(tmp_path, ["a.jpg", "A.jpg"])
