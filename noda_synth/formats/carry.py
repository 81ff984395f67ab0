"""The validation part, carried along into a written data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noda_synth.dataset import Dataset, Person
from noda_synth.errors import Problem
from noda_synth.formats.files import json_list, read_bytes, write_bytes, write_text
from noda_synth.formats.gt_valid import add_visibility, anyone_known, read_gt_valid, write_gt_valid
from noda_synth.formats.layout import SKELETON_NAME, Layout
from noda_synth.formats.mpii_json import load_records, parse_records, write_mpii_json
from noda_synth.formats.visibility import is_known


def carry_validation(layout: Layout, dataset: Dataset, annot_dir: Path) -> tuple[list[Path], list[Problem]]:
    """Write the validation files of a data set into `annot_dir`, with visibility wherever it is known.

    MPII: `valid.json` has the input's records, keys and row order, unusable ones included, and `joints_visible` where
    known. `gt_valid.mat` is a copy of the input's to the byte if that has `jnt_visible` or there is nothing to add;
    else all its arrays and `jnt_visible`; without one it is made if a head box is known. COCO: a copy of the file, and
    of the skeleton file if the set has one of its own.

    Returns:
        The files written, and what is worth knowing about them.
    """
    if dataset.source == "coco":
        originals = {SKELETON_NAME: layout.skeleton, **({layout.valid.name: layout.valid} if layout.valid else {})}
        copies = {annot_dir / name: original for name, original in originals.items() if original}
        for copy, original in copies.items():
            write_bytes(copy, read_bytes(original))
        return list(copies), []
    if not dataset.valid:
        return [], []
    valid_json, gt_valid = annot_dir / "valid.json", annot_dir / "gt_valid.mat"
    rows, records = _input_rows(layout, dataset)
    if records is None:
        write_mpii_json(valid_json, dataset.valid)
        rows = list(dataset.valid)
    else:
        kept = [_with_visibility(record, person) for record, person in zip(records, rows, strict=True)]
        write_text(valid_json, json_list(kept) + "\n")
    return _carry_truth(None if records is None else layout.gt_valid, gt_valid, rows, [valid_json])


def _input_rows(layout: Layout, dataset: Dataset) -> tuple[list[Person | None], list[Any] | None]:
    """The records of the input's valid.json and the person of each; no records where the part comes from elsewhere."""
    if layout.valid is None:
        return [], None
    records = load_records(layout.valid)
    parsed, _ = parse_records(records, layout.valid.name)
    usable = [dict(person.record) for person in parsed if person is not None]
    if usable != [dict(person.record) for person in dataset.valid]:
        return [], None
    people = iter(dataset.valid)
    return [None if person is None else next(people) for person in parsed], records


def _with_visibility(record: Any, person: Person | None) -> Any:
    if person is None or not is_known(person):
        return record
    return {**record, "joints_visible": [int(value) for value in person.visible]}


def _carry_truth(
    source: Path | None, path: Path, rows: Sequence[Person | None], written: list[Path]
) -> tuple[list[Path], list[Problem]]:
    people = [person for person in rows if person is not None]
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
    if truth.visible is not None or truth.rows != len(rows) or not anyone_known(people):
        write_bytes(path, read_bytes(source))
    else:
        add_visibility(source, path, rows)
    if truth.rows != len(rows):
        reason = f"has {truth.rows} rows, but valid.json {len(rows)}: copied as it is"
        problems.append(Problem("write", source.name, reason, failed=False))
    return [*written, path], problems
