"""Hide-and-seek (Singh and Lee 2017, the NODA paper's [21]): half of the cells of a grid on the person are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.imaging.compositing import Overlay
from noda_synth.methods.base import Subject
from noda_synth.methods.fill import FILLS, FillMethod
from noda_synth.settings import one_of, within


@dataclass(frozen=True)
class HideAndSeekSettings:
    """The original's mixed sizes: cells of 16, 32, 44 or 56 pixels on a picture of 224, each hidden by one half.

    Attributes:
        cells: sides of a cell to draw from, in sides of the person's box (`base.Box.side`).
        hide: chance that a cell is hidden.
        fill: what is put there: "mean", "black" or "noise".
    """

    cells: tuple[float, ...] = (16 / 224, 32 / 224, 44 / 224, 56 / 224)
    hide: float = 0.5
    fill: str = "mean"

    def __post_init__(self) -> None:
        for cell in self.cells:
            within("cells", cell, 0.01, 4)
        if not self.cells:
            raise ValueError("cells: at least one size")
        within("hide", self.hide, 0, 1)
        one_of("fill", self.fill, FILLS)


@dataclass(frozen=True)
class HiddenCells:
    """A grid from the box's top-left pixel on; `hidden` has a string for each row of cells, "1" for a hidden one."""

    left: int
    top: int
    width: int
    height: int
    cell: int
    hidden: tuple[str, ...]
    fill: str
    noise_seed: int


class HideAndSeek(FillMethod[HideAndSeekSettings, HiddenCells]):
    settings_type, placement_type = HideAndSeekSettings, HiddenCells

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[HiddenCells, str]:
        box = subject.box
        cell = max(1, round(self.settings.cells[int(rng.integers(len(self.settings.cells)))] * box.side))
        cells = rng.random((-(-box.height // cell), -(-box.width // cell))) < self.settings.hide
        hidden = tuple("".join("01"[int(value)] for value in row) for row in cells)
        return HiddenCells(box.left, box.top, box.width, box.height, cell, hidden, *self.draw_fill(rng)), ""

    def overlay(self, placement: HiddenCells) -> Overlay:
        cells = np.array([[cell == "1" for cell in row] for row in placement.hidden], np.bool_)
        whole = cells.repeat(placement.cell, axis=0).repeat(placement.cell, axis=1)
        alpha = whole[: placement.height, : placement.width].astype(np.uint8) * np.uint8(255)
        return Overlay(alpha, placement.left, placement.top)
