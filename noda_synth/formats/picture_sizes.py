"""Whether annotations were made on the pictures that are there: by the sizes that a COCO file states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from noda_synth.data.dataset import Dataset, Image, Images, People
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import ItemError, Problem
from noda_synth.formats.layout import Layout
from noda_synth.imaging.images import ON_ITS_SIDE, UprightPath, exif_orientation, image_path, image_size


def with_checked_sizes(dataset: Dataset, folder: Path, file: str) -> Dataset:
    """The data set without images whose stated size is another than that of their file, and without their people.

    Where the stated sizes are those of the pictures turned by EXIF, they were annotated upright (browsers turn them)
    and all of the set is read so: `Dataset.upright`. Files that are missing or damaged are left to whoever reads them.

    Args:
        dataset: of one COCO file.
        folder: of its images.
        file: its name, for messages.
    """
    different = {image.name: sizes for image, *sizes in _sizes(dataset, folder) if sizes[0] != sizes[1]}
    turned = [name for name, (stated, found) in different.items() if _is_turned(folder / name, stated, found)]
    as_stored: list[str] = []
    if turned:
        same = (image for image, stated, found in _sizes(dataset, folder) if stated == found and stated[0] != stated[1])
        as_stored = [image.name for image in same if exif_orientation(folder / image.name) >= ON_ITS_SIDE]
    upright = len(turned) > len(as_stored)
    wrong = {name: f"{_text(one)} annotated, {_text(other)} in the file" for name, (one, other) in different.items()}
    notes = []
    if upright:
        wrong = {name: reason for name, reason in wrong.items() if name not in turned}
        reason = "annotated as stored, on its side by EXIF, where others of the file are annotated upright"
        wrong |= dict.fromkeys(as_stored, reason)
        count = f"{len(turned)} images are annotated with the size of the picture turned by EXIF ({turned[0]} for one)"
        note = f"{count}: all are read upright"
        notes.append(Problem("upright", file, note, failed=False))
    notes += [Problem("size", name, f"{reason}: left out with everyone on it") for name, reason in wrong.items()]
    if wrong:
        dataset = replace(
            dataset,
            images=Images(image for image in dataset.images.values() if image.name not in wrong),
            persons=People(person for person in dataset.persons if person.image not in wrong),
            crowds=[crowd for crowd in dataset.crowds if crowd.image not in wrong],
        )
    if not notes:
        return dataset
    return replace(dataset, upright=upright, problems=DiskList(chain(dataset.problems, notes)))


def as_annotated(layout: Layout, dataset: Dataset) -> Layout:
    """The layout with folders from which images are read as they were annotated: turned by EXIF, or not."""
    if not (dataset.upright or dataset.valid_upright):
        return layout
    valid = layout.valid_images or layout.images
    return replace(
        layout,
        images=UprightPath(layout.images) if dataset.upright else layout.images,
        valid_images=UprightPath(valid) if dataset.valid_upright else valid,
    )


def _sizes(dataset: Dataset, folder: Path) -> Iterator[tuple[Image, tuple[int, int], tuple[int, int]]]:
    """Images that somebody is on, with the size that is stated and that of the file as it is stored."""
    with_people = dataset.persons.image_names
    for image in dataset.images.values():
        if image.size is None or image.name not in with_people:
            continue
        try:
            found = image_size(image_path(folder, image.name))
        except ItemError:
            continue
        yield image, image.size, found


def _is_turned(path: Path, stated: tuple[int, int], found: tuple[int, int]) -> bool:
    return stated == found[::-1] and exif_orientation(path) >= ON_ITS_SIDE


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
