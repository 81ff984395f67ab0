"""A table's results as a picture, in the paper's form: rules above and below, the paper's own rows in grey."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from noda_train.tables.scores import RowScores, TableScores
from noda_train.tables.spec import COLUMNS, TableSpec
from noda_train.tables.text import HEADINGS, notes, number, spread, state

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
INK, GREY, RULE, WARNING, PAGE = (20, 20, 20), (115, 115, 115), (60, 60, 60), (170, 30, 30), (255, 255, 255)
SIZE = 22
LINE = 30
GAP = 26
"""Pixels between two columns; the other two are those of letters and of lines."""
MARGIN = 40
TICK = "x"
"""A label that is drawn as a tick."""


@dataclass(frozen=True)
class Line:
    """A line of the table: its cells, its colour, and whether a rule stands above it."""

    cells: tuple[str, ...]
    colour: tuple[int, int, int] = INK
    rule: bool = False


def picture(grid: TableSpec, results: TableScores) -> bytes:
    """PNG of the whole table with its title and notes."""
    font, title = ImageFont.load_default(SIZE), ImageFont.load_default(SIZE + 8)
    lines = [Line(("Method", *grid.labels, *HEADINGS), rule=True)]
    for result in results.rows:
        lines += _lines(grid, result, results.seeds)
    widths = [max(font.getlength(line.cells[n]) for line in lines) for n in range(len(lines[0].cells))]
    width = int(sum(widths) + GAP * (len(widths) - 1)) + 2 * MARGIN
    texts = [
        (row, WARNING if note == grid.note else GREY)
        for note in _notes(grid, results)
        for row in textwrap.wrap(note, int((width - 2 * MARGIN) / 11))
    ]
    height = 2 * MARGIN + 50 + LINE * (len(lines) + len(texts) + 1) + 10 * sum(line.rule for line in lines) + 20
    page = Image.new("RGB", (width, height), PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN), grid.title, INK, title)
    top = MARGIN + 50
    for line in lines:
        if line.rule:
            draw.line((MARGIN, top + 4, width - MARGIN, top + 4), RULE, 2)
            top += 10
        _write(draw, line, widths, top, font)
        top += LINE
    draw.line((MARGIN, top + 6, width - MARGIN, top + 6), RULE, 2)
    top += 20
    for text, colour in texts:
        draw.text((MARGIN, top), text, colour, font)
        top += LINE
    out = io.BytesIO()
    page.save(out, "PNG", optimize=True)
    return out.getvalue()


def _notes(grid: TableSpec, results: TableScores) -> list[str]:
    spread_of = "± is the standard deviation over seeds. " if results.seeds > 1 else ""
    return [*notes(grid, results), f"{spread_of}In square brackets: 95 % interval of the difference."]


def _lines(grid: TableSpec, result: RowScores, seeds: int) -> list[Line]:
    """A row: values, the pairs below them, and what the paper has."""
    blank = ("",) * len(grid.labels)
    missing = state(result, seeds)
    first = Line((result.row.name, *result.row.labels, *(_value(result, column) for column in COLUMNS)), rule=True)
    lines = [first, Line((f"   {missing}", *blank, *(_pair(result, column) for column in COLUMNS)))]
    if result.differences:
        lines.append(Line(("", *blank, *([""] * (len(COLUMNS) - 1)), _span(result))))
    if result.row.paper:
        lines.append(Line(("   paper", *blank, *result.row.paper), GREY))
    return lines


def _value(result: RowScores, column: str) -> str:
    if not result.values:
        return ""
    value = spread(result, "all", column)
    if column == "mean" and result.differences:
        value += f" ({number(result.differences['all', column].points, sign=True)})"
    return value


def _pair(result: RowScores, column: str) -> str:
    if not result.values:
        return ""
    if result.row.against is None or not result.differences:
        return f"({', '.join(number(result.values[subset, column].mean) for subset in ('visible', 'occluded'))})"
    found = (result.differences[subset, column].points for subset in ("visible", "occluded"))
    return f"({', '.join(number(points, sign=True) for points in found)})"


def _span(result: RowScores) -> str:
    found = result.differences["all", "mean"]
    return f"[{number(found.low, sign=True)}, {number(found.high, sign=True)}]"


def _write(draw: ImageDraw.ImageDraw, line: Line, widths: Sequence[float], top: int, font: Font) -> None:
    """The first column from the left, the others about their middle."""
    left = float(MARGIN)
    for place, (text, width) in enumerate(zip(line.cells, widths, strict=True)):
        middle = left + width / 2
        if text == TICK and place:
            draw.line([(middle - 8, top + 14), (middle - 2, top + 21), (middle + 9, top + 6)], line.colour, 3)
        elif place:
            draw.text((middle, top), text, line.colour, font, anchor="ma")
        else:
            draw.text((left, top), text, line.colour, font)
        left += width + GAP
