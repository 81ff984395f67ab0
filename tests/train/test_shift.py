"""Crops that are off in training: `shift` moves them, and without it nothing is drawn differently from before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm

from noda_train import geometry
from noda_train import settings as config
from noda_train.cache import CropReader, crops_of, read_maps
from noda_train.data import load
from noda_train.distributed import World
from noda_train.pipeline import Pipeline
from noda_train.settings import Settings

Quick = Callable[..., Settings]


def test_without_shift_nothing_is_drawn_that_was_not_before(drawn: Path, quick: Quick) -> None:
    """Order, scale, rotation and flip by the draws that they always had; with shift they stay, and it comes last."""
    samples = load(drawn).train
    plain, shifted = quick("seed=5"), quick("seed=5", "shift=0.1")
    rng, count = np.random.default_rng([5, 2]), len(samples)
    order = rng.permutation(count)
    s, r = plain.scale_jitter, plain.rotation
    scale = np.clip(1 + s * rng.standard_normal(count), 1 - s, 1 + s)
    rotation = np.clip(r * rng.standard_normal(count), -2 * r, 2 * r) * (rng.random(count) < 0.6)
    flip = rng.random(count) < 0.5
    for settings in (plain, shifted):
        rows, draw = Pipeline(samples, crops_of(samples, settings), settings, World(torch.device("cpu"))).plan(2)
        np.testing.assert_array_equal(np.concatenate(rows), order)
        np.testing.assert_array_equal(draw.scale, scale)
        np.testing.assert_array_equal(draw.rotation, rotation)
        np.testing.assert_array_equal(draw.flip, flip)
        assert draw.shift.any() == (settings is shifted)
    after = np.random.default_rng([5, 2])
    after.permutation(count)
    geometry.draw(count, plain, after)
    assert after.bit_generator.state == rng.bit_generator.state, "nothing more was taken from the generator"


def test_presets_have_none_and_their_maps_are_what_they_were() -> None:
    assert all(config.load(name).shift == 0 for name in config.presets())
    center, box = np.array([[40.0, 30.0], [70, 31]]), np.array([80.0, 60.0])
    draw = geometry.Augmentation(np.array([0.8, 1.2]), np.array([35.0, -70.0]), np.array([False, True]))
    linear = geometry.crop_to_image(center, box, 64, draw)[:, :, :2]
    assert (geometry.crop_to_image(center, box, 64, draw)[:, :, 2] == center - linear @ np.full(2, 32.0)).all()


def test_shifts_are_mmposes(quick: Quick) -> None:
    draw = geometry.draw(40_000, quick("shift=0.2"), np.random.default_rng(0))
    assert np.abs(draw.shift).max() <= 0.2
    np.testing.assert_allclose(draw.shift.std(0), 0.2 * truncnorm(-1, 1).std(), rtol=0.02)
    np.testing.assert_allclose(draw.shift.mean(0), 0, atol=0.002)
    quantiles = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(geometry.within_one(quantiles), truncnorm(-1, 1).ppf(quantiles), atol=1e-12)


@pytest.mark.parametrize("flip", [False, True])
def test_the_crops_middle_lies_off_the_person_by_the_shift(flip: bool) -> None:
    center, box = np.array([[100.0, 80.0]]), np.array([50.0])
    draw = geometry.Augmentation(np.array([1.3]), np.array([30.0]), np.array([flip]), np.array([[0.1, -0.2]]))
    middle = geometry.apply(geometry.crop_to_image(center, box, 64, draw), np.array([[[32.0, 32.0]]]))
    np.testing.assert_allclose(middle[0, 0], (105, 70))


def test_no_shifted_crop_leaves_the_stored_one(drawn: Path, quick: Quick) -> None:
    settings = quick("scale_jitter=0.35", "rotation=45", "rotation_probability=1", "shift=0.3")
    assert geometry.reach(settings) == pytest.approx(1.35 * np.sqrt(2) + 0.6)
    samples = load(drawn).train
    path = crops_of(samples, settings)
    sizes, maps = CropReader(path)[np.arange(len(samples))][1], read_maps(path)
    corners = np.array([[0, 0], [31, 0], [0, 31], [31, 31]], float)
    for seed in range(40):
        draw = geometry.draw(len(samples), settings, np.random.default_rng(seed))
        to_image = geometry.crop_to_image(samples.center, samples.box, 32, draw)
        seen = geometry.apply(to_image, np.broadcast_to(corners, (len(samples), 4, 2)))
        limits = geometry.apply(maps, np.clip(seen, 0, (319, 259)))
        assert (limits > -0.6).all() and (limits < sizes[:, None, ::-1] - 0.4).all()
