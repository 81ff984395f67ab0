"""The hash of all that is pasted from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def hash_of(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 over names and the bytes of files, which are read a piece at a time."""
    digest = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as stream:
            digest.update(f"{name}\0".encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
