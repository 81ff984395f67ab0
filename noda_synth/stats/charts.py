"""The figures of a summary: joints by kind and accuracy (paper, Fig. 1), occluded shares, and what renders cover."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from noda_synth.data.joint_counts import States, by_kind, kinds, total
from noda_synth.figures import charts
from noda_synth.figures.charts import BLUE, GREEN, GREY, ORANGE, Row
from noda_synth.stats.renders import REACH, Renders, covered_histogram, heat, sectors, sizes
from noda_synth.stats.scores import Scores
from noda_synth.stats.summary import Series, Summary

WIDTH = 1500
_PALE = (150, 200, 226)
_STATES, _COLOURS = ("visible", "occluded", "unknown"), (BLUE, ORANGE, GREY)
_COUNTS_WIDTH, _BAND = 920, 42


def figures(summary: Summary) -> dict[str, bytes]:
    """File name -> PNG."""
    pages = {"joints.png": joints_page(summary), "occluded.png": occluded_page(summary)}
    if summary.renders is not None and len(summary.renders.covered):
        pages["renders.png"] = renders_page(summary.renders)
    return {name: charts.png(page) for name, page in pages.items()}


def joints_page(summary: Summary) -> Image.Image:
    """Labelled joints of each kind by state, and beside them the accuracy on them where there are scores."""
    names = [series.name for series in summary.series]
    tables = [by_kind(series.joints, summary.skeleton) for series in summary.series]
    rows = [
        Row(_label(kind), [_parts(table[kind]) for table in tables], [f"{table[kind].labelled:,}" for table in tables])
        for kind in kinds(summary.skeleton)
    ]
    order = f"upper bar: {names[0]}, lower bar: {names[1]}; " if len(names) > 1 else ""
    n = _people(summary.series[-1]) + f"{total(summary.series[-1].joints.values()).labelled:,} joints"
    counts = charts.bars(
        rows, [_COLOURS] * len(names), width=_COUNTS_WIDTH if summary.scores else WIDTH,
        title="Labelled joints by kind, left and right together", note=f"{order}n = {n}", axis="labelled joints",
        legend=(_STATES, _COLOURS), thick=_thick(len(names)),
    )  # fmt: skip
    return charts.page([[counts, _accuracy(summary.scores, kinds(summary.skeleton))] if summary.scores else [counts]])


def _accuracy(scores: Scores, kinds_shown: Sequence[str]) -> Image.Image:
    """Bars in the rows of the counts that stand at the left: visible and occluded joints, or all where that is all."""
    split = any(value is not None for value in scores.visible.values())
    columns = [scores.visible, scores.occluded] if split else [scores.all]
    colours = _COLOURS[:2] if split else (BLUE,)
    rows = []
    for kind in kinds_shown:
        values = [column[kind] for column in columns]
        bars = [None if value is None else (value,) for value in values]
        rows.append(Row(kind, bars, ["" if value is None else f"{value:.1f}" for value in values]))
    return charts.bars(
        rows, [(colour,) for colour in colours], width=WIDTH - _COUNTS_WIDTH - charts.MARGIN,
        title=f"Accuracy ({scores.metric})", note=f"n = {scores.persons:,} people", axis="% right",
        legend=(_STATES[:2] if split else ("all",), colours), limit=100, labels=False, thick=_thick(len(columns)),
    )  # fmt: skip


def _thick(count: int) -> int:
    """Of a bar, so that rows are of one height whether they hold one bar or two."""
    return _BAND // count - 3


def occluded_page(summary: Summary) -> Image.Image:
    """The share of occluded joints of each kind: here, and in real validation sets."""
    shown = [*summary.series, *summary.real]
    tables = [by_kind(series.joints, summary.skeleton) for series in shown]
    colours = [*([_PALE, ORANGE] if len(summary.series) > 1 else [ORANGE]), *(BLUE, GREEN)[-len(summary.real) or 2 :]]
    rows = [
        Row(_label(kind), [_share(table[kind]) for table in tables], [_share_mark(table[kind]) for table in tables])
        for kind in kinds(summary.skeleton)
    ]
    names = [f"{series.name} ({total(series.joints.values()).labelled:,})" for series in shown]
    return charts.page([[
        charts.bars(
            rows, [(colour,) for colour in colours], width=WIDTH, title="Share of the labelled joints that is occluded",
            note="n, the number of labelled joints, stands behind the names",
            axis="% of the labelled joints; + where some are unknown, so that it may be more",
            legend=(names, colours), thick=16,
        )
    ]])  # fmt: skip


def renders_page(renders: Renders) -> Image.Image:
    """How much the renders cover, and how large, where and in which direction from the target what is pasted lies."""
    half = (WIDTH - charts.MARGIN) // 2
    count, placed = len(renders.covered), len(renders.angle)
    methods = ", ".join(renders.methods)
    covered = charts.histogram(
        covered_histogram(renders), None, size=(half, 470), title="Joints covered by a render",
        note=f"renders ({methods}), n = {count:,}", axis="joints covered",
    )  # fmt: skip
    kind_rows = [
        Row(_label(kind), [(100 * hit / there,) if there else None],
            [f"{100 * hit / there:.0f} %" if there else ""])
        for kind, (hit, there) in renders.kinds.items()
    ]  # fmt: skip
    by_joint = charts.bars(
        kind_rows, [(ORANGE,)], width=WIDTH, title="How often a joint is covered, by kind",
        note=f"joints of the people who are covered, n = {sum(there for _, there in renders.kinds.values()):,}",
        axis="% of the labelled joints", legend=(("covered",), (ORANGE,)), thick=22,
    )  # fmt: skip
    if not placed:
        return charts.page([[covered], [by_joint]])
    counts, edges = sizes(renders)
    size = charts.histogram(
        counts, edges, size=(half, 470), title="Size of what is pasted, relative to the target",
        note=f"renders, n = {placed:,}; the last bar has all that is larger",
        axis=f"diagonal of its {'joint box' if renders.by_bodies else 'rectangle'} / that of the target's joint box",
    )  # fmt: skip
    grid = heat(renders)
    place = charts.heat_map(
        grid, REACH, size=(half, 760), title="Where the middle of what is pasted lies",
        note=f"n = {int(grid.sum()):,} renders; {placed - int(grid.sum())} lie farther out",
        axis="half sides of the target's joint box", most="renders",
    )  # fmt: skip
    rose = charts.rose(
        sectors(renders), size=(half, 760), title="Direction from the target",
        note=f"n = {placed:,} renders; area goes with number",
    )  # fmt: skip
    return charts.page([[covered, size], [place, rose], [by_joint]])


def _label(kind: str) -> str:
    return kind.replace("_", " ")


def _people(series: Series) -> str:
    return "" if series.people is None else f"{series.people:,} people, "


def _parts(states: States) -> Sequence[float]:
    return (states.visible, states.occluded, states.unknown)


def _share(states: States) -> tuple[float] | None:
    return None if states.occluded_share is None else (100 * states.occluded_share,)


def _share_mark(states: States) -> str:
    share = states.occluded_share
    return "" if share is None else f"{100 * share:.1f}{'+' if states.unknown else ''}"
