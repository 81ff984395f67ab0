"""The same bytes from many machines: a real Dask scheduler with workers, one of which dies, and runs with --shard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import ROOT, Process, done, refused, tree
from tests.conftest import Made
from tests.drawn_set import write_mpii
from tests.faults import until


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Several shards of images, and the pool of their people."""
    folder = tmp_path_factory.mktemp("crowd")
    data = write_mpii(folder / "mpii", images=60)
    done(*pool_words(data, folder / "pool.h5"), "--jobs", 1)
    return Made(data, folder / "pool.h5")


@pytest.fixture(scope="module")
def reference(crowd: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "set"
    done(*render_words(crowd, out), "--jobs", 1)
    return out


def pool_words(data: Path, out: Path) -> tuple[object, ...]:
    return ("build-pool", "--data", data, "--out", out, "--levels", "box,cardboard,grabcut", "--grabcut-size", 64, "-q")


def render_words(made: Made, out: Path) -> tuple[object, ...]:
    return ("render", "--data", made.data, "--pool", made.pool, "--out", out, "--coco", "--originals", "none", "-q")


@dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and two workers as processes of their own, on this machine."""
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    note = tmp_path / "scheduler.json"
    running = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        home = tmp_path / f"home{len(running)}"
        home.mkdir()
        log = (home / "log").open("wb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"}
        command = [sys.executable, "-m", "dask", *words, "--scheduler-file", str(note), "--no-dashboard"]
        with log:
            running.append(subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log))
        return running[-1]

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        workers = [start("worker", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1") for _ in range(2)]
        end = time.monotonic() + 60
        while sum("Registered to" in (tmp_path / f"home{n}" / "log").read_text() for n in (1, 2)) < 2:
            assert time.monotonic() < end, "no cluster came up"
            time.sleep(0.1)
        yield Cluster(json.loads(note.read_text())["address"], workers)
    finally:
        for one in running:
            one.kill()
        for one in running:
            one.wait(timeout=60)


def test_a_cluster_makes_the_same_bytes_though_a_worker_dies(
    crowd: Made, reference: Path, cluster: Cluster, tmp_path: Path
) -> None:
    on_cluster = ("--backend", "dask", "--scheduler", cluster.address)
    with Process(*pool_words(crowd.data, tmp_path / "pool.h5"), *on_cluster) as running:
        shards = tmp_path / "pool.h5.partial" / "shards"
        until(lambda: list(shards.glob("*.json")), running)
        cluster.workers[0].kill()
        assert running.wait(timeout=120) == 0, running.said()
    assert (tmp_path / "pool.h5").read_bytes() == crowd.pool.read_bytes()

    with Process(*render_words(crowd, tmp_path / "set"), *on_cluster) as running:
        assert running.wait(timeout=120) == 0, running.said()
    assert tree(tmp_path / "set") == tree(reference)
    assert not list(tmp_path.glob("*.partial"))


def test_a_cluster_that_is_not_there_is_named(crowd: Made, tmp_path: Path) -> None:
    words = pool_words(crowd.data, tmp_path / "pool.h5")
    assert "--scheduler ADDRESS" in refused(*words, "--backend", "dask")
    assert "--backend dask" in refused(*words, "--scheduler", "tcp://127.0.0.1:1")
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with Process(*words, "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1") as running:
        assert running.wait(timeout=60) == 2
        assert "no Dask scheduler answers at tcp://127.0.0.1:1" in running.said()


def finished(part: Path) -> set[str]:
    """The names of the shards that a part of the work has done."""
    return {note.stem for note in (part / "shards").glob("*.json")}


def test_parts_of_the_work_merge_to_the_same_bytes(crowd: Made, reference: Path, tmp_path: Path) -> None:
    words = pool_words(crowd.data, tmp_path / "pool.h5")
    for part in ("2/3", "1/3"):
        done(*words, "--jobs", 1, "--shard", part)
    assert "3/3" in refused("merge", tmp_path / "pool.h5")
    done(*words, "--jobs", 1, "--shard", "3/3")
    done("merge", tmp_path / "pool.h5", "--jobs", 1, "-q")
    assert (tmp_path / "pool.h5").read_bytes() == crowd.pool.read_bytes()

    for part in ("1/2", "2/2"):
        done(*render_words(crowd, tmp_path / "set"), "--jobs", 1, "--shard", part)
    first, second = (finished(tmp_path / f"set.shard-{number}-of-2") for number in (1, 2))
    assert abs(len(first) - len(second)) <= 1 and not first & second
    done("merge", tmp_path / "set", "--jobs", 1, "-q")
    assert tree(tmp_path / "set") == tree(reference)
    assert {path.name for path in tmp_path.iterdir()} == {"pool.h5", "pool.h5.run_log.json", "set"}


def test_a_part_keeps_the_skeleton_that_was_named(drawn: Made, tmp_path: Path) -> None:
    words = ("build-pool", "--data", drawn.data, "--levels", "box", "--skeleton", "mpii16", "--jobs", 1, "-q")
    done(*words, "--out", tmp_path / "whole.h5")
    done(*words, "--out", tmp_path / "pool.h5", "--shard", "1/1")
    done("merge", tmp_path / "pool.h5", "--jobs", 1, "-q")
    assert (tmp_path / "pool.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_parts_that_do_not_belong_together_are_refused(crowd: Made, tmp_path: Path) -> None:
    out = tmp_path / "pool.h5"
    assert "nothing to merge" in refused("merge", out)
    done(*pool_words(crowd.data, out), "--jobs", 1, "--shard", "1/2")
    done(*pool_words(crowd.data, out), "--jobs", 1, "--shard", "2/2", "--seed", 3)
    assert "the same options" in refused("merge", out)
    shutil.copytree(tmp_path / "pool.h5.shard-1-of-2", tmp_path / "pool.h5.shard-1-of-3")
    assert "parts of 2 and of 3" in refused("merge", out)
    assert "no part" in refused(*pool_words(crowd.data, out), "--shard", "3/2")


def test_a_run_of_the_whole_takes_in_the_parts_and_does_the_rest(crowd: Made, tmp_path: Path) -> None:
    words = pool_words(crowd.data, tmp_path / "pool.h5")
    done(*words, "--jobs", 1, "--shard", "1/2")
    assert done(*words, "--jobs", 1) == ""
    assert (tmp_path / "pool.h5").read_bytes() == crowd.pool.read_bytes()
    assert not list(tmp_path.glob("*.shard-*"))
