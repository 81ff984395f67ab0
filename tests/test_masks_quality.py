"""Which bodies are worth having: the score of a mask, people who overlap, masks that end at the border."""

from __future__ import annotations

import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, UNKNOWN
from noda_synth.data.pose import Pose
from noda_synth.masks import View
from noda_synth.masks.entanglement import MAX_SHARED_JOINTS, border_share, shared_joints
from tests.standing import MPII16, standing

FRAME = (-0.5, -0.5, 199.5, 199.5)


def test_people_who_stand_apart_share_no_joint() -> None:
    assert shared_joints(standing(50), (standing(150),), FRAME) == 0


def test_people_who_stand_behind_each_other_share_many() -> None:
    near, far = standing(100), standing(106)
    assert shared_joints(near, (far,), FRAME) > 2 * MAX_SHARED_JOINTS
    assert shared_joints(near, (far,), FRAME) == shared_joints(far, (near,), FRAME)


def test_joints_known_to_be_occluded_are_not_shared() -> None:
    near = standing(100, visible=OCCLUDED)
    assert shared_joints(near, (standing(106, visible=OCCLUDED),), FRAME) == 0


def test_a_person_without_enough_joints_has_no_body_to_share() -> None:
    pose = standing(100)
    lonely = Pose(MPII16, pose.joints, np.arange(16) == 8, pose.visible)
    assert shared_joints(lonely, (lonely,), FRAME) == 0


@pytest.mark.parametrize("side", range(4))
def test_border_share_counts_the_mask_along_the_image_and_not_along_the_crop(side: int) -> None:
    inside = np.zeros((200, 200), np.bool_)
    np.rot90(inside, side)[0, 40:100] = True
    whole = View(np.zeros((200, 200, 3), np.uint8), standing(100), (), FRAME, 0)
    crop = View(whole.image, whole.pose, (), (-50.0, -50.0, 250.0, 250.0), 0)
    assert border_share(whole, inside) == pytest.approx(60 / whole.pose.size)
    assert border_share(crop, inside) == 0


def test_unknown_visibility_is_no_occlusion() -> None:
    assert shared_joints(standing(100, visible=UNKNOWN), (standing(106, visible=UNKNOWN),), FRAME) > 0
