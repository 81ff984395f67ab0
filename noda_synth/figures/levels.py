"""The paper's Fig. 3: people of a pool and what is left of them at each mask level, side by side with captions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError, Problem
from noda_synth.figures.drawn import drawn
from noda_synth.figures.image_grid import GridLayout, image_grid
from noda_synth.figures.style import GROUND, encode, house_style
from noda_synth.pool.reader import Pool

CAPTIONS = {"box": "Box", "cardboard": "Cardboard", "grabcut": "GrabCut", "posecut": "Posecut", "given": "Given"}


def levels_figure(
    path: Path, *, number: int, side: int, wanted: Sequence[str], file_format: str = "png"
) -> tuple[bytes, int, list[Problem]]:
    """A figure with a row for each body: the crop, and the crop cut out at each level of the pool.

    Args:
        path: the pool.
        number: how many bodies; those with the best masks, no two from one image.
        side: height of a picture in pixels.
        wanted: ids of the bodies to be shown instead.
        file_format: `png`, `pdf` or `svg`.

    Returns:
        The figure's bytes, the number of bodies shown, and those that cannot be.

    Raises:
        NodaError: a wanted body is not in the pool, none can be shown, or Matplotlib is missing.
    """
    pool = Pool(path)
    rows_by_id = {name: pool.row_of(name) for name in wanted}
    if missing := [name for name, row in rows_by_id.items() if row is None]:
        raise NodaError(f"{path} has no {missing[0]!r}")
    rows = [row for row in rows_by_id.values() if row is not None] or best_bodies(pool, number)
    if not rows:
        raise NodaError(f"{path} is empty: there is nothing to show")
    shown, problems = drawn(((pool.persons[row], partial(_pictures, pool, row)) for row in rows), path)
    return _draw(pool.levels, shown, side, file_format), len(shown), problems


def best_bodies(pool: Pool, number: int) -> list[int]:
    """Rows of the bodies with the best masks, level `box` left out of account, best first; no two from one image."""
    judged = [level for level in pool.levels if level != "box"] or pool.levels
    order = np.argsort(-np.mean([pool.quality(level) for level in judged], axis=0), kind="stable")
    first: dict[str, int] = {}
    for row in order:
        first.setdefault(pool.images[row], int(row))
    return list(first.values())[:number]


@house_style()
def _draw(levels: Sequence[str], bodies: Sequence[list[NDArray[np.uint8]]], side: int, file_format: str) -> bytes:
    widest = max(crop.shape[1] / crop.shape[0] for crop, *_ in bodies)
    width = round(side * min(max(widest, 0.5), 1.0))
    captions = ["Crop", *(CAPTIONS.get(level, level) for level in levels)]
    layout = GridLayout((width, side), len(bodies), caption=max(18, min(46, width // 5)), margin=12)
    figure, grid = image_grid(captions, layout)
    for line, pictures in zip(grid, bodies, strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            height, across = picture.shape[:2]
            factor = min(width / across, side / height)
            x, y = (width - across * factor) / 2 - 0.5, (side - height * factor) / 2 - 0.5
            extent = (x, x + across * factor, y + height * factor, y)
            axes.imshow(picture, extent=extent, aspect="auto")
            axes.set(xlim=(-0.5, width - 0.5), ylim=(side - 0.5, -0.5))
    return encode(figure, file_format)


def _pictures(pool: Pool, row: int) -> list[NDArray[np.uint8]]:
    """The crop, and what each level leaves of it by its opacity: RGB uint8."""
    crop = np.ascontiguousarray(pool.crop(row)[:, :, ::-1])
    return [crop, *(cut_out(crop, pool.opacity(row, level), GROUND) for level in pool.levels)]


def cut_out(crop: NDArray[np.uint8], opacity: NDArray[np.uint8], ground: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A crop (H, W, 3) on a ground, the colour in the crop's order, as an opacity (H, W) uint8 says."""
    share = opacity[..., None] / 255.0
    return np.asarray(np.round(crop * share + np.array(ground) * (1 - share)), np.uint8)
