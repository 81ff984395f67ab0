"""Accuracy by kind of joint, from the JSON that `noda-train eval --json FILE` writes (docs/evaluation.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json

_COLUMN_OF = {"head_top": "head"}


@dataclass(frozen=True)
class Scores:
    """PCK in percent by kind of joint; None where there is no sample or no such column.

    Attributes:
        metric: which, at which threshold: the first of the file, PCKh@0.5 for MPII.
        persons: number of people evaluated.
        all, visible, occluded: kind of joint -> value.
    """

    metric: str
    persons: int
    all: dict[str, float | None]
    visible: dict[str, float | None]
    occluded: dict[str, float | None]


def read_scores(path: Path, kinds: tuple[str, ...]) -> Scores:
    """Read an evaluation. NodaError if it is none."""
    content = read_json(path)
    try:
        threshold, tables = next(iter(content["thresholds"].items()))
        found = {name: _column(tables.get(name), kinds) for name in ("all", "visible", "occluded")}
        persons = int(content["persons"])
        metric = f"{content.get('metric', 'PCKh')}@{threshold}"
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration):
        raise NodaError(f"{path}: not what `noda-train eval --json FILE` writes; see docs/evaluation.md") from None
    return Scores(metric, persons, **found)


def _column(table: Any, kinds: tuple[str, ...]) -> dict[str, float | None]:
    values = {kind: table.get(_COLUMN_OF.get(kind, kind)) if table else None for kind in kinds}
    return {kind: None if value is None else float(value) for kind, value in values.items()}
