"""Sets whose images are all somewhere else: one name, where it was looked for, and what fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noda_synth.errors import NodaError
from noda_synth.formats.files.missing import not_one_there
from noda_synth.formats.layout import find_layout
from tests.command import noda
from tests.mpii_files import all_joints, image, record, rect, write_json, write_release


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("name", "there", "fits"),
    [
        ("images/a.jpg", "set/images/a.jpg", "--images {}/set"),
        ("mpii/images/a.jpg", "mpii/images/a.jpg", "--images {}"),
        ("train/a.jpg", "set/images/a.jpg", "take train/ off the names"),
        ("a.jpg", "set/images/train/a.jpg", "--images {}/set/images/train"),
        ("a.jpg", "set/pictures/a.jpg", "--images {}/set/pictures"),
        ("a.jpg", "set/images/a.JPG", "set/images/a.JPG is there: correct the names"),
        ("a.jpg", "set/images/a.png", "set/images/a.png is there: correct the names"),
        ("a.jpg", "set/images.zip", "set/images.zip is there: unpack it"),
        ("a.jpg", "set/images/part1.tar.gz", "set/images/part1.tar.gz is there: unpack it"),
        ("a.jpg", "set/x", "The folder is empty"),
        ("a.jpg", "set/images/other.jpg", "Name the folder that a.jpg is in with --images"),
        ("a" * 300, "set/images/other.jpg", "--images"),
    ],
)
def test_one_name_where_it_was_looked_for_and_what_fits(tmp_path: Path, name: str, there: str, fits: str) -> None:
    folder = tmp_path / "set/images"
    folder.mkdir(parents=True)
    touch(tmp_path / there)
    message = not_one_there(folder, [name, "b.jpg"])
    assert message.startswith(f"not one of the 2 images is in {folder}: there is no {folder / name}.")
    assert fits.format(tmp_path) in message


def test_one_image_that_is_there_is_enough(tmp_path: Path) -> None:
    touch(tmp_path / "b.jpg")
    assert not not_one_there(tmp_path, ["a.jpg", "b.jpg"])
    assert not not_one_there(tmp_path, [])


@pytest.mark.parametrize(
    "command",
    [
        lambda data, out: ("build-pool", "--data", data, "--out", out / "p.h5", "--levels", "cardboard", "--jobs", 1),
        lambda data, out: ("render", "--data", data, "--out", out / "o", "--method", "cutout", "--jobs", 1),
    ],
    ids=["build-pool", "render"],
)
def test_the_commands_say_it(drawn: Any, tmp_path: Path, command: Callable[[Path, Path], tuple[Any, ...]]) -> None:
    data = tmp_path / "set"
    shutil.copytree(drawn.data, data)
    shutil.move(data / "images", data / "elsewhere")
    (data / "images").mkdir()
    result = noda(*command(data, tmp_path))
    assert result.exit_code == 2
    assert f"--images {data / 'elsewhere'}" in result.stderr
    assert "--everyone" not in result.output
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_so_does_convert_where_it_looks_at_pictures(tmp_path: Path, to: str) -> None:
    write_json(tmp_path / "set/annot/train.json", [record("images/a.jpg")])
    touch(tmp_path / "set/images/a.jpg")
    result = noda("convert", tmp_path / "set", tmp_path / "out", "--to", to)
    assert result.exit_code == 2
    assert f"--images {tmp_path / 'set'}" in result.stderr


def test_validate_has_one_finding_for_a_part(tmp_path: Path) -> None:
    write_json(tmp_path / "annot/train.json", [record("images/a.jpg"), record("images/b.jpg")])
    touch(tmp_path / "images/a.jpg")
    result = noda("validate", tmp_path, "--headers", "--json", tmp_path / "f.json", "--jobs", 1)
    found = json.loads((tmp_path / "f.json").read_text())["findings"]
    assert [entry["kind"] for entry in found if "image" in entry["kind"]] == ["no-images"], result.output
    assert f"--images {tmp_path}" in result.output


@pytest.mark.parametrize(("there", "fits"), [("Images/a.jpg", "--images {}/Images"), ("images.zip", "unpack it")])
def test_without_an_images_folder(tmp_path: Path, there: str, fits: str) -> None:
    write_json(tmp_path / "annot/train.json", [record("a.jpg")])
    touch(tmp_path / there)
    with pytest.raises(NodaError, match=r"No images folder") as error:
        find_layout(tmp_path)
    assert fits.format(tmp_path) in str(error.value)


def test_an_archive_beside_the_folder_that_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "annot/train.json", [record("a.jpg")])
    touch(tmp_path / "pictures/mpii.tar.gz")
    with pytest.raises(NodaError, match="unpack it"):
        find_layout(tmp_path, images=tmp_path / "pictures/mpii")


def test_annotations_under_another_name_are_named_and_otherwise_where_lists_come_from(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match="deep-high-resolution-net"):
        find_layout(tmp_path)
    file = write_json(tmp_path / "annot/mine.json", [record("a.jpg")])
    with pytest.raises(NodaError) as error:
        find_layout(tmp_path)
    assert f"--annotations {file}" in str(error.value)


def test_a_name_with_backslashes_says_so(tmp_path: Path) -> None:
    file = write_json(tmp_path / "train.json", [record("images\\a.jpg")])
    assert r"'images\\a.jpg' has backslashes" in noda("convert", file, tmp_path / "o").stderr


@pytest.mark.parametrize("split", [(), ("--split", "valid.json")])
def test_a_missing_split_says_how_to_draw_one(tmp_path: Path, split: tuple[str, ...]) -> None:
    mat = write_release(tmp_path / "mpii.mat", [image("a.jpg", [rect(all_joints())])])
    output = noda("convert", mat, tmp_path / "o", *split).stderr
    assert f"noda-synth convert {mat} {tmp_path / 'annot'} --holdout 0.1" in output
    assert "deep-high-resolution-net" in output


def test_a_split_that_lies_beside_the_mat_is_named(tmp_path: Path) -> None:
    mat = write_release(tmp_path / "mpii.mat", [image("a.jpg", [rect(all_joints())])])
    there = write_json(tmp_path / "annot/some.json", [record("a.jpg")])
    assert f"--split {there}" in noda("convert", mat, tmp_path / "o", "--split", "some.json").stderr
