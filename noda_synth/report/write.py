"""From a rendered set to its page: thumbnails over the workers, then everything into one file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.disk_list import DiskList, Subset
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.atomic import read_json, write_text
from noda_synth.methods import Sources
from noda_synth.pool.reader import Pool
from noda_synth.render.manifest import CoveredPeople, manifest_lines
from noda_synth.render.replay import method_of
from noda_synth.report import page, tables
from noda_synth.report.thumbs import Sight, Studio, quality_of, thumbs
from noda_synth.runs import jobs
from noda_synth.runs.progress import Progress
from noda_synth.seeding import item_generator

# Small, because a sorted or filtered gallery shows renders of many blocks at once.
_BLOCK = 8
# Blocks kept in memory before all of them go to disk.
_HELD_BLOCKS = 64


@dataclass(frozen=True)
class Written:
    """What there is to say about a page: renders shown, bytes, broken pictures, and notes that stand on it too."""

    renders: int
    size: int
    problems: list[Problem]
    notes: list[str]


def write_report(
    folder: Path,
    out: Path,
    *,
    sources: Sources,
    originals: Path | None,
    number: int | None,
    seed: int,
    side: int,
    workers: int,
    quiet: bool = False,
) -> Written:
    """Write the page of a rendered set to `out`.

    Args:
        folder: as `noda-synth render` wrote it.
        out: the page.
        sources: what the set was rendered from; where that is not there, or another, the page has neither masks nor Q.
        originals: the folder of the original images, for a set without them.
        number: show so many renders, drawn at random; None shows all.
        seed: of the draw.
        side: longest side of a thumbnail in pixels.
        workers: worker processes.
        quiet: no progress.

    Raises:
        NodaError: the folder is no rendered set, or the page cannot be written.
    """
    every, people = manifest_lines(folder), CoveredPeople(folder)
    content = read_json(folder / "report.json")
    if not isinstance(content, dict):
        raise NodaError(f"{folder / 'report.json'} is not as render wrote it: it is no object")
    lines = every if number is None or number >= len(every) else _some(every, number, seed)
    opened, why_not = _opened(sources, lines)
    notes = [why_not] if why_not else []
    if len(lines) < len(every):
        notes.append(f"The gallery shows {len(lines):,} of {len(every):,} renders, drawn at random (--number).")
    studio = Studio(folder / "images", originals, opened, people.dataset.skeleton, side)
    sights, problems = _sights(lines, people)
    # The tables come first on the page, but name the pictures that turn out to be broken.
    blocks: DiskList[str] = DiskList(max_in_memory=_HELD_BLOCKS)
    problems += _make_blocks(blocks, sights, studio, workers, quiet)
    shown = (sight.line for sight in sights)
    parts = _parts(folder, content, every, shown, people, _qualities(opened, lines), problems, notes)
    write_text(out, chain([page.page_head(parts)], blocks, [page.PAGE_END]))
    return Written(len(sights), out.stat().st_size, problems, notes)


def _some(lines: Sequence[dict[str, Any]], number: int, seed: int) -> Sequence[dict[str, Any]]:
    chosen = item_generator(seed, "report", "renders").permutation(len(lines))[:number]
    return Subset(lines, np.sort(chosen))


def _opened(sources: Sources, lines: Sequence[Mapping[str, Any]]) -> tuple[Sources | None, str]:
    """The sources if they are those of the set; else None, and why the page has no masks."""
    try:
        if lines:
            method_of(lines[0], sources)
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


def _sights(lines: Sequence[dict[str, Any]], people: CoveredPeople) -> tuple[DiskList[Sight], list[Problem]]:
    sights, problems = DiskList[Sight](), []
    for line in lines:
        try:
            sights.append(Sight(line, replace(people.of(line), record={})))
        except KeyError:
            problems.append(Problem("report", str(line["id"]), f"person {line['person']} is not in the annotations"))
    return sights, problems


def _make_blocks(
    blocks: DiskList[str], sights: Sequence[Sight], studio: Studio, workers: int, quiet: bool
) -> list[Problem]:
    """Make the gallery's blocks; what is broken."""
    problems: list[Problem] = []
    with Progress(len(sights), "report", "render", quiet=quiet) as progress:
        done = jobs.run_ordered(partial(thumbs, studio=studio), jobs.blocks(sights, _BLOCK), workers=workers)
        for number, (entries, broken) in enumerate(done):
            blocks.append(page.page_block(number, entries))
            problems += broken
            progress.add(min(_BLOCK, len(sights) - _BLOCK * number))
    return problems


def _parts(
    folder: Path,
    content: Mapping[str, Any],
    every: Sequence[Mapping[str, Any]],
    lines: Iterable[Mapping[str, Any]],
    people: CoveredPeople,
    qualities: Mapping[str, NDArray[np.float64]],
    problems: Sequence[Problem],
    notes: Sequence[str],
) -> dict[str, str]:
    """What fills the page: HTML, and the gallery's index."""
    rated = [quality for line in every if (quality := quality_of(line, qualities)) is not None]
    skeleton = people.dataset.skeleton
    index = {
        "set": folder.resolve().name,
        "block": _BLOCK,
        "joints": skeleton.joints,
        "limbs": skeleton.limb_indices,
        "renders": [_indexed(line, quality_of(line, qualities), skeleton.indices(*line["covered"])) for line in lines],
    }
    figures = (
        tables.counts_table(content, rated), tables.joints_table(content), tables.covered_table(content),
        tables.numbers_table(every),
    )  # fmt: skip
    left_out = (
        tables.passed_over_table(content),
        tables.problems_table(_recorded(folder / "errors.jsonl"), "Said by render"),
        tables.problems_table([problem.as_json() for problem in problems], "Not to be shown here"),
    )
    return {
        "title": page.text_of(folder.resolve().name),
        "summary": tables.summary(content),
        "notes": "".join(f"<p>{page.text_of(note)}</p>" for note in notes),
        "figures": "".join(figures),
        "left_out": "".join(left_out),
        "settings": tables.settings_table(content),
        "index": json.dumps(index, separators=(",", ":")),
    }


def _indexed(line: Mapping[str, Any], quality: float | None, covered: Sequence[int]) -> list[Any]:
    """What filters and order of the gallery go by: id, person, occluder, covered joints, Q, level, method."""
    placement = line.get("placement") or {}
    return [
        line["id"], line["person"], " ".join(_occluders(line.get("occluder") or {})), covered, quality,
        str(placement.get("level", "")), str(line.get("method", "")),
    ]  # fmt: skip


def _occluders(occluder: Mapping[str, Any]) -> list[str]:
    """The ids of all that was pasted: one person, parts of several, or objects."""
    people = [occluder, *occluder.get("parts", [])]
    return [*(str(one["person"]) for one in people if "person" in one), *map(str, occluder.get("objects", []))]


def _recorded(path: Path) -> list[dict[str, Any]]:
    """The lines of errors.jsonl, if there is one."""
    try:
        found = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    except (OSError, ValueError) as error:
        return [{"item": str(path), "reason": f"cannot be read: {error}"}]
    return [problem for problem in found if isinstance(problem, dict)]
