"""Training: it goes on exactly where it was interrupted, keeps what it has, and fails with advice."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from noda_synth.errors import NodaError
from noda_train import checkpoint, evaluate
from noda_train.cache import crops_of
from noda_train.data import load
from noda_train.distributed import World, has_bf16
from noda_train.fit import State, autocast, fit, learning_rate
from noda_train.models import build
from noda_train.pipeline import Pipeline
from noda_train.predict import predict
from noda_train.runs import load_run, newest_run
from noda_train.settings import Settings

pytestmark = pytest.mark.usefixtures("tiny")

Quick = Callable[..., Settings]
CPU = World(torch.device("cpu"))


def run_fit(data: Path, settings: Settings, run: Path, resume: bool = False, said: list[str] | None = None) -> State:
    run.mkdir(exist_ok=True)
    return fit(load(data), settings, run, CPU, (said if said is not None else []).append, resume)


def same(a: Any, b: Any) -> bool:
    """Bit for bit, through dictionaries and lists."""
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    settings = quick("epochs=3", "ema=0.9", "accumulate=2", "warmup=1.5")
    run_fit(drawn, settings, tmp_path / "whole")
    torch.manual_seed(99)
    # Stopped in the middle of the fourth epoch, of which the journal has half a line; the checkpoint is the second's.
    broken = tmp_path / "broken"
    run_fit(drawn, replace(settings, epochs=2), broken)
    with (broken / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 3, "loss": 7}) + '\n{"epoch": 4, "lo')
    torch.manual_seed(7)
    run_fit(drawn, settings, broken, resume=True)
    whole, resumed = (checkpoint.load(tmp_path / name / "last.pt") for name in ("whole", "broken"))
    assert same(whole, resumed)
    lines = [json.loads(text) for text in (broken / "metrics.jsonl").read_text().splitlines()]
    expected = [json.loads(text) for text in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    for key in ("epoch", "loss", "lr", "pckh@0.5"):
        assert [line[key] for line in lines] == [line[key] for line in expected]


def test_a_checkpoint_is_whole_and_the_best_is_kept(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([30.0, 50.0, 40.0])
    monkeypatch.setattr(evaluate, "score", lambda *_: {"all": next(scores), "visible": None, "occluded": None})
    run_fit(drawn, quick("epochs=3"), tmp_path / "run")
    last, best = (checkpoint.load(tmp_path / "run" / f"{name}.pt") for name in ("last", "best"))
    assert set(last) == {
        "format", "settings", "data", "skeleton", "network", "average", "optimiser", "epoch", "best", "random"
    }  # fmt: skip
    assert (last["epoch"], best["epoch"], last["best"]) == (3, 2, [50.0, 2])
    assert not list((tmp_path / "run").glob(".*"))
    # "Best" outlives a resumption: a fourth epoch with 45 does not replace it.
    monkeypatch.setattr(evaluate, "score", lambda *_: {"all": 45.0, "visible": None, "occluded": None})
    run_fit(drawn, quick("epochs=4"), tmp_path / "run", resume=True)
    assert checkpoint.load(tmp_path / "run" / "best.pt")["epoch"] == 2
    assert load_run(tmp_path / "run", "best", torch.device("cpu")).epoch == 2


def test_a_write_that_fails_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "last.pt"
    checkpoint.save(path, {"settings": {}, "epoch": 1})
    before = path.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        checkpoint.save(path, {"settings": {}, "epoch": lambda: 2})
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    with pytest.raises(NodaError, match=r"last\.pt/best\.pt: cannot be written"):
        checkpoint.save(path / "best.pt", {"settings": {}})


def test_checkpoints_may_be_kept_less_often(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    """Those of a large network cost more than a short epoch; what was kept is gone on from, to the same end."""
    settings = quick("epochs=5", "checkpoint_every=2", "validate_every=0")
    kept: list[int] = []
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda _, content: kept.append(content["epoch"]))
        run_fit(drawn, settings, whole)
    assert kept == [2, 4, 5]
    run_fit(drawn, settings, whole)
    run_fit(drawn, replace(settings, epochs=2), broken)
    with (broken / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 3, "loss": 7}) + "\n")  # the third was not kept
    run_fit(drawn, settings, broken, resume=True)
    assert same(*(checkpoint.load(run / "last.pt") for run in (whole, broken)))


def test_the_best_is_kept_whenever_it_comes(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([50.0, 30.0, 40.0, 20.0])
    monkeypatch.setattr(evaluate, "score", lambda *_: {"all": next(scores), "visible": None, "occluded": None})
    run_fit(drawn, quick("epochs=4", "checkpoint_every=3"), tmp_path / "run")
    assert [checkpoint.load(tmp_path / "run" / f"{name}.pt")["epoch"] for name in ("best", "last")] == [1, 4]


def test_the_schedule_steps_after_whole_epochs_and_warms_up(quick: Quick) -> None:
    settings = replace(quick(), lr=1.0, steps=(90, 120), decay=0.1, warmup=0.0)
    rates = [learning_rate(settings, epoch, 0, 10) for epoch in (0, 89, 90, 119, 120)]
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01])
    warm = replace(settings, warmup=2.0)
    np.testing.assert_allclose(
        [learning_rate(warm, *at, 10) for at in ((0, 0), (0, 9), (1, 9), (2, 0))], [0.05, 0.5, 1, 1]
    )


def test_a_loss_that_is_not_finite_stops_and_loses_nothing(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    run_fit(drawn, quick("epochs=1"), tmp_path / "run")
    content = checkpoint.load(tmp_path / "run" / "last.pt")
    content["network"]["final_layer.bias"][:] = float("nan")
    checkpoint.save(tmp_path / "run" / "last.pt", content)
    before = (tmp_path / "run" / "last.pt").read_bytes()
    with pytest.raises(NodaError, match=r"no longer finite in epoch 2; last\.pt holds epoch 1"):
        run_fit(drawn, quick("epochs=2"), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_the_advice_is_to_start_anew_where_nothing_was_kept(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noda_train.fit.train_step", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(NodaError, match=r"in epoch 1; nothing is kept yet: start anew .* precision, --set lr=0\.0001"):
        run_fit(drawn, quick(), tmp_path / "run")


def test_a_checkpoint_of_another_model_is_refused(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    run_fit(drawn, quick("epochs=1"), tmp_path / "run")
    with pytest.raises(NodaError, match="a checkpoint of simple_r18, not of simple_r50"):
        run_fit(drawn, quick("model=simple_r50"), tmp_path / "run", resume=True)


def test_a_batch_that_does_not_fit_gets_advice(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("noda_train.fit.train_step", full)
    with pytest.raises(NodaError, match=r"batch=4 at 32 px does not fit.*accumulate=2"):
        run_fit(drawn, quick(), tmp_path / "run")


def test_a_last_batch_of_one_is_announced(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    run_fit(drawn, quick("batch=3", "epochs=1"), tmp_path / "run", said=said)
    assert any("10 persons in batches of 3 leave one person" in line for line in said)

    def too_few(*_: Any) -> None:
        torch.nn.functional.batch_norm(torch.zeros(1, 2, 1, 1), None, None, training=True)

    monkeypatch.setattr("noda_train.fit.train_step", too_few)
    with pytest.raises(NodaError, match=r"one person at 32 px is too little.*batches of 3.*--set batch=N"):
        run_fit(drawn, quick("batch=3"), tmp_path / "other")


@pytest.mark.parametrize(("batch", "accumulate", "processes", "smallest"), [
    (4, 1, 1, 2), (3, 1, 1, 1), (9, 1, 1, 1), (16, 1, 1, 10), (4, 2, 1, 1), (4, 1, 2, 1), (8, 2, 2, 1), (1, 1, 1, 1),
])  # fmt: skip
def test_the_smallest_batch_is_known(
    drawn: Path, quick: Quick, batch: int, accumulate: int, processes: int, smallest: int
) -> None:
    settings, world = quick(f"batch={batch}", f"accumulate={accumulate}"), World(torch.device("cpu"), 0, processes)
    pipeline = Pipeline(samples := load(drawn).train, crops_of(samples, settings), settings, world)
    assert pipeline.smallest == smallest
    batches = pipeline._own_batches(pipeline.plan(0)[0])
    assert min(map(len, batches)) == smallest


def test_without_validation_part(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(drawn, bare)
    (bare / "annot" / "valid.json").unlink()
    with pytest.raises(NodaError, match=r"no validation part.*validate_every=0"):
        run_fit(bare, quick(), tmp_path / "run")
    run_fit(bare, quick("validate_every=0", "epochs=1"), tmp_path / "run")
    assert not (tmp_path / "run" / "best.pt").exists() and (tmp_path / "run" / "last.pt").exists()


def test_missing_imagenet_weights_are_announced_not_hidden(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    said: list[str] = []
    run_fit(drawn, quick("epochs=1", "weights=auto", f"weights_dir={tmp_path}"), tmp_path / "run", said=said)
    assert any(text.startswith("WARNING: no ImageNet weights") for text in said)
    with pytest.raises(NodaError, match="torchvision"):
        run_fit(drawn, quick("epochs=1", "weights=imagenet", f"weights_dir={tmp_path}"), tmp_path / "other")


def test_processes_share_an_evaluation_without_dropping_or_doubling(drawn: Path, quick: Quick) -> None:
    """Five persons over two processes, each process's part put together by hand."""
    settings, samples = quick(), load(drawn).valid
    torch.manual_seed(0)
    network = build("simple_r18").eval()
    whole = predict(network, samples, settings, CPU).joints

    class Half(World):
        def gather(self, value: Any) -> list[Any]:
            return [value]

    parts = [predict(network, samples, settings, Half(torch.device("cpu"), rank, 2)).joints for rank in (0, 1)]
    np.testing.assert_allclose(parts[0][0::2], whole[0::2], atol=1e-4)
    np.testing.assert_allclose(parts[1][1::2], whole[1::2], atol=1e-4)
    assert not parts[0][1::2].any() and not parts[1][0::2].any()


def test_the_newest_run_is_the_one_last_written(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match="no run with a checkpoint"):
        newest_run(tmp_path)
    for age, name in ((1, "b"), (3, "a"), (2, "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.pt").write_bytes(b"")
        os.utime(tmp_path / name / "last.pt", (age, age))
    assert newest_run(tmp_path).name == "a"


def test_bf16_on_a_cpu_that_has_it_goes_on_bit_for_bit(
    drawn: Path, quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noda_train.fit.has_bf16", lambda _: True)
    settings = quick("epochs=2", "precision=bf16", "validate_every=0")
    network = build("simple_r18")
    with autocast(settings, CPU.device):
        assert network(torch.zeros(1, 3, 32, 32)).dtype == torch.bfloat16
    with autocast(replace(settings, precision="fp32"), CPU.device):
        assert network(torch.zeros(1, 3, 32, 32)).dtype == torch.float32
    run_fit(drawn, settings, tmp_path / "whole")
    run_fit(drawn, replace(settings, epochs=1), tmp_path / "broken")
    run_fit(drawn, settings, tmp_path / "broken", resume=True)
    whole, resumed = (checkpoint.load(tmp_path / name / "last.pt") for name in ("whole", "broken"))
    assert same(whole, resumed)
    assert all(value.dtype != torch.bfloat16 for value in whole["network"].values())
    run_fit(drawn, replace(settings, precision="fp32"), tmp_path / "fp32")
    assert not same(whole["network"], checkpoint.load(tmp_path / "fp32" / "last.pt")["network"])


def test_only_what_torch_reports_counts_as_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, probe, lambda: False, raising=False)
    assert not has_bf16(CPU.device) and not has_bf16(torch.device("meta"))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert has_bf16(CPU.device) and not has_bf16(torch.device("meta"))
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not has_bf16(CPU.device)
