"""The rules for every record, in all formats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import People, Person, same_name, stays_inside
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import ItemError, Problem
from noda_synth.formats.files.json_pieces import MAX_DEPTH, TooDeep


def record_object(value: object, otherwise: str = "not an object") -> dict[str, Any]:
    """A record that is an object; ItemError otherwise, also for one that is nested too deeply."""
    if isinstance(value, TooDeep):
        raise ItemError(f"lists or objects in it are nested more than {MAX_DEPTH} deep")
    if not isinstance(value, dict):
        raise ItemError(otherwise)
    return value


_NOT_EMPTY = ("bbox", "keypoints", "area")


def image_name(value: object) -> str:
    """An image name that stays inside the images folder, one for all of its spellings; ItemError otherwise."""
    if not isinstance(value, str) or not value:
        raise ItemError("has no image name")
    if not stays_inside(value):
        if stays_inside(value.replace("\\", "/")):
            raise ItemError(f"its image name {value!r} has backslashes, which only Windows takes: write / for them")
        raise ItemError(f"its image name {value!r} leads out of the images folder: write it relative to that, with /")
    return same_name(value)


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
    """The id under a key, a whole number (1.0 is one, too) or text; ItemError otherwise."""
    value = record.get(key)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ItemError(f"{key}: {json.dumps(value)}, where a whole number or text is expected")
    return value


def stated(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of a COCO file with what it states: null is absent, and so are [] for a box and for keypoints."""
    if not any(value is None or value == [] for value in entry.values()):
        return entry
    return {key: value for key, value in entry.items() if value is not None and not (value == [] and key in _NOT_EMPTY)}


def noda_extension(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a record has under our key `noda`; empty where that is absent or somebody else's."""
    return _mapping(record.get("noda"))


def mpii_extension(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it has under `noda.mpii`: the part of an MPII record that COCO has no place for."""
    return _mapping(noda_extension(record).get("mpii"))


def center_and_scale(mpii: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The center, 0-based, and the scale of a part of an MPII record, None where they are absent or stand for nothing.

    `where` comes before their names in messages.
    """
    center = numbers(mpii.get("center", [-1, -1]), (2,), f"{where}center")
    scale = float(numbers(mpii.get("scale", -1), (), f"{where}scale"))
    return {"center": None if center[0] == -1 else center - 1, "scale": scale if scale > 0 else None}


def record_name(file: str, row: int, record: object, image_key: str) -> str:
    """`train.json record 3 (image a.jpg)`: the record by its number from 0, in messages."""
    image = record.get(image_key) if isinstance(record, dict) else None
    return f"{file} record {row}" + (f" (image {image})" if isinstance(image, str) else "")


def kept_under_noda(person: Person) -> dict[str, Any]:
    """What `noda` has besides visibility: as it was in a COCO input, else what COCO has no place for."""
    source = person.record if "keypoints" in person.record else {}
    if source:
        rewritten = ("visibility", "joints_visible")
        return {key: value for key, value in noda_extension(source).items() if key not in rewritten}
    left = ("image", "joints", "joints_vis", "joints_visible", "person_id")
    mpii = {key: value for key, value in person.record.items() if key not in left}
    head_box = {} if person.head_box is None else {"head_box": [float(value) for value in person.head_box]}
    return {"person_id": person.person_id, **({"mpii": mpii} if mpii else {}), **head_box}


class PersonRegistry:
    """Everyone of a data set, part by part: ids are made unique, and whoever has the very joints of a person before on
    the same image is marked as a duplicate.

    Attributes:
        problems: a note on each duplicate.
    """

    def __init__(self, file: str) -> None:
        self.problems: DiskList[Problem] = DiskList()
        self._file = file
        self._ids: set[str] = set()
        self._first_ids: dict[bytes, str] = {}  # image and joints, hashed -> the id of who had them first

    def add_all(self, persons: Iterable[Person]) -> People:
        """The persons of one more part, as they are to stand in the data set."""
        return People(map(self._registered, persons))

    def _registered(self, person: Person) -> Person:
        person_id = self._unused(person.person_id)
        self._ids.add(person_id)
        if person_id != person.person_id:
            person = replace(person, person_id=person_id)
        if not person.labelled.any():
            return person
        key = person.image.encode("utf-8", "surrogatepass") + b"\0" + person.joints.tobytes()
        first_id = self._first_ids.setdefault(blake2b(key, digest_size=16).digest(), person_id)
        if first_id == person_id:
            return person
        note = f"has the same joints as person {first_id}: carried along, but neither covered nor pasted"
        self.problems.append(Problem("read", f"{self._file} person {person_id}", note, failed=False))
        return replace(person, duplicate=True)

    def _unused(self, person_id: str) -> str:
        count, name = 2, person_id
        while name in self._ids:
            name, count = f"{person_id}~{count}", count + 1
        return name


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
