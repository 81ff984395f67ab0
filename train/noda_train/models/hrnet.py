"""HRNet (Sun et al., CVPR 2019): branches of several resolutions side by side, exchanged again and again."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from noda_train.models.layers import BasicBlock, Bottleneck, conv, conv_bn, init_normal, residual_layer

STAGES = (("stage2", 2, 1), ("stage3", 3, 4), ("stage4", 4, 3))
"""Name, branches, modules. Branch b has width * 2^b channels at 1 / 2^b of the top branch's size."""
BLOCKS = 4
"""Basic blocks of a branch in one module."""


class Module(nn.Module):
    """Runs each branch through its blocks, then gives every branch the sum of all, brought to its own size."""

    def __init__(self, channels: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, c, c, BLOCKS) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        outputs = []
        for row in self.fuse_layers:
            fused = [fuse(x) for fuse, x in zip(cast(nn.ModuleList, row), xs, strict=True)]
            total = fused[0]
            for x in fused[1:]:
                total = total + x
            outputs.append(self.relu(total))
        return outputs


def _fuse(channels: list[int], source: int, target: int) -> nn.Module:
    """Brings a branch to another's channels and size: up by 1x1 and nearest, down by a 3x3 with stride 2 each step."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            conv(channels[source], channels[target], 1),
            nn.BatchNorm2d(channels[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = [conv_bn(channels[source], channels[source], 3, stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, conv_bn(channels[source], channels[target], 3, stride=2, relu=False))


class HRNet(nn.Module):
    """Images (B, 3, S, S) -> heatmaps (B, joints, S/4, S/4), at the size of the top branch throughout."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv(64, 64, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, 64, 64, 4)
        before = [256]
        for number, (stage, branches, modules) in enumerate(STAGES, start=1):
            channels = [width * 2**branch for branch in range(branches)]
            self.add_module(f"transition{number}", _transition(before, channels))
            # Heatmaps come from the top branch alone, so the last module of the last stage gives no other.
            outputs = [branches] * modules if stage != "stage4" else [branches] * (modules - 1) + [1]
            self.add_module(stage, nn.Sequential(*(Module(channels, n) for n in outputs)))
            before = channels
        self.final_layer = nn.Conv2d(width, joints, 1)
        init_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        xs = [self.layer1(x)]
        for number, (stage, _, _) in enumerate(STAGES, start=1):
            transition = cast(nn.ModuleList, self.get_submodule(f"transition{number}"))
            # A branch goes on from its own; a new one starts from the smallest so far.
            xs = [step(xs[min(branch, len(xs) - 1)]) for branch, step in enumerate(transition)]
            xs = self.get_submodule(stage)(xs)
        heatmaps: Tensor = self.final_layer(xs[0])
        return heatmaps


def _transition(before: list[int], after: list[int]) -> nn.ModuleList:
    """From the branches of one stage to those of the next: widths are adapted and one smaller branch is added."""
    steps: list[nn.Module] = []
    for branch, channels in enumerate(after):
        if branch >= len(before):
            steps.append(nn.Sequential(conv_bn(before[-1], channels, 3, stride=2)))
        elif before[branch] != channels:
            steps.append(conv_bn(before[branch], channels, 3))
        else:
            steps.append(nn.Identity())
    return nn.ModuleList(steps)


def hrnet(width: int, joints: int = 16) -> HRNet:
    """The network whose top branch has so many channels: 32 and 48 in the paper."""
    return HRNet(width, joints)
