"""The people of a data set, each with the file and number of its record."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from noda_synth.data.dataset import Dataset, Person
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, read_dataset
from noda_synth.formats.mpii.records import read_persons
from noda_synth.formats.picture_sizes import as_annotated
from noda_synth.validate.findings import Finding

TRAINING, VALIDATION = "training", "validation"


@dataclass(frozen=True)
class Entry:
    """A person, where the record stands, and in which part."""

    person: Person
    where: str
    part: str

    def finding(self, kind: str, what: str) -> Finding:
        """A finding of a kind of KINDS about this person."""
        return Finding(kind, self.where, what, self.person.image, self.person.person_id)


def read_tolerantly(layout: Layout, split: Path | None, all_train: bool) -> tuple[Layout, Dataset, list[Finding]]:
    """The data set, without those of its side files that cannot be read; these become findings.

    Raises:
        NodaError: the training list itself is unusable.
    """
    findings: list[Finding] = []
    while True:
        try:
            dataset = read_dataset(layout, split=split, all_train=all_train)
            return as_annotated(layout, dataset), dataset, findings
        except NodaError as error:
            rest = _without(layout, error.path)
            if rest is None or error.path is None:
                raise
            findings.append(Finding("unusable-file", error.path.name, str(error)))
            layout = rest


def _without(layout: Layout, file: Path | None) -> Layout | None:
    """The layout without one of its side files; None if the file is none of them."""
    if file is not None and file == layout.gt_valid:
        return replace(layout, gt_valid=None)
    if file is not None and file == layout.valid:
        return replace(layout, valid=None)
    if file is not None and file == layout.mat and layout.kind == "mpii_json":
        return replace(layout, mat=None)
    return None


class Entries(Iterable[Entry]):
    """Everyone, in the order of the files, with the number of their record (from 0) where there are numbers.

    Entries are made anew each time they are gone through, so that people of a large set can stay on disk.
    """

    def __init__(self, layout: Layout, dataset: Dataset) -> None:
        self._dataset, self._kind = dataset, layout.kind
        self._files = {TRAINING: layout.annotations, VALIDATION: layout.valid or layout.annotations}
        self._records = {
            part: self._rows(part) if len(people) and layout.kind == "mpii_json" else array("L")
            for part, people in self._parts()
        }

    def __iter__(self) -> Iterator[Entry]:
        for index in range(len(self._dataset.persons) + len(self._dataset.valid)):
            yield self.by_index(index)

    def by_index(self, index: int) -> Entry:
        """The entry at an index, counted from 0 over both parts."""
        training = index < len(self._dataset.persons)
        part, people = self._parts()[0 if training else 1]
        row = index if training else index - len(self._dataset.persons)
        file, records, person = self._files[part].name, self._records[part], people[row]
        if self._kind == "coco":
            where = f"{file} annotation {person.record.get('id', '?')}"
        elif len(records) == len(people):
            where = f"{file} record {records[row]}"
        else:
            where = f"{file} person {person.person_id}"
        return Entry(person, where, part)

    def _rows(self, part: str) -> array[int]:
        return _usable_rows(self._files[part], self._dataset.leaked if part == TRAINING else ())

    def _parts(self) -> tuple[tuple[str, Sequence[Person]], ...]:
        return (TRAINING, self._dataset.persons), (VALIDATION, self._dataset.valid)


def _usable_rows(file: Path, leaked: Collection[str]) -> array[int]:
    """Numbers of the records of an MPII JSON file that can be used, and are not on leaked images."""
    people, leaked = enumerate(read_persons(file)), set(leaked)
    return array("L", (row for row, person in people if person and person.image not in leaked))
