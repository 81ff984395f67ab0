"""Objects of a folder in Pascal VOC's layout: JPEGImages, SegmentationObject, Annotations."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import ItemError, NodaError
from noda_synth.formats.files.atomic import read_bytes
from noda_synth.imaging.images import BGRImage, check_file, image_path, image_size, read_image
from noda_synth.imaging.pillow import opened
from noda_synth.methods.file_hash import hash_of

MASKS, PICTURES, _RECORDS = "SegmentationObject", "JPEGImages", "Annotations"
_MAX_BYTES = 1 << 20
"""Records of VOC have a few thousand bytes."""


_CORNERS = ("xmin", "ymin", "xmax", "ymax")


class _Instance(NamedTuple):
    picture: str
    number: int
    box: tuple[int, int, int, int]


class VocObjects:
    """The objects that are whole: neither truncated nor difficult, inside their picture, with so many pixels.

    In SegmentationObject the pixels of the k-th object of a record are k, and 255 between objects.
    """

    def __init__(self, folder: Path, min_area: int) -> None:
        """Read the records. NodaError that names what is missing or damaged."""
        self.folder = folder
        self._instances: list[_Instance] = []
        persons, count = [], 0
        for mask in sorted((folder / MASKS).glob("*.png")):
            record = folder / _RECORDS / f"{mask.stem}.xml"
            for number, (name, box) in enumerate(_objects(record, _size(mask)), 1):
                count += 1
                if box is not None and box[2] * box[3] >= min_area:
                    self._instances.append(_Instance(mask.stem, number, box))
                    persons.append(name == "person")
        if not self._instances:
            raise NodaError(f"{folder / MASKS}: none of {count} objects is whole, inside its picture and large enough")
        self.names = [f"{one.picture}.jpg#{one.number}" for one in self._instances]
        self.sizes = np.array([one.box[2:] for one in self._instances], np.int64)
        self.person = np.array(persons, np.bool_)

    def content(self) -> str:
        """A hash of all files that objects come from."""
        pictures = sorted({one.picture for one in self._instances})
        kinds = ((PICTURES, ".jpg"), (MASKS, ".png"), (_RECORDS, ".xml"))
        names = [f"{kind}/{name}{suffix}" for name in pictures for kind, suffix in kinds]
        try:
            for name in names:
                check_file(self.folder / name)
            return hash_of((name, self.folder / name) for name in names)
        except (OSError, ItemError) as error:
            raise NodaError(f"--objects {self.folder}: a file is missing ({error})") from error

    def cut(self, number: int) -> tuple[BGRImage, NDArray[np.uint8]]:
        """An object's colours and opacity. ItemError where its files cannot be read or do not fit each other."""
        picture, value, (left, top, width, height) = self._instances[number]
        image = read_image(image_path(self.folder / PICTURES, f"{picture}.jpg"))
        path = image_path(self.folder / MASKS, f"{picture}.png")
        check_file(path)
        with opened(path, path) as mask:
            numbers = np.asarray(mask)
        if numbers.shape != image.shape[:2]:
            raise ItemError(f"{path}: not of the size of its picture, or not of one channel")
        window = slice(top, top + height), slice(left, left + width)
        return image[window], (numbers[window] == value).astype(np.uint8) * np.uint8(255)


def _size(mask: Path) -> tuple[int, int]:
    try:
        return image_size(mask)
    except ItemError as error:
        raise NodaError(f"--objects: {error}") from error


def _objects(record: Path, size: tuple[int, int]) -> list[tuple[str, tuple[int, int, int, int] | None]]:
    """Name and box (left, top, width, height) of each object of a record; no box for one that is not whole."""
    data = read_bytes(record, _MAX_BYTES)
    try:
        objects = ElementTree.fromstring(data).findall("object")
        return [(element.findtext("name", ""), _whole(element, size)) for element in objects]
    except (ElementTree.ParseError, ValueError, TypeError) as error:
        raise NodaError(f"not a record of VOC ({error}); write it again, or remove it with its mask", record) from None


def _whole(element: ElementTree.Element, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    if any(element.findtext(flag, "0").strip() == "1" for flag in ("truncated", "difficult")):
        return None
    # The corners count from 1 and belong to the object.
    left, top, right, bottom = (round(float(element.findtext(f"bndbox/{name}", ""))) for name in _CORNERS)
    inside = left > 1 and top > 1 and right < size[0] and bottom < size[1]
    return (left - 1, top - 1, right - left + 1, bottom - top + 1) if inside else None
