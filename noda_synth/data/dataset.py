"""The data set as values: images, the people on them, and what is known of every joint.

Inside the program coordinates are pixels, 0-based: the centre of the top-left pixel is (0, 0). The readers and writers
in `noda_synth.formats` convert at the edge of MPII's 1-based files.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.disk_list import HELD, DiskList, Index, Subset, key_hash
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import Problem

VISIBLE, OCCLUDED, UNKNOWN = 1, 0, -1
"""What is known of a joint. *Unknown* is a state of its own; a joint without label is always unknown."""


@dataclass(frozen=True, eq=False)
class Person:
    """One annotated person.

    Attributes:
        image: name of the image as in the annotations, relative to the images folder, with forward slashes.
        person_id: unique within the data set and stable from run to run.
        joints: (J, 2) float64, x and y in 0-based pixels; NaN where the joint is not labelled.
        labelled: (J,) bool, the joint has coordinates.
        visible: (J,) int8 of VISIBLE, OCCLUDED or UNKNOWN.
        center: (2,) float64, MPII's `objpos` as it stands in the file less one, or None.
        scale: MPII's scale, person height / 200 px, or None.
        head_box: (4,) float64, x1 y1 x2 y2 in 0-based pixels, or None.
        record: the record as it stood in the file (MPII JSON record or COCO annotation; readers of the .mat make the
            MPII JSON record), so that what is not touched is written back with its very numbers.
        duplicate: the same person stands in the data set before; carried along, but neither covered nor pasted.
    """

    image: str
    person_id: str
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]
    center: NDArray[np.float64] | None = None
    scale: float | None = None
    head_box: NDArray[np.float64] | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    duplicate: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # NumPy takes 20 microseconds to pickle these few small arrays and to read them back; their bytes take two.
        boxes = [None if array is None else array.tobytes() for array in (self.center, self.head_box)]
        arrays = self.joints.tobytes(), self.labelled.tobytes(), self.visible.tobytes(), *boxes
        return _person, (self.image, self.person_id, arrays, self.scale, self.record, self.duplicate)


def _person(
    image: str, person_id: str, arrays: tuple[Any, ...], scale: float | None, record: Mapping[str, Any], duplicate: bool
) -> Person:
    joints, labelled, visible, *boxes = arrays
    center, head_box = (None if box is None else np.frombuffer(box, np.float64) for box in boxes)
    return Person(
        image, person_id, np.frombuffer(joints, np.float64).reshape(-1, 2), np.frombuffer(labelled, np.bool_),
        np.frombuffer(visible, np.int8), center, scale, head_box, record, duplicate,
    )  # fmt: skip


@dataclass(frozen=True)
class Image:
    """An image as the annotations know it: its name, its size (width, height) if they state it, its video if any."""

    name: str
    size: tuple[int, int] | None = None
    video: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)


class People(DiskList[Person]):
    """Persons, with what is asked of all of them at once: on which images they are, and who has a labelled joint."""

    def __init__(self, persons: Iterable[Person] = (), *, held: int = HELD) -> None:
        self._image_hashes = array("Q")
        self._labelled = bytearray()
        super().__init__(persons, held=held)

    def append(self, person: Person) -> None:
        self._image_hashes.append(key_hash(person.image))
        self._labelled.append(bool(person.labelled.any()))
        super().append(person)

    @property
    def image_hashes(self) -> NDArray[np.uint64]:
        """(N,) uint64, the hash of each one's image name."""
        return np.array(self._image_hashes, np.uint64)

    @property
    def samples(self) -> NDArray[np.intp]:
        """The rows of the training samples: people with at least one labelled joint."""
        return np.flatnonzero(np.frombuffer(self._labelled, np.bool_).copy())


class Images(Mapping[str, Image]):
    """Images by name, in the order in which their names came first; of one name the last image counts."""

    def __init__(self, images: Iterable[Image] = ()) -> None:
        self._images: DiskList[Image] = DiskList()
        self._later: dict[int, Image] = {}
        self._numbers = Index()
        self._hashes = array("Q")
        for image in images:
            self.add(image)

    def add(self, image: Image) -> int:
        """The image's number, counted from 0."""
        number = self._numbers.setdefault(image.name, len(self))
        if number < len(self):
            self._later[number] = image
        else:
            self._images.append(image)
            self._hashes.append(key_hash(image.name))
        return number

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return (image.name for image in self._images)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._numbers.get(name) is not None

    def __getitem__(self, name: str) -> Image:
        return self.at(self.number(name))

    def at(self, number: int) -> Image:
        """The image of a number, counted from 0."""
        return self._later.get(number) or self._images[number]

    def number(self, name: str) -> int:
        """The number of the image of a name. Raises KeyError."""
        number = self._numbers.get(name)
        if number is None:
            raise KeyError(name)
        return number

    def numbers(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The numbers of images whose names have these hashes."""
        own = np.array(self._hashes, np.uint64)
        order = np.argsort(own)
        return np.asarray(order[np.searchsorted(own, hashes, sorter=order)])


class ByImage(Mapping[str, tuple[Person, ...]]):
    """People by image name, each in the order of the file; every image has an entry.

    Attributes:
        numbers: (N,) the number of each one's image.
    """

    def __init__(self, images: Images, persons: People) -> None:
        self._images, self._persons = images, persons
        self.numbers = images.numbers(persons.image_hashes)
        self._rows = np.argsort(self.numbers, kind="stable")
        self._starts = np.searchsorted(self.numbers[self._rows], np.arange(len(images) + 1))

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __getitem__(self, name: str) -> tuple[Person, ...]:
        return tuple(self._persons[row] for row in self.rows(self._images.number(name)))

    @property
    def inhabited(self) -> int:
        """The number of images that somebody is on."""
        return int(np.count_nonzero(np.diff(self._starts)))

    def rows(self, number: int) -> list[int]:
        """The rows in `Dataset.persons` of those on an image, by the image's number."""
        rows: list[int] = self._rows[self._starts[number] : self._starts[number + 1]].tolist()
        return rows


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set read from its annotation files; of a large one nearly all lies on disk (`noda_synth.data.disk_list`).

    Attributes:
        skeleton: the joints.
        images: images of the training part by name, in the order of the file.
        persons: people of the training part, in the order of the file. One who has no labelled joint is no training
            sample, but stands here too, so that scenes stay complete.
        valid: people of the validation part, in the order of its file (the rows of gt_valid.mat); empty if unknown.
        problems: records that could not be used, and what else is worth knowing about the files.
        source: "mpii_json", "mpii_mat" or "coco".
        header: what stands at the top of a COCO file (info, licenses, categories), else empty.
    """

    skeleton: Skeleton
    images: Images
    persons: People
    valid: People = field(default_factory=People)
    problems: Sequence[Problem] = ()
    source: str = "mpii_json"
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def by_image(self) -> ByImage:
        """People of the training part by image name, each in the order of the file; every image has an entry."""
        return ByImage(self.images, self.persons)

    def names_image(self, name: str) -> bool:
        """Whether there is an image of that name, of training or validation."""
        return name in self.images or key_hash(name) in self._valid_images

    @cached_property
    def _valid_images(self) -> frozenset[int]:
        return frozenset(np.unique(self.valid.image_hashes).tolist())

    @cached_property
    def samples(self) -> Sequence[Person]:
        """The training samples: people with at least one labelled joint."""
        return Subset(self.persons, self.persons.samples)


def stays_inside(name: str) -> bool:
    """Whether an image name stays inside the images folder.

    Backslashes, drive letters and NUL are refused on every system, so that a data set is as safe on one as on another.
    """
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or not path.name
    return not outside and "\\" not in name and ":" not in name[:2] and "\0" not in name
