"""Reading a pool, the HDF5 file of cut-out bodies. docs/pool-format.md describes it for readers without this package.

Crops and masks lie in flat arrays of bytes with offsets, which HDF5 reads several times faster than variable-length
values.
"""

from __future__ import annotations

import errno
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.stance import STANCE_FIELDS
from noda_synth.errors import ItemError, NodaError
from noda_synth.formats.files.atomic import parsed
from noda_synth.formats.files.hdf5 import checked_array
from noda_synth.imaging.compositing import COVERING
from noda_synth.imaging.fingerprint import BYTES
from noda_synth.imaging.images import MAX_PIXELS, BGRImage, check_bytes, decode_image, decode_mask, plain_size
from noda_synth.imaging.tone import TONE_FIELDS
from noda_synth.pool.layout import (
    COLUMNS,
    FORMAT,
    FORMAT_VERSION,
    array_digest,
    content_hash,
    dataset_names,
    skeleton_in,
)
from noda_synth.runs.staging import unfinished
from noda_synth.seeding import item_seed

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_OF_THE_PROCESS = ("_file", "_descriptor", "_stamp_at_opening")
_REMOVE = "remove it and build it again"
_BODIES_AT_ONCE = 1 << 12
# HDF5's library has no error of its own for a file that is not what it claims to be.
_DAMAGE = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError, NodaError)


class DamagedPool(NodaError):
    """A pool that is not whole, or of another version: it cannot be read, but noda-synth made it."""


class Pool:
    """A pool opened for reading. Opens its file on first use in each process, so it can be sent to workers.

    What is searched for a body is held in memory, 64 bytes per body and 8 per level; all else is read when it is
    asked for.

    Attributes (N bodies, J joints; crop coordinates are 0-based pixels of the crop):
        skeleton, levels, content, settings: as written by build-pool.
        box (N, 4) float64, scale (N,) float64 with NaN where unknown, size (N, 2) int32 width and height, factor (N, 2)
        float64 (see `Cutout`).
        joints (J, 2) float64, labelled (J,) bool, visible (J,) int8, origin (2,) float64, images and persons (str):
        sequences of these, one per body.
    """

    def __init__(self, path: Path) -> None:
        """Open a pool. Raises NodaError for a file that is no pool, another version's, or damaged."""
        self.path = path
        _ = self._stamp_at_opening
        attributes = self._attributes()
        if attributes.get("format") != FORMAT:
            raise NodaError(f"{path} is no pool of noda-synth; make one with `noda-synth build-pool`")
        if (found := attributes.get("format_version")) != FORMAT_VERSION:
            raise DamagedPool(f"{path} has pool format {found}, this version reads {FORMAT_VERSION}; {_REMOVE}")
        try:
            self.skeleton = skeleton_in(attributes)
            self.levels: list[str] = parsed(attributes["levels"])
            self.settings: dict[str, Any] = parsed(attributes["settings"])
            self.content = str(attributes["content"])
            columns = {name: checked_array(self._file, f"bodies/{name}", max_bytes=None) for name in COLUMNS}
            self._offsets = {name: checked_array(self._file, f"{name}/offsets")[()] for name in self._blob_groups}
            complete = all(_fit(self._bytes(name), offsets) for name, offsets in self._offsets.items())
            _check_columns(columns, len(self.skeleton), {len(offsets) - 1 for offsets in self._offsets.values()})
            self.scale, self.box, self.size, self.factor = (
                checked_array(self._file, f"bodies/{name}")[()] for name in ("scale", "box", "size", "factor")
            )
            _check_sizes(self.size)
            self.joints: Sequence[NDArray[np.float64]] = _Column(self, columns["joints"])
            self.labelled: Sequence[NDArray[np.bool_]] = _Column(self, columns["labelled"], _flags)
            self.visible: Sequence[NDArray[np.int8]] = _Column(self, columns["visible"])
            self.origin: Sequence[NDArray[np.float64]] = _Column(self, columns["origin"])
            self.images: Sequence[str] = _Column(self, columns["image"], _text)
            self.persons: Sequence[str] = _Column(self, columns["person"], _text)
        except _DAMAGE as error:
            raise DamagedPool(f"{path} is damaged ({error}); {_REMOVE}") from error
        if not complete:
            raise DamagedPool(f"{path} is damaged (bytes are missing); {_REMOVE}")

    def __len__(self) -> int:
        return len(self.scale)

    def __getstate__(self) -> dict[str, Any]:
        # An HDF5 handle must not cross into another process.
        return {key: value for key, value in self.__dict__.items() if key not in _OF_THE_PROCESS}

    def _attributes(self) -> dict[str, Any]:
        file = self._file
        try:
            return dict(file.attrs)
        except _DAMAGE as error:
            raise DamagedPool(f"{self.path} is a damaged HDF5 file ({error}); {_REMOVE}") from error

    def row_of(self, person: str) -> int | None:
        """The row of a person id, or None."""
        return self._rows.get(person)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {person: row for row, person in enumerate(self.persons)}

    def check_content(self) -> None:
        """Compare all that is in the pool with its attribute `content`, and look at its numbers. Raises DamagedPool."""
        attributes = {key: value for key, value in self._attributes().items() if key != "content"}
        attributes["format_version"] = int(attributes["format_version"])
        try:
            arrays = (checked_array(self._file, name, max_bytes=None) for name in dataset_names(self.levels))
            content = content_hash(attributes, (array_digest(values) for values in arrays))
        except _DAMAGE as error:
            raise DamagedPool(f"{self.path} is damaged ({error}); {_REMOVE}") from error
        if content != self.content:
            raise DamagedPool(f"{self.path} is damaged (its content is not what was written); {_REMOVE}")
        for row, (joints, labelled) in enumerate(zip(self.joints, self.labelled, strict=True)):
            if not np.isfinite(joints[labelled]).all():
                what = f"a joint of body {self.persons[row]} is NaN or infinite"
                raise DamagedPool(f"{self.path} is damaged ({what}); {_REMOVE}")
        if not all(np.isfinite(values).all() for values in (self.box, self.factor)):
            raise DamagedPool(f"{self.path} is damaged (a box or factor is NaN or infinite); {_REMOVE}")

    def check_unchanged(self) -> None:
        """Raises DamagedPool if the file was written to since it was opened; that another takes its name is no harm."""
        if self._stamp != self._stamp_at_opening:
            raise DamagedPool(f"{self.path} was written to while it was read; {_REMOVE}")

    @property
    def _stamp(self) -> tuple[int, int]:
        state = os.fstat(self._descriptor)
        return state.st_size, state.st_mtime_ns

    @cached_property
    def _stamp_at_opening(self) -> tuple[int, int]:
        return self._stamp

    def crop(self, row: int) -> BGRImage:
        """The crop, (h, w, 3) uint8 BGR. Raises DamagedPool."""
        try:
            return self._of_size(decode_image(self._picture("crops", row), "crop"), row)
        except ItemError as error:
            raise DamagedPool(f"{self.path} is damaged (the crop of body {row}); {_REMOVE}") from error

    def opacity(self, row: int, level: str) -> NDArray[np.uint8]:
        """The mask of a level, (h, w) uint8: 128 and more is inside. Raises DamagedPool.

        Levels without a matte have only 0 and 255.
        """
        try:
            return self._of_size(decode_mask(self._picture(f"masks/{level}", row)), row)
        except ItemError as error:
            raise DamagedPool(f"{self.path} is damaged (the {level} mask of body {row}); {_REMOVE}") from error

    def mask(self, row: int, level: str) -> NDArray[np.uint8]:
        """The mask of a level with a hard edge, (h, w) uint8 of 0 and 255. Raises DamagedPool."""
        return np.where(self.opacity(row, level) >= COVERING, np.uint8(255), np.uint8(0))

    def status(self, level: str) -> NDArray[np.uint8]:
        """(N,) uint8: STATUS_OK or STATUS_FALLBACK."""
        return self._values(f"masks/{level}/status")

    def quality(self, level: str) -> NDArray[np.float64]:
        """(N,) float64: score of the mask, see `noda_synth.masks.quality`."""
        return self._values(f"masks/{level}/quality")

    def limbs(self, level: str) -> NDArray[np.float64]:
        """(N, 2) float64: the least and the mean share of a limb under the mask."""
        return self._values(f"masks/{level}/limbs")

    def piece(self, level: str) -> NDArray[np.float64]:
        """(N,) float64: the share of the mask that its largest piece makes up."""
        return self._values(f"masks/{level}/piece")

    def stances(self) -> NDArray[np.float64]:
        """(N, 8) float64: how the bodies stand, see `noda_synth.data.stance`; y in pixels of the crop."""
        return self._values("bodies/stance")

    def tones(self) -> NDArray[np.float64]:
        """(N, 6) float64: the tones of the crops, see `noda_synth.imaging.tone`."""
        return self._values("bodies/tone")

    def frames(self) -> NDArray[np.int32]:
        """(N, 4) int32: left, top, right, bottom of the source images without black bars: `imaging.bars`."""
        return self._values("bodies/frame")

    def looks(self) -> NDArray[np.uint8]:
        """(N, 16) uint8: the fingerprints of the source images, see `noda_synth.imaging.fingerprint`."""
        return np.asarray(checked_array(self._file, "bodies/look")[()])

    def videos(self) -> NDArray[np.int64]:
        """(N,) int64: the number of the video that the source image is a frame of; NO_VIDEO where it is not known."""
        return np.asarray(checked_array(self._file, "bodies/video")[()])

    def seeds(self) -> NDArray[np.uint64]:
        """(N,) uint64: each body's own seed, by which it is drawn whoever else is there: `noda_synth.seeding`.

        It comes from the name of the image and the whole pixels of the joint box there: ids may count the people of an
        image. A third is added before rounding, as no annotation has it: sums of floats come out a little off.
        """
        images, origin = (checked_array(self._file, f"bodies/{name}", max_bytes=None) for name in ("image", "origin"))
        found = np.empty(len(self), np.uint64)
        for start in range(0, len(self), _BODIES_AT_ONCE):
            rows = slice(start, start + _BODIES_AT_ONCE)
            with np.errstate(all="ignore"):  # of numbers that no build-pool wrote
                corners = (self.box[rows].reshape(-1, 2, 2) + 0.5) / self.factor[rows, None] + origin[rows][:, None]
                pixels = np.clip(np.nan_to_num(np.floor(corners - 0.5 + 1 / 3)), -1e9, 1e9).astype(np.int64)
            boxes = pixels.reshape(-1, 4).tolist()
            try:
                names = list(map(_text, images[rows]))
            except _DAMAGE as error:
                raise DamagedPool(f"{self.path} is damaged (bodies/image: {error}); {_REMOVE}") from error
            found[rows] = [item_seed(0, "body", f"{image} {box}") for image, box in zip(names, boxes, strict=True)]
        return found

    def has_matte(self, level: str) -> bool:
        """All masks of the level have a soft edge of their own."""
        return bool(np.all(self._values(f"masks/{level}/matte")))

    def foreground(self, level: str) -> NDArray[np.float64]:
        """(N,) float64: the mask's share of the crop."""
        return self._values(f"masks/{level}/foreground")

    def _values(self, name: str) -> NDArray[Any]:
        """A whole array. Raises DamagedPool."""
        try:
            return np.asarray(checked_array(self._file, name)[()])
        except _DAMAGE as error:
            raise DamagedPool(f"{self.path} is damaged ({name}: {error}); {_REMOVE}") from error

    def _picture(self, group: str, row: int) -> bytes:
        """An encoded picture whose header claims the size that the body has, so that to decode it is safe."""
        width, height = self.size[row].tolist()
        start, end = self._offsets[group][row : row + 2].tolist()
        check_bytes(end - start, width * height)
        data = self._blob(group, row)
        if plain_size(data) != tuple(self.size[row].tolist()):
            raise ItemError("its header claims another size")
        return data

    def _of_size(self, picture: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
        """A decoded picture that has the body's size. Raises ItemError."""
        if picture.shape[1::-1] != tuple(self.size[row].tolist()):
            raise ItemError("it decodes to another size")
        return picture

    def _blob(self, group: str, row: int) -> bytes:
        start, end = (int(offset) for offset in self._offsets[group][row : row + 2])
        return self.read(self._starts[group] + start, end - start, f"{group} of body {row}")

    def read(self, start: int, length: int, what: str) -> bytes:
        """Bytes of the file. Raises DamagedPool, which calls them `what`."""
        try:
            data = os.pread(self._descriptor, length, start)
        except OSError as error:
            raise DamagedPool(f"{self.path}: {what} cannot be read ({error}); {_REMOVE}") from error
        if len(data) < length:
            raise DamagedPool(f"{self.path} is damaged ({what} is cut off); {_REMOVE}")
        return data

    @property
    def _blob_groups(self) -> list[str]:
        return ["crops", *(f"masks/{level}" for level in self.levels)]

    @cached_property
    def _starts(self) -> dict[str, int]:
        """Where each array of bytes begins in the file: to read at an offset takes a tenth of HDF5's time."""
        return {group: self._bytes(group).id.get_offset() or 0 for group in self._blob_groups}

    def _bytes(self, group: str) -> h5py.Dataset:
        return checked_array(self._file, f"{group}/bytes", max_bytes=None)

    @cached_property
    def _descriptor(self) -> int:
        """HDF5's own handle of the file, open as long as this pool is."""
        descriptor: int = self._file.id.get_vfd_handle()
        return descriptor

    @cached_property
    def _file(self) -> h5py.File:
        if self.path.is_dir():
            raise NodaError(f"{self.path} is a folder, no pool; a pool is the file that `noda-synth build-pool` writes")
        if not self.path.is_file():
            raise NodaError(
                f"no pool at {self.path}; make it with `noda-synth build-pool`, or name another{unfinished(self.path)}"
            )
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            if error.errno == errno.EAGAIN or "unable to lock" in str(error):
                raise NodaError(
                    f"{self.path} is locked: another program has it open for writing, or its file system has no locks "
                    "(then set HDF5_USE_FILE_LOCKING=FALSE)"
                ) from error
            with self.path.open("rb") as stream:
                damaged = stream.read(len(_SIGNATURE)) == _SIGNATURE
            if damaged:
                raise DamagedPool(f"{self.path} is a damaged HDF5 file ({error}); {_REMOVE}") from error
            raise NodaError(f"{self.path} is no pool of noda-synth, nor any other HDF5 file ({error})") from error


class _Column(Sequence[Any]):
    """An array of which one row at a time is read, at its offset in the file."""

    def __init__(self, pool: Pool, values: h5py.Dataset, convert: Callable[[Any], Any] | None = None) -> None:
        if values.dtype.hasobject or not _in_one_piece(values):
            raise ValueError(f"{values.name} does not lie in one piece")
        self._pool, self._name, self._convert = pool, values.name, convert
        self._start, self._count = values.id.get_offset() or 0, len(values)
        self._dtype, self._shape = values.dtype, values.shape[1:]
        self._length = self._dtype.itemsize * math.prod(self._shape)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: Any) -> Any:
        row = operator.index(row)
        if not 0 <= row < self._count:
            raise IndexError(row)
        data = self._pool.read(self._start + row * self._length, self._length, f"{self._name} of body {row}")
        values = np.frombuffer(data, self._dtype).reshape(self._shape)
        try:
            return values if self._convert is None else self._convert(values)
        except _DAMAGE as error:
            path, what = self._pool.path, f"{self._name} of body {row}: {error}"
            raise DamagedPool(f"{path} is damaged ({what}); {_REMOVE}") from error


def _text(value: NDArray[np.bytes_]) -> str:
    return str(value.item().decode("utf-8", "surrogatepass"))


def _flags(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return values.astype(bool)


def _fit(data: h5py.Dataset, offsets: NDArray[np.uint64]) -> bool:
    """Offsets go up from the first byte to the last, and the bytes lie in one piece in the file."""
    rising = len(offsets) and offsets[0] == 0 and bool((offsets[1:] >= offsets[:-1]).all())
    return bool(rising and data.dtype.itemsize == 1 and _in_one_piece(data) and data.shape == (int(offsets[-1]),))


def _in_one_piece(values: h5py.Dataset) -> bool:
    return values.chunks is None and bool(values.id.get_storage_size() == values.nbytes)


def _check_columns(columns: Mapping[str, h5py.Dataset], joints: int, counts: set[int]) -> None:
    """Raises ValueError for columns that do not fit each other."""
    shapes = {"joints": (joints, 2), "labelled": (joints,), "visible": (joints,), "box": (4,)}
    shapes |= dict.fromkeys(("size", "origin", "factor"), (2,))
    shapes |= {"frame": (4,), "stance": (len(STANCE_FIELDS),), "tone": (len(TONE_FIELDS),), "look": (BYTES,)}
    for name, values in columns.items():
        if {len(values)} != counts or values.shape[1:] != shapes.get(name, ()):
            raise ValueError(f"bodies/{name} has the shape {values.shape}")


def _check_sizes(size: NDArray[np.int32]) -> None:
    """Raises ValueError for sizes of no crop."""
    sizes = size.astype(np.int64)
    if len(sizes) and (sizes.min() < 1 or sizes.prod(axis=1).max() > MAX_PIXELS):
        raise ValueError("a crop claims an impossible size")
