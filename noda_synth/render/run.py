"""render: an occluded copy of a data set, from the plan to the written folder."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.data.dataset import Dataset
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats import Layout
from noda_synth.formats.files.atomic import write_json, write_problems
from noda_synth.imaging.images import image_path, image_size, read_image
from noda_synth.methods import Recipe, Sources, method_class
from noda_synth.render import output
from noda_synth.render.coco_scenes import write_scenes
from noda_synth.render.occluded_copies import RenderSettings, encode, render_copies
from noda_synth.render.plan import Plan, draw_plan
from noda_synth.runs import jobs
from noda_synth.runs.staging import Outcome, Part, Staging, check_output, settings_hash
from noda_synth.version import __version__


@dataclass(frozen=True)
class RenderReport:
    """What render did: the content of report.json, what could not be used, and seconds of work by stage."""

    content: dict[str, Any]
    problems: Sequence[Problem]
    seconds: dict[str, float]


def render(
    dataset: Dataset,
    layout: Layout,
    sources: Sources,
    out: Path,
    settings: RenderSettings,
    inputs: dict[str, str],
    *,
    workers: int,
    part: Part | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> RenderReport | None:
    """Write an occluded copy of a data set into the folder `out`.

    Args:
        dataset: the annotations.
        layout: where its files lie.
        sources: the pool of bodies, or the objects; what the method does not need is not looked at.
        out: the folder; it appears when it is whole.
        settings: how.
        inputs: names and hashes of the annotation files, for the record of the settings.
        workers: worker processes, or jobs.CLUSTER.
        part: draw this part of the copies only, and write no data set yet.
        overwrite: replace what is there, and start anew where a run was interrupted.
        quiet: no progress.

    Returns:
        What was done, or None if `out` was there already, made with the same settings.

    Raises:
        NodaError: a source is missing or does not fit the data set; nobody can be covered; another run writes `out`, or
            was begun there with other settings.
    """
    started = time.perf_counter()
    recipe = recipe_of(settings, sources, dataset)
    method = recipe.open()
    contents = method.contents()
    every = {"version": __version__, **asdict(settings), **contents, "inputs": inputs}
    digest = settings_hash(every)
    marks = {**contents, "settings": digest}
    staging = Staging(out, part)
    if check_output(out, _made_with(out), every, overwrite):
        staging.leftover()
        return None
    with staging.opened(every, overwrite):
        plan = plan_copies(dataset, layout.images, recipe, settings, workers=workers, quiet=quiet)
        planned = time.perf_counter()
        images = len(np.unique(dataset.by_image.image_indices[plan.rows]))
        with jobs.Progress(images, "render", "image", quiet=quiet) as progress:
            shards, outcomes = render_copies(
                dataset, layout.images, recipe, plan, settings, staging, marks, workers=workers, progress=progress
            )
        if part:
            return RenderReport({}, DiskList(chain(plan.problems, _problems(outcomes))), _seconds(outcomes))
        result = staging.result
        (result / "images").mkdir(parents=True, exist_ok=True)
        copies = output.collect(shards, result / "images")
        if plan.wanted and not copies.lines:
            staging.drop()
            raise NodaError(f"nobody could be covered ({_counted(plan.passed_over)})")
        problems = DiskList(chain(dataset.problems, plan.problems, _problems(outcomes)))
        problems.extend(output.link_originals(dataset, layout, result, out, settings.originals))
        problems.extend(output.write_annotations(dataset, layout, copies, settings, result / "annot"))
        if settings.coco or dataset.source == "coco":
            with jobs.Progress(len(dataset.images), "coco", "image", quiet=quiet) as progress:
                notes = write_scenes(
                    dataset, layout.images, recipe, plan, copies, settings, staging, result / "annot",
                    workers=workers, progress=progress,
                )  # fmt: skip
                problems.extend(notes)
        output.write_manifest(result / "manifest.jsonl", copies)
        write_problems(result / "errors.jsonl", problems)
        content = output.report(dataset, plan, copies, problems, every, digest, method.counts())
        write_json(result / "report.json", content)
        seconds = {"plan": planned - started, "all": time.perf_counter() - started, **_seconds(outcomes)}
        log = {"workers": workers, "host": os.uname().nodename, "out": str(out.resolve()), "seconds": seconds}
        write_json(result / "run_log.json", log)
        staging.finish(result)
    return RenderReport(content, problems, seconds)


def recipe_of(settings: RenderSettings, sources: Sources, dataset: Dataset) -> Recipe:
    """The method with its sources. Raises NodaError where one is missing, damaged, or not for this data set."""
    for source in sorted(method_class(settings.method).takes):
        if getattr(sources, source) is None:
            raise NodaError(
                f"--method {settings.method} needs --{source}; noda-synth render --help says what it may be"
            )
    recipe = Recipe(settings.method, settings.placement, sources)
    recipe.open().check(dataset)
    return recipe


def plan_copies(
    dataset: Dataset, images: Path, recipe: Recipe, settings: RenderSettings, *, workers: int, quiet: bool
) -> Plan:
    """The plan for these settings."""
    wanted = int(settings.ratio * len(dataset.samples) + 0.5)
    with jobs.Progress(min(wanted, settings.limit or wanted), "plan", "person", quiet=quiet) as progress:
        return draw_plan(
            dataset, images, recipe, ratio=settings.ratio, copies=settings.copies, limit=settings.limit,
            max_pixels=settings.max_pixels, seed=settings.seed, workers=workers, progress=progress,
        )  # fmt: skip


def disk_needed(dataset: Dataset, images: Path, plan: Plan, settings: RenderSettings) -> int:
    """Bytes that the copies will take, from the pixels of all targets' images and a few of them encoded."""
    pixels = 0
    rates: list[float] = []
    for planned in plan.chosen:
        path = image_path(images, dataset.persons[planned.row].image)
        try:
            width, height = image_size(path, settings.max_pixels)
            pixels += width * height * len(planned.placements)
            if len(rates) < 5:
                picture = read_image(path, settings.max_pixels)
                rates.append(len(encode(picture, settings.format, settings.quality)) / (width * height))
        except ItemError:
            continue
    return round(pixels * sum(rates) / max(1, len(rates)))


def _made_with(out: Path) -> dict[str, Any] | None:
    """The settings of the data set that is there, or None if there is none of ours."""
    try:
        settings: dict[str, Any] = json.loads((out / "report.json").read_text())["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return settings


def _problems(outcomes: Iterable[Outcome]) -> Iterator[Problem]:
    return (Problem(**problem) for outcome in outcomes for problem in outcome["problems"])


def _seconds(outcomes: Sequence[Outcome]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total.update(outcome["seconds"])
    return dict(total)


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "no people"
