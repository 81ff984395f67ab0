"""Doing tasks: one lane for each GPU, one for what needs none; on a machine without GPU a single lane for everything.

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
from pathlib import Path
from typing import IO

from noda_train.tables.work import Task

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds that an interrupted command has to end by itself."""


@dataclass
class Lane:
    """A place where one command runs at a time, with the GPU that it sees ("" is none)."""

    name: str
    kinds: frozenset[str]
    gpu: str
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
    """Numbers of the GPUs that this machine lends us; none without nvidia-smi."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [number for number in named.split(",") if number.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(number) for number, line in enumerate(told.stdout.splitlines()) if line.startswith("GPU")]


def lanes(gpus: Sequence[str]) -> list[Lane]:
    """A lane a GPU (a GPU named twice gets two) and one for data; without GPUs one lane does everything in turn."""
    making = frozenset({"demo", "pool", "render"})
    if not gpus:
        return [Lane("cpu", making | {"run"}, "")]
    trainers = [Lane(f"gpu {gpu}", frozenset({"run"}), gpu) for gpu in gpus]
    return [Lane("data", making, ""), *trainers]


@contextmanager
def claimed(folder: Path, say: Callable[[str], None]) -> Iterator[IO[str]]:
    """The work folder for ourselves. Commands inherit the lock: one that outlives a killed runner is waited for."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{folder}: another runner, or a command that outlived one, is still at work here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def do(
    tasks: Sequence[Task],
    places: Sequence[Lane],
    lock: IO[str],
    say: Callable[[str], None],
    ended: Callable[[Task], None],
    minutes: float | None = None,
) -> Outcome:
    """Do all tasks, in their order as far as lanes and needs allow.

    Args:
        tasks: what is not done yet.
        places: the lanes.
        lock: of the work folder, handed down to the commands.
        say: is told of each start and end.
        ended: called after each task that was done.
        minutes: stop everything after so long; what was begun can be gone on with.
    """
    waiting, outcome = list(tasks), Outcome()
    until = time.monotonic() + 60 * minutes if minutes else None
    try:
        while waiting or any(lane.task for lane in places):
            if until and time.monotonic() > until:
                outcome.stopped = True
                break
            for lane in places:
                _look(lane, lock, say, ended, outcome)
            _give_up(waiting, outcome, say)
            open_keys = {t.key for t in waiting} | {lane.task.key for lane in places if lane.task}
            for lane in places:
                if lane.task is None:
                    _take(lane, _allowed(waiting, open_keys, places), waiting, open_keys, lock, say)
            time.sleep(0.05)
    finally:
        _stop(places)
    return outcome


def _allowed(waiting: Sequence[Task], open_keys: set[str], places: Sequence[Lane]) -> list[Task]:
    """All but renders, where there is one for each lane already that no training has begun to read: they are large.

    A single lane comes to the trainings by itself.
    """
    if len(places) == 1:
        return list(waiting)
    unread = {need for task in waiting if task.kind == "run" for need in task.needs} - open_keys
    return [task for task in waiting if task.kind != "render" or len(unread) < len(places)]


def _take(
    lane: Lane, allowed: Sequence[Task], waiting: list[Task], open_keys: set[str], lock: IO[str],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """The first task that this lane can do and whose needs are met."""
    for task in allowed:
        if task.kind in lane.kinds and not open_keys & set(task.needs):
            waiting.remove(task)
            commands = task.commands("cuda" if lane.gpu else "cpu")
            lane.task, lane.commands, lane.began = task, commands, time.monotonic()
            say(f"{lane.name}: {task.title}")
            _start(lane, lock)
            return


def _start(lane: Lane, lock: IO[str]) -> None:
    """The next command of the lane's task, in a process group of its own: Ctrl-C is ours to pass on."""
    assert lane.task
    command = lane.commands.pop(0)
    lane.task.log.parent.mkdir(parents=True, exist_ok=True)
    lane.task.output.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment["CUDA_VISIBLE_DEVICES"] = lane.gpu
    with lane.task.log.open("a") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        lane.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True, pass_fds=(lock.fileno(),),
        )  # fmt: skip


def _look(
    lane: Lane, lock: IO[str], say: Callable[[str], None], ended: Callable[[Task], None], outcome: Outcome
) -> None:
    """See whether the lane's command has ended; go on to the next one, or note the end of the task."""
    if lane.task is None or lane.process is None or (code := lane.process.poll()) is None:
        return
    task, seconds = lane.task, time.monotonic() - lane.began
    # noda-synth ends with 1 where single images failed: they are named in errors.jsonl, and the rest is whole.
    if code == 0 or (code == 1 and task.kind in ("pool", "render") and task.output.exists()):
        if lane.commands:
            _start(lane, lock)
            return
        if task.output.exists():
            task.finish(seconds)
            lane.task = lane.process = None
            ended(task)
            return
        reason = f"ended without {task.output}"
    else:
        reason = f"exit code {code}: {last_line(task.log)}"
    lane.task = lane.process = None
    outcome.failed[task.key] = reason
    say(f"FAILED after {seconds:.0f} s: {task.title}: {reason} (see {task.log})")


def _give_up(waiting: list[Task], outcome: Outcome, say: Callable[[str], None]) -> None:
    """Drop what needs a task that failed."""
    for task in list(waiting):
        if broken := [key for key in task.needs if key in outcome.failed]:
            waiting.remove(task)
            outcome.failed[task.key] = f"needs {broken[0]}, which failed"
            say(f"left out: {task.title}: {outcome.failed[task.key]}")


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "it said nothing"


def _stop(places: Sequence[Lane]) -> None:
    """Interrupt what is running, as Ctrl-C would, and see that it ends."""
    running = [lane.process for lane in places if lane.process and lane.process.poll() is None]
    for process in running:
        os.killpg(process.pid, signal.SIGINT)
    limit = time.monotonic() + PATIENCE
    for process in running:
        try:
            process.wait(max(0.1, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
