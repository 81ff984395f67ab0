"""Many items over many cores, in shards that survive an interruption.

Work goes on in a *staging* folder beside the output. A worker writes each shard under a temporary name that belongs
to this run alone; only the parent gives it its final name, so workers that outlive a killed run can spoil nothing. A
second run with the same settings finds the finished shards and goes on; the output appears under its own name when it
is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import cv2
import joblib
from tqdm import tqdm

from noda_synth.errors import NodaError

Item = TypeVar("Item")
Outcome = dict[str, Any]
"""What a worker says of its shard: small, JSON-like, kept beside the shard's data."""


def settings_json(settings: dict[str, Any]) -> str:
    """The one way in which settings are written down, compared and hashed."""
    return json.dumps(settings, sort_keys=True, indent=1)


def settings_hash(settings: dict[str, Any]) -> str:
    return hashlib.sha256(settings_json(settings).encode()).hexdigest()[:16]


def settings_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The settings in which two runs differ, both values named."""
    ours = json.loads(settings_json(ours))
    differences = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(key), theirs.get(key)
        if mine == other:
            continue
        if isinstance(mine, dict) and isinstance(other, dict):
            differences.append(settings_difference(mine, other))
        else:
            differences.append(f"{key}: {other!r} there, {mine!r} now")
    return "; ".join(differences)


def blocks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Items in runs of `size`: shards must not depend on the number of workers."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file that appears under its name only when it is whole."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        # A worker that outlived a killed run may be writing its last file in there.
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_output(out: Path, theirs: dict[str, Any] | None, ours: dict[str, Any], overwrite: bool) -> bool:
    """Whether the output is there already, made with these very settings.

    Args:
        out: the output.
        theirs: the settings it was made with, or None if it is not of our making.
        ours: the settings of this run.
        overwrite: start anew.

    Raises:
        NodaError: the output exists, and is something else.
    """
    if not (out.exists() or out.is_symlink()):
        return False
    if theirs is None:
        raise NodaError(f"{out} exists and was not made by noda-synth, so it is left alone; choose another --out")
    if overwrite:
        return False
    if theirs != json.loads(settings_json(ours)):
        raise NodaError(
            f"{out} exists, made with other settings ({settings_difference(ours, theirs)}); "
            "choose another --out, or --overwrite"
        )
    return True


class Staging:
    """The folder in which an output comes into being, with the settings it was begun with."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(out.name + ".partial")

    @contextmanager
    def opened(self, settings: dict[str, Any], overwrite: bool = False) -> Iterator[None]:
        """Hold the folder for this run; on the way out it stays, unless `finish` removed it.

        Args:
            settings: all that decides what is written.
            overwrite: drop what an interrupted run left.

        Raises:
            NodaError: another run holds it, or it was begun with other settings.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NodaError(f"another run is writing {self.out}; wait for it, or choose another --out") from None
            begun = self.folder / "settings.json"
            if overwrite:
                for name in ("settings.json", "shards", "result"):
                    remove(self.folder / name)
            if begun.exists():
                theirs = json.loads(begun.read_text())
                if theirs != json.loads(settings_json(settings)):
                    raise NodaError(
                        f"{self.folder} holds an interrupted run with other settings "
                        f"({settings_difference(settings, theirs)}); "
                        "use those to go on, or --overwrite to start anew"
                    )
            else:
                write_atomically(begun, settings_json(settings))
            remove(self.folder / "tmp")
            for name in ("tmp", "shards"):
                (self.folder / name).mkdir(exist_ok=True)
            yield

    def finished(self, shard: str) -> Outcome | None:
        """What was said of a shard that is done, else None."""
        note = self.folder / "shards" / f"{shard}.json"
        if not note.exists() or not self.data(shard).exists():
            return None
        outcome: Outcome = json.loads(note.read_text())
        return outcome

    def data(self, shard: str) -> Path:
        """Where the data of a finished shard lies: a file or a folder, as its worker made it."""
        return self.folder / "shards" / shard

    def finish(self, whole: Path) -> None:
        """Give the finished output, which lies in the staging folder, its name, and remove the rest."""
        if self.out.exists():
            self.out.replace(self.folder / "replaced")
        whole.replace(self.out)
        remove(self.folder)


@dataclass(frozen=True)
class Shard:
    """A unit of work: its name, and the items that the worker gets."""

    name: str
    items: Any


def run_shards(
    staging: Staging,
    work: Callable[[Any, Path], Outcome],
    shards: Sequence[Shard],
    *,
    jobs: int,
    progress: Progress,
) -> list[Outcome]:
    """Do all shards that are not done yet; outcomes in the order of the shards.

    Args:
        staging: where finished shards are kept.
        work: called as work(items, path) in a worker; writes the shard's data to `path` (a file, or a folder it makes)
            and returns what there is to say about it. It reports the failures of single items there and raises only
            for what makes going on pointless.
        shards: the work.
        jobs: number of worker processes; 1 works in this process. A backend named by the caller's
            `joblib.parallel_config` is used as it is.
        progress: told of each shard.
    """
    done = {shard.name: outcome for shard in shards if (outcome := staging.finished(shard.name)) is not None}
    for shard in shards:
        if shard.name in done:
            progress.add(done[shard.name].get("items", 1), resumed=True)
    run = uuid.uuid4().hex[:8]
    todo = [shard for shard in shards if shard.name not in done]
    calls = ((work, shard.name, shard.items, staging.folder / "tmp" / f"{run}-{shard.name}") for shard in todo)
    for name, temporary, outcome in _outcomes(calls, jobs):
        final = staging.data(name)
        remove(final)
        temporary.replace(final)
        write_atomically(final.with_name(f"{name}.json"), json.dumps(outcome))
        done[name] = outcome
        progress.add(outcome.get("items", 1))
    return [done[shard.name] for shard in shards]


def run_ordered(work: Callable[[Any], Any], items: Iterable[Any], *, jobs: int) -> Iterator[Any]:
    """work(item) for every item, over the workers; results in order, as they come. For work whose results are small."""
    if jobs == 1:
        yield from map(work, items)
        return
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    yield from parallel(joblib.delayed(_single_threaded)(work, item) for item in items)


def _outcomes(
    calls: Iterable[tuple[Callable[[Any, Path], Outcome], str, Any, Path]], jobs: int
) -> Iterator[tuple[str, Path, Outcome]]:
    if jobs == 1:
        for call in calls:
            yield _work(*call)
        return
    # Outcomes are small (the data waits on disk), so it does no harm that joblib collects them without back-pressure.
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    try:
        yield from parallel(joblib.delayed(_work)(*call) for call in calls)
    except joblib.externals.loky.process_executor.TerminatedWorkerError as error:
        raise NodaError(
            "a worker process died, most likely for want of memory; what is finished is kept: run the same command "
            f"again, with fewer --jobs than {jobs}"
        ) from error


def _work(work: Callable[[Any, Path], Outcome], name: str, items: Any, temporary: Path) -> tuple[str, Path, Outcome]:
    return name, temporary, _single_threaded(work, items, temporary)


def _single_threaded(work: Callable[..., Any], *args: Any) -> Any:
    """Parallel over items is faster than OpenCV's threads inside one, and both together are slower than either."""
    cv2.setNumThreads(1)
    return work(*args)


class _Lines:
    """A stream for tqdm that turns its carriage returns into lines, for logs."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip("\r\n "):
            self.stream.write(text.strip("\r\n ") + "\n")

    def flush(self) -> None:
        self.stream.flush()


class Progress:
    """Rate and remaining time: a bar on a terminal, a plain line now and then in a log, nothing if quiet."""

    def __init__(self, total: int, what: str, unit: str, *, quiet: bool = False, stream: IO[str] | None = None) -> None:
        stream = stream or sys.stderr
        terminal = stream.isatty()
        self.started = time.perf_counter()
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            disable=quiet,
            file=stream if terminal else _Lines(stream),
            dynamic_ncols=terminal,
            ascii=not terminal,
            mininterval=0.1 if terminal else 10.0,
            delay=0.0 if terminal else 5.0,
            bar_format=None if terminal else "{desc}: {n_fmt}/{total_fmt} {unit}s, {rate_fmt}, {remaining} left",
        )

    def add(self, count: int, resumed: bool = False) -> None:
        if resumed and not self._bar.disable:  # a bar that is switched off has no counts
            self._bar.initial += count
            self._bar.n += count
        else:
            self._bar.update(count)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def stop_workers() -> None:
    """End joblib's worker processes at once, after Ctrl-C."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=False, kill_workers=True)


def default_jobs() -> int:
    """All cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
