"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from noda_train.models.hrnet import hrnet
from noda_train.models.pose_resnet import pose_resnet

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "simple_r18": lambda joints: pose_resnet(18, joints),
    "simple_r50": lambda joints: pose_resnet(50, joints),
    "simple_r101": lambda joints: pose_resnet(101, joints),
    "simple_r152": lambda joints: pose_resnet(152, joints),
    "hrnet_w32": lambda joints: hrnet(32, joints),
    "hrnet_w48": lambda joints: hrnet(48, joints),
}


def build(name: str, joints: int = 16) -> nn.Module:
    """A network with fresh weights: images (B, 3, S, S) -> heatmaps (B, joints, S/4, S/4)."""
    return NETWORKS[name](joints)


def on_device(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on a device, its weights in the order of memory that convolutions are fastest in."""
    placed: nn.Module = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def parameter_count(network: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters())
