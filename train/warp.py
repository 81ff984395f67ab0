"""Cutting network inputs out of decoded images, many at a time, where the network runs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's, for RGB in 0..1. The originals apply them in this order to BGR input, too."""


def normalise(images: Tensor, channels: str) -> Tensor:
    """Images (B, 3, S, S) float, BGR in 0..255, as the network wants them: in "rgb" or "bgr" order."""
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) * 255 for v in (MEAN, STD))
    return (images.flip(1) if channels == "rgb" else images).sub(mean).div_(std)


def network_inputs(pixels: Tensor, sizes: Tensor, maps: Tensor, size: int, channels: str) -> Tensor:
    """Normalised bilinear crops (B, 3, size, size) float32, channels-last; black outside, as cv2.warpAffine has it.

    Args:
        pixels: (P, 3) uint8 BGR, the images one after the other, row by row.
        sizes: (B, 2) int64, height and width of each.
        maps: (B, 2, 3) float32, from crop pixels to image pixels.
        size: side of the crops.
        channels: "rgb" or "bgr".
    """
    if pixels.device.type != "cpu":
        return normalise(warp_all(pixels, sizes, maps, size), channels)  # channels-last already
    # On a CPU one image after the other stays in its caches; an accelerator wants one operation for all.
    crops = torch.empty(len(maps), 3, size, size, memory_format=torch.channels_last)
    start = 0
    for row, (height, width) in enumerate(sizes.tolist()):
        image = pixels[start : start + height * width].view(height, width, 3)
        crops[row : row + 1] = normalise(warp_one(image, maps[row], size), channels)
        start += height * width
    return crops


def warp_one(image: Tensor, crop_map: Tensor, size: int) -> Tensor:
    """One crop (1, 3, size, size) in 0..255 of an image (H, W, 3) uint8, for a map (2, 3)."""
    sides = torch.tensor([image.shape[1], image.shape[0]])
    steps = torch.arange(size, dtype=torch.float32)[:, None]
    # grid_sample's coordinates run from -1 to 1 between the outer edges of the image.
    along_x, along_y = (steps * crop_map[:, axis] * 2 / sides for axis in (0, 1))
    grid = along_x[None] + (along_y + (2 * crop_map[:, 2] + 1) / sides - 1)[:, None]
    return F.grid_sample(image.permute(2, 0, 1)[None].float(), grid[None], align_corners=False)


def warp_all(pixels: Tensor, sizes: Tensor, maps: Tensor, size: int) -> Tensor:
    """Crops (B, 3, size, size) in 0..255, channels-last, gathered straight from the bytes of all images at once."""
    steps = torch.arange(size, dtype=maps.dtype, device=maps.device)
    u, v, m = steps.view(1, 1, size), steps.view(1, size, 1), maps[:, :, :, None, None]
    x, y = (m[:, axis, 0] * u + m[:, axis, 1] * v + m[:, axis, 2] for axis in (0, 1))
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
