"""MPII JSON, as HRNet, Simple Baselines and MMPose read it: a list of {image, center, scale, joints, joints_vis}.

The numbers are 1-based pixels; `joints_vis` says labelled or not, never visible. Our own extra keys are
`joints_visible` (1, 0, -1 for unknown) and `person_id`. Loaders ignore keys that they do not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.geometry import head_size, joint_box
from noda_synth.data.skeleton import MPII
from noda_synth.errors import ItemError, NodaError, Problem, of_item
from noda_synth.formats.files.atomic import write_json_list
from noda_synth.formats.files.checks import (
    image_name,
    mpii_extension,
    noda_extension,
    numbers,
    record_name,
    record_object,
)
from noda_synth.formats.files.detect import KINDS, detect
from noda_synth.formats.files.json_pieces import open_json

ESTIMATED_SCALE_FROM_HEAD = 8 / 200
"""MPII's scale per pixel of head size (0.6 x diagonal of the head box): people are 8 heads tall (203 of 203)."""

ESTIMATED_SCALE_FROM_BOX = 1.05 / 200
"""MPII's scale per pixel of the diagonal of the joint box: the median of 203 validation people."""

_DECIMALS = 9


def read_records(path: Path) -> Iterator[Any]:
    """The records of an MPII JSON file, unchecked. NodaError if it is anything else than a list of records."""
    kind = detect(path)
    if kind != "mpii_json":
        raise NodaError(f"{KINDS[kind]}, where a list of MPII JSON records is expected.", path)
    with open_json(path) as file:
        yield from file.elements()
        file.end()


def read_persons(path: Path, problems: DiskList[Problem] | None = None) -> Iterator[Person | None]:
    """Every record of an MPII JSON file as a person, None where it cannot be used; what is wrong with those, by number
    from 0, goes to `problems`.

    Persons without a `person_id` of their own get an empty one; see `PersonIds`.
    """
    for row, record in enumerate(read_records(path)):
        try:
            with of_item():
                person = parse_record(record)
            yield person
        except ItemError as error:
            if problems is not None:
                problems.append(Problem("read", record_name(path.name, row, record, "image"), str(error)))
            yield None


def parse_record(record: object) -> Person:
    """One record as a person; ItemError says what is wrong with it."""
    record = record_object(record, "not an object with image, center, scale, joints and joints_vis")
    missing = [key for key in ("image", "center", "scale", "joints", "joints_vis") if key not in record]
    if missing:
        raise ItemError(f"lacks {', '.join(missing)}")
    image = image_name(record["image"])
    joints = numbers(record["joints"], (len(MPII), 2), "joints")
    labelled = numbers(_as_numbers(record["joints_vis"]), (len(MPII),), "joints_vis") > 0
    center = numbers(record["center"], (2,), "center")
    scale = float(numbers(_single(record["scale"]), (), "scale"))
    visible = np.full(len(MPII), UNKNOWN, np.int8)
    if "joints_visible" in record:
        stated = numbers(_as_numbers(record["joints_visible"]), (len(MPII),), "joints_visible")
        if not np.isin(stated, (VISIBLE, OCCLUDED, UNKNOWN)).all():
            raise ItemError("joints_visible: other values than 1, 0 and -1")
        visible = np.where(labelled, stated, UNKNOWN).astype(np.int8)
    return Person(
        image=image,
        person_id=str(record.get("person_id") or ""),
        joints=np.where(labelled[:, None], joints - 1, np.nan),
        labelled=labelled,
        visible=visible,
        center=None if center[0] == -1 else center - 1,
        scale=scale if scale > 0 else None,
        record=record,
    )


def _as_numbers(flags: Any) -> Any:
    """Flags with 1 and 0 for true and false."""
    return [int(flag) if isinstance(flag, bool) else flag for flag in flags] if isinstance(flags, list) else flags


def _single(scale: Any) -> Any:
    """The larger of a pair of scales, across and down, as MMPose 0.x has it: that of the height, not cut by a frame."""
    return max(numbers(scale, (2,), "scale")) if isinstance(scale, list) else scale


class PersonIds:
    """Names people "image#n", n from 0 among the people of an image, as they come."""

    def __init__(self) -> None:
        self._counts = Counter[str]()

    def with_id(self, person: Person) -> Person:
        """The person with an id, unless it has one."""
        self._counts[person.image] += 1
        if person.person_id:
            return person
        return replace(person, person_id=f"{person.image}#{self._counts[person.image] - 1}")


def mpii_record(person: Person) -> dict[str, Any]:
    """The MPII JSON record of a person, with `joints_visible` and `person_id`; a new dict that may be altered.

    What was read from MPII's files keeps its keys, their order and their very numbers. Anyone else (an MPII skeleton
    from a COCO file) is converted: joints to 1-based with nine decimals; center and scale as stored under
    `noda.mpii`, else estimated, which `estimated` names.

    Raises:
        NodaError: the person has other joints than MPII's 16.
    """
    record = dict(person.record) if "joints_vis" in person.record else _converted(person)
    record["joints_visible"] = [int(value) for value in person.visible]
    record["person_id"] = noda_extension(person.record).get("person_id", person.person_id)
    return record


def write_mpii_json(path: Path, persons: Iterable[Person], *, extra: bool = True) -> None:
    """Write a training or validation list; with `extra=False` without our two extra keys, for strict readers."""
    extra_keys = ("joints_visible", "person_id")
    records = (mpii_record(person) for person in persons)
    kept = ({key: record[key] for key in record if extra or key not in extra_keys} for record in records)
    write_json_list(path, kept)


def file_record(
    image: str,
    joints: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    center: Sequence[float] | None,
    scale: float | None,
    head_box: NDArray[np.float64] | None,
) -> dict[str, Any]:
    """A new record from 1-based numbers; joints (16, 2), anything where not labelled.

    A center that is not known is estimated as the middle of the joint box, a scale from the head box, or without one
    from the joint box; the extra key `estimated` lists which.
    """
    unknown = [name for name, value in (("scale", scale), ("center", center)) if value is None]
    if scale is None:
        scale = estimated_scale(joints[labelled], head_box)
    if center is None:
        box = joint_box(joints[labelled])
        center = [float(value) for value in (box[:2] + box[2:]) / 2]
    written = np.where(labelled[:, None], joints, -1.0)
    return {
        "joints": written.tolist(),
        "joints_vis": [int(known) for known in labelled],
        "scale": scale,
        "center": list(center),
        "image": image,
        **({"estimated": unknown} if unknown else {}),
    }


def estimated_scale(points: NDArray[np.float64], head_box: NDArray[np.float64] | None) -> float:
    """MPII's scale (person height / 200 px) from the head box (4,), or without one from the labelled joints (N, 2)."""
    if head_box is not None:
        size = head_size(head_box)
        if size > 0:
            return round(ESTIMATED_SCALE_FROM_HEAD * size, 6)
    box = joint_box(points)
    return round(max(ESTIMATED_SCALE_FROM_BOX * float(np.hypot(*(box[2:] - box[:2]))), 0.01), 6)


def one_based(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """0-based to 1-based. (x - 1) + 1 differs from x in the last bit for some x; nine decimals bring it back."""
    result: NDArray[np.float64] = np.round(values + 1, _DECIMALS)
    return result


def _converted(person: Person) -> dict[str, Any]:
    if len(person.joints) != len(MPII):
        raise NodaError(f"person {person.person_id}: {len(person.joints)} joints do not map to MPII's {len(MPII)}.")
    center = None if person.center is None else [float(value) for value in one_based(person.center)]
    head_box = None if person.head_box is None else one_based(person.head_box)
    record = file_record(person.image, one_based(person.joints), person.labelled, center, person.scale, head_box)
    return {**record, **mpii_extension(person.record)}
