"""What charts are drawn on: panels with a title, the font, the colours, and pages of panels.

Pillow's own font knows Latin letters only: no dashes, no signs of multiplication. Lengths are pixels of the final
picture, which is meant to be shown at half its size. The same values and versions give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BLUE, ORANGE, GREY, GREEN = (0, 114, 178), (230, 159, 0), (190, 190, 190), (0, 158, 115)
"""Of Okabe and Ito's colours, which people who cannot tell red from green can tell apart; grey is for the unknown."""
INK, FAINT, PAPER = (30, 30, 30), (215, 215, 215), (255, 255, 255)

TITLE, TEXT, SMALL = 30, 24, 21
MARGIN = 36
"""Between the panels of a page, and around them."""


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
