"""A torch Dataset whose samples are occluded as they are loaded: a share of them, differently in each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from noda_synth.api.occluder import Occluder
from noda_synth.api.person import key_text
from noda_synth.data.dataset import UNKNOWN
from noda_synth.errors import NodaError
from noda_synth.seeding import item_generator

_ARGUMENTS = ("labelled", "visible", "scale", "others", "source")


class OccludedDataset(Dataset[dict[str, Any]]):
    """Wraps a dataset of mappings with "image" (H, W, 3) uint8 and "joints" (J, 2), and, where they are known, what
    an `Occluder` takes by the same names and "id".

    The key of a sample is (id or index, epoch). With the person ids of `read_dataset` epoch 0 sees the first copy of
    `render --copies N`, epoch 1 the second, and so on.

    Args:
        dataset: with a length, and items by index.
        occluder: of the same order of channels as the images.
        ratio: share of the samples that is occluded, drawn anew in each epoch.
    """

    def __init__(self, dataset: Any, occluder: Occluder, *, ratio: float = 0.5) -> None:
        self.dataset, self.occluder, self.ratio = dataset, occluder, ratio
        # In shared memory: workers that outlive an epoch have to learn of the next one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Call it before each epoch, as for a DistributedSampler."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The sample with "image" and "visible" after, and "covered" (J,) bool, all False where it is as it was."""
        sample: Mapping[str, Any] = self.dataset[index]
        if not isinstance(sample, Mapping) or not {"image", "joints"} <= sample.keys():
            raise NodaError(f'sample {index} is no mapping with "image" and "joints", but {type(sample).__name__}')
        key = (sample.get("id", index), int(self._epoch))
        # All samples have the same keys, as it takes to put them into a batch.
        count = len(sample["joints"])
        same = {"visible": np.full(count, UNKNOWN, np.int8), **sample, "covered": np.zeros(count, np.bool_)}
        if item_generator(self.occluder.seed, "ratio", key_text(key)).random() >= self.ratio:
            return same
        given = {name: sample[name] for name in _ARGUMENTS if name in sample}
        result = self.occluder(sample["image"], sample["joints"], key=key, **given)
        if result.reason:
            return same
        return {**same, "image": result.image, "visible": result.visible, "covered": result.covered}
