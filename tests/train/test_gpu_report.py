"""The report of a GPU, in small on a CPU: it runs from packing to its last line, and goes on where it was cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/gpu_report.py"


def run(folder: Path, *words: str) -> str:
    command = [sys.executable, str(SCRIPT), *words]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}  # several wait for one another on a busy machine
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=quiet)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_the_report_is_made_and_nothing_is_done_twice(drawn: Path, tmp_path: Path) -> None:
    packed = run(tmp_path, "pack", "--data", str(drawn), "--noda", str(drawn), "--piece-mb", "0.05")
    assert packed.count("data-") == len(list(tmp_path.glob("packs/data-*.tar"))) > 1
    said = run(tmp_path, "run", "--packs", "packs", "--small", "--minutes", "0")
    assert "minutes are over before: speed simple_r50" in said
    said = run(tmp_path, "run", "--packs", "packs", "--small")
    assert said.count("== ") == 5 and "these numbers mean nothing" in said
    assert "== " not in run(tmp_path, "run", "--packs", "packs", "--small")
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["speed hrnet_w32"]["end to end"] > 0
    assert report["noda less base"]["thresholds"]["0.5"]["all"]["mean"]["difference"] == 0  # the same set twice
    assert (tmp_path / "report/predictions-noda.png").is_file()
