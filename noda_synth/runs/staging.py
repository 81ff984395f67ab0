"""The folder beside an output in which it is made, and all that makes it survive an interruption.

What is finished there carries the SHA-256 of its files, and is trusted by a later run only if they are still the
same. The output appears under its own name when it is whole.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.atomic import write_atomically

_ORPHAN_SECONDS, _PATIENCE_SECONDS = 30, 2


@dataclass(frozen=True)
class Outcome:
    """What a worker says of its shard: small, kept as JSON beside the shard's data.

    Attributes:
        problems: what could not be used.
        seconds: stage -> seconds of work.
        counts: name -> number, or name -> {name: number}.
    """

    problems: Sequence[Problem] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Outcome:
        """Raises KeyError or TypeError for a record that is no outcome."""
        return cls([Problem(**problem) for problem in record["problems"]], record["seconds"], record["counts"])


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


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        # A worker that outlived a killed run may still be writing in there: it ends with the shard that it has begun.
        start, said = time.monotonic(), False
        while path.exists():
            try:
                shutil.rmtree(path)
            except OSError as error:
                waited = time.monotonic() - start
                if error.errno not in (errno.ENOTEMPTY, errno.ENOENT) or waited > _ORPHAN_SECONDS:
                    raise
                if waited > _PATIENCE_SECONDS and not said:
                    said = True
                    sys.stderr.write(f"{path}: waiting for a worker of a killed run (at most {_ORPHAN_SECONDS} s)\n")
                time.sleep(0.05)
    else:
        path.unlink(missing_ok=True)


def file_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of every file under a path by its relative name; of a file that stands alone under "."."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file_hash(file) for file in files}


def whole_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of all the files in a folder."""
    if path.is_file():
        return file_hash(path)
    return hashlib.sha256(json.dumps(file_hashes(path), sort_keys=True).encode()).hexdigest()


def file_hash(file: Path) -> str:
    """SHA-256 of a file, a piece at a time."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_output(out: Path, theirs: dict[str, Any] | None, ours: dict[str, Any], overwrite: bool) -> bool:
    """Whether the output is there already, made with these very settings.

    Args:
        out: the output.
        theirs: the settings it was made with, or None if noda-synth did not make it.
        ours: the settings of this run.
        overwrite: start anew.

    Raises:
        NodaError: the output exists, and is something else.
    """
    if not (out.exists() or out.is_symlink()):
        return False
    if theirs is None:
        raise NodaError(f"{out} exists and was not made by noda-synth, so it is left alone; choose another output")
    if overwrite:
        return False
    if theirs != json.loads(settings_json(ours)):
        raise NodaError(
            f"{out} exists, made with other settings ({settings_difference(ours, theirs)}); "
            "choose another output, or --overwrite"
        )
    return True


@dataclass(frozen=True)
class Part:
    """One of several runs that share the work on an output: number 1, 2, ... of so many (`--shard 2/4`)."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


def read_settings(report: Path) -> dict[str, Any] | None:
    """What a report in an output (`report.json`, `benchmark.json`) says under "settings"; None if there is none."""
    try:
        settings: dict[str, Any] = json.loads(report.read_text())["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return settings


class Staging:
    """The folder in which an output is made, with the settings it was begun with.

    Attributes:
        out: the output.
        part: which part of the work this run does, or None for all of it.
        folder: where finished shards are kept until the output is whole.
    """

    def __init__(self, out: Path, part: Part | None = None) -> None:
        self.out = out
        self.part = part
        self.folder = out.with_name(f"{out.name}.partial" if part is None else f"{out.name}.shard-{part}")

    def start(
        self, settings: dict[str, Any], theirs: dict[str, Any] | None, *, overwrite: bool = False
    ) -> AbstractContextManager[None] | None:
        """Begin a run: what holds the folder for it, or None if the output is there already with these settings.

        Args:
            settings: all that decides what is written.
            theirs: the settings that the output was made with, or None if noda-synth did not make it.
            overwrite: replace the output, and drop what an interrupted run left.

        Raises:
            NodaError: the output exists, and is something else.
        """
        if check_output(self.out, theirs, settings, overwrite):
            self._remove_leftovers()
            return None
        return self.hold(settings, overwrite)

    @contextmanager
    def hold(self, settings: dict[str, Any], overwrite: bool = False) -> Iterator[None]:
        """Hold the folder for this run; on the way out it stays, unless `finish` or `drop` removed it.

        A run that does all of the work takes in what the parts have finished. A run that is refused before any shard is
        finished leaves no folder, which would only refuse the next one for its other settings.

        Args:
            settings: all that decides what is written.
            overwrite: drop what an interrupted run left.

        Raises:
            NodaError: another run holds it, or it was begun with other settings.
        """
        with _locked(self.folder, self.out):
            self._begin(settings, overwrite)
            if self.part is None:
                for folder in part_folders(self.out).values():
                    with _locked(folder, self.out):
                        self._take_in(folder, settings, overwrite)
            try:
                yield
            except NodaError:
                if not self._any_finished():
                    self.drop()
                raise

    def drop(self) -> None:
        """Remove the folder of this run, of which nothing can be used."""
        remove(self.folder)

    def finished(self, shard: str) -> Outcome | None:
        """What was said of a shard that is done and whole, or None.

        Its files lie where the worker put them or, once they were collected, under the same name in the result.
        """
        try:
            note = json.loads(self._note(shard).read_text())
            for name, expected in note["files"].items():
                file = self.data(shard) / name
                if file_hash(file if file.exists() else self.result / name) != expected:
                    return None
            return Outcome.from_json(note["outcome"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def outcome(self, shard: str) -> Outcome:
        """What was said of a shard that is done."""
        return Outcome.from_json(json.loads(self._note(shard).read_text())["outcome"])

    def store(self, shard: str, temporary: Path, files: dict[str, str], outcome: Outcome) -> None:
        """Keep what a worker wrote as the data of a finished shard."""
        self._note(shard).unlink(missing_ok=True)
        remove(self.data(shard))
        temporary.replace(self.data(shard))
        write_atomically(self._note(shard), json.dumps({"files": files, "outcome": asdict(outcome)}))

    def data(self, shard: str) -> Path:
        """Where the data of a finished shard lies: a file or a folder, as its worker made it."""
        return self.folder / "shards" / shard

    @property
    def temporary(self) -> Path:
        """Where workers write, under names of their own."""
        return self.folder / "tmp"

    @property
    def result(self) -> Path:
        """Where the output is put together."""
        return self.folder / "result"

    def finish(self, whole: Path) -> None:
        """Give the finished output, which lies in the staging folder, its name, and remove the rest."""
        if self.out.exists():
            self.out.replace(self.folder / "replaced")
        whole.replace(self.out)
        for folder in (*part_folders(self.out).values(), self.folder):
            remove(folder)

    def _remove_leftovers(self) -> None:
        """Remove the folder if a run died when its output already had its name."""
        if self.folder.is_dir():
            with _locked(self.folder, self.out):
                remove(self.folder)

    def _note(self, shard: str) -> Path:
        return self.folder / "shards" / f"{shard}.json"

    def _any_finished(self) -> bool:
        return any((self.folder / "shards").glob("*.json"))

    def _begin(self, settings: dict[str, Any], overwrite: bool) -> None:
        if overwrite:
            for name in ("settings.json", "command.json", "shards", "result"):
                remove(self.folder / name)
        theirs = _begun_with(self.folder)
        if theirs is None or theirs != json.loads(settings_json(settings)):
            if theirs is not None and self._any_finished():
                raise NodaError(
                    f"{self.folder} holds an interrupted run with other settings "
                    f"({settings_difference(settings, theirs)}); "
                    "use those to go on, or --overwrite to start anew"
                )
            write_atomically(self.folder / "settings.json", settings_json(settings))
        remove(self.temporary)
        for name in ("tmp", "shards"):
            (self.folder / name).mkdir(exist_ok=True)

    def _take_in(self, folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
        """Move the finished shards of a part here; with `overwrite` they are dropped."""
        theirs = _begun_with(folder)
        if theirs is not None and not overwrite:
            if theirs != json.loads(settings_json(settings)):
                raise NodaError(
                    f"{folder} was made with other settings ({settings_difference(settings, theirs)}); "
                    "run it again with these, or remove it"
                )
            for note in sorted((folder / "shards").glob("*.json")):
                for source in (note.with_suffix(""), note):
                    target = self.folder / "shards" / source.name
                    if source.exists() and not target.exists():
                        source.replace(target)


def part_folders(out: Path) -> dict[Part, Path]:
    """The folders that parts of the work on an output have left beside it."""
    name = re.compile(re.escape(out.name) + r"\.shard-(\d+)-of-(\d+)")
    folders = ((name.fullmatch(folder.name), folder) for folder in sorted(out.parent.iterdir()))
    return {Part(int(match[1]), int(match[2])): folder for match, folder in folders if match}


def unfinished(out: Path) -> str:
    """For the message that an output is not there: what unfinished runs have left beside it, and the way on."""
    if Staging(out).folder.is_dir():
        return f"; {Staging(out).folder} is an unfinished run: the same command again goes on with it"
    if out.parent.is_dir() and (parts := part_folders(out)):
        return f"; {', '.join(folder.name for folder in parts.values())} beside it wait for `noda-synth merge {out}`"
    return ""


def _begun_with(folder: Path) -> dict[str, Any] | None:
    try:
        settings: dict[str, Any] = json.loads((folder / "settings.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise NodaError(f"{folder / 'settings.json'} is damaged; --overwrite starts anew") from None
    return settings


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made if it is missing. The system frees the lock of a process that dies."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NodaError(f"another run is writing {out}; wait for it, or choose another output") from None
            # The run that held the lock may have finished and removed the folder in the meantime.
            if _same_file(folder / "lock", lock.fileno()):
                yield
                return


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
