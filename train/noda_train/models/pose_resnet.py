"""Simple Baselines (Xiao et al., ECCV 2018): a ResNet trunk, three deconvolutions, heatmaps."""

from __future__ import annotations

from torch import Tensor, nn

from noda_train.models.layers import BasicBlock, Block, Bottleneck, init_normal, residual_layer

TRUNKS: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class PoseResNet(nn.Module):
    """Images (B, 3, S, S) -> trunk (B, 512 or 2048, S/32, S/32) -> heatmaps (B, joints, S/4, S/4)."""

    def __init__(self, block: Block, blocks: tuple[int, int, int, int], joints: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = residual_layer(block, 64, 64, blocks[0])
        self.layer2 = residual_layer(block, 64 * block.expansion, 128, blocks[1], stride=2)
        self.layer3 = residual_layer(block, 128 * block.expansion, 256, blocks[2], stride=2)
        self.layer4 = residual_layer(block, 256 * block.expansion, 512, blocks[3], stride=2)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        self.deconv_layers = _deconvolutions(512 * block.expansion, 256, 3)
        self.final_layer = nn.Conv2d(256, joints, 1)
        init_normal(self.deconv_layers)
        init_normal(self.final_layer)

    def forward(self, x: Tensor) -> Tensor:
        heatmaps: Tensor = self.final_layer(self.deconv_layers(self.trunk(x)))
        return heatmaps

    def trunk(self, x: Tensor) -> Tensor:
        """torchvision's ResNet without pooling and classifier."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return features


def _deconvolutions(inputs: int, width: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(count):
        channels = inputs if number == 0 else width
        layers += [
            nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def pose_resnet(depth: int, joints: int = 16) -> PoseResNet:
    """The network on a ResNet of this depth, a key of TRUNKS."""
    return PoseResNet(*TRUNKS[depth], joints)
