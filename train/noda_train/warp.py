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
        sizes: (B, 2) int64 on the CPU, height and width of each.
        maps: (B, 2, 3) float32, from crop pixels to image pixels.
        size: side of the crops.
        channels: "rgb" or "bgr".
    """
    sides: list[list[int]] = sizes.tolist()
    parts = torch.split(pixels, [height * width for height, width in sides])
    images = [part.view(*side, 3) for part, side in zip(parts, sides, strict=True)]
    if pixels.device.type != "cpu":
        return normalise(warp_all(images, maps, size), channels).contiguous(memory_format=torch.channels_last)
    # On a CPU one image after the other stays in its caches; an accelerator wants one operation for all.
    crops = torch.empty(len(maps), 3, size, size, memory_format=torch.channels_last)
    for row, image in enumerate(images):
        crops[row] = normalise(warp_all([image], maps[row : row + 1], size), channels)[0]
    return crops


def warp_all(images: list[Tensor], maps: Tensor, size: int) -> Tensor:
    """Crops (B, 3, size, size) float32 in 0..255 of images (H, W, 3) uint8, by maps (B, 2, 3) from crop to image."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    if len(images) == 1:
        padded = images[0][None]
    else:
        padded = torch.zeros(len(images), height, width, 3, dtype=torch.uint8, device=maps.device)
        for row, image in enumerate(images):
            padded[row, : image.shape[0], : image.shape[1]] = image
    # grid_sample's coordinates run from -1 to 1 between the outer edges of the (padded) image.
    steps = torch.arange(size, dtype=torch.float32, device=maps.device)[:, None]
    scaled = torch.stack([maps[:, 0] * (2 / width), maps[:, 1] * (2 / height)], dim=-1)[:, :, None]  # (B, 3, 1, 2)
    shift = scaled[:, 2] + torch.tensor([1 / width - 1, 1 / height - 1], device=maps.device)
    grid = (steps * scaled[:, 0])[:, None] + (steps * scaled[:, 1] + shift)[:, :, None]
    return F.grid_sample(padded.permute(0, 3, 1, 2).float(), grid, align_corners=False)
