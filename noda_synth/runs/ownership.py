"""Whose files they are: what noda-synth wrote itself and may remove, and what is only read and never written to.

An output lists its own files in `files.jsonl`, one a line: {"name", "bytes", "sha256"}; a hard link has no hash,
run_log.json neither size nor hash, and of a symbolic link {"name", "link": true} is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import check_regular, parsed, write_json_lines

FILES = "files.jsonl"
_EXEMPT = (FILES, "run_log.json")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, NodaError)
_SHOWN = 5
# One mount a line, its place the fifth word, in which blanks stand as \040.
_MOUNTS, _OCTAL = Path("/proc/self/mountinfo"), re.compile(rb"\\([0-7]{3})")


def write_file_list(folder: Path, hashes: Mapping[str, str] | None = None) -> None:
    """List all files of a finished output in its `files.jsonl`.

    Args:
        folder: the output, under whatever name.
        hashes: relative name -> SHA-256 of files of which it is known already.
    """
    known = hashes or {}
    names = [name for name in _files_in(folder) if name != FILES]  # all of them, before the list itself comes up there
    write_json_lines(folder / FILES, (_entry(folder, name, known) for name in names))


def list_also(folder: Path, file: Path) -> None:
    """Enter a file that was written into a finished output later, such as its report; nothing for any other file, nor
    into a list that is damaged: by it nothing is removed any more, anyway."""
    if not (folder / FILES).is_file() or not file.resolve().is_relative_to(folder.resolve()):
        return
    name = file.resolve().relative_to(folder.resolve()).as_posix()
    try:
        listed = _listed(folder)
    except _DAMAGE:
        return
    others = [entry for other, entry in listed.items() if other != name]
    write_json_lines(folder / FILES, [*others, _entry(folder, name, {})])


def _listed(folder: Path) -> dict[str, dict[str, Any]]:
    """The entries of an output's list by their names. Raises one of _DAMAGE."""
    check_regular(folder / FILES)
    with (folder / FILES).open(encoding="utf-8") as lines:
        return {entry["name"]: entry for entry in map(parsed, lines)}


def _entry(folder: Path, name: str, known: Mapping[str, str]) -> dict[str, Any]:
    path = folder / name
    if path.is_symlink():
        return {"name": name, "link": True}
    if name in _EXEMPT:
        return {"name": name}
    state = path.stat()
    entry = {"name": name, "bytes": state.st_size}
    return entry if state.st_nlink > 1 else {**entry, "sha256": known.get(name) or file_hash(path)}


def check_removable(folder: Path, name: Path | None = None) -> None:
    """Raises NodaError, which names them, if there are files in an output that noda-synth did not write.

    So is a file that was changed since. Folders without files in them count for nothing.

    Args:
        folder: the output; of a link only the link would be removed, and a file is for the caller to judge.
        name: how the message calls it.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    name = name or folder
    try:
        listed = _listed(folder)
    except FileNotFoundError:
        raise NodaError(
            f"{name} has no list of the files that noda-synth wrote there ({FILES}), as older versions left it; "
            "it is not replaced: remove it yourself, or choose another output"
        ) from None
    except _DAMAGE as error:
        raise NodaError(f"{name / FILES} is damaged, so {name} is not replaced; remove it yourself") from error
    strangers = (file for file in _files_in(folder) if file != FILES and not _is_own(folder / file, listed.get(file)))
    if shown := list(islice(strangers, _SHOWN)):
        count = len(shown) + sum(1 for _ in strangers)
        more = f" and {count - len(shown)} more" if count > len(shown) else ""
        raise NodaError(
            f"{name} is not replaced, for noda-synth did not write all that is in it, or not as it is now: "
            f"{', '.join(shown)}{more}; move these away, or choose another output"
        )


def _is_own(path: Path, entry: Mapping[str, Any] | None) -> bool:
    if entry is None or path.is_symlink() != bool(entry.get("link")):
        return False
    if path.is_symlink() or path.name in _EXEMPT:
        return True
    if not path.is_file() or path.stat().st_size != entry.get("bytes"):
        return False
    if "sha256" not in entry:
        return path.stat().st_nlink > 1  # else it is the last name of an original
    return bool(file_hash(path) == entry["sha256"])


def _files_in(folder: Path) -> Iterator[str]:
    """Relative names of all that is no folder, in order; links are not followed."""
    for root, folders, files in os.walk(folder, onerror=_raise):
        inside = Path(root)
        links = [name for name in folders if (inside / name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted(files + links):
            yield (inside / name).relative_to(folder).as_posix()


def file_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of every file under a path by its relative name; of a file that stands alone under "."."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file_hash(file) for file in files}


def file_hash(file: Path) -> str:
    """SHA-256 of a file, a piece at a time."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _raise(error: OSError) -> None:
    raise error


def check_apart(out: Path, read: Iterable[Path]) -> None:
    """Raises NodaError if an output is something that is read, lies inside it, or holds it.

    Files and folders are told by what they are and not by their names, so links, mounts and the case of letters
    hide nothing.

    Args:
        out: the file or folder to be written; it need not be there.
        read: files and folders; those that are not there are nothing to lose.
    """
    around_out = {state for path in _upwards(out) if (state := identity(path))}
    own = identity(out)
    held = {own, *map(identity, _mounts_in(out))} - {None}
    for path in read:
        state = identity(path)
        if state is None:
            continue
        if state == own:
            raise NodaError(f"{out} is {path}, which is read and never written to; choose another output")
        if state in around_out and path.is_dir():
            raise NodaError(f"{out} lies inside {path}, which is read and never written to; choose another output")
        if not held.isdisjoint(map(identity, _upwards(path))):
            raise NodaError(f"{out} holds {path}, which is read and never written to; choose another output")


_FOLDERS = ("images", "annot", "annotations", "labels")
_FILES = (FILES, "manifest.jsonl", "report.json", "errors.jsonl", "run_log.json")


def parts_of(source: Path) -> list[Path]:
    """What is read of a data set, which may hold a file that is written beside it; any other source is itself read."""
    return [source / name for name in (*_FOLDERS, *_FILES)] if source.is_dir() else [source]


def check_free(out: Path, read: Iterable[Path | None], *, overwrite: bool) -> None:
    """Raises NodaError if a file can, or should, not be written: before any work is done for it.

    Args:
        out: the file.
        read: what must not be written to: files, and folders with all that is in them; None stands for nothing.
        overwrite: one that is there may be replaced.
    """
    check_apart(out, [path for path in read if path is not None])
    if out.is_dir():
        raise NodaError(f"{out} is a folder; name a file")
    if not overwrite and os.path.lexists(out):
        raise NodaError(f"{out} exists; choose another output, or --overwrite")
    place = next(folder for folder in out.absolute().parents if folder.is_dir())
    if not os.access(place, os.W_OK | os.X_OK):
        raise NodaError(f"{out} cannot be written: {place} is read-only")


def links_into(out: Path, folder: Path, names: Iterable[str]) -> Iterator[str]:
    """The names of images in a folder that are symbolic links to what lies in an output that is there already."""
    if not out.is_dir():
        return
    home = out.resolve()
    for name in names:
        path = folder / name
        # Path would raise for a name that no file can have.
        if os.path.islink(path) and Path(os.path.realpath(path)).is_relative_to(home):  # noqa: PTH114
            yield name


def identity(path: Path) -> tuple[int, int] | None:
    """What a file or folder is, whatever its name: device and inode. None if it is not there."""
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino


def _upwards(path: Path) -> list[Path]:
    """The path and all folders around it, links followed."""
    whole = Path(os.path.realpath(path))
    return [whole, *whole.parents]


def _mounts_in(folder: Path) -> Iterator[Path]:
    """What is mounted below a folder, which may be known by another name elsewhere. To look at all folders would take
    minutes of a large one; other systems than Linux, which have no such list, mount nothing twice."""
    home = os.path.realpath(folder)
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        place = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), line.split()[4])
        if (path := Path(os.fsdecode(place))).is_relative_to(home):
            yield path


def whole_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of all the files in a folder."""
    if path.is_file():
        return file_hash(path)
    return hashlib.sha256(json.dumps(file_hashes(path), sort_keys=True).encode()).hexdigest()
