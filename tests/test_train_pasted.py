"""`render --train-pasted`: whoever is pasted is a training sample too, as the scenes of the copies have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import noda_synth
from noda_synth.errors import NodaError
from noda_synth.formats import find_layout
from noda_synth.methods import METHODS, method_class
from noda_synth.methods.base import Method
from noda_train.data import load
from tests.command import done, noda, refused, tree
from tests.conftest import Made

Record = dict[str, Any]


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def occluders(out: Path, copies: tuple[int, ...]) -> list[Record]:
    """The pasted people of some copies as the scenes have them, half of whose joints are labelled."""
    scenes = read(out / "annot" / "coco_train_scene.json")
    lines = [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]
    ids = {image["file_name"]: image["id"] for image in scenes["images"]}
    on = [ids[line["file"]] for line in lines if line["copy"] in copies]
    pasted = [a for a in scenes["annotations"] if a["noda"]["role"] == "occluder" and a["image_id"] in on]
    return sorted(
        (a for a in pasted if 2 * a["num_keypoints"] >= len(a["keypoints"]) / 3), key=lambda a: on.index(a["image_id"])
    )


def lists(out: Path) -> dict[str, tuple[int, ...]]:
    copies = read(out / "report.json")["settings"]["copies"]
    if copies == 1:
        return {"": (0,)}
    return {"": (0,), **{f"_{number + 1}": (number,) for number in range(copies)}, "_all": tuple(range(copies))}


MANNERS = {
    "one": (),
    "mirrored": ("--mirror", "--place", "ground"),
    "several-copies": ("--bodies", 1, 2, "--copies", 2, "--append", "--max-enlarge", 3),
}


@pytest.fixture(scope="module", params=MANNERS)
def pasted(request: pytest.FixtureRequest, drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pasted") / "set"
    return drawn.render(out, "--ratio", 0.6, "--coco", "--train-pasted", *MANNERS[request.param])


def test_the_records_are_the_scenes_occluders(pasted: Path) -> None:
    for end, copies in lists(pasted).items():
        records, expected = read(pasted / "annot" / f"train{end}.json"), occluders(pasted, copies)
        first = len(records) - len(expected)
        assert expected and not any(record.get("synth", {}).get("role") for record in records[:first])
        for record, annotation in zip(records[first:], expected, strict=True):
            known = np.array(annotation["keypoints"], float).reshape(-1, 3)
            labelled = known[:, 2] > 0
            assert (np.array(record["joints_vis"], bool) == labelled).all()
            np.testing.assert_allclose(np.array(record["joints"])[labelled], known[labelled, :2] + 1, atol=1e-6)
            assert ((np.array(record["joints_visible"]) == 0) == (known[:, 2] == 1)).all()
            assert record["person_id"] == annotation["noda"]["person_id"]
            assert record["synth"]["source_person"] == annotation["noda"]["source_person"]
            box = known[labelled, :2] + 1
            np.testing.assert_allclose(record["center"], (box.min(axis=0) + box.max(axis=0)) / 2, atol=1e-6)
        assert len({record["person_id"] for record in records[first:]}) == len(expected)


def test_the_scale_grows_with_the_body(pasted: Path, drawn: Made) -> None:
    people = {person.person_id: person for person in noda_synth.read_dataset(drawn.data).persons}
    compared = 0
    for record in read(pasted / "annot" / "train.json"):
        if record.get("synth", {}).get("role") == "occluder":
            # pelvis to head top: what is the same in a mirror image
            middle = [joint for joint in range(6, 10) if record["joints_vis"][joint]]
            source = people[record["synth"]["source_person"]]
            assert source.scale is not None
            if len(middle) > 1:
                here, there = (np.ptp(np.array(joints)[middle, 1]) for joints in (record["joints"], source.joints))
                assert record["scale"] / source.scale == pytest.approx(here / there, rel=0.03)
                compared += 1
    assert compared


def test_the_top_down_lists_have_them_too(pasted: Path) -> None:
    for end, copies in lists(pasted).items():
        topdown = read(pasted / "annot" / f"coco_train_topdown{end}.json")["annotations"]
        listed = {a["id"]: a for a in topdown if a["noda"]["role"] == "occluder"}
        assert listed == {a["id"]: a for a in occluders(pasted, copies)}


def test_they_are_counted_told_and_no_fault(pasted: Path) -> None:
    counts = read(pasted / "report.json")["counts"]
    copies = read(pasted / "report.json")["settings"]["copies"]
    assert counts["pasted_samples"] == len(occluders(pasted, tuple(range(copies))))
    assert len((pasted / "manifest.jsonl").read_text().splitlines()) == counts["copies"]
    assert done("validate", pasted, "--jobs", 1, "--strict").endswith("0 errors, 0 warnings\n")


def test_the_trainer_reads_them_as_people(pasted: Path) -> None:
    samples = load(pasted).train
    records = read(pasted / "annot" / "train.json")
    assert len(samples) == len(records)
    assert (samples.covered >= 0).all()
    assert load(pasted).valid is not None


def test_coco_input_has_them_in_its_training_list(drawn_coco: Made, tmp_path: Path) -> None:
    words = ("render", "--data", drawn_coco.data, "--pool", drawn_coco.pool, "--out", tmp_path / "set", "--jobs", 1)
    said = done(*words, "--ratio", 0.6, "--train-pasted")
    expected = occluders(tmp_path / "set", (0,))
    assert f"{len(expected)} pasted people are training samples" in said
    layout = find_layout(tmp_path / "set")
    roles = [a["noda"]["role"] for a in read(layout.annotations)["annotations"]]
    assert roles.count("occluder") == len(expected) > 0
    assert len(load(tmp_path / "set").train) == len(roles)
    assert done("validate", tmp_path / "set", "--jobs", 1, "--strict").endswith("0 errors, 0 warnings\n")


def test_parts_and_workers_write_the_same(drawn: Made, tmp_path: Path) -> None:
    words = ("--train-pasted", "--ratio", 0.6)
    whole = drawn.render(tmp_path / "whole", *words)
    for part in (1, 2):
        drawn.render(tmp_path / "parts", *words, "--shard", f"{part}/2")
    done("merge", tmp_path / "parts", "-q")
    again = noda_synth.render(
        drawn.data, tmp_path / "again", pool=drawn.pool, train_pasted=True, ratio=0.6, jobs=2, quiet=True
    )
    assert again is not None
    assert tree(whole) == tree(tmp_path / "parts") == tree(tmp_path / "again")


def test_methods_that_paste_nobody_refuse_it(drawn: Made, tmp_path: Path) -> None:
    for one in map(method_class, METHODS):
        assert one.pastes_people == (one.pasted_people is not Method.pasted_people)
    for method in ("parts", "cutout"):
        words = ("render", "--data", drawn.data, "--pool", drawn.pool, "--method", method, "--train-pasted")
        assert "leave --train-pasted out" in refused(*words, "--out", tmp_path / "set")
        with pytest.raises(NodaError, match="pastes no people"):
            noda_synth.render(drawn.data, tmp_path / "set", pool=drawn.pool, method=method, train_pasted=True)
    assert not list(tmp_path.iterdir())


def test_without_it_the_settings_are_what_they_were(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--limit", 2)
    report = read(out / "report.json")
    assert "train_pasted" not in report["settings"] and "pasted_samples" not in report["counts"]
    again = ("render", "--data", drawn.data, "--pool", drawn.pool, "--out", out, "--limit", 2, "--train-pasted")
    assert noda(*again).exit_code == 2
