"""manifest.jsonl of a rendered set, read by what looks at such sets; `noda_synth.copies` writes its lines."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from noda_synth.dataset import Dataset, Person
from noda_synth.errors import NodaError
from noda_synth.formats import find_layout, read_dataset

MANIFEST = "manifest.jsonl"


def manifest_lines(folder: Path) -> list[dict[str, Any]]:
    """All lines. NodaError for a folder without one, and for a line that is not one of render's."""
    path = folder / MANIFEST
    lines = []
    for number, line in numbered_lines(path):
        if line is None:
            raise NodaError(f"{path}, line {number}: no line of the manifest.jsonl of a set")
        lines.append(line)
    return lines


def numbered_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line numbers from 1 with what stands there; None for a line that cannot be used. NodaError without a file."""
    try:
        texts = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NodaError(
            f"{path.parent} is no data set written by `noda-synth render` ({path.name}: {error})"
        ) from error
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        usable = (
            isinstance(line, dict)
            and all(isinstance(line.get(key), str) for key in ("id", "file", "source", "person"))
            and isinstance(line.get("covered"), list)
            and all(isinstance(joint, str) for joint in line["covered"])
        )
        yield number, line if usable else None


def people_by_first_id(dataset: Dataset, wanted: Container[str] | None = None) -> dict[str, Person]:
    """People of a rendered set, all or the wanted ones, by the id that the manifest calls them by.

    With --append a person stands there twice, the second time under another id, and COCO files number their people
    anew; joints are the same everywhere.
    """
    named = ((person.record.get("noda", {}).get("person_id", person.person_id), person) for person in dataset.persons)
    return {name: person for name, person in named if wanted is None or name in wanted}


class CoveredPeople:
    """The people of a rendered set by the lines of its manifest.

    Attributes:
        dataset: the written training list; of several copies the first.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = find_layout(folder)
        self.dataset = read_dataset(self._layout)
        self._by_copy: dict[int, dict[str, Person]] = {}

    def of(self, line: Mapping[str, Any]) -> Person:
        """Whom a line covers; joints beside the covered ones are as they were before. Raises KeyError."""
        return self._of_copy(line.get("copy", 0))[line["person"]]

    def _of_copy(self, copy: int) -> dict[str, Person]:
        # Each of several copies has a list of its own, in which only what that copy covers is occluded anew.
        if copy not in self._by_copy:
            file = self._layout.annotations
            own = file.with_name(f"{file.stem}_{copy + 1}{file.suffix}")
            listed = copy > 0 and own.is_file()
            dataset = read_dataset(replace(self._layout, annotations=own)) if listed else self.dataset
            self._by_copy[copy] = people_by_first_id(dataset)
        return self._by_copy[copy]
