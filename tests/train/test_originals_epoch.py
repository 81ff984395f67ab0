"""One epoch of training against a plain statement of the originals' arithmetic, on the same batches, in float32."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from noda_train import checkpoint
from noda_train.cache import crops_of
from noda_train.data import load
from noda_train.distributed import World
from noda_train.fit import fit
from noda_train.models import build
from noda_train.pipeline import Pipeline
from noda_train.settings import load as settings_of

CPU = World(torch.device("cpu"))


def original_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """JointsMSELoss of Simple Baselines and HRNet: joint by joint, then their mean."""
    batch, joints = predicted.shape[:2]
    ours, truth = (maps.reshape(batch, joints, -1).split(1, 1) for maps in (predicted, target))
    loss = torch.zeros(())
    for joint in range(joints):
        factor = weight[:, joint, None]
        difference = ours[joint].squeeze(1) * factor - truth[joint].squeeze(1) * factor
        loss = loss + 0.5 * (difference**2).mean()
    return loss / joints


class PlainAdam:
    """Adam as its paper states it, with the defaults that the originals use."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.weights, self.rate, self.step = list(network.parameters()), rate, 0
        self.first = [torch.zeros_like(weight) for weight in self.weights]
        self.second = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def update(self) -> None:
        self.step += 1
        for weight, first, second in zip(self.weights, self.first, self.second, strict=True):
            assert weight.grad is not None
            first.copy_(0.9 * first + 0.1 * weight.grad)
            second.copy_(0.999 * second + 0.001 * weight.grad**2)
            mean, square = first / (1 - 0.9**self.step), second / (1 - 0.999**self.step)
            weight -= self.rate * mean / (square.sqrt() + 1e-8)
            weight.grad = None


def test_an_epoch_gives_the_loss_and_the_weights_of_the_originals(drawn: Path, tmp_path: Path) -> None:
    overrides = ["size=32", "batch=16", "epochs=1", "steps=1", "validate_every=0", "precision=fp32", "device=cpu"]
    settings = settings_of("simple_r18", [*overrides, "weights=none", "seed=4", f"cache_dir={tmp_path}"])
    parts = load(drawn)
    samples = parts.train.take(np.resize(np.arange(len(parts.train)), 64))
    run = tmp_path / "run"
    run.mkdir()
    fit(replace(parts, train=samples), settings, run, CPU, lambda _: None, False)
    ours = checkpoint.load(run / "last.pt")["network"]
    logged = json.loads((run / "metrics.jsonl").read_text())["loss"]

    torch.manual_seed(4)
    # In the same memory layout: another one sums in another order, which Adam makes large.
    network = build("simple_r18", 16).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    before = {name: weight.clone() for name, weight in network.state_dict().items() if weight.is_floating_point()}
    optimiser, losses = PlainAdam(network, 1e-3), []
    for (batch,) in Pipeline(samples, crops_of(samples, settings), settings, CPU).epoch(0):
        loss = original_loss(network(batch.images), batch.heatmaps, batch.weights)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.update()
        losses.append(float(loss.detach()))
    assert len(losses) == 4
    moved, apart = (
        torch.sqrt(sum(((one[name].double() - two[name].double()) ** 2).sum() for name in before))
        for one, two in ((network.state_dict(), before), (ours, network.state_dict()))
    )
    assert logged == pytest.approx(np.mean(losses), rel=1e-5)
    # Adam divides by the gradient's own size: where that is rounding alone, a weight may go either way.
    assert moved > 1 and apart < 0.001 * moved, (float(moved), float(apart))
