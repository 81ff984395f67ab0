"""The written data set: images/, annot/, manifest.jsonl and report.json, put together from finished shards."""

from __future__ import annotations

import json
import os
import shutil
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, Dataset, Image, Images, Person
from noda_synth.data.disk_list import DiskList, Subset
from noda_synth.data.joint_counts import Counts, count_states, total
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats import Layout, mpii_record, write_validation
from noda_synth.formats.files.atomic import write_bytes, write_json_lines, write_json_list
from noda_synth.formats.files.folded_names import check_kept_apart
from noda_synth.formats.files.links import put_file, same_content
from noda_synth.imaging.encoding import SOURCE, encode_copy
from noda_synth.imaging.images import check_file, decode_checked, image_path, is_turned, read_checked
from noda_synth.render.plan import Plan
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.version import versions


class Copies:
    """The finished copies: their manifest lines in the order of the data set, by row and copy.

    Attributes:
        lines: the lines.
        rows, copies: (N,) row in `Dataset.persons` and number of the copy, of each line.
        pasted: of each line the pasted people who are trained on: MPII records, or ids with COCO input.
    """

    def __init__(
        self, lines: DiskList[dict[str, Any]], rows: array[int], copies: array[int], pasted: DiskList[list[Any]]
    ) -> None:
        by_row = np.lexsort((np.array(copies), np.array(rows)))
        self.lines, self.pasted = Subset(lines, by_row), Subset(pasted, by_row)
        self.rows, self.copies = np.array(rows, np.int64)[by_row], np.array(copies, np.int64)[by_row]

    def of(self, copy: int) -> Mapping[int, dict[str, Any]]:
        """Row in `Dataset.persons` -> the line of its copy number `copy`."""
        chosen = np.flatnonzero(self.copies == copy)
        return _ByRow(Subset(self.lines, chosen), self.rows[chosen])

    def pasted_of(self, numbers: Collection[int]) -> Iterator[Any]:
        """The pasted people on the copies of these numbers, in the order of the data set."""
        for index in np.flatnonzero(np.isin(self.copies, list(numbers))):
            yield from self.pasted[int(index)]

    def __contains__(self, row_and_copy: tuple[int, int]) -> bool:
        row, copy = row_and_copy
        first, end = np.searchsorted(self.rows, [row, row + 1])
        return bool((self.copies[first:end] == copy).any())


class _ByRow(Mapping[int, dict[str, Any]]):
    """Lines by row; rows (N,) in rising order."""

    def __init__(self, lines: Sequence[dict[str, Any]], rows: NDArray[np.int64]) -> None:
        self._lines, self._rows = lines, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[int]:
        return (int(row) for row in self._rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        index = int(np.searchsorted(self._rows, row))
        if index == len(self._rows) or self._rows[index] != row:
            raise KeyError(row)
        return self._lines[index]


def collect(shards: Sequence[Path], images: Path) -> Copies:
    """Move the copies of finished shards into one folder and gather their lines. May be called again after a kill."""
    lines: DiskList[dict[str, Any]] = DiskList()
    pasted: DiskList[list[Any]] = DiskList()
    rows, copies = array("q"), array("q")
    for shard in shards:
        for text in (shard / "lines.jsonl").read_text().splitlines():
            line = json.loads(text)
            source, target = shard / "images" / line["file"], images / line["file"]
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
            pasted.append(line.pop("pasted", []))
            lines.append(line)
            rows.append(line["row"])
            copies.append(line["copy"])
    return Copies(lines, rows, copies, pasted)


def link_originals(dataset: Dataset, layout: Layout, result: Path, out: Path, how: str) -> Iterator[Problem]:
    """Put the originals, validation images included, beside the copies; yields those that are missing.

    Args:
        dataset: whose images.
        layout: where they are.
        result: the folder while it is being made.
        out: the folder's final name, which relative links count from.
        how: "symlink" (relative), "hardlink", "copy" or "none".
    """
    valid_images = layout.valid_images or layout.images
    train = ((layout.images, name) for name in dataset.images)
    valid = ((valid_images, name) for name in Images(Image(person.image) for person in dataset.valid))
    for folder, name in chain(train, valid):
        try:
            source = image_path(folder, name)
            check_file(source)
        except ItemError as error:
            yield Problem("render", name, f"{error}, so the written data set lacks it too")
            continue
        if how != "none" and is_turned(source):
            _write_upright(source, result / "images" / name)
        elif how != "none":
            put_file(source, result / "images" / name, out / "images" / name, how)


def _write_upright(source: Path, target: Path) -> None:
    """A copy as it was annotated, without the tag that would turn it once more."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            data = read_checked(source)
            write_bytes(target, encode_copy(decode_checked(data, source), data, target.suffix[1:], SOURCE))
        except ItemError:  # reported where the image is read
            put_file(source, target, target, "copy")


def check_names(dataset: Dataset, layout: Layout, out: Path) -> None:
    """Raises NodaError if two images would be one in the written set `out`.

    An image of the training part and another one of the validation part may have the same name in two folders, and the
    file system of `out` may take two names for one.
    """
    check_kept_apart(out, dataset.images.keys(), dataset.valid.image_names)
    if layout.valid_images is None:
        return
    for name in Images(Image(person.image) for person in dataset.valid):
        if name not in dataset.images:
            continue
        files = layout.images / name, layout.valid_images / name
        if all(map(os.path.isfile, files)) and not same_content(*files):
            raise NodaError(
                f"{files[0]} and {files[1]} are two pictures of one name, of which the written set can hold but one; "
                "rename the images of one part and their names in its annotations, or leave all originals out with "
                "--originals none"
            )


def write_annotations(run: RenderRun, copies: Copies, unreadable: Collection[str]) -> list[Problem]:
    """Write the training lists, without people on unreadable images, and carry the validation files along (MPII)."""
    dataset, settings, annot = run.dataset, run.settings, run.staging.result / "annot"
    annot.mkdir(exist_ok=True)
    if dataset.source != "coco":
        for name, numbers in training_lists(settings).items():
            chosen = [copies.of(number) for number in numbers]
            records = training_records(dataset, chosen, settings.append, unreadable)
            write_json_list(annot / f"train{name}.json", chain(records, copies.pasted_of(numbers)))
        if settings.copies > 1:
            shutil.copyfile(annot / "train_1.json", annot / "train.json")
    return write_validation(run.layout, run.dataset, annot)[1]


def training_lists(settings: RenderSettings) -> dict[str, tuple[int, ...]]:
    """The training lists by what their names end in, with the numbers of the copies that each has: one list for each
    copy, and with `append` one of all copies."""
    if settings.copies == 1:
        return {"": (0,)}
    every = {"_all": tuple(range(settings.copies))} if settings.append else {}
    return {**{f"_{copy + 1}": (copy,) for copy in range(settings.copies)}, **every}


def training_records(
    dataset: Dataset, copies: Sequence[Mapping[int, Mapping[str, Any]]], append: bool, unreadable: Collection[str]
) -> Iterator[dict[str, Any]]:
    """A training list: everyone in the order of the input, the chosen ones pointing to their copies.

    With `append` everyone is listed unchanged, and the copies follow.
    """
    for row, person in enumerate(dataset.persons):
        if not append and row in copies[0]:
            yield occluded_record(dataset, person, copies[0][row])
        elif person.image not in unreadable:
            yield mpii_record(person)
    for lines in copies if append else ():
        for row, line in lines.items():
            yield occluded_record(dataset, dataset.persons[row], line)


def occluded_record(dataset: Dataset, person: Person, line: Mapping[str, Any]) -> dict[str, Any]:
    """The MPII record of a covered person: another image, covered joints not visible, nothing else changed."""
    record = mpii_record(person)
    record["image"] = line["file"]
    record["joints_visible"] = [int(value) for value in visible_after(dataset, person, line)]
    record["synth"] = {key: line[key] for key in ("id", "source", "method", "covered", "occluder") if key in line}
    if "level" in line["placement"]:
        record["synth"]["level"] = line["placement"]["level"]
    return record


def visible_after(dataset: Dataset, person: Person, line: Mapping[str, Any]) -> NDArray[np.int8]:
    """(J,) int8: what is known of the joints once they are covered."""
    visible = person.visible.copy()
    visible[dataset.skeleton.indices(*line["covered"])] = OCCLUDED
    return visible


def write_manifest(path: Path, copies: Copies) -> None:
    write_json_lines(path, copies.lines)


def report(
    run: RenderRun, plan: Plan, copies: Copies, problems: Sequence[Problem], unreadable: Collection[str]
) -> dict[str, Any]:
    """report.json: what was asked for, what was done, who was passed over, and how visibility changed.

    People on unreadable images are not in the written set, and not counted.
    """
    dataset = run.dataset
    first = copies.of(0)
    covered = Counter(joint for line in copies.lines for joint in line["covered"])
    kept = Images(image for image in dataset.images.values() if image.name not in unreadable)
    before = ((person.labelled, person.visible) for _, person in _kept(dataset, kept))
    after = (
        (person.labelled, visible_after(dataset, person, first[row]) if row in first else person.visible)
        for row, person in _kept(dataset, kept)
    )
    return {
        "settings": run.all_settings,
        "settings_hash": run.settings_hash,
        "versions": versions(),
        "counts": {
            "images": len(kept),
            "people": sum(bool(person.labelled.any()) for _, person in _kept(dataset, kept)),
            "validation_people": len(dataset.valid),
            "wanted": plan.wanted,
            "covered_people": len(np.unique(copies.rows)),
            "copies": len(copies.lines),
            **({"pasted_samples": sum(map(len, copies.pasted))} if run.settings.train_pasted else {}),
            **run.recipe.open().counts(),
            "failed": sum(problem.failed for problem in problems),
        },
        "passed_over": plan.passed_over,
        "covered_joints": {joint: covered[joint] for joint in dataset.skeleton.joints},
        "joints": {
            "before": joint_states(count_states(before, dataset.skeleton)),
            "after": joint_states(count_states(after, dataset.skeleton)),
        },
    }


def _kept(dataset: Dataset, images: Images) -> Iterator[tuple[int, Person]]:
    """Rows and people on some of the images."""
    return ((row, person) for row, person in enumerate(dataset.persons) if person.image in images)


def joint_states(by_joint: Counts) -> dict[str, Any]:
    """Labelled joints of the training part by what is known of them, the share known to be occluded (None where
    nothing is known), and by joint."""
    all_joints = total(by_joint.values())
    share = all_joints.occluded_share
    return {
        **asdict(all_joints),
        "occluded_share": None if share is None else round(share, 6),
        "by_joint": {joint: asdict(states) for joint, states in by_joint.items()},
    }
