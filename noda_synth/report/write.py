"""From a rendered set to its page: thumbnails over the workers, then everything into one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset
from noda_synth.data.disk_list import DiskList, Subset
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.atomic import parsed, read_json, write_text
from noda_synth.methods import Sources
from noda_synth.pool.reader import Pool
from noda_synth.render.manifest import CoveredPeople, manifest_lines
from noda_synth.render.replay import method_of
from noda_synth.report import page, tables
from noda_synth.report.thumbs import GalleryItem, ThumbnailContext, make_entries, quality_of
from noda_synth.runs import jobs
from noda_synth.runs.progress import Progress
from noda_synth.seeding import item_generator

# Small, because a sorted or filtered gallery shows renders of many blocks at once.
_BLOCK = 8
# Blocks kept in memory before all of them go to disk.
_HELD_BLOCKS = 64
# Pixels of a thumbnail: as many as keep the page of so many renders below some 100 MB, and it opens with a few.
_SHARP, _SMALL, _SHARP_RENDERS = 480, 160, 4000
_FIRST_PICTURES = 6
Charts = Callable[[Path, Dataset], Mapping[str, bytes]]
"""Folder of a rendered set and its annotations -> charts as SVG, by what they show."""


@dataclass(frozen=True)
class WrittenReport:
    """A page: renders shown, bytes, broken pictures, and the notes that stand on it too."""

    renders: int
    size: int
    problems: list[Problem]
    notes: list[str]


@dataclass(frozen=True)
class ReportOptions:
    """What a page shows.

    Attributes:
        sources: what the set was rendered from; where that is not there, or another, the page has neither masks nor Q.
        originals: the folder of the original images, for a set without them.
        number: show so many renders, drawn at random; None shows all.
        seed: of the draw.
        side: longest side of a thumbnail in pixels; None takes 480, and less for more than 4,000 renders.
        charts: draws the charts that the page opens with, or raises NodaError where that cannot be.
    """

    sources: Sources
    originals: Path | None = None
    number: int | None = None
    seed: int = 0
    side: int | None = None
    charts: Charts | None = None


@dataclass(frozen=True)
class _RenderedSet:
    """A rendered set as it was read: its folder, report.json, the lines of its manifest, and the people in them."""

    folder: Path
    content: Mapping[str, Any]
    lines: Sequence[dict[str, Any]]
    people: CoveredPeople


def write_report(
    folder: Path, out: Path, options: ReportOptions, *, workers: int, quiet: bool = False
) -> WrittenReport:
    """Write the page of a rendered set to `out`.

    Args:
        folder: as `noda-synth render` wrote it.
        out: the page.
        options: what it shows.
        workers: worker processes.
        quiet: no progress.

    Raises:
        NodaError: the folder is no rendered set, or the page cannot be written.
    """
    lines: Sequence[dict[str, Any]] = manifest_lines(folder)
    people = CoveredPeople(folder)
    content = read_json(folder / "report.json")
    if not isinstance(content, dict):
        raise NodaError(f"{folder / 'report.json'} is not as render wrote it: it is no object")
    rendered = _RenderedSet(folder, content, lines, people)
    if options.number is not None and options.number < len(lines):
        lines = _sample(lines, options.number, options.seed)
    sources, why_not = _matching_sources(options.sources, lines)
    notes = [why_not] if why_not else []
    if len(lines) < len(rendered.lines):
        notes.append(
            f"The gallery shows {len(lines):,} of {len(rendered.lines):,} renders, drawn at random (--number)."
        )
    charts, why_not = _charts(options.charts, folder, people.dataset)
    notes += [why_not] if why_not else []
    side = options.side or side_for(len(lines))
    context = ThumbnailContext(folder / "images", options.originals, sources, people.dataset.skeleton, side)
    items, problems = _gallery_items(lines, people)
    # The tables come first on the page, but name the pictures that turn out to be broken.
    blocks: DiskList[str] = DiskList(max_in_memory=_HELD_BLOCKS)
    problems += _make_blocks(blocks, items, context, workers, quiet)
    shown = (item.line for item in items)
    qualities = _qualities(sources, lines)
    parts = {
        **_tables(rendered, qualities, problems),
        "notes": "".join(f"<p>{page.text_of(note)}</p>" for note in notes),
        "pictures": _first_pictures(items, replace(context, side=_SHARP), options.seed),
        "charts": charts,
        "index": _index(rendered, shown, qualities, "images/" if out.parent.resolve() == folder.resolve() else ""),
    }
    write_text(out, chain([page.page_head(parts)], blocks, [page.PAGE_END]))
    return WrittenReport(len(items), out.stat().st_size, problems, notes)


def _charts(draw: Charts | None, folder: Path, dataset: Dataset) -> tuple[str, str]:
    """The charts as HTML, and why there are none where they cannot be drawn."""
    try:
        return page.charts(draw(folder, dataset)) if draw else "", ""
    except NodaError as error:
        return "", f"There are no charts: {error}."


def side_for(renders: int) -> int:
    """Pixels of a thumbnail's longer side on a page of so many renders."""
    share = min(1.0, _SHARP_RENDERS / max(1, renders))
    return max(_SMALL, int(_SHARP * share**0.85) // 8 * 8)


def _sample(lines: Sequence[dict[str, Any]], number: int, seed: int) -> Sequence[dict[str, Any]]:
    chosen = item_generator(seed, "report", "renders").permutation(len(lines))[:number]
    return Subset(lines, np.sort(chosen))


def _matching_sources(sources: Sources, lines: Sequence[Mapping[str, Any]]) -> tuple[Sources | None, str]:
    """The sources if they are those of the set; else None, and why the page has no masks."""
    try:
        # Copies with objects in the place of bodies take more sources than the others of their set.
        for line in {frozenset(line["placement"] or ()): line for line in lines}.values():
            method_of(line, sources)
    except NodaError as error:
        return None, f"Neither masks nor their quality Q are shown: {error}."
    except (KeyError, TypeError) as error:
        return None, f"No masks are shown: the manifest does not tell what was pasted ({error!r})."
    return sources, ""


def _qualities(sources: Sources | None, lines: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Q (N,) of the pool's bodies by mask level; nothing for a set that was made without a pool."""
    if not sources or not sources.pool or not any("pool" in line for line in lines):
        return {}
    pool = Pool(sources.pool)
    return {level: pool.quality(level) for level in pool.levels}


def _gallery_items(
    lines: Sequence[dict[str, Any]], people: CoveredPeople
) -> tuple[DiskList[GalleryItem], list[Problem]]:
    items, problems = DiskList[GalleryItem](), []
    for line in lines:
        try:
            items.append(GalleryItem(line, replace(people.of(line), record={})))
        except KeyError:
            problems.append(Problem("report", str(line["id"]), f"person {line['person']} is not in the annotations"))
    return items, problems


def _first_pictures(items: Sequence[GalleryItem], context: ThumbnailContext, seed: int) -> str:
    """A few renders drawn at random, before and after, without marks; broken ones are named where all are made."""
    rows = np.sort(item_generator(seed, "report", "first pictures").permutation(len(items))[:_FIRST_PICTURES])
    chosen = [items[int(row)] for row in rows]
    entries = json.loads(make_entries(chosen, context=context)[0])
    return "".join(
        page.first_picture(entry, f"#view={quote(str(item.line['id']), errors='replace')}")
        for item, entry in zip(chosen, entries, strict=True)
        if "error" not in entry
    )


def _make_blocks(
    blocks: DiskList[str], items: Sequence[GalleryItem], context: ThumbnailContext, workers: int, quiet: bool
) -> list[Problem]:
    """Make the gallery's blocks. Returns what is broken."""
    problems: list[Problem] = []
    with Progress(len(items), "report", "render", quiet=quiet) as progress:
        done = jobs.run_ordered(partial(make_entries, context=context), jobs.blocks(items, _BLOCK), workers=workers)
        for number, (entries, broken) in enumerate(done):
            blocks.append(page.page_block(number, entries))
            problems += broken
            progress.add(min(_BLOCK, len(items) - _BLOCK * number))
    return problems


def _tables(
    rendered: _RenderedSet, qualities: Mapping[str, NDArray[np.float64]], problems: Sequence[Problem]
) -> dict[str, str]:
    """The page's title, and its tables as HTML."""
    content = rendered.content
    rated = [quality for line in rendered.lines if (quality := quality_of(line, qualities)) is not None]
    figures = (
        tables.counts_table(content),
        tables.quality_table(rated),
        tables.joints_table(content),
        tables.covered_table(content),
        tables.numbers_table(rendered.lines),
    )
    left_out = (
        tables.passed_over_table(content),
        tables.problems_table(_recorded_problems(rendered.folder / "errors.jsonl"), "Reported by render"),
        tables.problems_table([problem.as_json() for problem in problems], "Cannot be shown here"),
    )
    return {
        "title": page.text_of(rendered.folder.resolve().name),
        "summary": tables.summary(content),
        "head": tables.head_line(content),
        "figures": "".join(figures),
        "left_out": "".join(left_out),
        "settings": tables.settings_table(content),
    }


def _index(
    rendered: _RenderedSet,
    lines: Iterable[Mapping[str, Any]],
    qualities: Mapping[str, NDArray[np.float64]],
    images: str,
) -> str:
    """The gallery's index as JSON: what is needed before any block is read, and where the copies lie from the page."""
    skeleton = rendered.people.dataset.skeleton
    index = {
        "set": rendered.folder.resolve().name,
        "block": _BLOCK,
        "images": images,
        "joints": skeleton.joints,
        "limbs": skeleton.limb_indices,
        "renders": [_indexed(line, quality_of(line, qualities), skeleton.indices(*line["covered"])) for line in lines],
    }
    return json.dumps(index, separators=(",", ":"))


def _indexed(line: Mapping[str, Any], quality: float | None, covered: Sequence[int]) -> list[Any]:
    """What filters and order of the gallery go by: id, person, occluder, covered joints, Q, level, method."""
    placement = line.get("placement") or {}
    return [
        line["id"],
        line["person"],
        " ".join(_occluders(line.get("occluder") or {})),
        covered,
        quality,
        str(placement.get("level", "")),
        str(line.get("method", "")),
    ]


def _occluders(occluder: Mapping[str, Any]) -> list[str]:
    """The ids of all that was pasted: one person, parts of several, or objects."""
    people = [occluder, *occluder.get("parts", []), *occluder.get("more", [])]
    return [*(str(one["person"]) for one in people if "person" in one), *map(str, occluder.get("objects", []))]


def _recorded_problems(path: Path) -> list[dict[str, Any]]:
    """The lines of errors.jsonl, if there is one."""
    try:
        problems = [parsed(text) for text in path.read_text().splitlines()] if path.exists() else []
    except (OSError, ValueError) as error:
        return [{"item": str(path), "reason": f"cannot be read: {error}"}]
    return [problem for problem in problems if isinstance(problem, dict)]
