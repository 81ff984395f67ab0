"""Masks that the user has, and whose they are: outlines of the annotations, a file of results, a folder of PNGs."""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from noda_synth.data.dataset import OCCLUDED, Dataset, Image, Person, stays_inside
from noda_synth.data.disk_list import DiskList
from noda_synth.data.geometry import inside
from noda_synth.data.pose import Pose
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.files.checks import identity, record_object
from noda_synth.formats.files.json_pieces import list_in, open_json
from noda_synth.imaging.compositing import COVERING, alpha_at
from noda_synth.masks import GIVEN, GivenMask
from noda_synth.pool.mask_files import Label, MaskFile, PersonPicture, Segmentation, label_values
from noda_synth.runs.ownership import whole_hash

# Share of a person's joints that a mask of nobody in particular has to hold to be theirs.
_HELD = 0.5
# The category of people where the annotations have none.
_PERSON = "1"
# So many people tell the categories of all.
_ENOUGH = 100


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
    """COCO results with `segmentation`, as segmentation networks write it: a list, or the annotations of a COCO file.

    `file_name` says of which image, where a result has it or the file has its image. Else `image_id` is the id in a
    COCO file, or the name of the image, with or without its ending or leading zeros. Both are there where ultralytics
    wrote: its image_id is the number in the image's name, which need not be the id.
    """

    def __init__(self, path: Path) -> None:
        """Read it. Raises NodaError for another kind of file."""
        self._path = path
        self._entries: DiskList[dict[str, Any]] = DiskList()
        self._rows: dict[str, array[int]] = {}
        self._categories = set[str]()
        self.problems: DiskList[Problem] = DiskList()
        with open_json(path) as file:
            kind = file.kind
            if kind == "[":
                self._add_all(file.elements(), {})
                file.end()
        if kind == "{":
            images = (image for image in list_in(path, "images") if isinstance(image, dict))
            names = {str(image.get("id")): image.get("file_name") for image in images}
            self._add_all(list_in(path, "annotations"), names)
        if not self._entries:
            first = next((f"{problem.item}: {problem.reason}" for problem in self.problems), "")
            faults = f"; the first of {len(self.problems)} faults: {first}" if first else ""
            raise NodaError(f"no mask in it; COCO results are expected: image_id, segmentation{faults}.", path)

    def _add_all(self, entries: Iterable[object], names: Mapping[str, Any]) -> None:
        """The names are those of the images by their id."""
        for number, entry in enumerate(entries):
            try:
                self._add(record_object(entry), names)
            except ItemError as error:
                self.problems.append(Problem("read", f"{self._path.name} result {number}", str(error)))

    def _add(self, entry: dict[str, Any], names: Mapping[str, Any]) -> None:
        if entry.get("iscrowd"):
            return  # nobody's
        if not entry.get("segmentation"):
            raise ItemError("has no segmentation")
        image = identity(entry, "file_name" if "file_name" in entry else "image_id")
        self._rows.setdefault(str(names.get(str(image)) or image), array("Q")).append(len(self._entries))
        self._categories.add(str(entry.get("category_id")))
        self._entries.append(entry)

    def check(self, dataset: Dataset) -> None:
        known = {key for image in dataset.images.values() for key in _image_keys(image)}
        for name in [name for name in self._rows if name not in known]:
            if tail := next((tail for tail in _tails(name) if tail in known), None):
                self._rows.setdefault(tail, array("Q")).extend(self._rows.pop(name))
        if known.isdisjoint(self._rows):
            first = next(iter(self._rows))
            raise NodaError(
                f"none of its {len(self._entries)} masks is of an image of the data set; "
                f"the first is of image {first}.",
                self._path,
            )
        wanted = self._of_people(list(islice(dataset.persons, _ENOUGH)))
        if "None" not in self._categories and wanted.isdisjoint(self._categories):
            raise NodaError(
                f"its masks are of the categories {', '.join(sorted(self._categories))}; people are "
                f"{' or '.join(sorted(wanted))} (category_id).",
                self._path,
            )

    def find(self, image: Image, people: Sequence[Person]) -> Found:
        key = next((key for key in _image_keys(image) if key in self._rows), None)
        entries = [self._entries[row] for row in self._rows[key]] if key else []
        numbers = {person.person_id: number for number, person in enumerate(people)}
        wanted = {*self._of_people(people), "None"}
        own: list[MaskFile | None] = [None] * len(people)
        loose: list[tuple[float, MaskFile]] = []
        for entry in entries:
            mask = Segmentation(entry["segmentation"])
            ids = (str(entry[name]) for name in ("annotation_id", "person_id", "id") if name in entry)
            number = next((numbers[name] for name in ids if name in numbers), None)
            if number is not None and own[number] is None:
                own[number] = mask
            elif str(entry.get("category_id")) in wanted:
                loose.append((_score(entry), mask))
        loose.sort(key=lambda pair: -pair[0])
        return Found(tuple(own), tuple(mask for _, mask in loose))

    def _of_people(self, people: Sequence[Person]) -> set[str]:
        """The categories that are theirs: those of the annotations, one less where the results count from 0."""
        own = {str(person.record["category_id"]) for person in people if "category_id" in person.record} or {_PERSON}
        if "0" not in self._categories or "0" in own:
            return own
        return {str(int(category) - 1) for category in own if category.isdecimal()}


class MaskFolder:
    """PNGs named after a person's id, or after an image, with or without its ending, with a value for each person.

    And what SAM's own script writes of an image, masks of nobody in particular: a folder of that name with a PNG for
    each, or a JSON of that name with their run lengths.
    """

    def __init__(self, path: Path) -> None:
        """Raises NodaError where there is no file that could be a mask."""
        self._path = path
        self.problems: DiskList[Problem] = DiskList()
        if not any(file.suffix.lower() in (".png", ".json") for file in path.rglob("*")):
            raise NodaError("no PNG in this folder; a mask is called PERSON_ID.png or IMAGE.png.", path)

    def check(self, dataset: Dataset) -> None:
        if not any(self._of_image(image) for image in dataset.images.values()) and not any(
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
        labels = tuple(path for path in labels if path not in taken)
        return Found(tuple(own), tuple(self._loose(image)), labels)

    def _of_image(self, image: Image) -> bool:
        return any(True for _ in (*self._labels(image), *self._pictures(image), *self._lists(image)))

    def _labels(self, image: Image) -> Iterator[Path]:
        names = dict.fromkeys((_stem(image), image.name))
        return (path for name in names if (path := self._file(name)))

    def _loose(self, image: Image) -> Iterator[MaskFile]:
        yield from map(PersonPicture, self._pictures(image))
        for path in self._lists(image):
            try:
                with open_json(path) as file:
                    entries = list(file.elements()) if file.kind == "[" else list(list_in(path, "annotations"))
            except NodaError as error:
                self.problems.append(Problem("read", str(path), str(error)))
                continue
            yield from (Segmentation(entry["segmentation"]) for entry in entries
                        if isinstance(entry, dict) and entry.get("segmentation"))  # fmt: skip

    def _pictures(self, image: Image) -> list[Path]:
        """A PNG for each mask."""
        folder = self._path / _stem(image)
        return sorted(folder.glob("*.png")) if stays_inside(_stem(image)) and os.path.isdir(folder) else []  # noqa: PTH112

    def _lists(self, image: Image) -> list[Path]:
        """Run lengths of all masks."""
        path = self._file(_stem(image), (".json",))
        return [path] if path else []

    def _file(self, name: str, endings: Sequence[str] = (".png", ".PNG")) -> Path | None:
        for ending in endings:
            path = self._path / f"{name}{ending}"
            if stays_inside(f"{name}{ending}") and os.path.isfile(path):  # noqa: PTH113  # Path raises for a name that no file can have
                return path
        return None


def masks_for(levels: Collection[str], path: Path | None) -> tuple[MaskSource | None, dict[str, str]]:
    """The masks for the level `given`, if it is one of the levels, and their hash as an input of the pool.

    Args:
        levels: the levels of the pool.
        path: a file or folder, or None.

    Returns:
        None and no hash where there is no path: the outlines of the annotations are meant then.

    Raises:
        NodaError: masks for no level, or none in the file or folder.
    """
    if path is None:
        return None, {}
    if GIVEN not in levels:
        raise NodaError(f"--masks {path} is for the level given: add it to --levels")
    source = MaskFolder(path) if path.is_dir() else ResultsFile(path)
    return source, {"masks": whole_hash(path)[:16]}


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
    names, number = [image.name, path.name], str(int(path.stem)) if path.stem.isdecimal() else ""
    if "id" not in image.record:
        return [*names, path.stem, *([number] if number else [])]
    # A stem that is a number as ids are could be that of another image.
    return [*names, str(image.record["id"]), *([path.stem] if path.stem != number else [])]


def _stem(image: Image) -> str:
    return str(PurePosixPath(image.name).with_suffix(""))


def _tails(name: str) -> Iterator[str]:
    """A name without the first folder, without the first two, and so on."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ("/".join(parts[start:]) for start in range(1, len(parts)))


def _score(entry: Mapping[str, Any]) -> float:
    score = entry.get("score")
    return float(score) if isinstance(score, int | float) else 0.0
