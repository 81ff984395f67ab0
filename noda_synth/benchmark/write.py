"""From a data set to its benchmark: decide, paint, label, list the hashes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from noda_synth.benchmark.capsules import joints_of
from noda_synth.benchmark.decide import WHOLE, Body, Size, bodies_of, key_of
from noda_synth.benchmark.folder import BENCHMARK
from noda_synth.benchmark.generators import pool_bodies
from noda_synth.benchmark.hashes import HASHES, digest, hashes_of, write_hashes
from noda_synth.benchmark.labels import clean_people, covered_person, write_labels
from noda_synth.benchmark.protocol import CLEAN, SEVERITIES, UNCOUNTED, VERSION, Severity
from noda_synth.benchmark.shards import BenchmarkRun, Line, decide_all, open_pool, paint_all
from noda_synth.data.dataset import VISIBLE, Dataset, Images
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats import Layout
from noda_synth.formats.files.atomic import write_json, write_json_lines, write_problems
from noda_synth.formats.files.folded_names import check_kept_apart
from noda_synth.formats.files.missing import not_one_there
from noda_synth.imaging.images import image_path, image_size
from noda_synth.render.output import link_originals
from noda_synth.runs.staging import Staging, read_settings, remove
from noda_synth.version import __version__, versions


@dataclass(frozen=True)
class Report:
    """What was written: the content of benchmark.json, and what could not be used."""

    content: dict[str, Any]
    problems: list[Problem]


def write_benchmark(run: BenchmarkRun, *, overwrite: bool = False) -> Report | None:
    """Write the benchmark of a data set's validation part into the folder `run.out`, which appears when it is whole.

    Args:
        run: what to make it of, and how.
        overwrite: replace what is there, and start anew where a run was interrupted.

    Returns:
        What was done, or None if the folder was there already, made with the same settings.

    Raises:
        NodaError: no validation part, or its visibility is not known; nobody to paste; another run writes the folder
            or was begun there with other settings.
    """
    dataset, layout, out = run.dataset, run.layout, run.out
    _check(dataset, layout)
    all_settings = {
        "version": __version__,
        "protocol": VERSION,
        **run.settings.as_json(),
        "originals": run.originals,
        "max_pixels": run.max_pixels,
        "inputs": run.inputs,
    }
    staging = Staging(out)
    held = staging.start(all_settings, read_settings(out / BENCHMARK), overwrite=overwrite)
    if held is None:
        return None
    check_kept_apart(out, dataset.valid.image_names)
    with held:
        sizes, problems = _sizes(layout.images, dataset.images, run.max_pixels)
        valid_sizes, faults = _sizes(run.valid_images, (person.image for person in dataset.valid), run.max_pixels)
        problems += [*dataset.problems, *faults]
        bodies = _bodies(run, sizes)
        staging.hold_to([layout.images, run.valid_images], _images_of(dataset))
        lines = decide_all(run, valid_sizes, bodies, staging)
        twins = [line for line in lines if "reason" not in line]
        faults, mended = paint_all(run, twins, bodies, staging)
        problems += faults
        lost = {fault.item for fault in faults}
        passed = [line for line in lines if "reason" in line]
        passed += [{**_who(line), "reason": "the picture could not be made"} for line in twins if line["id"] in lost]
        twins = [line for line in twins if line["id"] not in lost]
        result = _cleared(staging.result)
        problems += _write_lists(run, result, twins, valid_sizes)
        for name, rows in (("manifest.jsonl", twins), ("passed_over.jsonl", passed)):
            write_json_lines(result / name, rows)
        hashes = hashes_of(result, out)
        write_hashes(result / HASHES, hashes)
        write_problems(result / "errors.jsonl", problems)
        content = {
            "name": run.settings.name,
            "settings": all_settings,
            "versions": versions(),
            "people": len(dataset.valid),
            "bodies": len(bodies),
            "mended_joints": mended,
            "severities": {severity.name: _counts(severity, twins, passed) for severity in SEVERITIES},
            "inputs": _inputs_digest(run, sizes, valid_sizes),
            "labels": digest(hashes["labels"]),
        }
        write_json(result / BENCHMARK, content)
        staging.finish(result)
    return Report(content, problems)


def _check(dataset: Dataset, layout: Layout) -> None:
    if missing := [joint for joint in WHOLE if joint not in dataset.skeleton.index]:
        raise NodaError(
            f"{layout.annotations}: skeleton {dataset.skeleton.name} has no {missing[0]}; the benchmark needs it"
        )
    if not dataset.valid:
        raise NodaError(f"{layout.annotations}: no validation part (valid.json), of which a benchmark could be made")
    if not any((person.visible == VISIBLE).any() for person in dataset.valid):
        raise NodaError(
            f"{layout.valid}: nothing is known of the visibility of joints, without which it cannot be said which are "
            "newly hidden; put MPII's original .mat beside it, or a gt_valid.mat with jnt_visible"
        )


def _cleared(result: Path) -> Path:
    """The folder of the result without what an interrupted run may have left there half written."""
    for path in (*result.glob("*"), *result.glob("*/annot")):
        if path.name in (CLEAN, "annot") or path.is_file():
            remove(path)
    return result


def _write_lists(run: BenchmarkRun, result: Path, twins: Sequence[Line], sizes: Mapping[str, Size]) -> list[Problem]:
    """Put the clean images into the folder of the result, and the labels of them and of each severity's twins."""
    dataset, layout = run.dataset, run.layout
    only_valid = replace(dataset, images=Images())
    problems = [*link_originals(only_valid, layout, result / CLEAN, run.out / CLEAN, run.originals)]
    problems += write_labels(dataset, clean_people(dataset), sizes, result / CLEAN / "annot", layout.skeleton)
    for severity in SEVERITIES:
        people = [covered_person(dataset, line) for line in twins if line["severity"] == severity.name]
        (result / severity.name / "images").mkdir(parents=True, exist_ok=True)
        write_labels(dataset, people, sizes, result / severity.name / "annot", layout.skeleton)
    return problems


def _images_of(dataset: Dataset) -> list[tuple[int, str]]:
    """All images, whose sizes decide: those of the training part in folder 0, of the validation part in folder 1."""
    return [*((0, name) for name in dataset.images), *((1, name) for name in dataset.valid.image_names)]


def _sizes(folder: Path, names: Iterable[str], max_pixels: int) -> tuple[dict[str, Size], list[Problem]]:
    """Image name -> (width, height), by the files' headers."""
    sizes: dict[str, Size] = {}
    problems = []
    for name in dict.fromkeys(names):
        try:
            sizes[name] = image_size(image_path(folder, name), max_pixels)
        except ItemError as error:
            problems.append(Problem("benchmark", name, f"{error}; without it the labels may be others"))
    return sizes, problems


def _bodies(run: BenchmarkRun, sizes: Mapping[str, Size]) -> list[Body]:
    """Who may be pasted: of the training part, or of the generator's pool. NodaError where there is nobody."""
    if (generator := run.settings.generator) is not None:
        pool = open_pool(run.pool, generator)
        bodies = pool_bodies(pool, generator, {person.image for person in run.dataset.valid})
        if not bodies:
            raise NodaError(f"{pool.path}: no body is whole, large enough, in full sight and has a mask of its own")
        return bodies
    bodies = bodies_of(run.dataset, sizes)
    if not bodies:
        if why := not_one_there(run.layout.images, run.dataset.persons.image_names):
            raise NodaError(why)
        raise NodaError(f"{run.layout.annotations}: nobody in the training part is whole, free and large enough")
    return bodies


def _inputs_digest(run: BenchmarkRun, sizes: Mapping[str, Size], valid_sizes: Mapping[str, Size]) -> str:
    """SHA-256 over all that decides on labels: where it is the same, so are they."""
    dataset, generator = run.dataset, run.settings.generator
    train = (f"{key_of(p.image, joints_of(p, dataset.skeleton))} {sizes.get(p.image)}" for p in dataset.persons)
    valid = (
        f"{key_of(p.image, joints_of(p, dataset.skeleton))} {valid_sizes.get(p.image)} {p.visible.tolist()}"
        for p in dataset.valid
    )
    lines = [*sorted(train), "valid", *sorted(valid), *([generator.pool] if generator else [])]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _who(line: Line) -> Line:
    """The part of a line that says which person it is about."""
    return {key: line[key] for key in ("severity", "row", "person", "source")}


def _counts(severity: Severity, twins: Sequence[Line], passed: Sequence[Line]) -> dict[str, Any]:
    """What benchmark.json says of a severity."""
    twins = [line for line in twins if line["severity"] == severity.name]
    return {
        "newly_hidden": str(severity),
        "people": len(twins),
        "joints": sum(joint not in UNCOUNTED for line in twins for joint in line["newly_hidden"]),
        "passed_over": dict(Counter(line["reason"] for line in passed if line["severity"] == severity.name)),
    }
