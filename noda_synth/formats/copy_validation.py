"""The validation part, carried along into a written data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import Dataset, People, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import Problem
from noda_synth.formats.coco.entries import Entries
from noda_synth.formats.coco.people import write_coco_people
from noda_synth.formats.coco.write import write_coco
from noda_synth.formats.files.atomic import copy_file, write_json_list
from noda_synth.formats.layout import SKELETON_NAME, Layout
from noda_synth.formats.mpii.gt_valid import anyone_known, copy_truth, read_gt_valid, write_gt_valid
from noda_synth.formats.mpii.records import read_persons, read_records, write_mpii_json
from noda_synth.formats.mpii.visibility import is_known

_COCO_VALID = "person_keypoints_val.json"


def write_validation(layout: Layout, dataset: Dataset, annot_dir: Path) -> tuple[list[Path], list[Problem]]:
    """Write the validation files of a data set into `annot_dir`, with visibility wherever it is known.

    MPII: `valid.json` has the input's records, keys and row order, unusable ones included, and `joints_visible` where
    known. `gt_valid.mat` is a copy of the input's to the byte if that has `jnt_visible` or there is nothing to add;
    else all its arrays and `jnt_visible`; without one it is made if a head box is known. COCO: a copy of the file, with
    other ids if there are any that readers cannot take, and of the skeleton file if the set has one of its own.
    YOLO-pose: a COCO file.

    Returns:
        The files written, and what is worth knowing about them.
    """
    if dataset.source == "coco":
        originals = {SKELETON_NAME: layout.skeleton, **({layout.valid.name: layout.valid} if layout.valid else {})}
        copies = {annot_dir / name: original for name, original in originals.items() if original}
        for copy, original in copies.items():
            if original == layout.valid and not (entries := Entries(original)).sound:
                write_coco(copy, entries.images(), entries.annotations(), dataset.skeleton, entries.header)
            else:
                copy_file(original, copy)
        if layout.kind == "yolo" and dataset.valid:
            path, folder = annot_dir / _COCO_VALID, layout.valid_images or layout.images
            names = dataset.valid.image_names
            return [*copies, path], write_coco_people(path, dataset.skeleton, names, dataset.valid, folder)
        return list(copies), []
    if not dataset.valid:
        return [], []
    valid_json, gt_valid = annot_dir / "valid.json", annot_dir / "gt_valid.mat"
    rows = _input_rows(layout, dataset)
    if rows is None or layout.valid is None:
        write_mpii_json(valid_json, dataset.valid)
        return _carry_truth(None, gt_valid, dataset.valid, [valid_json])
    kept = (_as_read(record, row) for record, row in zip(read_records(layout.valid), rows, strict=True))
    write_json_list(valid_json, kept)
    return _carry_truth(layout.gt_valid, gt_valid, rows, [valid_json])


def _input_rows(layout: Layout, dataset: Dataset) -> Sequence[Person | None] | None:
    """The person of each record of the input's valid.json; None where the validation part comes from elsewhere."""
    if layout.valid is None:
        return None
    people, rows = iter(dataset.valid), DiskList[Person | None]()
    for read in read_persons(layout.valid):
        person = next(people, None) if read else None
        if read and (person is None or _without_scale(read.record) != _without_scale(person.record)):
            return None
        rows.append(person)
    return rows if next(people, None) is None else None


def _without_scale(record: Mapping[str, Any]) -> dict[str, Any]:
    """What identifies a record: its scale may have been measured anew."""
    return {key: value for key, value in record.items() if key not in ("scale", "estimated")}


def _as_read(record: Any, person: Person | None) -> Any:
    """A record with what is known of its person, if it can be used."""
    if person is None:
        return record
    if not is_known(person):
        return person.record
    return {**person.record, "joints_visible": [int(value) for value in person.visible]}


def _carry_truth(
    source: Path | None, path: Path, rows: Sequence[Person | None], written: list[Path]
) -> tuple[list[Path], list[Problem]]:
    people = People(person for person in rows if person is not None)
    if source is None:
        if all(person.head_box is None for person in people):
            return written, []
        if len(people) < len(rows):
            reason = (
                f"not written: {len(rows) - len(people)} records of valid.json are unusable, and each needs its row"
            )
            return written, [Problem("write", path.name, reason)]
        return [*written, path], write_gt_valid(path, people)
    truth = read_gt_valid(source)
    problems: list[Problem] = []
    if truth.visible is not None or len(truth) != len(rows) or not anyone_known(people):
        copy_truth(source, path)
    else:
        copy_truth(source, path, rows)
    if len(truth) != len(rows):
        reason = f"has {len(truth)} rows, but valid.json {len(rows)}: copied as it is"
        problems.append(Problem("write", source.name, reason, failed=False))
    return [*written, path], problems
