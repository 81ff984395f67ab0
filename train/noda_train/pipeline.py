"""From the cache to the network's inputs and targets: CPU workers decode small crops, the device does the rest.

Everything random in an epoch (order, scale, rotation, flip) comes from one generator, seeded by (seed, epoch), so it
does not depend on workers or processes, and a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from noda_synth.errors import NodaError
from noda_train import geometry
from noda_train.cache import CropReader, read_maps
from noda_train.data import Samples
from noda_train.distributed import World
from noda_train.half_body import with_halves
from noda_train.settings import Settings
from noda_train.targets import STRIDE, draw_heatmaps
from noda_train.warp import network_inputs

PREFETCH = 4
"""Batches that each worker decodes ahead."""


@dataclass(frozen=True)
class Batch:
    """Inputs (B, 3, S, S), target heatmaps (B, J, S/4, S/4) and their weights (B, J); float32 on the device.

    A weight multiplies the error, as in the originals, so that its square counts in the loss.
    """

    images: Tensor
    heatmaps: Tensor
    weights: Tensor


class _Decoded(Dataset[tuple[Tensor, Tensor]]):
    """Item `rows` is (pixels, sizes) of the crops of these persons."""

    def __init__(self, reader: CropReader) -> None:
        self.reader = reader

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        pixels, sizes = self.reader[rows]
        return torch.from_numpy(pixels), torch.from_numpy(sizes)


class Pipeline:
    """Batches of a training set for one process, epoch by epoch."""

    def __init__(
        self,
        samples: Samples,
        crops: Path,
        settings: Settings,
        world: World,
        turns: Sequence[NDArray[np.int64]] = (),
    ) -> None:
        """`turns` are rows of the samples that take turns, one list an epoch; without, all are gone through."""
        parts = world.size * settings.accumulate
        if settings.batch % parts:
            raise NodaError(
                f"batch={settings.batch} cannot be shared by {world.size} processes with"
                f" accumulate={settings.accumulate}; choose a multiple of {parts}"
            )
        if settings.hidden_weight < 1:
            _check_covered(samples, settings)
        self.samples, self.settings, self.world = samples, settings, world
        self.turns = turns or (np.arange(len(samples)),)
        self.reader = CropReader(crops)
        self.crop_maps = read_maps(crops)

    @property
    def persons(self) -> int:
        """Persons per epoch."""
        return max(map(len, self.turns))

    @property
    def steps(self) -> int:
        """Optimiser steps per epoch."""
        return -(-self.persons // self.settings.batch)

    @property
    def smallest(self) -> int:
        """Persons in the smallest batch that the network sees at once."""
        parts = self.world.size * self.settings.accumulate
        filled = -(-self.persons // parts) * parts
        return (filled % self.settings.batch or self.settings.batch) // parts

    def plan(self, epoch: int) -> tuple[list[NDArray[np.int64]], geometry.Augmentation]:
        """The persons of each batch, for all processes together, and a draw for every person.

        Each batch is filled up, the last one from the front, so that all processes take the same number of equal steps.
        """
        rng = np.random.default_rng([self.settings.seed, epoch])
        turn = self.turns[epoch % len(self.turns)]
        permutation = turn[rng.permutation(len(turn))]
        parts = self.world.size * self.settings.accumulate
        count = -(-self.persons // parts) * parts
        rows = np.resize(permutation, count)
        batches = [rows[start : start + self.settings.batch] for start in range(0, count, self.settings.batch)]
        draw = geometry.draw(len(self.samples), self.settings, rng)
        if self.settings.half_body:
            draw = with_halves(draw, self.samples, self.settings, rng)
        return batches, draw

    def epochs(self, first: int, last: int) -> Iterator[Iterator[list[Batch]]]:
        """The epochs first..last-1, each to be consumed before the next. One set of workers serves them all: it reads
        on into the next epoch while the last step of one, or a validation, is under way."""
        decoded = iter(self._loader(first, last))
        for epoch in range(first, last):
            yield self._steps(epoch, decoded)

    def epoch(self, epoch: int) -> Iterator[list[Batch]]:
        """The steps of one epoch alone."""
        return next(self.epochs(epoch, epoch + 1))

    def _own_batches(self, batches: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """This process's share of each batch, in as many parts as gradients are accumulated over."""
        parts = self.world.size * self.settings.accumulate
        return [batch[part::parts] for batch in batches for part in range(self.world.rank, parts, self.world.size)]

    def _steps(self, epoch: int, decoded: Iterator[tuple[Tensor, Tensor]]) -> Iterator[list[Batch]]:
        """One list of batches per optimiser step: as many as gradients are accumulated over."""
        s, device = self.settings, self.world.device
        batches, draw = self.plan(epoch)
        mine = self._own_batches(batches)
        # In the order of use and on the device, once per epoch: nothing small is copied between steps.
        rows = np.concatenate(mine)
        maps, joints, labelled, factor = (torch.from_numpy(values[rows]).to(device) for values in self._targets(draw))
        start = 0
        step: list[Batch] = []
        for _ in mine:
            pixels, sizes = next(decoded)
            part = slice(start, start + len(sizes))
            start += len(sizes)
            images = network_inputs(pixels.to(device, non_blocking=True), sizes, maps[part], s.size, s.channels)
            heatmaps, weights = draw_heatmaps(joints[part], labelled[part], s.size // STRIDE, s.sigma)
            step.append(Batch(images, heatmaps, weights * factor[part]))
            if len(step) == s.accumulate:
                yield step
                step = []

    def _targets(
        self, draw: geometry.Augmentation
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """For each person: the map from input pixels to crop pixels, joints in input pixels, which are labelled, and
        the factor (N, J) on the weight of each."""
        to_image = geometry.crop_to_image(self.samples.center, self.samples.box, self.settings.size, draw)
        joints = geometry.apply(geometry.invert(to_image), self.samples.joints)
        order = geometry.flip_order(self.samples.skeleton)
        # The loss squares it: what is covered is to count `hidden_weight` times.
        factor = np.where(self.samples.covered == 1, np.sqrt(self.settings.hidden_weight), 1.0)
        return (
            geometry.chain(self.crop_maps, to_image).astype(np.float32),
            geometry.swap_flipped(joints, draw.flip, order).astype(np.float32),
            geometry.swap_flipped(self.samples.labelled, draw.flip, order).astype(np.bool_),
            geometry.swap_flipped(factor, draw.flip, order).astype(np.float32),
        )

    def _loader(self, first: int, last: int) -> DataLoader[tuple[Tensor, Tensor]]:
        workers = self.world.workers(self.settings.workers)
        return DataLoader(
            _Decoded(self.reader),
            batch_size=None,
            sampler=_Rows(self, first, last),
            num_workers=workers,
            prefetch_factor=PREFETCH if workers else None,
            pin_memory=self.world.device.type == "cuda",
            # torch draws a seed for its workers; taken from its own generator, it would change what the run draws.
            generator=torch.Generator(),
        )


def _check_covered(samples: Samples, settings: Settings) -> None:
    """NodaError where a render does not say which joints it covered."""
    unknown = np.flatnonzero((samples.covered < 0).any(axis=1))
    if len(unknown):
        first = int(unknown[0])
        raise NodaError(
            f"hidden_weight={settings.hidden_weight:g} needs the joints that the render covered, and {len(unknown)}"
            f" people's records do not say which (the first: person {samples.ids[first]} on {samples.paths[first]});"
            " render the set again, or train with hidden_weight=1"
        )


class _Rows(Sampler[NDArray[np.int64]]):
    """The persons of this process's batches, epoch after epoch."""

    def __init__(self, pipeline: Pipeline, first: int, last: int) -> None:
        self.pipeline, self.first, self.last = pipeline, first, last

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        for epoch in range(self.first, self.last):
            yield from self.pipeline._own_batches(self.pipeline.plan(epoch)[0])
