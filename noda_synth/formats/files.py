"""Files at the edge: read with errors that name the file, written whole or not at all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError


def read_bytes(path: Path) -> bytes:
    """The content of a file that must be there and not be empty; NodaError otherwise."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NodaError(f"{path}: no such file.") from None
    except OSError as error:
        raise NodaError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if not data:
        raise NodaError(f"{path}: the file is empty. Fetch or write it again.")
    return data


def read_json(path: Path) -> Any:
    """The parsed content of a JSON file; NodaError that names line and column where it is damaged."""
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


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that it appears under its name only when whole; an OSError passes through."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        part.write_bytes(data.encode() if isinstance(data, str) else data)
        part.replace(path)
    finally:
        with suppress(OSError):  # of a folder that is none, for instance: the write has said what is wrong
            part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """`write_atomically` with an error that names the file. The folder is made if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise NodaError(f"{path}: cannot be written ({error.strerror or error}).") from None


def write_text(path: Path, text: str) -> None:
    """`write_bytes` in UTF-8, with the same line ends on every system."""
    write_bytes(path, text.encode())


def json_list(items: Iterable[Any]) -> str:
    """A JSON list with one item a line, which can be read by eye and compared by line. Numbers keep their digits."""
    lines = ",\n".join(json.dumps(item) for item in items)
    return f"[\n{lines}\n]" if lines else "[]"
