"""Masks that the user has, and whose they are: outlines of the annotations, a file of results, a folder of PNGs."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from noda_synth.data.dataset import OCCLUDED, Dataset, Image, Person, stays_inside
from noda_synth.data.disk_list import DiskList
from noda_synth.data.geometry import inside
from noda_synth.data.pose import Pose
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.files.checks import identity, record_object
from noda_synth.formats.files.json_pieces import open_json
from noda_synth.imaging.compositing import COVERING, alpha_at
from noda_synth.masks import GivenMask
from noda_synth.pool.mask_files import Label, MaskFile, PersonPicture, Segmentation, label_values

# Share of a person's joints that a mask of nobody in particular has to hold to be theirs.
_HELD = 0.5
# Categories of results that may be people where the annotations have none: COCO's 1, and 0 where they count from there.
_PERSON = (0, 1)


@dataclass(frozen=True)
class Found:
    """What there is for one image.

    Attributes:
        own: for each person of the image, in their order, the mask that bears their id, or None.
        loose: masks that bear nobody's id.
        labels: PNGs of labels, whose values are such masks.
    """

    own: tuple[MaskFile | None, ...]
    loose: tuple[MaskFile, ...] = ()
    labels: tuple[Path, ...] = ()


class MaskSource(Protocol):
    """Where masks come from."""

    @property
    def problems(self) -> Sequence[Problem]:
        """What in it cannot be used."""

    def check(self, dataset: Dataset) -> None:
        """Raises NodaError where there is nothing for this data set."""

    def find(self, image: Image, people: Sequence[Person]) -> Found:
        """What there is for the people of an image."""


class Outlines:
    """The annotations' own `segmentation`."""

    problems: Sequence[Problem] = ()

    def check(self, dataset: Dataset) -> None:
        if not any(person.record.get("segmentation") for person in dataset.persons):
            raise NodaError(
                "--levels given: nobody in the annotations has an outline (COCO's `segmentation`); "
                "name masks that you have with --masks, or leave the level out"
            )

    def find(self, image: Image, people: Sequence[Person]) -> Found:  # noqa: ARG002
        outlines = (person.record.get("segmentation") for person in people)
        return Found(tuple(Segmentation(outline) if outline else None for outline in outlines))


class ResultsFile:
    """A list of COCO results with `segmentation`, as segmentation networks write it.

    `file_name` says of which image, where a result has it. Else `image_id` is the id in a COCO file, or the name of the
    image, with or without its ending or leading zeros. Both are there where ultralytics wrote: its image_id is the
    number in the image's name, which need not be the id.
    """

    def __init__(self, path: Path) -> None:
        """Read it. Raises NodaError for another kind of file."""
        self._path = path
        self._entries: DiskList[dict[str, Any]] = DiskList()
        self._rows: dict[str, array[int]] = {}
        self.problems: DiskList[Problem] = DiskList()
        with open_json(path) as file:
            if file.kind != "[":
                raise NodaError("a list of COCO results (image_id, segmentation) is expected.", path)
            for number, entry in enumerate(file.elements()):
                try:
                    self._add(entry)
                except ItemError as error:
                    self.problems.append(Problem("read", f"{path.name} result {number}", str(error)))
            file.end()

    def _add(self, entry: object) -> None:
        entry = record_object(entry)
        if not entry.get("segmentation"):
            raise ItemError("has no segmentation")
        image = identity(entry, "file_name" if "file_name" in entry else "image_id")
        self._rows.setdefault(str(image), array("Q")).append(len(self._entries))
        self._entries.append(entry)

    def check(self, dataset: Dataset) -> None:
        if not any(key in self._rows for image in dataset.images.values() for key in _image_keys(image)):
            first = next(iter(self._rows), None)
            of = "" if first is None else f"; the first is of image {first}"
            raise NodaError(f"none of its {len(self._entries)} masks is of an image of the data set{of}.", self._path)

    def find(self, image: Image, people: Sequence[Person]) -> Found:
        key = next((key for key in _image_keys(image) if key in self._rows), None)
        entries = [self._entries[row] for row in self._rows[key]] if key else []
        numbers = {person.person_id: number for number, person in enumerate(people)}
        categories = {person.record["category_id"] for person in people if "category_id" in person.record} or _PERSON
        own: list[MaskFile | None] = [None] * len(people)
        loose: list[tuple[float, MaskFile]] = []
        for entry in entries:
            mask = Segmentation(entry["segmentation"])
            ids = (str(entry[name]) for name in ("annotation_id", "person_id", "id") if name in entry)
            number = next((numbers[name] for name in ids if name in numbers), None)
            if number is not None and own[number] is None:
                own[number] = mask
            elif entry.get("category_id", 1) in categories or "category_id" not in entry:
                loose.append((_score(entry), mask))
        loose.sort(key=lambda pair: -pair[0])
        return Found(tuple(own), tuple(mask for _, mask in loose))


class MaskFolder:
    """PNGs named after a person's id, or after an image, with or without its ending, with a value for each person."""

    problems: Sequence[Problem] = ()

    def __init__(self, path: Path) -> None:
        """Raises NodaError where there is no PNG."""
        self._path = path
        if next(path.rglob("*.png"), None) is None:
            raise NodaError("no PNG in this folder; a mask is called PERSON_ID.png or IMAGE.png.", path)

    def check(self, dataset: Dataset) -> None:
        names = dataset.images
        if not any(found for image in names.values() for found in self._labels(image)) and not any(
            self._file(person.person_id) for person in dataset.persons
        ):
            person = dataset.persons[0].person_id
            raise NodaError(
                f"no PNG in this folder is called like a person or an image of the data set: {person}.png or "
                f"{PurePosixPath(dataset.persons[0].image).with_suffix('.png')}, for example.",
                self._path,
            )

    def find(self, image: Image, people: Sequence[Person]) -> Found:
        labels = tuple(self._labels(image))
        # The only person of image 1 may be called 1 as well; of several the picture is everyone's.
        files = [self._file(person.person_id) for person in people]
        own = [None if file is None or (file in labels and len(people) > 1) else PersonPicture(file) for file in files]
        taken = {mask.path for mask in own if mask}
        return Found(tuple(own), labels=tuple(path for path in labels if path not in taken))

    def _labels(self, image: Image) -> Iterator[Path]:
        names = dict.fromkeys((str(PurePosixPath(image.name).with_suffix("")), image.name))
        return (path for name in names if (path := self._file(name)))

    def _file(self, name: str) -> Path | None:
        path = self._path / f"{name}.png"
        return path if stays_inside(f"{name}.png") and os.path.isfile(path) else None  # noqa: PTH113  # Path raises for a name that no file can have


def open_masks(path: Path | None) -> MaskSource:
    """The masks in a file or folder; without one the outlines of the annotations. Raises NodaError."""
    if path is None:
        return Outlines()
    return MaskFolder(path) if path.is_dir() else ResultsFile(path)


def whose(found: Found, poses: Sequence[Pose], size: tuple[int, int]) -> tuple[list[MaskFile | None], list[str]]:
    """The mask of each person, in their order, and what could not be read.

    Masks that bear an id are theirs who bear it. The others go to those who have none yet: a mask must hold half of a
    person's joints that are not known to be hidden, and where several people and masks could belong together, those do
    first whose joints are the best match, counting against it what it holds of others.
    """
    chosen, faults = list(found.own), list[str]()
    missing = [number for number, mask in enumerate(chosen) if mask is None]
    if not missing:
        return chosen, faults
    loose = list(found.loose)
    for path in found.labels:
        try:
            loose += _labels_at_joints(path, poses, size)
        except ItemError as error:
            faults.append(str(error))
    shown = [_shown(pose, size) for pose in poses]
    pairs: list[tuple[float, int, int]] = []
    for order, mask in enumerate(loose):
        try:
            opacity = mask.read(size)[0]
        except ItemError as error:
            faults.append(str(error))
            continue
        held = [int((alpha_at(opacity, points, 0, 0) >= COVERING).sum()) for points in shown]
        for number in missing:
            if held[number] and held[number] >= _HELD * len(shown[number]):
                either = len(shown[number]) + sum(held) - held[number]
                pairs.append((-held[number] / either, order, number))
    used = set[int]()
    for _, order, number in sorted(pairs):
        if chosen[number] is None and order not in used:
            chosen[number] = loose[order]
            used.add(order)
    return chosen, faults


def given_mask(mask: MaskFile, pose: Pose, size: tuple[int, int]) -> GivenMask:
    """The mask of a person, read. Raises ItemError where it cannot be, or holds none of the person's joints."""
    opacity, soft = mask.read(size)
    points = pose.joints[pose.labelled & inside(pose.joints, size)]
    if not (alpha_at(opacity, points, 0, 0) >= COVERING).any():
        raise ItemError("the given mask holds none of the person's joints")
    return GivenMask(opacity, soft)


def _labels_at_joints(path: Path, poses: Sequence[Pose], size: tuple[int, int]) -> list[Label]:
    """The labels that lie under anybody's joint, in rising order."""
    values = label_values(path, size)
    points = np.concatenate([_shown(pose, size) for pose in poses])
    columns, rows = np.floor(points + 0.5).astype(np.int64).T
    return [Label(path, int(value)) for value in np.unique(values[rows, columns]) if value]


def _shown(pose: Pose, size: tuple[int, int]) -> Any:
    """(P, 2) float64: the joints inside the image that are not known to be hidden; all where nothing else is left."""
    within = pose.labelled & inside(pose.joints, size)
    seen = within & (pose.visible != OCCLUDED)
    return pose.joints[seen if seen.any() else within]


def _image_keys(image: Image) -> list[str]:
    """What a result may call an image."""
    path = PurePosixPath(image.name)
    names = [image.name, path.name]
    if "id" in image.record:
        return [*names, str(image.record["id"])]
    return [*names, path.stem, *([str(int(path.stem))] if path.stem.isdecimal() else [])]


def _score(entry: Mapping[str, Any]) -> float:
    score = entry.get("score")
    return float(score) if isinstance(score, int | float) else 0.0
