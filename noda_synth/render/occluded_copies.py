"""The occluded copies of a plan, drawn image by image over the workers.

A shard is a handful of images with all the copies that are made of them, so that each image is decoded once. Its data
is a folder with the copies under their final names and `lines.jsonl`, one line a copy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem
from noda_synth.imaging.compositing import Overlay, paste
from noda_synth.imaging.images import MAX_PIXELS, BGRImage, encode_jpeg, encode_png, image_path, read_image
from noda_synth.methods import Recipe
from noda_synth.methods.base import Method, Subject
from noda_synth.methods.placement import PlacementSettings
from noda_synth.render.plan import Plan, Planned
from noda_synth.runs import jobs
from noda_synth.runs.staging import Outcome, Staging

_SHARD_IMAGES = 8


@dataclass(frozen=True)
class RenderSettings:
    """All that decides what is written, next to the inputs themselves.

    Attributes:
        ratio: share of the training samples that is covered.
        method: how people are occluded, a name in `methods.METHODS`.
        placement: the method's own settings; for noda the overlay strategy.
        copies: differently occluded copies of each chosen person.
        append: add the copies to the training list instead of putting them in the originals' place.
        format: "jpg" or "png".
        quality: of the JPEGs.
        originals: "symlink", "hardlink", "copy" or "none".
        coco: write COCO files too.
        limit: render at most so many people.
        max_pixels: larger images are refused by their header.
        seed: of everything that is drawn.
    """

    ratio: float = 0.5
    method: str = "noda"
    placement: Any = field(default_factory=PlacementSettings)
    copies: int = 1
    append: bool = False
    format: str = "jpg"
    quality: int = 95
    originals: str = "symlink"
    coco: bool = False
    limit: int | None = None
    max_pixels: int = MAX_PIXELS
    seed: int = 0


@dataclass(frozen=True)
class Order:
    """A copy to be made: of which person, which placement, and its name."""

    row: int
    copy: int
    person: Person
    placement: Any
    name: str


@dataclass(frozen=True)
class _Task:
    images: Path
    recipe: Recipe
    skeleton: Skeleton
    orders: Sequence[tuple[str, tuple[Order, ...]]]


def render_copies(
    dataset: Dataset,
    images: Path,
    recipe: Recipe,
    plan: Plan,
    settings: RenderSettings,
    staging: Staging,
    marks: Mapping[str, str],
    *,
    workers: int,
    progress: jobs.Progress,
) -> tuple[list[Path], Sequence[Outcome]]:
    """Draw all copies of a plan into the staging folder.

    Args:
        dataset: the annotations.
        images: the images folder.
        recipe: the method.
        plan: who gets covered, and how.
        settings: how.
        staging: opened by the caller.
        marks: hashes of the sources and of the settings, for the manifest.
        workers: worker processes.
        progress: told of each image.

    Returns:
        The folders of the finished shards and what was said of them, both in the order of the shards.
    """
    orders = Orders(dataset, plan, settings)
    shards = (
        jobs.Shard(f"{number:06d}", _Task(images, recipe, dataset.skeleton, block), len(block))
        for number, block in enumerate(jobs.blocks(orders.by_image(), _SHARD_IMAGES))
    )
    work = partial(_render_images, settings=settings, marks=marks)
    outcomes = jobs.run_shards(staging, work, shards, jobs=workers, progress=progress)
    return [staging.data(shard) for shard in outcomes.shards], outcomes


class Orders:
    """The copies of a plan with their names: the original's name, the row in the training list, and the copy."""

    def __init__(self, dataset: Dataset, plan: Plan, settings: RenderSettings) -> None:
        self._dataset, self._plan, self._settings = dataset, plan, settings
        numbers = dataset.by_image.image_indices[plan.rows]
        self._places = np.argsort(numbers, kind="stable")
        self._numbers, self._starts = np.unique(numbers[self._places], return_index=True)

    def __iter__(self) -> Iterator[Order]:
        """In the order of the data set."""
        for planned in self._plan.chosen:
            yield from self._of(planned)

    def by_image(self) -> Iterator[tuple[str, tuple[Order, ...]]]:
        """Image name and copies, in the order in which the people come first in the data set."""
        for group in np.argsort(self._places[self._starts]):
            orders = self.on(int(self._numbers[group]))
            yield orders[0].person.image, orders

    def on(self, image: int) -> tuple[Order, ...]:
        """The copies that are made of an image, by its number."""
        group = int(np.searchsorted(self._numbers, image))
        if group == len(self._numbers) or self._numbers[group] != image:
            return ()
        end = self._starts[group + 1] if group + 1 < len(self._starts) else len(self._places)
        places = self._places[self._starts[group] : end]
        return tuple(order for place in places for order in self._of(self._plan.chosen[int(place)]))

    def _of(self, planned: Planned) -> Iterator[Order]:
        person = self._dataset.persons[planned.row]
        several, suffix = self._settings.copies > 1, self._settings.format
        for copy, placement in enumerate(planned.placements):
            name = copy_name(person.image, planned.row, copy if several else None, suffix)
            while self._dataset.names_image(name):
                name = copy_name(name, planned.row, None, suffix)
            yield Order(planned.row, copy, person, placement, name)


def copy_name(image: str, row: int, copy: int | None, suffix: str) -> str:
    """`dir/name.jpg`, row 12, second copy: `dir/name_noda000012_2.jpg`."""
    pure = PurePosixPath(image)
    number = "" if copy is None else f"_{copy + 1}"
    return str(pure.with_name(f"{pure.stem}_noda{row:06d}{number}.{suffix}"))


def compose(picture: BGRImage, method: Method[Any], placement: Any) -> Overlay | None:
    """Occlude the picture, in place; returns what covers it."""
    stamp = method.stamp(placement)
    if stamp is not None:
        paste(picture, method.colours(placement, stamp, picture), stamp.alpha, stamp.left, stamp.top)
    return stamp


def encode(picture: BGRImage, suffix: str, quality: int) -> bytes:
    return encode_jpeg(picture, quality) if suffix == "jpg" else encode_png(picture)


def manifest_line(
    order: Order, skeleton: Skeleton, covered: NDArray[np.bool_], method: Method[Any], settings: RenderSettings,
    marks: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """All that is to be known about a copy; `noda-synth replay` renders it again from this alone."""
    occluder = method.occluder(order.placement)
    smooth = getattr(settings.placement, "smooth", None)
    return {
        "id": str(PurePosixPath(order.name).with_suffix("")),
        "file": order.name,
        "source": order.person.image,
        "person": order.person.person_id,
        "row": order.row,
        "copy": order.copy,
        "method": settings.method,
        "covered": skeleton.named(covered),
        **({} if occluder is None else {"occluder": occluder}),
        "placement": asdict(order.placement),
        **({} if smooth is None else {"smooth": smooth}),
        "format": settings.format,
        "quality": settings.quality,
        **marks,
    }


def _render_images(task: _Task, path: Path, *, settings: RenderSettings, marks: Mapping[str, str]) -> Outcome:
    """Make the copies of a few images in the folder `path`."""
    method = task.recipe.open()
    path.mkdir()
    lines: list[dict[str, Any]] = []
    problems: list[Problem] = []
    seconds = {"read": 0.0, "paste": 0.0, "encode": 0.0}
    for name, group in task.orders:
        try:
            start = time.perf_counter()
            image = read_image(image_path(task.images, name), settings.max_pixels)
            seconds["read"] += time.perf_counter() - start
        except ItemError as error:
            problems += [Problem("render", order.name, str(error)) for order in group]
            continue
        for order in group:
            start = time.perf_counter()
            # The last copy may have the decoded image itself.
            picture = image if order is group[-1] else image.copy()
            try:
                stamp = compose(picture, method, order.placement)
            except ItemError as error:
                problems.append(Problem("render", order.name, str(error)))
                continue
            pasted = time.perf_counter()
            data = encode(picture, settings.format, settings.quality)
            seconds["paste"] += pasted - start
            seconds["encode"] += time.perf_counter() - pasted
            file = path / "images" / order.name
            if not path.is_dir():  # gone with the staging folder, if this worker has outlived its run
                raise FileNotFoundError(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            subject = Subject(order.person, task.skeleton, (picture.shape[1], picture.shape[0]))
            lines.append(manifest_line(order, task.skeleton, subject.under(stamp), method, settings, marks))
    (path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {
        "copies": len(lines),
        "problems": [problem.as_json() for problem in problems],
        "seconds": seconds,
    }
