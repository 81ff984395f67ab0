"""From a data set to its benchmark: decide, paint, label, list the hashes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from noda_synth.benchmark.capsules import joints_of
from noda_synth.benchmark.decide import WHOLE, Size, bodies_of, key_of
from noda_synth.benchmark.folder import BENCHMARK
from noda_synth.benchmark.hashes import HASHES, digest, hashes_of, write_hashes
from noda_synth.benchmark.labels import clean_people, covered_person, write_labels
from noda_synth.benchmark.protocol import CLEAN, SEVERITIES, UNCOUNTED, VERSION, Settings
from noda_synth.benchmark.work import Line, decided, painted
from noda_synth.data.dataset import VISIBLE, Dataset, Images
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats import Layout
from noda_synth.formats.files.atomic import write_atomically, write_text
from noda_synth.imaging.images import image_path, image_size
from noda_synth.render.output import link_originals, write_problems
from noda_synth.runs.staging import Staging, read_settings, remove
from noda_synth.version import __version__, versions


@dataclass(frozen=True)
class Report:
    """What was written: the content of benchmark.json, and what could not be used."""

    content: dict[str, Any]
    problems: list[Problem]


def write_benchmark(
    dataset: Dataset,
    layout: Layout,
    out: Path,
    settings: Settings,
    inputs: Mapping[str, str],
    *,
    workers: int,
    originals: str = "symlink",
    max_pixels: int = 100_000_000,
    overwrite: bool = False,
    quiet: bool = False,
) -> Report | None:
    """Write the benchmark of a data set's validation part into the folder `out`.

    Args:
        dataset: the annotations.
        layout: where its files lie.
        out: the folder; it appears when it is whole.
        settings: what makes it another benchmark.
        inputs: names and hashes of the annotation files.
        workers: worker processes, or jobs.CLUSTER.
        originals: how the clean images get there: "symlink", "hardlink", "copy" or "none".
        max_pixels: larger images are refused by their header.
        overwrite: replace what is there, and start anew where a run was interrupted.
        quiet: no progress.

    Returns:
        What was done, or None if `out` was there already, made with the same settings.

    Raises:
        NodaError: no validation part, or its visibility is not known; nobody to paste; another run writes `out` or was
            begun there with other settings.
    """
    _check(dataset, layout)
    every = {"version": __version__, "protocol": VERSION, **asdict(settings), "originals": originals, "inputs": inputs}
    staging = Staging(out)
    held = staging.start(every, read_settings(out / BENCHMARK), overwrite=overwrite)
    if held is None:
        return None
    with held:
        valid_images = layout.valid_images or layout.images
        sizes, problems = _sizes(layout.images, dataset.images, max_pixels)
        valid_sizes, faults = _sizes(valid_images, (person.image for person in dataset.valid), max_pixels)
        problems += [*dataset.problems, *faults]
        bodies = bodies_of(dataset, sizes)
        if not bodies:
            raise NodaError(f"{layout.annotations}: nobody in the training part is whole, free and large enough")
        lines = decided(dataset, valid_sizes, bodies, settings, staging, workers, quiet)
        twins = [line for line in lines if "reason" not in line]
        faults, mended = painted(dataset, twins, bodies, layout, valid_images, staging, max_pixels, workers, quiet)
        problems += faults
        lost = {fault.item for fault in faults}
        passed = [line for line in lines if "reason" in line]
        passed += [{**_who(line), "reason": "the picture could not be made"} for line in twins if line["id"] in lost]
        twins = [line for line in twins if line["id"] not in lost]
        result = _cleared(staging.result)
        only_valid = replace(dataset, images=Images())
        problems += link_originals(only_valid, layout, result / CLEAN, out / CLEAN, originals)
        problems += write_labels(dataset, clean_people(dataset), valid_sizes, result / CLEAN / "annot", layout.skeleton)
        for severity in SEVERITIES:
            people = [covered_person(dataset, line) for line in twins if line["severity"] == severity.name]
            (result / severity.name / "images").mkdir(parents=True, exist_ok=True)
            write_labels(dataset, people, valid_sizes, result / severity.name / "annot", layout.skeleton)
        for name, rows in (("manifest.jsonl", twins), ("passed_over.jsonl", passed)):
            write_text(result / name, "".join(json.dumps(line) + "\n" for line in rows))
        found = hashes_of(result, out)
        write_hashes(result / HASHES, found)
        write_problems(result / "errors.jsonl", problems)
        content = _content(dataset, twins, passed, settings, every, len(bodies), mended)
        content |= {"inputs": _inputs_digest(dataset, sizes, valid_sizes), "labels": digest(found["labels"])}
        write_atomically(result / BENCHMARK, json.dumps(content, indent=1) + "\n")
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


def _inputs_digest(dataset: Dataset, sizes: Mapping[str, Size], valid_sizes: Mapping[str, Size]) -> str:
    """SHA-256 over all that decides on labels: where it is the same, so are they."""
    train = (f"{key_of(p.image, joints_of(p, dataset.skeleton))} {sizes.get(p.image)}" for p in dataset.persons)
    valid = (
        f"{key_of(p.image, joints_of(p, dataset.skeleton))} {valid_sizes.get(p.image)} {p.visible.tolist()}"
        for p in dataset.valid
    )
    return hashlib.sha256("\n".join([*sorted(train), "valid", *sorted(valid)]).encode()).hexdigest()


def _who(line: Line) -> Line:
    return {key: line[key] for key in ("severity", "row", "person", "source")}


def _content(
    dataset: Dataset,
    twins: Sequence[Line],
    passed: Sequence[Line],
    settings: Settings,
    every: Mapping[str, Any],
    bodies: int,
    mended: int,
) -> dict[str, Any]:
    """benchmark.json but for the digests."""
    return {
        "name": settings.name,
        "settings": every,
        "versions": versions(),
        "people": len(dataset.valid),
        "bodies": bodies,
        "mended_joints": mended,
        "severities": {
            severity.name: {
                "newly_hidden": str(severity),
                "people": sum(line["severity"] == severity.name for line in twins),
                "joints": sum(
                    joint not in UNCOUNTED
                    for line in twins
                    if line["severity"] == severity.name
                    for joint in line["newly_hidden"]
                ),
                "passed_over": dict(Counter(line["reason"] for line in passed if line["severity"] == severity.name)),
            }
            for severity in SEVERITIES
        },
    }
