"""Scales that are not people's sizes are noticed wherever a set is read, and can be measured from the joints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError
from noda_synth.formats.scales import STAGE, check_scales
from noda_synth.formats.source import open_dataset
from tests.command import done, noda, refused
from tests.conftest import Made

Change = Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]

AS_THEY_ARE: Change = lambda scales, rng: scales  # noqa: E731
WRONG: dict[str, tuple[Change, str]] = {
    "one for all": (lambda scales, rng: np.full(len(scales), 1.0), "the scale is 1 for all of "),
    "a number that says nothing": (lambda scales, rng: rng.permutation(scales), "does not go with the size"),
    "hourglass's": (lambda scales, rng: scales * 1.25, "(hourglass lists hold 1.25 times MPII's)"),
    "pixels": (lambda scales, rng: scales * 200, "times what their joints measure"),
    "halves": (lambda scales, rng: scales / 2, "times what their joints measure"),
}


@pytest.fixture(scope="module")
def real(noda_data: Path) -> tuple[Person, ...]:
    """People of MPII whose sizes are as different as they are in pictures."""
    return tuple(open_dataset(noda_data / "mpii-mini", follow_links=True)[1].persons)


def changed(people: tuple[Person, ...], change: Change) -> list[Person]:
    rng = np.random.default_rng(5)
    scales = change(np.array([person.scale for person in people]), rng)
    return [replace(person, scale=float(scale)) for person, scale in zip(people, scales, strict=True)]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("count", [60, 348])
def test_scales_that_are_not_sizes_are_told_with_the_way_out(real: tuple[Person, ...], wrong: str, count: int) -> None:
    change, words = WRONG[wrong]
    note = check_scales(changed(real[:count], change), MPII, "train.json")
    assert note is not None and words in note.reason and "--scale from-joints" in note.reason
    assert (note.stage, note.item, note.failed) == (STAGE, "train.json", False)


@pytest.mark.parametrize("count", [0, 1, 9, 60, 348])
def test_scales_that_are_sizes_pass(real: tuple[Person, ...], count: int) -> None:
    assert check_scales(changed(real[:count], AS_THEY_ARE), MPII, "train.json") is None


@pytest.fixture
def hourglass(drawn: Made, tmp_path: Path) -> Path:
    """The drawn set with 1.25 times the scales, whose own .mat is away."""
    data = shutil.copytree(drawn.data, tmp_path / "data", ignore=shutil.ignore_patterns("mpii*.mat"))
    for name in ("train.json", "valid.json"):
        path = data / "annot" / name
        records = json.loads(path.read_text())
        path.write_text(json.dumps([{**record, "scale": [1.25 * record["scale"]] * 2} for record in records]))
    return data


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads((folder / name).read_text())
    return records


def test_every_command_says_it_once_and_validate_finds_it(hourglass: Path, drawn: Made, tmp_path: Path) -> None:
    words = ("--data", hourglass, "--jobs", 1)
    built = noda("build-pool", *words, "--levels", "cardboard", "--out", tmp_path / "pool.h5")
    rendered = noda("render", *words, "--method", "cutout", "--out", tmp_path / "set")
    for result in (built, rendered):
        assert result.exit_code == 0 and result.stdout.startswith("warning: train.json: the scales of 39 people are 1.")
        assert (result.stdout + result.stderr).count("train.json: the scales of 39 people") == 1
    assert "lists whose scales are not those of their people" in done("validate", hourglass, "--jobs", 1)


def test_measured_scales_stand_in_all_that_is_written(hourglass: Path, drawn: Made, tmp_path: Path) -> None:
    out, lists = tmp_path / "set", tmp_path / "lists"
    options = ("--scale", "from-joints")
    done("render", "--data", hourglass, "--method", "cutout", "--out", out, "--jobs", 1, "-q", *options)
    done("convert", hourglass, lists, *options)
    for name in ("train.json", "valid.json"):
        true = [record["scale"] for record in read(drawn.data / "annot", name)]
        for written in (read(out / "annot", name), read(lists, name)):
            assert all(record["estimated"] == ["scale"] for record in written)
            assert np.allclose([record["scale"] for record in written], true, rtol=0.06)
    assert (out / "annot" / "gt_valid.mat").read_bytes() == (hourglass / "annot" / "gt_valid.mat").read_bytes()
    assert "scales are not" not in noda("validate", out, "--jobs", 1).output


def test_measured_scales_make_another_pool(drawn: Made, tmp_path: Path) -> None:
    words = ("build-pool", "--data", drawn.data, "--out", tmp_path / "pool.h5", "--levels", "cardboard", "--jobs", 1)
    done(*words)
    assert "other settings" in refused(*words, "--scale", "from-joints")
    with pytest.raises(NodaError, match="'stated' or 'from-joints'"):
        open_dataset(drawn.data, scale="from joints")


def test_coco_has_no_scales_to_measure(drawn_coco: Made, tmp_path: Path) -> None:
    words = ("build-pool", "--data", drawn_coco.data, "--out", tmp_path / "pool.h5", "--scale", "from-joints")
    assert "COCO and YOLO-pose go by boxes" in refused(*words)
