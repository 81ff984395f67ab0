"""How every figure looks, and how it becomes bytes: fonts, colours, sizes, and PNG, PDF or SVG.

Matplotlib comes with the extra `figures` and is imported when something is drawn. Its defaults are taken whatever a
matplotlibrc says, and are as before afterwards. The same values and versions give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from noda_synth.errors import NodaError

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure

Colour = str

BLUE, ORANGE, GREY, GREEN, PALE = "#0072b2", "#e69f00", "#bebebe", "#009e73", "#96c8e2"
"""Of Okabe and Ito's colours, which people who cannot tell red from green can tell apart; grey is for the unknown."""
RED, INK, FAINT, NOTE = "#d55e00", "#1e1e1e", "#d7d7d7", "#5f5f5f"

GROUND = (154, 167, 180)
"""RGB under people who are cut out: white clothes, black ones and skin all stand out from it."""

TITLE, TEXT, SMALL = 10.5, 8.5, 7.5
"""Sizes of letters, points."""
WIDTH = 7.5
"""Of a page of charts, inches."""
DPI = 200
"""Pixels per inch of a PNG, and of the photographs in a PDF or SVG."""

FORMATS = ("png", "pdf", "svg")

# Tried for letters that DejaVu Sans, which comes with Matplotlib, does not have.
_MORE_FONTS = ("Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Arial Unicode MS")
_METADATA = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def figure_format(path: Path) -> str:
    """`png`, `pdf` or `svg`, as the suffix says; NodaError for any other."""
    if (suffix := path.suffix.lower().lstrip(".")) in FORMATS:
        return suffix
    raise NodaError(f"{path}: a figure is written as .png, .pdf or .svg; end the name with one of them")


@contextmanager
def house_style() -> Iterator[None]:
    """Within it figures are made and encoded; also a decorator. NodaError where Matplotlib is missing."""
    try:
        from matplotlib import font_manager, style
    except ImportError:
        raise NodaError("figures need Matplotlib: pip install 'noda-synth[figures]'") from None
    there = set(font_manager.fontManager.get_font_names())
    settings = {
        "font.family": ["DejaVu Sans", *(name for name in _MORE_FONTS if name in there)],
        "font.size": SMALL,
        "text.color": INK,
        "text.parse_math": False,  # a $ in a name is a $
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": FAINT,
        "xtick.major.size": 0,
        "xtick.major.pad": 6,  # in the corner the axes' first numbers would touch
        "ytick.major.size": 0,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "pdf.fonttype": 42,  # TrueType, as journals ask
        "svg.hashsalt": "noda-synth",
    }
    with style.context(["default", settings]):
        yield


def encode(figure: Figure, file_format: str) -> bytes:
    """The bytes of a figure in one of FORMATS, without the date."""
    stream = io.BytesIO()
    figure.savefig(stream, format=file_format, metadata=_METADATA[file_format])
    return stream.getvalue()


def drawable(text: str, most: int | None = None) -> str:
    """A name as one line without control characters and broken Unicode, which no font has.

    One of more than `most` letters keeps its start and its end.
    """
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    if most is None or len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"


class Ruler:
    """Measures texts of a figure, pixels at its resolution."""

    def __init__(self, figure: Figure) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._renderer: RendererAgg = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]

    def width(self, text: str, size: float) -> float:
        """Of a line in letters of `size` points."""
        from matplotlib.font_manager import FontProperties

        font = FontProperties(size=size)
        return float(self._renderer.get_text_width_height_descent(text, font, False)[0])  # type: ignore[no-untyped-call]

    def fit(self, text: str, size: float, width: float) -> tuple[str, float]:
        """A line and its size in points: reduced to two thirds at most, and then cut, to be at most `width` pixels."""
        least = size * 2 / 3
        while size > least and self.width(text, size) > width:
            size -= least / 20
        fitting = text
        while len(text) > 1 and self.width(fitting, size) > width:
            text = text[:-1]
            fitting = text.rstrip() + "…"
        return fitting, size
