"""Many items over many cores or a cluster, in shards that survive an interruption.

A worker writes each shard under a temporary name of its own; only the parent gives it its final name, so workers that
outlive a killed run, or do a shard twice, can spoil nothing. A second run with the same settings finds the finished
shards and goes on.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import current_process
from pathlib import Path
from typing import Any, TypeVar, overload

import cv2
import joblib

from noda_synth.errors import NodaError, Problem
from noda_synth.runs.ownership import file_hashes
from noda_synth.runs.progress import Progress
from noda_synth.runs.staging import Outcome, Part, Staging, remove

Item = TypeVar("Item")

CLUSTER = -1
"""Number of workers that stands for all that the caller's `joblib.parallel_config` has."""


@dataclass(frozen=True)
class Execution:
    """How a run goes about its work, which decides nothing about what is written.

    Attributes:
        workers: worker processes; 1 works in this process, CLUSTER takes the caller's.
        part: do this part of the work only, and leave the output to be put together later.
        overwrite: replace the output that is there, and start anew where a run was interrupted.
        quiet: show no progress.
    """

    workers: int = 1
    part: Part | None = None
    overwrite: bool = False
    quiet: bool = False

    def progress(self, total: int, what: str, unit: str) -> Progress:
        return Progress(total, what, unit, quiet=self.quiet)


ONE_WORKER = Execution()
"""All of the work, in this process."""


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in runs of `size`: shards must not depend on the number of workers."""
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block


@dataclass(frozen=True)
class Shard:
    """A unit of work: its name, what the worker gets, and the number of items in it."""

    name: str
    items: Any
    size: int


def run_shards(
    staging: Staging, work: Callable[[Any, Path], Outcome], shards: Iterable[Shard], *, workers: int, progress: Progress
) -> Outcomes:
    """Do all shards that are not done yet, or those of this run's part; outcomes in the order of the shards.

    Args:
        staging: where finished shards are kept.
        work: called as work(items, path) in a worker; writes the shard's data to `path` (a file, or a folder it makes)
            and returns what there is to say about it. It reports the failures of single items there and raises only
            where it makes no sense to go on.
        shards: the work; drawn from one at a time, a little ahead of the workers, and perhaps by another thread.
        workers: worker processes; 1 works in this process, CLUSTER takes the caller's.
        progress: counts the items of each shard that is done.
    """
    names: list[str] = []
    sizes: dict[str, int] = {}

    def calls() -> Iterator[Any]:
        for number, shard in enumerate(shards):
            if staging.part and number % staging.part.of != staging.part.number - 1:
                progress.leave_out(shard.size)
                continue
            names.append(shard.name)
            if staging.finished(shard.name) is not None:
                progress.add(shard.size, resumed=True)
            else:
                sizes[shard.name] = shard.size
                yield joblib.delayed(_do_shard)(work, shard, staging.temporary, Path.cwd())

    for written in _results(calls(), workers, "generator_unordered"):
        staging.store(written.shard, written.path, written.files, written.outcome)
        progress.add(sizes.pop(written.shard))
    return Outcomes(staging, names)


class Outcomes(Sequence[Outcome]):
    """What was said of finished shards, in their order: read from where it is kept, whenever it is asked for.

    Attributes:
        shards: their names.
    """

    def __init__(self, staging: Staging, shards: Sequence[str]) -> None:
        self._staging, self.shards = staging, shards

    def __len__(self) -> int:
        return len(self.shards)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | list[Outcome]:
        if isinstance(index, slice):
            return [self._staging.outcome(shard) for shard in self.shards[index]]
        return self._staging.outcome(self.shards[index])

    def data(self) -> list[Path]:
        """Where the data of the shards lies."""
        return [self._staging.data(shard) for shard in self.shards]

    def problems(self) -> Iterator[Problem]:
        """What could not be used, of all shards."""
        return (problem for outcome in self for problem in outcome.problems)

    def seconds(self) -> dict[str, float]:
        """Stage -> seconds of work, summed over the workers."""
        total: Counter[str] = Counter()
        for outcome in self:
            total.update(outcome.seconds)
        return dict(total)


def run_ordered(work: Callable[[Any], Any], items: Iterable[Any], *, workers: int) -> Iterator[Any]:
    """work(item) for every item, over the workers; results in order, as they come. For work whose results are small."""
    yield from _results((joblib.delayed(_at_home)(Path.cwd(), work, item) for item in items), workers, "generator")


@contextmanager
def dask_cluster(scheduler: str) -> Iterator[None]:
    """Work with workers=CLUSTER runs on the workers of a Dask scheduler that is there already.

    Raises:
        NodaError: Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError:
        raise NodaError("--backend dask needs Dask: pip install 'noda-synth[cluster]'") from None
    try:
        client = distributed.Client(scheduler, timeout=_SCHEDULER_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NodaError(f"no Dask scheduler answers at {scheduler} ({error}); is its address right?") from error
    with client, joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=_WORKER_SECONDS):
        try:
            yield
        except TimeoutError as error:
            raise NodaError(f"the Dask scheduler at {scheduler} has no workers ({error}); start some") from error


_SCHEDULER_SECONDS, _WORKER_SECONDS = 8, 60


@dataclass(frozen=True)
class _Written:
    """What a worker has written: where, the hashes of its files, and what there is to say about it."""

    shard: str
    path: Path
    files: dict[str, str]
    outcome: Outcome


def _results(calls: Iterable[Any], workers: int, return_as: str) -> Iterator[Any]:
    """The results of joblib's delayed calls.

    They are small (data waits on disk), so it does no harm that joblib collects them without back-pressure.
    """
    if workers == 1:
        for function, args, kwargs in calls:
            yield function(*args, **kwargs)
        return
    try:
        with _interrupts_ignored():
            results = joblib.Parallel(n_jobs=workers, return_as=return_as)(calls)
        yield from results
    except Exception as error:
        if type(error).__name__ not in _WORKER_DEATHS:
            raise
        raise NodaError(
            "a worker process died, most likely because memory ran out; what is finished is kept: run the same command "
            f"again, with {'more memory per worker' if workers == CLUSTER else f'fewer --jobs than {workers}'}"
        ) from error


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C does nothing for a moment, and never to processes that start meanwhile, also while they import.

    A terminal sends it to all processes, but it is for the caller to answer. (Blocking it would lose none of the
    caller's, but joblib unblocks it.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


# By name, because Dask's is there only where Dask is.
_WORKER_DEATHS = ("TerminatedWorkerError", "KilledWorker")


def _do_shard(work: Callable[[Any, Path], Outcome], shard: Shard, folder: Path, home: Path) -> _Written:
    """Write a shard under a name that nobody else uses: a cluster may do a shard again whose worker it lost."""
    path = folder / f"{uuid.uuid4().hex}-{shard.name}"
    try:
        outcome = _at_home(home, work, shard.items, path)
        return _Written(shard.name, path, file_hashes(path), outcome)
    except BaseException:
        remove(path)
        raise


def _at_home(home: Path, work: Callable[..., Any], *args: Any) -> Any:
    """Run in the caller's folder, so that relative names mean the same to a worker on another machine.

    OpenCV gets one thread: parallel over items is faster than threads inside one, and both together are slower.
    """
    if current_process().name.startswith("LokyProcess"):
        _exit_with(os.getppid())
    if Path.cwd() != home:
        os.chdir(home)
    cv2.setNumThreads(1)
    return work(*args)


@lru_cache(maxsize=1)
def _exit_with(parent: int) -> None:
    """End this worker soon after its parent was killed; it would wait for work without end."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def stop_workers() -> None:
    """End joblib's worker processes at once, after Ctrl-C."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=False, kill_workers=True)


def default_workers() -> int:
    """All cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
