"""Bodies on the target's ground: the paper's rules hold, and those of the ground beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from noda_synth.data.dataset import UNKNOWN, Person
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import SKELETONS
from noda_synth.data.stance import astride, bent_legs, grounded, stance_distance, stance_of
from noda_synth.data.stance import standing as stands
from noda_synth.formats import find_layout, read_dataset
from noda_synth.imaging.bars import frame_of, frame_of_reduced
from noda_synth.imaging.compositing import fused_colours
from noda_synth.imaging.fingerprint import fingerprint
from noda_synth.imaging.images import read_image, read_reduced
from noda_synth.imaging.tone import tone, tone_distance
from noda_synth.masks.completeness import largest_piece, limb_cover
from noda_synth.methods import Sources
from noda_synth.methods.ground import DROPS, HORIZON, MAX_ENLARGE, GroundBodies, GroundTarget, draw_on_ground
from noda_synth.methods.noda import Noda
from noda_synth.methods.placement import Occluders, Placement
from noda_synth.methods.placement_settings import PRESETS, PlacementSettings
from noda_synth.methods.real_pairs import measured_drops
from noda_synth.pool.build import PoolSettings, build_pool
from noda_synth.pool.layout import NO_VIDEO
from noda_synth.pool.reader import Pool
from noda_synth.runs.jobs import Execution
from tests.command import done
from tests.conftest import Made
from tests.drawn_set import write_mpii
from tests.standing import standing

MPII16 = SKELETONS["mpii16"]
SIZE = (420, 300)
GROUND = replace(PRESETS["best"], body_quality=1.0)


@pytest.fixture(scope="module")
def pool(drawn: Made) -> Pool:
    return Pool(drawn.pool)


def person(middle: float = 200.0, top: float = 30.0, height: float = 150.0, **changes: Any) -> Person:
    joints = standing(middle, top=top, height=height).joints
    whole = Person(
        image="target.jpg", person_id="target.jpg#0", joints=joints, labelled=np.ones(16, bool),
        visible=np.full(16, UNKNOWN, np.int8), scale=0.8,
    )  # fmt: skip
    return replace(whole, **changes)


def target_of(*others: Person, settings: PlacementSettings = GROUND, **changes: Any) -> GroundTarget:
    return GroundTarget(person(**changes), MPII16, SIZE, settings, others)


def draws(pool: Pool, target: GroundTarget, number: int = 60, settings: PlacementSettings = GROUND) -> list[Placement]:
    occluders = Occluders(pool, settings)
    bodies = GroundBodies(occluders)
    drawn = [draw_on_ground(target, occluders, bodies, settings, np.random.default_rng(n))[0] for n in range(number)]
    return [placement for placement in drawn if placement is not None]


def alpha_on_picture(pool: Pool, placement: Placement) -> NDArray[np.uint8]:
    overlay = Noda(GROUND, Sources(pool=pool.path)).overlay(placement)
    picture = np.zeros(SIZE[::-1], np.uint8)
    for (y, x), value in np.ndenumerate(overlay.alpha):
        if 0 <= y + overlay.top < SIZE[1] and 0 <= x + overlay.left < SIZE[0]:
            picture[y + overlay.top, x + overlay.left] = value
    return picture


def test_a_body_on_the_ground_keeps_all_rules(pool: Pool) -> None:
    target = target_of()
    feet = target.person.joints[:, 1].max()
    body_size, half = target.stance[0], np.hypot(*np.ptp(target.person.joints, axis=0)) / 2
    placements = draws(pool, target)
    assert len(placements) > 30
    for placement in placements:
        body = placement.to_picture(pool.joints[placement.body], pool.size[placement.body])
        drop = (body[:, 1].max() - feet) / body_size
        assert -0.02 <= drop <= DROPS[-1] + 0.02
        assert placement.drop == pytest.approx(drop, abs=0.02)
        assert placement.ground == "standing"
        # The law of the ground, and a jitter of 15 %.
        size = stance_of(Pose(MPII16, body, np.ones(16, bool), np.full(16, UNKNOWN, np.int8))).size
        assert placement.drop is not None
        jitter = size / body_size / (1 + placement.drop / HORIZON)
        assert placement.scale == MAX_ENLARGE or jitter == pytest.approx(placement.rescale, rel=0.02)
        assert abs(np.log(placement.rescale)) < 4 * 0.15
        assert placement.scale <= MAX_ENLARGE
        # The paper's: ring, head free, a limb covered.
        assert half / 3 <= placement.radius <= half
        middle = (body.min(axis=0) + body.max(axis=0)) / 2
        assert np.hypot(*(middle - target.center)) == pytest.approx(placement.radius, abs=1.0)
        covered = alpha_on_picture(pool, placement) >= 128
        head, neck = (target.person.joints[MPII16.index[name]] for name in ("head_top", "upper_neck"))
        assert not any(covered[y, x] for x, y in np.floor(np.linspace(head, neck, 500) + 0.5).astype(int))
        limbs = np.floor(target.person.joints[MPII16.flags(MPII16.coverable)] + 0.5).astype(int)
        assert any(covered[y, x] for x, y in limbs)
        # Most of the body in the frame.
        shown = min(placement.left + placement.width, SIZE[0]) - max(placement.left, 0)
        assert shown >= 0.75 * placement.width


def test_sizes_spread_around_the_law(pool: Pool) -> None:
    jitter = np.log([placement.rescale for placement in draws(pool, target_of(), 120)])
    assert 0.07 < jitter.std() < 0.2


def test_nobody_who_stands_nearer_is_covered(pool: Pool) -> None:
    nearer = person(middle=255.0, top=110.0)
    placements = draws(pool, target_of(nearer), 80)
    hits = 0
    for placement in placements:
        covered = alpha_on_picture(pool, placement) >= 128
        body = placement.to_picture(pool.joints[placement.body], pool.size[placement.body])
        if nearer.joints[:, 1].max() > body[:, 1].max() + 0.1 * target_of().stance[0]:
            hits += any(covered[y, x] for x, y in np.floor(nearer.joints + 0.5).astype(int))
    assert placements
    assert not hits
    free = draws(pool, target_of(), 80)
    reached = [alpha_on_picture(pool, p)[tuple(np.floor(nearer.joints[:, ::-1] + 0.5).astype(int).T)] for p in free]
    assert any((values >= 128).any() for values in reached)  # without that person many would have been covered


def test_a_body_ends_at_black_bars_and_is_grey_in_grey(pool: Pool) -> None:
    target = target_of(top=60.0)
    target.see(np.array([10.0, 50, 90, 1, 0, 0]), np.array([0, 40, 420, 205], np.int32))
    placements = draws(pool, target, 30)
    assert placements
    for placement in placements:
        assert placement.frame == (0, 40, 420, 205)
        assert placement.grey
        alpha = alpha_on_picture(pool, placement)
        assert alpha.any()
        assert not alpha[:40].any()
        assert not alpha[205:].any()
    method = Noda(GROUND, Sources(pool=pool.path))
    colours = method.colours(placements[0], method.overlay(placements[0]), np.zeros((300, 420, 3), np.uint8))
    assert (colours == colours[..., :1]).all()


def test_spent_bodies_and_those_of_the_same_image_are_not_drawn(pool: Pool) -> None:
    occluders = Occluders(pool, GROUND)
    bodies, target = GroundBodies(occluders), target_of()
    usual = {p.body for p in draws(pool, target)}
    spent = set(list(usual)[: len(usual) // 2])
    for seed in range(20):
        placement, _ = draw_on_ground(target, occluders, bodies, GROUND, np.random.default_rng(seed), spent)
        assert placement is None or placement.body not in spent
    nothing, reason = draw_on_ground(target, occluders, bodies, GROUND, np.random.default_rng(0), set(range(len(pool))))
    assert nothing is None
    assert "no body" in reason
    own = target_of(image=pool.images[next(iter(usual))])
    assert all(pool.images[p.body] != own.person.image for p in draws(pool, own))


def test_the_nearest_tone_of_those_drawn_comes_first(pool: Pool) -> None:
    wanted = pool.tones().mean(axis=0)
    target = target_of()
    plain = draws(pool, target)
    target.see(wanted, np.array([0, 0, *SIZE], np.int32))
    chosen = draws(pool, target)
    far, near = (tone_distance(pool.tones()[[p.body for p in some]], wanted).mean() for some in (plain, chosen))
    assert near < 0.9 * far


def a_stance(**moved: tuple[float, float]) -> NDArray[np.float64]:
    """Somebody of 150 px who stands, some of the joints moved by (x, y) px."""
    pose = standing(160.0)
    for name, by in moved.items():
        pose.joints[MPII16.index[name]] += by
    return stance_of(pose).as_array()[None]


def test_stances_tell_who_stands_and_who_has_no_ground() -> None:
    upright, kick = a_stance(), a_stance(left_ankle=(60, -60))
    sits = a_stance(**{f"{s}_{j}": (30.0, -35.0) for s in ("left", "right") for j in ("ankle", "knee")})
    lies = stance_of(Pose(MPII16, standing(160.0).joints[:, ::-1].copy(), np.ones(16, bool), np.ones(16, np.int8)))
    rides = standing(160.0)
    assert not bent_legs(rides)
    for side, ahead in (("left", 30.0), ("right", 28.0)):
        rides.joints[MPII16.index[f"{side}_knee"]] += (ahead, -8)
    assert bent_legs(rides)
    assert GroundTarget(person(joints=rides.joints), MPII16, SIZE, GROUND, ()).ground == ""
    hand = a_stance(left_wrist=(0, 90.0))
    assert stands(upright)[0]
    assert grounded(upright)[0]
    assert not stands(kick)[0]
    assert not grounded(kick)[0]
    assert not stands(sits)[0]
    assert grounded(sits)[0]
    assert not stands(lies.as_array()[None])[0]
    assert not stands(hand)[0]
    assert stance_distance(sits, sits[0])[0] == 0
    assert stance_distance(sits * [1, -1, 1, -1, 1, 1, 1, 1], sits[0])[0] == pytest.approx(0)
    assert stance_distance(upright, sits[0])[0] > 0.6


def a_rider(**moved: tuple[float, float]) -> Pose:
    """Somebody who rides towards the camera: knees apart, thighs short, the reins in both hands."""
    pose = standing(160.0)
    by = {"knee": (15.0, -9.0), "ankle": (12.0, -12.0), "wrist": (-12.0, 0.0)}
    for side, sign in (("left", 1), ("right", -1)):
        for joint, (x, y) in by.items():
            pose.joints[MPII16.index[f"{side}_{joint}"]] += (sign * x, y)
    for name, (x, y) in moved.items():
        pose.joints[MPII16.index[name]] += (x, y)
    return pose


def test_who_rides_towards_the_camera_has_no_ground_and_is_no_standing_body() -> None:
    rider = a_rider()
    assert stands(stance_of(rider).as_array()[None])[0]
    assert not bent_legs(rider)
    assert astride(rider)
    assert GroundTarget(person(joints=rider.joints), MPII16, SIZE, GROUND, ()).ground == ""
    no_wrist = np.array([name != "left_wrist" for name in MPII16.joints])
    others = (
        a_rider(left_knee=(0, 14.0)),
        a_rider(left_wrist=(60.0, 0)),
        a_rider(left_wrist=(0, -60.0), right_wrist=(0, -60.0)),
        a_rider(left_knee=(-15.0, 0), right_knee=(15.0, 0)),
        replace(rider, labelled=no_wrist),
        standing(160.0),
    )
    assert not any(map(astride, others))


def test_no_rider_of_the_pool_stands_beside_anybody(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    occluders = Occluders(pool, GROUND)
    usual = GroundBodies(occluders)
    row = int(usual.rows[np.flatnonzero(usual.upright)[0]])
    pose = a_rider()
    place = (pose.joints - pose.joints.min(axis=0)) / 150 * float(pool.size[row].min())
    joints = [place if n == row else pool.joints[n] for n in range(len(pool))]
    monkeypatch.setattr(pool, "joints", joints)
    now = GroundBodies(occluders)
    assert set(usual.rows[usual.upright].tolist()) - set(now.rows[now.upright].tolist()) == {row}


def test_bodies_of_the_same_scene_are_not_drawn(drawn: Made) -> None:
    """Known by the video's number, or by how the picture looks, of people in the pool and of others alike."""
    pool = Pool(drawn.pool)
    row = int(GroundBodies(Occluders(pool, GROUND)).rows[0])
    look, video = pool.looks()[row], 7
    own = Noda(GROUND, Sources(pool=drawn.pool))
    assert row in own._of_scene(look.tobytes(), NO_VIDEO)
    nearly = look.copy()
    nearly[:3] ^= 0xFF
    assert row in own._of_scene(nearly.tobytes(), NO_VIDEO)
    assert row not in own._of_scene((~look).tobytes(), NO_VIDEO)
    own.__dict__["videos"] = np.where(np.arange(len(pool)) == row, video, NO_VIDEO)
    assert own._of_scene((~look).tobytes(), video) == {row}
    picture = read_reduced(drawn.data / "images" / pool.images[row], 4)
    subject = own.subject(person(), MPII16, SIZE)
    own.look(subject, lambda: picture)
    assert row in subject.same_scene
    drawn_rows = {p.body for seed in range(40) if (p := own.draw(subject, np.random.default_rng(seed))[0])}
    assert drawn_rows
    assert not drawn_rows & subject.same_scene


def test_a_pool_knows_the_scenes_and_videos_of_its_bodies(drawn: Made, tmp_path: Path) -> None:
    layout = find_layout(drawn.data)
    dataset = read_dataset(layout)
    for name in list(dataset.images):
        dataset.images.add(replace(dataset.images[name], video=3))
    settings, quiet = PoolSettings(levels=("box",)), Execution(quiet=True)
    build_pool(dataset, layout.images, tmp_path / "pool.h5", settings, {}, quiet)
    pool = Pool(tmp_path / "pool.h5")
    assert (pool.videos() == 3).all()
    assert (Pool(drawn.pool).videos() == NO_VIDEO).all()
    for name, look in zip(pool.images, pool.looks(), strict=True):
        assert look.tobytes() == fingerprint(read_image(layout.images / name))


def test_the_ground_of_who_has_no_ankles_is_told_by_the_hips() -> None:
    pose = standing(160.0)
    cut = np.array(["ankle" not in name and "knee" not in name for name in MPII16.joints])
    stance = stance_of(replace(pose, labelled=cut)).as_array()
    feet = pose.joints[:, 1].max()
    assert stands(stance[None])[0]
    assert stance[6] == pytest.approx(feet, abs=0.2 * stance[0])


@pytest.mark.parametrize("missing", [("hip", "pelvis"), ("shoulder",), ("ankle", "knee", "hip")])
def test_without_trunk_there_is_no_ground(missing: tuple[str, ...]) -> None:
    cut = np.array([not any(part in name for part in missing) for name in MPII16.joints])
    target = GroundTarget(person(labelled=cut), MPII16, SIZE, GROUND, ())
    assert target.ground == ""


def test_who_stands_on_no_ground_gets_the_ring_or_is_passed_over(pool: Pool) -> None:
    joints = person().joints.copy()
    joints[MPII16.index["left_ankle"]] += (50, -60)
    for choice in ("ring", "skip"):
        method = Noda(replace(GROUND, no_ground=choice), Sources(pool=pool.path))
        subject = method.subject(person(joints=joints), MPII16, SIZE)
        placement, reason = method.draw(subject, np.random.default_rng(0))
        if choice == "skip":
            assert placement is None
            assert reason == "stands on no ground"
        else:
            assert placement is not None
            assert placement.ground == "none"
            assert placement.drop is None


def test_nobody_stands_higher_than_who_has_no_ground(pool: Pool) -> None:
    joints = person().joints.copy()
    joints[MPII16.index["left_ankle"]] += (50, -60)
    method = Noda(GROUND, Sources(pool=pool.path))
    subject = method.subject(person(joints=joints), MPII16, SIZE)
    placements = [method.draw(subject, np.random.default_rng(number))[0] for number in range(40)]
    assert sum(placement is not None for placement in placements) > 20
    for placement in filter(None, placements):
        body = placement.to_picture(pool.joints[placement.body], pool.size[placement.body])
        assert body[:, 1].max() >= joints[:, 1].max() - 1e-6


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


def test_the_manifest_names_the_ground(drawn: Made, tmp_path: Path) -> None:
    best = lines(drawn.render(tmp_path / "best", "--preset", "best", "--limit", 6))
    assert {line["placement"]["ground"] for line in best} <= {"standing", "matched", "none"}
    assert any(line["placement"]["ground"] == "standing" for line in best)
    paper = lines(drawn.render(tmp_path / "paper", "--limit", 6))
    assert {line["placement"]["ground"] for line in paper} == {None}


def test_a_body_is_used_at_most_so_often_for_any_number_of_workers(drawn: Made, tmp_path: Path) -> None:
    options = ("--ratio", 0.6, "--copies", 2, "--body-quality", 0.4)
    free, one, two = (
        lines(drawn.render(tmp_path / name, *options, *more, "--originals", "none"))
        for name, more in (("free", ()), ("one", ("--reuse", 4)), ("two", ("--reuse", 4, "--jobs", 2)))
    )

    def uses(found: list[dict[str, Any]]) -> int:
        return int(np.bincount([line["placement"]["body"] for line in found]).max())

    assert uses(free) > 4 == uses(one)
    assert [line["placement"] for line in one] == [line["placement"] for line in two]
    again = lines(drawn.render(tmp_path / "again", *options, "--reuse", 1000, "--originals", "none"))
    assert [line["placement"] for line in free] == [line["placement"] for line in again]


def test_height_differences_are_those_of_the_set_where_it_has_enough_pairs(tmp_path: Path) -> None:
    def pair(number: int) -> list[Person]:
        size = stance_of(standing(0.0)).size
        near = {"middle": 240.0, "top": 30 + size * (0.2 + 0.2 * (number % 2)), "height": 150.0}
        both = [person(height=150.0), person(**near)]
        return [replace(p, image=f"{number}.jpg", person_id=f"{number}.jpg#{n}") for n, p in enumerate(both)]

    def of(number: int) -> tuple[float, ...] | None:
        people = [p for n in range(number) for p in pair(n)]
        return measured_drops(SimpleNamespace(samples=people, skeleton=MPII16))  # type: ignore[arg-type]

    assert of(99) is None
    drops = of(100)
    assert drops is not None
    assert len(drops) == len(DROPS)
    assert np.allclose([drops[0], drops[-1]], [0.2, 0.4], atol=0.01)


def test_the_drops_of_the_settings_are_drawn_from(pool: Pool) -> None:
    chosen = replace(GROUND, drops=(0.5, 0.6))
    placements = draws(pool, target_of(settings=chosen), 30, chosen)
    assert placements
    assert all(0.5 <= placement.drop <= 0.6 for placement in placements if placement.drop is not None)
    for wrong in ((0.5,), (0.6, 0.5), (-0.1, 0.5)):
        with pytest.raises(ValueError, match="drops"):
            PlacementSettings(drops=wrong)


def test_bars_are_found_in_the_picture_and_in_the_reduced_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(60, 250, (240, 322, 3)).astype(np.uint8)
    assert frame_of(picture).tolist() == [0, 0, 322, 240]
    picture[:30] = picture[-24:] = 3
    left, top, right, bottom = frame_of(picture).tolist()
    assert (left, right) == (0, 322)
    assert 30 <= top <= 36
    assert 212 <= bottom <= 216
    cv2.imwrite(str(tmp_path / "a.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    reduced = read_reduced(tmp_path / "a.jpg", 4)
    assert reduced.shape == (60, 81, 3)
    assert np.abs(frame_of_reduced(reduced, (322, 240)) - (left, top, right, bottom)).max() <= 4
    picture[:] = 5
    picture[100:110] = 90  # a night
    assert frame_of(picture).tolist() == [0, 0, 322, 240]


def test_letterboxed_pictures_keep_their_bars(drawn: Made, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_mpii(data, images=10, valid_images=1, seed=8)
    for path in (data / "images").rglob("*.jpg"):
        picture = read_image(path)
        picture[:24] = picture[-24:] = 0
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    # Tone and frame come from the pool of the same pictures, and from the files where the pool is of others.
    own = tmp_path / "own.h5"
    done("build-pool", "--data", data, "--out", own, "--levels", "posecut", "-q", "--jobs", 1)
    for pool in (own, drawn.pool):
        out = Made(data, pool).render(tmp_path / pool.stem, "--preset", "best", "--body-quality", 1, "--format", "png")
        assert lines(out)
        for line in lines(out):
            assert line["placement"]["frame"] is not None
            before, after = read_image(data / "images" / line["source"]), read_image(out / "images" / line["file"])
            assert (before[:24] == after[:24]).all()
            assert (before[-24:] == after[-24:]).all()
            assert (before != after).any()


def test_tone_tells_dark_from_bright_and_grey_from_coloured() -> None:
    rng = np.random.default_rng(0)
    dark, bright = (rng.integers(low, low + 60, (120, 90, 3)).astype(np.uint8) for low in (10, 180))
    grey = np.repeat(rng.integers(0, 255, (50, 50, 1)).astype(np.uint8), 3, axis=2)
    tones = np.array([tone(dark), tone(bright), tone(grey)])
    assert tones[0, 1] < 40 < 70 < tones[1, 1]
    assert tones[2, 3] < 4
    assert (tone_distance(tones, tones[1]).argsort()[0], tone_distance(tones, tones[1])[1]) == (1, 0)
    red = np.full((50, 50, 3), (30, 30, 200), np.uint8)
    assert tone(red)[4] > 40
    assert np.isfinite(tone(np.zeros((1, 1, 3), np.uint8))).all()


def test_completeness_is_the_share_of_limbs_under_the_mask() -> None:
    pose = standing(100.0)
    mask = np.ones((200, 200), np.bool_)
    assert limb_cover(mask, pose) == (1.0, 1.0)
    mask[int(pose["left_knee"][1]) :] = False
    least, mean = limb_cover(mask, pose)
    assert least < 0.15 < 0.7 < mean < 0.95
    assert limb_cover(mask, replace(pose, labelled=np.arange(16) != MPII16.index["left_wrist"]))[0] == 0
    mask[:] = False
    assert largest_piece(mask) == 0
    mask[:10], mask[20:30, :100] = True, True
    assert largest_piece(mask) == pytest.approx(2 / 3)


def test_fused_colours_are_the_bodys_and_change_nothing_but_the_rim() -> None:
    """A red body over blue, mixed at its rim: the rim's colours come out red."""
    opacity = np.zeros((60, 80), np.uint8)
    opacity[15:45, 20:60] = 255
    opacity = np.asarray(cv2.GaussianBlur(opacity, (0, 0), 2.0), np.uint8)
    share = opacity[..., None] / 255
    body, ground = np.array([20.0, 20, 220]), np.array([220.0, 60, 20])
    crop = (body * share + ground * (1 - share) + 0.5).astype(np.uint8)
    before = crop.copy()
    fused = fused_colours(crop, opacity, 8)
    assert (crop == before).all()
    solid, rim = (opacity == 0) | (opacity == 255), (opacity > 60) & (opacity < 200)
    assert (fused[solid] == crop[solid]).all()
    error, mixed = (np.abs(some[rim].astype(float) - body).mean() for some in (fused, crop))
    assert error < 0.35 * mixed
    assert (fused_colours(crop, np.zeros_like(opacity), 8) == crop).all()
    assert (fused_colours(crop, np.full_like(opacity, 255), 8) == crop).all()
