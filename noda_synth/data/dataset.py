"""The data set as values: images, the people on them, and what is known of every joint.

Inside the program coordinates are pixels, 0-based: the centre of the top-left pixel is (0, 0). The readers and writers
in `noda_synth.formats` convert at the edge of MPII's 1-based files.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.disk_list import MAX_IN_MEMORY, DiskList, Subset
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
    known = np.frombuffer(labelled, np.bool_), np.frombuffer(visible, np.int8)
    points = np.frombuffer(joints, np.float64).reshape(-1, 2)
    return Person(image, person_id, points, *known, center, scale, head_box, record, duplicate)


@dataclass(frozen=True)
class Image:
    """An image as the annotations know it: its name, its size (width, height) if they state it, its video if any."""

    name: str
    size: tuple[int, int] | None = None
    video: int | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Crowd:
    """A region of people who are not annotated one by one (COCO's iscrowd): name of its image, and the record."""

    image: str
    record: Mapping[str, Any] = field(repr=False)


class People(Sequence[Person]):
    """Persons, with what is asked of all of them at once: on which images they are, and who has a labelled joint."""

    def __init__(self, persons: Iterable[Person] = (), *, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self._persons: DiskList[Person] = DiskList(max_in_memory=max_in_memory)
        self._image_numbers: dict[str, int] = {}
        self._numbers = array("I")
        self._labelled = bytearray()
        for person in persons:
            self.append(person)

    def append(self, person: Person) -> None:
        self._numbers.append(self._image_numbers.setdefault(person.image, len(self._image_numbers)))
        self._labelled.append(bool(person.labelled.any()))
        self._persons.append(person)

    def __len__(self) -> int:
        return len(self._persons)

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> list[Person]: ...
    def __getitem__(self, index: int | slice) -> Person | list[Person]:
        return self._persons[index]

    def __iter__(self) -> Iterator[Person]:
        return iter(self._persons)

    @property
    def image_names(self) -> Collection[str]:
        """The names of the images that they are on, each once, in the order in which they come first."""
        return self._image_numbers.keys()

    @property
    def image_indices(self) -> NDArray[np.intp]:
        """(N,) intp, the position of each one's image in `image_names`."""
        return np.array(self._numbers, np.intp)

    @property
    def samples(self) -> NDArray[np.intp]:
        """The rows of the training samples: people with at least one labelled joint."""
        return np.flatnonzero(np.frombuffer(self._labelled, np.bool_).copy())


class Images(Mapping[str, Image]):
    """Images by name, in the order in which their names came first; of one name the last image counts."""

    def __init__(self, images: Iterable[Image] = ()) -> None:
        self._images: DiskList[Image] = DiskList()
        self._replaced: dict[int, Image] = {}
        self._indices: dict[str, int] = {}
        for image in images:
            self.add(image)

    def add(self, image: Image) -> int:
        """Add an image, or replace the one of its name. Returns its index."""
        index = self._indices.setdefault(image.name, len(self))
        if index < len(self):
            self._replaced[index] = image
        else:
            self._images.append(image)
        return index

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return iter(self._indices)

    def __contains__(self, name: object) -> bool:
        return name in self._indices

    def __getitem__(self, name: str) -> Image:
        return self.by_index(self.index(name))

    def by_index(self, index: int) -> Image:
        """The image at an index, counted from 0."""
        return self._replaced.get(index) or self._images[index]

    def index(self, name: str) -> int:
        """The index of the image of a name. Raises KeyError."""
        return self._indices[name]


class ByImage(Mapping[str, tuple[Person, ...]]):
    """People by image name, each in the order of the file; every image has an entry.

    Attributes:
        image_indices: (N,) intp, the index of each one's image.
    """

    def __init__(self, images: Images, persons: People) -> None:
        self._images, self._persons = images, persons
        indices = np.fromiter(map(images.index, persons.image_names), np.intp)
        self.image_indices = indices[persons.image_indices]
        self._rows = np.argsort(self.image_indices, kind="stable")
        self._starts = np.searchsorted(self.image_indices[self._rows], np.arange(len(images) + 1))

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __getitem__(self, name: str) -> tuple[Person, ...]:
        return tuple(self._persons[row] for row in self.rows(self._images.index(name)))

    @property
    def with_people(self) -> int:
        """The number of images that somebody is on."""
        return int(np.count_nonzero(np.diff(self._starts)))

    def rows(self, image_index: int) -> list[int]:
        """The rows in `Dataset.persons` of those on an image, by the image's index."""
        rows: list[int] = self._rows[self._starts[image_index] : self._starts[image_index + 1]].tolist()
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
        crowds: the crowds on images of the training part, in the order of a COCO file.
        leaked: names of images in the training list that are validation images, too: nobody on them is in `persons`.
        upright, valid_upright: the images of the part were annotated as EXIF turns them, and have to be read so.
        categories: ids of the categories that are people's, in the order of a COCO file; empty for other formats.
    """

    skeleton: Skeleton
    images: Images
    persons: People
    valid: People = field(default_factory=People)
    problems: Sequence[Problem] = ()
    source: str = "mpii_json"
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)
    crowds: Sequence[Crowd] = ()
    categories: Sequence[int | str] = ()
    leaked: Collection[str] = ()
    upright: bool = False
    valid_upright: bool = False

    @cached_property
    def by_image(self) -> ByImage:
        """People of the training part by image name, each in the order of the file; every image has an entry."""
        return ByImage(self.images, self.persons)

    def names_image(self, name: str) -> bool:
        """Whether there is an image of that name, of training or validation."""
        return name in self.images or name in self.valid.image_names

    @cached_property
    def samples(self) -> Sequence[Person]:
        """The training samples: people with at least one labelled joint."""
        return Subset(self.persons, self.persons.samples)


def same_name(name: str) -> str:
    """A name that all spellings of an image's name share: `./a.jpg` and `b//c.jpg` are `a.jpg` and `b/c.jpg`."""
    return PurePosixPath(name).as_posix()


def stays_inside(name: str) -> bool:
    """Whether an image name stays inside the images folder.

    Backslashes, drive letters and NUL are refused on every system, so that a data set is as safe on one as on another.
    """
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or not path.name
    return not outside and "\\" not in name and ":" not in name[:2] and "\0" not in name
