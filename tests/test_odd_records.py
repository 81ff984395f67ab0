"""Records of MPII's lists that say the same in another way, and a pool that somebody else has open."""

from __future__ import annotations

import fcntl
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noda_synth.errors import NodaError
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.mpii.records import parse_record
from noda_synth.pool.reader import DamagedPool, Pool
from tests.command import noda
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
    assert "joints known to be occluded: unknown before" in result.output


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


def test_coco_files_leak_as_well_unless_they_have_folders_of_their_own(drawn_coco: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn_coco.data, tmp_path / "data")
    layout = find_layout(data)
    content = json.loads(layout.annotations.read_text())
    first = content["images"][0]
    content["images"], content["annotations"] = (
        [first], [one for one in content["annotations"] if one["image_id"] == first["id"]],
    )  # fmt: skip
    valid = tmp_path / "valid.json"
    valid.write_text(json.dumps(content))
    dataset = read_dataset(replace(layout, valid=valid))
    assert list(dataset.leaked) == [first["file_name"]] and first["file_name"] not in dataset.images
    apart = read_dataset(replace(layout, valid=valid, valid_images=tmp_path))
    assert not apart.leaked and first["file_name"] in apart.images
