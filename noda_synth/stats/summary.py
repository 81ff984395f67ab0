"""The numbers of a data set, put together: for figures, for JSON, and in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.joint_counts import Counts, States, by_kind, count_states, mpii_validation, total
from noda_synth.data.skeleton import MPII, Skeleton
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json
from noda_synth.pool.reader import Pool
from noda_synth.render.manifest import MANIFEST, PeopleByFirstId, manifest_lines
from noda_synth.stats.renders import REACH, Renders, covered_histogram, heat, measure, sectors, sizes
from noda_synth.stats.scores import Scores


@dataclass(frozen=True)
class Series:
    """Joints that are counted and compared: a name, the number of people if it is known, and states by joint."""

    name: str
    people: int | None
    joints: Counts


@dataclass(frozen=True)
class Summary:
    """All that is known of a set.

    Attributes:
        name: of the set.
        skeleton: its joints.
        images: number of images of the training part.
        series: the training part; before it what it is compared with, if anything: its own state before rendering,
            or another set.
        real: joints as they are in validation sets: the set's own where visibility is known, and MPII's.
        renders: what the renders cover, or None for a plain set.
        scores: accuracy, if given.
        notes: what is not known, and why.
    """

    name: str
    skeleton: Skeleton
    images: int
    series: tuple[Series, ...]
    real: tuple[Series, ...]
    renders: Renders | None = None
    scores: Scores | None = None
    notes: tuple[str, ...] = ()


def summarise(
    folder: Path,
    dataset: Dataset,
    against: tuple[Path, Dataset] | None = None,
    scores: Scores | None = None,
    pool: Pool | None = None,
) -> Summary:
    """Count a data set.

    Args:
        folder: of the set, or its annotation file.
        dataset: what stands there.
        against: another set to compare its joints with, instead of its own state before rendering.
        scores: accuracy by kind of joint.
        pool: the pool that the set was rendered from, to measure the pasted bodies by their joints.

    Raises:
        NodaError: the two sets have different joints, the manifest is damaged, or the pool is another one.
    """
    skeleton = dataset.skeleton
    notes: list[str] = []
    renders = None
    is_rendered = (folder / MANIFEST).is_file()
    if is_rendered:
        renders = measure(manifest_lines(folder), PeopleByFirstId(dataset), skeleton, pool)
        if renders.elsewhere:
            notes.append(f"of {renders.elsewhere} renders the manifest does not say where they are covered")
    if is_rendered and against is None:
        counted = count_joints(folder, dataset)
        return replace(counted, renders=renders, scores=scores, notes=(*notes, *counted.notes))
    series = [Series("training part", len(dataset.samples), _states(dataset.persons, skeleton))]
    if against is not None:
        if against[1].skeleton.joints != skeleton.joints:
            raise NodaError(f"{against[0]} has the joints of {against[1].skeleton.name}, {folder} of {skeleton.name}")
        other, name = against[1], _name(against[0])
        series = [replace(series[0], name=_name(folder))]
        name = name if name != series[0].name else str(against[0])
        series.insert(0, Series(name, len(other.samples), _states(other.persons, skeleton)))
    real = _real(dataset)
    return Summary(str(folder), skeleton, len(dataset.images), tuple(series), real, renders, scores, tuple(notes))


def count_joints(folder: Path, dataset: Dataset) -> Summary:
    """The joints of a rendered set before and after; nothing of its renders."""
    skeleton = dataset.skeleton
    series = [Series("after rendering", len(dataset.samples), _states(dataset.persons, skeleton))]
    notes: list[str] = []
    try:
        series.insert(0, Series("before rendering", None, _before(folder / "report.json", skeleton)))
    except NodaError as error:
        notes.append(f"{error} Name the original set with --against.")
    return Summary(str(folder), skeleton, len(dataset.images), tuple(series), _real(dataset), notes=tuple(notes))


def _real(dataset: Dataset) -> tuple[Series, ...]:
    """Joints as they are in validation sets: the set's own where visibility is known, and MPII's."""
    real = []
    valid = _states(dataset.valid, dataset.skeleton)
    if _known(valid):
        real.append(Series("validation part", len(dataset.valid), valid))
    if dataset.skeleton.joints == MPII.joints:
        real.append(Series("MPII's validation set", 2958, mpii_validation(dataset.skeleton)))
    return tuple(real)


def as_json(summary: Summary) -> dict[str, Any]:
    """Everything as plain values; docs/data.md says what each is."""
    return {
        "set": summary.name,
        "skeleton": summary.skeleton.name,
        "images": summary.images,
        "joints": [_series_json(series, summary.skeleton) for series in (*summary.series, *summary.real)],
        "scores": asdict(summary.scores) if summary.scores else None,
        "renders": _renders_json(summary.renders) if summary.renders else None,
        "notes": list(summary.notes),
    }


def describe(summary: Summary) -> Iterator[str]:
    """The numbers that matter, one line each."""
    counted = summary.series[-1]
    every = total(counted.joints.values())
    yield f"{summary.name}: {counted.people:,} people in {summary.images:,} images, {every.labelled:,} labelled joints"
    yield "occluded joints, of those that are labelled:"
    for series in (*summary.series, *summary.real):
        states = total(series.joints.values())
        hardest = sorted(
            ((states.occluded_share or 0.0, kind) for kind, states in by_kind(series.joints, summary.skeleton).items()),
            reverse=True,
        )[:3]
        most = ", ".join(f"{kind.replace('_', ' ')} {100 * share:.0f} %" for share, kind in hardest if share)
        yield f"  {series.name}: {share_text(states)}{f' (most: {most})' if most else ''}"
    if summary.renders is not None:
        yield from _describe_renders(summary.renders)
    if summary.scores is not None:
        yield from _describe_scores(summary.scores)
    for note in summary.notes:
        yield f"note: {note}"


def _describe_renders(renders: Renders) -> Iterator[str]:
    covered = renders.covered
    methods = ", ".join(f"{count:,} {method}" for method, count in renders.methods.items())
    yield f"{len(covered):,} renders ({methods or 'none'})"
    if len(covered):
        yield (
            f"  they cover {covered.mean():.1f} joints each on average, half of them {np.median(covered):.0f} or "
            f"fewer, at most {covered.max()}"
        )
    if len(renders.size):
        low, middle, high = np.percentile(renders.size, (5, 50, 95))
        yield (
            f"  {'bodies are' if renders.by_bodies else 'the covering rectangles are'} {middle:.2f} times "
            f"as large as the box of the target's joints (median; nine of ten between {low:.2f} and {high:.2f})"
        )


def _describe_scores(scores: Scores) -> Iterator[str]:
    seen = [(value, kind) for kind, value in scores.occluded.items() if value is not None]
    if seen:
        value, kind = min(seen)
        visible = scores.visible[kind]
        yield (
            f"accuracy ({scores.metric}, {scores.persons:,} people): lowest on occluded {kind}s, {value:.1f}"
            f"{'' if visible is None else f'; visible ones {visible:.1f}'}"
        )


def share_text(states: States) -> str:
    """`12.3 %`, with what is unknown if anything is."""
    if not states.labelled or states.occluded_share is None:
        return "unknown"
    known = f"{100 * states.occluded_share:.1f} %"
    unknown = 100 * states.unknown / states.labelled
    return f"{known} or more, with {unknown:.1f} % unknown" if states.unknown else known


def _states(persons: Iterable[Person], skeleton: Skeleton) -> dict[str, States]:
    return count_states(((person.labelled, person.visible) for person in persons), skeleton)


def _known(counts: Counts) -> bool:
    states = total(counts.values())
    return states.visible + states.occluded > 0


def _before(report: Path, skeleton: Skeleton) -> dict[str, States]:
    """Joints before rendering, as report.json has them. NodaError where it does not."""
    content = read_json(report)
    try:
        table: Mapping[str, Any] = content["joints"]["before"]["by_joint"]
        return {joint: States(**{key: int(value) for key, value in table[joint].items()}) for joint in skeleton.joints}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise NodaError(f"{report} does not say what each joint was before rendering.") from None


def _name(path: Path) -> str:
    return path.name or str(path)


def _with_share(states: States) -> dict[str, Any]:
    share = states.occluded_share
    return {**asdict(states), "occluded_share": None if share is None else round(share, 6)}


def _series_json(series: Series, skeleton: Skeleton) -> dict[str, Any]:
    return {
        "of": series.name,
        "people": series.people,
        "by_joint": {joint: asdict(states) for joint, states in series.joints.items()},
        "by_kind": {kind: _with_share(states) for kind, states in by_kind(series.joints, skeleton).items()},
        "all": _with_share(total(series.joints.values())),
    }


def _renders_json(renders: Renders) -> dict[str, Any]:
    counts, edges = sizes(renders)
    percentiles = np.percentile(renders.size, (5, 50, 95)).round(4).tolist() if len(renders.size) else None
    return {
        "count": len(renders.covered),
        "methods": renders.methods,
        "covered": {
            "mean": round(float(renders.covered.mean()), 4) if len(renders.covered) else None,
            "histogram": covered_histogram(renders),
            "by_kind": {kind: {"covered": a, "labelled": b} for kind, (a, b) in renders.kinds.items()},
        },
        "placed": len(renders.angle),
        "size": {
            "of": "bodies" if renders.by_bodies else "rectangles",
            "percentiles_5_50_95": percentiles,
            "histogram": counts,
            "edges": edges,
        },
        "middle": {"reach": REACH, "heat": heat(renders).tolist()},
        "angle": {"sectors": sectors(renders)},
    }
