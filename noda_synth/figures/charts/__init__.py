"""Charts drawn with Pillow: horizontal bars, histograms, a heat map and a rose, on a page of panels.

The same values and versions give the same bytes.
"""

from noda_synth.figures.charts.barcharts import Row, bars, histogram
from noda_synth.figures.charts.maps import heat_map, rose
from noda_synth.figures.charts.panel import (
    BLUE,
    GREEN,
    GREY,
    MARGIN,
    ORANGE,
    TITLE,
    Colour,
    Panel,
    font,
    page,
    png,
)

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "MARGIN",
    "ORANGE",
    "TITLE",
    "Colour",
    "Panel",
    "Row",
    "bars",
    "font",
    "heat_map",
    "histogram",
    "page",
    "png",
    "rose",
]
