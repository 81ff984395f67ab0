"""Cutting network inputs out of decoded images, many at a time, where the network runs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's, for RGB in 0..1. The originals apply them in this order to BGR input, too."""


def normalise(images: Tensor, channels: str) -> Tensor:
    """Images (B, 3, S, S) float, BGR in 0..255, as the network wants them: "rgb" or "bgr" order, channels-last."""
    images = images.flip(1) if channels == "rgb" else images
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) * 255 for v in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def warp(pixels: Tensor, sizes: Tensor, maps: Tensor, size: int) -> Tensor:
    """Bilinear crops (B, 3, size, size) float32 in 0..255; black outside, as cv2.warpAffine does it.

    Args:
        pixels: (P, 3) uint8, the images one after the other, row by row.
        sizes: (B, 2) int64, height and width of each.
        maps: (B, 2, 3) float32, from crop pixels to image pixels.
        size: side of the crops.
    """
    # On a CPU one image after the other stays in its caches; an accelerator wants one operation for all.
    return (
        _warp_each(pixels, sizes, maps, size) if pixels.device.type == "cpu" else _warp_all(pixels, sizes, maps, size)
    )


def _coordinates(maps: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """x and y in the image, each (B, size, size), of every crop pixel."""
    steps = torch.arange(size, dtype=maps.dtype, device=maps.device)
    x, y = steps.view(1, 1, size), steps.view(1, size, 1)
    m = maps[:, :, :, None, None]
    return (m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2], m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2])


def _warp_each(pixels: Tensor, sizes: Tensor, maps: Tensor, size: int) -> Tensor:
    xs, ys = _coordinates(maps, size)
    crops = torch.empty(len(maps), 3, size, size)
    start = 0
    for row, (height, width) in enumerate(sizes.tolist()):
        image = pixels[start : start + height * width].view(1, height, width, 3).permute(0, 3, 1, 2).float()
        start += height * width
        grid = torch.stack([(2 * xs[row] + 1) / width - 1, (2 * ys[row] + 1) / height - 1], dim=-1)
        crops[row] = F.grid_sample(image, grid[None], align_corners=False)[0]
    return crops


def _warp_all(pixels: Tensor, sizes: Tensor, maps: Tensor, size: int) -> Tensor:
    x, y = _coordinates(maps, size)
    left, top = x.floor(), y.floor()
    height, width = sizes[:, 0, None, None], sizes[:, 1, None, None]
    areas = sizes[:, 0] * sizes[:, 1]
    start = (areas.cumsum(0) - areas)[:, None, None]
    crops = torch.zeros(len(maps), size, size, 3, device=pixels.device)
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left.long() + dx, top.long() + dy
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs()) * inside
            index = torch.where(inside, start + row * width + column, 0)
            crops += pixels[index] * weight[..., None]
    return crops.permute(0, 3, 1, 2)
