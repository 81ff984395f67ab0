"""The demo data set: the same every time, and true: joints, visibility, outlines and files agree with one another."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, VISIBLE
from noda_synth.data.skeleton import MPII
from noda_synth.demo.dataset import MARK, DemoSettings, draw_image, write_demo
from noda_synth.demo.optics.camera import Camera
from noda_synth.demo.optics.raster import nearest, scan
from noda_synth.demo.people.anatomy import Anatomy
from noda_synth.demo.people.figure import Figure, draw_figure, posed_figure
from noda_synth.demo.people.pose import BonePose, arm, mirrored
from noda_synth.demo.people.poses import POSES
from noda_synth.demo.places.props import Prop
from noda_synth.demo.places.scenery import park, room
from noda_synth.demo.primitives.mesh import Mesh, box, loft
from noda_synth.demo.rendering import render
from noda_synth.demo.scene import Scene
from noda_synth.demo.truth import PersonTruth, truths
from noda_synth.errors import NodaError
from noda_synth.formats import rle_decode
from tests.command import noda

SMALL = DemoSettings(images=7, valid_images=3, size=(256, 192), seed=5)
"""Few and small, so that it is quick; ten images in all."""


def make(out: Path, chosen: DemoSettings = SMALL, *, jobs: int = 1, overwrite: bool = False) -> tuple[int, int] | None:
    return write_demo(out, chosen, workers=jobs, overwrite=overwrite, on_image=lambda _: None)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "set"
    make(out)
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def decoded(rle: dict[str, Any]) -> NDArray[np.bool_]:
    return rle_decode(rle, (rle["size"][1], rle["size"][0]))


def people(demo: Path) -> list[dict[str, Any]]:
    """Everyone: image, keypoints (16, 3), and both outlines as masks."""
    outlines = read(demo / "annot" / "outlines.json")
    names = {image["id"]: image["file_name"] for image in outlines["images"]}
    return [
        {
            "image": names[annotation["image_id"]],
            "keypoints": np.array(annotation["keypoints"], float).reshape(16, 3),
            "visible": decoded(annotation["segmentation"]),
            "amodal": decoded(annotation["noda"]["amodal"]),
        }
        for annotation in outlines["annotations"]
    ]


def pixel(x: float, y: float) -> tuple[int, int]:
    """Row and column."""
    return int(np.floor(y + 0.5)), int(np.floor(x + 0.5))


# Files


def test_same_seed_same_bytes_whatever_the_number_of_workers(demo: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", jobs=2)
    assert content(tmp_path / "again") == content(demo)


@pytest.mark.parametrize("seed", range(8))
def test_a_hedge_has_a_round_top_and_no_holes(seed: int) -> None:
    wall = park(np.random.default_rng(seed)).wall
    steepness = np.abs(np.diff(wall.ridge)) * len(wall.ridge) / wall.size[0]
    assert steepness.max() < 2
    assert wall.ridge.max() - wall.ridge.min() < 1.5


def test_an_image_depends_on_seed_and_number_alone() -> None:
    chosen = DemoSettings(images=1, valid_images=1, size=(128, 96), seed=5)
    assert draw_image(chosen, 2).jpeg == draw_image(replace(chosen, images=40), 2).jpeg
    assert draw_image(chosen, 2).jpeg != draw_image(replace(chosen, seed=6), 2).jpeg != draw_image(chosen, 3).jpeg


def test_every_image_opens_at_its_size_and_belongs_to_one_part(demo: Path) -> None:
    outlines = read(demo / "annot" / "outlines.json")
    assert len(outlines["images"]) == 10
    for image in outlines["images"]:
        picture = cv2.imread(str(demo / "images" / image["file_name"]))
        assert picture is not None and picture.shape == (192, 256, 3)
        assert picture.std() > 15
    parts = [{record["image"] for record in read(demo / "annot" / f"{part}.json")} for part in ("train", "valid")]
    assert not parts[0] & parts[1]


def test_gt_valid_has_the_rows_of_valid_json_and_says_who_is_visible(demo: Path) -> None:
    records = read(demo / "annot" / "valid.json")
    truth = scipy.io.loadmat(demo / "annot" / "gt_valid.mat")
    assert truth["pos_gt_src"].shape == (16, 2, len(records))
    for row, record in enumerate(records):
        labelled = np.array(record["joints_vis"], bool)
        assert np.array_equal(truth["jnt_missing"][:, row], ~labelled)
        assert np.allclose(truth["pos_gt_src"][labelled, :, row], np.array(record["joints"])[labelled])
        assert np.array_equal(truth["jnt_visible"][labelled, row], np.array(record["joints_visible"])[labelled])


def test_mpii_lists_are_one_based_and_agree_with_the_outlines(demo: Path) -> None:
    records = [record for part in ("train", "valid") for record in read(demo / "annot" / f"{part}.json")]
    everyone = people(demo)
    assert len(records) == len(everyone)
    for record, person in zip(records, everyone, strict=True):
        labelled = np.array(record["joints_vis"], bool)
        assert record["image"] == person["image"]
        assert np.allclose(np.array(record["joints"])[labelled] - 1, person["keypoints"][labelled, :2])
        assert np.array_equal(np.array(record["joints_visible"])[labelled] + 1, person["keypoints"][labelled, 2])
        assert (np.array(record["joints"])[~labelled] == -1).all()


# Truth


def test_outlines_are_disjoint_and_within_the_whole_ones(demo: Path) -> None:
    taken: dict[str, NDArray[np.int64]] = {}
    for person in people(demo):
        assert person["visible"].any()
        assert not (person["visible"] & ~person["amodal"]).any()
        taken[person["image"]] = taken.get(person["image"], np.zeros((192, 256), np.int64)) + person["visible"]
    assert all(count.max() <= 1 for count in taken.values())


def test_joints_lie_in_the_whole_outline_and_visible_ones_in_the_visible(demo: Path) -> None:
    for person in people(demo):
        for x, y, v in person["keypoints"][person["keypoints"][:, 2] > 0]:
            assert person["amodal"][pixel(x, y)]
            if v == 2:
                assert person["visible"][pixel(x, y)]


def test_people_hide_people_and_joints(demo: Path) -> None:
    everyone = people(demo)
    covered = [person["amodal"].sum() - person["visible"].sum() for person in everyone]
    assert sum(count > 50 for count in covered) >= 3
    states = Counter(int(v) for person in everyone for v in person["keypoints"][:, 2])
    assert states[1] > 0.08 * states[2] and states[2] > states[1]


AT_EASE = BonePose(arm("left", out=14) | arm("right", out=14))


def average(pose: BonePose = AT_EASE, seed: int = 0) -> Figure:
    body = Anatomy(height=1.75, girth=1.0, curve=0.0, shoulders=1.0, head=0.132)
    return posed_figure(np.random.default_rng(seed), body, pose, ((90, 90, 90),))


def at(figure: Figure, x: float, z: float, heading: float = 0.0) -> Figure:
    c, s = np.cos(heading), np.sin(heading)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    joints, points = (values @ turn.T + [x, 0, z] for values in (figure.joints, figure.mesh.points.astype(float)))
    return replace(figure, mesh=figure.mesh.moved(points), joints=joints, heading=heading)


def seen(*figures: Figure, things: list[Prop] | None = None) -> list[PersonTruth]:
    camera = Camera(size=(240, 320), focal=480.0, height=1.0, pitch=0.0, roll=0.0)
    random = np.random.default_rng(0)
    scene = Scene(room(random), camera, list(figures), things or [])
    return truths(scene, render(scene, random), "one.jpg")


def states(truth: PersonTruth) -> dict[str, int]:
    return dict(zip(MPII.joints, truth.person.visible.tolist(), strict=True))


def test_from_the_front_every_joint_of_someone_who_stands_is_visible() -> None:
    for heading in (0.0, np.pi):
        (truth,) = seen(at(average(), 0, -3.5, heading))
        assert truth.person.labelled.all()
        assert set(states(truth).values()) == {VISIBLE}


def test_the_left_of_someone_who_faces_the_camera_is_right_in_the_picture() -> None:
    (truth,) = seen(at(average(), 0, -3.5))
    x = dict(zip(MPII.joints, truth.person.joints[:, 0], strict=True))
    assert all(
        x[f"left_{joint}"] > x[f"right_{joint}"] for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    )


@pytest.mark.parametrize(("heading", "near", "far"), [(np.pi / 2, "right", "left"), (-np.pi / 2, "left", "right")])
def test_from_the_side_the_far_shoulder_and_hip_are_hidden_by_the_own_body(heading: float, near: str, far: str) -> None:
    (truth,) = seen(at(average(), 0, -3.5, heading))
    state = states(truth)
    assert state[f"{far}_shoulder"] == state[f"{far}_hip"] == OCCLUDED
    assert state[f"{near}_shoulder"] == VISIBLE
    assert state["head_top"] == state["upper_neck"] == VISIBLE


def test_who_stands_before_someone_hides_the_joints_under_the_own_outline() -> None:
    behind, before = at(average(), 0, -4.5), at(average(seed=1), 0.12, -3.2)
    (alone,), (covered, front) = seen(behind), seen(behind, before)
    assert np.array_equal(alone.amodal, covered.amodal)
    assert np.array_equal(alone.person.joints, covered.person.joints)
    assert (covered.visible == (alone.visible & ~front.visible)).mean() > 0.999
    for was, now, (x, y) in zip(alone.person.visible, covered.person.visible, covered.person.joints, strict=True):
        assert now == (OCCLUDED if front.visible[pixel(x, y)] else was)
    assert (covered.person.visible == OCCLUDED).any()


def test_a_thing_before_the_legs_hides_the_legs() -> None:
    texture = np.full((256, 256, 3), 120, np.uint8)
    crate = Prop(box((1.2, 0.7, 0.2), (0, 0.35, -2.6), 0), [texture])
    (truth,) = seen(at(average(), 0, -3.5), things=[crate])
    state = states(truth)
    assert {state[f"{side}_{joint}"] for side in ("left", "right") for joint in ("knee", "ankle")} == {OCCLUDED}
    assert state["pelvis"] == state["head_top"] == VISIBLE


def test_joints_outside_the_picture_are_unlabelled() -> None:
    (truth,) = seen(at(average(), 0.55, -2.5))
    labelled = dict(zip(MPII.joints, truth.person.labelled, strict=True))
    assert labelled["right_shoulder"] and not labelled["left_wrist"]
    assert np.isnan(truth.person.joints[~truth.person.labelled]).all()


def test_scale_is_the_height_of_the_person_in_units_of_200_px() -> None:
    (truth,) = seen(at(average(), 0, -3.5))
    rows = np.flatnonzero(truth.amodal.any(axis=1))
    assert truth.person.scale is not None and truth.person.center is not None
    assert rows[-1] - rows[0] == pytest.approx(200 * truth.person.scale, rel=0.06)
    # What trainers make of the center is the middle of the joints.
    middle = (truth.person.joints.min(axis=0) + truth.person.joints.max(axis=0)) / 2
    assert truth.person.center[1] + 15 * truth.person.scale == pytest.approx(middle[1], abs=0.01)


# Bodies


def test_bones_keep_their_length_in_every_pose() -> None:
    rest = average().joints
    for draw in POSES:
        joints = average(draw(np.random.default_rng(3))).joints
        for a, b in MPII.limb_indices:
            if {MPII.joints[a], MPII.joints[b]} & {"thorax", "upper_neck"}:
                continue
            assert np.linalg.norm(joints[a] - joints[b]) == pytest.approx(np.linalg.norm(rest[a] - rest[b])), draw


def test_nobody_sinks_into_the_floor_or_floats_unless_jumping() -> None:
    for draw in POSES:
        pose = draw(np.random.default_rng(4))
        assert average(pose).mesh.points[:, 1].min() == pytest.approx(pose.lift, abs=1e-5)


def test_a_mirrored_pose_has_mirrored_joints() -> None:
    pose = next(iter(POSES))(np.random.default_rng(1))
    flipped = average(mirrored(pose)).joints
    order = np.arange(16)
    for a, b in MPII.flip_indices:
        order[[a, b]] = b, a
    assert average(pose).joints[order] * [-1, 1, 1] == pytest.approx(flipped)


def test_heads_are_a_seventh_to_an_eighth_of_the_height_and_joints_lie_inside() -> None:
    figure = average()
    head = figure.joints[MPII.index["head_top"], 1] - figure.joints[MPII.index["upper_neck"], 1]
    assert 1 / 9.5 < head / 1.75 < 1 / 7.5
    assert figure.joints[:, 1].max() < figure.mesh.points[:, 1].max()


def closed(mesh: Mesh) -> bool:
    """Every edge runs once in each direction."""
    faces = mesh.twin[mesh.faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    edges = Counter(map(tuple, faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).tolist()))
    return all(edges[b, a] == count for (a, b), count in edges.items())


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.points[mesh.faces].astype(float).transpose(1, 0, 2)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_surfaces_are_closed_and_look_outward() -> None:
    y = np.array([0.5, -0.5])
    drum = loft(np.column_stack([y, np.full((2, 3), 0.4)]), 64)
    assert closed(drum) and volume(drum) == pytest.approx(np.pi * 0.16, rel=0.01)
    crate = box((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 0)
    assert volume(crate) == pytest.approx(6.0, rel=1e-5)
    assert closed(draw_figure(np.random.default_rng(0), ((90, 90, 90),)).mesh)


def test_scanning_finds_the_samples_inside_and_the_nearest_of_them() -> None:
    points = np.array([[1.0, 1, 0.5], [1, 15, 0.5], [18, 4, 0.5], [0, 0, 0.2], [0, 19, 0.9], [19, 10, 0.9]])
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    size = (20, 20)
    face, near = nearest(scan(points, faces, size), size)
    y, x = np.mgrid[:20, :20]
    expected = np.zeros((20, 20))
    for corners in points[faces]:
        (ax, ay, an), (bx, by, bn), (cx, cy, cn) = corners
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        b = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        c = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        within = (b >= -1e-9) & (c >= -1e-9) & (b + c <= 1 + 1e-9)
        expected = np.maximum(expected, np.where(within, an + b * (bn - an) + c * (cn - an), 0))
    assert np.allclose(near, expected, atol=1e-5)
    assert np.array_equal(face >= 0, expected > 0) and {0, 1} <= set(face.ravel().tolist())
    # From behind there is nothing to see.
    assert len(scan(points, faces[:, ::-1], size).pixel) == 0


# Command


def test_an_existing_folder_is_refused_and_only_own_ones_are_replaced(demo: Path, tmp_path: Path) -> None:
    few = DemoSettings(images=1, valid_images=1, size=(64, 64))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("x")
    with pytest.raises(NodaError, match="exists"):
        make(foreign, few)
    with pytest.raises(NodaError, match="not made by noda-synth"):
        make(foreign, few, overwrite=True)
    assert (foreign / "thesis.txt").exists()
    own = tmp_path / "own"
    make(own, few)
    assert make(own, few) is None, "made with the same settings: nothing to do"
    with pytest.raises(NodaError, match="seed: 0 there, 1 now"):
        make(own, replace(few, seed=1))
    make(own, replace(few, seed=1), overwrite=True)
    assert read(own / MARK)["seed"] == 1
    assert not (tmp_path / "own.partial").exists()


def test_command_says_what_it_made(tmp_path: Path) -> None:
    arguments = ["demo-data", str(tmp_path / "a"), "--images=1", "--valid-images=1", "--size=96x64", "--jobs=1", "-q"]
    result = noda(*arguments[:-1])
    assert result.exit_code == 0 and "1 training images" in result.output
    again = noda(*arguments[:-1])
    assert again.exit_code == 0 and "nothing to do" in again.output
    result = noda(*arguments, "--overwrite")
    assert result.exit_code == 0 and result.output == ""


@pytest.mark.parametrize("size", ["960", "10x10", "960x", "99999x20"])
def test_command_refuses_odd_sizes_by_name(tmp_path: Path, size: str) -> None:
    result = noda("demo-data", tmp_path / "a", "--size", size)
    assert result.exit_code == 2 and size in result.stderr
