"""Files at the edge: read with errors that name the file, written whole or not at all."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError

_COPY_BYTES = 1 << 20


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The content of a file, or its start, that must be there and not be empty; NodaError otherwise."""
    try:
        with path.open("rb") as stream:
            data = stream.read(size)
    except OSError as error:
        raise unreadable(path, error) from None
    if not data:
        raise NodaError(f"{path}: the file is empty. Fetch or write it again.")
    return data


def read_json(path: Path) -> Any:
    """The parsed content of a small JSON file (large ones are for `json_pieces`); NodaError if it is damaged, with line
    and column."""
    try:
        return json.loads(read_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NodaError(f"{path}: neither a .mat or HDF5 file nor JSON text.") from None
    except json.JSONDecodeError as error:
        raise NodaError(
            f"{path}: not valid JSON ({error.msg} at line {error.lineno}, column {error.colno}). "
            "If the file was cut short, fetch or write it again."
        ) from None
    except RecursionError:
        raise NodaError(f"{path}: not valid JSON (nested too deeply).") from None
    except ValueError:
        raise NodaError(f"{path}: not valid JSON (a number of thousands of digits).") from None


def unreadable(path: Path, error: OSError) -> NodaError:
    """The error for a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return NodaError(f"{path}: no such file.")
    return NodaError(f"{path}: cannot be read ({error.strerror or error}).")


def copy_file(source: Path, path: Path) -> None:
    """Copy a file, to appear under its new name when whole. The folder is made if need be."""
    read_bytes(source, 1)
    with source.open("rb") as stream:
        _written(path, iter(lambda: stream.read(_COPY_BYTES), b""))


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that it appears under its name only when whole; an OSError passes through."""
    _write_parts(path, [data.encode() if isinstance(data, str) else data])


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path for libraries that write files themselves: what lies there becomes `path` when the block ends without an
    error, else it is removed. The folder is made if need be. Raises NodaError for an OSError."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise NodaError(f"{path}: cannot be written ({error.strerror or error}).") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """`write_atomically` with an error that names the file. The folder is made if need be."""
    _written(path, [data])


def write_text(path: Path, text: str | Iterable[str]) -> None:
    """`write_bytes` in UTF-8, with the same line ends on every system; of a long text its pieces, one by one."""
    _written(path, (piece.encode() for piece in ([text] if isinstance(text, str) else text)))


def json_list(items: Iterable[Any]) -> str:
    """A JSON list with one item a line, which can be read by eye and compared by line. Numbers keep their digits."""
    return "".join(list_pieces(items))


def list_pieces(items: Iterable[Any]) -> Iterator[str]:
    """`json_list` for `write_text`, an item at a time."""
    between = "[\n"
    for item in items:
        yield between + json.dumps(item)
        between = ",\n"
    yield "\n]" if between == ",\n" else "[]"


def _written(path: Path, parts: Iterable[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_parts(path, parts)
    except OSError as error:
        raise NodaError(f"{path}: cannot be written ({error.strerror or error}).") from None


def _write_parts(path: Path, parts: Iterable[bytes]) -> None:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with part.open("wb") as stream:
            stream.writelines(parts)
        part.replace(path)
    finally:
        with suppress(OSError):  # of a folder that is none, for instance: the write has said what is wrong
            part.unlink(missing_ok=True)
