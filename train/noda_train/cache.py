"""Crops of persons, cut out once, so that training decodes 0.2 megapixels per sample instead of a full frame.

One HDF5 file: JPEGs one after the other in `jpeg` (uint8), where each begins in `offsets` (N + 1), and `maps`
(N, 2, 3) from image pixels to the pixels of the stored crop. A crop reaches as far as scale, rotation and shift can
take the network's input, ends at the image's frame, and has `cache_detail` times the input's resolution at most. The
file's name is a hash of everything that it depends on: images (name, size, time of change), persons, settings.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import atomic_path
from noda_synth.imaging.images import MAX_PIXELS, UprightPath, plain_size
from noda_train.arrays import Floats
from noda_train.data import Samples, read_image, unusable
from noda_train.geometry import reach
from noda_train.settings import Settings

VERSION = 1
IMAGES_IN_WORK = 256
"""Images that are cut at the same time; it bounds the memory of finished crops."""


def stored_side(settings: Settings) -> float:
    """Side of a person's box in the stored crop, px, at most; half a body is seen from twice as near."""
    return settings.size * settings.cache_detail * (2 if settings.half_body else 1)


def crops_of(samples: Samples, settings: Settings) -> Path:
    """The cache file for these persons and settings; built if it is not there."""
    path = Path(settings.cache_dir) / f"{_key(samples, settings)}.h5"
    if not path.is_file():
        _build(path, samples, settings)
    return path


def read_maps(path: Path) -> Floats:
    """(N, 2, 3) float64, from image pixels to crop pixels."""
    with h5py.File(path) as file:
        return np.asarray(file["maps"], dtype=np.float64)


class CropReader:
    """Decodes crops of a cache file. The file is opened on first use: once in each process, never across a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pixels (P, 3) uint8 BGR of the crops in `rows`, one after the other, and their heights and widths (B, 2)."""
        if self._file is None:
            self._file = h5py.File(self.path)
            self._jpeg, self._offsets = self._file["jpeg"], np.asarray(self._file["offsets"])
        crops = [self._decode(int(row)) for row in rows]
        return (
            np.concatenate([crop.reshape(-1, 3) for crop in crops]),
            np.array([crop.shape[:2] for crop in crops], dtype=np.int64),
        )

    def _decode(self, row: int) -> NDArray[np.uint8]:
        data = self._jpeg[self._offsets[row] : self._offsets[row + 1]]
        size = plain_size(data.tobytes())
        crop = cv2.imdecode(data, cv2.IMREAD_COLOR) if size and prod(size) <= MAX_PIXELS else None
        if crop is None:
            raise NodaError(f"{self.path}: crop {row} is damaged; delete this file, it will be built again")
        return np.asarray(crop, dtype=np.uint8)


def _key(samples: Samples, settings: Settings) -> str:
    stats: dict[Path, Any] = {}
    for path in samples.paths:
        if path not in stats:
            try:
                stat = path.stat()
                stats[path] = (os.path.realpath(path), stat.st_size, stat.st_mtime_ns)
            except (OSError, ValueError):
                stats[path] = None  # named with all others that cannot be read
    values = {
        "version": VERSION,
        "images": [stats[path] for path in samples.paths],
        "reach": reach(settings),
        "resolution": stored_side(settings),
        "quality": settings.cache_quality,
    }
    if any(isinstance(path, UprightPath) for path in samples.paths):
        values["upright"] = True
    digest = hashlib.sha256(json.dumps(values).encode())
    digest.update(samples.center.tobytes() + samples.box.tobytes())
    return digest.hexdigest()[:20]


def _build(path: Path, samples: Samples, settings: Settings) -> None:
    lengths = np.zeros(len(samples), np.int64)
    maps = np.zeros((len(samples), 2, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Crops come image by image; the file has them in the order of the persons.
    with tempfile.TemporaryFile(dir=path.parent) as store, ThreadPoolExecutor(os.cpu_count()) as pool:
        starts = np.zeros(len(samples), np.int64)
        for row, jpeg, crop_map in _cut_all(samples, settings, pool):
            starts[row], lengths[row], maps[row] = store.tell(), len(jpeg), crop_map
            store.write(jpeg)
        offsets = np.concatenate([[0], lengths.cumsum()])
        with atomic_path(path) as part, h5py.File(part, "w") as file:
            file.attrs["settings"] = json.dumps(settings.as_dict())
            file["offsets"], file["maps"] = offsets, maps
            target = file.create_dataset("jpeg", shape=(int(offsets[-1]),), dtype=np.uint8)
            for row in range(len(samples)):
                store.seek(int(starts[row]))
                target[offsets[row] : offsets[row + 1]] = np.frombuffer(store.read(int(lengths[row])), np.uint8)


def _cut_all(samples: Samples, settings: Settings, pool: ThreadPoolExecutor) -> Iterator[tuple[int, bytes, Floats]]:
    """Row, JPEG and map of every person, image by image. NodaError names images that cannot be read."""
    rows_of = samples.rows_by_image()

    def cut(image: Path) -> list[tuple[int, bytes, Floats]] | NodaError:
        try:
            pixels = read_image(image)
        except NodaError as error:
            return error
        return [(row, *cut_crop(pixels, samples.center[row], samples.box[row], settings)) for row in rows_of[image]]

    images, errors = list(rows_of), []
    with tqdm(total=len(samples), desc="cutting crops", unit="person", disable=None, leave=False) as bar:
        for start in range(0, len(images), IMAGES_IN_WORK):
            for result in pool.map(cut, images[start : start + IMAGES_IN_WORK]):
                if isinstance(result, NodaError):
                    errors.append(result)
                    continue
                bar.update(len(result))
                yield from result
    if errors:
        raise unusable(errors)


def cut_crop(image: NDArray[np.uint8], center: Floats, box: float, settings: Settings) -> tuple[bytes, Floats]:
    """One person's crop as JPEG, and the map (2, 3) from image pixels to its pixels."""
    height, width = image.shape[:2]
    half = reach(settings) * box / 2 + 2 * box / settings.size  # two network pixels for the interpolation
    x1, y1 = np.clip(np.floor(center - half), 0, (width - 1, height - 1)).astype(int)
    x2, y2 = np.clip(np.ceil(center + half) + 1, (x1 + 1, y1 + 1), (width, height)).astype(int)
    crop = image[y1:y2, x1:x2]
    factor = min(1.0, stored_side(settings) / box)
    out_width, out_height = (max(1, round(side * factor)) for side in (x2 - x1, y2 - y1))
    if factor < 1:
        # Bilinear, as evaluation samples its frames: a smoother picture in training would be another one.
        resized = cv2.resize(crop, (out_width, out_height), interpolation=cv2.INTER_LINEAR)
        crop = np.asarray(resized, dtype=np.uint8)
    done, jpeg = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, settings.cache_quality])
    if not done:
        raise NodaError("OpenCV cannot write JPEG")
    sx, sy = crop.shape[1] / (x2 - x1), crop.shape[0] / (y2 - y1)
    # cv2.resize lays the outer edges of the two pictures, not the centres of their corner pixels, on one another.
    crop_map = np.array([[sx, 0, (0.5 - x1) * sx - 0.5], [0, sy, (0.5 - y1) * sy - 0.5]])
    return jpeg.tobytes(), crop_map
