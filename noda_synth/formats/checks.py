"""What every record has to keep to, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.dataset import Person
from noda_synth.errors import ItemError, Problem


def image_name(value: object) -> str:
    """An image name that stays inside the images folder; ItemError otherwise.

    Backslashes, drive letters and NUL are refused on every system, so that a data set is as safe on one as on another.
    """
    if not isinstance(value, str) or not value:
        raise ItemError("has no image name")
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.name or any(sign in value for sign in "\\:\0"):
        raise ItemError(f"its image name {value!r} leads out of the images folder")
    return value


def numbers(value: object, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    """Finite numbers as float64 of the given shape; ItemError that says what is wrong with `what`."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ItemError(f"{what}: rows of unequal length") from None
    if array.dtype.kind not in "iuf":
        raise ItemError(f"{what}: not numbers")
    if array.shape != shape:
        raise ItemError(f"{what}: shape {array.shape} where {shape} is expected")
    if not np.isfinite(array).all():
        raise ItemError(f"{what}: NaN or infinite")
    return array.astype(np.float64)


def identity(record: Mapping[str, Any], key: str) -> int | str:
    """The id under a key, a whole number or text; ItemError otherwise."""
    value = record.get(key)
    if not isinstance(value, int | str):
        raise ItemError(f"{key}: a number or text is expected")
    return value


def own_part(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a record has under our key `noda`; empty where that is absent or somebody else's."""
    return _mapping(record.get("noda"))


def own_mpii(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it has under `noda.mpii`: the part of an MPII record that COCO has no place for."""
    return _mapping(own_part(record).get("mpii"))


def mark_duplicates(persons: Iterable[Person], file: str) -> tuple[list[Person], list[Problem]]:
    """Mark whoever has the very joints of a person before on the same image; ids are made unique as well."""
    marked: list[Person] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, bytes], str] = {}
    taken: set[str] = set()
    for person in persons:
        fresh = replace(person, person_id=_unused(person.person_id, taken))
        taken.add(fresh.person_id)
        if fresh.labelled.any():
            first = seen.setdefault((fresh.image, fresh.joints.tobytes()), fresh.person_id)
            if first != fresh.person_id:
                fresh = replace(fresh, duplicate=True)
                reason = f"has the same joints as person {first}: carried along, but neither covered nor pasted"
                problems.append(Problem("read", f"{file} person {fresh.person_id}", reason, failed=False))
        marked.append(fresh)
    return marked, problems


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _unused(person_id: str, taken: set[str]) -> str:
    count, name = 2, person_id
    while name in taken:
        count, name = count + 1, f"{person_id}~{count}"
    return name
