"""Who is let into the pool, and what build-pool says of the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import SKELETONS
from noda_synth.masks.entanglement import shared_joints
from tests.command import done, noda, refused
from tests.conftest import Made
from tests.drawn_set import JOINTS, SIZE, records


@pytest.fixture
def data(small: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small, tmp_path / "data")


def build(data: Path, out: Path, *options: object) -> tuple[list[str], str]:
    """The people in the pool, and the summary."""
    said = done("build-pool", "--data", data, "--out", out, "--levels", "cardboard", "--jobs", 1, *options)
    with h5py.File(out, "r") as pool:
        return [name.decode() for name in pool["bodies/person"]], said


def change(data: Path, row: int, spoil: Callable[[dict[str, Any]], object]) -> str:
    """Alter a record; the person's id."""
    content = records(data)
    spoil(content[row])
    (data / "annot" / "train.json").write_text(json.dumps(content))
    name = content[row]["image"]
    return f"{name}#{sum(entry['image'] == name for entry in content[:row])}"


def unlabel(*names: str) -> Callable[[dict[str, Any]], None]:
    def spoil(record: dict[str, Any]) -> None:
        for name in names:
            record["joints"][JOINTS.index(name)] = [-1, -1]
            record["joints_vis"][JOINTS.index(name)] = 0

    return spoil


def moved(dx: float, dy: float, factor: float = 1.0) -> Callable[[dict[str, Any]], None]:
    def spoil(record: dict[str, Any]) -> None:
        joints = np.array(record["joints"])
        middle = joints.mean(axis=0)
        record["joints"] = ((joints - middle) * factor + middle + (dx, dy)).tolist()

    return spoil


def hide(*names: str) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update(joints_visible=[0 if name in names else 1 for name in JOINTS])


FIVE = ("pelvis", "thorax", "right_wrist", "left_wrist", "right_ankle")


@pytest.mark.parametrize(
    ("spoil", "reason", "options"),
    [
        (unlabel(*FIVE), "fewer than 12 labelled joints", ("--min-joints", 11)),
        (moved(0, 0, 0.2), "smaller than 64 pixels", ("--min-height", 20)),
        (moved(-SIZE[0] * 0.4, 0), "cut off by the frame", ("--truncated", "--max-border", 9)),
        (hide(*JOINTS[:10]), "mostly hidden", ("--min-visible", 0.3)),
    ],
    ids=["joints", "height", "frame", "hidden"],
)
def test_each_rule_keeps_out_counts_and_can_be_changed(
    data: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], reason: str, options: tuple[object, ...]
) -> None:
    person = change(data, 0, spoil)
    people, said = build(data, tmp_path / "pool.h5")
    assert person not in people
    assert len(people) == 12
    assert f"1 left out: {reason}" in said
    assert "12 of 13 people" in said
    people, _ = build(data, tmp_path / "changed.h5", *options)
    assert person in people
    people, _ = build(data, tmp_path / "everyone.h5", "--everyone")
    assert person in people
    assert len(people) == 13


def test_eleven_of_sixteen_are_too_few_and_twelve_enough(data: Path, tmp_path: Path) -> None:
    too_few = change(data, 0, unlabel(*FIVE))
    enough = change(data, 1, unlabel(*FIVE[:4]))
    people, _ = build(data, tmp_path / "pool.h5")
    assert too_few not in people
    assert enough in people


def test_unknown_visibility_keeps_nobody_out(data: Path, tmp_path: Path) -> None:
    (data / "mpii_human_pose_v1_u12_1.mat").unlink()
    person = change(data, 0, lambda record: record.update(joints_visible=[-1] * 16))
    assert person in build(data, tmp_path / "pool.h5")[0]


def test_nobody_of_the_validation_part_gets_in(data: Path, tmp_path: Path) -> None:
    valid = {record["image"] for record in json.loads((data / "annot" / "valid.json").read_text())}
    people, _ = build(data, tmp_path / "json.h5", "--everyone")
    from_mat = tmp_path / "mat.h5"
    done(
        "build-pool", "--images", data / "images", "--annotations", data / "mpii_human_pose_v1_u12_1.mat", "--split",
        data / "annot" / "valid.json", "--out", from_mat, "--levels", "cardboard", "--everyone", "--jobs", 1,
    )  # fmt: skip
    with h5py.File(from_mat, "r") as pool:
        people += [name.decode() for name in pool["bodies/person"]]
    assert len(people) == 26
    assert not {person.rpartition("#")[0] for person in people} & valid


def test_with_everyone_kept_out_it_says_why_and_what_helps(data: Path, tmp_path: Path) -> None:
    said = refused("build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--min-height", 5000, "--jobs", 1)
    assert "13 smaller than 5000 pixels" in said
    assert "--everyone" in said
    assert not (tmp_path / "pool.h5").exists()


def test_real_people_mpii(mpii_mini: Made) -> None:
    with h5py.File(mpii_mini.pool, "r") as pool:
        people = [name.decode() for name in pool["bodies/person"]]
        assert 200 < len(people) < 348
        assert len(set(people)) == len(people)
        assert (pool["bodies/visible"][()] == -1).all()
        status = pool["masks/grabcut/status"][()]
        assert status.mean() < 0.1
        assert (pool["masks/grabcut/foreground"][()] > 0.02).all()


def test_real_people_coco(coco_masks: Made) -> None:
    with h5py.File(coco_masks.pool, "r") as pool:
        assert pool.attrs["skeleton"] == "coco17"
        assert len(pool["bodies/person"]) > 40
        assert set(np.unique(pool["bodies/visible"][()])) == {-1, 0, 1}
        labelled = pool["bodies/labelled"][()] > 0
        assert (labelled.sum(axis=1) >= 13).all()
        assert (pool["bodies/visible"][()][~labelled] == -1).all()


def test_a_fallback_is_recorded_and_told(data: Path, tmp_path: Path) -> None:
    """An image cut to the person leaves GrabCut no background."""
    import cv2

    name = records(data)[0]["image"]
    picture = cv2.imread(str(data / "images" / name))

    def cut(record: dict[str, Any]) -> None:
        joints = np.array(record["joints"])
        x1, y1 = np.floor(joints.min(axis=0)).astype(int) - 3
        x2, y2 = np.ceil(joints.max(axis=0)).astype(int) + 3
        cv2.imwrite(str(data / "images" / name), picture[y1:y2, x1:x2])
        record["joints"] = (joints - (x1, y1)).tolist()

    person = change(data, 0, cut)
    result = noda(
        "build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--everyone", "--jobs", 1, "--grabcut-size", 64
    )
    assert result.exit_code == 0, result.output
    assert "1 have the cardboard mask for their grabcut mask" in result.stdout
    with h5py.File(tmp_path / "pool.h5", "r") as pool:
        row = [name.decode() for name in pool["bodies/person"]].index(person)
        assert pool["masks/grabcut/status"][row] == 1
        assert pool["masks/grabcut/status"][()].sum() == 1


def test_joints_of_unknown_visibility_make_nobody_visible(data: Path, tmp_path: Path) -> None:
    """Both joints that are known are hidden; of the other 14 nothing is known."""
    (data / "mpii_human_pose_v1_u12_1.mat").unlink()
    person = change(data, 0, lambda record: record.update(joints_visible=[0, 0] + [-1] * 14))
    people, said = build(data, tmp_path / "pool.h5")
    assert person not in people
    assert "1 left out: mostly hidden" in said


def test_who_shares_as_many_joints_as_are_allowed_stays(data: Path, tmp_path: Path) -> None:
    """Two people share four joints: the default lets them in, and one joint fewer does not."""
    near = records(data)[1]  # alone in the picture with row 2
    pair = [Pose(SKELETONS["mpii16"], np.array(near["joints"]), np.ones(16, np.bool_), np.full(16, -1, np.int8))] * 2

    def count(dx: float) -> int:
        other = replace(pair[1], joints=pair[1].joints + np.array((dx, 0)))
        return shared_joints(pair[0], [other], (0, 0, *SIZE))

    apart = next(dx for dx in np.arange(100, 0, -0.5) if count(dx) >= 4)
    assert count(apart) == 4
    (data / "mpii_human_pose_v1_u12_1.mat").unlink()
    joints = (np.array(near["joints"]) + np.array((apart, 0))).tolist()
    both = {change(data, 1, lambda _: None), change(data, 2, lambda record: record.update(joints=joints))}
    assert both <= set(build(data, tmp_path / "pool.h5")[0])
    people, said = build(data, tmp_path / "strict.h5", "--max-shared", 3)
    assert not both & set(people)
    assert "2 left out: entangled with others" in said
