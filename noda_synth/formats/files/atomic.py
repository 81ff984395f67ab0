"""Files: read with errors that name the file, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from noda_synth.errors import ItemError, NodaError, Problem

_COPY_BYTES = 1 << 20
# Characters of a name in that of its part, which may not be longer than a file system's names: 255 bytes.
_SHOWN = 50


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The content of a file, or its start, that must be there and not be empty; NodaError otherwise."""
    check_regular(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(size)
    except OSError as error:
        raise unreadable(path, error) from None
    if not data:
        raise NodaError("the file is empty. Fetch or write it again.", path)
    return data


def check_regular(path: Path) -> None:
    """NodaError for a FIFO, which would be waited for, for a socket and a device; what is not there is not looked for
    here."""
    with suppress(OSError, ValueError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise NodaError("no regular file, but a FIFO, a socket or a device; name a file.", path)


def parsed(text: str | bytes) -> Any:
    """`json.loads`, for which a text that is nested too deeply is a ValueError as well."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> Any:
    """The parsed content of a small JSON file (large ones are for `json_pieces`); NodaError if it is damaged, with line
    and column."""
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NodaError("neither a .mat or HDF5 file nor JSON text.", path) from None
    except json.JSONDecodeError as error:
        raise damaged_json(path, error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise NodaError("not valid JSON (nested too deeply).", path) from None
    except ValueError:
        raise NodaError("not valid JSON (a number of thousands of digits).", path) from None


def damaged_json(path: Path, why: str, line: int, column: int) -> NodaError:
    """The error for a JSON file with a fault at a line and column, both from 1."""
    place = f"{why} at line {line}, column {column}"
    return NodaError(f"not valid JSON ({place}). If the file was cut short, fetch or write it again.", path)


def unreadable(path: Path, error: OSError) -> NodaError:
    """The error for a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return NodaError("no such file.", path)
    return NodaError(f"cannot be read ({error.strerror or error}).", path)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file, to appear under its new name when whole. The folder is made if need be."""
    read_bytes(source, 1)
    with source.open("rb") as stream:
        write_bytes(path, iter(lambda: stream.read(_COPY_BYTES), b""))


def write_atomically(path: Path, data: bytes | str | Iterable[bytes]) -> None:
    """Write a file, or its pieces one by one, so that it appears under its name only when it is whole and on the disk.

    An OSError passes through.
    """
    pieces = [data.encode() if isinstance(data, str) else data] if isinstance(data, bytes | str) else data
    with _part_of(path) as part, part.open("wb") as stream:
        stream.writelines(pieces)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path for libraries that write files themselves: what they write there becomes `path` when the block ends
    without an error, else it is removed. The folder is made if need be. Raises NodaError for an OSError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _part_of(path) as part:
            yield part
    except OSError as error:
        raise NodaError(f"cannot be written ({error.strerror or error}).", path) from None


def write_bytes(path: Path, data: bytes | Iterable[bytes]) -> None:
    """`write_atomically` with a NodaError that names the file. The folder is made if need be."""
    with atomic_path(path) as part, part.open("wb") as stream:
        stream.writelines([data] if isinstance(data, bytes) else data)


def write_item(path: Path, data: bytes) -> None:
    """Write one of many files of a shard, which is kept only when it is whole.

    An OSError passes through, but for a name that is longer than the file system's names may be: an ItemError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            error.filename = error.filename or str(path)  # what a full disk says names no file
            raise
        raise ItemError(f"{path.name}: {error.strerror}; give the image a shorter name") from error


def write_text(path: Path, text: str | Iterable[str]) -> None:
    """`write_bytes` in UTF-8, with the same line ends on every system; of a long text its pieces, one by one."""
    write_bytes(path, (piece.encode() for piece in ([text] if isinstance(text, str) else text)))


def write_json(path: Path, value: Any, *, sort_keys: bool = False) -> None:
    """`write_text` of a value as JSON, indented by one."""
    write_text(path, json.dumps(value, indent=1, sort_keys=sort_keys) + "\n")


def write_json_lines(path: Path, items: Iterable[Any]) -> None:
    """`write_text` of values as JSON, one per line."""
    write_text(path, (json.dumps(item) + "\n" for item in items))


def write_json_list(path: Path, items: Iterable[Any]) -> None:
    """`write_text` of values as a JSON list, one per line."""
    write_text(path, chain(list_pieces(items), "\n"))


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write `errors.jsonl`, one problem per line; no file where there are no problems."""
    remaining = iter(problems)
    if first := next(remaining, None):
        write_json_lines(path, (problem.as_json() for problem in chain([first], remaining)))


def list_pieces(items: Iterable[Any]) -> Iterator[str]:
    """A JSON list with one item per line, easy to read and to compare, piece by piece. Numbers keep their digits."""
    between = "[\n"
    for item in items:
        yield between + json.dumps(item)
        between = ",\n"
    yield "\n]" if between == ",\n" else "[]"


@contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name[:_SHOWN]}.{uuid.uuid4().hex[:8]}")
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())  # else the file could be empty after a power cut, under its final name
        part.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # what a full disk says names no file
        raise
    finally:
        with suppress(OSError):  # a parent that is no folder, for example: the write has said what is wrong
            part.unlink(missing_ok=True)
