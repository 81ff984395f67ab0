"""Crops on half of a body: HRNet's rule, person by person, and nothing drawn differently without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noda_synth.data.skeleton import COCO, MPII
from noda_train import geometry
from noda_train import settings as config
from noda_train.cache import CropReader, crops_of, read_maps
from noda_train.data import load
from noda_train.distributed import World
from noda_train.half_body import upper_joints, with_halves
from noda_train.pipeline import Pipeline
from noda_train.settings import Settings

Quick = Callable[..., Settings]


def originals_half_body(joints: np.ndarray, labelled: np.ndarray, first: float) -> tuple[np.ndarray, float] | None:
    """Centre and side of the crop by the rule of HRNet's half_body_transform, written down for one person of MPII."""
    ids = [j for j in range(16) if labelled[j]]
    upper, lower = [j for j in ids if j >= 7], [j for j in ids if j < 7]
    if first < 0.5 and len(upper) > 2:
        selected = upper
    else:
        selected = lower if len(lower) > 2 else upper
    if len(selected) < 2:
        return None
    points = joints[selected]
    return points.mean(0), 1.5 * float((points.max(0) - points.min(0)).max())


def test_halves_are_hrnets(drawn: Path, quick: Quick) -> None:
    samples = load(drawn).train
    settings = quick("half_body=1", "scale_jitter=0.35", "rotation=45", "rotation_probability=1")
    rng, count, on_half = np.random.default_rng(3), len(samples), 0
    whole = geometry.no_augmentation(count)
    draw = with_halves(whole, samples, settings, rng)
    again = np.random.default_rng(3)
    again.random(count)
    for row, first in enumerate(again.standard_normal(count)):
        half = originals_half_body(samples.joints[row], samples.labelled[row], first)
        center, side = samples.center[row] + draw.shift[row] * samples.box[row], samples.box[row] * draw.scale[row]
        if samples.labelled[row].sum() > 8 and half and draw.scale[row] != 1:
            np.testing.assert_allclose(center, half[0])
            assert side == pytest.approx(half[1])
            on_half += 1
        else:
            np.testing.assert_array_equal(center, samples.center[row])
            assert side == samples.box[row]
    assert on_half > 0.7 * count


def test_without_it_nothing_more_is_drawn_and_with_it_the_rest_stays(drawn: Path, quick: Quick) -> None:
    assert all(config.load(name).half_body == 0 for name in config.presets())
    samples, plans = load(drawn).train, []
    for settings in (quick("shift=0.1"), quick("shift=0.1", "half_body=0.5")):
        plans.append(Pipeline(samples, crops_of(samples, settings), settings, World(torch.device("cpu"))).plan(1))
    (rows, plain), (same_rows, halved) = plans
    np.testing.assert_array_equal(np.concatenate(rows), np.concatenate(same_rows))
    np.testing.assert_array_equal(plain.rotation, halved.rotation)
    np.testing.assert_array_equal(plain.flip, halved.flip)
    changed = plain.scale != halved.scale
    assert 0.2 < changed.mean() < 0.8
    np.testing.assert_array_equal(plain.shift[~changed], halved.shift[~changed])


def test_who_shows_few_joints_or_one_half_alone(drawn: Path) -> None:
    labelled = np.zeros((3, 16), bool)
    labelled[0, :8] = True  # eight joints: whole
    labelled[1, 7:] = True  # nothing below the waist: the upper half, whatever is drawn
    labelled[2, :] = True
    joints = np.zeros((3, 16, 2))
    joints[:, :, 0], joints[:, :, 1] = np.arange(16) * 2, 40 - np.arange(16)
    three = load(drawn).train.take([0, 0, 0])
    samples = replace(three, center=joints.mean(1), box=np.full(3, 100.0), joints=joints, labelled=labelled)
    settings = config.load("demo", ["half_body=1"])
    for seed in range(8):
        draw = with_halves(geometry.no_augmentation(3), samples, settings, np.random.default_rng(seed))
        assert draw.scale[0] == 1
        np.testing.assert_allclose(draw.scale[1] * 100, 1.5 * 16)
        assert draw.scale[2] * 100 in (pytest.approx(1.5 * 16), pytest.approx(1.5 * 12))


def test_no_half_leaves_the_stored_crop(drawn: Path, quick: Quick) -> None:
    settings = quick("scale_jitter=0.35", "rotation=45", "rotation_probability=1", "shift=0.1", "half_body=1")
    samples = load(drawn).train
    path = crops_of(samples, settings)
    sizes, maps = CropReader(path)[np.arange(len(samples))][1], read_maps(path)
    corners = np.array([[0, 0], [31, 0], [0, 31], [31, 31]], float)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        draw = with_halves(geometry.draw(len(samples), settings, rng), samples, settings, rng)
        to_image = geometry.crop_to_image(samples.center, samples.box, 32, draw)
        seen = geometry.apply(to_image, np.broadcast_to(corners, (len(samples), 4, 2)))
        limits = geometry.apply(maps, np.clip(seen, 0, (319, 259)))
        assert (limits > -0.6).all() and (limits < sizes[:, None, ::-1] - 0.4).all()


def test_joints_above_the_waist() -> None:
    assert upper_joints(MPII).nonzero()[0].tolist() == list(range(7, 16))
    assert upper_joints(COCO).nonzero()[0].tolist() == list(range(11))
