"""Run folders, and the networks in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_train import checkpoint
from noda_train.models import build, on_device, weights
from noda_train.models.weights import expected_channels
from noda_train.settings import Settings


@dataclass(frozen=True)
class Trained:
    """A network with its weights, its joints, the settings and the data set that it was trained with."""

    network: nn.Module
    skeleton: Skeleton
    settings: Settings
    data: Path | None
    epoch: int | None
    source: Path


def new_run(runs: Path, preset: str, data: Path) -> Path:
    """The next free folder, for example runs/hrnet_w32-mpii_noda-1."""
    number = 1
    while (run := runs / f"{preset}-{data.name}-{number}").exists():
        number += 1
    return run


def newest_run(runs: Path) -> Path:
    """The run whose last checkpoint is the newest. NodaError where there is none."""
    checkpoints = sorted(runs.glob("*/last.pt"), key=lambda path: path.stat().st_mtime)
    if not checkpoints:
        raise NodaError(f"no run with a checkpoint in {runs}/: `noda-train fit PRESET` makes one, --run names one")
    return checkpoints[-1].parent


def load_run(run: Path, which: str, device: torch.device) -> Trained:
    """The network of a run ("last" or "best" checkpoint; its moving average where it has one), or of a slim file."""
    path = run if run.is_file() else run / f"{which}.pt"
    if not path.is_file():
        raise NodaError(f"{path}: no such checkpoint; `best` needs a run with validation, `last` one whole epoch")
    content = checkpoint.load(path)
    settings = checkpoint.settings_of(content, path)
    skeleton = checkpoint.skeleton_of(content, path)
    network = build(settings.model, len(skeleton))
    network.load_state_dict(content.get("average") or content["network"])
    data = content.get("data")
    network = on_device(network, device).eval()
    return Trained(network, skeleton, settings, Path(data) if data else None, content.get("epoch"), path)


def in_order_of_channels(settings: Settings, weights: Path, overrides: Iterable[str]) -> tuple[Settings, str]:
    """The settings with the order of channels that a weight file was trained on, unless --set names one; and a note."""
    order = expected_channels(weights)
    if order is None or order == settings.channels:
        return settings, ""
    if any(override.startswith("channels=") for override in overrides):
        return settings, f"WARNING: {weights.name} was trained on {order.upper()}, and goes on with {settings.channels}"
    return replace(settings, channels=order), f"{weights.name}: trained on {order.upper()}: channels={order}"


def from_weights(
    file: Path, settings: Settings, skeleton: Skeleton, device: torch.device
) -> tuple[Trained, weights.Report]:
    """A network with a public weight file for these joints. It has to fill the whole network, the head too."""
    network = build(settings.model, len(skeleton))
    report = weights.load_file(network, file, skeleton)
    if report.fresh:
        why = f" ({report.head})" if report.head else ""
        raise NodaError(f"{file}: no weights for {', '.join(report.fresh[:3])}{why}: it is for training to start from")
    return Trained(on_device(network, device).eval(), skeleton, settings, None, None, file), report
