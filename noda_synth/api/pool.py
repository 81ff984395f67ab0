"""A pool of bodies to look into, whichever process asks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.api.channels import check_channels, to_bgr
from noda_synth.data.skeleton import Skeleton
from noda_synth.pool.reader import Pool as Reader


@dataclass(frozen=True, eq=False)
class Body:
    """A cut-out person; coordinates are 0-based pixels of the crop.

    Attributes:
        id: the person's id in the data set that the pool was made from.
        source: name of the image that the person was cut out of.
        crop: (h, w, 3) uint8, in the order of channels that the pool was opened with.
        opacity: level -> (h, w) uint8: inside is 128 and more; only a level with a matte has other values than 0, 255.
        joints: (J, 2) float64; NaN where not labelled.
        labelled: (J,) bool.
        visible: (J,) int8: 1 visible, 0 occluded, -1 unknown.
        quality: level -> score of its mask; higher is better.
        scale: MPII's scale of the person in the image (height / 200 px), or None.
    """

    id: str
    source: str
    crop: NDArray[np.uint8]
    opacity: Mapping[str, NDArray[np.uint8]]
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]
    quality: Mapping[str, float]
    scale: float | None


class Pool:
    """The bodies that `build-pool` cut out.

    The file is opened on first use, and in each process for itself: a pool can be sent to workers, and a process that
    was forked does not share the open file of its parent.

    Args:
        path: the pool.
        channels: order of the colours of crops: "rgb" or "bgr".
    """

    def __init__(self, path: str | Path = "data/pool.h5", *, channels: str = "rgb") -> None:
        check_channels(channels)
        self.path, self.channels = Path(path), channels
        self._opened: tuple[int, Reader, dict[str, NDArray[np.float64]]] | None = None

    def __len__(self) -> int:
        return len(self._open()[0])

    @property
    def ids(self) -> Sequence[str]:
        """The persons' ids, by number; read one by one from the file."""
        return self._open()[0].persons

    @property
    def levels(self) -> tuple[str, ...]:
        """The mask levels, the best last."""
        return tuple(self._open()[0].levels)

    @property
    def skeleton(self) -> Skeleton:
        """The joints of the bodies."""
        return self._open()[0].skeleton

    def number(self, person: str) -> int:
        """The number of the body of a person. Raises KeyError."""
        row = self._open()[0].row_of(person)
        if row is None:
            raise KeyError(person)
        return row

    def body(self, number: int) -> Body:
        """The body of a number, from 0. Raises IndexError, and NodaError for a damaged pool."""
        reader, quality = self._open()
        if not 0 <= number < len(reader):
            raise IndexError(f"body {number} of {self.path}, which has {len(reader)}")
        scale, labelled = float(reader.scale[number]), reader.labelled[number]
        return Body(
            id=reader.persons[number],
            source=reader.images[number],
            crop=to_bgr(reader.crop(number), self.channels),
            opacity={level: reader.opacity(number, level) for level in reader.levels},
            joints=np.where(labelled[:, None], reader.joints[number], np.nan),
            labelled=labelled,
            visible=reader.visible[number].copy(),
            quality={level: float(values[number]) for level, values in quality.items()},
            scale=scale if np.isfinite(scale) else None,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _open(self) -> tuple[Reader, dict[str, NDArray[np.float64]]]:
        """The file as this process has it open, and the qualities by level."""
        if self._opened is None or self._opened[0] != os.getpid():
            reader = Reader(self.path)
            self._opened = (os.getpid(), reader, {level: reader.quality(level) for level in reader.levels})
        return self._opened[1:]
