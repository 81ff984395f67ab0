"""Nothing is lost: dead workers, full and read-only disks, impatient users, damaged shards and pools."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command import Process, done, noda, refused, tree
from tests.faults import Undisturbed, finished, mounted, undisturbed, until, workers

__all__ = ["undisturbed"]
BOTH = pytest.mark.parametrize("command", ["build-pool", "render"])
STAGING = {"build-pool": "pool.h5.partial", "render": "set.partial"}


@BOTH
def test_a_worker_that_dies_costs_a_clear_word_and_nothing_finished(
    undisturbed: Undisturbed, tmp_path: Path, command: str
) -> None:
    """As when the system kills it because memory ran out."""
    words = (*undisturbed.words(command, tmp_path), "--jobs", 2)
    staging = tmp_path / STAGING[command]
    with Process(*words) as running:
        until(lambda: finished(staging) and workers(running.pid), running)
        os.kill(workers(running.pid)[0], signal.SIGKILL)
        assert running.wait(timeout=60) == 2, running.said()
        assert "a worker process died, most likely because memory ran out" in running.said()
        assert "fewer --jobs than 2" in running.said()
        assert "Traceback" not in running.said()
    assert finished(staging)
    done(*words)
    undisturbed.assert_same(tmp_path)


@BOTH
def test_a_disk_that_is_full_in_the_middle(undisturbed: Undisturbed, tmp_path: Path, command: str) -> None:
    # Room for the first two shards, which are written at once, but not for all of them.
    with mounted(tmp_path / "disk", ["-o", f"size={900 if command == 'build-pool' else 6000}k"]) as disk:
        words = (*undisturbed.words(command, disk), "--jobs", 2)
        with Process(*words) as running:
            assert running.wait(timeout=60) == 2, running.said()
            assert "the disk is full" in running.said()
            assert "run the same command again" in running.said()
            assert "Traceback" not in running.said()
        kept = finished(disk / STAGING[command])
        assert kept
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        done(*words)
        undisturbed.assert_same(disk)


@BOTH
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_may_not_grow(undisturbed: Undisturbed, tmp_path: Path, command: str, jobs: int) -> None:
    """A quota, as far as a test without rights can have one."""
    words = (*undisturbed.words(command, tmp_path), "--jobs", jobs)
    limit = 200_000 if command == "build-pool" else 20_000
    with Process(*words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) as running:
        assert running.wait(timeout=60) == 2, running.said()
        assert "cannot be written" in running.said()
        assert "Traceback" not in running.said()
    done(*words)
    undisturbed.assert_same(tmp_path)


@BOTH
def test_a_read_only_place_is_named(undisturbed: Undisturbed, tmp_path: Path, command: str) -> None:
    with mounted(tmp_path / "disk", ["-o", "ro,size=1m"]) as disk:
        said = refused(*undisturbed.words(command, disk / "deeper"))
        assert str(disk) in said
        assert "Read-only file system" in said


@BOTH
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_twice(undisturbed: Undisturbed, tmp_path: Path, command: str, jobs: int) -> None:
    """The terminal sends it to every process of the group."""
    words = (*undisturbed.words(command, tmp_path), "--jobs", jobs)
    with Process(*words) as running:
        until(lambda: finished(tmp_path / STAGING[command]) >= jobs, running)
        started = time.monotonic()
        for _ in range(2):
            os.killpg(running.pid, signal.SIGINT)
            time.sleep(0.02)
        assert running.wait(timeout=20) == 130, running.said()
        assert "run the same command again" in running.said()
        assert "Traceback" not in running.said()
        assert time.monotonic() - started < 10
    done(*words)
    undisturbed.assert_same(tmp_path)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "note", "lost"])
def test_a_damaged_shard_is_done_again(undisturbed: Undisturbed, tmp_path: Path, harm: str) -> None:
    words = (*undisturbed.words("build-pool", tmp_path), "--jobs", 1)
    with Process(*words) as running:
        until(lambda: finished(tmp_path / "pool.h5.partial") >= 2, running)
    shard = tmp_path / "pool.h5.partial" / "shards" / "000000"
    content = shard.read_bytes()
    if harm == "cut":
        shard.write_bytes(content[:-1])
    elif harm == "flip":
        shard.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif harm == "empty":
        shard.write_bytes(b"")
    elif harm == "note":
        shard.with_name("000000.json").write_text('{"outcome": {')
    else:
        shard.unlink()
    done(*words)
    undisturbed.assert_same(tmp_path)


def test_a_damaged_copy_is_drawn_again(undisturbed: Undisturbed, tmp_path: Path) -> None:
    words = (*undisturbed.words("render", tmp_path), "--jobs", 1)
    with Process(*words) as running:
        until(lambda: finished(tmp_path / "set.partial") >= 2, running)
    copy = sorted((tmp_path / "set.partial" / "shards").rglob("*.jpg"))[0]
    copy.write_bytes(copy.read_bytes()[:-100])
    done(*words)
    undisturbed.assert_same(tmp_path)


def test_a_damaged_pool_is_named(undisturbed: Undisturbed, tmp_path: Path) -> None:
    damaged = tmp_path / "pool.h5"
    content = (undisturbed.folder / "pool.h5").read_bytes()
    with h5py.File(undisturbed.folder / "pool.h5") as pool:
        place = pool["crops/bytes"].id.get_offset() + 1000
    for data in (content[: len(content) // 2], content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]):
        damaged.write_bytes(data)
        for command in ("build-pool", "render"):
            words = undisturbed.words(command, tmp_path)
            said = refused(*(damaged if word == undisturbed.folder / "pool.h5" else word for word in words))
            assert str(damaged) in said
            assert "damaged" in said
            assert "build it again" in said
    damaged.unlink()
    done(*undisturbed.words("build-pool", tmp_path))
    undisturbed.assert_same(tmp_path)


def test_the_lock_of_a_dead_process_holds_nobody_up(undisturbed: Undisturbed, tmp_path: Path) -> None:
    words = (*undisturbed.words("build-pool", tmp_path), "--jobs", 1)
    with Process(*words) as running:
        until(lambda: finished(tmp_path / "pool.h5.partial"), running)
        result = noda(*words)
        assert result.exit_code == 2
        assert "another run is writing" in result.stderr
        running.kill()
        running.wait(timeout=60)
        assert (tmp_path / "pool.h5.partial" / "lock").exists()
        done(*words)
    undisturbed.assert_same(tmp_path)


def test_damaged_images_cost_only_themselves(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Truncated at every tenth, flipped bytes, wrong and absurd headers: each is named, and the rest goes on."""
    data = tmp_path / "data"
    shutil.copytree(undisturbed.data, data)
    images = sorted((data / "images").rglob("*.jpg"))
    rng = np.random.default_rng(0)
    dead = set()
    for number, image in enumerate(images[:40]):
        content = image.read_bytes()
        if number < 10:
            image.write_bytes(content[: len(content) * number // 10])
            dead.add(image)
        elif number < 20:
            flipped = bytearray(content)
            for place in rng.integers(2, len(content) - 2, 20):
                flipped[place] ^= 1 << int(rng.integers(8))
            image.write_bytes(bytes(flipped))
        elif number < 30:
            image.write_bytes(rng.bytes(30) + content[30:])
            dead.add(image)
        else:
            frame = content.index(b"\xff\xc0")
            image.write_bytes(content[: frame + 5] + (60_000).to_bytes(2) * 2 + content[frame + 9 :])
            dead.add(image)
    result = noda(
        "build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--levels", "cardboard", "-v", "--jobs", 1
    )
    assert result.exit_code == 1, result.output
    for image in dead:
        assert str(image.relative_to(data / "images")) in result.stderr, image
    with h5py.File(tmp_path / "pool.h5") as pool:
        assert len(pool["bodies/scale"]) > 20


def test_results_do_not_depend_on_where_the_shards_were_cut_short(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Killed three times over, and finished by another number of workers."""
    words = undisturbed.words("render", tmp_path)
    for round_ in range(3):
        with Process(*words, "--jobs", 1 + round_ % 2) as running:
            until(lambda least=2 * round_: finished(tmp_path / "set.partial") > least, running)
    done(*words, "--jobs", 1)
    undisturbed.assert_same(tmp_path)
    assert tree(tmp_path / "set") == tree(undisturbed.folder / "set")
