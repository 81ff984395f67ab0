"""What the tests of faults share: commands over a data set of several shards, and ways to harm them."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import Process, done, tree
from tests.drawn_set import write_mpii

Words = tuple[object, ...]


@dataclass(frozen=True)
class Undisturbed:
    """A data set, and what build-pool and render make of it when nothing goes wrong: pool.h5 and set/ in a folder."""

    data: Path
    folder: Path

    def words(self, command: str, folder: Path) -> Words:
        """The command that makes its output in another folder."""
        if command == "build-pool":
            out: Words = ("--out", folder / "pool.h5", "--levels", "cardboard,grabcut", "--grabcut-size", 96)
        else:
            out = ("--pool", self.folder / "pool.h5", "--out", folder / "set", "--originals", "none", "--coco")
            out += ("--copies", 3)
        return (command, "--data", self.data, *out, "-q")

    def assert_same(self, folder: Path) -> None:
        """What stands in a folder is what an undisturbed run makes, and nothing else."""
        expected = {"set": {"set"}, "pool.h5": {"pool.h5", "pool.h5.run_log.json"}}
        found = {path.name for path in folder.iterdir()}
        assert found in expected.values(), f"stray files: {sorted(found)}"
        for name in found & expected.keys():
            mine, theirs = folder / name, self.folder / name
            if mine.is_file():
                assert mine.read_bytes() == theirs.read_bytes()
            else:
                assert tree(mine) == tree(theirs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    made = Undisturbed(write_mpii(folder / "mpii", images=60), folder)
    for command in ("build-pool", "render"):
        done(*made.words(command, folder), "--jobs", 1)
    return made


def workers(pid: int) -> list[int]:
    """The worker processes of a command."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return [child for child in found if b"LokyProcess" in _command_line(child)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def finished(staging: Path) -> int:
    """Shards that are done."""
    return len(list((staging / "shards").glob("*.json")))


def until(happened: object, running: Process, seconds: float = 60) -> None:
    """Wait until happened() is true; the command must not be over before."""
    end = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert running.poll() is None, f"over too early: {running.said()}"
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.002)


def kill_at(moment: float, words: Words, victim: str, chance: random.Random) -> tuple[int, str]:
    """Run a command and kill it, or one of its workers, after so many seconds; its exit code and what it said."""
    with Process(*words) as running:
        end = time.monotonic() + moment
        while time.monotonic() < end and running.poll() is None:
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            hit = [running.pid] if victim == "parent" else workers(running.pid)
            if hit and running.poll() is None:
                os.kill(chance.choice(hit), signal.SIGKILL)
        return running.wait(timeout=60), running.said()


@contextmanager
def mounted(folder: Path, options: Sequence[str], kind: str | None = "tmpfs") -> Iterator[Path]:
    """A small file system in memory, or what the options say; skips where the test may not mount one."""
    import subprocess

    folder.mkdir(exist_ok=True)
    what = ["-t", kind, *options, kind] if kind else options
    if subprocess.run(["mount", *what, str(folder)], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
