"""A rendered set: manifest, images and records know of each other, and covered joints are marked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import OCCLUDED, Dataset
from noda_synth.data.disk_list import DiskList
from noda_synth.errors import NodaError
from noda_synth.formats import Layout
from noda_synth.formats.files.atomic import read_json
from noda_synth.formats.files.json_pieces import list_in
from noda_synth.formats.mpii.records import read_records
from noda_synth.imaging.images import is_there
from noda_synth.render.coco_scenes import SCENES
from noda_synth.render.manifest import MANIFEST, numbered_lines
from noda_synth.validate.entries import Entry
from noda_synth.validate.findings import Finding


def check_rendered(folder: Path, layout: Layout, dataset: Dataset, entries: Iterable[Entry]) -> Iterator[Finding]:
    """Findings about a set that has a manifest."""
    lines = _Lines()
    for number, line in numbered_lines(folder / MANIFEST):
        if line is None:
            yield Finding("manifest-line", f"{MANIFEST} line {number}", "no line that render wrote")
        else:
            lines.add(line)
    yield from _count(folder / "report.json", len(lines.all))
    listed = _listed_images(layout, dataset)
    for line in lines.all:
        file = line["file"]
        if not is_there(layout.images / file):
            yield Finding(
                "no-copy", f"{MANIFEST} {line['id']}", f"{layout.images / file}: no such file", file, line["person"]
            )
        if file not in listed:
            what = f"no training list names {file}"
            yield Finding("no-record", f"{MANIFEST} {line['id']}", what, file, line["person"])
    yield from _records(entries, lines, dataset)
    yield from _strays(layout, dataset, lines, listed)


def without_left_out(folder: Path, layout: Layout, findings: Sequence[Finding]) -> list[Finding]:
    """Missing originals become one finding where the set was rendered with `--originals none`."""
    try:
        left_out = read_json(folder / "report.json")["settings"]["originals"] == "none"
    except (NodaError, KeyError, TypeError):
        left_out = False
    if not left_out:
        return list(findings)
    copies = {line["file"] for _, line in numbered_lines(folder / MANIFEST) if line}
    kept = [f for f in findings if f.kind != "missing-image" or (f.image or "") in copies]
    if missing := len(findings) - len(kept):
        what = f"{missing} originals are not in {layout.images}, as `--originals none` has it"
        kept.append(Finding("originals-left-out", "report.json", what))
    return kept


class _Lines:
    """Lines of the manifest by the copy's file; of two with the same file the first.

    Attributes:
        all: the lines, in their order.
    """

    def __init__(self) -> None:
        self.all: DiskList[dict[str, Any]] = DiskList()
        self._indices: dict[str, int] = {}

    def add(self, line: dict[str, Any]) -> None:
        if self._indices.setdefault(line["file"], len(self.all)) == len(self.all):
            self.all.append(line)

    def of(self, file: str) -> dict[str, Any] | None:
        index = self._indices.get(file)
        return None if index is None else self.all[index]


def _count(report: Path, lines: int) -> Iterator[Finding]:
    try:
        stated = read_json(report)["counts"]["copies"]
    except (NodaError, KeyError, TypeError) as error:
        yield Finding("unusable-file", report.name, f"no report of render: {error}")
        return
    if stated != lines:
        yield Finding(
            "copies-missing", MANIFEST, f"{lines} lines that can be read, but report.json counts {stated} copies"
        )


def _listed_images(layout: Layout, dataset: Dataset) -> set[str]:
    """Names in all training lists: of several copies only the first stands in the list that is read."""
    listed = set(dataset.images)
    for path in sorted(layout.annotations.parent.glob("train_*.json")):
        with suppress(NodaError):
            listed.update(str(record.get("image")) for record in read_records(path) if isinstance(record, dict))
    return listed | _of_coco(layout, "coco_train_topdown_*.json")


def _records(entries: Iterable[Entry], lines: _Lines, dataset: Dataset) -> Iterator[Finding]:
    """Rendered records without a line, and those whose covered joints are not marked."""
    for entry in entries:
        person = entry.person
        line = lines.of(person.image)
        if line is None:
            if _is_copy(entry, dataset):
                yield entry.finding("no-line", f"stands on {person.image}, which the manifest does not know")
            continue
        if _is_pasted(entry):  # the line says what is covered of the person below
            continue
        covered = dataset.skeleton.indices(*line["covered"])
        wrong = [dataset.skeleton.joints[j] for j in covered if person.labelled[j] and person.visible[j] != OCCLUDED]
        if wrong:
            yield entry.finding("covered-visible", f"{', '.join(wrong)}: covered in the manifest, not occluded here")


def _is_pasted(entry: Entry) -> bool:
    record = entry.person.record
    rendered = record.get("synth") or record.get("noda")
    return isinstance(rendered, Mapping) and rendered.get("role") == "occluder"


def _is_copy(entry: Entry, dataset: Dataset) -> bool:
    image = dataset.images.get(entry.person.image)
    noda = image.record.get("noda") if image else None
    return "synth" in entry.person.record or (isinstance(noda, Mapping) and "source" in noda)


def _of_coco(layout: Layout, pattern: str) -> set[str]:
    """Names of the images of COCO files beside the training list; none of a file that cannot be read."""
    names: set[str] = set()
    for path in layout.annotations.parent.glob(pattern):
        with suppress(NodaError):
            images = list_in(path, "images")
            names.update(str(image.get("file_name")) for image in images if isinstance(image, dict))
    return names


def _strays(layout: Layout, dataset: Dataset, lines: _Lines, listed: set[str]) -> Iterator[Finding]:
    # Whom no training list has, since nobody on it has keypoints, the list of scenes has.
    listed = listed | _of_coco(layout, SCENES)
    known = listed.union((line[key] for line in lines.all for key in ("file", "source")), dataset.valid.image_names)
    for folder, _, files in os.walk(layout.images):
        for file in sorted(files):
            name = (Path(folder) / file).relative_to(layout.images).as_posix()
            if name not in known:
                yield Finding("stray-image", f"{layout.images.name}/{name}", "no record and no line names it", name)
