"""Heatmaps: drawing them, the loss on them, and reading joints off them. Pure functions on tensors.

Heatmaps are a quarter of the input's size. Joint coordinates are 0-based, x before y.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 4
"""Input pixels per heatmap cell."""


def draw_heatmaps(joints_px: Tensor, labelled: Tensor, size: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Targets (B, J, size, size) and weights (B, J), both float32.

    A Gaussian of peak 1 at the cell int(x / 4 + 0.5), cut off at 3 sigma. The weight is 0 for a joint that is not
    labelled and for one whose whole patch lies outside; one that is less than a patch outside is still supervised.

    Args:
        joints_px: (B, J, 2) float, in input pixels.
        labelled: (B, J) bool.
        size: side of the heatmaps, in cells.
        sigma: in cells.
    """
    cell = (joints_px / STRIDE + 0.5).trunc()
    radius = math.floor(3 * sigma)
    steps = torch.arange(size, device=joints_px.device)
    offset = steps - cell[..., None]  # (B, J, 2, size)
    bell = torch.exp(-(offset**2) / (2 * sigma**2)) * (offset.abs() <= radius)
    weight = labelled & ((cell + radius >= 0) & (cell - radius < size)).all(-1)
    heatmaps = bell[..., 1, :, None] * bell[..., 0, None, :]
    return heatmaps * weight[..., None, None], weight.float()


def heatmap_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """0.5 * mean over batch, joints and cells of ((predicted - target) * weight)^2, in float32; zeros count."""
    difference = (predicted.float() - target) * weight[..., None, None]
    return 0.5 * difference.square().mean()


def flip_back(heatmaps: Tensor, order: Tensor) -> Tensor:
    """Heatmaps (B, J, H, W) of mirrored inputs as those of the inputs: mirrored, pairs swapped by `order` (J,), and
    moved one cell to the right (column 0 stays), which brings them closer in line with the others."""
    back = heatmaps.flip(3)[:, order]
    return torch.cat([back[..., :1], back[..., :-1]], dim=3)


def decode(heatmaps: Tensor, method: str = "quarter", sigma: float = 2.0) -> tuple[Tensor, Tensor]:
    """Joints (B, J, 2) float32 in cells, and scores (B, J). Where the score is not above 0 the joint is (0, 0)."""
    heatmaps = heatmaps.float()
    width = heatmaps.shape[3]
    scores, index = heatmaps.flatten(2).max(dim=2)
    x, y = index % width, index // width
    found = scores > 0
    shift = _dark_shift(heatmaps, x, y, sigma) if method == "dark" else _quarter_shift(heatmaps, x, y)
    cells = torch.stack([x, y], dim=-1) + shift
    return cells * found[..., None], scores


def _around(heatmaps: Tensor, x: Tensor, y: Tensor, dx: int, dy: int) -> Tensor:
    """(B, J): the values beside the cells x, y; those beyond the border are never used."""
    height, width = heatmaps.shape[2:]
    index = (y + dy).clamp(0, height - 1) * width + (x + dx).clamp(0, width - 1)
    return heatmaps.flatten(2).gather(2, index[..., None]).squeeze(2)


def _inner(heatmaps: Tensor, x: Tensor, y: Tensor, border: int) -> Tensor:
    height, width = heatmaps.shape[2:]
    return ((x > 1) & (x < width - border) & (y > 1) & (y < height - border))[..., None]


def _quarter_shift(heatmaps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """A quarter of a cell towards the higher neighbour."""
    right = _around(heatmaps, x, y, 1, 0) - _around(heatmaps, x, y, -1, 0)
    down = _around(heatmaps, x, y, 0, 1) - _around(heatmaps, x, y, 0, -1)
    return 0.25 * torch.stack([right, down], dim=-1).sign() * _inner(heatmaps, x, y, 1)


def _dark_shift(heatmaps: Tensor, x: Tensor, y: Tensor, sigma: float) -> Tensor:
    """DARK (Zhang et al., CVPR 2020): the peak of a second-order expansion of the smoothed heatmap's logarithm."""
    log = _smooth(heatmaps, sigma).clamp(min=1e-10).log()

    def at(dx: int, dy: int) -> Tensor:
        return _around(log, x, y, dx, dy)

    gx, gy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    xx, yy = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4, (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4
    xy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    determinant = xx * yy - xy**2
    solvable = determinant.abs() > 1e-12
    safe = torch.where(solvable, determinant, 1.0)
    shift = torch.stack([-(yy * gx - xy * gy) / safe, -(xx * gy - xy * gx) / safe], dim=-1)
    return shift * solvable[..., None] * _inner(heatmaps, x, y, 2)


def _smooth(heatmaps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with the width of the targets, scaled back to each heatmap's maximum."""
    radius = max(1, round(2.5 * sigma))
    steps = torch.arange(-radius, radius + 1, device=heatmaps.device, dtype=heatmaps.dtype)
    # OpenCV's width for a kernel of this size, which DARK uses.
    bell = torch.exp(-(steps**2) / (2 * (0.3 * (radius - 1) + 0.8) ** 2))
    bell = bell / bell.sum()
    flat = heatmaps.flatten(0, 1)[:, None]
    blurred = F.conv2d(flat, bell.view(1, 1, 1, -1), padding=(0, radius))
    blurred = F.conv2d(blurred, bell.view(1, 1, -1, 1), padding=(radius, 0)).view_as(heatmaps)
    peak, blurred_peak = heatmaps.amax((2, 3), keepdim=True), blurred.amax((2, 3), keepdim=True)
    return blurred * peak / blurred_peak.clamp(min=1e-10)
