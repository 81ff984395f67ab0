"""A table as a value: what its TOML file says, with one of the file's sections laid over it, checked.

The file's keys are those of `_KEYS`, its rows those of `_ROW`; every other table in it is a section (`[quick]`), whose
keys replace the file's own; it may have rows of its own (`[[quick.row]]`). What a section sets for the training wins
over the rows, but not over its own.

`copies` of a row are rendered of each person, and trained on in turn, one an epoch.

`first` are settings of a training on the original set that comes before a row's own, which then starts from its
weights: rows of the same seed share it. `tests` are further test sets: a name, and the options of `noda-train eval`
that choose it, such as `--off-centre 0.1` or `--data data/coco --set validate_on=train` (a set of one part); {beside}
is the folder that the table's own data lies in.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.settings import split_pairs, suggest

COLUMNS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "mean")
"""The columns of the paper's tables, by the names that `noda_train/metrics/pck.py` gives them."""
KEEP = ("all", "network", "predictions")
"""What stays of a finished run: everything, the network without its optimiser, or only what the table needs."""

_TEXTS = ("title", "source", "note", "data", "demo", "pool", "render", "objects", "preset", "keep")
_KEYS: Mapping[str, type] = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(("set", "first", "tests"), dict),
    **dict.fromkeys(("labels", "row"), list),
    "seeds": int,
    "keep_renders": bool,
}
_ROW: Mapping[str, type] = {
    **dict.fromkeys(("name", "render", "preset", "against", "paper"), str),
    **dict.fromkeys(("set", "first"), dict),
    **dict.fromkeys(("seeds", "copies"), int),
    "labels": list,
}
_CELL = re.compile(r"\d+\.\d( ?\([+-]\d+\.\d\))? \([+-]?\d+(\.\d+)?, [+-]?\d+(\.\d+)?\)")


@dataclass(frozen=True)
class Row:
    """A row: what is trained.

    Attributes:
        name: as printed.
        render: options of `noda-synth render`, the table's common ones first; None trains on the original set.
        preset: of `noda-train fit`.
        settings: KEY=VALUE for its `--set`.
        against: the row that this one is compared with; None for a baseline.
        labels: what stands in the table's own columns.
        paper: the paper's cells, in the order of COLUMNS, as printed; empty where the paper has no such row.
        skipped: why this row cannot be run; empty if it can.
        first: KEY=VALUE of the training whose weights it starts from; nothing where there is none.
        seeds: how many runs it has; None is as many as the table.
    """

    name: str
    render: tuple[str, ...] | None
    preset: str
    settings: tuple[str, ...]
    against: str | None
    labels: tuple[str, ...]
    paper: tuple[str, ...]
    skipped: str = ""
    first: tuple[str, ...] = ()
    seeds: int | None = None

    def runs(self, seeds: int) -> int:
        """How many runs it has in a table of so many seeds."""
        return seeds if self.seeds is None else min(self.seeds, seeds)


@dataclass(frozen=True)
class TableSpec:
    """A table that can be run; `demo` are the options of `noda-synth demo-data` where `data` is to be drawn first, and
    `tests` those of `noda-train eval` for further test sets, by name."""

    name: str
    title: str
    source: str
    note: str
    data: Path
    demo: tuple[str, ...] | None
    pool: tuple[str, ...]
    seeds: int
    keep: str
    keep_renders: bool
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Overrides:
    """What the command line says; None and nothing leave it to the file."""

    section: str | None = None
    data: Path | None = None
    seeds: int | None = None
    objects: Path | None = None
    objects_images: Path | None = None
    settings: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def read(path: Path, overrides: Overrides, work: Path) -> TableSpec:
    """The table of a file. Raises NodaError, which names file, row and key, for anything wrong in it.

    Args:
        path: the TOML file.
        overrides: what replaces it.
        work: where a demo data set goes.
    """
    values = _merged(path, overrides.section)
    demo = values.get("demo") if overrides.data is None else None
    if overrides.data is None and demo is None and "data" not in values:
        raise NodaError(f"{path}: no `data`; name a data set with --data")
    data = overrides.data or (Path(values["data"]) if demo is None else work / "demo")
    seeds = overrides.seeds or values.get("seeds", 3)
    if seeds < 1:
        raise NodaError(f"{path}: seeds = {seeds}: 1 or more")
    keep = values.get("keep", "network")
    if keep not in KEEP:
        raise NodaError(f"{path}: keep = {keep!r}; {suggest(keep, KEEP)}")
    rows = _rows(path, values, overrides, _objects(values, overrides, data))
    differing = ", ".join(overrides.settings)
    changed = f"Settings of this run that differ from the file: {differing}." if differing else ""
    note = " ".join(text for text in (values.get("note", ""), changed) if text)
    tests = values.get("tests", {})
    return TableSpec(
        name=path.stem,
        title=values.get("title", path.stem),
        source=values.get("source", ""),
        note=note,
        data=data,
        demo=None if demo is None else tuple(shlex.split(demo)),
        pool=tuple(shlex.split(values.get("pool", ""))),
        seeds=seeds,
        keep=keep,
        keep_renders=values.get("keep_renders", True),
        labels=tuple(values.get("labels", ())),
        rows=rows,
        tests={name: _test(f"{path}, tests, {name}", name, text, data) for name, text in tests.items()},
    )


def _merged(path: Path, section: str | None) -> dict[str, Any]:
    """The file's values, checked, with those of the section over them."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise NodaError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NodaError(f"{path}: not a TOML file ({error})") from error
    sections = {key: value for key, value in content.items() if key not in _KEYS and isinstance(value, dict)}
    values = {key: value for key, value in content.items() if key not in sections}
    _check(str(path), values, _KEYS)
    for name, overlay in sections.items():
        _check(f"{path}, [{name}]", overlay, _KEYS)
    if section is not None and section not in sections:
        raise NodaError(f"{path}: no section [{section}]; {suggest(section, sections)}")
    overlay = sections[section] if section else {}
    # The section's training settings are kept apart: they win over the rows'.
    return {**values, **overlay, "set": values.get("set", {}), "over": overlay}


def _rows(path: Path, values: Mapping[str, Any], overrides: Overrides, sources: Mapping[str, str]) -> tuple[Row, ...]:
    records = values.get("row", [])
    if not records:
        raise NodaError(f"{path}: no [[row]]")
    rows: list[Row] = []
    for number, record in enumerate(records, start=1):
        where = f"{path}, row {number}"
        if not isinstance(record, dict) or not record.get("name"):
            raise NodaError(f"{where}: needs a name")
        where = f"{path}, row {record['name']!r}"
        _check(where, record, _ROW)
        if any(row.name == record["name"] for row in rows):
            raise NodaError(f"{where}: there are two of this name")
        rows.append(_row(where, record, values, overrides, sources, rows))
    wanted = [*overrides.rows, *(row.against for row in rows if row.name in overrides.rows and row.against)]
    for name in overrides.rows:
        if not any(row.name == name for row in rows):
            names = [row.name for row in rows]
            raise NodaError(f"{path}: no row {name!r}; {suggest(name, names)}")
    return tuple(row for row in rows if not overrides.rows or row.name in wanted)


def _row(
    where: str,
    record: Mapping[str, Any],
    values: Mapping[str, Any],
    overrides: Overrides,
    sources: Mapping[str, str],
    before: Sequence[Row],
) -> Row:
    against = record.get("against", before[0].name if before else None)
    if against == record["name"]:
        against = None
    elif before and against not in [row.name for row in before]:
        names = [row.name for row in before]
        raise NodaError(f"{where}: against = {against!r}: no row above it has this name; {suggest(against, names)}")
    labels = tuple(str(label) for label in record.get("labels", ()))
    if len(labels) not in (0, len(values.get("labels", ()))):
        raise NodaError(f"{where}: {len(labels)} labels for {len(values.get('labels', ()))} columns")
    over = values["over"]
    preset = over.get("preset") or record.get("preset") or values.get("preset")
    if preset is None:
        raise NodaError(f"{where}: no `preset`, neither here nor for the whole table")
    own, of_section = record.get("set", {}), over.get("set", {})
    settings = {**values["set"], **({**of_section, **own} if "row" in over else {**own, **of_section})}
    settings |= split_pairs(overrides.settings)
    first = record.get("first", values.get("first", {}))
    if first:
        first = {**values["set"], **over.get("set", {}), **first, **split_pairs(overrides.settings)}
    if record.get("seeds", 1) < 1:
        raise NodaError(f"{where}: seeds = {record['seeds']}: 1 or more")
    render, skipped = _render(where, record, values, sources)
    if "copies" in record:
        if render is None or record["copies"] < 1:
            raise NodaError(f"{where}: copies = {record['copies']}: 1 or more, of a row with `render`")
        render = (*render, "--copies", str(record["copies"]))
        if record["copies"] > 1:
            settings = {"copies": "in_turn", **settings}
    return Row(
        name=record["name"],
        render=render,
        preset=preset,
        settings=tuple(f"{key}={_text(value)}" for key, value in settings.items()),
        against=against,
        labels=labels or ("",) * len(values.get("labels", ())),
        paper=_paper(where, record.get("paper", "")),
        skipped=skipped,
        first=tuple(f"{key}={_text(value)}" for key, value in first.items()),
        seeds=record.get("seeds"),
    )


def _render(
    where: str, record: Mapping[str, Any], values: Mapping[str, Any], sources: Mapping[str, str]
) -> tuple[tuple[str, ...] | None, str]:
    """Options of render, and why the row cannot be run."""
    if "render" not in record:
        return None, ""
    skipped = ""
    text = f"{values.get('render', '')} {record['render']}"
    for name in re.findall(r"\{(\w*)\}", text):
        if name not in sources:
            raise NodaError(f"{where}: render has {{{name}}}; there are: {', '.join(f'{{{key}}}' for key in sources)}")
        if not sources[name]:
            skipped = f"no {name} given (--{name})"
        text = text.replace(f"{{{name}}}", sources[name])
    return tuple(shlex.split(text)), skipped


def _objects(values: Mapping[str, Any], overrides: Overrides, data: Path) -> dict[str, str]:
    """What may stand in braces in a row's options."""
    quoted = shlex.quote(str(data))
    objects = values.get("objects", "").replace("{data}", quoted)
    if overrides.objects is not None:
        objects = f"--objects {shlex.quote(str(overrides.objects))}"
        if overrides.objects_images is not None:
            objects += f" --objects-images {shlex.quote(str(overrides.objects_images))}"
    return {"data": quoted, "objects": objects}


def missing_tests(spec: TableSpec) -> dict[str, Path]:
    """Name of a test set -> its data, of those that are not there."""
    found = {name: Path(words[words.index("--data") + 1]) for name, words in spec.tests.items() if "--data" in words}
    return {name: data for name, data in found.items() if not data.exists()}


def _test(where: str, name: str, text: Any, data: Path) -> tuple[str, ...]:
    """Options of `noda-train eval` for a test set."""
    if not re.fullmatch(r"[\w.-]+", name) or not isinstance(text, str):
        raise NodaError(f"{where}: {text!r}: a name without blanks, and options of `noda-train eval` as text")
    words = tuple(shlex.split(text.replace("{beside}", shlex.quote(str(data.parent)))))
    if words[-1:] == ("--data",):
        raise NodaError(f"{where}: {text!r}: --data needs a folder")
    return words


def _paper(where: str, text: str) -> tuple[str, ...]:
    cells = tuple(cell.strip() for cell in text.split("|")) if text else ()
    if cells and len(cells) != len(COLUMNS):
        raise NodaError(f"{where}: paper has {len(cells)} cells, not {len(COLUMNS)}: {', '.join(COLUMNS)}")
    for cell in cells:
        if not _CELL.fullmatch(cell):
            raise NodaError(f"{where}: paper: {cell!r} does not look like '96.8 (+0.4, 0)'")
    return cells


def _text(value: Any) -> str:
    """A TOML value as `--set` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _check(where: str, values: Mapping[str, Any], known: Mapping[str, type]) -> None:
    for key, value in values.items():
        if key not in known:
            raise NodaError(f"{where}: unknown key {key!r}; {suggest(key, known)}")
        if not isinstance(value, known[key]) or (known[key] is int and isinstance(value, bool)):
            raise NodaError(f"{where}: {key} = {value!r}: should be {_WORDS[known[key]]}")


_WORDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table of settings"}
