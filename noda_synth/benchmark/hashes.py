"""Hashes of a benchmark's files: of labels, the same everywhere, and of pictures, the same with the same versions.

A .mat file counts by its arrays, for its bytes depend on the version of scipy.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json, write_json
from noda_synth.formats.files.matlab import load_mat
from noda_synth.runs.ownership import file_hash

HASHES = "hashes.json"
_LABELS, _BYTES = "labels", "bytes"
Hashes = dict[str, dict[str, str]]


def hashes_of(folder: Path, out: Path | None = None) -> Hashes:
    """{"labels": {relative name: SHA-256}, "bytes": {..}} of all that belongs to a benchmark.

    Args:
        folder: of the benchmark.
        out: the folder's final name, where links that count from it lead nowhere yet.
    """
    found: Hashes = {_LABELS: {}, _BYTES: {}}
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = path.relative_to(folder)
        if name.parts[0] in ("manifest.jsonl", "passed_over.jsonl") or "annot" in name.parts[1:2]:
            found[_LABELS][name.as_posix()] = _label_hash(path)
        elif "images" in name.parts[1:2]:
            if out is not None and path.is_symlink():
                path = Path(os.path.normpath((out.resolve() / name).parent / path.readlink()))
            found[_BYTES][name.as_posix()] = _hash(path)
    return found


def digest(labels: Mapping[str, str]) -> str:
    """One SHA-256 for all labels: two benchmarks are the same if theirs is."""
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()


def write_hashes(path: Path, hashes: Hashes) -> None:
    """Write what `read_hashes` reads. NodaError where it cannot be written."""
    write_json(path, hashes, sort_keys=True)


def read_hashes(folder: Path) -> Hashes:
    """The hashes that a benchmark states of itself. NodaError for a file that is damaged or none."""
    content = read_json(folder / HASHES)
    if not isinstance(content, dict) or not all(isinstance(content.get(kind), dict) for kind in (_LABELS, _BYTES)):
        raise NodaError(f"{folder / HASHES}: no list of hashes as `noda-synth benchmark` writes it")
    return {kind: content[kind] for kind in (_LABELS, _BYTES)}


def differences(stated: Hashes, found: Hashes) -> dict[str, list[str]]:
    """{"labels": [..], "bytes": [..]}: the files that differ, each with how: changed, missing or not listed."""
    result = {}
    for kind in (_LABELS, _BYTES):
        ours, theirs = found[kind], stated[kind]
        result[kind] = [
            f"{name}: {'missing' if name not in ours else 'changed' if name in theirs else 'not listed'}"
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ]
    return result


def _hash(path: Path) -> str:
    try:
        return file_hash(path)
    except OSError:
        return "cannot be read"


def _label_hash(path: Path) -> str:
    if path.suffix != ".mat":
        return _hash(path)
    try:
        arrays = load_mat(path)
    except NodaError:
        return _hash(path)
    found = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        if values.dtype.kind in "iuf":
            found.update(f"{name} {values.shape}\0".encode() + np.ascontiguousarray(values, "<f8").tobytes())
    return found.hexdigest()
