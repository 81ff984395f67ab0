"""Doing tasks: one worker per GPU, and one for what needs none; on a machine without GPU as many lanes as are asked
for, each of which does everything, at low priority.

A task is a chain of commands, run as processes of their own, each with a log. What fails is reported, and what needs it
with it; the rest goes on.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from noda_train.tables.work import Task

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds that an interrupted command has to end by itself."""
NICE = 10
"""Of what runs on CPUs."""


@dataclass
class Worker:
    """Runs one command at a time.

    Attributes:
        name: as printed.
        kinds: of the tasks that it does.
        gpu: that its commands see; "" is none.
        threads: of each command, 0 is its own choice.
        nice: added to the commands' niceness: they give way to whatever else the machine does.
    """

    name: str
    kinds: frozenset[str]
    gpu: str
    threads: int = 0
    nice: int = 0
    task: Task | None = None
    process: subprocess.Popen[bytes] | None = None
    commands: list[tuple[str, ...]] = field(default_factory=list)
    began: float = 0.0


@dataclass
class Outcome:
    """What became of the tasks: why each failed, and whether the time was over before the end."""

    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def visible_gpus() -> list[str]:
    """The numbers of the GPUs that may be used; none without nvidia-smi."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [number for number in named.split(",") if number.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]


def make_workers(gpus: Sequence[str], lanes: int = 1, threads: int = 0) -> list[Worker]:
    """A worker per GPU (a GPU named twice gets two) and one for data; without GPUs `lanes` workers for everything."""
    making = frozenset({"demo", "pool", "render"})
    if not gpus:
        names = ["cpu"] if lanes == 1 else [f"lane {number}" for number in range(1, lanes + 1)]
        return [Worker(name, making | {"run"}, "", threads, NICE) for name in names]
    trainers = [Worker(f"gpu {gpu}", frozenset({"run"}), gpu) for gpu in gpus]
    return [Worker("data", making, ""), *trainers]


@contextmanager
def lock_folder(folder: Path, echo: Callable[[str], None]) -> Iterator[IO[str]]:
    """The work folder for ourselves. Commands inherit the lock: one that outlives a killed runner is waited for."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo(f"{folder}: another runner, or a command that outlived one, is still at work here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def run_tasks(
    tasks: Sequence[Task],
    workers: Sequence[Worker],
    lock: IO[str],
    echo: Callable[[str], None],
    on_done: Callable[[Task], None],
    minutes: float | None = None,
) -> Outcome:
    """Do all tasks, in their order as far as workers and needs allow.

    Args:
        tasks: what is not done yet.
        workers: who does them.
        lock: of the work folder, handed down to the commands.
        echo: prints a line at each start and each failure.
        on_done: called after each task that was done.
        minutes: stop everything after so long; a task that was begun can be continued later.
    """
    waiting, outcome = list(tasks), Outcome()
    until = time.monotonic() + 60 * minutes if minutes else None
    try:
        while waiting or any(worker.task for worker in workers):
            if until and time.monotonic() > until:
                outcome.stopped = True
                break
            for worker in workers:
                _poll(worker, lock, echo, on_done, outcome)
            _drop_blocked(waiting, outcome, echo)
            open_keys = {t.key for t in waiting} | {worker.task.key for worker in workers if worker.task}
            for worker in workers:
                if worker.task is None:
                    task = _next_task(worker, _allowed(waiting, open_keys, workers), open_keys)
                    if task is not None:
                        waiting.remove(task)
                        echo(f"{worker.name}: {task.title}")
                        _begin(worker, task, lock)
            time.sleep(0.05)
    finally:
        _stop(workers)
    return outcome


def _allowed(waiting: Sequence[Task], open_keys: set[str], workers: Sequence[Worker]) -> list[Task]:
    """All tasks but renders, where there is one per worker already that no training has begun to read: they are large.

    A single worker comes to the trainings by itself.
    """
    if len(workers) == 1:
        return list(waiting)
    unread = {need for task in waiting if task.kind == "run" for need in task.needs} - open_keys
    return [task for task in waiting if task.kind != "render" or len(unread) < len(workers)]


def _next_task(worker: Worker, allowed: Sequence[Task], open_keys: set[str]) -> Task | None:
    """The first task that this worker can do and whose needs are met."""
    return next((task for task in allowed if task.kind in worker.kinds and not open_keys & set(task.needs)), None)


def _begin(worker: Worker, task: Task, lock: IO[str]) -> None:
    worker.task, worker.began = task, time.monotonic()
    worker.commands = task.commands("cuda" if worker.gpu else "cpu", worker.threads)
    _start_command(worker, task, lock)


def _start_command(worker: Worker, task: Task, lock: IO[str]) -> None:
    """The next command of the worker's task, in a process group of its own: Ctrl-C is ours to pass on."""
    command = worker.commands.pop(0)
    task.log.parent.mkdir(parents=True, exist_ok=True)
    task.output.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment["CUDA_VISIBLE_DEVICES"] = worker.gpu
    if worker.threads:
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(worker.threads))
    with task.log.open("a") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        worker.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
            preexec_fn=partial(_prepare, worker.nice),
        )


def _prepare(nice: int) -> None:
    """A runner that was started with `nohup .. &` ignores SIGINT, and its commands would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.nice(nice)


def _poll(
    worker: Worker, lock: IO[str], echo: Callable[[str], None], on_done: Callable[[Task], None], outcome: Outcome
) -> None:
    """See whether the worker's command has ended; go on to the next one, or note the end of the task."""
    if worker.task is None or worker.process is None or (code := worker.process.poll()) is None:
        return
    task, seconds = worker.task, time.monotonic() - worker.began
    # noda-synth ends with 1 where single images failed: they are named in errors.jsonl, and the rest is whole.
    if code == 0 or (code == 1 and task.kind in ("pool", "render") and task.output.exists()):
        if worker.commands:
            _start_command(worker, task, lock)
            return
        if task.output.exists():
            task.finish(seconds)
            worker.task = worker.process = None
            on_done(task)
            return
        reason = f"ended without {task.output}"
    else:
        reason = f"exit code {code}: {last_line(task.log)}"
    worker.task = worker.process = None
    outcome.failed[task.key] = reason
    echo(f"FAILED after {seconds:.0f} s: {task.title}: {reason} (see {task.log})")


def _drop_blocked(waiting: list[Task], outcome: Outcome, echo: Callable[[str], None]) -> None:
    """Drop what needs a task that failed."""
    for task in list(waiting):
        if broken := [key for key in task.needs if key in outcome.failed]:
            waiting.remove(task)
            outcome.failed[task.key] = f"needs {broken[0]}, which failed"
            echo(f"left out: {task.title}: {outcome.failed[task.key]}")


def last_line(log: Path) -> str:
    """The last words of a log that are not blank, 300 letters at most."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "it said nothing"


def _stop(workers: Sequence[Worker]) -> None:
    """Interrupt what is running, as Ctrl-C would, and see that it ends."""
    running = [worker.process for worker in workers if worker.process and worker.process.poll() is None]
    for process in running:
        os.killpg(process.pid, signal.SIGINT)
    limit = time.monotonic() + PATIENCE
    for process in running:
        try:
            process.wait(max(0.1, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
