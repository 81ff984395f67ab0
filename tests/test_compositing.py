"""Edges, blending and coverage, to the pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from noda_synth.imaging.compositing import (
    COVERING,
    alpha_at,
    edge_alpha,
    overlap,
    paste,
    resize_alpha,
    resize_crop,
)
from tests.rules import LIMBS

SQUARE = np.zeros((40, 40), np.uint8)
SQUARE[8:32, 8:32] = 255

seeded = settings(deadline=None, derandomize=True, max_examples=60)


def test_the_ring_is_as_wide_as_an_ellipse_of_eight_takes_away() -> None:
    alpha = edge_alpha(SQUARE, "ring")
    assert set(np.unique(alpha)) == {0, 192, 255}
    assert ((alpha > 0) == (SQUARE > 0)).all()
    row = alpha[20]
    # Eight is even: the erosion takes four pixels on one side and three on the other.
    assert row[8:12].tolist() == [192] * 4
    assert row[12] == 255
    assert sorted(((row == 192)[8:20].sum(), (row == 192)[20:32].sum())) == [3, 4]


def test_the_ring_runs_along_the_border_of_the_crop_too() -> None:
    full = np.full((30, 30), 255, np.uint8)
    alpha = edge_alpha(full, "ring")
    assert (alpha[0] == 192).all()
    assert (alpha[:, -1] == 192).all()
    assert alpha[15, 15] == 255


def test_feathering_rises_inwards_and_never_reaches_beyond_the_mask() -> None:
    alpha = edge_alpha(SQUARE, "feather")
    assert not alpha[SQUARE == 0].any()
    rise = alpha[20, 8:20].astype(int)
    assert (np.diff(rise) >= 0).all()
    assert 0 < rise[0] < 100
    assert rise[-1] == 255


def test_without_smoothing_all_stays_or_nothing_even_when_resized() -> None:
    assert (edge_alpha(SQUARE, "none") == SQUARE).all()
    for size in ((13, 13), (77, 50)):
        resized = resize_alpha(edge_alpha(SQUARE, "none"), size, "none")
        assert set(np.unique(resized)) <= {0, 255}
        assert resized.shape == size[::-1]


def test_a_matte_stays_as_it_is_and_every_other_edge_is_made_from_where_it_is_half() -> None:
    soft = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (40, 1))
    assert (edge_alpha(soft, "matte") == soft).all()
    for smooth in ("ring", "feather", "none"):
        assert ((edge_alpha(soft, smooth) > 0) == (soft >= COVERING)).all()


def test_an_unknown_smoothing_raises() -> None:
    with pytest.raises(ValueError, match="blur"):
        edge_alpha(SQUARE, "blur")


@pytest.mark.parametrize("smooth", ["ring", "feather", "none", "matte"])
def test_an_empty_mask_gives_an_empty_alpha(smooth: str) -> None:
    assert not edge_alpha(np.zeros((9, 9), np.uint8), smooth).any()


def filled(shape: tuple[int, ...], elements: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Any]:
    """Bytes, every one drawn by itself: by default most of an array would be one value, which hides shifts."""
    return arrays(np.uint8, shape, elements=elements, fill=st.nothing())


@seeded
@given(
    image=filled((12, 15, 3)),
    colours=filled((7, 9, 3)),
    alpha=filled((7, 9), st.sampled_from([0, 1, 64, 127, 128, 192, 254, 255])),
    left=st.integers(-12, 18),
    top=st.integers(-10, 15),
)
def test_pasting_mixes_in_proportion_and_touches_nothing_else(
    image: NDArray[np.uint8], colours: NDArray[np.uint8], alpha: NDArray[np.uint8], left: int, top: int
) -> None:
    result = image.copy()
    paste(result, colours, alpha, left, top)
    for y in range(12):
        for x in range(15):
            row, column = y - top, x - left
            on_stamp = 0 <= row < 7 and 0 <= column < 9
            a = int(alpha[row, column]) if on_stamp else 0
            if a == 0:
                assert (result[y, x] == image[y, x]).all()
            elif a == 255:
                assert (result[y, x] == colours[row, column]).all()
            else:
                mixed = (image[y, x].astype(float) * (255 - a) + colours[row, column].astype(float) * a) / 255
                assert np.abs(result[y, x] - mixed).max() <= 1


@seeded
@given(
    alpha=filled((7, 9)),
    left=st.integers(-12, 12),
    top=st.integers(-12, 12),
    points=arrays(np.float64, (5, 2), elements=st.one_of(st.floats(-20, 20), st.just(float("nan"))), fill=st.nothing()),
)
def test_opacity_at_a_point_is_that_of_its_pixel(
    alpha: NDArray[np.uint8], points: NDArray[np.float64], left: int, top: int
) -> None:
    found = alpha_at(alpha, points, left, top)
    many = alpha_at(alpha, points, np.array([[left], [left + 1]]), np.array([[top], [top]]))
    assert (many[0] == found).all()
    for (x, y), value in zip(points, found, strict=True):
        if np.isnan(x) or np.isnan(y):
            assert value == 0
            continue
        column, row = int(np.floor(x + 0.5)) - left, int(np.floor(y + 0.5)) - top
        inside = 0 <= row < 7 and 0 <= column < 9
        assert value == (alpha[row, column] if inside else 0)


@seeded
@given(left=st.integers(-30, 30), top=st.integers(-30, 30), w=st.integers(1, 20), h=st.integers(1, 20))
def test_overlap_is_where_both_are(left: int, top: int, w: int, h: int) -> None:
    picture, stamp = np.zeros((11, 13), bool), np.ones((h, w), bool)
    for y in range(h):
        for x in range(w):
            if 0 <= y + top < 11 and 0 <= x + left < 13:
                picture[y + top, x + left] = True
    window = overlap(stamp.shape, picture.shape, left, top)
    if window is None:
        assert not picture.any()
    else:
        assert picture[window[0]].all()
        assert picture[window[0]].shape == stamp[window[1]].shape
        assert picture[window[0]].size == picture.sum()


@pytest.mark.parametrize("size", [(1, 1), (40, 40), (13, 60), (200, 90)])
def test_colours_and_opacity_are_resized_alike(size: tuple[int, int]) -> None:
    """What is opaque in a small stamp shows the colours that were opaque in the large one."""
    colours = np.zeros((40, 40, 3), np.uint8)
    colours[SQUARE > 0] = 250
    alpha = resize_alpha(SQUARE, size, "matte")
    resized = resize_crop(colours, size)
    assert alpha.shape == resized.shape[:2] == size[::-1]
    assert np.abs(resized[..., 0].astype(int) - alpha * (250 / 255)).max() <= 2


def test_limb_joints_are_those_of_the_paper() -> None:
    from noda_synth.data.skeleton import MPII

    assert set(MPII.coverable) == LIMBS
