"""The networks are the originals': parameter counts, state-dict keys, shapes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from noda_train.models import NETWORKS, build, parameter_count
from noda_train.models.hrnet import hrnet
from noda_train.models.pose_resnet import PoseResNet, pose_resnet
from noda_train.models.weights import load, read, state_of

COUNTS = {
    "simple_r50": (33_999_440, 338),
    "simple_r101": (52_991_568, 644),
    "simple_r152": (68_635_216, 950),
    "hrnet_w32": (28_536_080, 1754),
    "hrnet_w48": (63_595_696, 1754),
}
"""Counted on the original code with 16 joints."""


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_originals(name: str) -> None:
    with torch.device("meta"):
        network = build(name)
    assert (parameter_count(network), len(network.state_dict())) == COUNTS[name]


def batch_norm(prefix: str) -> set[str]:
    return {f"{prefix}.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


def block(prefix: str, convolutions: int, downsample: bool) -> set[str]:
    keys = set()
    for number in range(1, convolutions + 1):
        keys |= {f"{prefix}.conv{number}.weight"} | batch_norm(f"{prefix}.bn{number}")
    return keys | (pair(f"{prefix}.downsample") if downsample else set())


def pair(prefix: str) -> set[str]:
    """A convolution and its batch norm in a row."""
    return {f"{prefix}.0.weight"} | batch_norm(f"{prefix}.1")


def simple_keys(convolutions: int, blocks: tuple[int, ...]) -> set[str]:
    keys = {"conv1.weight", "final_layer.weight", "final_layer.bias"} | batch_norm("bn1")
    for layer, count in enumerate(blocks, start=1):
        for number in range(count):
            changes = number == 0 and (layer > 1 or convolutions == 3)
            keys |= block(f"layer{layer}.{number}", convolutions, changes)
    for place in (0, 3, 6):
        keys |= {f"deconv_layers.{place}.weight"} | batch_norm(f"deconv_layers.{place + 1}")
    return keys


def hrnet_keys() -> set[str]:
    keys = {"conv1.weight", "conv2.weight", "final_layer.weight", "final_layer.bias"}
    keys |= batch_norm("bn1") | batch_norm("bn2")
    for number in range(4):
        keys |= block(f"layer1.{number}", 3, number == 0)
    keys |= pair("transition1.0") | pair("transition1.1.0") | pair("transition2.2.0") | pair("transition3.3.0")
    for stage, branches, modules in ((2, 2, 1), (3, 3, 4), (4, 4, 3)):
        for module in range(modules):
            prefix = f"stage{stage}.{module}"
            for branch in range(branches):
                for number in range(4):
                    keys |= block(f"{prefix}.branches.{branch}.{number}", 2, False)
            for target in range(1 if (stage, module) == (4, 2) else branches):
                for source in range(branches):
                    fuse = f"{prefix}.fuse_layers.{target}.{source}"
                    if source > target:
                        keys |= pair(fuse)
                    for step in range(target - source):
                        keys |= pair(f"{fuse}.{step}")
    return keys


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("simple_r18", simple_keys(2, (2, 2, 2, 2))),
        ("simple_r50", simple_keys(3, (3, 4, 6, 3))),
        ("simple_r101", simple_keys(3, (3, 4, 23, 3))),
        ("simple_r152", simple_keys(3, (3, 8, 36, 3))),
        ("hrnet_w32", hrnet_keys()),
        ("hrnet_w48", hrnet_keys()),
    ],
)
def test_keys_are_the_originals(name: str, keys: set[str]) -> None:
    with torch.device("meta"):
        assert set(build(name).state_dict()) == keys


@pytest.mark.parametrize("name", NETWORKS)
def test_heatmaps_are_a_quarter_of_the_input(name: str) -> None:
    with torch.device("meta"):
        network = build(name)
        assert network(torch.empty(2, 3, 256, 256)).shape == (2, 16, 64, 64)


@pytest.mark.parametrize("make", [lambda: pose_resnet(18), lambda: hrnet(8)])
def test_every_parameter_learns(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = make()
    network(torch.rand(2, 3, 32, 32)).square().sum().backward()
    idle = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert not idle


def test_an_imagenet_file_fills_the_trunk(noda_data: Path) -> None:
    network = build("simple_r50")
    path = noda_data / "weights" / "resnet50_imagenet_fp16.pth"
    report = load(network, state_of(read(path), str(path)), str(path))
    assert len(report.loaded) == 318 and not report.left_over
    assert set(report.fresh) == {
        key
        for key in network.state_dict()
        if key.startswith(("deconv_layers", "final_layer")) and not key.endswith("num_batches_tracked")
    }
    assert network.state_dict()["conv1.weight"].dtype == torch.float32


@pytest.mark.parametrize(("depth", "name"), [(18, "resnet18"), (50, "resnet50")])
def test_the_trunk_is_torchvisions(depth: int, name: str) -> None:
    try:
        models = importlib.import_module("torchvision.models")
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported: {error}")
    theirs = getattr(models, name)().eval()
    network = build(f"simple_r{depth}").eval()
    assert isinstance(network, PoseResNet)
    report = load(network, theirs.state_dict(), "torchvision")
    assert all(key.startswith("fc.") for key in report.left_over)
    x = torch.rand(2, 3, 64, 64)
    y = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
    torch.testing.assert_close(network.trunk(x), theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(y)))))
