"""Sets that other programs load, written by noda-synth's own commands: MPII's form, COCO's, YOLO-pose and twins."""

from __future__ import annotations

import json
import os
import sys
import types
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.command import done
from tests.conftest import Made, with_pool
from tests.drawn_set import write_coco, write_mpii
from tests.peers.mmpose_training import Trained, train

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # none of the programs is to ask the network for anything
os.environ["YOLO_OFFLINE"] = "1"


class _NoOperators(types.ModuleType):
    """In the place of MMCV's compiled operators, which mmcv-lite lacks: MMPose's models import them; none runs here."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)

        def operator(*_: object, **__: object) -> NoReturn:
            raise NotImplementedError(f"mmcv-lite has no {name}")

        return operator


_operators = _NoOperators("mmcv._ext")
_operators.__spec__ = ModuleSpec("mmcv._ext", None)
sys.modules.setdefault("mmcv._ext", _operators)


@pytest.fixture(scope="session", autouse=True)
def _folders_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where programs keep their settings, when they ask at all."""
    os.environ["YOLO_CONFIG_DIR"] = str(tmp_path_factory.mktemp("ultralytics"))


@dataclass(frozen=True)
class SceneFile:
    """A file in COCO's form with its pictures."""

    file: Path
    images: Path

    @property
    def content(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.file.read_text())
        return read

    @property
    def joints(self) -> int:
        return len(self.content["categories"][0]["keypoints"])


@dataclass(frozen=True)
class People:
    """Everyone on a picture, in the order of the file.

    Attributes:
        picture: (H, W, 3) uint8, RGB.
        boxes: (N, 4) x, y, width, height.
        keypoints: (N, J, 3) x, y, v; or no v (N, J, 2); None of a program that reads boxes alone.
    """

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    keypoints: NDArray[np.float64] | None


@pytest.fixture(scope="session")
def mpii(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """MPII's layout; the names of its pictures are numbers, as those of MPII are."""
    folder = tmp_path_factory.mktemp("mpii")
    data = write_mpii(folder / "data", images=20, folders=False)
    return with_pool(data, folder / "pool.h5", "--levels", "posecut", "--jobs", 1)


@pytest.fixture(scope="session")
def rendered(mpii: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered set of `mpii`, in all forms."""
    out = tmp_path_factory.mktemp("rendered") / "set"
    return mpii.render(out, "--preset", "best", "--coco", "--yolo", "--format", "png")


@pytest.fixture(scope="session")
def mmpose_training(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Of eight occluded copies of `rendered`."""
    pytest.importorskip("mmpose")
    records = json.loads((rendered / "annot" / "train.json").read_text())
    copies = {json.loads(line)["file"] for line in (rendered / "manifest.jsonl").read_text().splitlines()}
    rows = [row for row, record in enumerate(records) if record["image"] in copies]
    return train(rendered, rows[:8], tmp_path_factory.mktemp("mmpose"))


@pytest.fixture(scope="session")
def twins(mpii: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("twins") / "set"
    done("benchmark", mpii.data, out, "--tries", 2000, "--jobs", 1, "-q")
    return out


@pytest.fixture(scope="session")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """COCO's 17 joints, with outlines; its bodies are cut out by these."""
    folder = tmp_path_factory.mktemp("coco")
    data = write_coco(folder / "data")
    return with_pool(data, folder / "pool.h5", "--levels", "given", "--jobs", 1)


@pytest.fixture(scope="session")
def coco_rendered(coco: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its rendered set, with the original pictures as files of their own."""
    out = tmp_path_factory.mktemp("coco_rendered") / "set"
    return coco.render(out, "--mask", "given", "--coco", "--yolo", "--originals", "copy")


@pytest.fixture(scope="session", params=["mpii scene", "mpii topdown", "coco scene", "coco topdown", "twins"])
def scene_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SceneFile:
    """The files in COCO's form: scenes and samples of both sets, and heavy twins as `convert` puts them."""
    if request.param == "twins":
        twins: Path = request.getfixturevalue("twins") / "heavy"
        out = tmp_path_factory.mktemp("twins_coco") / "val.json"
        done("convert", twins / "annot" / "valid.json", out, "--to", "coco", "--images", twins / "images", "-q")
        return SceneFile(out, twins / "images")
    name, kind = request.param.split()
    out = request.getfixturevalue("rendered" if name == "mpii" else "coco_rendered")
    return SceneFile(out / "annot" / f"coco_train_{kind}.json", out / "images")
