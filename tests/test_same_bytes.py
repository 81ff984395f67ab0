"""The bytes of a small demo set and of what is made of it are those that were recorded with the pinned versions.

They change where the drawing of people, a mask, a placement or a writer changes, and that must not happen unnoticed:
the same command has to give the same files with every release. Record them anew, on purpose, by
`python -m tests.test_same_bytes`, and say in the commit why they changed.

OpenCV and numpy round differently on processors with other instructions, so all that is newer than AVX2 is off here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.command import ROOT, done

RECORDED = Path(__file__).with_name("same_bytes.json")
RENDERS: dict[str, tuple[str, ...]] = {
    "paper": ("--preset", "paper"),
    "best": ("--preset", "best"),
    "cutout": ("--method", "cutout"),
    "parts": ("--method", "parts"),
}
# These are read when the libraries are imported.
PROCESSOR = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "OPENCV_IPP": "avx2",
}


def test_the_bytes_are_those_that_were_recorded(tmp_path: Path) -> None:
    skip_elsewhere()
    command = [sys.executable, "-m", "tests.test_same_bytes", str(tmp_path / "found.json")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    expected, found = (json.loads(path.read_text()) for path in (RECORDED, tmp_path / "found.json"))
    changed = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    assert not changed, f"no longer as recorded (see the head of {Path(__file__).name}): {', '.join(changed)}"


def skip_elsewhere() -> None:
    """Skip with other versions than the pinned ones of what makes the bytes, and on other processors."""
    import cv2

    pinned = dict(re.findall(r"(?m)^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text()))
    for name in ("numpy", "opencv-python", "pillow", "scipy"):
        if version(name) != pinned[name]:
            pytest.skip(f"recorded with {name} {pinned[name]}, and {version(name)} is installed")
    if "*AVX2" not in cv2.getCPUFeaturesLine():
        pytest.skip("recorded on a processor with AVX2")


def hashes(folder: Path) -> dict[str, str]:
    """Make everything in an empty folder; the SHA-256 of each file by its name there, and the two digests."""
    import h5py

    demo, pool = folder / "demo", folder / "pool.h5"
    done("demo-data", demo, "--images", 8, "--valid-images", 2, "--size", "320x240", "--jobs", 1, "-q")
    done("build-pool", "--data", demo, "--out", pool, "--jobs", 1, "-q")
    for name, options in RENDERS.items():
        source = () if name == "cutout" else ("--pool", pool)
        out = ("--out", folder / name, "--originals", "none", "--coco", "--jobs", 1, "-q")
        done("render", "--data", demo, *source, *out, *options)
    done("benchmark", demo, folder / "benchmark", "--tries", 300, "--originals", "none", "--jobs", 1, "-q")
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for top in ("demo", *RENDERS)
        for path in sorted((folder / top).rglob("*"))
        if path.is_file()
        and path.name not in ("report.json", "run_log.json", "files.jsonl")  # these depend on versions
    }
    with h5py.File(pool) as file:
        found["pool.h5: content"] = str(file.attrs["content"])
    found["benchmark: labels"] = json.loads((folder / "benchmark" / "benchmark.json").read_text())["labels"]
    return found


if __name__ == "__main__":
    os.environ |= PROCESSOR
    with tempfile.TemporaryDirectory() as new:
        content = json.dumps(hashes(Path(new)), indent=1) + "\n"
    Path(sys.argv[1] if len(sys.argv) > 1 else RECORDED).write_text(content)
