"""The pool as others read it: plain h5py, without this package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from tests.command import ROOT, done
from tests.conftest import Made
from tests.drawn_set import COCO_JOINTS, JOINTS, records
from tests.rules import blob, read


@pytest.fixture(scope="module")
def pool(drawn: Made) -> Iterator[h5py.File]:
    with h5py.File(drawn.pool, "r") as file:
        yield file


def test_the_ten_lines_of_the_documentation_read_it(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "pool-format.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 10
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pool.h5").symlink_to(drawn.pool)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["crop"].shape[:2] == names["mask"].shape
    assert "noda_synth" not in code
    assert "right_ankle" in capsys.readouterr().out


def test_the_documentation_names_every_array_and_attribute(pool: h5py.File) -> None:
    page = (ROOT / "docs" / "pool-format.md").read_text()
    for attribute in pool.attrs:
        assert f"`{attribute}`" in page
    for column in pool["bodies"]:
        assert f"`bodies/{column}`" in page
    for array in pool["masks/grabcut"]:
        assert array in ("bytes", "offsets") or f"`masks/LEVEL/{array}`" in page


def test_attributes_say_what_it_is(pool: h5py.File, drawn_coco: Made) -> None:
    assert pool.attrs["format"] == "noda-synth pool"
    assert pool.attrs["skeleton"] == "mpii16"
    assert json.loads(pool.attrs["joints"]) == list(JOINTS)
    assert json.loads(pool.attrs["settings"])["masks"]["grabcut_size"] == 96
    assert list(pool["masks"]) == sorted(json.loads(pool.attrs["levels"]))
    with h5py.File(drawn_coco.pool, "r") as other:
        assert other.attrs["skeleton"] == "coco17"
        assert json.loads(other.attrs["joints"]) == list(COCO_JOINTS)
        assert other["bodies/joints"].shape[1] == 17


def test_arrays_are_contiguous_and_offsets_fill_them(pool: h5py.File) -> None:
    count = len(pool["bodies/scale"])
    for group in ("crops", *(f"masks/{level}" for level in pool["masks"])):
        data, offsets = pool[f"{group}/bytes"], pool[f"{group}/offsets"][()]
        assert data.chunks is None
        assert data.compression is None
        assert len(offsets) == count + 1
        assert offsets[0] == 0
        assert (np.diff(offsets.astype(np.int64)) > 0).all()
        assert offsets[-1] == len(data)
    for column in pool["bodies"].values():
        assert len(column) == count


def test_columns_agree_with_crops_and_masks(pool: h5py.File) -> None:
    for row, (width, height) in enumerate(pool["bodies/size"]):
        crop = blob(pool, "crops", row, cv2.IMREAD_UNCHANGED)
        assert crop.shape == (height, width, 3)
        joints, labelled = pool["bodies/joints"][row], pool["bodies/labelled"][row] > 0
        assert (np.isfinite(joints).all(axis=1) == labelled).all()
        known = joints[labelled]
        assert np.allclose(pool["bodies/box"][row], [*known.min(axis=0), *known.max(axis=0)])
        for level in pool["masks"]:
            mask = blob(pool, f"masks/{level}", row, cv2.IMREAD_UNCHANGED)
            assert mask.shape == (height, width)
            assert mask.dtype == np.uint8
            assert pool[f"masks/{level}/foreground"][row] == pytest.approx((mask >= 128).mean())
            if not pool[f"masks/{level}/matte"][row]:
                assert set(np.unique(mask)) <= {0, 255}
            assert pool[f"masks/{level}/status"][row] in (0, 1)


def test_crops_lie_where_origin_and_factor_say(pool: h5py.File, drawn: Made) -> None:
    for row in range(0, len(pool["bodies/scale"]), 5):
        source = read(drawn.data / "images" / pool["bodies/image"][row].decode())
        x, y = np.floor(pool["bodies/origin"][row] + 0.5).astype(int)
        width, height = pool["bodies/size"][row]
        assert (pool["bodies/factor"][row] == 1).all()
        crop = blob(pool, "crops", row, cv2.IMREAD_COLOR)
        assert np.abs(crop.astype(int) - source[y : y + height, x : x + width]).mean() < 4


def test_joints_in_the_crop_are_those_of_the_annotations(pool: h5py.File, drawn: Made) -> None:
    people = records(drawn.data)
    for row, person in enumerate(pool["bodies/person"]):
        name, _, number = person.decode().rpartition("#")
        record = [entry for entry in people if entry["image"] == name][int(number)]
        joints = (pool["bodies/joints"][row] + 0.5) / pool["bodies/factor"][row] + pool["bodies/origin"][row] - 0.5
        assert np.abs(joints + 1 - record["joints"]).max() < 1e-6
        assert pool["bodies/scale"][row] == record["scale"]
        assert pool["bodies/image"][row].decode() == name


def test_large_people_are_reduced_and_their_joints_with_them(drawn: Made, tmp_path: Path) -> None:
    done(
        "build-pool", "--data", drawn.data, "--out", tmp_path / "small.h5", "--max-side", 90, "--levels", "box,grabcut",
        "--jobs", 1, "-q",
    )  # fmt: skip
    with h5py.File(tmp_path / "small.h5", "r") as small, h5py.File(drawn.pool, "r") as large:
        assert small["bodies/size"][()].max() <= 90
        assert (small["bodies/size"][()].max(axis=1) >= 70).all()
        assert (small["bodies/factor"][()] < 1).all()
        rows = {name: row for row, name in enumerate(large["bodies/person"][()])}
        for row, name in enumerate(small["bodies/person"]):
            there = [
                (file["bodies/joints"][n] + 0.5) / file["bodies/factor"][n] + file["bodies/origin"][n] - 0.5
                for file, n in ((small, row), (large, rows[name]))
            ]
            assert np.abs(there[0] - there[1]).max() < 1e-6
            crop = blob(small, "crops", row, cv2.IMREAD_COLOR)
            assert crop.shape[:2] == blob(small, "masks/grabcut", row, cv2.IMREAD_GRAYSCALE).shape


def test_a_render_from_a_reduced_pool_is_not_enlarged_twice_over(drawn: Made, tmp_path: Path) -> None:
    small = tmp_path / "small.h5"
    done(
        "build-pool", "--data", drawn.data, "--out", small, "--max-side", 120, "--levels", "grabcut", "--jobs", 1, "-q"
    )
    out = Made(drawn.data, small).render(tmp_path / "set")
    for text in (out / "manifest.jsonl").read_text().splitlines():
        placement = json.loads(text)["placement"]
        # People are of like size, so the body comes out about as large as the target, not as the crop.
        assert 120 < placement["height"] < 290
        assert placement["scale"] <= 2
