"""COCO files of a rendered set: everyone in every picture, clean or covered, with outlines and changed visibility.

`coco_train_scene.json` is for bottom-up and multi-person work: in a copy it lists the target, the bystanders and, with
NODA, the pasted person. `coco_train_topdown.json` has one record per training sample, like the MPII list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, Dataset, Image, Person
from noda_synth.data.geometry import inside
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem
from noda_synth.formats import coco_annotation, coco_image, rle_encode_region, segmentation_mask, write_coco
from noda_synth.imaging.compositing import COVERING, alpha_at, overlap
from noda_synth.imaging.images import image_path, image_size
from noda_synth.methods import Recipe
from noda_synth.methods.base import Method, Subject
from noda_synth.methods.bodies import BodyMethod
from noda_synth.pool.reader import Pool
from noda_synth.render.occluded_copies import CopySpec, PlannedCopies
from noda_synth.render.output import Copies
from noda_synth.render.plan import Plan
from noda_synth.render.settings import RenderRun
from noda_synth.runs import jobs
from noda_synth.runs.staging import Outcome

SCENES = "coco_train_scene.json"
_SHARD_IMAGES = 16


@dataclass(frozen=True)
class Region:
    """A mask that is empty outside a rectangle: (h, w) bool, and the picture's pixel under its top-left pixel."""

    mask: NDArray[np.bool_]
    left: int
    top: int

    def less(self, other: Region) -> Region:
        """This region without what another covers."""
        window = overlap(other.mask.shape, self.mask.shape, other.left - self.left, other.top - self.top)
        if window is None:
            return self
        rest = self.mask.copy()
        rest[window[0]] &= ~other.mask[window[1]]
        return Region(rest, self.left, self.top)


_Group = tuple[Image, tuple[tuple[int, Person], ...], tuple[CopySpec, ...]]
"""An image, the people on it by row, and the copies that were made of it."""


_Picture = dict[str, Any]
"""A line of a shard: the COCO image, its annotations with their rows in the data set, the copy and the target's row."""
_Chosen = Callable[[], Iterable[tuple[_Picture, list[Any]]]]
"""Goes through pictures, each with the annotations that are written of it."""


@dataclass(frozen=True)
class _Task:
    images: Path
    recipe: Recipe
    skeleton: Skeleton
    groups: Sequence[_Group]


def write_scenes(run: RenderRun, plan: Plan, done: Copies) -> Iterator[Problem]:
    """Write both COCO files into the annotations of the result.

    Args:
        run: what is rendered; its staging folder is held by the caller.
        plan: who gets covered, and how.
        done: the copies that were made.

    Returns:
        Images that could not be described.
    """
    dataset, settings = run.dataset, run.settings
    specs = PlannedCopies(run, plan)

    def groups() -> Iterator[_Group]:
        for number, image in enumerate(dataset.images.values()):
            people = ((row, dataset.persons[row]) for row in dataset.by_image.rows(number))
            made = tuple(spec for spec in specs.on(number) if (spec.row, spec.copy) in done)
            yield image, tuple((row, person) for row, person in people if not person.duplicate), made

    shards = (
        jobs.Shard(f"scene-{number:06d}", _Task(run.layout.images, run.recipe, dataset.skeleton, block), len(block))
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
    for copy in range(settings.copies):
        number = f"_{copy + 1}" if settings.copies > 1 else ""
        samples = partial(_samples, pictures, covered=covered, copy=copy, append=settings.append)
        for name in {f"coco_train_topdown{number}.json", *(["coco_train_topdown.json"] if copy == 0 else [])}:
            write(name, samples)
    return outcomes.problems()


def _samples(
    pictures: Callable[[], Iterator[_Picture]], *, covered: NDArray[np.bool_], copy: int, append: bool
) -> Iterator[tuple[_Picture, list[Any]]]:
    """Pictures with the annotations of their training samples: that of a covered person is on the copy alone."""
    for picture in pictures():
        if picture["copy"] is None:
            kept = [row is not None and (append or not covered[row]) for row in picture["rows"]]
        elif picture["copy"] == copy:
            kept = [row == picture["target"] for row in picture["rows"]]
        else:
            continue
        annotations = [
            annotation
            for annotation, keep in zip(picture["annotations"], kept, strict=True)
            if keep and annotation["num_keypoints"]
        ]
        if annotations:
            yield picture, annotations


def _numbered(shards: Sequence[Path], dataset: Dataset) -> Callable[[], Iterator[_Picture]]:
    """A function that goes through all pictures with ids: the input's for what the input has, new ones above them."""

    def lines() -> Iterator[_Picture]:
        for shard in shards:
            with shard.open() as file:
                for line in file:
                    yield json.loads(line)

    first_image = _first_free(image.record for image in dataset.images.values())
    first_annotation = _first_free(person.record for person in dataset.persons)

    def pictures() -> Iterator[_Picture]:
        next_image, next_annotation = first_image, first_annotation
        for picture in lines():
            own = picture["copy"] is None and "id" in dataset.images[picture["image"]["file_name"]].record
            if not own:
                picture["image"]["id"], next_image = next_image, next_image + 1
            for annotation, row in zip(picture["annotations"], picture["rows"], strict=True):
                annotation["image_id"] = picture["image"]["id"]
                if own and row is not None:
                    annotation["id"] = dataset.persons[row].record["id"]
                else:
                    annotation["id"], next_annotation = next_annotation, next_annotation + 1
            yield picture

    return pictures


def _first_free(records: Iterable[Mapping[str, Any]]) -> int:
    """A number above all ids; ids may be text as well."""
    ids = (record.get("id", 0) for record in records)
    return 1 + max((number for number in ids if isinstance(number, int)), default=0)


def _describe_images(task: _Task, path: Path, *, max_pixels: int) -> Outcome:
    """One line per picture: the clean image, then its copies."""
    method = task.recipe.open()
    problems: list[Problem] = []
    with path.open("w") as file:
        for image, people, group in task.groups:
            try:
                size = image_size(image_path(task.images, image.name), max_pixels)
                for picture in _pictures(image, size, people, group, method, task.skeleton):
                    file.write(json.dumps(picture) + "\n")
            except ItemError as error:
                problems.append(Problem("coco", image.name, str(error)))
    return Outcome(problems)


def _pictures(
    image: Image,
    size: tuple[int, int],
    people: tuple[tuple[int, Person], ...],
    group: tuple[CopySpec, ...],
    method: Method[Any, Any],
    skeleton: Skeleton,
) -> Iterator[_Picture]:
    pool = method.pool if isinstance(method, BodyMethod) else None
    outlines = [_outline(person, pool, size) for _, person in people]
    annotations = [
        _annotate(person, person.visible, outline, outline, size, {"role": "person"})
        for (_, person), outline in zip(people, outlines, strict=True)
    ]
    rows: list[int | None] = [row for row, _ in people]
    entry = coco_image(image.name, image.record.get("id", 0), size, image.record)
    yield {"image": entry, "copy": None, "target": None, "rows": rows, "annotations": annotations}
    for spec in group:
        overlay = method.overlay(spec.placement)
        region = None if overlay is None else Region(overlay.alpha >= COVERING, overlay.left, overlay.top)
        annotations = []
        for (row, person), outline in zip(people, outlines, strict=True):
            hit = Subject(person, skeleton, size).under(overlay)
            visible = np.where(hit, OCCLUDED, person.visible).astype(np.int8)
            role = "target" if row == spec.row else "bystander"
            left = outline.less(region) if outline and region else outline
            covered = [skeleton.joints[joint] for joint in np.flatnonzero(hit & person.labelled)]
            # Of the target it is stated in any case: none is known to be covered is not the same as nothing is known.
            extra = {"role": role, **({"covered": covered} if covered or role == "target" else {})}
            annotations.append(_annotate(person, visible, outline, left, size, extra))
        body = method.pasted_person(spec.placement)
        pasted = _pasted(body, spec.name, region, size) if body and region else []
        annotations += pasted
        entry = coco_image(spec.name, 0, size, {"noda": {"source": image.name}})
        all_rows = [*rows, *(None for _ in pasted)]
        yield {"image": entry, "copy": spec.copy, "target": spec.row, "rows": all_rows, "annotations": annotations}


def _annotate(
    person: Person,
    visible: NDArray[np.int8],
    before: Region | None,
    after: Region | None,
    size: tuple[int, int],
    extra: dict[str, Any],
) -> dict[str, Any]:
    """The annotation of a person whose outline was `before`; the input's own stays as it is where nothing covers it."""
    kept = after is None or (after is before and person.record.get("segmentation"))
    segmentation = None if kept or after is None else rle_encode_region(after.mask, after.left, after.top, size)
    return coco_annotation(
        person,
        annotation_id=0,
        image_id=0,
        size=size,
        visible=visible,
        segmentation=segmentation,
        extra={**extra, "person_id": person.person_id},
    )


def _pasted(body: Person, picture: str, region: Region, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The pasted person: joints outside its mask or the frame are unlabelled, its box is that of its mask.

    Nobody where the mask misses the picture, as it may with `--min-covered 0`.
    """
    window = overlap(region.mask.shape, (size[1], size[0]), region.left, region.top)
    if window is None or not region.mask[window[1]].any():
        return []
    under = alpha_at(region.mask.astype(np.uint8), body.joints, region.left, region.top) > 0
    shown = body.labelled & inside(body.joints, size) & under
    person = Person(
        image=picture,
        person_id=f"{picture}#occluder",
        joints=np.where(shown[:, None], body.joints, np.nan),
        labelled=shown,
        visible=np.where(shown, body.visible, -1).astype(np.int8),
    )
    rows, columns = (np.flatnonzero(region.mask[window[1]].any(axis=axis)) for axis in (1, 0))
    left, top = max(region.left, 0) + int(columns[0]), max(region.top, 0) + int(rows[0])
    box = [left, top, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1]
    source = {"source": body.image, "source_person": body.person_id}
    annotation = _annotate(person, person.visible, None, region, size, {"role": "occluder", **source})
    return [{**annotation, "bbox": [float(value) for value in box]}]


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
