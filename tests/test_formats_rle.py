"""Run lengths and polygons, against pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noda_synth.errors import ItemError
from noda_synth.formats import rle_decode, rle_encode, rle_encode_region, segmentation_mask
from noda_synth.formats.coco.rle import rle_area

coco_mask = pytest.importorskip("pycocotools.mask")


def theirs(mask: np.ndarray) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def drawn(height: int, width: int, share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)) < share


MASKS = st.builds(
    drawn, st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]), st.integers(0, 999)
)


@settings(deadline=None, derandomize=True)
@given(MASKS)
def test_encoded_like_pycocotools_and_back(mask: np.ndarray) -> None:
    rle = rle_encode(mask)
    assert rle == theirs(mask)
    np.testing.assert_array_equal(rle_decode(rle, (mask.shape[1], mask.shape[0])), mask)
    assert rle_area(rle) == mask.sum()


@settings(deadline=None, derandomize=True, max_examples=300)
@given(MASKS, st.integers(-30, 60), st.integers(-30, 60), st.integers(1, 50), st.integers(1, 50))
def test_a_region_is_encoded_like_the_whole_frame(
    region: np.ndarray, x0: int, y0: int, width: int, height: int
) -> None:
    frame = np.zeros((height + 200, width + 200), bool)
    frame[100 + y0 : 100 + y0 + region.shape[0], 100 + x0 : 100 + x0 + region.shape[1]] = region
    assert rle_encode_region(region, x0, y0, (width, height)) == theirs(frame[100 : 100 + height, 100 : 100 + width])


def test_plain_run_lengths_and_long_runs() -> None:
    mask = rle_decode({"size": [2, 3], "counts": [1, 2, 3]}, (3, 2))
    assert mask.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]
    large = np.zeros((3000, 2000), bool)
    large[1, 1] = large[2500:, 1000:] = True
    assert rle_encode(large) == theirs(large)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [3, 2], "counts": [6]},
        {"size": [2, 3], "counts": [1, 2]},
        {"size": [2, 3], "counts": [-1, 7]},
        {"size": [2, 3], "counts": "\x01~~~"},
        {"size": [2, 3], "counts": None},
        {"size": [2, 3], "counts": ["a"]},
        {},
    ],
)
def test_damaged_run_lengths_are_refused(rle: dict[str, Any]) -> None:
    with pytest.raises(ItemError, match="segmentation"):
        rle_decode(rle, (3, 2))


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(-20, 120), st.floats(-20, 90)), min_size=3, max_size=9))
def test_polygons_cover_what_pycocotools_says_but_for_their_edge(corners: list[tuple[float, float]]) -> None:
    polygon = [value for corner in corners for value in corner]
    ours = segmentation_mask([polygon], (100, 70))
    reference = rle_decode(coco_mask.merge(coco_mask.frPyObjects([polygon], 70, 100)), (100, 70))
    edge = np.abs(np.roll(np.array(corners), 1, axis=0) - np.array(corners)).sum()
    assert (ours != reference).sum() <= 0.5 * edge + 4


def test_a_round_outline_is_nearly_that_of_pycocotools() -> None:
    turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    polygon = (np.stack([50 + 40 * np.cos(turns), 35 + 25 * np.sin(turns)], axis=1)).ravel().tolist()
    ours = segmentation_mask([polygon], (100, 70))
    reference = rle_decode(coco_mask.merge(coco_mask.frPyObjects([polygon], 70, 100)), (100, 70))
    assert (ours & reference).sum() / (ours | reference).sum() > 0.98


def test_several_polygons_are_united_and_a_square_is_exact() -> None:
    mask = segmentation_mask([[2, 1, 5, 1, 5, 3, 2, 3], [4, 2, 8, 2, 8, 6, 4, 6]], (10, 8))
    expected = np.zeros((8, 10), bool)
    expected[1:3, 2:5] = expected[2:6, 4:8] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("wrong", [7, [[1, 2, 3]], [["a", "b"]], [[float("nan")] * 6], None])
def test_what_is_no_segmentation_is_refused(wrong: Any) -> None:
    with pytest.raises(ItemError, match="segmentation"):
        segmentation_mask(wrong, (10, 10))
