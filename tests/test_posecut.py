"""The posecut level: a person in a picture is found, others are not, and the matte agrees with the mask."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN
from noda_synth.masks import View, mask_quality
from noda_synth.masks.cardboard import cardboard_mask
from noda_synth.masks.evidence import WEIGHTS, colour_logodds
from noda_synth.masks.posecut import posecut_mask
from tests.standing import standing

FRAME = (-0.5, -0.5, 199.5, 199.5)


def picture_of(*middles: float) -> tuple[View, NDArray[np.bool_]]:
    """Somebody in red on a striped wall, others in blue behind; the view of the first, and the true outline."""
    columns = np.mgrid[:200, :200][1]
    image = np.where((columns // 12 % 2)[..., None] > 0, (90, 140, 90), (120, 170, 130)).astype(np.uint8)
    poses = [standing(middle, visible=UNKNOWN) for middle in middles]
    outline = np.zeros((200, 200), np.bool_)
    for pose, colour in reversed(list(zip(poses, ((40, 40, 200), *[(200, 60, 40)] * 9), strict=False))):
        view = View(image, pose, (), FRAME, 0)
        # Slimmer than the cardboard thinks, so that colour has something to tell.
        outline = cv2.erode(cardboard_mask(view).inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        image[outline] = colour
    noise = np.random.default_rng(0).integers(-12, 13, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return View(image, poses[0], tuple(poses[1:]), FRAME, 0), outline


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_posecut_finds_the_outline_where_cardboard_does_not() -> None:
    view, truth = picture_of(100)
    assert overlap(posecut_mask(view).inside, truth) > 0.93
    assert overlap(cardboard_mask(view).inside, truth) < 0.8


def test_posecut_leaves_other_people_out() -> None:
    view, truth = picture_of(80, 112)
    alone = replace(view, others=())
    assert overlap(posecut_mask(view).inside, truth) > 0.9
    assert overlap(posecut_mask(view).inside, truth) >= overlap(posecut_mask(alone).inside, truth)


def test_an_occluded_leg_is_left_out() -> None:
    view, _ = picture_of(100)
    visible = view.pose.visible.copy()
    legs = view.pose.skeleton.indices("left_knee", "left_ankle", "right_knee", "right_ankle")
    visible[legs] = OCCLUDED
    visible[visible == UNKNOWN] = 1
    hidden = replace(view, pose=replace(view.pose, visible=visible))
    below_the_knees = np.s_[140:, :]
    assert posecut_mask(hidden).inside[below_the_knees].sum() < 0.5 * posecut_mask(view).inside[below_the_knees].sum()


def test_the_matte_is_half_opaque_exactly_where_the_mask_ends() -> None:
    mask = posecut_mask(picture_of(100)[0])
    assert mask.matte is not None
    np.testing.assert_array_equal(mask.matte >= 128, mask.inside)
    assert mask.matte.max() == 255
    assert mask.matte.min() == 0


def test_posecut_repeats_itself_and_leaves_the_global_generator_alone() -> None:
    view, _ = picture_of(100)
    first = posecut_mask(view)
    cv2.setRNGSeed(7)
    second = posecut_mask(replace(view))
    np.testing.assert_array_equal(first.inside, second.inside)
    np.testing.assert_array_equal(first.matte, second.matte)


def test_quality_prefers_the_better_mask() -> None:
    view, truth = picture_of(100)
    worse = cv2.dilate(truth.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    assert mask_quality(view, truth) > mask_quality(view, cardboard_mask(view).inside) > mask_quality(view, worse)


@pytest.mark.parametrize("bands", [1, 5])
def test_background_is_known_by_height(bands: int) -> None:
    """A colour that is background above and person below is told apart by its height, and only by it."""
    lab = np.full((100, 60, 3), 40, np.uint8)
    lab[:50] = 200
    lab[50:, 20:40] = 200
    probability = np.zeros((100, 60), np.float32)
    probability[50:, 20:40] = 1
    logodds = colour_logodds(lab, probability, replace(WEIGHTS["mpii16"], bands=bands))
    assert (logodds[90, 30] > logodds[10, 30] + 1) == (bands > 1)


@pytest.mark.parametrize("joint", ["left_wrist", "right_ankle", "head_top"])
def test_parts_follow_their_joints(joint: str) -> None:
    """A joint that moves far takes flesh with it: the cardboard covers it, wherever it goes."""
    pose = standing(100)
    joints = pose.joints.copy()
    place = pose.skeleton.index[joint]
    joints[place] += (25, 5)
    moved = View(np.zeros((200, 200, 3), np.uint8), replace(pose, joints=joints), (), FRAME, 0)
    x, y = np.round(joints[place] - (0, -3 if joint == "head_top" else 0)).astype(int)
    assert cardboard_mask(moved).inside[y, x]
