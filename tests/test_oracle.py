"""A written set is what the documents say, whatever made it; told by tests/oracle.py, which knows nothing of the code.

Here on people as `demo-data` draws them; `make stress` does the same for every preset, method and set at hand.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.command import done
from tests.conftest import Made
from tests.oracle import Written, check_set

FOR_THE_ORACLE = ("--format", "png", "--coco")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """People as `demo-data` draws them, with their pool."""
    folder = tmp_path_factory.mktemp("demo")
    done("demo-data", folder / "set", "--images", 14, "--valid-images", 2, "--size", "320x240", "--jobs", 1, "-q")
    levels = ("--levels", "grabcut,posecut", "--grabcut-size", 96)
    done("build-pool", "--data", folder / "set", "--out", folder / "pool.h5", *levels, "--jobs", 1, "-q")
    return Made(folder / "set", folder / "pool.h5")


@pytest.fixture(scope="module")
def best(demo: Made, tmp_path_factory: pytest.TempPathFactory) -> Written:
    out = tmp_path_factory.mktemp("best") / "set"
    return Written(demo.render(out, *FOR_THE_ORACLE, "--preset", "best", "--ratio", 1), demo.data, demo.pool)


BY_ALL = {"rows of gt_valid", "rows of jnt_visible", "joints in the list", "covered joints"}


def test_the_preset_best_makes_what_the_documents_say(best: Written) -> None:
    seen = check_set(best)
    assert not (BY_ALL | {"outlines cut", "on the ground"}) - seen.keys()
    assert seen["bodies matched"] >= seen["bodies"] / 2


@pytest.mark.parametrize("options", [("--preset", "paper"), ("--method", "cutout")])
def test_a_set_is_what_the_documents_say(demo: Made, tmp_path: Path, options: tuple[object, ...]) -> None:
    seen = check_set(Written(demo.render(tmp_path / "set", *FOR_THE_ORACLE, *options), demo.data, demo.pool))
    assert not BY_ALL - seen.keys()
    assert seen["bodies matched"] >= seen["bodies"] / 2


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_line(out: Path, change: Callable[[Any], None]) -> None:
    """Of the first copy in the manifest."""
    first, *others = (out / "manifest.jsonl").read_text().splitlines(keepends=True)
    line = json.loads(first)
    change(line)
    (out / "manifest.jsonl").write_text(json.dumps(line) + "\n" + "".join(others))


def of_the_occluder(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def tamper(out: Path) -> None:
        def edit(scene: Any) -> None:
            change(next(a for a in scene["annotations"] if a["noda"]["role"] == "occluder"))

        edit_json(out / "annot" / "coco_train_scene.json", edit)

    return tamper


def shift_the_picture(out: Path) -> None:
    line = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
    path = out / "images" / line["file"]
    cv2.imwrite(str(path), np.roll(cv2.imread(str(path)), 2, axis=1))


def leave_a_copy_out(out: Path) -> None:
    lines = (out / "manifest.jsonl").read_text().splitlines(keepends=True)
    (out / "manifest.jsonl").write_text("".join(lines[1:]))


def paint_a_pixel(out: Path) -> None:
    line = json.loads((out / "manifest.jsonl").read_text().splitlines()[-1])
    path = out / "images" / line["file"]
    picture = cv2.imread(str(path))
    picture[0, 0] ^= 1
    cv2.imwrite(str(path), picture)


def roll_gt_valid(key: str) -> Callable[[Path], None]:
    def tamper(out: Path) -> None:
        path = out / "annot" / "gt_valid.mat"
        content = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
        savemat(path, content | {key: np.roll(content[key], 1, axis=-1)})

    return tamper


def swap_sides(line: Any) -> None:
    turned = {"left": "right", "right": "left"}
    line["covered"] = ["_".join(turned.get(word, word) for word in name.split("_")) for name in line["covered"]]


def move_joints(annotation: Any) -> None:
    annotation["keypoints"] = [value + 3 * (index % 3 == 0) for index, value in enumerate(annotation["keypoints"])]


def from_its_own_picture(line: Any) -> None:
    line["occluder"]["source"] = line["source"]


def from_validation(line: Any) -> None:
    line["occluder"] = {"source": "demo_00014.jpg", "person": "demo_00014.jpg#0"}


TAMPERED: dict[str, Callable[[Path], None]] = {
    "the paste two pixels beside its place": shift_the_picture,
    "a pixel that is not under the body": paint_a_pixel,
    "left and right joints for each other": lambda out: edit_line(out, swap_sides),
    "pasted from its own picture": lambda out: edit_line(out, from_its_own_picture),
    "pasted from a validation picture": lambda out: edit_line(out, from_validation),
    "beyond the ring": lambda out: edit_line(out, lambda line: line["placement"].update(radius=1e3)),
    "another size": lambda out: edit_line(out, lambda line: line["placement"].update(rescale=1.5)),
    "joints of the pasted person beside its body": of_the_occluder(move_joints),
    "another area": of_the_occluder(lambda annotation: annotation.update(area=annotation["area"] + 1)),
    "rows of jnt_visible": roll_gt_valid("jnt_visible"),
    "rows of gt_valid": roll_gt_valid("pos_gt_src"),
    "a copy fewer": leave_a_copy_out,
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_oracle_sees_what_is_wrong(best: Written, tmp_path: Path, what: str) -> None:
    shutil.copytree(best.out, tmp_path / "set", symlinks=False)
    TAMPERED[what](tmp_path / "set")
    with pytest.raises((AssertionError, ValueError)):
        check_set(Written(tmp_path / "set", best.data, best.pool))
