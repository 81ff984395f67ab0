"""The paper's Fig. 3: people of a pool and what is left of them at each mask level, side by side with captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from noda_synth.errors import NodaError
from noda_synth.figures import charts
from noda_synth.pool.reader import Pool

CAPTIONS = {"box": "Box", "cardboard": "Cardboard", "grabcut": "GrabCut", "posecut": "Posecut"}
_GAP, _CAPTION = 12, 58
# Grey enough for white clothes to stand out from it in print.
_BACKGROUND = 232


def levels_figure(path: Path, *, number: int, side: int, wanted: Sequence[str]) -> tuple[bytes, int]:
    """A figure with a row for each body: the crop, and the crop cut out at each level of the pool.

    Args:
        path: the pool.
        number: how many bodies; those with the best masks, no two from one image.
        side: height of a picture in pixels.
        wanted: ids of the bodies to be shown instead.

    Returns:
        PNG bytes, and the number of bodies shown.

    Raises:
        NodaError: a wanted body is not in the pool, or the pool is empty.
    """
    pool = Pool(path)
    found = {name: pool.row_of(name) for name in wanted}
    if missing := [name for name, row in found.items() if row is None]:
        raise NodaError(f"{path} has no {missing[0]!r}")
    rows = [row for row in found.values() if row is not None] or best_bodies(pool, number)
    if not rows:
        raise NodaError(f"{path} is empty: there is nothing to show")
    width = round(side * float((pool.size[rows, 0] / pool.size[rows, 1]).clip(0.5, 1.0).max()))
    captions = ["Crop", *(CAPTIONS.get(level, level) for level in pool.levels)]
    page = charts.Panel(len(captions) * (width + _GAP) + _GAP, _CAPTION + len(rows) * (side + _GAP), "")
    for column, caption in enumerate(captions):
        page.text(_GAP + column * (width + _GAP) + width / 2, 13, caption, charts.TITLE, align="middle")
    for line, row in enumerate(rows):
        for column, picture in enumerate(_pictures(pool, row)):
            fitted = _fit(picture, width, side)
            left = _GAP + column * (width + _GAP) + (width - fitted.width) // 2
            page.image.paste(fitted, (left, _CAPTION + line * (side + _GAP) + (side - fitted.height) // 2))
    return charts.png(page.image), len(rows)


def best_bodies(pool: Pool, number: int) -> list[int]:
    """Rows of the bodies with the best masks, level `box` left out of account, best first; no two from one image."""
    judged = [level for level in pool.levels if level != "box"] or pool.levels
    order = np.argsort(-np.mean([pool.quality(level) for level in judged], axis=0), kind="stable")
    first: dict[str, int] = {}
    for row in order:
        first.setdefault(pool.images[row], int(row))
    return list(first.values())[:number]


def _pictures(pool: Pool, row: int) -> list[Image.Image]:
    """The crop, and what each level leaves of it by its opacity."""
    crop = np.ascontiguousarray(pool.crop(row)[:, :, ::-1])
    cut = [_cut_out(crop, pool.opacity(row, level)) for level in pool.levels]
    return [Image.fromarray(picture) for picture in (crop, *cut)]


def _cut_out(crop: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = opacity[..., None] / 255.0
    return np.asarray(np.round(crop * share + _BACKGROUND * (1 - share)), np.uint8)


def _fit(picture: Image.Image, width: int, height: int) -> Image.Image:
    factor = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS)
