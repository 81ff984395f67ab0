"""The occluded copies of a plan, drawn image by image over the workers.

A shard is a handful of images with all the copies that are made of them, so that each image is decoded once. Its data
is a folder with the copies under their final names and `lines.jsonl`, one line per copy, with the pasted people who are
trained on under `pasted`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem, of_item
from noda_synth.formats.coco.ids import MadeIds, first_free, named_after
from noda_synth.formats.files.atomic import write_item
from noda_synth.imaging.compositing import Overlay, paste
from noda_synth.imaging.encoding import SOURCE, encode_copy, format_of
from noda_synth.imaging.images import BGRImage, decode_checked, image_path, is_turned, read_checked
from noda_synth.methods import Recipe
from noda_synth.methods.base import Method, Subject
from noda_synth.render.pasted import Pasted, is_sample, pasted_on, pasted_record
from noda_synth.render.plan import Plan, Planned
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs import jobs
from noda_synth.runs.clock import Clock
from noda_synth.runs.jobs import Outcomes
from noda_synth.runs.staging import Outcome

_SHARD_IMAGES = 8


@dataclass(frozen=True)
class CopySpec:
    """A copy to be made: of which person, which placement, its name, and its id in COCO files."""

    row: int
    copy: int
    person: Person
    placement: Any
    name: str
    image_id: int

    @property
    def suffix(self) -> str:
        """What it is written as: "jpg", "png" or "webp"."""
        return PurePosixPath(self.name).suffix[1:]


@dataclass(frozen=True)
class _Task:
    images: Path
    recipe: Recipe
    skeleton: Skeleton
    mpii: bool
    groups: Sequence[tuple[str, tuple[CopySpec, ...]]]


def draw_copies(run: RenderRun, plan: Plan) -> Outcomes:
    """Draw all copies of a plan into the run's staging folder, which the caller holds."""
    specs = PlannedCopies(run, plan)
    task = partial(_Task, run.layout.images, run.recipe, run.dataset.skeleton, run.dataset.source != "coco")
    shards = (
        jobs.Shard(f"{number:06d}", task(block), len(block))
        for number, block in enumerate(jobs.blocks(specs.by_image(), _SHARD_IMAGES))
    )
    work = partial(_render_images, settings=run.settings, provenance=run.provenance)
    with run.execution.progress(specs.images, "render", "image") as progress:
        return jobs.run_shards(run.staging, work, shards, workers=run.execution.workers, progress=progress)


class PlannedCopies:
    """The copies of a plan, in the order of the data set or by image.

    Attributes:
        images: number of images of which copies are made.
    """

    def __init__(self, run: RenderRun, plan: Plan) -> None:
        self._dataset, self._plan, self._settings = run.dataset, plan, run.settings
        numbers = run.dataset.by_image.image_indices[plan.rows]
        self._permutation = np.argsort(numbers, kind="stable")
        self._numbers, self._starts = np.unique(numbers[self._permutation], return_index=True)
        self.images = len(self._numbers)
        self._ids = _ids_of_copies(run.dataset, run.settings.copies)

    def __iter__(self) -> Iterator[CopySpec]:
        """In the order of the data set."""
        for planned in self._plan.chosen:
            yield from self._of(planned)

    def by_image(self) -> Iterator[tuple[str, tuple[CopySpec, ...]]]:
        """Image name and copies, in the order in which the people come first in the data set."""
        for group in np.argsort(self._permutation[self._starts]):
            specs = self.on(int(self._numbers[group]))
            yield specs[0].person.image, specs

    def on(self, image: int) -> tuple[CopySpec, ...]:
        """The copies that are made of an image, by its number."""
        group = int(np.searchsorted(self._numbers, image))
        if group == self.images or self._numbers[group] != image:
            return ()
        end = self._starts[group + 1] if group + 1 < self.images else len(self._permutation)
        indices = self._permutation[self._starts[group] : end]
        return tuple(spec for index in indices for spec in self._of(self._plan.chosen[int(index)]))

    def _of(self, planned: Planned) -> Iterator[CopySpec]:
        person = self._dataset.persons[planned.row]
        for copy, placement in enumerate(planned.placements):
            image_id = self._ids.of(planned.row, copy)
            name = self._name(person, planned.row, copy, image_id)
            yield CopySpec(planned.row, copy, person, placement, name, image_id)

    def _name(self, person: Person, row: int, copy: int, image_id: int) -> str:
        """Made of the id where the source's is, else `copy_name`; lengthened while an image of the data set has it."""
        dataset, settings = self._dataset, self._settings
        suffix = format_of(person.image) if settings.format == SOURCE else settings.format
        given = dataset.images[person.image].record.get("id") if dataset.source == "coco" else None
        name = named_after(image_id, person.image, given)
        if name is None:
            name = copy_name(person.image, row, copy if settings.copies > 1 else None, suffix)
        else:
            name = str(PurePosixPath(name).with_suffix(f".{suffix}"))
        while dataset.names_image(name):
            name = copy_name(name, row, None, suffix)
        return name


def _ids_of_copies(dataset: Dataset, copies: int) -> MadeIds:
    """Above those of the input, and above those that its images get where they have none that can be kept."""
    given: Iterable[Any] = ()
    if dataset.source == "coco":
        own = (image.record.get("id") for image in dataset.images.values())
        given = chain(own, (person.record.get("image_id") for person in dataset.valid))
    return MadeIds.above(first_free(given) + len(dataset.images), len(dataset.persons), copies)


def copy_name(image: str, row: int, copy: int | None, suffix: str) -> str:
    """`dir/name.jpg`, row 12, second copy: `dir/name_000012_2.jpg`.

    Where the name parses as a number, so does the copy's: MMPose takes names for numbers, and int() reads `1_000012`.
    """
    pure = PurePosixPath(image)
    number = "" if copy is None else f"_{copy + 1}"
    return str(pure.with_name(f"{pure.stem.rstrip()}_{row:06d}{number}.{suffix}"))


def compose(picture: BGRImage, method: Method[Any, Any], placement: Any) -> Overlay | None:
    """Occlude the picture, in place; returns what covers it."""
    overlay = method.overlay(placement)
    if overlay is not None:
        paste(picture, method.colours(placement, overlay, picture), overlay.alpha, overlay.left, overlay.top)
    return overlay


def _manifest_line(
    spec: CopySpec, covered: Sequence[str], method: Method[Any, Any], settings: RenderSettings
) -> dict[str, Any]:
    """What was done for a copy, without its provenance; `noda-synth replay` renders it again from this alone."""
    occluder = method.occluder(spec.placement)
    smooth = getattr(settings.placement, "smooth", None)
    return {
        "id": str(PurePosixPath(spec.name).with_suffix("")),
        "file": spec.name,
        "source": spec.person.image,
        "person": spec.person.person_id,
        "row": spec.row,
        "copy": spec.copy,
        "method": settings.method,
        "covered": covered,
        **({} if occluder is None else {"occluder": occluder}),
        "placement": asdict(spec.placement),
        **({} if smooth is None else {"smooth": smooth}),
        "format": spec.suffix,
        "quality": settings.quality,
    }


def _pasted_samples(task: _Task, line: Mapping[str, Any], people: Iterable[Pasted]) -> list[Any]:
    """The MPII records of the pasted people to be trained on; their ids where the COCO file alone lists them."""
    samples = (one for one in people if is_sample(int(one.person.labelled.sum()), len(task.skeleton)))
    return [pasted_record(one, line, task.skeleton) if task.mpii else one.person.person_id for one in samples]


def _render_images(task: _Task, path: Path, *, settings: RenderSettings, provenance: Mapping[str, str]) -> Outcome:
    """Make the copies of a few images in the folder `path`."""
    method, clock = task.recipe.open(), Clock()
    path.mkdir()
    lines: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for name, group in task.groups:
        try:
            with of_item(), clock.running("read"):
                path_of_source = image_path(task.images, name)
                source = read_checked(path_of_source, settings.max_pixels)
                image, turned = decode_checked(source, path_of_source), is_turned(path_of_source)
        except ItemError as error:
            problems += [Problem("render", spec.name, str(error)) for spec in group]
            continue
        for spec in group:
            try:
                with of_item(), clock.running("paste"):
                    # The last copy may have the decoded image itself.
                    picture = image if spec is group[-1] else image.copy()
                    overlay = compose(picture, method, spec.placement)
                with of_item(), clock.running("encode"):
                    data = encode_copy(picture, source, spec.suffix, settings.quality, overlay, turned=turned)
                if not path.is_dir():  # gone with the staging folder, if this worker has outlived its run
                    raise FileNotFoundError(path)
                write_item(path / "images" / spec.name, data)
            except ItemError as error:
                problems.append(Problem("render", spec.name, str(error)))
                continue
            size = (picture.shape[1], picture.shape[0])
            subject = Subject(spec.person, task.skeleton, size)
            covered = [task.skeleton.joints[joint] for joint in np.flatnonzero(subject.under(overlay))]
            line = {**_manifest_line(spec, covered, method, settings), **provenance}
            if settings.train_pasted:
                line["pasted"] = _pasted_samples(task, line, pasted_on(spec.name, method, spec.placement, size))
            lines.append(line)
    (path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Outcome(problems, clock.seconds)
