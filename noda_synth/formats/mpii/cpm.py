"""The JSON of convolutional pose machines and pytorch-pose: MPII with visibility and split in one file.

A list of records, or one under the key `root`, as MATLAB's writer leaves it. Numbers are 1-based pixels, as in the .mat
that it was made from. `joint_self` has x, y and a flag for each joint: 1 visible, 0 occluded, 2 not labelled; (0, 0) is
not labelled either. The other people of `joint_others` have records of their own, or are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import MPII
from noda_synth.errors import ItemError, Problem
from noda_synth.formats.files.checks import image_name, numbers, record_name
from noda_synth.formats.files.detect import CPM_ROOT
from noda_synth.formats.files.json_pieces import list_in, open_json
from noda_synth.formats.mpii.records import file_record, parse_record

_NOT_LABELLED = 2


def read_cpm(path: Path, problems: DiskList[Problem]) -> tuple[DiskList[Person], DiskList[Person]]:
    """The people of the training and of the validation part. Where no labelled joint of the whole file is 0, its
    visibility is unknown: the flag then only says that there is a joint.

    Args:
        path: the file; NodaError if it is damaged.
        problems: takes the records that cannot be used, by number from 0.
    """
    parts: tuple[DiskList[Person], DiskList[Person]] = (DiskList(), DiskList())
    occluded = False
    for row, record in enumerate(_records(path)):
        try:
            person, for_validation = _parse(record)
        except ItemError as error:
            problems.append(Problem("read", record_name(path.name, row, record, "img_paths"), str(error)))
            continue
        occluded |= bool((person.visible == OCCLUDED).any())
        parts[for_validation].append(person)
    if occluded or not any(parts):
        return parts
    note = "no joint has the flag 0, of occluded ones: visibility unknown"
    problems.append(Problem("read", path.name, note, failed=False))
    unknown = np.full(len(MPII), UNKNOWN, np.int8)
    train, valid = (DiskList(replace(person, visible=unknown) for person in part) for part in parts)
    return train, valid


def _records(path: Path) -> Iterator[Any]:
    with open_json(path) as file:
        if file.kind == "[":
            yield from file.elements()
            file.end()
            return
    yield from list_in(path, CPM_ROOT)


def _parse(record: Any) -> tuple[Person, bool]:
    """A person, and whether for validation. ItemError says what is wrong."""
    if not isinstance(record, dict):
        raise ItemError("not an object with img_paths, joint_self, objpos and scale_provided")
    keys = ("img_paths", "joint_self", "objpos", "scale_provided")
    if missing := [key for key in keys if key not in record]:
        raise ItemError(f"lacks {', '.join(missing)}")
    image = image_name(record["img_paths"])
    table = numbers(record["joint_self"], (len(MPII), 3), "joint_self")
    flags = table[:, 2]
    if not np.isin(flags, (VISIBLE, OCCLUDED, _NOT_LABELLED)).all():
        raise ItemError("joint_self: other flags than 0, 1 and 2")
    labelled = (flags != _NOT_LABELLED) & (table[:, :2] != 0).any(axis=1)
    # Where the .mat has none, null or [] stands there.
    center = numbers(record["objpos"], (2,), "objpos").tolist() if record["objpos"] else None
    scale = float(numbers(record["scale_provided"] or 0, (), "scale_provided"))
    part = float(numbers(record.get("isValidation") or 0, (), "isValidation"))
    person = parse_record(file_record(image, table[:, :2], labelled, center, scale if scale > 0 else None, None))
    index = record.get("people_index")  # from 1
    named = f"{image}#{int(index) - 1}" if isinstance(index, int | float) and float(index).is_integer() else ""
    visible = np.where(labelled, flags, UNKNOWN).astype(np.int8)
    return replace(person, visible=visible, person_id=named), part != 0
