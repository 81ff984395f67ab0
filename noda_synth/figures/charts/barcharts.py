"""Bars: horizontal ones, stacked and grouped, and histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from noda_synth.figures.charts.panel import BLUE, FAINT, SMALL, TEXT, TITLE, Colour, Panel

_GAP = 14


@dataclass(frozen=True)
class Row:
    """One line of a bar chart: a label, and bars one below the other.

    Attributes:
        label: at the left.
        bars: each the lengths of its parts, from the left; None draws "n/a".
        marks: what stands at the right end of each bar.
    """

    label: str
    bars: Sequence[Sequence[float] | None]
    marks: Sequence[str] = ()


def bars(
    rows: Sequence[Row],
    colours: Sequence[Sequence[Colour]],
    *,
    width: int,
    title: str,
    note: str,
    axis: str,
    legend: tuple[Sequence[str], Sequence[Colour]],
    limit: float | None = None,
    thick: int = 18,
    labels: bool = True,
) -> Image.Image:
    """Horizontal bars, stacked where a bar has several parts, grouped where a row has several bars.

    Args:
        rows: the lines, all with the same number of bars.
        colours: for each bar of a row the colours of its parts.
        width: of the picture.
        title: first line.
        note: second line: what is counted, and n.
        axis: name of the values.
        legend: names and their colours.
        limit: the axis ends here; None takes the longest bar.
        thick: of a bar.
        labels: write the rows' labels; without, the chart goes to the right of one that has them.
    """
    count = max(len(row.bars) for row in rows)
    step = count * (thick + 3) + 16
    head = TITLE + 14 + (SMALL + 12 if note else 0) + SMALL + 18
    panel = Panel(width, head + len(rows) * step + SMALL + TEXT + 3 * _GAP, title, note)
    panel.legend(*legend)
    left = round(max(panel.length(row.label) for row in rows)) + _GAP if labels else 2
    right = width - round(max([panel.length(mark, SMALL) for row in rows for mark in row.marks], default=0)) - _GAP
    longest = max((sum(bar) for row in rows for bar in row.bars if bar is not None), default=0.0)
    ticks = _ticks(limit or longest)
    unit = (right - left) / (limit or max(ticks[-1], longest))
    bottom = panel.top + len(rows) * step
    for tick in ticks:
        x = left + round(tick * unit)
        panel.draw.line((x, panel.top, x, bottom), fill=FAINT, width=2)
        panel.text(min(x, width - panel.length(_number(tick), SMALL) / 2), bottom + 8, _number(tick), SMALL,
                   align="left" if tick == 0 else "middle")  # fmt: skip
    panel.text((left + right) / 2, bottom + SMALL + 18, axis, SMALL, align="middle")
    for number, row in enumerate(rows):
        y = panel.top + number * step + 8
        if labels:
            panel.text(left - _GAP, y + (step - 16 - TEXT) / 2 - 3, row.label, align="right")
        for place, bar in enumerate(row.bars):
            at = y + place * (thick + 3)
            middle = at + (thick - SMALL) / 2 - 3
            if bar is None:
                panel.text(left + 6, middle, "n/a", SMALL, (120, 120, 120))
                continue
            end = float(left)
            for part, colour in zip(bar, colours[place], strict=True):
                start, end = end, end + part * unit
                if part > 0:
                    box = (round(start), at, max(round(end) - 1, round(start)), at + thick - 1)
                    panel.draw.rectangle(box, fill=colour)
            if row.marks and row.marks[place]:
                panel.text(end + 8, middle, row.marks[place], SMALL)
    return panel.image


def histogram(
    counts: Sequence[int],
    edges: Sequence[float] | None,
    *,
    size: tuple[int, int],
    title: str,
    note: str,
    axis: str,
    colour: Colour = BLUE,
) -> Image.Image:
    """Upright bars: how often each value, or each range of values, was seen.

    Args:
        counts: one a bar.
        edges: the ranges' borders, one more than counts; None where the bars stand for 0, 1, 2, ...
        size: width and height of the picture.
        title: first line.
        note: second line.
        axis: name of the values.
        colour: of the bars.
    """
    panel = Panel(*size, title, note)
    ticks = _ticks(max(counts, default=1))
    left, right = round(max(panel.length(_number(tick), SMALL) for tick in ticks)) + _GAP, size[0] - _GAP
    bottom = size[1] - SMALL - TEXT - 2 * _GAP - 6
    top = panel.top + _GAP
    unit = (bottom - top) / max(ticks[-1], *counts, 1)
    for tick in ticks:
        y = bottom - round(tick * unit)
        panel.draw.line((left, y, right, y), fill=FAINT, width=2)
        panel.text(left - _GAP / 2 - 2, y - SMALL / 2 - 3, _number(tick), SMALL, align="right")
    step = (right - left) / max(1, len(counts))
    for place, value in enumerate(counts):
        if value:
            start, end = round(left + place * step + 2), round(left + (place + 1) * step - 3)
            panel.draw.rectangle((start, bottom - max(1, round(value * unit)), end, bottom - 1), fill=colour)
    if edges is None:
        names = [(place + 0.5, str(place)) for place in range(len(counts))]
    else:
        names = [(float(place), f"{edge:g}") for place, edge in enumerate(edges)]
    widest = max((panel.length(name, SMALL) for _, name in names), default=0.0)
    every = max(1, math.ceil(1.4 * len(names) * widest / (right - left)))
    for at, name in names[::every]:
        panel.text(left + at * step, bottom + 8, name, SMALL, align="middle")
    panel.text((left + right) / 2, bottom + SMALL + 18, axis, SMALL, align="middle")
    return panel.image


def _ticks(longest: float) -> list[float]:
    """Round values from 0 up to at most `longest`, three to six of them."""
    if longest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(longest))
    step = next(power * share for share in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if longest / (power * share) <= 5)
    if longest >= 5:
        step = max(1.0, step)
    return [step * number for number in range(math.floor(longest / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
