"""The people of a data set together with the place of their records, to be named by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from noda_synth.dataset import Dataset, Person
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, read_dataset
from noda_synth.formats.mpii_json import read_persons
from noda_synth.validate.findings import Finding

TRAINING, VALIDATION = "training", "validation"


@dataclass(frozen=True)
class Entry:
    """A person, where the record stands, and in which part."""

    person: Person
    where: str
    part: str

    def finding(self, kind: str, what: str) -> Finding:
        return Finding(kind, self.where, what, self.person.image, self.person.person_id)


def read_tolerantly(layout: Layout, split: Path | None, all_train: bool) -> tuple[Layout, Dataset, list[Finding]]:
    """The data set, without those of its side files that cannot be read; these become findings.

    Raises:
        NodaError: the training list itself is unusable.
    """
    findings: list[Finding] = []
    while True:
        try:
            return layout, read_dataset(layout, split=split, all_train=all_train), findings
        except NodaError as error:
            file, layout = _without(layout, str(error))
            if file is None:
                raise
            findings.append(Finding("unusable-file", file.name, str(error)))


def _without(layout: Layout, message: str) -> tuple[Path | None, Layout]:
    """The side file that an error names, if it is one, and the layout without it."""
    if layout.gt_valid and str(layout.gt_valid) in message:
        return layout.gt_valid, replace(layout, gt_valid=None)
    if layout.valid and str(layout.valid) in message:
        return layout.valid, replace(layout, valid=None)
    if layout.mat and layout.kind == "mpii_json" and str(layout.mat) in message:
        return layout.mat, replace(layout, mat=None)
    return None, layout


def entries_of(layout: Layout, dataset: Dataset) -> list[Entry]:
    """Everyone, in the order of the files, with the number of their record (from 0) where there are numbers."""
    return [
        *_part(dataset.persons, layout.annotations, layout.kind, TRAINING),
        *_part(dataset.valid, layout.valid or layout.annotations, layout.kind, VALIDATION),
    ]


def _part(persons: Sequence[Person], file: Path, kind: str, part: str) -> list[Entry]:
    if kind == "coco":
        return [Entry(p, f"{file.name} annotation {p.record.get('id', '?')}", part) for p in persons]
    if kind == "mpii_json":
        rows = [row for row, person in enumerate(read_persons(file)) if person]
        if len(rows) == len(persons):
            return [Entry(p, f"{file.name} record {row}", part) for p, row in zip(persons, rows, strict=True)]
    return [Entry(p, f"{file.name} person {p.person_id}", part) for p in persons]
