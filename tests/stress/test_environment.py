"""Where there is no home, no room, few handles, another language or mask: the same bytes, or one clear line."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.command import ROOT, done, tree
from tests.faults import mounted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/, pool.h5 and set/, made in the usual environment."""
    folder = tmp_path_factory.mktemp("environment")
    done("demo-data", folder / "data", "--images", 6, "--valid-images", 2, "--size", "320x240", "--jobs", 1, "-q")
    for words in commands(folder, folder):
        done(*words)
    return folder


def commands(demo: Path, out: Path) -> Iterator[tuple[object, ...]]:
    common = ("--data", demo / "data", "--jobs", 2, "-q")
    yield "build-pool", "--levels", "box,posecut", "--everyone", "--out", out / "pool.h5", *common
    drawn_from = ("--pool", demo / "pool.h5", "--mask", "posecut")
    yield "render", *drawn_from, "--originals", "none", "--out", out / "set", *common


def run(words: tuple[object, ...], changes: Mapping[str, str | None], before: Callable[[], object]) -> tuple[int, str]:
    """Exit code and what is said, of a command with other environment variables; None takes one away."""
    values = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    done = subprocess.run(
        [sys.executable, "-m", "noda_synth", *map(str, words)],
        env={key: value for key, value in values.items() if value is not None},
        cwd="/", capture_output=True, text=True, errors="replace", timeout=300, check=False, preexec_fn=before,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def nothing() -> None:
    pass


SAME = {
    "no HOME": ({"HOME": None, "XDG_CACHE_HOME": None, "MPLCONFIGDIR": None}, nothing),
    "HOME that is not there": ({"HOME": "/nowhere"}, nothing),
    "no TMPDIR": ({"TMPDIR": None}, nothing),
    "TMPDIR that is not there": ({"TMPDIR": "/nowhere"}, nothing),
    "64 handles": ({}, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))),
    "Turkish": ({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr"}, nothing),
    "ASCII": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, nothing),
    "umask 077": ({}, lambda: os.umask(0o077)),
    "another hash seed": ({"PYTHONHASHSEED": "12345"}, nothing),
    "another time zone": ({"TZ": "Pacific/Chatham"}, nothing),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_bytes(demo: Path, tmp_path: Path, kind: str) -> None:
    changes, before = SAME[kind]
    for words in commands(demo, tmp_path):
        code, said = run(words, changes, before)
        assert (code, said) == (0, "")
    assert (tmp_path / "pool.h5").read_bytes() == (demo / "pool.h5").read_bytes()
    assert tree(tmp_path / "set") == tree(demo / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool.h5", "pool.h5.run_log.json", "set"]


@pytest.mark.parametrize("options", ["ro,size=1m", "size=4k"], ids=["read-only", "full"])
def test_a_folder_for_temporary_files_without_room(demo: Path, tmp_path: Path, options: str) -> None:
    with mounted(tmp_path / "tmp", ["-o", options]) as disk:
        for words in commands(demo, tmp_path):
            code, said = run(words, {"TMPDIR": str(disk)}, nothing)
            assert "Traceback" not in said
            assert code == 0 or (code == 2 and said.startswith("Error: ") and said.count("\n") == 1), said


@pytest.mark.parametrize("command", ["validate", "stats"])
def test_names_are_printed_in_any_encoding(demo: Path, tmp_path: Path, command: str) -> None:
    data = tmp_path / "d\u00e4t\u00e0 \u4eba"
    data.symlink_to(demo / "data")
    code, said = run((command, data), {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, nothing)
    assert code == 0, said
    assert any(form in said for form in (r"d\xe4t\xe0", "d\ufffd", "d\u00e4t\u00e0", "d??t??")), said
