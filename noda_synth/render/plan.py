"""Who gets occluded, and how: drawn from annotations, image sizes and masks alone, before any pixel is touched.

Everyone's placement comes from a generator of their own, and the chosen ones are the first in a seeded order that admit
a placement. So the plan is the same for any number of workers.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.disk_list import DiskList, Subset
from noda_synth.data.geometry import far_outside_note
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem, of_item
from noda_synth.imaging.bars import REDUCTION
from noda_synth.imaging.images import BGRImage, image_path, image_size, read_reduced
from noda_synth.methods import Recipe, method_class
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs import jobs
from noda_synth.seeding import item_generator, seeded_order

# People per unit of planning work, and the least number of people that are looked at together.
_BLOCK, _WAVE = 16, 64


@dataclass(frozen=True)
class Planned:
    """A person who gets covered: row in `Dataset.persons`, and one placement per copy."""

    row: int
    placements: tuple[Any, ...]


@dataclass(frozen=True)
class Plan:
    """Who gets covered, in the order of the data set.

    Attributes:
        wanted: number of people asked for: floor(ratio * training samples + 0.5), at most `limit`.
        chosen: the people found; fewer than wanted if not enough admit a placement.
        rows: (N,) their rows in `Dataset.persons`.
        passed_over: reason -> people that came earlier in the seeded order but do not admit a placement.
        problems: images that could not be looked at, and joints that were ignored.
    """

    wanted: int
    chosen: Sequence[Planned]
    rows: NDArray[np.int64]
    passed_over: dict[str, int]
    problems: Sequence[Problem]


def draw_plan(run: RenderRun) -> Plan:
    """Draw the plan for floor(ratio * samples + 0.5) people (at most `limit`), each covered in `copies` ways."""
    dataset, settings = run.dataset, run.settings
    samples = dataset.persons.samples
    ids = (person.person_id for person in dataset.samples)
    permutation = samples[seeded_order(settings.seed, "targets", ids)]
    wanted = floor(settings.ratio * len(samples) + 0.5)
    wanted = wanted if settings.limit is None else min(wanted, settings.limit)
    work = partial(
        _place_people, images=run.layout.images, recipe=run.recipe, skeleton=dataset.skeleton, settings=settings
    )
    sees_others = method_class(settings.method).sees_others

    def others(row: int) -> tuple[Person, ...]:
        if not sees_others:
            return ()
        person = dataset.persons[row]
        return tuple(other for other in dataset.by_image[person.image] if other.person_id != person.person_id)

    uses = _Uses(run)
    chosen: DiskList[Planned] = DiskList()
    rows = array("q")
    passed_over: Counter[str] = Counter()
    problems: DiskList[Problem] = DiskList()
    position = 0
    with run.execution.progress(wanted, "plan", "person") as progress:
        while len(chosen) < wanted and position < len(permutation):
            # A wave is a little larger than what is missing; what it finds beyond that is dropped.
            wave = permutation[position : position + max(_WAVE, (wanted - len(chosen)) * 9 // 8)]
            position += len(wave)
            people = ((int(row), dataset.persons[int(row)], others(int(row))) for row in wave)
            results = jobs.run_ordered(work, jobs.blocks(people, _BLOCK), workers=run.execution.workers)
            for planned, reason, problem in chain.from_iterable(results):
                if len(chosen) == wanted:
                    continue
                if planned is not None:
                    planned, reason = uses.admit(planned, others(planned.row))
                if planned is not None:
                    chosen.append(planned)
                    rows.append(planned.row)
                    progress.add(1)
                else:
                    passed_over[reason] += 1
                if problem is not None:
                    problems.append(problem)
    drawn = np.array(rows, np.int64)
    by_row = np.argsort(drawn)
    return Plan(wanted, Subset(chosen, by_row), drawn[by_row], dict(sorted(passed_over.items())), problems)


def planned_images(dataset: Dataset, plan: Plan) -> list[tuple[int, str]]:
    """The names of the images of the people who get covered, each with 0, the number of their folder."""
    numbers = np.unique(dataset.by_image.image_indices[plan.rows])
    return [(0, dataset.images.by_index(int(number)).name) for number in numbers]


class _Uses:
    """How often each body is used so far. Who gets one that is used up is drawn again, without those.

    It counts in the order of the plan, whoever drew first, so that the plan is the same for any number of workers.
    """

    def __init__(self, run: RenderRun) -> None:
        self._run = run
        self._most: int | None = getattr(run.settings.placement, "reuse", None)
        self._counts: Counter[int] = Counter()
        self._spent: set[int] = set()

    def admit(self, planned: Planned, others: tuple[Person, ...]) -> tuple[Planned | None, str]:
        """The plan of a person, drawn again where it has to be, or None and the reason."""
        if self._most is None:
            return planned, ""
        mine: Counter[int] = Counter()
        placements: list[Any] = []
        for copy, placement in enumerate(planned.placements):
            spent = self._spent | {body for body in mine if self._counts[body] + mine[body] >= self._most}
            if not spent.isdisjoint(_bodies(placement)):
                placement, reason = self._again(planned.row, copy, others, spent)
                if placement is None:
                    return None, f"{reason} (--reuse {self._most})"
            mine.update(_bodies(placement))
            placements.append(placement)
        self._counts.update(mine)
        self._spent |= {body for body in mine if self._counts[body] >= self._most}
        return Planned(planned.row, tuple(placements)), ""

    def _again(self, row: int, copy: int, others: tuple[Person, ...], spent: set[int]) -> tuple[Any, str]:
        run, settings = self._run, self._run.settings
        person, method = run.dataset.persons[row], run.recipe.open()
        path = image_path(run.layout.images, person.image)
        try:
            with of_item():
                subject = method.subject(person, run.dataset.skeleton, image_size(path, settings.max_pixels), others)
                method.look(subject, partial(_reduced, path))
        except ItemError:
            return None, "image cannot be read"
        rng = item_generator(settings.seed, "placement", f"{person.person_id}/{copy}/again")
        return method.draw_beside(subject, rng, spent)


def _bodies(placement: Any) -> list[int]:
    """The bodies of a placement; objects have none."""
    return [one.body for one in getattr(placement, "each", ())]


@lru_cache(maxsize=1)
def _reduced(path: Path) -> BGRImage:
    """The reduced picture, kept for the next person of it."""
    return read_reduced(path, REDUCTION)


def _place_people(
    people: Sequence[tuple[int, Person, tuple[Person, ...]]],
    *,
    images: Path,
    recipe: Recipe,
    skeleton: Skeleton,
    settings: RenderSettings,
) -> list[tuple[Planned | None, str, Problem | None]]:
    """For each person of a block: a plan or why there is none, and what has to be reported."""
    method = recipe.open()
    results: list[tuple[Planned | None, str, Problem | None]] = []
    for row, person, others in people:
        try:
            with of_item():
                path = image_path(images, person.image)
                size = image_size(path, settings.max_pixels)
                subject = method.subject(person, skeleton, size, others)
                if not subject.reason:
                    method.look(subject, partial(_reduced, path))
        except ItemError as error:
            results.append((None, "image cannot be read", Problem("render", person.person_id, str(error))))
            continue
        reason = subject.reason
        placements: list[Any] = []
        while not reason and len(placements) < settings.copies:
            rng = item_generator(settings.seed, "placement", f"{person.person_id}/{len(placements)}")
            placement, reason = method.draw(subject, rng)
            if placement is not None:
                placements.append(placement)
        note = far_outside_note(person, skeleton, size, "render")
        results.append((None if reason else Planned(row, tuple(placements)), reason, note))
    return results
