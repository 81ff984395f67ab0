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
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.atomic import parsed, write_atomically
from noda_synth.runs.ownership import check_removable, file_hash, write_file_list
from noda_synth.runs.planned_images import NOTE, check_images, check_same_images, note_images, take_over

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


def check_output(out: Path, theirs: dict[str, Any] | None, ours: dict[str, Any], overwrite: bool) -> bool:
    """Whether the output is there already, made with these very settings.

    Args:
        out: the output.
        theirs: the settings it was made with, or None if noda-synth did not make it.
        ours: the settings of this run.
        overwrite: start anew.

    Raises:
        NodaError: the output exists, and is something else; or it is to be replaced, and others have files in it.
    """
    if not (out.exists() or out.is_symlink()):
        return False
    if theirs is None:
        raise NodaError(f"{out} exists and was not made by noda-synth, so it is left alone; choose another output")
    if overwrite:
        check_removable(out)
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
        settings: dict[str, Any] = parsed(report.read_text())["settings"]
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
        self._replaced: FileState | None = None  # the output that was there when the run began, and may be replaced

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
        self._replaced = _state(self.out)
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
        _check_folder(self.folder)
        with _locked(self.folder, self.out):
            self._put_back()
            self._begin(settings, overwrite)
            try:
                if self.part is None:
                    folders = list(part_folders(self.out).values())
                    if not overwrite:
                        check_same_images([folder / NOTE for folder in folders])
                    for folder in folders:
                        _check_folder(folder)
                        with _locked(folder, self.out):
                            self._take_in(folder, settings, overwrite)
                yield
            except NodaError:
                if not self._any_finished():
                    self.drop()
                raise

    def hold_to(self, folders: Sequence[Path], images: Collection[tuple[int, str]]) -> None:
        """Note the images that the work is planned on, each as the number of its folder and its name.

        Raises:
            NodaError: shards are finished, and an image has changed since these were begun, or the plan has.
        """
        note = self.folder / NOTE
        if self._any_finished():
            check_images(note, folders, images)
        note_images(note, folders, images)

    def drop(self) -> None:
        """Remove the folder of this run, of which nothing can be used."""
        remove(self.folder)

    def finished(self, shard: str) -> Outcome | None:
        """What was said of a shard that is done and whole, or None.

        Its files lie where the worker put them or, once they were collected, under the same name in the result.
        """
        try:
            note = parsed(self._note(shard).read_text())
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
        """Give the finished output, which lies in the staging folder, its name, and remove the rest.

        Raises:
            NodaError: an output of that name has come up meanwhile, or others have put files into the one that is to be
                replaced; it stays, and so does what is finished.
        """
        if whole.is_dir():
            write_file_list(whole, self._hashes())
        self._move_away()
        whole.replace(self.out)
        for folder in (*part_folders(self.out).values(), self.folder):
            remove(folder)

    def _move_away(self) -> None:
        """Move the output that is to be replaced into this folder, where nobody looks for it any more."""
        found, replaced = _state(self.out), self.folder / "replaced"
        if found is None:
            return
        if self._replaced is None or (found != self._replaced and not self.out.is_dir()):
            raise NodaError(f"{self.out} has come up while this run worked, and is left alone; move it away")
        self.out.replace(replaced)
        try:
            check_removable(replaced, self.out)
        except NodaError:
            replaced.replace(self.out)
            raise

    def _put_back(self) -> None:
        """Give an output its name back that a run had moved away when it was killed."""
        replaced = self.folder / "replaced"
        if replaced.exists() and _state(self.out) is None:
            replaced.replace(self.out)
            raise NodaError(f"{self.out} was moved away by a run that was killed, and is back; run the command again")

    def _hashes(self) -> dict[str, str]:
        """Relative name -> SHA-256, of what the shards have written."""
        notes = (json.loads(note.read_text()) for note in (self.folder / "shards").glob("*.json"))
        return {name: value for note in notes for name, value in note["files"].items()}

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
            for name in ("settings.json", "command.json", "shards", "result", NOTE):
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
            take_over(folder / NOTE, self.folder / NOTE)


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
        settings: dict[str, Any] = parsed((folder / "settings.json").read_text())
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


# All that runs put into a staging folder, with what they were writing when they were killed, and NFS's open files.
_OWN_NAMES = re.compile(
    r"lock|settings\.json|command\.json|images\.jsonl|shards|tmp|result|replaced|bodies\.json|pool\.h5|\..+\.[0-9a-f]{8}|\.nfs.*"
)


def _check_folder(folder: Path) -> None:
    """Raises NodaError for a staging folder with something in it that no run puts there: it is removed in the end."""
    if not folder.is_dir():
        return
    if strange := sorted(path.name for path in folder.iterdir() if not _OWN_NAMES.fullmatch(path.name)):
        raise NodaError(
            f"{folder}, which this run needs and removes in the end, holds {', '.join(strange)}; move this away"
        )


FileState = tuple[int, ...]


def _state(path: Path) -> FileState | None:
    """What tells a file from another one of its name, and from itself when it has been written to."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
