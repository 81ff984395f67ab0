"""The joints that a network predicts for persons: the originals' crop on the original images, flip test, decoding.

Nothing here is taken from the training cache: numbers that are compared with others' come from the same pixels.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_train.arrays import Floats
from noda_train.data import Samples, read_image, unusable
from noda_train.distributed import World
from noda_train.geometry import flip_order
from noda_train.outputs import Prediction
from noda_train.settings import Settings
from noda_train.targets import STRIDE, decode, flip_back
from noda_train.warp import normalise

Crops = NDArray[np.uint8]
CHUNK = 512
"""Persons whose crops are in memory at once, where they are not kept (0.2 MB each at 256 px)."""


def original_map(center: Floats, box: float, size: int) -> Floats:
    """(2, 3) map from image to crop pixels, by three points in float32 as the originals compute it."""
    half = size * 0.5
    source = np.array([center, center - (0, box * 0.5), center - (box * 0.5, box * 0.5)], np.float32)
    target = np.array([(half, half), (half, 0), (0, 0)], np.float32)
    return np.asarray(cv2.getAffineTransform(source, target), dtype=np.float64)


def exact_crop(image: NDArray[np.uint8], center: Floats, box: float, size: int) -> Crops:
    """(size, size, 3) uint8 BGR, by the originals' formula."""
    crop = cv2.warpAffine(image, original_map(center, box, size), (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, dtype=np.uint8)


def exact_crops(samples: Samples, size: int) -> Crops:
    """(N, size, size, 3) uint8 BGR, read and cut on all cores. NodaError names images that cannot be read."""
    crops = np.empty((len(samples), size, size, 3), np.uint8)
    rows_of = samples.rows_by_image()

    def cut(path: Path) -> NodaError | None:
        try:
            image = read_image(path)
        except NodaError as error:
            return error
        for row in rows_of[path]:
            crops[row] = exact_crop(image, samples.center[row], samples.box[row], size)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = [error for error in pool.map(cut, rows_of) if error is not None]
    if errors:
        raise unusable(errors)
    return crops


def heatmaps_of(network: nn.Module, images: Tensor, order: Tensor | None) -> Tensor:
    """Heatmaps (B, J, S/4, S/4) of inputs (B, 3, S, S), averaged with those of the mirrored inputs where `order` (J,)
    says which joints change places."""
    heatmaps: Tensor = network(images)
    if order is not None:
        heatmaps = 0.5 * (heatmaps + flip_back(network(images.flip(3)), order))
    return heatmaps


@torch.no_grad()
def decode_crops(
    network: nn.Module, crops: Crops, skeleton: Skeleton, settings: Settings, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Joints (N, J, 2) in heatmap cells and scores (N, J). Float32 throughout, also after training in bf16."""
    was_training = network.training
    network.eval()
    order = torch.from_numpy(flip_order(skeleton)).to(device) if settings.flip_test else None
    cells, scores = [], []
    for start in range(0, len(crops), settings.batch):
        batch = torch.from_numpy(crops[start : start + settings.batch]).to(device)
        images = normalise(batch.permute(0, 3, 1, 2).float(), settings.channels)
        heatmaps = heatmaps_of(network, images.contiguous(memory_format=torch.channels_last), order)
        joints, score = decode(heatmaps, settings.decode, settings.sigma)
        cells.append(joints.cpu().numpy())
        scores.append(score.float().cpu().numpy())
    network.train(was_training)
    return np.concatenate(cells), np.concatenate(scores)


def to_image(cells: NDArray[np.float32], samples: Samples, size: int) -> Floats:
    """Heatmap cells (N, J, 2) -> 0-based pixels of the original image: cell (size / 8, size / 8) is the centre."""
    side = size // STRIDE
    offset = (cells.astype(np.float64) - side / 2) * (samples.box / side)[:, None, None]
    return offset + samples.center[:, None, :]


def predict(
    network: nn.Module, samples: Samples, settings: Settings, world: World, crops: Crops | None = None
) -> Prediction:
    """Predictions for all samples, in all processes. Each process does every `world.size`-th person, once.

    `crops` are this process's exact crops, if they were kept from an earlier call to `own_crops`.
    """
    rows = np.arange(world.rank, len(samples), world.size)
    mine = samples.take(rows)
    parts = []
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        pixels = crops[part] if crops is not None else exact_crops(mine.take(np.arange(len(rows))[part]), settings.size)
        parts.append(decode_crops(network, pixels, samples.skeleton, settings, world.device))
    count = len(samples.skeleton)
    joints, scores = np.zeros((len(samples), count, 2)), np.zeros((len(samples), count))
    cells = np.concatenate([p[0] for p in parts]) if parts else np.zeros((0, count, 2), np.float32)
    own_joints = to_image(cells, mine, settings.size) + 1
    own_scores = np.concatenate([p[1] for p in parts]) if parts else np.zeros((0, count), np.float32)
    for their_rows, their_joints, their_scores in world.gather((rows, own_joints, own_scores)):
        joints[their_rows], scores[their_rows] = their_joints, their_scores
    return Prediction(joints, scores)


def own_crops(samples: Samples, settings: Settings, world: World) -> Crops:
    """The exact crops of this process's share of the samples, to be kept for many evaluations."""
    return exact_crops(samples.take(np.arange(world.rank, len(samples), world.size)), settings.size)
