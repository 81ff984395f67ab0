"""The same bytes whatever happens: other numbers of workers, killed runs, and runs into a place that is taken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

from tests.command import Process, done, noda, refused, tree
from tests.conftest import Made
from tests.drawn_set import write_mpii


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough images for several shards."""
    return write_mpii(tmp_path_factory.mktemp("crowd") / "mpii", images=60)


@pytest.fixture(scope="module")
def reference(crowd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pool.h5 and set/, made by one worker without any trouble."""
    folder = tmp_path_factory.mktemp("reference")
    done("build-pool", *pool_words(crowd, folder), "--jobs", 1)
    done("render", *render_words(crowd, folder, folder / "pool.h5"), "--jobs", 1)
    return folder


def pool_words(data: Path, folder: Path) -> tuple[object, ...]:
    return ("--data", data, "--out", folder / "pool.h5", "--levels", "cardboard,grabcut", "-q")


def render_words(data: Path, folder: Path, pool: Path) -> tuple[object, ...]:
    return ("--data", data, "--pool", pool, "--out", folder / "set", "--format", "png", "--coco", "--ratio", 0.9, "-q")


def kill_in_the_middle(words: tuple[object, ...], staging: Path, shards: int, how: signal.Signals) -> tuple[int, str]:
    """Start a command, end it when some shards are done, and give its exit code and what it said last."""
    with Process(*words) as running:
        for _ in waiting():
            if len(list((staging / "shards").glob("*.json"))) >= shards:
                break
            assert running.poll() is None, f"over before it could be interrupted: {running.said()}"
        os.kill(running.pid, how)
        return running.wait(timeout=20), running.said()


def waiting(seconds: float = 60) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.002)
    pytest.fail("nothing was done in time")


def test_two_workers_make_the_same_bytes_as_one(crowd: Path, reference: Path, tmp_path: Path) -> None:
    done("build-pool", *pool_words(crowd, tmp_path), "--jobs", 2)
    assert (tmp_path / "pool.h5").read_bytes() == (reference / "pool.h5").read_bytes()
    done("render", *render_words(crowd, tmp_path, tmp_path / "pool.h5"), "--jobs", 2)
    assert list(tree(tmp_path / "set")) == list(tree(reference / "set"))
    assert same(tmp_path / "set", reference / "set")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_build_pool_goes_on_to_the_same_bytes(crowd: Path, reference: Path, tmp_path: Path, jobs: int) -> None:
    words = ("build-pool", *pool_words(crowd, tmp_path))
    staging = tmp_path / "pool.h5.partial"
    code, _ = kill_in_the_middle((*words, "--jobs", jobs), staging, shards=1, how=signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert staging.is_dir()
    assert not (tmp_path / "pool.h5").exists()
    finished = {path: path.stat().st_mtime_ns for path in (staging / "shards").iterdir() if path.suffix != ".json"}
    assert 0 < len(finished) < 4
    done(*words, "--jobs", 3 - jobs)
    assert (tmp_path / "pool.h5").read_bytes() == (reference / "pool.h5").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"pool.h5", "pool.h5.run_log.json"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_render_goes_on_to_the_same_bytes(crowd: Path, reference: Path, tmp_path: Path, jobs: int) -> None:
    words = ("render", *render_words(crowd, tmp_path, reference / "pool.h5"))
    staging = tmp_path / "set.partial"
    code, _ = kill_in_the_middle((*words, "--jobs", jobs), staging, shards=2, how=signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (tmp_path / "set").exists()
    done(*words, "--jobs", 3 - jobs)
    assert same(tmp_path / "set", reference / "set")
    assert {path.name for path in tmp_path.iterdir()} == {"set"}


def test_finished_shards_are_not_done_again(crowd: Path, tmp_path: Path) -> None:
    """What was finished is taken as it is, so a resumed run costs only what was left."""
    words = ("build-pool", *pool_words(crowd, tmp_path), "--jobs", 1)
    staging = tmp_path / "pool.h5.partial"
    kill_in_the_middle(words, staging, shards=2, how=signal.SIGKILL)
    note = sorted((staging / "shards").glob("*.json"))[0]
    marked = json.loads(note.read_text())
    marked["outcome"]["counts"]["left_out"] = {"left by hand": 7}
    note.write_text(json.dumps(marked))
    assert "7 left out: left by hand" in done(*(word for word in words if word != "-q"))


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("command", ["build-pool", "render"])
def test_ctrl_c_ends_within_seconds_and_says_how_to_go_on(
    crowd: Path, reference: Path, tmp_path: Path, command: str, jobs: int
) -> None:
    if command == "build-pool":
        words, staging = pool_words(crowd, tmp_path), tmp_path / "pool.h5.partial"
    else:
        words, staging = render_words(crowd, tmp_path, reference / "pool.h5"), tmp_path / "set.partial"
    with Process(command, *words, "--jobs", jobs) as running:
        for _ in waiting():
            if list((staging / "shards").glob("*.json")):
                break
        started = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)  # a terminal sends it to parent and workers alike
        assert running.wait(timeout=20) == 130
        assert time.monotonic() - started < 10
        said = running.said()
    assert "run the same command again to go on" in said
    assert "Traceback" not in said
    done(command, *words, "--jobs", 2)
    name = "pool.h5" if command == "build-pool" else "set"
    assert same(tmp_path / name, reference / name)


def same(ours: Path, theirs: Path) -> bool:
    if ours.is_file():
        return ours.read_bytes() == theirs.read_bytes()
    mine, other = tree(ours), tree(theirs)
    # Relative links differ with the place that they start from.
    return {k: v for k, v in mine.items() if isinstance(v, bytes)} == {
        k: v for k, v in other.items() if isinstance(v, bytes)
    } and mine.keys() == other.keys()


def test_the_same_settings_again_do_nothing(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set")
    stamps = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "nothing to do" in done("render", "--data", drawn.data, "--pool", drawn.pool, "--out", out)
    pool = ("build-pool", "--data", drawn.data, "--out", drawn.pool, "--grabcut-size", 96)
    assert "nothing to do" in done(*pool)
    assert stamps == {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert not list(drawn.pool.parent.glob("*.partial"))


def test_other_settings_into_a_finished_place_are_refused_with_both_named(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--seed", 4)
    before = tree(out)
    words = ("render", "--data", drawn.data, "--pool", drawn.pool, "--out", out, "--seed", 5, "--mask", "box")
    said = refused(*words)
    assert "seed: 4 there, 5 now" in said
    assert "mask: 'grabcut' there, 'box' now" in said
    assert "--overwrite" in said
    assert tree(out) == before
    done(*words, "--overwrite")
    report = json.loads((out / "report.json").read_text())
    assert (report["settings"]["seed"], report["settings"]["placement"]["mask"]) == (5, "box")
    assert {path.name for path in tmp_path.iterdir()} == {"set"}

    words = (
        "build-pool",
        "--data",
        drawn.data,
        "--out",
        tmp_path / "pool.h5",
        "--grabcut-size",
        32,
        "--min-joints",
        16,
    )
    done(*words, "--jobs", 1)
    said = refused(*words, "--jobs", 1, "--max-side", 100)
    assert "max_side: 768 there, 100 now" in said
    done(*words, "--jobs", 1, "--max-side", 100, "--overwrite")
    with h5py.File(tmp_path / "pool.h5", "r") as pool:
        assert pool["bodies/size"][()].max() <= 100


def test_other_settings_into_an_interrupted_place_are_refused_with_both_named(
    crowd: Path, reference: Path, tmp_path: Path
) -> None:
    words = ("render", *render_words(crowd, tmp_path, reference / "pool.h5"), "--jobs", 1)
    kill_in_the_middle(words, tmp_path / "set.partial", shards=1, how=signal.SIGKILL)
    said = refused(*words, "--seed", 9)
    assert "set.partial" in said
    assert "seed: 0 there, 9 now" in said
    done(*words, "--seed", 9, "--overwrite")
    assert json.loads((tmp_path / "set" / "report.json").read_text())["settings"]["seed"] == 9
    assert {path.name for path in tmp_path.iterdir()} == {"set"}


def test_another_pool_or_other_annotations_are_other_settings(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set")
    done("build-pool", "--data", drawn.data, "--out", tmp_path / "other.h5", "--levels", "grabcut", "-q", "--jobs", 1)
    assert "pool: " in refused("render", "--data", drawn.data, "--pool", tmp_path / "other.h5", "--out", out)
    shutil.copytree(drawn.data, tmp_path / "data")
    records = json.loads((tmp_path / "data" / "annot" / "train.json").read_text())
    (tmp_path / "data" / "annot" / "train.json").write_text(json.dumps(records[:-1]))
    assert "annotations: " in refused("render", "--data", tmp_path / "data", "--pool", drawn.pool, "--out", out)


def test_a_run_killed_at_the_very_end_leaves_nothing_behind_for_long(drawn: Made, tmp_path: Path) -> None:
    """Killed after the output got its name, but before the staging folder was removed."""
    out = drawn.render(tmp_path / "set")
    done("render", "--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "other", "--limit", 3, "-q")
    (tmp_path / "set.partial" / "shards").mkdir(parents=True)
    (tmp_path / "set.partial" / "lock").touch()
    settings = json.loads((out / "report.json").read_text())["settings"]
    (tmp_path / "set.partial" / "settings.json").write_text(json.dumps(settings))
    drawn.render(out)
    assert not (tmp_path / "set.partial").exists()


def test_a_place_that_is_not_ours_is_left_alone_even_with_overwrite(drawn: Made, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "thesis.txt").write_text("years of work")
    for out in (tmp_path / "mine", tmp_path / "thesis.txt"):
        for words in (("render", "--pool", drawn.pool), ("build-pool",)):
            said = refused(*words, "--data", drawn.data, "--out", out, "--overwrite")
            assert str(out) in said
            assert "left alone" in said
    assert (tmp_path / "mine" / "thesis.txt").read_text() == (tmp_path / "thesis.txt").read_text() == "years of work"


def test_two_runs_do_not_write_the_same_output(crowd: Path, reference: Path, tmp_path: Path) -> None:
    words = ("render", *render_words(crowd, tmp_path, reference / "pool.h5"), "--jobs", 1)
    with Process(*words) as running:
        for _ in waiting():
            if (tmp_path / "set.partial" / "settings.json").exists():
                break
        result = noda(*words)
        assert running.wait(timeout=60) == 0
    assert result.exit_code == 2
    assert "another run is writing" in result.stderr
    assert same(tmp_path / "set", reference / "set")


def test_a_refused_run_leaves_nothing_that_refuses_the_next(drawn: Made, tmp_path: Path) -> None:
    pool, out = tmp_path / "pool.h5", tmp_path / "set"
    assert "--everyone" in refused("build-pool", "--data", drawn.data, "--out", pool, "--min-height", 9999, "-q")
    done("build-pool", "--data", drawn.data, "--out", pool, "--levels", "box", "-q")
    words = ("render", "--data", drawn.data, "--pool", pool, "--out", out, "--limit", 2, "-q")
    assert "no level 'grabcut'" in refused(*words)
    assert "nobody could be covered" in refused(*words, "--mask", "box", "--min-covered", 16)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    done(*words, "--mask", "box")
