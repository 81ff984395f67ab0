"""Contact sheets: bodies of a pool, and people before and after rendering, as pictures to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.images import BGRImage
from noda_synth.pool import Pool
from noda_synth.skeleton import Skeleton

_PAPER = (245, 245, 245)
_INK = (40, 40, 40)
# Blue-green-red; told apart by brightness and shape too, for those who cannot tell the colours apart.
_VISIBLE, _COVERED, _HIDDEN, _BONE = (60, 200, 60), (40, 40, 230), (230, 160, 40), (250, 250, 250)


def body_tile(pool: Pool, row: int, side: int) -> BGRImage:
    """The crop and its masks side by side, as in the paper's Fig. 3: one square of `side` pixels each."""
    crop = pool.crop(row)
    pictures = [draw_joints(crop.copy(), pool.joints[row], pool.labelled[row], pool.visible[row], pool.skeleton)]
    for level in pool.levels:
        inside = pool.mask(row, level) > 0
        pictures.append(np.where(inside[..., None], crop, np.uint8(_PAPER[0])))
    return np.hstack([fit(picture, side) for picture in pictures])


def fit(picture: BGRImage, side: int) -> BGRImage:
    """A picture reduced or enlarged to fit a square of `side` pixels, in its middle, on paper white."""
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    square = np.full((side, side, 3), _PAPER, np.uint8)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square[top : top + size[1], left : left + size[0]] = resized
    return square


def draw_joints(
    picture: BGRImage,
    joints: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    visible: NDArray[np.int8],
    skeleton: Skeleton,
    covered: NDArray[np.bool_] | None = None,
) -> BGRImage:
    """Draw a skeleton into a picture, in place.

    Joints that the pasted body covers are red crosses, those occluded before blue rings, all others green dots.
    """
    unit = max(2, round(max(picture.shape[:2]) / 160))
    points = {int(j): (round(joints[j, 0]), round(joints[j, 1])) for j in np.flatnonzero(labelled)}
    for a, b in skeleton.limb_pairs:
        if a in points and b in points:
            cv2.line(picture, points[a], points[b], _BONE, max(1, unit // 2), cv2.LINE_AA)
    for j, point in points.items():
        if covered is not None and covered[j]:
            cv2.drawMarker(picture, point, _COVERED, cv2.MARKER_TILTED_CROSS, 4 * unit, unit, cv2.LINE_AA)
        elif visible[j] == 0:
            cv2.circle(picture, point, unit + 1, _HIDDEN, max(1, unit // 2), cv2.LINE_AA)
        else:
            cv2.circle(picture, point, unit, _VISIBLE, -1, cv2.LINE_AA)
    return picture


def sheet(tiles: Sequence[BGRImage], labels: Sequence[str], columns: int) -> BGRImage:
    """Tiles of one size in rows, each with a line of text below."""
    bar = 18
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    page = np.full((rows * (height + bar), columns * (width + 6), 3), _PAPER, np.uint8)
    for number, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        top, left = (number // columns) * (height + bar), (number % columns) * (width + 6)
        page[top : top + height, left : left + width] = tile
        cv2.putText(
            page, label, (left + 3, top + height + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA
        )  # fmt: skip
    return page
