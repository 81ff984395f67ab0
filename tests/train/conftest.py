"""What the tests of the trainer share: a small data set drawn on the spot, and a run on it."""

from __future__ import annotations

import json
import shutil
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
import torch
from torch import nn

from noda_synth.data.skeleton import MPII
from noda_train.cli import main
from noda_train.models import NETWORKS
from noda_train.settings import Settings, load

# Small networks gain nothing from threads, and tests run beside one another.
torch.set_num_threads(1)

UPRIGHT = np.array([
    (-14, 95), (-13, 55), (-12, 15), (12, 15), (13, 55), (14, 95), (0, 15), (0, -45), (0, -55), (0, -95), (-45, 5),
    (-38, -20), (-20, -45), (20, -45), (38, -20), (45, 5),
])  # fmt: skip
"""MPII's joints of a standing person about its centre, for scale 1."""


def noda_train(*arguments: object) -> int:
    """Run `noda-train ...` in this process; the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["noda-train", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.fixture
def python_m_train() -> Callable[..., int]:
    """`noda_train`, which a module may give settings of its own."""
    return noda_train


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in MPII's layout: 10 stick figures for training, 5 for validation, two on one of the images."""
    root = tmp_path_factory.mktemp("drawn")
    (root / "images").mkdir()
    (root / "annot").mkdir()
    rng = np.random.default_rng(5)
    train = [_person(root, rng, f"t{number}.jpg") for number in range(9)]
    train.append(_person(root, rng, "t8.jpg", over=True))
    valid = [_person(root, rng, f"v{number}.jpg") for number in range(5)]
    (root / "annot" / "train.json").write_text(json.dumps(train))
    (root / "annot" / "valid.json").write_text(json.dumps(valid))
    joints = np.array([record["joints"] for record in valid])
    heads = joints[:, 9]
    scipy.io.savemat(
        root / "annot" / "gt_valid.mat",
        {
            "jnt_missing": 1 - np.array([record["joints_vis"] for record in valid], np.uint8).T,
            "pos_gt_src": joints.transpose(1, 2, 0),
            "headboxes_src": np.stack([heads - 20, heads + 20]).transpose(0, 2, 1),
            "jnt_visible": np.array([record["joints_visible"] for record in valid], np.uint8).T,
        },
    )
    return root


def _person(root: Path, rng: np.random.Generator, name: str, over: bool = False) -> dict[str, Any]:
    """Draw one person, and return its record as MPII has it (1-based)."""
    path = root / "images" / name
    noise = rng.integers(40, 160, (260, 320, 3)).astype(np.uint8)
    image = cv2.imread(str(path)) if over else cv2.GaussianBlur(noise, (7, 7), 0)
    assert image is not None
    scale = rng.uniform(0.8, 1.1)
    center = np.array([rng.uniform(120, 200), rng.uniform(115, 135)])
    joints = center + UPRIGHT * scale + rng.normal(0, 6, UPRIGHT.shape)
    labelled, visible = rng.random(16) < 0.95, rng.random(16) < 0.8
    labelled[8:10] = visible[8:10] = True
    for a, b in MPII.limb_indices:
        colour = tuple(int(c) for c in rng.integers(120, 255, 3))
        cv2.line(image, tuple(joints[a].astype(int)), tuple(joints[b].astype(int)), colour, 8)
    cv2.imwrite(str(path), image)
    written = np.where(labelled[:, None], joints + 1, -1.0)
    return {
        "image": name,
        "center": (center - (0, 15 * scale) + 1).tolist(),
        "scale": float(scale),
        "joints": written.tolist(),
        "joints_vis": labelled.astype(int).tolist(),
        "joints_visible": np.where(labelled, visible, 0).astype(int).tolist(),
    }


def tiny_network(joints: int) -> nn.Module:
    """A network of a few thousand weights."""
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 8, 3, stride=2, padding=1),
        "bn1": nn.BatchNorm2d(8),
        "relu": nn.ReLU(),
        "conv2": nn.Conv2d(8, 16, 3, stride=2, padding=1),
        "final_layer": nn.Conv2d(16, joints, 1),
    }
    return nn.Sequential(OrderedDict(parts))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network by the name of simple_r18, for tests of everything around it."""
    monkeypatch.setitem(NETWORKS, "simple_r18", tiny_network)


def train_briefly(data: Path, folder: Path) -> Path:
    """The run folder `folder`/one of a tiny network that was trained for an epoch."""
    sets = ["size=32", "batch=4", "epochs=1", "steps=1", "pictures=2", "device=cpu", f"cache_dir={folder / 'cache'}"]
    words = [word for one in sets for word in ("--set", one)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "simple_r18", tiny_network)
        assert noda_train("fit", "demo", "--data", data, "--run", folder / "one", *words) == 0
    return folder / "one"


@pytest.fixture(scope="session")
def trained(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the drawn set, which is only read."""
    return train_briefly(drawn, tmp_path_factory.mktemp("trained"))


@pytest.fixture
def a_run(trained: Path, tmp_path: Path, tiny: None) -> Path:
    """The same for one test, which may write into it."""
    return shutil.copytree(trained, tmp_path / "one")


@pytest.fixture
def quick(tmp_path: Path) -> Callable[..., Settings]:
    """Settings for two epochs of a small network on small pictures."""

    def make(*overrides: str, preset: str = "simple_r18") -> Settings:
        given = ["size=32", "batch=4", "epochs=2", "steps=1", "validate_every=1", "pictures=2"]
        given += ["device=cpu", "weights=none"]
        return load(preset, [*given, f"cache_dir={tmp_path / 'cache'}", *overrides])

    return make
