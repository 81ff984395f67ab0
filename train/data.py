"""A data set as arrays: what training and evaluation need of every person, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.dataset import Dataset, Person, joint_box
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, find_layout, read_dataset
from noda_synth.skeleton import MPII
from train.pckh import Floats, Truth, head_sizes, stand_in_head_sizes

# Parallel over images, never within one. Set before OpenCV starts threads: a pool that was forked can't be stopped, and
# a worker that tried would hang.
cv2.setNumThreads(1)

MARGIN = 1.25
"""The crop's side over MPII's 200 px * scale."""


@dataclass(frozen=True, eq=False)
class Samples:
    """N persons, in the order of their file. Coordinates are 0-based pixels of the original image.

    Attributes:
        paths: (N) image files.
        ids: (N) person ids.
        center: (N, 2) float64, the crop's centre: MPII's, 15 px * scale lower.
        box: (N,) float64, the crop's side, 200 px * scale * 1.25.
        joints: (N, 16, 2) float64, 0 where not labelled.
        labelled: (N, 16) bool.
        visible: (N, 16) int8, 1 visible, 0 occluded, -1 unknown.
        head_size: (N,) float64 px, NaN where nothing tells it.
    """

    paths: tuple[Path, ...]
    ids: tuple[str, ...]
    center: Floats
    box: Floats
    joints: Floats
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]
    head_size: Floats

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Samples:
        """The persons in the given rows."""
        index = np.asarray(rows, dtype=np.int64)
        return Samples(
            tuple(self.paths[i] for i in index),
            tuple(self.ids[i] for i in index),
            self.center[index],
            self.box[index],
            self.joints[index],
            self.labelled[index],
            self.visible[index],
            self.head_size[index],
        )

    def truth(self) -> Truth:
        """The persons' own annotations as truth, 1-based as the metric's files; unknown head sizes count nothing."""
        judged = np.isfinite(self.head_size) & (self.head_size > 0)
        visible = self.visible if (self.visible >= 0).any() else None
        return Truth(
            self.joints + 1,
            self.labelled & judged[:, None],
            np.where(judged, self.head_size, 1.0),
            visible,
            "the annotations have no visibility",
        )


@dataclass(frozen=True)
class Parts:
    """The two parts of a data set, the files they come from, and what is worth knowing about these."""

    layout: Layout
    train: Samples
    valid: Samples
    problems: tuple[str, ...] = ()


def load(data: Path) -> Parts:
    """Read a data set in MPII's layout, as `noda-synth render` writes it."""
    layout = find_layout(data)
    dataset = read_dataset(layout)
    if dataset.skeleton is not MPII:
        raise NodaError(f"{layout.annotations}: {dataset.skeleton.name} joints; training needs MPII's 16")
    return Parts(
        layout,
        _samples(layout, dataset, dataset.samples),
        _samples(layout, dataset, dataset.valid),
        tuple(f"{problem.item}: {problem.reason}" for problem in dataset.problems),
    )


def _samples(layout: Layout, dataset: Dataset, persons: Sequence[Person]) -> Samples:
    count = len(dataset.skeleton)
    joints = np.array([p.joints for p in persons], dtype=np.float64).reshape(-1, count, 2)
    labelled = np.array([p.labelled for p in persons], dtype=bool).reshape(-1, count)
    joints = np.where(labelled[:, :, None], joints, 0.0)
    frames = [_crop(person) for person in persons]
    return Samples(
        paths=tuple(layout.images / p.image for p in persons),
        ids=tuple(p.person_id for p in persons),
        center=np.array([center for center, _ in frames], dtype=np.float64).reshape(-1, 2),
        box=np.array([box for _, box in frames], dtype=np.float64),
        joints=joints,
        labelled=labelled,
        visible=np.array([p.visible for p in persons], dtype=np.int8).reshape(-1, count),
        head_size=_head_size(persons, joints, labelled),
    )


def _crop(person: Person) -> tuple[Floats, float]:
    """Centre and side of the crop; of someone without MPII's center or scale, from the box of the joints."""
    if person.center is not None and person.scale is not None:
        return person.center + np.array([0.0, 15 * person.scale]), 200 * person.scale * MARGIN
    if not person.labelled.any():
        return np.zeros(2), 200.0
    x1, y1, x2, y2 = joint_box(person.joints[person.labelled])
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2]), 1.1 * MARGIN * max(x2 - x1, y2 - y1, 20.0)


def _head_size(persons: Sequence[Person], joints: Floats, labelled: NDArray[np.bool_]) -> Floats:
    sizes = np.where(labelled[:, 8] & labelled[:, 9], stand_in_head_sizes(joints), np.nan)
    for row, person in enumerate(persons):
        if person.head_box is not None:
            sizes[row] = head_sizes(person.head_box[None])[0]
    return sizes


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, BGR, as stored: EXIF rotation would move the picture away from its joints.

    The bytes are read first: `cv2.imread` gives a half-grey picture, and no error, for a JPEG that ends early.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise NodaError(f"{path}: cannot be read ({error.strerror})") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    if image is None:
        raise NodaError(f"{path}: not a whole image; restore the file, or take its records out of the annotations")
    return np.asarray(image, dtype=np.uint8)
