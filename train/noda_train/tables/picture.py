"""A table's scores as a figure, in the paper's form: rules above and below, the paper's own rows in grey."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noda_synth.figures.style import DPI, INK, NOTE, Ruler, drawable, encode, house_style
from noda_train.metrics.tables import SURE_MEANS, sure
from noda_train.metrics.tables import cell as number
from noda_train.tables.scores import RowScores, TableScores
from noda_train.tables.spec import COLUMNS, TableSpec
from noda_train.tables.text import HEADINGS, notes, spread, state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WARNING = "#aa1e1e"
SIZE, TITLE = 8, 10.5
"""Of letters, points."""
LINE, GAP, MARGIN = 30, 26, 40
"""Pixels: height of a line, between two columns, around everything."""
TICK = "x"
"""A label that is drawn as a tick."""


@dataclass(frozen=True)
class TableLine:
    """A line of the table: its cells, its colour, and whether a rule stands above it."""

    cells: tuple[str, ...]
    colour: str = INK
    rule: bool = False


@house_style()
def draw_table(spec: TableSpec, scores: TableScores, file_format: str = "png") -> bytes:
    """The whole table with its title and notes, as `png`, `pdf` or `svg`."""
    from matplotlib.figure import Figure

    figure = Figure(dpi=DPI)
    ruler = Ruler(figure)
    lines = [TableLine(("Method", *spec.labels, *HEADINGS), rule=True)]
    for result in scores.rows:
        lines += _lines(spec, result, scores.seeds)
    columns = zip(*(line.cells for line in lines), strict=True)
    widths = [max(ruler.width(drawable(cell), SIZE) for cell in column) for column in columns]
    title = drawable(spec.title)
    width = max(sum(widths) + GAP * (len(widths) - 1), ruler.width(title, TITLE)) + 2 * MARGIN
    letters = int((width - 2 * MARGIN) / (0.55 * SIZE * DPI / 72))
    texts = [
        (row, WARNING if note == spec.note else NOTE)
        for note in _notes(spec, scores)
        for row in textwrap.wrap(drawable(note), letters)
    ]
    height = 2 * MARGIN + 70 + LINE * (len(lines) + len(texts)) + 10 * sum(line.rule for line in lines)
    figure.set_size_inches(width / DPI, height / DPI)

    def write(x: float, y: float, text: str, colour: str, size: float = SIZE, align: str = "left") -> None:
        figure.text(x / width, 1 - y / height, text, color=colour, fontsize=size, ha=align, va="baseline")

    top = MARGIN + 24.0
    write(MARGIN, top, title, INK, TITLE)
    top += 26
    for line in lines:
        if line.rule:
            _rule(figure, top + 4, width, height)
            top += 10
        left = float(MARGIN)
        for position, (cell, column) in enumerate(zip(line.cells, widths, strict=True)):
            text = "✓" if cell == TICK and position else drawable(cell)
            if position:
                write(left + column / 2, top + 23, text, line.colour, align="center")
            else:
                write(left, top + 23, text, line.colour)
            left += column + GAP
        top += LINE
    _rule(figure, top + 6, width, height)
    top += 20
    for text, colour in texts:
        write(MARGIN, top + 23, text, colour)
        top += LINE
    return encode(figure, file_format)


def _notes(spec: TableSpec, scores: TableScores) -> list[str]:
    spread_of = "± is the standard deviation over seeds. " if scores.seeds > 1 else ""
    return [*notes(spec, scores), f"{spread_of}In square brackets: 95 % interval of the difference; {SURE_MEANS}."]


def _lines(spec: TableSpec, result: RowScores, seeds: int) -> list[TableLine]:
    """A row: values, the pairs below them, and what the paper has."""
    blank = ("",) * len(spec.labels)
    missing = state(result, seeds)
    first = TableLine((result.row.name, *result.row.labels, *(_value(result, column) for column in COLUMNS)), rule=True)
    lines = [first, TableLine((f"   {missing}", *blank, *(_pair(result, column) for column in COLUMNS)))]
    if result.differences:
        lines.append(TableLine(("", *blank, *([""] * (len(COLUMNS) - 1)), _span(result))))
    if result.row.paper:
        lines.append(TableLine(("   paper", *blank, *result.row.paper), NOTE))
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
    return f"[{number(found.low, sign=True)}, {number(found.high, sign=True)}]{sure(found.low, found.high)}"


def _rule(figure: Figure, y: float, width: float, height: float) -> None:
    """From margin to margin, `y` pixels from the top of a figure of that size."""
    from matplotlib.lines import Line2D

    ends = (MARGIN / width, 1 - MARGIN / width)
    figure.add_artist(Line2D(ends, (1 - y / height,) * 2, color=INK, linewidth=0.7, transform=figure.transFigure))
