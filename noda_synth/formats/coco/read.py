"""COCO keypoints: images, people and v = 0/1/2, in 0-based pixels.

Which joints they are shows in the category's names: those of a skeleton that is given, or else of a shipped one, in any
order, which the dataset's skeleton takes over. `noda.visibility` on an annotation says what v = 2 cannot: "unknown" (no
joint of the person is known to be visible), or "mixed", and then `noda.joints_visible` has 1, 0 or -1 for each joint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Crowd, Dataset, Image, Images, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem, of_item
from noda_synth.formats.coco.ids import can_be_kept
from noda_synth.formats.coco.ochuman import coco_of, is_ochuman
from noda_synth.formats.coco.person_category import person_categories
from noda_synth.formats.coco.rle import readable_outline
from noda_synth.formats.files.checks import (
    PersonRegistry,
    center_and_scale,
    identity,
    image_name,
    mpii_extension,
    noda_extension,
    numbers,
    record_object,
    stated,
)
from noda_synth.formats.files.detect import COCO_LISTS, KINDS, detect, not_coco
from noda_synth.formats.files.json_pieces import MAX_DEPTH, TooDeep, open_json


def read_coco(path: Path, skeleton: Skeleton | None = None, *, insist_occluded: bool = False) -> Dataset:
    """Read one COCO keypoint file as a training part.

    Crowds, other categories and images that nobody is on stay out of `persons`; people without keypoints stay in.
    An outline that cannot be read is left out of its person's record. Where no joint of a whole file has v = 2, v = 1
    says no more than that the joint is labelled (PoseTrack18 and others write it so): its visibility is unknown.

    Args:
        path: the file.
        skeleton: whose joints its category has to have; without it, the category has to have a shipped skeleton's.
        insist_occluded: v = 1 is occluded even so.

    Raises:
        NodaError: the file is unusable as a whole, or has no category with these joints.
    """
    content = _Content(path)
    categories = person_categories(content.header["categories"], skeleton, path, content.joint_counts)
    problems, joints = content.problems, categories.skeleton
    if content.flags(categories.ids) == {1} and not insist_occluded:
        joints = replace(joints, visibility_unstated=joints.joints)
        note = "v = 1 at every labelled joint and 2 at none: read as labelled, visibility unknown"
        problems.append(Problem("v1", path.name, f"{note} (--v1-occluded: as occluded)", failed=False))
    reader, registry = _AnnotationReader(path.name, content, categories.ids, joints), PersonRegistry(path.name)
    people = registry.add_all(reader.persons())
    notes = (*categories.notes, *reader.notes())
    problems.extend(Problem("read", path.name, note, failed=False) for note in notes)
    problems.extend(Problem("ids", path.name, note, failed=False) for note in reader.ids.notes())
    problems.extend(registry.problems)
    return Dataset(
        skeleton=categories.skeleton,
        images=content.images,
        persons=people,
        problems=problems,
        source="coco",
        header={**content.header, "categories": categories.categories},
        crowds=reader.crowds,
        categories=categories.ids,
    )


class _AnnotationReader:
    """Goes through the annotations of a file once.

    Attributes:
        crowds: those that it met.
        others: category id -> annotations of categories that are not people's.
        ids: what is worth knowing about the ids of people and crowds.
    """

    def __init__(self, file: str, content: _Content, categories: Collection[int | str], skeleton: Skeleton) -> None:
        self._file, self._content, self._categories, self._skeleton = file, content, categories, skeleton
        self.crowds = DiskList[Crowd]()
        self.others = Counter[int | str]()
        self.ids = _IdNotes()

    def persons(self) -> Iterator[Person]:
        """The people; what is wrong with the others goes to the content's problems."""
        problems = self._content.problems
        for row, annotation in enumerate(self._content.annotations):
            where = f"{self._file} annotation {row}"
            try:
                annotation = stated(record_object(annotation))
                if (category := identity(annotation, "category_id")) not in self._categories:
                    self.others[category] += 1
                    continue
                with of_item():
                    usable, fault = _with_outline(annotation, self._content)
                    person = None if annotation.get("iscrowd") else _person(usable, self._content, self._skeleton)
                if person is None:
                    self.crowds.append(Crowd(_image(usable, self._content).name, usable))
                else:
                    yield person
                self.ids.add(identity(annotation, "id"))
                if fault:
                    problems.append(Problem("outline", f"{where} (id {annotation.get('id')})", fault, failed=False))
            except ItemError as error:
                number = f" (id {annotation['id']})" if isinstance(annotation, dict) and "id" in annotation else ""
                problems.append(Problem("read", f"{where}{number}", str(error)))

    def notes(self) -> Iterator[str]:
        """What was left out, once all annotations were gone through."""
        if self.others:
            which, wanted = (", ".join(map(str, sorted(ids, key=str))) for ids in (self.others, self._categories))
            yield (
                f"{self.others.total()} annotations of other categories left out (category_id {which}; that of people: "
                f"{wanted})"
            )
        if len(self.crowds):
            yield f"{len(self.crowds)} crowds, which are nobody's training sample"


class _IdNotes:
    """What is worth knowing about the ids of annotations; what is written has others then."""

    def __init__(self) -> None:
        self._seen: set[int | str] = set()
        self._twice: list[int | str] = []
        self._unusual: list[int | str] = []

    def add(self, number: int | str) -> None:
        """Look at the id of one more annotation."""
        if number in self._seen:
            self._twice.append(number)
        self._seen.add(number)
        if not can_be_kept(number, lowest=1):
            self._unusual.append(number)

    def notes(self) -> Iterator[str]:
        """One for each kind."""
        if self._twice:
            yield f"{len(self._twice)} annotations with the id of another ({self._twice[0]!r} for one): written anew"
        if self._unusual:
            yield (
                f"{len(self._unusual)} annotation ids are 0, negative, text, or beyond 64 bits "
                f"({self._unusual[0]!r} for one), which pycocotools cannot take: written anew"
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
        self._twice: dict[int | str, list[str]] = {}
        self.annotations: DiskList[Any] = DiskList()
        self.problems: DiskList[Problem] = DiskList()
        self._lists: set[str] = set()
        if is_ochuman(path):
            self._add({key: iter(values) for key, values in coco_of(path).items()}.items(), path)
        else:
            with open_json(path) as file:
                self._add(file.items(), path)
                file.end()
        if not self._lists.issuperset(COCO_LISTS):
            raise not_coco(path)

    def _add(self, items: Iterable[tuple[str, Any]], path: Path) -> None:
        """Take in the keys and values of the file's object, lists as iterators."""
        for key, value in items:
            if isinstance(value, Iterator):
                self._lists.add(key)
            if key == "images" and isinstance(value, Iterator):
                self._add_images(value, path.name)
            elif key == "annotations" and isinstance(value, Iterator):
                self.annotations = DiskList(value)
            else:
                self.header[key] = self._usable(value, f"{path.name} {key}") if key in self._lists else value

    def _usable(self, entries: Iterable[Any], what: str) -> list[Any]:
        """The entries of a list of the header, but for those that are nested too deeply to be written again."""
        kept = []
        for number, entry in enumerate(entries):
            if isinstance(entry, TooDeep):
                reason = f"lists or objects in it are nested more than {MAX_DEPTH} deep: left out"
                self.problems.append(Problem("read", f"{what} {number}", reason))
            else:
                kept.append(entry)
        return kept

    def joint_counts(self) -> dict[int | str, set[int]]:
        """Category id -> the numbers of joints that its annotations have."""
        counts: dict[int | str, set[int]] = {}
        for annotation in self.annotations:
            if isinstance(annotation, dict) and isinstance(keypoints := annotation.get("keypoints"), list):
                category = annotation.get("category_id")
                if isinstance(category, int | str):
                    counts.setdefault(category, set()).add(len(keypoints) // 3)
        return counts

    def flags(self, categories: Collection[int | str]) -> set[Any]:
        """The values of v other than 0 in the annotations of some categories; not all of them once there is a 2.

        What `render` wrote is left out: there v = 1 means occluded.
        """
        found: set[Any] = set()
        for annotation in self.annotations:
            if not isinstance(annotation, dict) or annotation.get("category_id") not in categories:
                continue
            if "role" in noda_extension(annotation):
                continue
            if isinstance(keypoints := annotation.get("keypoints"), list):
                found.update(value for value in keypoints[2::3] if isinstance(value, int | float) and value)
            if 2 in found:
                break
        return found

    def image_of(self, image_id: int | str) -> Image | None:
        """The image of an id. ItemError where the id is that of several."""
        if names := self._twice.get(image_id):
            raise ItemError(f"its image id {image_id} stands twice ({', '.join(names)}): nobody knows which is meant")
        index = self._image_indices.get(image_id)
        return None if index is None else self.images.by_index(index)

    def _add_images(self, entries: Iterable[Any], file: str) -> None:
        for row, entry in enumerate(entries):
            try:
                entry = stated(record_object(entry))
                image_id = identity(entry, "id")
                name = image_name(entry.get("file_name"))
                size = None
                if entry.get("width") and entry.get("height"):
                    width, height = numbers([entry["width"], entry["height"]], (2,), "width and height")
                    size = (int(width), int(height))
                index = self.images.add(Image(name, size, record=entry))
                if (first := self._image_indices.setdefault(image_id, index)) != index:
                    names = self._twice.setdefault(image_id, [self.images.by_index(first).name])
                    names += [name] * (name not in names)
            except ItemError as error:
                self.problems.append(Problem("read", f"{file} image {row}", str(error)))
        for image_id, names in self._twice.items():
            reason = f"stands twice ({', '.join(names)}): the people of these images cannot be used; number them anew"
            self.problems.append(Problem("read", f"{file} image id {image_id}", reason))
        if self._twice:
            named = {name for names in self._twice.values() for name in names}
            self._without(named)

    def _without(self, named: Collection[str]) -> None:
        """Take out the images of these names."""
        ids = {image_id: self.images.by_index(index) for image_id, index in self._image_indices.items()}
        self.images = Images(image for image in self.images.values() if image.name not in named)
        self._image_indices = {
            image_id: self.images.index(image.name) for image_id, image in ids.items() if image.name not in named
        }


def _known_keypoints(keypoints: Any, joints: int) -> Any:
    """The keypoints; none labelled where there are none; and 0 for coordinates without a number where v is 0."""
    if not keypoints:
        return [0] * (3 * joints)
    if not isinstance(keypoints, list) or len(keypoints) != 3 * joints or all(map(_is_number, keypoints)):
        return keypoints
    flags = keypoints[2::3]
    return [0 if flags[place // 3] == 0 and not _is_number(value) else value for place, value in enumerate(keypoints)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value == value  # NaN is not itself


def _image(annotation: Mapping[str, Any], content: _Content) -> Image:
    image_id = identity(annotation, "image_id")
    image = content.image_of(image_id)
    if image is None:
        raise ItemError(f"its image {image_id} is not among the images, or could not be used")
    return image


def _with_outline(annotation: Mapping[str, Any], content: _Content) -> tuple[Mapping[str, Any], str]:
    """The annotation with what of its outline can be read, and what is wrong with the rest, or an empty string."""
    if not (outline := annotation.get("segmentation")):
        return annotation, ""
    try:
        image = _image(annotation, content)
        rest = readable_outline(outline, image.size)
    except ItemError as error:
        return {key: value for key, value in annotation.items() if key != "segmentation"}, f"{error}: left out"
    if rest is outline:
        return annotation, ""
    return {**annotation, "segmentation": rest}, "segmentation: polygons of one or two points: left out"


def _person(annotation: Mapping[str, Any], content: _Content, skeleton: Skeleton) -> Person:
    missing = [key for key in ("id", "image_id") if annotation.get(key) is None]
    if missing:
        raise ItemError(f"lacks {', '.join(missing)}")
    number, image = identity(annotation, "id"), _image(annotation, content)
    annotation = {**annotation, "keypoints": _known_keypoints(annotation.get("keypoints"), len(skeleton))}
    table = numbers(annotation["keypoints"], (3 * len(skeleton),), "keypoints").reshape(-1, 3)
    flags = table[:, 2]
    if not np.isin(flags, (0, 1, 2)).all():
        raise ItemError("keypoints: other flags than v = 0, 1 and 2")
    for key, shape in (("bbox", (4,)), ("area", ())):
        if annotation.get(key):
            numbers(annotation[key], shape, key)
    labelled = flags > 0
    noda, mpii = noda_extension(annotation), mpii_extension(annotation)
    crop = center_and_scale(mpii, "noda.mpii.")
    return Person(
        image=image.name,
        person_id=str(number),
        joints=np.where(labelled[:, None], table[:, :2], np.nan),
        labelled=labelled,
        visible=_visible(flags, noda, skeleton),
        **crop,
        head_box=numbers(noda["head_box"], (4,), "noda.head_box") if "head_box" in noda else None,
        record=annotation,
    )


def _visible(flags: NDArray[np.float64], noda: Mapping[str, Any], skeleton: Skeleton) -> NDArray[np.int8]:
    known = noda.get("visibility")
    if known == "mixed":
        values = numbers(noda.get("joints_visible"), (len(skeleton),), "noda.joints_visible")
        if not np.isin(values, (VISIBLE, OCCLUDED, UNKNOWN)).all():
            raise ItemError("noda.joints_visible: other values than 1, 0 and -1")
        return np.where(flags > 0, values, UNKNOWN).astype(np.int8)
    plain = np.choose(flags.astype(int), [UNKNOWN, OCCLUDED, UNKNOWN if known == "unknown" else VISIBLE])
    unstated = skeleton.indices(*skeleton.visibility_unstated)
    plain[unstated] = np.where(flags[unstated] == 1, UNKNOWN, plain[unstated])
    return plain.astype(np.int8)
