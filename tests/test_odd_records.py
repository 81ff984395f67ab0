"""Records of MPII's lists that say the same in another way, and a pool that somebody else has open."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noda_synth.errors import NodaError
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.mpii.records import parse_record
from noda_synth.pool.reader import DamagedPool, Pool
from tests.command import done, noda
from tests.conftest import Made
from tests.mpii_files import record
from tests.test_validate import change, findings


@pytest.mark.parametrize(
    "changes", [{"joints_vis": [True] * 15 + [False]}, {"scale": [1.5, 1.5]}, {"joints_visible": [True] * 15 + [-1]}]
)
def test_flags_may_be_booleans_and_a_scale_a_pair(changes: dict[str, Any]) -> None:
    given = {**record("a.jpg"), "joints_vis": [1] * 15 + [0], "scale": 1.5, "joints_visible": [1] * 15 + [-1]}
    one, other = (parse_record(r) for r in (given, {**given, **changes}))
    assert (one.labelled == other.labelled).all() and (one.visible == other.visible).all()
    assert one.scale == other.scale == 1.5


def test_a_locked_pool_is_called_locked(drawn: Made, tmp_path: Path) -> None:
    pool = Path(shutil.copy(drawn.pool, tmp_path / "pool.h5"))
    with pool.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(NodaError, match=r"is locked.*HDF5_USE_FILE_LOCKING") as caught:
            Pool(pool)
        assert not isinstance(caught.value, DamagedPool)
    Pool(pool)


def test_nothing_known_before_is_unknown_and_not_zero(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    for file in data.glob("*.mat"):
        file.unlink()
    change(data / "annot" / "train.json", lambda records: [one.pop("joints_visible", None) for one in records])
    result = noda("render", "--data", data, "--method", "cutout", "--out", tmp_path / "out", "--jobs", 1)
    (said,) = re.findall(r"joints known to be occluded: (.*)", result.output)
    assert re.fullmatch(r"unknown before, [1-9]\d?\.\d % after \(\d\d\.\d % unknown\)", said)
    done("report", tmp_path / "out", "--jobs", 1, "-q")
    page = (tmp_path / "out" / "report.html").read_text()
    for state in ("visible", "occluded"):
        assert f'<th scope="row">{state}</th><td class="n">unknown</td>' in page
    assert "before rendering: unknown" in done("stats", tmp_path / "out")


@pytest.mark.parametrize("spelling", ["{}", "./{}"])
def test_people_of_validation_images_are_neither_cut_out_nor_covered(
    drawn: Made, tmp_path: Path, spelling: str
) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    before = read_dataset(find_layout(data))
    valid = json.loads((data / "annot" / "valid.json").read_text())
    leaked = [{**one, "image": spelling.format(one["image"])} for one in valid]
    change(data / "annot" / "train.json", lambda records: records.extend(leaked))
    dataset = read_dataset(find_layout(data))
    assert [person.person_id for person in dataset.persons] == [person.person_id for person in before.persons]
    assert len(dataset.valid) == len(before.valid) and not any(person.duplicate for person in dataset.valid)
    assert dataset.problems[0].reason.startswith(f"{len(dataset.leaked)} images stand in the training and in the valid")
    images = {Path(one["image"]).name for one in valid}
    assert {Path(name).name for name in dataset.leaked} == images
    assert len(findings(data)["shared-image"]) == len(images)
    words = ("render", "--data", data, "--method", "cutout", "--jobs", 1, "--out")
    said, quiet = noda(*words, tmp_path / "set"), noda(*words, tmp_path / "quiet", "-q")
    for first in (said.stdout, quiet.stderr):
        assert first.startswith(f"warning: train.json: {len(images)} images stand in the training and in the valid")


def test_coco_files_leak_as_well_unless_they_have_folders_of_their_own(drawn_coco: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn_coco.data, tmp_path / "data")
    layout = find_layout(data)
    content = json.loads(layout.annotations.read_text())
    first = content["images"][0]
    content["images"], content["annotations"] = (
        [first],
        [one for one in content["annotations"] if one["image_id"] == first["id"]],
    )
    valid = tmp_path / "valid.json"
    valid.write_text(json.dumps(content))
    dataset = read_dataset(replace(layout, valid=valid))
    assert list(dataset.leaked) == [first["file_name"]] and first["file_name"] not in dataset.images
    apart = read_dataset(replace(layout, valid=valid, valid_images=tmp_path))
    assert not apart.leaked and first["file_name"] in apart.images


def test_a_list_of_both_parts_leaks_beside_its_validation_file(drawn_coco: Made, tmp_path: Path) -> None:
    """person_keypoints_trainval.json beside person_keypoints_val.json, whose images have a folder inside the other."""
    data = shutil.copytree(drawn_coco.data, tmp_path / "data")
    content = json.loads((data / "person_keypoints.json").read_text())
    held = {one["id"] for one in content["images"][:4]}
    (data / "images" / "val").mkdir()
    for entry in content["images"][:4]:
        (data / "images" / entry["file_name"]).rename(data / "images" / "val" / entry["file_name"])

    def part(name: str, folder: str, entries: list[dict[str, object]]) -> None:
        images = [{**one, "file_name": f"{folder}/{one['file_name']}"} if one["id"] in held else one for one in entries]
        ids = {one["id"] for one in entries}
        people = [one for one in content["annotations"] if one["image_id"] in ids]
        (data / name).write_text(json.dumps({**content, "images": images, "annotations": people}))

    (data / "person_keypoints.json").unlink()
    part("person_keypoints_trainval.json", "./val", content["images"])
    part("person_keypoints_val.json", ".", content["images"][:4])
    layout = find_layout(data)
    assert layout.valid == data / "person_keypoints_val.json" and layout.valid_images == data / "images" / "val"
    dataset = read_dataset(layout)
    assert set(dataset.leaked) == {f"val/{one['file_name']}" for one in content["images"][:4]}
    assert len(dataset.images) == len(content["images"]) - 4 and len(dataset.valid.image_names) == 4
    assert len(findings(data)["shared-image"]) == 4


def test_two_spellings_of_a_name_are_one_image(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    before = read_dataset(find_layout(data))
    change(
        data / "annot" / "train.json", lambda records: [one.update(image=f".//{one['image']}") for one in records[::2]]
    )
    dataset = read_dataset(find_layout(data))
    assert list(dataset.images) == list(before.images)
    assert [person.person_id for person in dataset.persons] == [person.person_id for person in before.persons]
    for one, other in zip(dataset.persons, before.persons, strict=True):
        assert one.image == other.image and (one.visible == other.visible).all()


@pytest.fixture
def odd_ids(drawn_coco: Made, tmp_path: Path) -> Path:
    """A set in two parts; in that of validation ids are text, 0, twice and huge, and entries are no objects."""
    data = tmp_path / "data"
    done("convert", drawn_coco.data / "person_keypoints.json", data, "--to", "coco", "--holdout", 0.4)
    shutil.copytree(drawn_coco.data / "images", data / "images")
    spoil(data / "person_keypoints_val.json")
    return data


def spoil(path: Path) -> None:
    content = json.loads(path.read_text())
    first = content["images"][0]
    for one in content["annotations"]:
        one["image_id"] = "one" if one["image_id"] == first["id"] else one["image_id"]
    first["id"] = "one"
    people = content["annotations"]
    for one, number in zip(people, (0, "b", 7, 7, 1 << 64), strict=False):
        one["id"] = number
    content["images"].append("text")
    content["annotations"] += ["text", {"id": 9999, "image_id": [1], "category_id": 1}]
    path.write_text(json.dumps(content))


def loaded(path: Path) -> dict[str, list[str]]:
    """Names of images and what is on each, as pycocotools has them."""
    coco = pytest.importorskip("pycocotools.coco").COCO(str(path))
    ids = sorted(coco.getAnnIds())
    assert ids[0] > 0 and len(ids) == len(coco.dataset["annotations"]) and all(isinstance(one, int) for one in ids)
    return {
        image["file_name"]: sorted(str(one["keypoints"]) for one in coco.loadAnns(coco.getAnnIds(image["id"])))
        for image in coco.dataset["images"]
    }


def test_odd_ids_of_the_validation_file_are_not_carried_along(odd_ids: Path, drawn_coco: Made, tmp_path: Path) -> None:
    whole = loaded(drawn_coco.data / "person_keypoints.json")
    noda("render", "--data", odd_ids, "--method", "cutout", "--out", tmp_path / "set", "--jobs", 1)
    written = loaded(tmp_path / "set" / "annot" / "person_keypoints_val.json")
    assert written and all(people == whole[name] for name, people in written.items())
    assert not {"ids", "unusable-record"} & findings(tmp_path / "set").keys()


def test_odd_ids_are_not_held_out_with_their_entries(odd_ids: Path, drawn_coco: Made, tmp_path: Path) -> None:
    whole = loaded(drawn_coco.data / "person_keypoints.json")
    result = noda("convert", odd_ids / "person_keypoints_val.json", tmp_path, "--to", "coco", "--holdout", 0.5)
    assert result.exit_code == 1 and "annotation" in result.stderr
    parts = [loaded(tmp_path / f"person_keypoints_{part}.json") for part in ("train", "val")]
    assert all(parts) and not parts[0].keys() & parts[1].keys()
    assert all(people == whole[name] for part in parts for name, people in part.items())


def test_a_validation_file_with_good_ids_is_carried_along_to_the_byte(drawn_coco: Made, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done("convert", drawn_coco.data / "person_keypoints.json", data, "--to", "coco", "--holdout", 0.4)
    shutil.copytree(drawn_coco.data / "images", data / "images")
    done("render", "--data", data, "--method", "cutout", "--out", tmp_path / "set", "--jobs", 1, "-q")
    name = "person_keypoints_val.json"
    assert (tmp_path / "set" / "annot" / name).read_bytes() == (data / name).read_bytes()
