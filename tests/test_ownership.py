"""Whose files they are: what users put into an output is not removed, and what is read is not written to."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from noda_synth.errors import NodaError
from noda_synth.runs.ownership import check_apart, check_removable, list_also
from noda_synth.runs.staging import Staging
from tests.command import done, refused, tree
from tests.faults import mounted


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("demo") / "data"
    done("demo-data", data, "--images", 4, "--valid-images", 2, "--size", "320x240", "--jobs", 1, "-q")
    return data


@pytest.fixture
def data(demo: Path, tmp_path: Path) -> Path:
    shutil.copytree(demo, tmp_path / "data")
    return tmp_path / "data"


def words(command: str, data: Path, out: Path, seed: int = 0) -> tuple[object, ...]:
    """A command that writes the folder `out`."""
    if command == "render":
        return ("render", "--data", data, "--method", "cutout", "--seed", seed, "--out", out, "--jobs", 1, "-q")
    if command == "benchmark":
        return ("benchmark", data, out, "--tries", 64 + seed, "--jobs", 1, "-q")
    return (
        "demo-data",
        out,
        "--images",
        2,
        "--valid-images",
        1,
        "--size",
        "320x240",
        "--seed",
        seed,
        "--jobs",
        1,
        "-q",
    )


FOLDERS = pytest.mark.parametrize("command", ["render", "benchmark", "demo-data"])


@FOLDERS
def test_overwrite_keeps_what_others_put_into_the_output(data: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    done(*words(command, data, out))
    (out / "runs").mkdir()
    (out / "runs" / "best.pt").write_text("weeks")
    (out / "notes.txt").write_text("mine")
    before = tree(out)
    said = refused(*words(command, data, out, 1), "--overwrite")
    assert "notes.txt, runs/best.pt" in said
    assert tree(out) == before
    shutil.rmtree(out / "runs")
    (out / "notes.txt").unlink()
    done(*words(command, data, out, 1), "--overwrite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


@FOLDERS
def test_overwrite_keeps_what_was_changed_by_hand(data: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    done(*words(command, data, out))
    changed = sorted(path for path in out.rglob("*.json") if "annot" in path.parts)[0]
    content = changed.read_bytes()
    changed.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    assert str(changed.relative_to(out)) in refused(*words(command, data, out, 1), "--overwrite")
    assert changed.read_bytes() != content


def test_an_output_without_a_list_of_its_files_is_not_removed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(*words("render", data, out))
    (out / "files.jsonl").unlink()
    assert "no list of the files" in refused(*words("render", data, out, 1), "--overwrite")
    (out / "files.jsonl").write_text("{")
    assert "damaged" in refused(*words("render", data, out, 1), "--overwrite")


@pytest.mark.parametrize("originals", ["symlink", "hardlink", "copy", "none"])
def test_the_list_names_each_file_and_overwrite_takes_all_of_them(data: Path, tmp_path: Path, originals: str) -> None:
    out = tmp_path / "out"
    done(*words("render", data, out), "--originals", originals)
    listed = {entry["name"]: entry for entry in map(json.loads, (out / "files.jsonl").read_text().splitlines())}
    assert listed.keys() == tree(out).keys() - {"files.jsonl"} | {"run_log.json"}
    assert all(entry["bytes"] == (out / name).stat().st_size for name, entry in listed.items() if "bytes" in entry)
    done(*words("render", data, out, 1), "--originals", originals, "--overwrite")


def test_the_last_name_of_an_original_is_not_removed(data: Path, tmp_path: Path) -> None:
    done(*words("render", data, tmp_path / "out"), "--originals", "hardlink")
    moved = sorted((data / "images").iterdir())[0]
    content = moved.read_bytes()
    moved.unlink()
    assert moved.name in refused(*words("render", data, tmp_path / "out", 1), "--overwrite")
    assert (tmp_path / "out" / "images" / moved.name).read_bytes() == content


def test_what_comes_up_while_a_run_works_is_left_alone(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "out")

    def result() -> Path:
        (staging.folder / "result").mkdir()
        return staging.folder / "result"

    held = staging.start({"a": 1}, None)
    assert held is not None
    with pytest.raises(NodaError, match="has come up"), held:
        (tmp_path / "out").write_text("mine")
        staging.finish(result())
    assert (tmp_path / "out").read_text() == "mine"
    (tmp_path / "out").unlink()
    with staging.hold({"a": 1}):
        staging.finish(result())
    held = staging.start({"a": 2}, {"a": 1}, overwrite=True)
    assert held is not None
    with pytest.raises(NodaError, match=r"late\.txt"), held:
        (tmp_path / "out" / "late.txt").write_text("mine")
        staging.finish(result())
    assert (tmp_path / "out" / "late.txt").read_text() == "mine"


def test_an_output_that_a_killed_run_had_moved_away_comes_back(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "out")
    (staging.folder / "replaced").mkdir(parents=True)
    (staging.folder / "replaced" / "notes.txt").write_text("mine")
    with pytest.raises(NodaError, match="is back"), staging.hold({"a": 1}):
        pass
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("command", ["render", "benchmark", "demo-data", "build-pool"])
def test_a_folder_of_the_name_that_a_run_needs_meanwhile_is_left_alone(
    data: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "notes.txt").write_text("mine")
    line = words(command, data, tmp_path / "out")
    if command == "build-pool":
        line = ("build-pool", "--data", data, "--out", tmp_path / "out", "--levels", "box", "--everyone", "-q")
    assert "out.partial" in refused(*line)
    assert (tmp_path / "out.partial" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("command", ["render", "benchmark"])
@pytest.mark.parametrize("place", ["", "images", "images/new", "annot/new", "new"])
def test_an_output_among_the_input_is_refused(data: Path, tmp_path: Path, command: str, place: str) -> None:
    before = tree(data)
    (tmp_path / "alias").symlink_to(data)
    for root in (data, tmp_path / "alias"):
        said = refused(*words(command, data, root / place, 1), "--overwrite", "--follow-links")
        assert "never written to" in said
        assert tree(data) == before


def test_a_set_is_not_rendered_into_itself(data: Path, tmp_path: Path) -> None:
    done(*words("render", data, tmp_path / "set"))
    before = tree(tmp_path / "set")
    for images in ((), ("--images", data / "images")):
        line = words("render", tmp_path / "set", tmp_path / "set", 1)
        assert "never written to" in refused(*line, *images, "--overwrite", "--follow-links")
    assert tree(tmp_path / "set") == before


def test_a_set_whose_copies_another_one_links_to_is_not_replaced_while_that_is_read(data: Path, tmp_path: Path) -> None:
    done(*words("render", data, tmp_path / "one"), "--ratio", 1)
    done(*words("render", tmp_path / "one", tmp_path / "two"), "--follow-links")
    said = refused(*words("render", tmp_path / "two", tmp_path / "one", 1), "--follow-links", "--overwrite")
    assert "is a link into" in said


def test_a_pool_is_not_written_among_the_images(data: Path) -> None:
    pool = data / "images" / "pool.h5"
    said = refused("build-pool", "--data", data, "--out", pool, "--levels", "box", "--everyone", "-q")
    assert "lies inside" in said
    assert not list((data / "images").glob("pool*"))


def test_convert_does_not_write_to_another_name_of_its_input(data: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train.json").hardlink_to(data / "annot" / "train.json")
    said = refused("convert", data, tmp_path / "other", "--overwrite")
    assert "is part of the input" in said
    assert "lies inside" in refused("convert", data, data / "images" / "coco", "--to", "coco")


def test_a_damaged_list_takes_in_no_report_and_costs_none(tmp_path: Path) -> None:
    (tmp_path / "files.jsonl").write_text('{"name": "a", "by')
    (tmp_path / "report.html").write_text("a page")
    list_also(tmp_path, tmp_path / "report.html")
    assert (tmp_path / "files.jsonl").read_text() == '{"name": "a", "by'
    with pytest.raises(NodaError, match="is damaged, so"):
        check_removable(tmp_path)


def test_a_fifo_in_the_place_of_the_list_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "files.jsonl")
    with pytest.raises(NodaError, match="is damaged, so"):
        check_removable(tmp_path)


def test_files_are_told_by_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_text("a")
    (tmp_path / "b.jpg").hardlink_to(tmp_path / "images" / "a.jpg")
    with pytest.raises(NodaError, match="never written to"):
        check_apart(tmp_path / "b.jpg", [tmp_path / "images" / "a.jpg"])
    with pytest.raises(NodaError, match="holds"):
        check_apart(tmp_path, [tmp_path / "images"])
    check_apart(tmp_path / "images_new", [tmp_path / "images"])


def test_what_is_mounted_elsewhere_too_is_told_by_what_it_is(tmp_path: Path) -> None:
    images, out = tmp_path / "set" / "images", tmp_path / "out put"
    for folder in (images, out / "old"):
        folder.mkdir(parents=True)
    with mounted(out / "mount", ["--bind", str(tmp_path / "set")], kind=None):
        with pytest.raises(NodaError, match="holds"):
            check_apart(out, [images])
        with pytest.raises(NodaError, match="lies inside"):
            check_apart(out / "mount" / "images" / "new", [images])
    check_apart(out, [images])


def test_a_large_folder_is_not_walked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("images", "large"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "walk", None)
    check_apart(tmp_path / "large", [tmp_path / "images"])
    with pytest.raises(NodaError, match="holds"):
        check_apart(Path("/"), [tmp_path / "images"])


def test_a_report_in_an_output_is_its_own(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(*words("render", data, out))
    done("report", out, "--images", data / "images", "--jobs", 1, "-q")
    assert (out / "report.html").is_file()
    done(*words("render", data, out, seed=1), "--overwrite")
    done("report", out, "--images", data / "images", "--page", out / "more" / "page.html", "--jobs", 1, "-q")
    (out / "more" / "page.html").write_text("mine now")
    assert "page.html" in refused(*words("render", data, out, seed=2), "--overwrite")
