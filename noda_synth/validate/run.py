"""All checks of a data set, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import Dataset
from noda_synth.errors import Problem
from noda_synth.formats import Layout
from noda_synth.formats.files.missing import not_one_there
from noda_synth.render.manifest import MANIFEST
from noda_synth.runs.progress import Progress
from noda_synth.validate.crops import check_crops
from noda_synth.validate.entries import TRAINING, VALIDATION, Entries, read_tolerantly
from noda_synth.validate.findings import Finding
from noda_synth.validate.people import check_positions, check_scale_outliers, check_twice
from noda_synth.validate.pictures import ImageChecks, Looks, Picture, Sizes, alike, check_images
from noda_synth.validate.records import check_record
from noda_synth.validate.rendered import check_rendered, without_left_out
from noda_synth.validate.truth import check_truth
from noda_synth.validate.turned import weigh_readings

_STAGES = ("ids", "outline", "upright", "v1", "scale")
"""Of the notes of reading that are findings of the same name."""


@dataclass(frozen=True)
class Validation:
    """All findings, and how much was looked at."""

    findings: tuple[Finding, ...]
    checked: dict[str, Any]


def validate(
    folder: Path,
    layout: Layout,
    checks: ImageChecks,
    *,
    split: Path | None = None,
    all_train: bool = False,
    quiet: bool = False,
) -> Validation:
    """Check a data set, plain or rendered.

    Args:
        folder: of the set; one with a manifest.jsonl is checked as a rendered set, too.
        layout: where its files lie.
        split: who is for validation, for the .mat.
        all_train: everyone of the .mat is for training.
        checks: how the images are checked.
        quiet: no progress.

    Raises:
        NodaError: the training list is unusable as a whole.
    """
    layout, dataset, findings = read_tolerantly(layout, split, all_train)
    findings += _met_in_reading(dataset.problems)
    entries = Entries(layout, dataset)
    for entry in entries:
        findings += check_record(entry, dataset.skeleton, dataset.source)
    findings += _shared(layout, dataset, entries)
    # Of a rendered set the originals may be left out: its manifest says which pictures have to be there.
    absent = {} if (folder / MANIFEST).is_file() else _parts_without_any(layout, dataset)
    findings += absent.values()
    sizes, seen, turned, images = _check_pictures(layout, dataset, entries, checks, quiet, but=absent)
    files = {TRAINING: layout.annotations.name, VALIDATION: (layout.valid or layout.annotations).name}
    findings += weigh_readings(seen, entries, sizes, turned, files)
    findings += check_positions(entries, sizes, dataset.skeleton)
    findings += check_scale_outliers(entries, dataset.skeleton)
    findings += check_twice(entries)
    findings += check_crops(entries, files[VALIDATION])
    if layout.kind == "mpii_json" and layout.valid is not None and layout.gt_valid is not None:
        findings += check_truth(layout.valid, layout.gt_valid)
    elif dataset.source != "coco" and (headless := sum(person.head_box is None for person in dataset.valid)):
        what = f"no gt_valid.mat, and {headless} of {len(dataset.valid)} people have no head box"
        findings.append(Finding("no-truth", files[VALIDATION], what))
    if (folder / MANIFEST).is_file():
        findings = without_left_out(folder, layout, findings)
        findings += check_rendered(folder, layout, dataset, entries)
    checked = {
        "set": str(folder),
        "people": len(dataset.persons),
        "validation_people": len(dataset.valid),
        "images": images,
        "decoded": checks.decode,
        "rendered": (folder / MANIFEST).is_file(),
    }
    return Validation(tuple(findings), checked)


def _met_in_reading(problems: Iterable[Problem]) -> Iterator[Finding]:
    """What reading the files has found already."""
    for problem in problems:
        if problem.stage == "size":
            yield Finding("size-differs", problem.item, problem.reason, problem.item)
        elif problem.failed:
            yield Finding("unusable-record", problem.item, problem.reason)
        elif problem.stage in _STAGES:
            yield Finding(problem.stage, problem.item, problem.reason)


def _pictures(layout: Layout, dataset: Dataset, but: Collection[str]) -> Iterator[Picture]:
    """The pictures of both parts, less some parts."""
    for image in dataset.images.values() if TRAINING not in but else ():
        yield Picture(TRAINING, image.name, layout.images, image.size)
    for name in dataset.valid.image_names if VALIDATION not in but else ():
        yield Picture(VALIDATION, name, layout.valid_images or layout.images, None)


def _parts_without_any(layout: Layout, dataset: Dataset) -> dict[str, Finding]:
    """Parts of which not one image is there: one finding each, where one an image would hide the reason."""
    folders = {TRAINING: layout.images, VALIDATION: layout.valid_images or layout.images}
    names = {TRAINING: dataset.images, VALIDATION: dataset.valid.image_names}
    reasons = {part: not_one_there(folder, names[part]) for part, folder in folders.items()}
    return {part: Finding("no-images", f"the {part} part", why) for part, why in reasons.items() if why}


def _check_pictures(
    layout: Layout, dataset: Dataset, entries: Entries, checks: ImageChecks, quiet: bool, *, but: Collection[str]
) -> tuple[Sizes, list[Finding], set[tuple[str, str]], int]:
    """Sizes, findings about images of all parts but some, each with the first record that names it, the images that
    lie on their side and state no size, and how many images there are."""
    sizes: dict[tuple[str, str], tuple[int, int]] = {}
    faults: list[tuple[Picture, str, str]] = []
    turned: set[tuple[str, str]] = set()
    looks = {TRAINING: Looks(), VALIDATION: Looks()}
    count = len(dataset.images) + len(dataset.valid.image_names)
    pictures = _pictures(layout, dataset, but)
    with Progress(count, "validate", "image", quiet=quiet) as progress:
        for image in check_images(pictures, checks, progress.add):
            if image.size is not None:
                sizes[image.picture.part, image.picture.name] = image.size
            if image.look is not None:
                looks[image.picture.part].add(image.picture, image.look)
            if image.on_side:
                turned.add((image.picture.part, image.picture.name))
            faults += [(image.picture, kind, what) for kind, what in image.faults]
    faults += [(picture, "alike", what) for picture, what in alike(looks[TRAINING], looks[VALIDATION])]
    wanted = {(picture.part, picture.name) for picture, _, _ in faults}
    first: dict[tuple[str, str], str] = {}
    for entry in entries if wanted else ():
        if (key := (entry.part, entry.person.image)) in wanted:
            first.setdefault(key, entry.where)
    findings = []
    for picture, kind, what in faults:
        named = first.get((picture.part, picture.name))
        where = f"{picture.name}{f' ({named})' if named else ''}"
        findings.append(Finding(kind, where, what, picture.name))
    return sizes, findings, turned, count


def _shared(layout: Layout, dataset: Dataset, entries: Entries) -> list[Finding]:
    """Images that stand in both parts, named by their first record of the validation part if that has the same name."""
    found: dict[str, Finding] = {}
    leaked = set(dataset.leaked)
    for entry in entries if leaked else ():
        name = entry.person.image
        if entry.part == VALIDATION and name in leaked:
            found.setdefault(name, entry.finding("shared-image", "is in the training list, too"))
    what = "is in the validation list, too"
    return [
        found.get(name) or Finding("shared-image", f"{layout.annotations.name} image {name}", what, name)
        for name in dataset.leaked
    ]
