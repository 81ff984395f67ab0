"""The paper's three mask levels, on a drawn person whose outline is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from noda_synth.data.dataset import VISIBLE
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import SKELETONS
from noda_synth.masks import LEVELS, Mask, MaskSettings, View, mask_functions
from noda_synth.masks.box import box_mask
from noda_synth.masks.cardboard import cardboard_mask
from noda_synth.masks.grabcut import grabcut_mask
from tests.drawn_set import JOINTS, SIZE, draw_image

MPII16 = SKELETONS["mpii16"]


def a_view(seed: int = 0) -> tuple[View, NDArray[np.bool_]]:
    """A drawn person as the mask levels see one, and the person's true outline."""
    picture, (figure,) = draw_image(np.random.default_rng(seed), people=1)
    joints = np.array([figure.joints[name] for name in JOINTS])
    pose = Pose(MPII16, joints, np.ones(16, bool), np.full(16, VISIBLE, np.int8))
    return View(picture, pose, (), (-0.5, -0.5, SIZE[0] - 0.5, SIZE[1] - 0.5), seed=7), figure.outline


@pytest.fixture(scope="module")
def view() -> View:
    return a_view()[0]


def with_joints(view: View, joints: NDArray[np.float64]) -> View:
    return replace(view, pose=replace(view.pose, joints=joints))


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_box_is_that_of_the_joints_moved_out_by_a_share_of_its_longer_side(view: View) -> None:
    joints = np.tile([[100.0, 80.0]], (16, 1))
    joints[3], joints[9] = (139.0, 200.0), (100.0, 60.0)
    small = with_joints(view, joints)
    # 100..139 by 60..200, moved out by 0.1 x 140 = 14 pixels.
    expected = np.zeros(view.image.shape[:2], bool)
    expected[46:215, 86:154] = True
    assert (box_mask(small, expand=0.1).inside == expected).all()
    assert box_mask(small, expand=0).inside.sum() == 40 * 141


def test_the_box_is_cut_off_at_the_border_and_ignores_joints_without_label(view: View) -> None:
    joints = np.tile([[5.0, 5.0]], (16, 1))
    joints[0], joints[1] = (50.0, 90.0), (9999.0, 9999.0)
    labelled = np.arange(16) != 1
    cut = replace(view, pose=replace(view.pose, joints=joints, labelled=labelled))
    expected = np.zeros(view.image.shape[:2], bool)
    expected[:104, :64] = True  # 5..50 by 5..90, moved out by 0.15 x 85 = 12.75
    assert (box_mask(cut, expand=0.15).inside == expected).all()


@pytest.mark.parametrize("seed", range(5))
def test_cardboard_contains_the_visible_joints_and_resembles_the_person(seed: int) -> None:
    view, outline = a_view(seed)
    mask = cardboard_mask(view).inside
    for x, y in np.floor(view.pose.joints + 0.5).astype(int):
        assert mask[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].any()
    assert iou(mask, outline) > 0.6
    box = box_mask(view).inside
    assert (mask & ~box).sum() < 0.02 * mask.sum()


def test_cardboard_follows_the_person_when_moved_and_enlarged(view: View) -> None:
    """The same body at twice the size covers four times the pixels; moved, it is the same body."""
    mask = cardboard_mask(view).inside
    large = with_joints(replace(view, image=np.zeros((2 * SIZE[1], 2 * SIZE[0], 3), np.uint8)), view.pose.joints * 2)
    large = replace(large, frame=(-0.5, -0.5, 2 * SIZE[0] - 0.5, 2 * SIZE[1] - 0.5))
    assert cardboard_mask(large).inside.sum() == pytest.approx(4 * mask.sum(), rel=0.03)
    moved = cardboard_mask(with_joints(view, view.pose.joints + np.array([40, 0]))).inside
    assert iou(np.roll(mask, 40, axis=1), moved) > 0.97


@pytest.mark.parametrize("seed", range(5))
def test_grabcut_finds_the_person(seed: int) -> None:
    view, outline = a_view(seed)
    mask = grabcut_mask(view)
    assert not mask.fallback
    assert iou(mask.inside, outline) > 0.8


def test_grabcut_gives_the_same_mask_whatever_was_drawn_before(view: View) -> None:
    masks = []
    for other in (0, 1, 12345):
        cv2.setRNGSeed(other)
        np.random.seed(other)  # noqa: NPY002
        cv2.randu(np.zeros((other % 7 + 1, 3), np.uint8), 0, 255)
        masks.append(grabcut_mask(view).inside)
    assert all((mask == masks[0]).all() for mask in masks)


def test_no_level_draws_from_a_global_generator(view: View) -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    for make in mask_functions(MaskSettings()).values():
        make(view)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


def test_grabcut_leaves_everything_outside_of_the_box_alone(view: View) -> None:
    mask = grabcut_mask(view, expand=0.1).inside
    box = cv2.dilate(box_mask(view, expand=0.1).inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert not (mask & ~box).any()


def test_grabcut_keeps_what_hangs_together_with_the_skeleton(view: View) -> None:
    """A patch of the shirt's colour beside the person is no part of the person."""
    picture = view.image.copy()
    middle = np.floor(view.pose.joints[JOINTS.index("pelvis")]).astype(int)
    shirt = picture[middle[1] - 20, middle[0]]
    left = int(view.pose.joints[:, 0].min()) - 4
    picture[100:112, left - 10 : left] = shirt
    mask = grabcut_mask(replace(view, image=picture), expand=0.3).inside
    count, regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    seen = {int(regions[y, x]) for x, y in np.floor(view.pose.joints + 0.5).astype(int)}
    assert set(range(1, count)) <= seen
    assert not mask[100:112, left - 10 : left].any()


def test_grabcut_falls_back_to_cardboard_where_it_cannot_run_and_says_why(view: View) -> None:
    x1, y1 = np.floor(view.pose.joints.min(axis=0)).astype(int) - 2
    x2, y2 = np.ceil(view.pose.joints.max(axis=0)).astype(int) + 3
    tight = with_joints(
        replace(view, image=np.ascontiguousarray(view.image[y1:y2, x1:x2])), view.pose.joints - (x1, y1)
    )
    mask = grabcut_mask(tight)
    assert "fills the picture" in mask.fallback
    assert (mask.inside == cardboard_mask(tight).inside).all()


def test_grabcut_of_one_colour_is_some_mask_and_no_crash(view: View) -> None:
    flat = replace(view, image=np.full_like(view.image, 77))
    mask = grabcut_mask(flat)
    assert mask.inside.any()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (40, 9)])
def test_every_level_bears_a_person_of_a_few_pixels(view: View, level: str, size: tuple[int, int]) -> None:
    width, height = size
    joints = np.linspace((0, 0), (width - 1, height - 1), 16)
    tiny = with_joints(replace(view, image=np.full((height, width, 3), 9, np.uint8)), joints)
    mask = mask_functions(MaskSettings())[level](replace(tiny, frame=(-0.5, -0.5, width - 0.5, height - 0.5)))
    assert mask.inside.shape == (height, width)


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_bears_two_joints(view: View, level: str) -> None:
    labelled = np.zeros(16, bool)
    labelled[[0, 9]] = True
    sparse = replace(view, pose=replace(view.pose, labelled=labelled))
    mask = mask_functions(MaskSettings())[level](sparse)
    assert mask.inside.any()


def test_a_mask_without_a_soft_edge_is_all_or_nothing() -> None:
    inside = np.array([[True, False]])
    assert Mask(inside).opacity.tolist() == [[255, 0]]
    soft = np.array([[128, 127]], np.uint8)
    assert Mask(inside, matte=soft).opacity.tolist() == [[128, 127]]
