"""Sets of other joints than MPII's and COCO's, from annotation files to rendered sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Dataset
from noda_synth.data.pose import Pose, stated_limbs
from noda_synth.data.skeleton import COCO, MPII, SKELETONS, load_skeleton
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, coco_annotation, find_layout, read_dataset
from noda_synth.masks.body_parts import Capsule, body_parts
from noda_synth.pool.reader import DamagedPool, Pool
from tests.command import done, refused
from tests.conftest import Made
from tests.mpii_files import write_json
from tests.other_joints import CROWDPOSE, LSP, NINE, NINE_TOML, recast

FRAME = (0.0, 0.0, 400.0, 400.0)


@pytest.fixture(scope="module")
def nine(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Nine joints of invented names, the skeleton file beside the annotations."""
    folder = tmp_path_factory.mktemp("nine")
    recast(drawn.data, folder / "annot" / "person_keypoints_train.json", NINE)
    (folder / "images").symlink_to(drawn.data / "images")
    (folder / "annot" / "skeleton.toml").write_text(NINE_TOML)
    done("build-pool", "--data", folder, "--out", folder / "pool.h5", "--levels", "posecut", "--jobs", 1, "-q",
         "--follow-links")  # fmt: skip
    return Made(folder, folder / "pool.h5")


def people(folder: Path, category: list[str], **changes: Any) -> Dataset:
    """Someone with the joints of a category, read back; every flag is 1."""
    keypoints = [value for joint in range(len(category)) for value in (10.0 * joint, 20.0, 1)]
    seen = [10.0, 20.0, 2] * len(category)  # somebody else is visible, so 1 means occluded
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 400, "height": 300}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "keypoints": keypoints, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "keypoints": seen, "iscrowd": 0},
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": category}],
    }
    return read_dataset(Layout(folder, write_json(folder / "people.json", content), "coco", **changes))


@pytest.mark.parametrize(("head", "neck"), [("head", "neck"), ("top_head", "neck"), ("head_top", "neck")])
def test_crowdpose_is_told_by_its_names(tmp_path: Path, head: str, neck: str) -> None:
    dataset = people(tmp_path, [*SKELETONS["crowdpose14"].joints[:12], head, neck])
    assert dataset.skeleton == SKELETONS["crowdpose14"]
    # Its files have v = 1 for every head and neck, which says nothing.
    assert dataset.persons[0].visible.tolist() == [OCCLUDED] * 12 + [UNKNOWN] * 2
    assert dataset.persons[0].labelled.all()


def test_a_head_that_was_1_stays_1_and_is_told_from_a_covered_one(tmp_path: Path) -> None:
    category = [*SKELETONS["crowdpose14"].joints[:12], "head", "neck"]
    person = people(tmp_path, category).persons[0]
    after = person.visible.copy()
    after[12:] = OCCLUDED
    for visible, expected in ((None, UNKNOWN), (after, OCCLUDED)):
        entry = coco_annotation(person, annotation_id=1, image_id=1, size=(400, 300), visible=visible)
        assert entry["keypoints"][2::3] == [1] * 14
        content = json.loads((tmp_path / "people.json").read_text())
        write_json(tmp_path / "again.json", {**content, "annotations": [entry, content["annotations"][1]]})
        again = read_dataset(Layout(tmp_path, tmp_path / "again.json", "coco"))
        assert again.persons[0].visible[12:].tolist() == [expected] * 2


def test_the_skeleton_takes_over_the_order_of_the_file(tmp_path: Path) -> None:
    dataset = people(tmp_path, [*reversed(COCO.joints)])
    assert dataset.skeleton != COCO and dataset.skeleton.joints == COCO.joints[::-1]
    assert dataset.persons[0].joints[dataset.skeleton.index["nose"], 0] == 160.0


def test_lsp_and_crowdpose_are_told_apart_by_their_order(tmp_path: Path) -> None:
    lsp = SKELETONS["lsp14"]
    assert people(tmp_path, [*lsp.joints]).skeleton == lsp
    mixed = [*lsp.joints[::-1]]
    with pytest.raises(NodaError, match="could be those of crowdpose14 or lsp14, in the order of neither; say which"):
        people(tmp_path, mixed)
    file = tmp_path / "mine.toml"
    file.write_text((Path(__file__).parents[1] / "noda_synth/data/skeletons/lsp14.toml").read_text())
    assert people(tmp_path, mixed, skeleton=file).skeleton.joints == tuple(mixed)


def test_names_that_differ_in_spelling_only_show_both_lists(tmp_path: Path) -> None:
    with pytest.raises(NodaError) as error:
        people(tmp_path, [joint.replace("_", " ").title() for joint in COCO.joints])
    assert "differ from those of coco17 in spelling only" in str(error.value)
    assert "Left Eye, Right Eye" in str(error.value) and "left_eye, right_eye" in str(error.value)


def test_keypoints_that_are_not_the_skeleton_file_s_show_both_lists(tmp_path: Path) -> None:
    (tmp_path / "nine.toml").write_text(NINE_TOML)
    with pytest.raises(NodaError) as error:
        people(tmp_path, [*COCO.joints], skeleton=tmp_path / "nine.toml")
    assert "no category with the 9 keypoints of nine" in str(error.value)
    assert "nine: crown, chin" in str(error.value) and "person: nose, left_eye" in str(error.value)


@pytest.mark.parametrize(
    ("train", "valid", "images"),
    [
        ("json/crowdpose_train.json", "json/crowdpose_val.json", "images"),
        ("annotations/mmpose_crowdpose_train.json", "annotations/mmpose_crowdpose_val.json", "images"),
        ("annotations/mmpose_crowdpose_train.json", "annotations/mmpose_crowdpose_val.json", "annotations/images"),
    ],
)
def test_crowdpose_s_layouts_are_found(tmp_path: Path, train: str, valid: str, images: str) -> None:
    (tmp_path / images).mkdir(parents=True)
    for name in (train, valid):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_json(tmp_path / name, {"images": [], "annotations": [], "categories": []})
    layout = find_layout(tmp_path)
    assert (layout.annotations, layout.valid) == (tmp_path / train, tmp_path / valid)
    assert layout.images == tmp_path / images


def test_a_body_of_unknown_names_is_made_of_the_file_s_limbs(tmp_path: Path) -> None:
    (tmp_path / "nine.toml").write_text(NINE_TOML)
    skeleton = load_skeleton(tmp_path / "nine.toml")
    points = [(200, 40), (200, 100), (200, 120), (200, 170), (200, 220), (110, 200), (290, 200), (170, 380), (230, 380)]
    pose = Pose(skeleton, np.array(points, float), np.ones(9, bool), np.full(9, VISIBLE, np.int8))
    # The crown is 60 px above the chin, which the file calls .6 S; the arms and legs agree by a few per cent.
    size = pose.size
    assert size == pytest.approx(100, rel=0.07)
    parts = body_parts(pose, FRAME)
    assert len(parts) == len(skeleton.limbs)
    capsules = {(*part.start, *part.end): part.radii for part in parts if isinstance(part, Capsule)}
    assert capsules[200, 120, 200, 170] == pytest.approx((0.4 * size, 0.35 * size))
    assert capsules[200, 220, 170, 380] == pytest.approx((0.225 * size, 0.15 * size))
    (head,) = [(ends, radii) for ends, radii in capsules.items() if 40 < ends[1] < 100]
    assert sorted(head[0][1::2]) == pytest.approx([40 + 0.2 * size, 100 - 0.2 * size])
    assert head[1] == pytest.approx((0.25 * size, 0.25 * size))
    hidden = replace(pose, visible=np.array([1, 1, 1, 1, 1, 1, 1, 1, 0], np.int8))
    assert (200.0, 220.0, 215.0, 300.0) in {
        (*part.start, *part.end) for part in body_parts(hidden, FRAME) if isinstance(part, Capsule)
    }


def test_limbs_of_known_names_are_those_that_were_fitted() -> None:
    assert all(stated_limbs(skeleton) == [] for skeleton in SKELETONS.values())


def test_a_pool_is_read_without_the_skeleton_file(nine: Made) -> None:
    stored = Pool(nine.pool).skeleton
    assert stored == load_skeleton(nine.data / "annot" / "skeleton.toml")
    assert stored.widths[2] == (0.8, 0.7) and len(Pool(nine.pool)) > 5


def test_names_stand_for_mpii_and_coco_in_their_pools(drawn: Made, drawn_coco: Made) -> None:
    for made, skeleton in ((drawn, MPII), (drawn_coco, COCO)):
        with h5py.File(made.pool) as file:
            assert "skeleton_definition" not in file.attrs
        assert Pool(made.pool).skeleton == skeleton


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "nine"}'])
def test_a_pool_with_a_spoilt_skeleton_is_damaged(nine: Made, tmp_path: Path, text: str) -> None:
    (tmp_path / "pool.h5").write_bytes(nine.pool.read_bytes())
    with h5py.File(tmp_path / "pool.h5", "a") as file:
        file.attrs["skeleton_definition"] = text
    with pytest.raises(DamagedPool, match="is damaged"):
        Pool(tmp_path / "pool.h5")


def test_nine_joints_go_all_the_way(nine: Made, tmp_path: Path) -> None:
    out = nine.render(tmp_path / "out", "--format", "png", "--coco", "--follow-links", "--preset", "best")
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) > 3
    limbs = {"hand_r", "hand_l", "foot_r", "foot_l"}
    assert all(limbs & set(line["covered"]) and not {"crown", "chin"} & set(line["covered"]) for line in lines)
    for name in ("coco_train_scene.json", "coco_train_topdown.json"):
        content = json.loads((out / "annot" / name).read_text())
        assert content["categories"][0]["keypoints"] == list(NINE)
        assert {len(annotation["keypoints"]) for annotation in content["annotations"]} == {27}
    assert load_skeleton(out / "annot" / "skeleton.toml") == Pool(nine.pool).skeleton
    # The written set says what its joints are: it is read, shown and cut out again without another word.
    assert read_dataset(find_layout(out)).skeleton == Pool(nine.pool).skeleton
    done("preview", out, "--out", tmp_path / "renders.png", "--number", 4)
    done("preview", nine.pool, "--out", tmp_path / "bodies.png", "--number", 4)
    line = lines[0]
    done("replay", out / "manifest.jsonl", "--id", line["id"], "--images", nine.data / "images", "--pool", nine.pool,
         "--out", tmp_path / "again.png")  # fmt: skip
    assert (tmp_path / "again.png").read_bytes() == (out / "images" / line["file"]).read_bytes()


@pytest.mark.parametrize(("joints", "name"), [(CROWDPOSE, "crowdpose14"), (LSP, "lsp14")])
def test_shipped_skeletons_go_all_the_way(
    drawn: Made, drawn_coco: Made, tmp_path: Path, joints: dict[str, dict[str, float]], name: str
) -> None:
    made = drawn_coco if name == "crowdpose14" else drawn
    images = recast(made.data, tmp_path / "train.json", joints, guessed=("head", "neck"))
    data = ("--images", images, "--annotations", tmp_path / "train.json", "--jobs", 1, "-q")
    done("build-pool", *data, "--out", tmp_path / "pool.h5", "--levels", "posecut")
    assert Pool(tmp_path / "pool.h5").skeleton == SKELETONS[name]
    done("render", *data, "--pool", tmp_path / "pool.h5", "--out", tmp_path / "out", "--preset", "best", "--coco")
    written = json.loads((tmp_path / "out" / "annot" / "coco_train_scene.json").read_text())
    assert written["categories"][0]["keypoints"] == list(joints)
    assert not (tmp_path / "out" / "annot" / "skeleton.toml").exists()
    done("preview", tmp_path / "out", "--out", tmp_path / "renders.png", "--number", 3)
    told = refused("render", "--data", made.data, "--pool", tmp_path / "pool.h5", "--out", tmp_path / "other")
    assert f"14 joints of {name}" in told


def test_a_skeleton_is_named_or_pointed_to(drawn: Made, tmp_path: Path) -> None:
    words = ("build-pool", "--data", drawn.data, "--out", tmp_path / "pool.h5", "--levels", "box", "-q", "--jobs", 1)
    assert "no such skeleton file, and no skeleton that is shipped: mpii16" in refused(*words, "--skeleton", "mpii")
    assert "which have the 16 joints of mpii16" in refused(*words, "--skeleton", "lsp14")
    own = tmp_path / "own.toml"
    text = (Path(__file__).parents[1] / "noda_synth/data/skeletons/mpii16.toml").read_text()
    own.write_text(text.replace('protected = ["head_top", "upper_neck"]', 'protected = ["head_top", "pelvis"]'))
    done(*words, "--skeleton", own)
    assert Pool(tmp_path / "pool.h5").skeleton.protected == ("head_top", "pelvis")
    assert "other" in refused(*words, "--skeleton", "mpii16")


def test_convert_takes_a_skeleton_too(nine: Made, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(NINE_TOML)
    train = nine.data / "annot" / "person_keypoints_train.json"
    told = refused("convert", train, tmp_path / "out.json", "--skeleton", tmp_path / "own.toml")
    assert "the 9 joints of nine do not map to MPII's 16 (there is no right_ankle, right_knee" in told
