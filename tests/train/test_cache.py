"""The crop cache holds what training can reach, is valid for exactly its inputs, and is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from noda_synth.errors import NodaError
from noda_train import cache, geometry
from noda_train.cache import CropReader, crops_of, read_maps
from noda_train.data import load
from noda_train.distributed import World
from noda_train.pipeline import Batch, Pipeline
from noda_train.settings import Settings

Quick = Callable[..., Settings]


def test_no_augmented_crop_leaves_the_stored_one(drawn: Path, quick: Quick) -> None:
    settings = quick("scale_jitter=0.35", "rotation=45", "rotation_probability=1")
    samples = load(drawn).train
    path = crops_of(samples, settings)
    sizes = CropReader(path)[np.arange(len(samples))][1]
    maps = read_maps(path)
    corners = np.array([[0, 0], [31, 0], [0, 31], [31, 31]], float)
    frame = np.array([[0, 0], [319, 0], [0, 259], [319, 259]], float)
    for seed in range(40):
        draw = geometry.draw(len(samples), settings, np.random.default_rng(seed))
        to_image = geometry.crop_to_image(samples.center, samples.box, 32, draw)
        seen = geometry.apply(to_image, np.broadcast_to(corners, (len(samples), 4, 2)))
        limits = geometry.apply(maps, np.clip(seen, 0, frame[3])[:, :, :])
        assert (limits > -0.6).all() and (limits < sizes[:, None, ::-1] - 0.4).all()


def test_reach_is_the_diagonal_from_45_degrees_on(quick: Quick) -> None:
    assert geometry.reach(quick("scale_jitter=0.25", "rotation=30")) == pytest.approx(1.25 * np.sqrt(2))
    assert geometry.reach(quick("augment=none")) == pytest.approx(1)


def test_built_once_for_the_same_inputs(drawn: Path, quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = load(drawn).train
    path = crops_of(samples, quick())
    monkeypatch.setattr(cache, "_build", lambda *_: pytest.fail("built again"))
    assert crops_of(samples, quick()) == path
    assert [p.suffix for p in path.parent.iterdir()] == [".h5"]


def test_another_file_person_or_setting_makes_another_cache(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(drawn, moved)
    samples = load(moved).train
    first = crops_of(samples, quick())
    assert crops_of(samples, quick("rotation=5")) != first
    assert crops_of(samples.take(np.arange(5)), quick()) != first
    os.utime(samples.paths[3], ns=(1, 1))
    assert crops_of(samples, quick()) != first


def test_a_damaged_image_is_named_and_nothing_is_left(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(drawn, moved)
    victim = moved / "images" / "t3.jpg"
    victim.write_bytes(victim.read_bytes()[:900])
    settings = quick()
    with pytest.raises(NodaError, match=r"1 images cannot be used:\n.*t3\.jpg"):
        crops_of(load(moved).train, settings)
    assert not list(Path(settings.cache_dir).glob("*"))
    victim.unlink()
    with pytest.raises(NodaError, match=r"t3\.jpg"):
        crops_of(load(moved).train, settings)


def test_workers_and_processes_do_not_change_what_is_learnt(drawn: Path, quick: Quick) -> None:
    samples = load(drawn).train
    crops = crops_of(samples, quick())

    def batches(*overrides: str, rank: int = 0, size: int = 1) -> list[Batch]:
        world = World(torch.device("cpu"), rank, size)
        return [batch for step in Pipeline(samples, crops, quick(*overrides), world).epoch(1) for batch in step]

    alone, helped = batches("workers=0"), batches("workers=2")
    for a, b in zip(alone, helped, strict=True):
        assert torch.equal(a.images, b.images) and torch.equal(a.heatmaps, b.heatmaps)
    for whole, *parts in zip(alone, batches(rank=0, size=2), batches(rank=1, size=2), strict=True):
        both = torch.cat([part.weights for part in parts])
        assert both.sum() == whole.weights.sum() and len(both) == len(whole.weights)


def test_epochs_differ_and_repeat(drawn: Path, quick: Quick) -> None:
    samples = load(drawn).train
    pipeline = Pipeline(samples, crops_of(samples, quick()), quick(), World(torch.device("cpu")))
    orders = [np.concatenate(pipeline.plan(epoch)[0]).tolist() for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(set(orders[0])) == list(range(len(samples)))


def test_a_batch_that_cannot_be_shared_is_refused(drawn: Path, quick: Quick) -> None:
    samples = load(drawn).train
    with pytest.raises(NodaError, match="multiple of 3"):
        Pipeline(samples, crops_of(samples, quick()), quick("accumulate=3"), World(torch.device("cpu")))
