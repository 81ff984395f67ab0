"""The overlay strategy as a draw: whatever is drawn keeps the rules, and the draw is fair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, Person
from noda_synth.data.skeleton import SKELETONS
from noda_synth.methods.placement import Occluders, TargetPerson, draw_placement, line_pixels
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.reader import Pool
from tests.conftest import Made
from tests.standing import standing

MPII16 = SKELETONS["mpii16"]
SIZE = (320, 260)

seeded = settings(deadline=None, derandomize=True, max_examples=40)


@pytest.fixture(scope="module")
def pool(drawn: Made) -> Pool:
    return Pool(drawn.pool)


def person(**changes: Any) -> Person:
    pose = standing(160.0, top=40.0, height=170.0)
    whole = Person(
        image="target.jpg", person_id="target.jpg#0", joints=pose.joints, labelled=np.ones(16, bool),
        visible=np.full(16, UNKNOWN, np.int8), scale=0.85,
    )  # fmt: skip
    return replace(whole, **changes)


def a_target(settings: PlacementSettings | None = None, **changes: Any) -> TargetPerson:
    return TargetPerson(person(**changes), MPII16, SIZE, settings or PlacementSettings())


@seeded
@given(
    seed=st.integers(0, 2**32), low=st.floats(0, 1), more=st.floats(0, 0.6), grow=st.floats(0.5, 1.5),
    smooth=st.sampled_from(["ring", "feather", "none"]), mask=st.sampled_from(["box", "cardboard", "grabcut", "mixed"]),
    min_covered=st.integers(0, 3), hidden=st.sets(st.integers(0, 15), max_size=6), scaled=st.booleans(),
)  # fmt: skip
def test_whatever_is_drawn_keeps_the_rules(
    pool: Pool, seed: int, low: float, more: float, grow: float, smooth: str, mask: str, min_covered: int,
    hidden: set[int], scaled: bool,
) -> None:  # fmt: skip
    chosen = PlacementSettings(
        mask=mask,
        smooth=smooth,
        radius=(low, low + more),
        rescale=(grow, grow * 1.2),
        min_covered=min_covered,
        tries=60,
    )
    visible = np.where(np.isin(np.arange(16), list(hidden)), OCCLUDED, UNKNOWN).astype(np.int8)
    target = a_target(chosen, visible=visible, **({} if scaled else {"scale": None}))
    if target.reason:
        return
    placement, reason = draw_placement(target, Occluders(pool, chosen), chosen, np.random.default_rng(seed))
    assert (placement is None) == bool(reason)
    if placement is None:
        return
    diagonal = np.hypot(*np.ptp(target.person.joints, axis=0))
    assert low * diagonal / 2 <= placement.radius <= (low + more) * diagonal / 2
    assert grow <= placement.rescale <= grow * 1.2
    assert placement.scale <= chosen.max_enlarge
    opaque = stamped(pool, placement, smooth)
    covered = {j for j, (x, y) in enumerate(np.floor(target.person.joints + 0.5).astype(int)) if opaque[y, x]}
    limbs = {MPII16.index[name] for name in MPII16.coverable}
    assert len(covered & limbs - hidden) >= min_covered
    head, neck = (target.person.joints[MPII16.index[name]] for name in ("head_top", "upper_neck"))
    for x, y in np.floor(np.linspace(head, neck, 4000) + 0.5).astype(int):
        assert not opaque[y, x]


def stamped(pool: Pool, placement: Any, smooth: str) -> NDArray[np.bool_]:
    from noda_synth.imaging.compositing import edge_alpha, resize_alpha

    size = (placement.width, placement.height)
    alpha = resize_alpha(edge_alpha(pool.opacity(placement.body, placement.level), smooth), size, smooth)
    picture = np.zeros(SIZE[::-1], bool)
    for y, x in np.argwhere(alpha >= 128):
        if 0 <= y + placement.top < SIZE[1] and 0 <= x + placement.left < SIZE[0]:
            picture[y + placement.top, x + placement.left] = True
    return picture


def test_the_same_generator_draws_the_same_placement(pool: Pool) -> None:
    occluders, chosen = Occluders(pool, PlacementSettings()), PlacementSettings()
    first, again, other = (
        draw_placement(a_target(), occluders, chosen, np.random.default_rng(seed))[0] for seed in (5, 5, 6)
    )
    assert first == again != other


def test_radius_angle_and_rescale_are_spread_over_their_whole_range(pool: Pool) -> None:
    """Without rules to keep, the draw is uniform."""
    chosen = PlacementSettings(min_covered=0, protect="points", protect_joints=())
    target, occluders = a_target(chosen), Occluders(pool, chosen)
    rng = np.random.default_rng(0)
    drawn = [draw_placement(target, occluders, chosen, rng)[0] for _ in range(400)]
    diagonal = np.hypot(*np.ptp(target.person.joints, axis=0))
    shares = {
        "radius": [(d.radius / (diagonal / 2) - 1 / 3) / (2 / 3) for d in drawn if d],
        "angle": [d.angle / 360 for d in drawn if d],
        "rescale": [(d.rescale - 0.8) / 0.4 for d in drawn if d],
    }
    for name, values in shares.items():
        assert len(values) == 400
        steps = np.histogram(values, bins=5, range=(0, 1))[0]
        assert steps.sum() == 400, name
        assert steps.min() > 50, name


def test_bodies_of_the_same_image_are_never_drawn(pool: Pool) -> None:
    chosen = PlacementSettings()
    occluders = Occluders(pool, chosen)
    own = pool.images[0]
    for seed in range(60):
        drawn = occluders.draw(a_target(image=own), 1.0, 2.0, np.random.default_rng(seed))
        assert drawn is not None
        assert pool.images[drawn[0]] != own


def test_a_body_gets_the_size_of_the_target_by_scale_or_by_box(pool: Pool) -> None:
    occluders = Occluders(pool, PlacementSettings())
    for seed in range(20):
        rng = np.random.default_rng(seed)
        by_scale = occluders.draw(a_target(scale=0.85), 1.1, 2.0, rng)
        assert by_scale is not None
        row, factor = by_scale
        assert factor == pytest.approx(1.1 * 0.85 / (pool.scale[row] * pool.factor[row].mean()))
        by_box = occluders.draw(a_target(scale=None), 0.9, 2.0, rng)
        assert by_box is not None
        row, factor = by_box
        diagonal = np.hypot(*np.ptp(a_target().person.joints, axis=0))
        own = np.hypot(*(pool.box[row, 2:] - pool.box[row, :2]))
        assert factor == pytest.approx(0.9 * diagonal / own)


def test_no_body_is_enlarged_beyond_the_limit(pool: Pool) -> None:
    occluders = Occluders(pool, PlacementSettings())
    huge = a_target(scale=50.0)
    assert occluders.draw(huge, 1.0, 2.0, np.random.default_rng(0)) is None
    placement, reason = draw_placement(huge, occluders, PlacementSettings(), np.random.default_rng(0))
    assert placement is None
    assert reason == "no body of the pool is large enough"


def test_who_cannot_be_a_target_is_told_why() -> None:
    nobody = np.zeros(16, bool)
    nobody[3] = True
    without_head = np.arange(16) != MPII16.index["head_top"]
    limbs_hidden = np.full(16, UNKNOWN, np.int8)
    limbs_hidden[MPII16.flags(MPII16.coverable)] = OCCLUDED
    outside = person().joints + np.array([0, 1000])
    for changes, why in (
        ({"duplicate": True}, "duplicate"),
        ({"labelled": nobody}, "fewer than two joints"),
        ({"labelled": without_head}, "protected joint is not labelled"),
        ({"visible": limbs_hidden}, "no limb joint left"),
        ({"joints": outside}, "fewer than two joints inside"),
    ):
        assert why in a_target(**changes).reason
    assert a_target().reason == ""


@seeded
@given(
    start=st.tuples(st.floats(-5, 30), st.floats(-5, 30)), end=st.tuples(st.floats(-5, 30), st.floats(-5, 30))
)  # fmt: skip
def test_a_line_has_a_point_in_every_pixel_that_it_passes(start: tuple[float, float], end: tuple[float, float]) -> None:
    a, b = np.array(start), np.array(end)
    found = {tuple(p) for p in np.floor(line_pixels(a, b) + 0.5).astype(int)}
    steps = np.linspace(a, b, 3001)
    # Samples right on the edge between two pixels may fall to either side.
    inner = (np.abs((steps + 0.5) % 1 - 0.5) < 0.499999).all(axis=1)
    assert {tuple(p) for p in np.floor(steps[inner] + 0.5).astype(int)} <= found


def test_a_pool_without_the_level_is_refused(drawn: Made, tmp_path: Path) -> None:
    from noda_synth.errors import NodaError

    with pytest.raises(NodaError, match="no level 'halo'"):
        Occluders(Pool(drawn.pool), PlacementSettings(mask="halo"))
    with pytest.raises(NodaError, match="no soft edge"):
        Occluders(Pool(drawn.pool), PlacementSettings(mask="grabcut", smooth="matte"))
