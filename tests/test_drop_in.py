"""The written folder is read unchanged by code that knows nothing of noda-synth."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from tests.command import done, noda
from tests.conftest import Made
from tests.drawn_set import records
from tests.mpii_files import as_loaders_do
from tests.rules import JOINTS, read


@pytest.fixture
def made(written: tuple[Made, Path]) -> Made:
    return written[0]


@pytest.fixture
def out(written: tuple[Made, Path]) -> Path:
    return written[1]


def test_the_loaders_of_hrnet_find_every_image_under_one_root(made: Made, out: Path) -> None:
    for part in ("train", "valid"):
        listed = json.loads((out / "annot" / f"{part}.json").read_text())
        for row in as_loaders_do(listed):
            path = out / "images" / row["image"]
            assert path.is_file()
            assert path.stat().st_size
    train = json.loads((out / "annot" / "train.json").read_text())
    for record in train[:20]:
        assert read(out / "images" / record["image"]).shape[2] == 3


def test_the_loaders_of_hrnet_get_the_very_numbers_of_the_input(made: Made, out: Path) -> None:
    for part in ("train", "valid"):
        before = as_loaders_do(json.loads((made.data / "annot" / f"{part}.json").read_text()))
        after = as_loaders_do(json.loads((out / "annot" / f"{part}.json").read_text()))
        assert len(before) == len(after)
        for old, new in zip(before, after, strict=True):
            for key in ("center", "scale", "joints", "weights"):
                assert (old[key] == new[key]).all()


def test_mmpose_gets_a_number_for_every_picture_whose_source_had_one(made: Made, out: Path) -> None:
    """As its MpiiDataset numbers them; two pictures of one number would be one to it."""
    for part in ("train", "valid"):
        listed = json.loads((out / "annot" / f"{part}.json").read_text())
        sources = {record["image"]: record.get("synth", {}).get("source", record["image"]) for record in listed}
        numbered = {name: int(name.split(".")[0]) for name, source in sources.items() if "/" not in source}
        assert len(set(numbered.values())) == len(numbered) > 0


def test_half_of_the_list_points_to_copies_and_validation_to_originals(made: Made, out: Path) -> None:
    train = json.loads((out / "annot" / "train.json").read_text())
    copies = [record for record in train if "synth" in record]
    assert len(copies) == int(len(train) * 0.5 + 0.5)
    assert all("_" in record["image"] for record in copies)
    assert len({record["image"] for record in copies}) == len(copies)
    valid = json.loads((out / "annot" / "valid.json").read_text())
    before = json.loads((made.data / "annot" / "valid.json").read_text())
    assert [{key: new[key] for key in old} for old, new in zip(before, valid, strict=True)] == before


def test_gt_valid_stands_in_the_order_of_valid_json(made: Made, out: Path) -> None:
    valid = json.loads((out / "annot" / "valid.json").read_text())
    truth = loadmat(out / "annot" / "gt_valid.mat")
    original = loadmat(made.data / "annot" / "gt_valid.mat")
    for name in ("jnt_missing", "pos_gt_src", "headboxes_src"):
        assert truth[name].shape == original[name].shape
        assert (truth[name] == original[name]).all()
    assert [str(np.ravel(name)[0]) for name in np.ravel(truth["dataset_joints"])] == [
        str(np.ravel(name)[0]) for name in np.ravel(original["dataset_joints"])
    ]
    for row, record in enumerate(valid):
        labelled = np.array(record["joints_vis"]) > 0
        assert (truth["jnt_missing"][:, row] == 0).tolist() == labelled.tolist()
        joints = np.array(record["joints"])[labelled]
        assert np.abs(truth["pos_gt_src"][labelled, :, row] - joints).max() < 1.01
        visible = np.array(record["joints_visible"])
        assert (truth["jnt_visible"][labelled, row] == visible[labelled]).all()


def test_originals_are_relative_links_that_lead_to_the_data_set(made: Made, out: Path) -> None:
    for record in [*records(made.data), *json.loads((made.data / "annot" / "valid.json").read_text())]:
        link = out / "images" / record["image"]
        assert link.is_symlink()
        assert not link.readlink().is_absolute()
        assert link.resolve() == (made.data / "images" / record["image"]).resolve()


def test_the_mat_gives_the_same_people_as_the_json(made: Made, out: Path, tmp_path: Path) -> None:
    """From the original .mat alone, with valid.json as the split."""
    mat = made.data / "mpii_human_pose_v1_u12_1.mat"
    split = made.data / "annot" / "valid.json"
    source = ("--images", made.data / "images", "--annotations", mat, "--split", split)
    done("render", *source, "--pool", made.pool, "--out", tmp_path / "set", "-q", "--originals", "none", "--jobs", 2)
    from_mat = _people(tmp_path / "set" / "annot" / "train.json")
    from_json = _people(out / "annot" / "train.json")
    assert from_mat.keys() == from_json.keys()
    for image, people in from_json.items():
        assert len(people) == len(from_mat[image])
        for old, new in zip(people, from_mat[image], strict=True):
            assert np.abs(np.array(old["joints"]) - np.array(new["joints"])).max() < 0.01
            assert old["joints_vis"] == new["joints_vis"]
            assert new["scale"] == pytest.approx(old["scale"], abs=1e-4)
            assert new["center"] == pytest.approx(old["center"], abs=0.01)
    lines = [json.loads(text) for text in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == int(len(records(made.data)) * 0.5 + 0.5)
    valid_images = {record["image"] for record in json.loads(split.read_text())}
    assert not {line["source"] for line in lines} & valid_images
    kept = [record["image"] for record in json.loads((tmp_path / "set" / "annot" / "valid.json").read_text())]
    assert kept == [record["image"] for record in json.loads(split.read_text())]
    assert loadmat(tmp_path / "set" / "annot" / "gt_valid.mat")["pos_gt_src"].shape[2] == len(kept)


def _people(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Records by original image, each image's in one order."""
    people = defaultdict(list)
    for record in json.loads(file.read_text()):
        people[record.get("synth", {}).get("source", record["image"])].append(record)
    return {image: sorted(group, key=lambda record: record["joints"]) for image, group in people.items()}


def test_without_a_split_the_mat_is_refused_unless_everyone_is_for_training(drawn: Made, tmp_path: Path) -> None:
    mat = shutil.copy(drawn.data / "mpii_human_pose_v1_u12_1.mat", tmp_path)
    words = ("render", "--images", drawn.data / "images", "--annotations", mat, "--pool", drawn.pool, "-q")
    result = noda(*words, "--out", tmp_path / "set")
    assert result.exit_code == 2
    assert "--split" in result.stderr
    assert "--all-train" in result.stderr
    assert not (tmp_path / "set").exists()
    done(*words, "--out", tmp_path / "set", "--all-train", "--ratio", 0.1)
    assert len(json.loads((tmp_path / "set" / "annot" / "train.json").read_text())) == 39 + 6


def test_occluded_joints_of_the_mat_are_known_in_the_written_list(drawn: Made, tmp_path: Path) -> None:
    clean = drawn.render(tmp_path / "set", "--ratio", 0)
    written = json.loads((clean / "annot" / "train.json").read_text())
    for row, record in enumerate(written):
        states = dict(zip(JOINTS, record["joints_visible"], strict=True))
        if row % 3 == 2:
            assert set(states.values()) == {-1}
        else:
            assert (states["head_top"], states["upper_neck"]) == (1, 1)
            assert list(states.values()).count(0) == (3 if row % 3 == 0 else 0)
