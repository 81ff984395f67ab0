"""Charts drawn with Pillow: horizontal bars, histograms, a heat map and a rose, on a page of panels.

Pillow's own font knows Latin letters only: no dashes, no signs of multiplication. Lengths are pixels of the final
picture, which is meant to be shown at half its size. The same values and versions give the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BLUE, ORANGE, GREY, GREEN = (0, 114, 178), (230, 159, 0), (190, 190, 190), (0, 158, 115)
"""Of Okabe and Ito's colours, which people who cannot tell red from green can tell apart; grey is for the unknown."""
INK, FAINT, PAPER = (30, 30, 30), (215, 215, 215), (255, 255, 255)

TITLE, TEXT, SMALL = 30, 24, 21
_GAP = 14
MARGIN = 36
"""Between the panels of a page, and around them."""
# Light to dark, so that it reads without colour as well: white, yellow-green, blue-green, dark blue.
_HEAT = np.array([[255, 255, 255], [217, 234, 178], [87, 182, 174], [34, 94, 168], [12, 24, 80]], np.float64)


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with Pillow, at a size in pixels."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)  # as it is for every size that is given
    return found


class Panel:
    """A drawing surface with a title, a line below it, and room for a chart.

    Attributes:
        image: (width, height) RGB.
        draw: Pillow's pencil on it.
        top: the first free row of pixels below title and note.
    """

    def __init__(self, width: int, height: int, title: str, note: str = "") -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.width, self.height = width, height
        self.top = 0
        if title:
            self.text(0, 2, title, TITLE)
            self.top = TITLE + 14
        if note:
            self.text(0, self.top, note, SMALL, (95, 95, 95))
            self.top += SMALL + 12

    def text(
        self, x: float, y: float, text: str, size: int = TEXT, colour: Colour = INK, *, align: str = "left"
    ) -> None:
        """A line of text whose top is y; x is its left end, middle or right end."""
        shift = {"left": 0.0, "middle": 0.5, "right": 1.0}[align] * self.length(text, size)
        self.draw.text((round(x - shift), round(y)), text, fill=colour, font=font(size))

    def length(self, text: str, size: int = TEXT) -> float:
        return self.draw.textlength(text, font=font(size))

    def legend(self, names: Sequence[str], colours: Sequence[Colour], x: float = 0) -> None:
        """Small squares with names in a row, at the panel's top."""
        for name, colour in zip(names, colours, strict=True):
            self.draw.rectangle((x, self.top + 4, x + 17, self.top + 21), fill=colour)
            self.text(x + 26, self.top, name, SMALL)
            x += 26 + self.length(name, SMALL) + 34
        self.top += SMALL + 18


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
    ticks = _ticks(max(1, *counts) if counts else 1)
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
    every = max(1, math.ceil(len(names) * 1.4 * max(panel.length(name, SMALL) for _, name in names) / (right - left)))
    for at, name in names[::every]:
        panel.text(left + at * step, bottom + 8, name, SMALL, align="middle")
    panel.text((left + right) / 2, bottom + SMALL + 18, axis, SMALL, align="middle")
    return panel.image


def heat_map(
    counts: NDArray[np.int64], reach: float, *, size: tuple[int, int], title: str, note: str, axis: str, most: str
) -> Image.Image:
    """A square grid of counts, rows from top to bottom, around a box that reaches from -1 to 1.

    Args:
        counts: (K, K).
        reach: the grid goes from -reach to reach both ways.
        size: width and height of the picture.
        title: first line.
        note: second line.
        axis: the unit of both ways.
        most: name of what is counted, for the scale of colours.
    """
    panel = Panel(*size, title, note)
    side = min(size[0] - 210, size[1] - panel.top - SMALL - TEXT - 3 * _GAP)
    left, top = 70, panel.top + _GAP
    peak = max(1, int(counts.max()))
    place = counts / peak * (len(_HEAT) - 1)
    colours = np.stack([np.interp(place, range(len(_HEAT)), _HEAT[:, band]) for band in range(3)], axis=-1)
    cells = Image.fromarray(np.round(colours).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    panel.image.paste(cells, (left, top))
    panel.draw.rectangle((left, top, left + side - 1, top + side - 1), outline=INK, width=2)
    low, high = (round(side * (0.5 + sign * 0.5 / reach)) for sign in (-1, 1))
    panel.draw.rectangle((left + low, top + low, left + high, top + high), outline=(213, 94, 0), width=4)
    panel.text(left + low, top + low - SMALL - 8, "target", SMALL, (213, 94, 0))
    for value in range(-math.floor(reach), math.floor(reach) + 1):
        at = side * (0.5 + value / reach / 2)
        panel.text(left + at, top + side + 8, f"{value}", SMALL, align="middle")
        panel.text(left - 10, top + at - SMALL / 2 - 3, f"{value}", SMALL, align="right")
    panel.text(left + side / 2, top + side + SMALL + 16, axis, SMALL, align="middle")
    ramp = np.linspace(len(_HEAT) - 1, 0, side)
    scale = np.stack([np.interp(ramp, range(len(_HEAT)), _HEAT[:, band]) for band in range(3)], axis=-1)
    strip = Image.fromarray(np.round(scale).astype(np.uint8)[:, None]).resize((22, side), Image.Resampling.NEAREST)
    panel.image.paste(strip, (left + side + 20, top))
    panel.draw.rectangle((left + side + 20, top, left + side + 41, top + side - 1), outline=INK, width=1)
    panel.text(left + side + 50, top - 4, f"{peak}", SMALL)
    panel.text(left + side + 50, top + SMALL, most, SMALL)
    panel.text(left + side + 50, top + side - SMALL - 4, "0", SMALL)
    return panel.image


def rose(counts: Sequence[int], *, size: tuple[int, int], title: str, note: str, colour: Colour = BLUE) -> Image.Image:
    """A polar histogram: sectors of equal angle, clockwise from the right as angles are in pictures.

    The area of a sector goes with its count, so that the eye is not deceived by the width further out.
    """
    panel = Panel(*size, title, note)
    centre = (size[0] / 2, (panel.top + size[1]) / 2)
    radius = min(size[0] / 2 - 70, (size[1] - panel.top) / 2 - SMALL - 16)
    fine = 4  # sectors have slanted sides: drawn larger, then reduced
    side = 2 * round(radius) * fine
    disc = Image.new("RGB", (side, side), PAPER)
    pencil = ImageDraw.Draw(disc)
    peak, wide = max(1, *counts), 360 / len(counts)
    for share in (0.25, 0.5, 0.75, 1.0):
        reach = side / 2 * math.sqrt(share)
        ring = (side / 2 - reach, side / 2 - reach, side / 2 + reach - 1, side / 2 + reach - 1)
        pencil.ellipse(ring, outline=FAINT, width=2 * fine)
    for number, count in enumerate(counts):
        reach = side / 2 * math.sqrt(count / peak)
        if count:
            box = (side / 2 - reach, side / 2 - reach, side / 2 + reach - 1, side / 2 + reach - 1)
            pencil.pieslice(box, number * wide, (number + 1) * wide, fill=colour, outline=PAPER, width=fine)
    reduced = disc.resize((side // fine, side // fine), Image.Resampling.BOX)
    panel.image.paste(reduced, (round(centre[0] - side / fine / 2), round(centre[1] - side / fine / 2)))
    reach = radius + 8
    panel.text(centre[0] + reach, centre[1] - SMALL / 2 - 3, "0°", SMALL)
    panel.text(centre[0], centre[1] + reach - 4, "90° (below)", SMALL, align="middle")
    panel.text(centre[0] - reach, centre[1] - SMALL / 2 - 3, "180°", SMALL, align="right")
    panel.text(centre[0], centre[1] - reach - SMALL - 2, "270° (above)", SMALL, align="middle")
    panel.text(size[0] - 2, panel.top, f"outer ring: {peak} renders", SMALL, align="right")
    return panel.image


def page(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Panels in rows, on white paper."""
    width = max(sum(panel.width for panel in row) + MARGIN * (len(row) + 1) for row in rows)
    height = sum(max(panel.height for panel in row) + MARGIN for row in rows) + MARGIN
    paper = Image.new("RGB", (width, height), PAPER)
    y = MARGIN
    for row in rows:
        x = MARGIN
        for panel in row:
            paper.paste(panel, (x, y))
            x += panel.width + MARGIN
        y += max(panel.height for panel in row) + MARGIN
    return paper


def png(image: Image.Image) -> bytes:
    """PNG bytes."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


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
