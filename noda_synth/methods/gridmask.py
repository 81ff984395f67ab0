"""GridMask (Chen et al. 2020, the NODA paper's [22]): a turned grid of squares over the person is dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.imaging.compositing import Overlay
from noda_synth.methods.base import Subject
from noda_synth.methods.fill import FILLS, FillMethod
from noda_synth.settings import one_of, within


@dataclass(frozen=True)
class GridMaskSettings:
    """The original's choices for ImageNet: periods of 96 to 224 pixels on a picture of 224, and a ratio of 0.6.

    Attributes:
        period: range of the distance from square to square, in sides of the person's box (`base.Box.side`).
        keep: share of a period that is kept along each direction; (1 - keep) ** 2 of the area is dropped.
        rotate: the grid is turned by up to so many degrees.
        fill: what is put there: "mean", "black" or "noise".
    """

    period: tuple[float, float] = (96 / 224, 1.0)
    keep: float = 0.6
    rotate: float = 360.0
    fill: str = "mean"

    def __post_init__(self) -> None:
        within("period", self.period, 0.02, 4)
        within("keep", self.keep, 0, 0.99)
        within("rotate", self.rotate, 0, 360)
        one_of("fill", self.fill, FILLS)


@dataclass(frozen=True)
class Grid:
    """Squares of `period` less `kept` pixels, shifted by `across` and `down`, turned by `angle` degrees in a box."""

    left: int
    top: int
    width: int
    height: int
    period: int
    kept: int
    across: int
    down: int
    angle: float
    fill: str
    noise_seed: int


class GridMask(FillMethod[GridMaskSettings, Grid]):
    settings_type, placement_type = GridMaskSettings, Grid

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Grid, str]:
        box = subject.box
        period = max(2, round(float(rng.uniform(*self.settings.period)) * box.side))
        kept = min(period - 1, int(period * self.settings.keep + 0.5))
        across, down = (int(value) for value in rng.integers(period, size=2))
        angle = float(rng.uniform(0.0, self.settings.rotate)) if self.settings.rotate else 0.0
        lines = (period, kept, across, down, angle)
        return Grid(box.left, box.top, box.width, box.height, *lines, *self.draw_fill(rng)), ""

    def overlay(self, placement: Grid) -> Overlay:
        turn = np.deg2rad(placement.angle)
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        x = (np.arange(placement.width, dtype=np.float32) - (placement.width - 1) / 2)[None, :]
        y = (np.arange(placement.height, dtype=np.float32) - (placement.height - 1) / 2)[:, None]
        across = cosine * x + sine * y - placement.across
        down = cosine * y - sine * x - placement.down
        dropped = _beyond(across, placement) & _beyond(down, placement)
        return Overlay(dropped.astype(np.uint8) * np.uint8(255), placement.left, placement.top)


def _beyond(positions: NDArray[np.floating], grid: Grid) -> NDArray[np.bool_]:
    """Which positions lie beyond what is kept of their period; by floor, in a third of the time that % takes."""
    return np.asarray(positions - grid.period * np.floor(positions / grid.period) >= grid.kept)
