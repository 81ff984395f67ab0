"""The original MPII annotations, `mpii_human_pose_v1_u12_1.mat`: every annotated person, visibility, head boxes.

Its people come in the order of the file, with the joints, center and scale of an MPII JSON record in 1-based numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Image, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import MPII
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.files.checks import image_name, numbers
from noda_synth.formats.files.mat_structs import Matrix, read_variable
from noda_synth.formats.mpii.records import file_record

Struct = Mapping[str, Matrix]

_POSETRACK = frozenset({"is_labeled", "imgnum"})
"""Fields of PoseTrack17's annolist that MPII's has not."""


@dataclass(frozen=True)
class Release:
    """One part of the .mat.

    Attributes:
        images: its images by name, with their video.
        persons: everyone on them with at least one joint; `person_id` is "image#r", r the 0-based index in `annorect`.
        problems: records that could not be used, and what was left out.
        test: of the training part, what the file has besides: the images of MPII's test part, whose joints are public
            in some files only.
    """

    images: dict[str, Image]
    persons: Sequence[Person]
    problems: Sequence[Problem]
    test: Release | None = None

    @property
    def everyone(self) -> Sequence[Person]:
        """The people of both parts."""
        test = self.test.persons if self.test else ()
        return DiskList(chain(self.persons, test)) if test else self.persons


def read_release(path: Path) -> Release:
    """Read the original .mat, also as scipy saves it again: with cells for struct arrays, or without RELEASE around.

    Raises:
        NodaError: the file as a whole is unusable. Bad records become problems.
    """
    release = _content(path)
    entries = _elements(release, "annolist")
    if not entries:
        raise NodaError("no RELEASE.annolist in this .mat; it is not MPII's original annotation file.", path)
    if not _POSETRACK.isdisjoint(entries[0]):
        raise NodaError("PoseTrack's annolist, whose joints are not MPII's; its JSON files are COCO keypoints.", path)
    in_training = _flags(release, "img_train", len(entries))
    train, test = (
        _read_part(path, (entry for entry, flag in zip(entries, in_training, strict=True) if flag is part))
        for part in (True, False)
    )
    return replace(train, test=test)


def note_on_test_part(release: Release, file: str) -> Iterator[Problem]:
    """A note on the test part that is left out, where there is one."""
    if release.test is None or not release.test.images:
        return
    people, why = release.test.persons, "the file has no joints of theirs"
    if people:
        count = len({person.image for person in people})
        why = f"{count} of them have {len(people)} people with joints, which --split test takes for validation"
    reason = f"{len(release.test.images)} images of the test set left out: {why}"
    yield Problem("read", file, reason, failed=False)


def _read_part(path: Path, entries: Iterable[Struct]) -> Release:
    images: dict[str, Image] = {}
    persons: DiskList[Person] = DiskList()
    problems: DiskList[Problem] = DiskList()
    without_joints = estimated = 0
    for entry in entries:
        file = _text(_only(entry, "image"), "name")
        try:
            name = image_name(file)
        except ItemError as error:
            problems.append(Problem("read", f"{path.name} image {file}", str(error)))
            continue
        video = _number(entry, "vididx")
        images.setdefault(name, Image(name, video=None if video is None or not np.isfinite(video) else int(video)))
        for index, rect in enumerate(_elements(entry, "annorect")):
            try:
                person = _person(name, index, rect)
            except ItemError as error:
                problems.append(Problem("read", f"{path.name} image {name} annorect {index}", str(error)))
                continue
            if person is None:
                without_joints += 1
                continue
            estimated += "estimated" in person.record
            persons.append(person)
    notes = (
        (without_joints, "people without any joint left out"),
        (estimated, "people without scale or center: estimated from head box and joints, see `estimated`"),
    )
    problems.extend(Problem("read", path.name, f"{count} {what}", failed=False) for count, what in notes if count)
    return Release(images, persons, problems)


def _content(path: Path) -> Struct:
    """RELEASE, or the variables of a file that has its fields one by one."""
    if variable := read_variable(path, "RELEASE"):
        return next(iter(variable.structs()), {})
    found = ((name, read_variable(path, name)) for name in ("annolist", "img_train"))
    return {name: value for name, value in found if value}


def _flags(release: Struct, name: str, count: int) -> list[bool]:
    """`img_train`: one flag an image; all true where the file does not say."""
    value = release.get(name)
    flags = [] if value is None else [bool(flag) for flag in value.numbers()]
    return flags if len(flags) == count else [True] * count


def _elements(struct: Struct, name: str) -> list[Struct]:
    """The elements of a field that holds an array of structs: [] where field or content is absent."""
    return struct[name].structs() if name in struct else []


def _only(struct: Struct, name: str) -> Struct:
    return next(iter(_elements(struct, name)), {})


def _number(struct: Struct, name: str) -> float | None:
    return struct[name].number() if name in struct else None


def _text(struct: Struct, name: str) -> str | None:
    return struct[name].text() if name in struct else None


def _person(image: str, index: int, rect: Struct) -> Person | None:
    """One `annorect`; None where it has no joint."""
    points = _elements(_only(rect, "annopoints"), "point")
    if not points:
        return None
    joints = np.full((len(MPII), 2), np.nan)
    stated: list[int | None] = [None] * len(MPII)
    values = [[_value(point, key) for key in ("id", "x", "y")] for point in points]
    table = numbers(values, (len(points), 3), "id, x and y of the joints")
    for point, (joint, x, y) in zip(points, table.tolist(), strict=True):
        if joint not in range(len(MPII)):
            raise ItemError(f"joint id {joint:g}, where 0 to {len(MPII) - 1} are known")
        joints[int(joint)] = x, y
        stated[int(joint)] = _visible(_number(point, "is_visible"))
    labelled: NDArray[np.bool_] = ~np.isnan(joints).any(axis=1)
    scale = _number(rect, "scale")
    position = _only(rect, "objpos")
    center = [_value(position, key) for key in "xy"]
    head_box = _head_box(rect)
    record = file_record(
        image,
        joints,
        labelled,
        center=center if np.isfinite(center).all() else None,
        scale=scale if scale and 0 < scale < np.inf else None,
        head_box=head_box,
    )
    return Person(
        image=image,
        person_id=f"{image}#{index}",
        joints=joints - 1,
        labelled=labelled,
        visible=_visibility(stated, labelled),
        center=np.asarray(record["center"], np.float64) - 1,
        scale=float(record["scale"]),
        head_box=None if head_box is None else head_box - 1,
        record=record,
    )


def _value(struct: Struct, name: str) -> float:
    value = _number(struct, name)
    return np.nan if value is None else value


def _head_box(rect: Struct) -> NDArray[np.float64] | None:
    box = np.array([_value(rect, key) for key in ("x1", "y1", "x2", "y2")])
    if not np.isfinite(box).all():
        return None
    return np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])])


def _visible(stated: float | None) -> int | None:
    """`is_visible`, which is a number, a logical, the character '0' or '1', or nothing."""
    return None if stated is None or np.isnan(stated) else VISIBLE if stated else OCCLUDED


def _visibility(stated: list[int | None], labelled: NDArray[np.bool_]) -> NDArray[np.int8]:
    """(16,) int8. For a person with any statement an empty one means visible; for one with none all is unknown."""
    empty = UNKNOWN if all(value is None for value in stated) else VISIBLE
    values = np.array([empty if value is None else value for value in stated], np.int8)
    return np.where(labelled, values, UNKNOWN).astype(np.int8)
