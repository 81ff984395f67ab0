"""Reading YOLO-pose: pictures, label files and data.yaml become a data set with the records of COCO keypoints."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Dataset, Image, Images, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.files.atomic import check_regular, parsed
from noda_synth.formats.files.checks import PersonRegistry, center_and_scale, mpii_extension, numbers
from noda_synth.formats.yolo.data_file import YoloData, image_folder, labels_of, read_data_file
from noda_synth.formats.yolo.write import EXTRAS

_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_LEAST, _MOST = -0.5, 1.5
"""A joint may lie somewhat outside of its picture; beyond these a number is no share of it, but pixels for one."""
_DECIMALS = 3
"""Pixels are rounded to so many: what was written from numbers of no more is read as it was."""


def read_yolo(path: Path, own: Skeleton | None) -> Dataset:
    """Read a set by its data.yaml.

    Args:
        path: data.yaml.
        own: the skeleton, where it does not show in the file.

    Raises:
        NodaError: the file is unusable as a whole, or its joints are of no known skeleton.
    """
    data = read_data_file(path)
    reader = _Reader(data, data.skeleton(own, path), path)
    images, persons = reader.part(data.train)
    _, valid = reader.part(data.val)
    for what, count in reader.notes.items():
        reader.problems.append(Problem("read", path.name, f"{count} {what}", failed=False))
    reader.problems.extend(reader.registry.problems)
    return Dataset(reader.skeleton, images, persons, valid, reader.problems, "coco")


class _Reader:
    def __init__(self, data: YoloData, skeleton: Skeleton, path: Path) -> None:
        self.skeleton, self.problems, self.registry = skeleton, DiskList[Problem](), PersonRegistry(path.name)
        self.notes = Counter[str]()
        self._data, self._path = data, path
        self._image_id = self._person_id = 0
        self._extras = _Extras(path.parent / EXTRAS)

    def part(self, places: Sequence[Path]) -> tuple[Images, Any]:
        """The pictures and people of a part."""
        images = Images()

        def persons() -> Iterator[Person]:
            from noda_synth.imaging.images import image_path, image_size

            folder = image_folder(self._data, places, self._path) if places else Path()
            for name in _names(places, folder):
                if name in images:
                    self.notes["pictures are listed again: taken once"] += 1
                    continue
                try:
                    size = image_size(image_path(folder, name))
                except ItemError as error:
                    self.problems.append(Problem("read", name, str(error)))
                    continue
                self._image_id += 1
                entry = {"id": self._image_id, "file_name": name, "width": size[0], "height": size[1]}
                images.add(Image(name, size, record=entry))
                yield from self._people(labels_of(folder / name).with_suffix(".txt"), name, size)

        return images, self.registry.add_all(persons())

    def _people(self, labels: Path, name: str, size: tuple[int, int]) -> Iterator[Person]:
        try:
            check_regular(labels)
            rows = [line.split() for line in labels.read_text("utf-8-sig").splitlines() if line.strip()]
        except FileNotFoundError:
            self.notes["pictures have no label file (labels/ for images/): taken for pictures of nobody"] += 1
            return
        except (NodaError, OSError, UnicodeDecodeError) as error:
            self.problems.append(Problem("read", str(labels), f"cannot be read ({error})"))
            return
        key = str(PurePosixPath(os.path.relpath(labels, self._path.parent / "labels")))
        extras = self._extras.of(key, len(rows))
        for number, (row, extra) in enumerate(zip(rows, extras, strict=True)):
            try:
                person = self._person(row, extra, f"{name}#{number}", name, size)
            except ItemError as error:
                self.problems.append(Problem("read", f"{labels} row {number}", str(error)))
                continue
            if person is not None:
                yield person

    def _person(
        self, row: Sequence[str], extra: Mapping[str, Any], person_id: str, name: str, size: tuple[int, int]
    ) -> Person | None:
        data, count = self._data, len(self.skeleton)
        try:
            values = np.array([float(value) for value in row])
        except ValueError:
            raise ItemError("not numbers") from None
        if len(values) != 5 + count * data.columns or not np.isfinite(values).all():
            expected = f"class, box and {count} keypoints of {data.columns}"
            raise ItemError(f"{5 + count * data.columns} finite numbers are expected, not {len(values)}: {expected}")
        if values[0] != data.person:
            self.notes["labels of other classes left out"] += 1
            return None
        table = values[5:].reshape(count, data.columns)
        # Without v, 0 0 and what is negative stand for a joint that is not labelled.
        flags = table[:, 2] if data.columns == 3 else np.where((table >= 0).all(axis=1) & table.any(axis=1), 2, 0)
        if not np.isin(flags, (0, 1, 2)).all():
            raise ItemError("other flags than v = 0, 1 and 2")
        shares = np.concatenate([values[1:5], table[flags > 0, :2].ravel()])
        if astray := [share for share in shares if not _LEAST <= share <= _MOST]:
            raise ItemError(f"{astray[0]:g} is no share of the picture's width or height, which are 0 to 1")
        joints = np.round(table[:, :2] * size, _DECIMALS)
        visible = np.choose(flags.astype(int), [UNKNOWN, OCCLUDED, VISIBLE if data.columns == 3 else UNKNOWN])
        labelled = flags > 0
        for joint, point in extra.get("outside", {}).items():
            if joint in self.skeleton.index:
                joints[self.skeleton.index[joint]] = numbers(point, (2,), f"{EXTRAS}: outside")
                labelled[self.skeleton.index[joint]] = True
        if "joints_visible" in extra:
            visible = numbers(extra["joints_visible"], (count,), f"{EXTRAS}: joints_visible")
        self._person_id += 1
        named = str(extra.get("person_id", person_id))
        known = {key: extra[key] for key in ("mpii", "head_box") if key in extra} | {"person_id": named}
        left, top, width, height = _corner(values[1:5], size)
        bare = Person(
            image=name,
            person_id=named,
            joints=np.where(labelled[:, None], joints, np.nan),
            labelled=labelled,
            visible=np.where(labelled, visible, UNKNOWN).astype(np.int8),
            **_mpii_values(known),
        )
        v = np.where(labelled, np.where(bare.visible == OCCLUDED, 1, 2), 0)
        keypoints = np.column_stack([np.where(labelled[:, None], joints, 0.0), v])
        record = {
            "id": self._person_id,
            "image_id": self._image_id,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [left, top, width, height],
            "area": round(width * height, _DECIMALS),
            "num_keypoints": int(labelled.sum()),
            "keypoints": keypoints.ravel().tolist(),
            "noda": known,
        }
        return replace(bare, record=record)


def _mpii_values(known: Mapping[str, Any]) -> dict[str, Any]:
    """Center, scale and head box, as they were when they were written."""
    values = center_and_scale(mpii_extension({"noda": known}), f"{EXTRAS}: ")
    box = numbers(known["head_box"], (4,), f"{EXTRAS}: head_box") if "head_box" in known else None
    return {**values, "head_box": box}


def _corner(box: NDArray[np.float64], size: tuple[int, int]) -> list[float]:
    """x, y, width, height in pixels of a box by its centre, in shares of the picture."""
    center, extent = box[:2] * size, box[2:] * size
    return [round(float(value), _DECIMALS) for value in (*(center - extent / 2), *extent)]


def _names(places: Sequence[Path], folder: Path) -> Iterator[str]:
    """The names of the pictures of a part: of folders sorted, of lists in their order."""
    for place in places:
        if place.is_dir():
            files = sorted(file for file in place.rglob("*") if file.suffix.lower() in _ENDINGS)
        else:
            lines = (line.strip() for line in _listed_in(place))
            files = [place.parent / line.removeprefix("./") for line in lines if line]
        yield from (PurePosixPath(os.path.relpath(file, folder)).as_posix() for file in files)


def _listed_in(path: Path) -> list[str]:
    """The lines of a list of pictures; where it has only backslashes, it is from Windows."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise NodaError("no text in UTF-8; a list of pictures is.", path) from None
    return (text if "/" in text else text.replace("\\", "/")).splitlines()


class _Extras:
    """What the rows of label files do not hold, from noda.jsonl; nothing where there is no such file."""

    def __init__(self, path: Path) -> None:
        """Raises NodaError for a file that is damaged."""
        self._people: DiskList[list[dict[str, Any]]] = DiskList()
        self._indices: dict[str, int] = {}
        if not path.is_file():
            return
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = parsed(line)
                    self._indices[entry["labels"]] = len(self._people)
                    self._people.append([dict(person) for person in entry["people"]])
                except (ValueError, KeyError, TypeError):
                    raise NodaError(f"line {number} is not as noda-synth wrote it; remove the file.", path) from None

    def of(self, labels: str, rows: int) -> list[dict[str, Any]]:
        """Of each row of a label file; nothing where rows have come or gone since."""
        index = self._indices.get(labels)
        people = [] if index is None else self._people[index]
        return people if len(people) == rows else [{} for _ in range(rows)]
