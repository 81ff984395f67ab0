"""The tasks of a table with their commands, where they leave things, and which are done.

Everything lies in one work folder, under names that hash what it depends on, so that rows and tables share the pool,
the renders and the runs that they have in common:

    pools/HASH.h5   renders/OPTIONS-sSEED-HASH/   runs/PRESET-DATA-sSEED-HASH/   cache/DATA/   logs/   done/

A task is done when `done/KEY.json` says so and what it made is there.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from noda_synth.formats.files.atomic import write_text
from noda_train.tables.spec import Row, TableSpec

NODA = (sys.executable, "-m", "noda_synth")
TRAIN = (sys.executable, "-m", "noda_train")


@dataclass(frozen=True)
class Task:
    """One thing to do.

    Attributes:
        kind: "demo", "pool", "render" or "run".
        key: unique in the work folder.
        title: how it is named in messages; a run that several rows share has the name of the first.
        output: the file or folder that it makes.
        argv: its command line, without the options that say how far it has come.
        needs: keys of the tasks that come before it.
        work: the work folder.
        keep: what stays of a finished run.
        tests: options of `noda-train eval` for each further test set of a run, by name.
    """

    kind: str
    key: str
    title: str
    output: Path
    argv: tuple[str, ...]
    needs: tuple[str, ...]
    work: Path = field(repr=False)
    keep: str = "all"
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What its commands print."""
        return self.work / "logs" / f"{self.key}.log"

    @property
    def marker(self) -> Path:
        """The file that says that it is done, and how long it took."""
        return self.work / "done" / f"{self.key}.json"

    @property
    def done(self) -> bool:
        """Whether it says so, and what it made is there."""
        return self.marker.is_file() and self.output.exists()

    def commands(self, device: str, jobs: int = 0) -> list[tuple[str, ...]]:
        """What to run now, one after the other; a training that was cut off goes on from its last checkpoint.

        The device is named, unless the settings do: "auto" would train for days on a CPU where torch finds no GPU.
        `jobs` are the processes of what is no training; 0 leaves it to the command.
        """
        if self.kind != "run":
            return [(*NODA, *self.argv, *(("--jobs", str(jobs)) if jobs else ()))]
        run = ("--run", str(self.output))
        named = any(argument.startswith("device=") for argument in self.argv)
        chosen = () if named else ("--set", f"device={device}")
        data = self.argv[self.argv.index("--data") : self.argv.index("--data") + 2]
        begun = (self.output / "last.pt").exists()
        argv = ("--resume", *chosen, *run, *data) if begun else (*self.argv, *chosen, *run)
        steps = [(*TRAIN, "fit", *argv)]
        for name, options in self.tests.items():
            results = ("--results", str(self.output / "tests" / name))
            steps.append((*TRAIN, "eval", *run, *chosen, "--set", "pictures=0", *options, *results))
        if self.keep == "network":
            steps.append((*TRAIN, "export", *run, "--slim", str(self.output / "network.pt")))
        return steps

    def finish(self, seconds: float) -> None:
        """Note that it is done, then remove what is no longer needed."""
        write_text(self.marker, json.dumps({"seconds": round(seconds, 1), "words": self.argv}) + "\n")
        self.tidy()

    def tidy(self) -> None:
        """Remove checkpoints that a finished run need not keep."""
        if self.kind == "run" and self.keep != "all" and self.done:
            for name in ("last.pt", "best.pt"):
                (self.output / name).unlink(missing_ok=True)

    def seconds(self) -> float:
        """How long it took."""
        return float(json.loads(self.marker.read_text())["seconds"])


@dataclass(frozen=True)
class Work:
    """All tasks of a table."""

    spec: TableSpec
    folder: Path

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """By key, in an order in which they can be done: seeds first, so that a table of one seed is soon there."""
        tasks: dict[str, Task] = {}
        before: tuple[str, ...] = ()
        if self.spec.demo is not None:
            argv = ("demo-data", str(self.spec.data), *self.spec.demo)
            before = (
                self._add(tasks, "demo", f"demo-{_digest(self.spec.demo)}", "demo data", self.spec.data, argv, ()),
            )
        for seed in range(self.spec.seeds):
            for row in self.spec.rows:
                if not row.skipped and seed < row.runs(self.spec.seeds):
                    self._add_run(tasks, row, seed, before)
        return tasks

    def run_key(self, row: Row, seed: int) -> str:
        """The key of a row's training by a seed, and the name of its folder."""
        key = f"{Path(row.preset).stem}-{self._data_key(row, seed)}-s{seed}"
        first = [row.first] if row.first else []
        return f"{key}-{_digest(self._data_key(row, seed), row.preset, row.settings, seed, *first)}"

    def run_of(self, row: Row, seed: int) -> Path:
        """The run folder of a row and seed."""
        return self.folder / "runs" / self.run_key(row, seed)

    def readers(self, render: Task) -> list[Task]:
        """The runs that train on a render."""
        return [task for task in self.tasks.values() if render.key in task.needs]

    def tidy(self) -> None:
        """Remove what finished runs leave, and renders that no run of this table needs any more."""
        for task in self.tasks.values():
            task.tidy()
            if task.kind == "render" and not self.spec.keep_renders and all(run.done for run in self.readers(task)):
                for folder in (task.output, self.folder / "cache" / task.key):
                    shutil.rmtree(folder, ignore_errors=True)

    def left(self) -> list[Task]:
        """What is still to be done: unfinished runs, and what they need."""
        wanted: set[str] = set()
        for task in reversed(list(self.tasks.values())):
            if not task.done and (task.kind == "run" or task.key in wanted):
                wanted |= {task.key, *task.needs}
        return [task for key, task in self.tasks.items() if key in wanted and not task.done]

    def _data_key(self, row: Row, seed: int) -> str:
        """Names the data that a row trains on: the original set (for any seed the same), or its own render."""
        if row.render is None:
            return f"{self.spec.data.name}-{_digest(self._origin)}"
        slug = re.sub(r"[^a-z0-9.]+", "-", " ".join(row.render).lower()).strip("-")[:40].strip("-") or "default"
        return f"{slug}-s{seed}-{_digest(self._origin, self.spec.pool, row.render, seed)}"

    @property
    def _origin(self) -> Any:
        return [str(self.spec.data.resolve()), self.spec.demo]

    def _add_run(self, tasks: dict[str, Task], row: Row, seed: int, before: tuple[str, ...]) -> None:
        data_key = self._data_key(row, seed)
        data, needs = self.spec.data, before
        if row.render is not None:
            data = self.folder / "renders" / data_key
            pool = self.folder / "pools" / f"{_digest(self._origin, self.spec.pool)}.h5"
            source = ("--data", str(self.spec.data))
            if data_key not in tasks:
                argv = ("build-pool", *source, "--out", str(pool), *self.spec.pool)
                needs = (self._add(tasks, "pool", f"pool-{pool.stem}", "pool", pool, argv, before),)
                argv = ("render", *source, "--pool", str(pool), "--out", str(data), *row.render, "--seed", str(seed))
                title = f"render of {row.name}, seed {seed}"
                self._add(tasks, "render", data_key, title, data, argv, (*before, *needs))
            needs = (data_key,)
        settings = row.settings
        if row.first:
            first = replace(row, render=None, settings=row.first, first=())
            key, output = self.run_key(first, seed), self.run_of(first, seed)
            argv = self._training(first, seed, self.spec.data, first.settings)
            title = f"first training, seed {seed}"
            tasks.setdefault(key, Task("run", key, title, output, argv, before, self.folder, "network"))
            needs = (*needs, key)
            kept = [setting for setting in settings if not setting.startswith("weights=")]
            settings = (*kept, f"weights={output / 'network.pt'}")
        argv = self._training(row, seed, data, settings)
        title = f"training of {row.name}, seed {seed}"
        self._add(tasks, "run", self.run_key(row, seed), title, self.run_of(row, seed), argv, needs)

    def _training(self, row: Row, seed: int, data: Path, settings: tuple[str, ...]) -> tuple[str, ...]:
        """The words of `noda-train fit`."""
        cache = self.folder / "cache" / self._data_key(row, seed)
        sets = [word for one in (*settings, f"seed={seed}", f"cache_dir={cache}") for word in ("--set", one)]
        return (row.preset, "--data", str(data), *sets)

    def _add(
        self,
        tasks: dict[str, Task],
        kind: str,
        key: str,
        title: str,
        output: Path,
        argv: tuple[str, ...],
        needs: tuple[str, ...],
    ) -> str:
        keep = self.spec.keep if kind == "run" else "all"
        tests = self.spec.tests if kind == "run" else {}
        tasks.setdefault(key, Task(kind, key, title, output, argv, needs, self.folder, keep, tests))
        return key


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]
