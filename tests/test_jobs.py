"""Shards over workers: the same results in the same order, whatever the number of workers."""

from __future__ import annotations

import errno
import io
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import write_atomically
from noda_synth.runs import jobs
from noda_synth.runs.progress import Progress
from noda_synth.runs.staging import Outcome, Part, Staging, check_output, remove, settings_difference, settings_hash
from noda_synth.seeding import item_generator, item_seed


def write_square(items: list[int], path: Path, *, log: Path | None = None) -> Outcome:
    path.write_text(json.dumps([item**2 for item in items]))
    if log:
        with log.open("a") as file:
            file.write("x")
    return Outcome(counts={"items": len(items), "sum": sum(items)})


def fail(items: list[int], path: Path) -> Outcome:
    path.write_text("half")
    raise NodaError(f"cannot do {items}")


def fail_at_ten(items: list[int], path: Path) -> Outcome:
    return fail(items, path) if 10 in items else write_square(items, path)


def shards() -> list[jobs.Shard]:
    return [jobs.Shard(f"{n:03d}", list(block), len(block)) for n, block in enumerate(jobs.blocks(range(23), 5))]


def run(folder: Path, work: Any, count: int, part: Part | None = None) -> tuple[Staging, list[Outcome]]:
    staging = Staging(folder / "out", part)
    with staging.hold({"a": 1}), Progress(23, "test", "item", quiet=True) as progress:
        return staging, list(jobs.run_shards(staging, work, shards(), workers=count, progress=progress))


@pytest.mark.parametrize("count", [1, 2])
def test_outcomes_and_data_come_in_the_order_of_the_shards(tmp_path: Path, count: int) -> None:
    staging, outcomes = run(tmp_path, write_square, count)
    assert [outcome.counts["sum"] for outcome in outcomes] == [10, 35, 60, 85, 63]
    data = [json.loads(staging.data(shard.name).read_text()) for shard in shards()]
    assert [square for block in data for square in block] == [n**2 for n in range(23)]
    assert not list(staging.temporary.iterdir())


def test_finished_shards_are_taken_and_spoilt_ones_done_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    work = partial(write_square, log=log)
    staging, first = run(tmp_path, work, 1)
    assert len(log.read_text()) == 5
    assert run(tmp_path, work, 1)[1] == first
    assert len(log.read_text()) == 5
    staging.data("002").write_text("[]")
    assert run(tmp_path, work, 1)[1] == first
    assert len(log.read_text()) == 6
    assert json.loads(staging.data("002").read_text()) == [n**2 for n in range(10, 15)]


@pytest.mark.parametrize("count", [1, 2])
def test_a_shard_that_fails_leaves_nothing_half_done(tmp_path: Path, count: int) -> None:
    with pytest.raises(NodaError, match="cannot do"):
        run(tmp_path, fail, count)
    assert not Staging(tmp_path / "out").folder.exists()


def test_what_was_finished_before_a_shard_failed_is_kept(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match="cannot do"):
        run(tmp_path, fail_at_ten, 1)
    staging, log = Staging(tmp_path / "out"), tmp_path / "log"
    assert [shard.name for shard in shards() if staging.data(shard.name).exists()] == ["000", "001"]
    run(tmp_path, partial(write_square, log=log), 1)
    assert len(log.read_text()) == 3


@pytest.mark.parametrize("count", [1, 2])
def test_each_part_does_its_own_shards_and_leaves_out_the_others(tmp_path: Path, count: int) -> None:
    done = [run(tmp_path, write_square, count, Part(number, 2)) for number in (1, 2)]
    assert [[outcome["sum"] for outcome in outcomes] for _, outcomes in done] == [[10, 60, 63], [35, 85]]
    for (staging, _), names in zip(done, (["000", "002", "004"], ["001", "003"]), strict=True):
        assert [shard.name for shard in shards() if staging.finished(shard.name)] == names


def test_blocks_do_not_depend_on_the_workers() -> None:
    assert [list(block) for block in jobs.blocks(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert not list(jobs.blocks([], 3))


def test_progress_in_a_log_is_plain_lines_and_quiet_says_nothing() -> None:
    for quiet in (False, True):
        stream = io.StringIO()
        with Progress(3, "render", "image", quiet=quiet, stream=stream) as progress:
            progress.add(1, resumed=True)
            progress.add(2)
        assert "\r" not in stream.getvalue()
        assert not (quiet and stream.getvalue())


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", "whole")
    write_atomically(tmp_path / "a.txt", b"anew")
    assert (tmp_path / "a.txt").read_text() == "anew"
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "nowhere" / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_removed_though_a_worker_that_outlived_its_run_still_writes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it is nearly empty there is another file in it, until the worker has ended."""
    (tmp_path / "staging" / "tmp").mkdir(parents=True)
    rmtree, late = shutil.rmtree, iter(range(3))

    def empty_but_for_a_file(path: Path, ignore_errors: bool = False) -> None:
        if next(late, None) is None:
            rmtree(path)
        elif not ignore_errors:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(shutil, "rmtree", empty_but_for_a_file)
    remove(tmp_path / "staging")
    assert not list(tmp_path.iterdir())


def test_a_removal_that_waits_long_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("noda_synth.runs.staging._PATIENCE_SECONDS", 0)
    (tmp_path / "staging").mkdir()
    rmtree, busy = shutil.rmtree, iter(range(4))

    def sometimes(path: Path) -> None:
        if next(busy, None) is None:
            rmtree(path)
        else:
            raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(shutil, "rmtree", sometimes)
    remove(tmp_path / "staging")
    said = capsys.readouterr().err
    assert said.count("waiting for a worker of a killed run") == 1
    assert str(tmp_path / "staging") in said


def test_an_output_is_started_once(tmp_path: Path) -> None:
    """Held while it is made, then left alone, with what a killed run left beside it removed."""
    staging, settings = Staging(tmp_path / "out"), {"a": 1}
    held = staging.start(settings, None)
    assert held is not None
    with held:
        (staging.folder / "whole").touch()
        staging.finish(staging.folder / "whole")
    staging.folder.mkdir()
    assert staging.start(settings, settings) is None
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert staging.start(settings, settings, overwrite=True) is not None
    with pytest.raises(NodaError, match="a: 1 there, 2 now"):
        staging.start({"a": 2}, settings)


def test_differences_of_settings_name_both_values() -> None:
    ours, theirs = {"a": 1, "b": {"c": (1, 2), "d": None}}, {"a": 1, "b": {"c": [1, 3], "d": None}, "e": "x"}
    assert settings_difference(ours, theirs) == "c: [1, 3] there, [1, 2] now; e: 'x' there, None now"
    assert settings_difference(ours, json.loads(json.dumps(ours))) == ""
    assert settings_hash({"a": 1, "b": (2,)}) == settings_hash({"b": [2], "a": 1})


def test_an_output_is_ours_the_same_or_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert not check_output(out, None, {"a": 1}, overwrite=False)
    out.touch()
    assert check_output(out, {"a": 1}, {"a": 1}, overwrite=False)
    assert not check_output(out, {"a": 1}, {"a": 1}, overwrite=True)
    with pytest.raises(NodaError, match="a: 1 there, 2 now"):
        check_output(out, {"a": 1}, {"a": 2}, overwrite=False)
    with pytest.raises(NodaError, match="left alone"):
        check_output(out, None, {"a": 2}, overwrite=True)
    out.unlink()
    out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(NodaError, match="left alone"):
        check_output(out, None, {"a": 2}, overwrite=False)


def test_seeds_depend_on_seed_stage_and_item_and_stay_as_they_are() -> None:
    seeds = {item_seed(seed, stage, key) for seed in (0, 1) for stage in ("a", "b") for key in ("x", "y", "xy")}
    assert len(seeds) == 12
    assert item_seed(0, "mask", "1.jpg#0") == 0xD8B586875816FF1E
    assert item_generator(0, "a", "x").integers(1000) == item_generator(0, "a", "x").integers(1000)
