"""All checks of a data set, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth import jobs
from noda_synth.dataset import Dataset
from noda_synth.formats import Layout
from noda_synth.images import MAX_PIXELS
from noda_synth.manifest import MANIFEST
from noda_synth.validate.entries import TRAINING, VALIDATION, Entries, read_tolerantly
from noda_synth.validate.findings import Finding
from noda_synth.validate.people import check_places, check_scales, check_twice
from noda_synth.validate.pictures import Picture, look_at
from noda_synth.validate.records import check_record
from noda_synth.validate.rendered import check_rendered, without_left_out
from noda_synth.validate.truth import check_truth


@dataclass(frozen=True)
class Validation:
    """All findings, and how much was looked at."""

    findings: tuple[Finding, ...]
    checked: dict[str, Any]


def validate(
    folder: Path,
    layout: Layout,
    *,
    split: Path | None = None,
    all_train: bool = False,
    decode: bool = True,
    max_pixels: int = MAX_PIXELS,
    workers: int = 1,
    quiet: bool = False,
) -> Validation:
    """Check a data set, plain or rendered.

    Args:
        folder: of the set; one with a manifest.jsonl is checked as a rendered set, too.
        layout: where its files lie.
        split: who is for validation, for the .mat.
        all_train: everyone of the .mat is for training.
        decode: decode all images, not only their headers.
        max_pixels: larger images are refused by their header.
        workers: worker processes for the images.
        quiet: no progress.

    Raises:
        NodaError: the training list is unusable as a whole.
    """
    layout, dataset, findings = read_tolerantly(layout, split, all_train)
    findings += [
        Finding("unusable-record", problem.item, problem.reason) for problem in dataset.problems if problem.failed
    ]
    entries = Entries(layout, dataset)
    for entry in entries:
        findings += check_record(entry, dataset.skeleton, dataset.source)
    if layout.valid_images is None:  # with a folder of its own the same name is another image
        findings += _shared(entries)
    sizes, seen = _look(layout, dataset, entries, decode, max_pixels, workers, quiet)
    findings += seen
    findings += check_places(entries, sizes, dataset.skeleton)
    findings += check_scales(entries, dataset.skeleton)
    findings += check_twice(entries)
    if layout.kind == "mpii_json" and layout.valid is not None and layout.gt_valid is not None:
        findings += check_truth(layout.valid, layout.gt_valid)
    elif dataset.source != "coco" and (lacking := sum(person.head_box is None for person in dataset.valid)):
        what = f"no gt_valid.mat, and {lacking} of {len(dataset.valid)} people have no head box"
        findings.append(Finding("no-truth", (layout.valid or layout.annotations).name, what))
    if (folder / MANIFEST).is_file():
        findings = without_left_out(folder, layout, findings)
        findings += check_rendered(folder, layout, dataset, entries)
    checked = {
        "set": str(folder),
        "people": len(dataset.persons),
        "validation_people": len(dataset.valid),
        "images": len(_pictures(layout, dataset)),
        "decoded": decode,
        "rendered": (folder / MANIFEST).is_file(),
    }
    return Validation(tuple(findings), checked)


def _pictures(layout: Layout, dataset: Dataset) -> list[Picture]:
    folder = layout.valid_images or layout.images
    train = [Picture(TRAINING, image.name, layout.images, image.size) for image in dataset.images.values()]
    valid = [Picture(VALIDATION, name, folder, None) for name in {person.image: None for person in dataset.valid}]
    return train + valid


def _look(
    layout: Layout, dataset: Dataset, entries: Entries, decode: bool, max_pixels: int, workers: int, quiet: bool
) -> tuple[dict[tuple[str, str], tuple[int, int]], list[Finding]]:
    """Sizes by part and image, and findings about images, each with the first record that names it."""
    pictures = _pictures(layout, dataset)
    first: dict[tuple[str, str], str] = {}
    for entry in entries:
        first.setdefault((entry.part, entry.person.image), entry.where)
    sizes: dict[tuple[str, str], tuple[int, int]] = {}
    findings = []
    with jobs.Progress(len(pictures), "validate", "image", quiet=quiet) as progress:
        for look in look_at(pictures, decode=decode, max_pixels=max_pixels, workers=workers, done=progress.add):
            key = (look.picture.part, look.picture.name)
            if look.size is not None:
                sizes[key] = look.size
            named = first.get(key)
            for kind, what in look.faults:
                where = f"{look.picture.name}{f' ({named})' if named else ''}"
                findings.append(Finding(kind, where, what, look.picture.name))
    return sizes, findings


def _shared(entries: Entries) -> list[Finding]:
    """Images that stand in both parts, named by their first record of the validation part."""
    train = {entry.person.image for entry in entries if entry.part == TRAINING}
    found: dict[str, Finding] = {}
    for entry in entries:
        if entry.part == VALIDATION and entry.person.image in train:
            found.setdefault(entry.person.image, entry.finding("shared-image", "is in the training list, too"))
    return list(found.values())
