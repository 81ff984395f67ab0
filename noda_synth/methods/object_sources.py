"""Cut-out objects to paste: a folder of PNGs with transparency, one in VOC's layout, or a COCO file's instances."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import ItemError, NodaError
from noda_synth.formats import segmentation_mask
from noda_synth.formats.files.atomic import read_json
from noda_synth.formats.files.checks import stated
from noda_synth.imaging.images import BGRImage, check_file, image_path, image_size, read_checked, read_image
from noda_synth.imaging.pillow import opened
from noda_synth.methods.file_hash import hash_of
from noda_synth.methods.voc_objects import MASKS, PICTURES, VocObjects

_MIN_AREA = 500
_LISTS = ("images", "annotations", "categories")


class ObjectSource(Protocol):
    """Objects in a fixed order.

    Attributes:
        names: of the objects, for the manifest.
        sizes: (N, 2) int64, width and height of their cut-outs in pixels.
        person: (N,) bool, known to be a person.
    """

    names: list[str]
    sizes: NDArray[np.int64]
    person: NDArray[np.bool_]

    def content(self) -> str:
        """A hash of everything that is pasted from."""

    def cut(self, number: int) -> tuple[BGRImage, NDArray[np.uint8]]:
        """An object's colours (h, w, 3) uint8 and opacity (h, w) uint8. Raises ItemError."""


def open_objects(path: Path, images: Path | None) -> ObjectSource:
    """The objects in a folder, or in a COCO file with the folder of its images.

    Raises:
        NodaError: there are none, with the way out.
    """
    if (path / MASKS).is_dir() and (path / PICTURES).is_dir():
        return VocObjects(path, _MIN_AREA)
    if path.is_dir():
        return ObjectFolder(path)
    if not path.is_file():
        raise NodaError(f"no objects at {path}; name a folder of PNG cut-outs or of VOC, or a COCO instances file")
    if images is None:
        raise NodaError(f"--objects {path} is a file of annotations; say where its images are with --objects-images")
    return CocoObjects(path, images)


class ObjectFolder:
    """All PNGs with transparency under a folder, in the order of their names; each file is one object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() == ".png"
        )
        if not self.names:
            raise NodaError(f"{folder} has no PNG files; --objects takes cut-outs with transparency, one per file")
        self.sizes = np.array([_cut_out_size(folder / name) for name in self.names], np.int64)
        self.person = np.zeros(len(self.names), np.bool_)

    def content(self) -> str:
        return hash_of((name, self.folder / name) for name in self.names)

    def cut(self, number: int) -> tuple[BGRImage, NDArray[np.uint8]]:
        path = self.folder / self.names[number]
        pixels = _decoded(path)
        if pixels.shape[1::-1] != tuple(self.sizes[number].tolist()):
            raise ItemError(f"{path}: it is of another size than when it was looked at; do not change it meanwhile")
        return np.ascontiguousarray(pixels[..., 2::-1]), np.ascontiguousarray(pixels[..., 3])


def _decoded(path: Path) -> NDArray[np.uint8]:
    """(h, w, 4) uint8, red first. Raises ItemError, also for what claims to be larger than images may be."""
    with opened(io.BytesIO(read_checked(path)), path) as image:
        return np.asarray(image.convert("RGBA"))


def _cut_out_size(path: Path) -> tuple[int, int]:
    """(width, height) by the header. Raises NodaError for a file that is no image, or has no transparency."""
    try:
        size = image_size(path)
        with opened(path, path) as image:
            transparent = "A" in image.getbands() or "transparency" in image.info
    except ItemError as error:
        raise NodaError(f"--objects: {error}") from error
    if not transparent:
        raise NodaError(f"{path} has no transparency, so it is no cut-out; remove it from --objects")
    return size


class CocoObjects:
    """The instances of a COCO file that are whole: no crowds, none that touches the border of its image, none small."""

    def __init__(self, file: Path, images: Path) -> None:
        self.file, self.folder = file, images
        content = read_json(file)
        if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in _LISTS):
            raise NodaError(f"{file} is no COCO instances file; it needs images, annotations and categories")
        self._instances: list[tuple[str, tuple[int, int], tuple[int, int, int, int], Any]] = []
        self.names: list[str] = []
        person, count = [], 0
        try:
            pictures = {image["id"]: image for image in content["images"]}
            persons = {category["id"] for category in content["categories"] if category.get("name") == "person"}
            for instance in content["annotations"]:
                count += 1
                if self._add(instance, pictures):
                    person.append(instance["category_id"] in persons)
        except (KeyError, TypeError, ValueError) as error:
            raise NodaError(f"{file}: instance {count} is not as COCO has it ({error!r})") from error
        if not self.names:
            raise NodaError(
                f"{file}: none of its {count} instances can be pasted; they have to lie whole in their images, with an "
                f"outline and at least {_MIN_AREA} pixels"
            )
        self.sizes = np.array([box[2:] for _, _, box, _ in self._instances], np.int64)
        self.person = np.array(person, np.bool_)

    def _add(self, instance: Mapping[str, Any], pictures: Mapping[Any, Mapping[str, Any]]) -> bool:
        """Take an instance in if it can be pasted."""
        instance = stated(instance)
        if "bbox" not in instance:
            return False
        picture = pictures[instance["image_id"]]
        size = int(picture["width"]), int(picture["height"])
        x, y, width, height = (float(value) for value in instance["bbox"])
        left, top = int(np.floor(x)), int(np.floor(y))
        right, bottom = int(np.ceil(x + width)), int(np.ceil(y + height))
        whole = left > 0 and top > 0 and right < size[0] and bottom < size[1]
        large = float(instance.get("area", width * height)) >= _MIN_AREA
        if not whole or not large or instance.get("iscrowd") or not instance.get("segmentation"):
            return False
        box = (left, top, right - left, bottom - top)
        self._instances.append((str(picture["file_name"]), size, box, instance["segmentation"]))
        self.names.append(f"{picture['file_name']}#{instance['id']}")
        return True

    def content(self) -> str:
        names = sorted({name for name, _, _, _ in self._instances})
        try:
            paths = [(name, image_path(self.folder, name)) for name in names]
            for _, path in paths:
                check_file(path)
            return hash_of([("", self.file), *paths])
        except (OSError, ItemError) as error:
            raise NodaError(f"--objects-images {self.folder}: an image of {self.file} is missing ({error})") from error

    def cut(self, number: int) -> tuple[BGRImage, NDArray[np.uint8]]:
        name, size, (left, top, width, height), segmentation = self._instances[number]
        image = read_image(image_path(self.folder, name))
        if image.shape[1::-1] != size:
            raise ItemError(f"{self.folder / name} is not of the size that {self.file} states")
        window = slice(top, top + height), slice(left, left + width)
        return image[window], segmentation_mask(segmentation, size)[window].astype(np.uint8) * np.uint8(255)
