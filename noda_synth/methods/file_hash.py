"""The hash of all that is pasted from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hash_of(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over names and bytes."""
    digest = hashlib.sha256()
    for name, data in files:
        digest.update(f"{name}\0".encode() + hashlib.sha256(data).digest())
    return digest.hexdigest()
