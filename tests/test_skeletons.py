"""Skeleton files: those that are shipped, and what is refused in one that somebody writes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noda_synth.data.skeleton import (
    COCO,
    MPII,
    SKELETONS,
    Skeleton,
    definition,
    differences,
    load_skeleton,
    skeleton_of,
)
from noda_synth.errors import NodaError
from tests.command import ROOT

NINE = """
name = "nine"
joints = ["crown", "chin", "chest", "hand_r", "hand_l", "seat", "foot_r", "foot_l", "tail"]
limbs = [
    ["crown", "chin"], { joints = ["chin", "chest"], width = 0.5 },
    { joints = ["chest", "seat"], width = [0.8, 0.7], length = 1.1 },
    { joints = ["chest", "hand_r"], width = [0.3, 0.2] }, { joints = ["chest", "hand_l"], width = [0.3, 0.2] },
    { joints = ["seat", "foot_r"], width = 0.35 }, { joints = ["seat", "foot_l"], width = 0.35 },
]
flips = [["hand_r", "hand_l"], ["foot_r", "foot_l"]]
limb_joints = ["hand_r", "hand_l", "foot_r", "foot_l"]
protected = ["crown", "chin"]
protected_segments = [["crown", ["chin", "chest"]]]

[groups]
hands = ["hand_r", "hand_l"]

[aliases]
head = "crown"
"""


def nine(**changes: Any) -> Skeleton:
    """The skeleton above with some keys changed; None takes a key out."""
    content = {**tomllib.loads(NINE), **changes}
    return skeleton_of({key: value for key, value in content.items() if value is not None}, "nine.toml")


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_shipped_skeleton_is_complete(skeleton: Skeleton) -> None:
    assert set(skeleton.coverable) == {
        f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle")
    }
    assert {joint for pair in skeleton.flips for joint in pair} == {
        joint for joint in skeleton.joints if joint.startswith(("left_", "right_"))
    }
    assert all(right.startswith("right_") for right, _ in skeleton.flips)
    assert {joint for limb in skeleton.limbs for joint in limb} == set(skeleton.joints)


def test_sizes_orders_and_sigmas_of_the_shipped_ones() -> None:
    assert {name: len(skeleton) for name, skeleton in SKELETONS.items()} == {
        "mpii16": 16,
        "coco17": 17,
        "crowdpose14": 14,
        "lsp14": 14,
    }
    assert (MPII.joints[0], MPII.joints[9], MPII.joints[15]) == ("right_ankle", "head_top", "left_wrist")
    assert SKELETONS["lsp14"].joints[12:] == ("neck", "head_top")
    assert [name for name, skeleton in SKELETONS.items() if skeleton.sigmas is None] == ["mpii16", "lsp14"]
    assert COCO.sigmas is not None and COCO.sigmas[11] == 0.107
    crowd = SKELETONS["crowdpose14"]
    assert crowd.sigmas is not None
    assert all(crowd.sigmas[crowd.index[joint]] == COCO.sigmas[COCO.index[joint]] for joint in crowd.joints[:12])


@pytest.mark.parametrize("skeleton", [*SKELETONS.values(), nine()], ids=[*SKELETONS, "nine"])
def test_a_skeleton_comes_back_from_its_definition(skeleton: Skeleton) -> None:
    again = skeleton_of(json.loads(json.dumps(definition(skeleton))), "pool.h5")
    assert again == skeleton and hash(again) == hash(skeleton)


def test_skeletons_are_compared_by_value_without_aliases() -> None:
    assert nine() == nine(aliases=None)
    assert nine() != nine(protected_needed=1)
    assert nine().widths[1:4] == ((0.5, 0.5), (0.8, 0.7), (0.3, 0.2))
    assert nine().lengths[:3] == (None, None, 1.1)
    assert nine().protected_segments == ((("crown",), ("chin", "chest")),)
    assert nine(groups=None).groups["tail"] == ("tail",)


def test_what_two_skeletons_differ_in_can_be_told() -> None:
    assert differences(nine(), nine(name="other", protected_needed=1)) == ["name", "protected_needed"]
    crowd = SKELETONS["crowdpose14"]
    other = crowd.ordered_as(reversed(crowd.joints))
    assert other is not None and differences(crowd, other) == ["order of joints"]


def test_the_order_of_a_file_is_taken_over() -> None:
    crowd = SKELETONS["crowdpose14"]
    names = ["neck", "head", *crowd.joints[:12]]
    other = crowd.ordered_as(names)
    assert other is not None and other != crowd
    assert other.joints == ("neck", "head_top", *crowd.joints[:12])
    assert other.sigmas is not None and other.sigmas[-1] == 0.089
    assert crowd.ordered_as([*crowd.joints[:12], "top_head", "neck"]) == crowd
    assert crowd.ordered_as(MPII.joints) is None
    assert crowd.ordered_as([*crowd.joints[:12], 3, ["neck"]]) is None
    assert crowd.ordered_as([*crowd.joints[:12], "head", "head"]) is None


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "nine.toml").write_text(NINE)
    assert load_skeleton(tmp_path / "nine.toml") == nine()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": None}, "name: missing"),
        ({"name": ""}, "name: '' is no name"),
        ({"joint": ["a"]}, "joint: no such key; there are name, joints"),
        ({"joints": "crown"}, "joints: two names or more"),
        ({"joints": ["a", "b", "a"]}, "joints: 'a' stands there twice"),
        ({"limbs": [["crown", "nose"]]}, "limbs: 'nose' is no joint; there are crown, chin"),
        ({"limbs": [["crown", "crown"]]}, "limbs: ['crown', 'crown'] is no pair"),
        ({"limbs": [["crown"]]}, "limbs: ['crown'] is no pair"),
        ({"limbs": [7]}, "limbs: 7 is no pair"),
        ({"limbs": [["crown", "chin"], ["chin", "crown"]]}, "limbs: chin to crown stands there twice"),
        ({"limbs": [["crown", "chin"], ["chest", "hand_r"]]}, "chest to hand_l, which is missing"),
        ({"limbs": [{"joints": ["crown", "chin"], "wide": 1}]}, "no such key as wide"),
        ({"limbs": [{"joints": ["crown", "chin"], "width": [1, 2, 3]}]}, "crown to chin: width is a number"),
        ({"limbs": [{"joints": ["crown", "chin"], "width": -0.1}]}, "crown to chin: width is a number"),
        ({"limbs": [{"joints": ["crown", "chin"], "length": float("nan")}]}, "crown to chin: length is a number"),
        ({"flips": [["hand_r", "hand_l"], ["hand_r", "foot_l"]]}, "flips: 'hand_r' stands in two pairs"),
        ({"limb_joints": ["hand_r"]}, "limb_joints: not symmetric: hand_r is in it, hand_l is not"),
        ({"limb_joints": ["crown"]}, "limb_joints: 'crown' is protected"),
        ({"limb_joints": []}, "limb_joints: a list of one joint or more"),
        ({"protected": ["head"]}, "protected: 'head' is no joint"),
        ({"protected": ["hand_l"], "limb_joints": ["foot_l", "foot_r"]}, "protected: not symmetric"),
        ({"protected_needed": 3}, "protected_needed: a whole number from 0 to 2"),
        ({"protected_needed": True}, "protected_needed: a whole number"),
        ({"protected_segments": [["crown"]]}, "protected_segments: ['crown'] is no pair of ends"),
        ({"protected_segments": [["crown", "nose"]]}, "protected_segments: 'nose' is no joint"),
        ({"groups": ["crown"]}, "groups: a table is needed, [groups]"),
        ({"groups": {"head": ["nose"]}}, "groups.head: 'nose' is no joint"),
        ({"sigmas": {"crown": 0.1}}, "sigmas: chin has none"),
        ({"sigmas": {"crown": "0.1"}}, "sigmas: crown: '0.1' is no sigma"),
        ({"aliases": {"head": "nose"}}, "aliases: 'nose' is no joint"),
        ({"aliases": {"chin": "crown"}}, "aliases: 'chin' is a joint itself"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(NodaError) as error:
        nine(**changes)
    assert str(error.value).startswith("nine.toml: ") and words in str(error.value)


def test_left_and_right_by_name_need_a_flip() -> None:
    joints = {"joints": ["head", "left_paw", "right_paw"], "limbs": [], "limb_joints": ["left_paw", "right_paw"]}
    with pytest.raises(NodaError, match=r"flips: not symmetric: \['right_paw', 'left_paw'\] is missing"):
        nine(**joints, flips=[], protected=["head"], protected_segments=[], groups=None, aliases=None)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_text("joints = [\n"), "no TOML"),
        (lambda path: path.write_bytes(b"name = '\xff'"), "no TOML"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "mine.toml"
    spoil(path)
    with pytest.raises(NodaError, match=words) as error:
        load_skeleton(path)
    assert str(path) in str(error.value)


def test_the_file_in_the_docs_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "skeletons.md").read_text(), re.S)
    assert skeleton_of(tomllib.loads(text), "docs").aliases == {"head_top": "crown"}


def test_skeleton_files_are_part_of_the_package() -> None:
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "data/skeletons/*.toml" in package_data["noda_synth"]
    assert {path.stem for path in (ROOT / "noda_synth" / "data" / "skeletons").glob("*.toml")} == set(SKELETONS)
