"""render: an occluded copy of a data set, from the plan to the written folder."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from noda_synth.data.dataset import Images
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.files.atomic import write_json, write_problems
from noda_synth.formats.files.missing import not_one_there
from noda_synth.imaging.encoding import EXACT, encode_copy
from noda_synth.imaging.images import decode_checked, image_path, image_size, is_turned, read_checked
from noda_synth.imaging.jpeg_blocks import check_exact
from noda_synth.render import output
from noda_synth.render.coco_scenes import write_scenes
from noda_synth.render.manifest import MANIFEST
from noda_synth.render.occluded_copies import PlannedCopies, draw_copies
from noda_synth.render.plan import Plan, draw_plan, planned_images
from noda_synth.render.settings import RenderRun
from noda_synth.render.unreadable import problems_of, unreadable_images
from noda_synth.render.yolo_set import write_yolo_set
from noda_synth.runs.staging import read_settings


@dataclass(frozen=True)
class RenderReport:
    """What render did: the content of report.json, what could not be used, and seconds of work by stage."""

    content: dict[str, Any]
    problems: Sequence[Problem]
    seconds: dict[str, float]


def render(run: RenderRun) -> RenderReport | None:
    """Write an occluded copy of a data set into the folder `run.out`.

    Returns:
        What was done, or None if the folder was there already, made with the same settings.

    Raises:
        NodaError: a source is missing or does not fit the data set; two images have one name; nobody can be covered;
            another run writes the folder, or was begun there with other settings; pyjpegio is missing that the quality
            asks for.
    """
    start = time.perf_counter()
    if run.settings.quality == EXACT:
        check_exact()
    if run.settings.originals != "none":
        output.check_names(run.dataset, run.layout, run.out)
    staging = run.staging
    theirs = read_settings(run.out / "report.json")
    held = staging.start(run.all_settings, theirs, overwrite=run.execution.overwrite)
    if held is None:
        return None
    with held:
        plan = draw_plan(run)
        staging.hold_to([run.layout.images], planned_images(run.dataset, plan))
        planned = time.perf_counter()
        outcomes = draw_copies(run, plan)
        problems = DiskList(chain(plan.problems, outcomes.problems()))
        if run.execution.part:
            return RenderReport({}, problems, outcomes.seconds())
        (staging.result / "images").mkdir(parents=True, exist_ok=True)
        copies = output.collect(outcomes.data(), staging.result / "images")
        if plan.wanted and not copies.lines:
            staging.drop()
            if why := not_one_there(run.layout.images, run.dataset.persons.image_names):
                raise NodaError(why)
            reasons = ", ".join(f"{count} {reason}" for reason, count in plan.passed_over.items()) or "no people"
            raise NodaError(f"nobody could be covered ({reasons})")
        problems = DiskList(chain(run.dataset.problems, problems))
        content = _write(run, plan, copies, problems)
        seconds = {"plan": planned - start, "all": time.perf_counter() - start, **outcomes.seconds()}
        log = {"workers": run.execution.workers, "host": os.uname().nodename, "out": str(run.out.resolve())}
        write_json(staging.result / "run_log.json", {**log, "seconds": seconds})
        staging.finish(staging.result)
    return RenderReport(content, problems, seconds)


def _write(run: RenderRun, plan: Plan, copies: output.Copies, problems: DiskList[Problem]) -> dict[str, Any]:
    """Put the data set together around its copies. Adds to the problems, and returns the content of report.json."""
    result = run.staging.result
    unreadable = unreadable_images(run, plan, copies)
    problems.extend(problems_of(run, unreadable))
    readable = Images(image for image in run.dataset.images.values() if image.name not in unreadable)
    dataset = replace(run.dataset, images=readable)
    problems.extend(output.link_originals(dataset, run.layout, result, run.out, run.settings.originals))
    problems.extend(output.write_annotations(run, copies, unreadable))
    if run.settings.coco or run.settings.yolo or run.dataset.source == "coco":
        problems.extend(write_scenes(run, plan, copies, unreadable))
    if run.settings.yolo:
        problems.extend(write_yolo_set(run))
    output.write_manifest(result / MANIFEST, copies)
    write_problems(result / "errors.jsonl", problems)
    content = output.report(run, plan, copies, problems, unreadable)
    write_json(result / "report.json", content)
    return content


def disk_needed(run: RenderRun, plan: Plan) -> int:
    """Bytes that the copies will take, from the pixels of all targets' images and a few of them encoded."""
    settings, pixels = run.settings, 0
    rates: list[float] = []
    for spec in PlannedCopies(run, plan):
        path = image_path(run.layout.images, spec.person.image)
        try:
            width, height = image_size(path, settings.max_pixels)
            pixels += width * height
            if len(rates) < 5:
                source = read_checked(path, settings.max_pixels)
                picture, turned = decode_checked(source, path), is_turned(path)
                data = encode_copy(picture, source, spec.suffix, settings.quality, turned=turned)
                rates.append(len(data) / (width * height))
        except ItemError:
            continue
    return round(pixels * sum(rates) / max(1, len(rates)))
