"""The figures of a summary: joints by kind and accuracy (paper, Fig. 1), occluded shares, and what renders cover."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from noda_synth.data.dataset import Dataset
from noda_synth.data.joint_counts import States, by_kind, kinds, total
from noda_synth.figures import charts
from noda_synth.figures.charts import BarGroup, Heading
from noda_synth.figures.style import BLUE, GREEN, GREY, ORANGE, PALE, WIDTH, drawable, encode, house_style
from noda_synth.stats.renders import REACH, Renders, covered_histogram, heat, sectors, sizes
from noda_synth.stats.scores import Scores
from noda_synth.stats.summary import Summary, count_joints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES = ("joints", "occluded", "renders")
"""The names of all figures."""

_STATES = {"visible": BLUE, "occluded": ORANGE, "unknown": GREY}


@house_style()
def draw_all(summary: Summary, file_format: str = "png") -> dict[str, bytes]:
    """File name -> bytes of every figure that there is something to draw for."""
    figures = {"joints": _joints(summary), "occluded": _occluded(summary)}
    if summary.renders is not None and len(summary.renders.covered):
        figures["renders"] = _renders(summary.renders)
    return {f"{name}.{file_format}": encode(figure, file_format) for name, figure in figures.items() if figure}


@house_style()
def draw_joints(summary: Summary, file_format: str) -> bytes:
    """The figure of the joints alone, as the paper's Fig. 1."""
    return encode(_joints(summary), file_format)


@house_style()
def draw_joints_of(folder: Path, dataset: Dataset) -> dict[str, bytes]:
    """The figures of a rendered set's joints before and after, as SVG by what they show."""
    summary = count_joints(folder, dataset)
    figures = {"Labelled joints by kind": _joints(summary), "Share of the joints that is occluded": _occluded(summary)}
    return {name: encode(figure, "svg") for name, figure in figures.items() if figure}


def _joints(summary: Summary) -> Figure:
    """Labelled joints of each kind by state, and beside them the accuracy on them where there are scores."""
    names = [drawable(series.name, 40) for series in summary.series]
    tables = [by_kind(series.joints, summary.skeleton) for series in summary.series]
    states = {name: colour for name, colour in _STATES.items() if any(_counts(tables, name))} or {"visible": BLUE}
    shown = kinds(summary.skeleton)
    groups = [
        BarGroup(
            _label(kind),
            [[getattr(table[kind], state) for state in states] for table in tables],
            [f"{table[kind].labelled:,}" for table in tables],
        )
        for kind in shown
    ]
    people, joints = summary.series[-1].people, total(summary.series[-1].joints.values()).labelled
    n = f"n = {'' if people is None else f'{people:,} people, '}{joints:,} joints"
    order = f"upper bar: {names[0]}, lower bar: {names[1]}; " if len(names) > 1 else ""
    heading = Heading("Labelled joints by kind", f"{order}left and right together, {n}", "labelled joints", states)
    figure = _figure(charts.bars_height(len(shown), 2))
    scores = summary.scores if summary.scores and _any_known(summary.scores.all) else None
    columns = 2 if scores else 1
    (axes, *beside) = figure.subplots(1, columns, sharey=True, squeeze=False, width_ratios=(5, 3)[:columns])[0]
    charts.bars(axes, groups, [list(states.values())] * len(names), heading)
    if scores:
        _accuracy(beside[0], scores, shown)
    return figure


def _accuracy(axes: Axes, scores: Scores, shown: tuple[str, ...]) -> None:
    """Bars in the rows of the counts at their left: visible and occluded joints, or all where only that is known."""
    split = {"visible": scores.visible, "occluded": scores.occluded}
    columns = {name: column for name, column in split.items() if _any_known(column)} or {"all": scores.all}
    legend = {name: _STATES.get(name, BLUE) for name in columns}
    groups = []
    for kind in shown:
        values = [column[kind] for column in columns.values()]
        numbers = ["" if value is None else f"{value:.1f}" for value in values]
        groups.append(BarGroup(_label(kind), [None if value is None else (value,) for value in values], numbers))
    heading = Heading(f"Accuracy ({scores.metric})", f"n = {scores.persons:,} people", "% right", legend)
    charts.bars(axes, groups, [[colour] for colour in legend.values()], heading, limit=100)
    axes.tick_params(labelleft=False)


def _occluded(summary: Summary) -> Figure | None:
    """The share of occluded joints of each kind: here, and in real validation sets; only where it is known."""
    colours = ([PALE, ORANGE] if len(summary.series) > 1 else [ORANGE]) + [BLUE, GREEN][-len(summary.real) or 2 :]
    shown = [
        (series, by_kind(series.joints, summary.skeleton), colour)
        for series, colour in zip((*summary.series, *summary.real), colours, strict=True)
        if total(series.joints.values()).occluded_share is not None
    ]
    if not shown:
        return None
    groups = [
        BarGroup(_label(kind), [_share(table[kind]) for _, table, _ in shown], [_number(t[kind]) for _, t, _ in shown])
        for kind in kinds(summary.skeleton)
    ]
    legend = {f"{series.name} ({total(series.joints.values()).labelled:,})": colour for series, _, colour in shown}
    unknown = any(total(series.joints.values()).unknown for series, _, _ in shown)
    heading = Heading(
        "Share of the labelled joints that is occluded",
        "n, the number of labelled joints, stands behind the names",
        f"% of the labelled joints{'; + where some are unknown, so that it may be more' if unknown else ''}",
        legend,
    )
    figure = _figure(charts.bars_height(len(groups), len(shown)))
    charts.bars(figure.subplots(), groups, [[colour] for _, _, colour in shown], heading)
    return figure


def _renders(renders: Renders) -> Figure:
    """How much the renders cover, and how large, where and in which direction from the target what is pasted lies."""
    count, placed = len(renders.covered), len(renders.angle)
    groups = [
        BarGroup(_label(kind), [(100 * hit / there,)], [f"{100 * hit / there:.0f} %"])
        for kind, (hit, there) in renders.kinds.items()
        if there
    ]
    height = charts.bars_height(len(groups), 1)
    layout: list[Any] = [["covered"], ["kinds"]]
    heights = [2.7, height]
    polar: dict[Any, dict[str, Any]] = {}
    if placed:
        layout = [["covered", "size"], ["middle", "direction"], ["kinds", "kinds"]]
        heights, polar = [2.7, 3.6, height], {"direction": {"projection": "polar"}}
    figure = _figure(sum(heights))
    panels = figure.subplot_mosaic(layout, height_ratios=heights, per_subplot_kw=polar)
    note = f"renders ({', '.join(renders.methods)}), n = {count:,}"
    charts.histogram(
        panels["covered"],
        covered_histogram(renders),
        None,
        Heading("Joints covered by a render", note, "joints covered"),
    )
    people = sum(there for _, there in renders.kinds.values())
    note = f"joints of the people who are covered, n = {people:,}"
    heading = Heading("How often a joint is covered, by kind", note, "% of the labelled joints")
    charts.bars(panels["kinds"], groups, [[ORANGE]], heading)
    if placed:
        _places(panels, renders)
    return figure


def _places(panels: dict[str, Any], renders: Renders) -> None:
    """Size, middle and direction of what is pasted, of the renders whose manifest says where it lies."""
    placed, grid = len(renders.angle), heat(renders)
    inside = int(grid.sum())
    what = "joint box" if renders.by_bodies else "rectangle"
    heading = Heading(
        "Size of what is pasted",
        f"n = {placed:,} renders; the last bar has all larger ones",
        f"diagonal of its {what} / of the target's joint box",
    )
    charts.histogram(panels["size"], *sizes(renders), heading)
    note = f"n = {inside:,} renders; {placed - inside:,} lie farther out"
    heading = Heading("Middle of what is pasted", note, "half sides of the target's joint box")
    charts.heat_map(panels["middle"], grid, REACH, heading, "renders")
    counts = sectors(renders)
    note = f"n = {placed:,} renders; outer ring: {max(counts):,}"
    charts.rose(panels["direction"], counts, Heading("Direction from the target", note))


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure((WIDTH, height), layout="constrained")


def _counts(tables: list[dict[str, States]], state: str) -> list[int]:
    return [getattr(states, state) for table in tables for states in table.values()]


def _any_known(column: dict[str, float | None]) -> bool:
    return any(value is not None for value in column.values())


def _label(kind: str) -> str:
    return kind.replace("_", " ")


def _share(states: States) -> tuple[float] | None:
    return None if states.occluded_share is None else (100 * states.occluded_share,)


def _number(states: States) -> str:
    share = states.occluded_share
    return "" if share is None else f"{100 * share:.1f}{'+' if states.unknown else ''}"
