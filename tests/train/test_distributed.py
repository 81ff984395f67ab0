"""Several processes train one network, and evaluate every person once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from noda_train.data import load
from noda_train.distributed import World
from noda_train.metrics.files import read_predictions
from noda_train.predict import predict
from noda_train.runs import load_run
from noda_train.settings import Settings


def test_two_processes_under_torchrun_agree_with_one(
    drawn: Path, quick: Callable[..., Settings], tmp_path: Path
) -> None:
    """gloo on the CPU. Batch norm sees half the batch, so weights differ a little; persons are all there, once."""
    settings = quick()
    overrides = [f"{key}={value}" for key, value in (
        ("size", 64), ("batch", 4), ("epochs", 1), ("steps", 1), ("validate_every", 1), ("pictures", 0),
        ("device", "cpu"), ("workers", 0), ("cache_dir", settings.cache_dir),
    )]  # fmt: skip
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "noda_train",
        "fit", "demo", "--data", str(drawn), "--run-dir", str(tmp_path / "run"),
    ]  # fmt: skip
    for override in overrides:
        command += ["--set", override]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}{os.pathsep}{root / 'train'}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("epoch 1/1") == 1 and "2 x cpu" in done.stdout
    subject = load_run(tmp_path / "run", "last", torch.device("cpu"))
    alone = predict(subject.network, load(drawn).valid, subject.settings, World(torch.device("cpu"))).joints
    np.testing.assert_allclose(read_predictions(tmp_path / "run" / "predictions.h5"), alone, atol=0.5)
