"""Reading manifest.jsonl of a rendered set; `noda_synth.render.occluded_copies` writes its lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import NodaError
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.files.atomic import check_regular, parsed
from noda_synth.formats.files.checks import noda_extension
from noda_synth.runs.staging import unfinished

MANIFEST = "manifest.jsonl"


def manifest_lines(folder: Path) -> DiskList[dict[str, Any]]:
    """All lines. NodaError for a folder without one, and for a line that is not one of render's."""
    path = folder / MANIFEST
    lines: DiskList[dict[str, Any]] = DiskList()
    for number, line in numbered_lines(path):
        if line is None:
            raise NodaError(f"{path}, line {number}: no line of the manifest.jsonl of a set")
        lines.append(line)
    return lines


def numbered_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line numbers from 1 with the lines; None for a line that cannot be used. NodaError without a file."""
    check_regular(path)
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                yield number, _usable(text)
    except (OSError, UnicodeDecodeError) as error:
        raise NodaError(
            f"{path.parent} is no data set written by `noda-synth render` ({path.name}: {_why(error)})"
            f"{unfinished(path.parent)}"
        ) from error


def _why(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _usable(text: str) -> dict[str, Any] | None:
    try:
        line = parsed(text)
    except ValueError:
        return None
    usable = (
        isinstance(line, dict)
        and all(isinstance(line.get(key), str) for key in ("id", "file", "source", "person"))
        and isinstance(line.get("copy", 0), int)
        and isinstance(line.get("covered"), list)
        and all(isinstance(joint, str) for joint in line["covered"])
    )
    return line if usable else None


class PeopleByFirstId:
    """People of a rendered set by the id that the manifest calls them by.

    With --append a person is listed twice, the second time under another id, and COCO files number their people
    anew; joints are the same everywhere.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._persons = dataset.persons
        self._rows: dict[str, int] = {}
        for row, person in enumerate(dataset.persons):
            self._rows[str(noda_extension(person.record).get("person_id", person.person_id))] = row

    def get(self, person_id: str) -> Person | None:
        row = self._rows.get(person_id)
        return None if row is None else self._persons[row]


class CoveredPeople:
    """The people of a rendered set by the lines of its manifest.

    Attributes:
        dataset: the written training list; of several copies the first.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = find_layout(folder)
        self.dataset = read_dataset(self._layout)
        self._by_copy: dict[int, PeopleByFirstId] = {}

    def of(self, line: Mapping[str, Any]) -> Person:
        """Whom a line covers; joints beside the covered ones are as they were before. Raises KeyError."""
        person = self._of_copy(line.get("copy", 0)).get(line["person"])
        if person is None:
            raise KeyError(line["person"])
        return person

    def _of_copy(self, copy: int) -> PeopleByFirstId:
        # Each of several copies has a list of its own, in which only what that copy covers is occluded anew.
        if copy not in self._by_copy:
            file = self._layout.annotations
            own = file.with_name(f"{file.stem}_{copy + 1}{file.suffix}")
            listed = copy > 0 and own.is_file()
            dataset = read_dataset(replace(self._layout, annotations=own)) if listed else self.dataset
            self._by_copy[copy] = PeopleByFirstId(dataset)
        return self._by_copy[copy]
