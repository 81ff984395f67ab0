"""A figure of photographs in rows and columns of equal panels, with captions above the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noda_synth.figures.style import DPI, Ruler, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class GridLayout:
    """Sizes in pixels of the figure at its resolution.

    Attributes:
        panel: width and height of each.
        rows: of panels.
        across: how often the columns stand beside one another, 4 gaps apart.
        gap: between panels.
        caption: height of the line of captions.
        margin: around everything.
    """

    panel: tuple[int, int]
    rows: int
    across: int = 1
    gap: int = 12
    caption: int = 46
    margin: int = 0


def image_grid(captions: Sequence[str], layout: GridLayout) -> tuple[Figure, list[list[Axes]]]:
    """A figure with captions, and empty axes for each panel: rows from top to bottom, all columns of each.

    Axes have no ticks, and x and y in pixels of their panel: (-0.5, -0.5) is its upper left corner.
    """
    from matplotlib.figure import Figure

    width, height = layout.panel
    step = len(captions) * (width + layout.gap) + 3 * layout.gap
    firsts = [layout.margin + group * step for group in range(layout.across)]
    lefts = [first + column * (width + layout.gap) for first in firsts for column in range(len(captions))]
    page_width = lefts[-1] + width + layout.margin
    page_height = 2 * layout.margin + layout.caption + layout.rows * (height + layout.gap)
    figure = Figure((page_width / DPI, page_height / DPI), dpi=DPI)
    ruler, wanted = Ruler(figure), layout.caption * 0.62 * 72 / DPI
    fitted = [ruler.fit(drawable(caption), wanted, width - 4) for caption in captions]
    size = min(points for _, points in fitted)
    middle = 1 - (layout.margin + layout.caption / 2) / page_height
    for left, (text, _) in zip(lefts, fitted * layout.across, strict=True):
        figure.text((left + width / 2) / page_width, middle, text, fontsize=size, ha="center", va="center_baseline")
    grid = []
    for row in range(layout.rows):
        bottom = page_height - layout.margin - layout.caption - row * (height + layout.gap) - layout.gap - height
        boxes = [(left / page_width, bottom / page_height, width / page_width, height / page_height) for left in lefts]
        grid.append([figure.add_axes(box, xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5)) for box in boxes])
        for axes in grid[-1]:
            axes.set_axis_off()
    return figure, grid
