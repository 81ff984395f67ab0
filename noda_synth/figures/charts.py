"""Charts on Matplotlib axes: horizontal bars, a histogram, a heat map and a rose, each under a heading."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from noda_synth.figures.style import BLUE, FAINT, INK, NOTE, RED, SMALL, TEXT, TITLE, Colour, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.projections.polar import PolarAxes

# Light to dark, so that it reads without colour as well: white, yellow-green, blue-green, dark blue.
_HEAT = ("#ffffff", "#d9eab2", "#57b6ae", "#225ea8", "#0c1850")
_LINE = 11.0
"""Height of a line of small letters, points."""
_LETTER = 0.5
"""Width of a letter in its size, DejaVu's mean."""
_WIDE = 0.7
"""Of a wide letter: a single name is cut to have room even so."""
_LABEL = 24
"""Letters of a label at most."""
_LEGEND = {
    "borderaxespad": 0.2,
    "borderpad": 0.2,
    "handlelength": 0.9,
    "handleheight": 0.9,
    "handletextpad": 0.5,
    "columnspacing": 1.4,
}
"""How tight a legend is, in sizes of its letters."""


@dataclass(frozen=True)
class Heading:
    """What stands around a chart.

    Attributes:
        title: first line above it.
        note: below the title: what is counted, and n.
        axis: name of the values.
        legend: names and their colours.
    """

    title: str
    note: str = ""
    axis: str = ""
    legend: Mapping[str, Colour] | None = None


@dataclass(frozen=True)
class BarGroup:
    """One line of a bar chart: a label, and bars one below the other.

    Attributes:
        label: at the left.
        bars: each the lengths of its pieces, from the left; None draws "n/a".
        numbers: what stands at the right end of each bar.
    """

    label: str
    bars: Sequence[Sequence[float] | None]
    numbers: Sequence[str]


def bars_height(groups: int, bars: int) -> float:
    """Inches that so many groups of so many bars take, heading included."""
    return 1.05 + groups * max(0.24, 0.05 + 0.15 * bars)


def bars(
    axes: Axes,
    groups: Sequence[BarGroup],
    colours: Sequence[Sequence[Colour]],
    heading: Heading,
    limit: float | None = None,
) -> None:
    """Horizontal bars, stacked where a bar has several pieces, grouped where a group has several bars.

    Args:
        axes: drawn on.
        groups: from top to bottom, all with the same number of bars.
        colours: for each bar of a group the colours of its pieces.
        heading: what stands around it.
        limit: the axis ends here; None takes the longest bar.
    """
    count = len(colours)
    thick = 0.84 / count
    longest = max((sum(bar) for group in groups for bar in group.bars if bar is not None), default=0.0)
    axes.set_xlim(0, limit or longest or 1)
    for row, group in enumerate(groups):
        for number, (bar, pieces) in enumerate(zip(group.bars, colours, strict=True)):
            y = row + thick * (number - (count - 1) / 2)
            if bar is not None:
                starts = np.concatenate([[0], np.cumsum(bar)[:-1]])
                axes.barh([y] * len(bar), bar, thick * 0.88, starts, color=pieces)
                _beside(axes, group.numbers[number], sum(bar), y)
            elif any(group.bars):
                _beside(axes, "n/a", 0, y, NOTE)
        if not any(group.bars):
            _beside(axes, "n/a", 0, row, NOTE)
    axes.set_yticks(range(len(groups)), [drawable(group.label, _LABEL) for group in groups], fontsize=TEXT)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    _number_axis(axes, "x", whole=longest >= 5)
    _head(axes, heading)


def histogram(
    axes: Axes, counts: Sequence[int], edges: Sequence[float] | None, heading: Heading, colour: Colour = BLUE
) -> None:
    """Upright bars: how often each value, or each range of values, was seen.

    Args:
        axes: drawn on.
        counts: one per bar.
        edges: the ranges' borders, one more than counts; None where the bars stand for 0, 1, 2, ...
        heading: what stands around it.
        colour: of the bars.
    """
    if edges is None:
        axes.bar(range(len(counts)), counts, 0.88, color=colour)
        axes.set_xlim(-0.6, max(1, len(counts)) - 0.4)
        _number_axis(axes, "x", whole=True)
    else:
        axes.bar(edges[:-1], counts, np.diff(edges) * 0.92, align="edge", color=colour)
        axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.04 * max(1, *counts, 1))
    axes.grid(visible=False, axis="x")
    _number_axis(axes, "y", whole=True)
    _head(axes, heading)


def heat_map(axes: Axes, counts: NDArray[np.int64], reach: float, heading: Heading, counted: str) -> None:
    """A square grid of counts around a box that reaches from -1 to 1, with a scale of its colours.

    Args:
        axes: drawn on.
        counts: (K, K), rows from top to bottom.
        reach: the grid goes from -reach to reach both ways.
        heading: what stands around it; its axis names the unit of both ways.
        counted: name of what is counted.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    colours = LinearSegmentedColormap.from_list("heat", _HEAT)
    most, extent = max(1, int(counts.max())), (-reach, reach, reach, -reach)
    image = axes.imshow(counts, colours, vmin=0, vmax=most, extent=extent, interpolation="nearest")
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor=RED, linewidth=1.5))
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
    axes.text(-0.94, -0.94, "target", color=RED, va="top", bbox=ground)
    ticks = range(-math.floor(reach), math.floor(reach) + 1)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=INK)
    figure = axes.figure
    scale = figure.colorbar(image, ax=axes, shrink=0.9, aspect=25, ticks=MaxNLocator(5, integer=True), label=counted)
    scale.outline.set_edgecolor(INK)
    _head(axes, heading)


def rose(axes: PolarAxes, counts: Sequence[int], heading: Heading, colour: Colour = BLUE) -> None:
    """A polar histogram: sectors of equal angle, clockwise from the right as angles are in pictures.

    The area of a sector goes with its count, so that the eye is not deceived by the width farther out.
    """
    peak, wide = max(1, *counts, 1), 2 * math.pi / max(1, len(counts))
    axes.set_theta_direction(-1)
    starts = wide * np.arange(len(counts))
    axes.bar(
        starts, np.sqrt(np.array(counts) / peak), wide, align="edge", color=colour, edgecolor="white", linewidth=0.6
    )
    axes.set_ylim(0, 1)
    axes.set_yticks(np.sqrt([0.25, 0.5, 0.75, 1.0]), [])
    axes.set_xticks(np.deg2rad([0, 90, 180, 270]), ["0°", "90° (below)", "180°", "270° (above)"])
    axes.grid(visible=False, axis="x")
    axes.spines["polar"].set_color(FAINT)
    _head(axes, heading, lift=1.6 * _LINE)


def _beside(axes: Axes, text: str, end: float, y: float, colour: Colour = INK) -> None:
    """A number behind the end of its bar, on white that hides the lines of the grid but no bar."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
    axes.annotate(
        text,
        (end, y),
        (3, 0),
        textcoords="offset points",
        va="center_baseline",
        color=colour,
        annotation_clip=False,
        bbox=ground if text else None,
        zorder=0.9,
    )


def _number_axis(axes: Axes, which: str, *, whole: bool) -> None:
    """Round ticks, with commas between thousands."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value == int(value) else f"{value:g}"))


def _head(axes: Axes, heading: Heading, lift: float = 0) -> None:
    """Title, note and legend above the axes, as many lines as they take, `lift` points up; the axis' name below."""
    from matplotlib.patches import Patch

    if heading.axis:
        axes.set_xlabel(heading.axis)
    figure = axes.get_figure(root=True)
    assert figure is not None  # the axes of a chart are on one
    room = 1.05 * axes.get_position().width * figure.get_figwidth() * 72
    top = 4.0 + lift
    if heading.legend:
        names = [drawable(name, max(10, int((room - 22) / (_WIDE * SMALL)))) for name in heading.legend]
        columns = max(1, int(room / (max(map(len, names)) * _LETTER * SMALL + 22)))
        patches = [Patch(color=colour) for colour in heading.legend.values()]
        axes.legend(patches, names, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, **_LEGEND)
        top += _LINE * -(-len(names) // columns) + 5
    for text, size, colour in ((heading.note, SMALL, NOTE), (heading.title, TITLE, INK)):
        lines = textwrap.wrap(drawable(text), max(20, int(room / (_LETTER * size))))
        axes.annotate(
            "\n".join(lines),
            (0, 1),
            (0, top),
            xycoords="axes fraction",
            textcoords="offset points",
            va="bottom",
            fontsize=size,
            color=colour,
            annotation_clip=False,
        )
        top += len(lines) * size * 1.4 + 1
