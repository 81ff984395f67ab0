"""The lists that `noda-synth render --copies K` writes: other copies of the same people, to be trained on in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.errors import NodaError
from noda_synth.formats import read_dataset
from noda_train.data import Parts, Samples, samples_of
from noda_train.settings import Settings

Turns = tuple[NDArray[np.int64], ...]
"""Rows of the samples, for each of the lists that take turns."""


def training_samples(parts: Parts, settings: Settings) -> tuple[Samples, Turns]:
    """Whom a training goes through, everyone once, and the rows of each list; epoch e has that of number e mod K.

    Raises:
        NodaError: the lists that `copies` asks for are not there.
    """
    if settings.copies == "first":
        samples = parts.train.first(settings.limit)
        return samples, (np.arange(len(samples)),)
    known: dict[tuple[str, str], int] = {}
    turns: list[NDArray[np.int64]] = []

    def new_people() -> Iterator[Person]:
        for path in _lists(parts.layout.annotations, settings.copies):
            rows: list[int] = []
            for person in read_dataset(replace(parts.layout, annotations=path, valid=None, gt_valid=None)).samples:
                if settings.limit and len(rows) == settings.limit:
                    break
                key = (person.image, person.person_id)
                if key not in known:
                    known[key] = len(known)
                    yield person
                rows.append(known[key])
            turns.append(np.array(rows, np.int64))

    samples = samples_of(parts.layout.images, parts.train.skeleton, new_people())
    return samples, tuple(turns)


def _lists(file: Path, copies: str) -> list[Path]:
    """The lists of all copies beside a training list: one for each copy, or the one that has them all."""
    names = iter(["all"]) if copies == "all" else count(1)
    found = list(takewhile(Path.is_file, (file.with_stem(f"{file.stem}_{name}") for name in names)))
    if not found:
        first, option = ("all", "--copies K --append") if copies == "all" else ("1", "--copies K")
        raise NodaError(
            f"copies={copies}: there is no {file.stem}_{first}{file.suffix} beside {file}; "
            f"`noda-synth render {option}` writes it"
        )
    return found
