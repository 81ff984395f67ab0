"""COCO files of a rendered set: everyone in every picture, clean or covered, with outlines and changed visibility.

`coco_train_scene.json` is for bottom-up and multi-person work: in a copy it lists the target, the bystanders and, with
NODA, the pasted person; and crowds, less what is pasted over them. A bystander of whom nothing is left to be seen is a
crowd as well, so that nobody is asked to find them. `coco_train_topdown.json` has one record per training sample, like
the MPII list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, Crowd, Dataset, Image, Person
from noda_synth.data.geometry import stated_box
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem
from noda_synth.formats import coco_annotation, coco_image, rle_encode_region, segmentation_mask, write_coco
from noda_synth.formats.coco.ids import Numbering, first_free
from noda_synth.formats.coco.rle import readable_outline, rle_area, rle_plain
from noda_synth.formats.coco.write import stated_area
from noda_synth.formats.files.checks import noda_extension, numbers
from noda_synth.imaging.compositing import COVERING
from noda_synth.imaging.images import image_path, image_size
from noda_synth.methods import Recipe
from noda_synth.methods.base import Method, Subject
from noda_synth.methods.bodies import BodyMethod
from noda_synth.pool.reader import Pool
from noda_synth.render.occluded_copies import CopySpec, PlannedCopies
from noda_synth.render.output import Copies, training_lists
from noda_synth.render.pasted import Pasted, Region, is_sample, pasted_on
from noda_synth.render.plan import Plan
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs import jobs
from noda_synth.runs.staging import Outcome

SCENES = "coco_train_scene.json"
_SHARD_IMAGES = 16
_BOX_AREA = 0.01
"""An area that differs from the box's by a smaller share is the box's."""


@dataclass(frozen=True)
class _Group:
    """An image, the people on it by row, the copies that were made of it, and its crowds."""

    image: Image
    people: tuple[tuple[int, Person], ...]
    copies: tuple[CopySpec, ...]
    crowds: tuple[Crowd, ...]


_Picture = dict[str, Any]
"""A line of a shard: the COCO image, its annotations with their rows in the data set, the copy and the target's row."""
_Chosen = Callable[[], Iterable[tuple[_Picture, list[Any]]]]
"""Goes through pictures, each with the annotations that are written of it."""


@dataclass(frozen=True)
class _Task:
    images: Path
    recipe: Recipe
    skeleton: Skeleton
    box_areas: bool
    groups: Sequence[_Group]


def write_scenes(run: RenderRun, plan: Plan, done: Copies, unreadable: Collection[str]) -> Iterator[Problem]:
    """Write both COCO files into the annotations of the result.

    Args:
        run: what is rendered; its staging folder is held by the caller.
        plan: who gets covered, and how.
        done: the copies that were made.
        unreadable: images that the written set lacks.

    Returns:
        Images that could not be described.
    """
    dataset, settings = run.dataset, run.settings
    specs = PlannedCopies(run, plan)

    crowds: dict[str, tuple[Crowd, ...]] = {}
    for crowd in dataset.crowds:
        crowds[crowd.image] = (*crowds.get(crowd.image, ()), crowd)

    def groups() -> Iterator[_Group]:
        for number, image in enumerate(dataset.images.values()):
            if image.name in unreadable:
                continue
            people = ((row, dataset.persons[row]) for row in dataset.by_image.rows(number))
            made = tuple(spec for spec in specs.on(number) if (spec.row, spec.copy) in done)
            unique = tuple((row, person) for row, person in people if not person.duplicate)
            yield _Group(image, unique, made, crowds.get(image.name, ()))

    task = partial(_Task, run.layout.images, run.recipe, dataset.skeleton, areas_are_boxes(dataset))
    shards = (
        jobs.Shard(f"scene-{number:06d}", task(block), len(block))
        for number, block in enumerate(jobs.blocks(groups(), _SHARD_IMAGES))
    )
    work = partial(_describe_images, max_pixels=settings.max_pixels)
    with run.execution.progress(len(dataset.images), "coco", "image") as progress:
        outcomes = jobs.run_shards(run.staging, work, shards, workers=run.execution.workers, progress=progress)
    pictures = _numbered(outcomes.data(), dataset)
    annot = run.staging.result / "annot"

    def write(name: str, chosen: _Chosen) -> None:
        write_coco(
            annot / name,
            (picture["image"] for picture, _ in chosen()),
            (annotation for _, annotations in chosen() for annotation in annotations),
            dataset.skeleton,
            dataset.header,
        )

    write(SCENES, lambda: ((picture, picture["annotations"]) for picture in pictures()))
    covered = np.zeros(len(dataset.persons), np.bool_)
    covered[done.rows] = True
    for end, copies in training_lists(settings).items():
        samples = partial(_samples, pictures, covered=covered, copies=copies, settings=settings)
        for name in {f"coco_train_topdown{end}.json", *(["coco_train_topdown.json"] if copies == (0,) else [])}:
            write(name, samples)
    return outcomes.problems()


def _samples(
    pictures: Callable[[], Iterator[_Picture]],
    *,
    covered: NDArray[np.bool_],
    copies: Collection[int],
    settings: RenderSettings,
) -> Iterator[tuple[_Picture, list[Any]]]:
    """Pictures with the annotations of their training samples: that of a covered person is on the copy alone."""
    for picture in pictures():
        if picture["copy"] is None:
            kept = [row is not None and (settings.append or not covered[row]) for row in picture["rows"]]
        elif picture["copy"] in copies:
            kept = [row == picture["target"] for row in picture["rows"]]
            if settings.train_pasted:
                kept = [own or _is_pasted_sample(one) for own, one in zip(kept, picture["annotations"], strict=True)]
        else:
            continue
        annotations = [
            annotation
            for annotation, keep in zip(picture["annotations"], kept, strict=True)
            if keep and annotation["num_keypoints"]
        ]
        if annotations:
            yield picture, annotations


def _is_pasted_sample(annotation: Mapping[str, Any]) -> bool:
    joints = len(annotation["keypoints"]) // 3
    return annotation["noda"]["role"] == "occluder" and is_sample(annotation["num_keypoints"], joints)


def _numbered(shards: Sequence[Path], dataset: Dataset) -> Callable[[], Iterator[_Picture]]:
    """A function that goes through all pictures with ids: the input's for what the input has, new ones above them.

    Copies have theirs.
    """

    def lines() -> Iterator[_Picture]:
        for shard in shards:
            with shard.open() as file:
                for line in file:
                    yield json.loads(line)

    first_image = first_free(image.record.get("id") for image in dataset.images.values())
    persons = (person.record.get("id") for person in dataset.persons)
    first_annotation = first_free(chain(persons, (crowd.record.get("id") for crowd in dataset.crowds)))
    category_of = _source_categories(dataset)

    def pictures() -> Iterator[_Picture]:
        images, annotations = Numbering(first_image, lowest=0), Numbering(first_annotation, lowest=1)
        for picture in lines():
            image = picture["image"]
            given, own = image["id"], picture["copy"] is None and image["id"] is not None
            if picture["copy"] is None:
                image["id"] = images.keep(given)
            if own and image["id"] != given:
                image["noda"] = {**noda_extension(image), "id": given}
            for annotation in picture["annotations"]:
                annotation["image_id"] = image["id"]
                annotation["id"] = annotations.keep(annotation["id"]) if own else annotations.new()
                if annotation["noda"]["role"] == "occluder" and dataset.categories:
                    source = annotation["noda"]["source_person"]
                    annotation["category_id"] = category_of.get(source, dataset.categories[0])
            if picture["copy"] is not None:
                _say_who_covers(picture["annotations"])
            yield picture

    return pictures


def _say_who_covers(annotations: Sequence[dict[str, Any]]) -> None:
    """Put the ids of the pasted people where there is an empty list for them; ids of the input's pictures go."""
    pasted = [annotation["id"] for annotation in annotations if annotation["noda"]["role"] == "occluder"]
    for annotation in annotations:
        if (by := annotation["noda"].pop("covered_by", None)) is not None and not by and pasted:
            annotation["noda"]["covered_by"] = pasted


def _source_categories(dataset: Dataset) -> Mapping[str, Any]:
    """Person id -> category, where a file has several categories of people."""
    if len(dataset.categories) < 2:
        return {}
    return {person.person_id: person.record["category_id"] for person in dataset.persons}


def areas_are_boxes(dataset: Dataset) -> bool:
    """Whether `area` is that of the box in a data set, as in files without outlines; else it is that of the outline.

    A file that states no area has no outlines either, or not of everyone.
    """
    for person in dataset.persons:
        box, area = stated_box(person.record), person.record.get("area")
        if box and area and not math.isclose(area, box[2] * box[3], rel_tol=_BOX_AREA):
            return False
    return True


def _describe_images(task: _Task, path: Path, *, max_pixels: int) -> Outcome:
    """One line per picture: the clean image, then its copies."""
    method = task.recipe.open()
    problems: list[Problem] = []
    with path.open("w") as file:
        for group in task.groups:
            name = group.image.name
            try:
                size = image_size(image_path(task.images, name), max_pixels)
                for picture in _Scene(task, method, group, size, problems).pictures():
                    file.write(json.dumps(picture) + "\n")
            except ItemError as error:
                problems.append(Problem("coco", name, str(error)))
    return Outcome(problems)


class _Scene:
    """An image of (width, height) `size` with all that is on it, and its copies; adds to the problems."""

    def __init__(
        self, task: _Task, method: Method[Any, Any], group: _Group, size: tuple[int, int], problems: list[Problem]
    ) -> None:
        self._group, self._size, self._method = group, size, method
        self._skeleton, self._box_areas = task.skeleton, task.box_areas
        pool = method.pool if isinstance(method, BodyMethod) else None
        self._people = [(row, _with_outline(person, size, problems)) for row, person in group.people]
        self._outlines = [_outline(person, pool, size) for _, person in self._people]
        self._crowds = [(crowd, found) for crowd in group.crowds if (found := _crowd_region(crowd, size, problems))]

    def pictures(self) -> Iterator[_Picture]:
        """The clean image, then its copies."""
        image = self._group.image
        annotations = [
            self._annotate(
                person, person.visible, outline, outline, {"role": "person", **self._hiding(person, outline, outline)}
            )
            for (_, person), outline in zip(self._people, self._outlines, strict=True)
        ]
        annotations += [self._annotate_crowd(crowd, found, found) for crowd, found in self._crowds]
        yield {
            "image": coco_image(image.name, image.record.get("id"), self._size, image.record),
            "copy": None, "target": None, "rows": self._rows(annotations), "annotations": annotations,
        }  # fmt: skip
        for spec in self._group.copies:
            annotations = list(self._on_copy(spec))
            yield {
                "image": coco_image(spec.name, spec.image_id, self._size, {"noda": {"source": image.name}}),
                "copy": spec.copy, "target": spec.row, "rows": self._rows(annotations), "annotations": annotations,
            }  # fmt: skip

    def _rows(self, annotations: Sequence[Any]) -> list[int | None]:
        """The rows of the people, who come first, and None for everything else."""
        rows: list[int | None] = [row for row, _ in self._people]
        return rows + [None] * (len(annotations) - len(rows))

    def _on_copy(self, spec: CopySpec) -> Iterator[dict[str, Any]]:
        overlay = self._method.overlay(spec.placement)
        region = None if overlay is None else Region(overlay.alpha >= COVERING, overlay.left, overlay.top)
        for (row, person), outline in zip(self._people, self._outlines, strict=True):
            hit = Subject(person, self._skeleton, self._size).under(overlay)
            visible = np.where(hit, OCCLUDED, person.visible).astype(np.int8)
            role = "target" if row == spec.row else "bystander"
            left = outline.less(region) if outline and region else outline
            covered = self._skeleton.named(hit & person.labelled)
            hit_outline = outline is not None and left is not None and left.mask.sum() < outline.mask.sum()
            by: dict[str, Any] = {"covered_by": []} if covered or hit_outline else {}
            by |= self._hiding(person, outline, left)
            # Of the target it is stated in any case: none is known to be covered is not the same as nothing is known.
            extra = {"role": role, **({"covered": covered} if covered or role == "target" else {}), **by}
            annotation = self._annotate(person, visible, outline, left, extra)
            if role == "bystander" and outline and left and not left.mask.any():
                annotation = self._hidden(annotation, outline)
            yield annotation
        for crowd, found in self._crowds:
            left = found.less(region) if region else found
            if left.mask.any():
                yield self._annotate_crowd(crowd, found, left)
        yield from map(self._annotate_pasted, pasted_on(spec.name, self._method, spec.placement, self._size))

    def _annotate(
        self,
        person: Person,
        visible: NDArray[np.int8],
        before: Region | None,
        after: Region | None,
        extra: dict[str, Any],
    ) -> dict[str, Any]:
        """The annotation of a person whose outline was `before`; the input's stays as it is where nothing covers it."""
        kept = after is None or (after is before and person.record.get("segmentation"))
        annotation = coco_annotation(
            person,
            annotation_id=person.record.get("id", 0) if "keypoints" in person.record else 0,
            image_id=0,
            size=self._size,
            visible=visible,
            segmentation=None if kept or after is None else self._run_lengths(after),
            extra={**extra, "person_id": person.person_id},
        )
        return {**annotation, "area": self._area(person.record, annotation["bbox"], before, after)}

    def _hiding(self, person: Person, before: Region | None, after: Region | None) -> dict[str, Any]:
        """The whole outline of somebody who is hidden in part, and how much of it is; nothing where that is not known.

        The whole one is the input's, under this name, else the outline `before` the picture was changed.
        """
        if before is None or after is None:
            return {}
        whole = _amodal(person, self._size)
        if whole is None and after is before:
            return {}
        seen = rle_area(self._run_lengths(after))
        area = int(segmentation_mask(whole, self._size).sum()) if whole else rle_area(self._run_lengths(before))
        if seen >= area:
            return {}
        amodal = whole or person.record.get("segmentation") or self._run_lengths(before)
        return {"amodal": amodal, "hidden_share": round(1 - seen / area, 4)}

    def _area(
        self, record: Mapping[str, Any], box: Sequence[float], before: Region | None, after: Region | None
    ) -> float:
        """The stated area, or what is left of it; the outline's own where none is stated, but others are."""
        if not self._box_areas and not record.get("area") and after is not None:
            return int(after.mask.sum())
        area = stated_area(record if "area" in record else {}, box)
        if before is None or after is None or after is before:
            return area
        return round(area * int(after.mask.sum()) / max(1, int(before.mask.sum())), 2)

    def _hidden(self, annotation: dict[str, Any], outline: Region) -> dict[str, Any]:
        """Someone of whom nothing is left to be seen, as COCO has those whom a trainer is not asked about."""
        shape = {"area": int(outline.mask.sum()), "segmentation": rle_plain(self._run_lengths(outline))}
        return {
            **annotation, **shape, "iscrowd": 1, "num_keypoints": 0, "keypoints": [0] * (3 * len(self._skeleton)),
        }  # fmt: skip

    def _annotate_crowd(self, crowd: Crowd, before: Region, after: Region) -> dict[str, Any]:
        record, outline = crowd.record, crowd.record.get("segmentation")
        plain = isinstance(outline, Mapping) and isinstance(outline.get("counts"), list)
        if not plain or after is not before:
            outline = rle_plain(self._run_lengths(after))
        box = record.get("bbox") or before.box(self._size) or [0.0] * 4
        area = self._area({**record, "area": record.get("area") or int(before.mask.sum())}, box, before, after)
        noda = {**noda_extension(record), "role": "crowd", "person_id": str(record.get("id", ""))}
        joints = {"num_keypoints": 0, "keypoints": [0] * (3 * len(self._skeleton))}
        return {
            **joints, **record, "iscrowd": 1, "bbox": box, "area": area, "segmentation": outline, "noda": noda,
            "id": record.get("id", 0),
        }  # fmt: skip

    def _annotate_pasted(self, pasted: Pasted) -> dict[str, Any]:
        """The annotation of a pasted person: its box is that of what is left of its mask under those over it."""
        source = {"role": "occluder", "source": pasted.body.image, "source_person": pasted.body.person_id}
        annotation = coco_annotation(
            pasted.person,
            annotation_id=0,
            image_id=0,
            size=self._size,
            segmentation=self._run_lengths(pasted.region),
            extra={**source, "person_id": pasted.person.person_id},
        )
        area = pasted.box[2] * pasted.box[3] if self._box_areas else annotation["area"]
        return {**annotation, "bbox": pasted.box, "area": area}

    def _run_lengths(self, region: Region) -> dict[str, Any]:
        return rle_encode_region(region.mask, region.left, region.top, self._size)


def _with_outline(person: Person, size: tuple[int, int], problems: list[Problem]) -> Person:
    """The person without an outline that cannot be read: it costs itself."""
    record = person.record
    try:
        if outline := record.get("segmentation"):
            readable_outline(outline, size)
    except ItemError as error:
        problems.append(Problem("coco", f"annotation {record.get('id')} on {person.image}", str(error), failed=False))
        return replace(person, record={key: value for key, value in record.items() if key != "segmentation"})
    return person


def _amodal(person: Person, size: tuple[int, int]) -> Any:
    """The whole outline that the input has beside the visible one, or None."""
    try:
        return readable_outline(noda_extension(person.record).get("amodal"), size)
    except ItemError:
        return None


def _crowd_region(crowd: Crowd, size: tuple[int, int], problems: list[Problem]) -> Region | None:
    """A crowd's region, or its box where it has no outline; None, and a problem, where it has neither."""
    record = crowd.record
    try:
        if outline := record.get("segmentation"):
            return _cut(segmentation_mask(outline, size))
        left, top, width, height = numbers(record.get("bbox"), (4,), "bbox")
        box = np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]])
        return _cut(segmentation_mask([box.reshape(-1).tolist()], size))
    except ItemError as error:
        problems.append(Problem("coco", f"crowd {record.get('id')} on {crowd.image}", str(error), failed=False))
        return None


def _outline(person: Person, pool: Pool | None, size: tuple[int, int]) -> Region | None:
    """The person's outline: the input's, or the best mask of a pool, or None."""
    segmentation = person.record.get("segmentation")
    if segmentation:
        return _cut(segmentation_mask(segmentation, size))
    if pool is None:
        return None
    row = pool.row_of(person.person_id)
    if row is None or not _same(person, pool, row):
        return None
    mask = pool.mask(row, pool.levels[-1])
    factor = pool.factor[row]
    full = (max(1, round(mask.shape[1] / factor[0])), max(1, round(mask.shape[0] / factor[1])))
    if full != mask.shape[::-1]:
        mask = np.asarray(cv2.resize(mask, full, interpolation=cv2.INTER_LINEAR))
    left, top = (int(value) for value in np.floor(pool.origin[row] + 0.5))
    return Region(mask >= COVERING, left, top)


def _cut(mask: NDArray[np.bool_]) -> Region | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Region(np.ascontiguousarray(part), int(columns[0]), int(rows[0]))


def _same(person: Person, pool: Pool, row: int) -> bool:
    """The pool's body is this very person: a pool made from other annotation files may count people otherwise."""
    if pool.images[row] != person.image:
        return False
    both = pool.labelled[row] & person.labelled
    joints = (pool.joints[row] + 0.5) / pool.factor[row] + pool.origin[row] - 0.5
    return bool(both.any() and np.abs(joints[both] - person.joints[both]).max() < 1)
