"""COCO keypoints: images, people and v = 0/1/2, in 0-based pixels.

Which joints they are shows in the category's names: those of a skeleton that is given, or else of a shipped one, in any
order, which the dataset's skeleton takes over. `noda.visibility` on an annotation says what v = 2 cannot: "unknown" (no
joint of the person is known to be visible), or "mixed", and then `noda.joints_visible` has 1, 0 or -1 for each joint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Dataset, Image, Images, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.coco.person_category import person_categories
from noda_synth.formats.files.checks import (
    PersonRegistry,
    identity,
    image_name,
    mpii_extension,
    noda_extension,
    numbers,
)
from noda_synth.formats.files.detect import COCO_LISTS, KINDS, detect, not_coco
from noda_synth.formats.files.json_pieces import open_json


def read_coco(path: Path, skeleton: Skeleton | None = None) -> Dataset:
    """Read one COCO keypoint file as a training part.

    Crowds, other categories and images that nobody is on stay out of `persons`; people without keypoints stay in.

    Args:
        path: the file.
        skeleton: whose joints its category has to have; without it, the category has to have a shipped skeleton's.

    Raises:
        NodaError: the file is unusable as a whole, or has no category with these joints.
    """
    content = _Content(path)
    categories, found = person_categories(content.header["categories"], skeleton, path)
    problems, left_out = content.problems, Counter[str]()

    def persons() -> Iterator[Person]:
        for row, annotation in enumerate(content.annotations):
            try:
                if not isinstance(annotation, dict):
                    raise ItemError("not an object")
                if identity(annotation, "category_id") not in categories:
                    left_out["annotations of other categories"] += 1
                elif annotation.get("iscrowd"):
                    left_out["crowds"] += 1
                else:
                    yield _person(annotation, content, found)
            except ItemError as error:
                number = f" (id {annotation['id']})" if isinstance(annotation, dict) and "id" in annotation else ""
                problems.append(Problem("read", f"{path.name} annotation {row}{number}", str(error)))

    registry = PersonRegistry(path.name)
    people = registry.add_all(persons())
    problems.extend(
        Problem("read", path.name, f"{count} {what} left out", failed=False) for what, count in left_out.items()
    )
    problems.extend(registry.problems)
    return Dataset(
        skeleton=found,
        images=content.images,
        persons=people,
        problems=problems,
        source="coco",
        header=content.header,
    )


class _Content:
    """The content of a COCO file, in any order.

    Attributes:
        images: those that can be used.
        annotations: unchecked; they are looked at once the categories are known, which stand behind them.
        header: all that stands in the file beside these two.
        problems: images that cannot be used.
    """

    def __init__(self, path: Path) -> None:
        """Read the file. NodaError if it is damaged or no COCO."""
        if detect(path) != "coco":
            raise NodaError(f"{KINDS['mpii_json']}, where COCO keypoints are expected.", path)
        self.header: dict[str, Any] = {}
        self.images = Images()
        self._image_indices: dict[int | str, int] = {}
        self.annotations: DiskList[Any] = DiskList()
        self.problems: DiskList[Problem] = DiskList()
        lists = set()
        with open_json(path) as file:
            for key, value in file.items():
                if isinstance(value, Iterator):
                    lists.add(key)
                if key == "images" and isinstance(value, Iterator):
                    self._add_images(value, path.name)
                elif key == "annotations" and isinstance(value, Iterator):
                    self.annotations = DiskList(value)
                else:
                    self.header[key] = list(value) if isinstance(value, Iterator) else value
            file.end()
        if not lists.issuperset(COCO_LISTS):
            raise not_coco(path)

    def image_of(self, image_id: int | str) -> Image | None:
        """The image of an id."""
        index = self._image_indices.get(image_id)
        return None if index is None else self.images.by_index(index)

    def _add_images(self, entries: Iterable[Any], file: str) -> None:
        for row, entry in enumerate(entries):
            try:
                if not isinstance(entry, dict):
                    raise ItemError("not an object")
                image_id = identity(entry, "id")
                name = image_name(entry.get("file_name"))
                size = None
                if "width" in entry and "height" in entry:
                    width, height = numbers([entry["width"], entry["height"]], (2,), "width and height")
                    size = (int(width), int(height))
                self._image_indices[image_id] = self.images.add(Image(name, size, record=entry))
            except ItemError as error:
                self.problems.append(Problem("read", f"{file} image {row}", str(error)))


def _person(annotation: Mapping[str, Any], content: _Content, skeleton: Skeleton) -> Person:
    missing = [key for key in ("id", "image_id", "keypoints") if key not in annotation]
    if missing:
        raise ItemError(f"lacks {', '.join(missing)}")
    number, image_id = identity(annotation, "id"), identity(annotation, "image_id")
    image = content.image_of(image_id)
    if image is None:
        raise ItemError(f"its image {image_id} is not among the images, or could not be used")
    table = numbers(annotation["keypoints"], (3 * len(skeleton),), "keypoints").reshape(-1, 3)
    flags = table[:, 2]
    if not np.isin(flags, (0, 1, 2)).all():
        raise ItemError("keypoints: other flags than v = 0, 1 and 2")
    for key, shape in (("bbox", (4,)), ("area", ())):
        if key in annotation:
            numbers(annotation[key], shape, key)
    labelled = flags > 0
    noda, mpii = noda_extension(annotation), mpii_extension(annotation)
    center = numbers(mpii.get("center", [-1, -1]), (2,), "noda.mpii.center")
    scale = float(numbers(mpii.get("scale", -1), (), "noda.mpii.scale"))
    return Person(
        image=image.name,
        person_id=str(number),
        joints=np.where(labelled[:, None], table[:, :2], np.nan),
        labelled=labelled,
        visible=_visible(flags, noda, skeleton),
        center=None if center[0] == -1 else center - 1,
        scale=scale if scale > 0 else None,
        head_box=numbers(noda["head_box"], (4,), "noda.head_box") if "head_box" in noda else None,
        record=annotation,
    )


def _visible(flags: NDArray[np.float64], noda: Mapping[str, Any], skeleton: Skeleton) -> NDArray[np.int8]:
    stated = noda.get("visibility")
    if stated == "mixed":
        values = numbers(noda.get("joints_visible"), (len(skeleton),), "noda.joints_visible")
        if not np.isin(values, (VISIBLE, OCCLUDED, UNKNOWN)).all():
            raise ItemError("noda.joints_visible: other values than 1, 0 and -1")
        return np.where(flags > 0, values, UNKNOWN).astype(np.int8)
    plain = np.choose(flags.astype(int), [UNKNOWN, OCCLUDED, UNKNOWN if stated == "unknown" else VISIBLE])
    unstated = skeleton.indices(*skeleton.visibility_unstated)
    plain[unstated] = np.where(flags[unstated] == 1, UNKNOWN, plain[unstated])
    return plain.astype(np.int8)
