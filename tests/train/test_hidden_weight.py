"""What a render covered counts in the loss as much as `hidden_weight` says, whoever wrote the records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from noda_synth.data.skeleton import COCO
from noda_synth.errors import NodaError
from noda_train import checkpoint
from noda_train.cache import crops_of
from noda_train.data import Samples, load
from noda_train.distributed import World
from noda_train.fit import fit
from noda_train.geometry import flip_order
from noda_train.pipeline import Batch, Pipeline
from noda_train.settings import Settings
from noda_train.targets import heatmap_loss
from tests.command import done
from tests.train.coco_set import write_set

Quick = Callable[..., Settings]
CPU = World(torch.device("cpu"))
COVERED = ("right_knee", "left_elbow")


@pytest.fixture
def rendered(drawn: Path, tmp_path: Path) -> Path:
    """The drawn set; of every second person the render is said to have covered two joints."""
    data = tmp_path / "rendered"
    shutil.copytree(drawn, data)
    _change(data, lambda row, record: {**record, "synth": {"covered": list(COVERED)}} if row % 2 == 0 else record)
    return data


def _change(data: Path, change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> None:
    file = data / "annot" / "train.json"
    file.write_text(json.dumps([change(row, record) for row, record in enumerate(json.loads(file.read_text()))]))


def _batches(samples: Samples, settings: Settings) -> list[Batch]:
    steps = Pipeline(samples, crops_of(samples, settings), settings, CPU).epoch(0)
    return [batch for step in steps for batch in step]


def test_what_is_covered_is_read_from_the_records(rendered: Path) -> None:
    samples = load(rendered).train
    for row, covered in enumerate(samples.covered):
        names = {samples.skeleton.joints[joint] for joint in np.flatnonzero(covered)}
        assert names == (set(COVERED) if row % 2 == 0 else set())


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_covered_joints_count_so_many_times(rendered: Path, quick: Quick, weight: float) -> None:
    """Mirrored persons, too: their covered joints change sides with all others."""
    samples = load(rendered).train
    settings = quick(f"hidden_weight={weight}", "flip_probability=0.5", "batch=10", "seed=3")
    pipeline = Pipeline(samples, crops_of(samples, settings), settings, CPU)
    rows, draw = pipeline.plan(0)
    (batch,), (plain,) = _batches(samples, settings), _batches(samples, quick("batch=10", "seed=3"))
    assert torch.equal(batch.heatmaps, plain.heatmaps) and torch.equal(batch.images, plain.images)
    covered = samples.covered[rows[0]] == 1
    flipped = draw.flip[rows[0]]
    assert 0 < flipped.sum() < 10
    covered[flipped] = covered[flipped][:, flip_order()]
    expected = plain.weights**2 * torch.from_numpy(np.where(covered, weight, 1.0))
    torch.testing.assert_close(batch.weights**2, expected.float())
    if weight == 1:
        assert torch.equal(batch.weights, plain.weights), "bit for bit what it was"
    # One joint after the other: its part of the loss is so many times what it was.
    for joint in range(16):
        only = torch.zeros(16)
        only[joint] = 1
        for person in range(10):
            ours, before = (
                heatmap_loss(torch.ones(16, 8, 8), b.heatmaps[person], b.weights[person] * only) for b in (batch, plain)
            )
            torch.testing.assert_close(ours, before * (weight if covered[person, joint] else 1))


@pytest.mark.parametrize("synth", [7, {}, {"covered": "right_knee"}, {"covered": ["tail"]}])
def test_a_record_that_does_not_say_is_named(rendered: Path, quick: Quick, synth: Any) -> None:
    _change(rendered, lambda row, record: {**record, "synth": synth} if row == 4 else record)
    samples = load(rendered).train
    _batches(samples, quick())  # nothing needs it
    with pytest.raises(NodaError, match=r"1 people's records do not say .* on .*t4\.jpg\); render the set again"):
        _batches(samples, quick("hidden_weight=0.5"))


@pytest.mark.usefixtures("tiny")
def test_a_resumed_run_equals_an_uninterrupted_one(rendered: Path, quick: Quick, tmp_path: Path) -> None:
    def run(name: str, *overrides: str, resume: bool = False) -> Any:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        fit(load(rendered), quick(*overrides), folder, CPU, lambda _: None, resume)
        return checkpoint.load(folder / "last.pt")["network"]

    whole = run("whole", "hidden_weight=0.25", "epochs=3")
    run("parts", "hidden_weight=0.25", "epochs=2")
    parts = run("parts", "hidden_weight=0.25", "epochs=3", resume=True)
    other = run("other", "epochs=3")
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    assert not all(torch.equal(whole[key], other[key]) for key in whole)


def test_coco_files_of_a_render_say_it(tmp_path: Path, quick: Quick) -> None:

    data, pool, out = write_set(tmp_path / "set", COCO), tmp_path / "pool.h5", tmp_path / "out"
    done("build-pool", "--data", data, "--out", pool, "--levels", "box", "-q")
    done("render", "--data", data, "--pool", pool, "--out", out, "--ratio", 1, "--mask", "box", "-q")
    samples = load(out).train
    covered = {
        line["file"]: set(line["covered"])
        for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    }
    assert covered and (samples.covered == 1).any()
    for path, labelled, flags in zip(samples.paths, samples.labelled, samples.covered, strict=True):
        names = {samples.skeleton.joints[joint] for joint in np.flatnonzero(flags == 1)}
        wanted = covered.get(path.name, set())
        assert names == {name for name in wanted if labelled[samples.skeleton.index[name]]}
    # Files of a release that did not write it: nothing is known of their targets.
    file = out / "annot" / "coco_train_topdown.json"
    file.write_text(file.read_text().replace('"covered"', '"uncovered"'))
    old = load(out).train
    with pytest.raises(NodaError, match="render the set again"):
        Pipeline(old, crops_of(old, quick()), quick("hidden_weight=0"), CPU)
