"""The pool: one HDF5 file of cut-out bodies. docs/pool-format.md describes it for readers without this package.

Crops and masks lie in flat arrays of bytes with offsets, which HDF5 reads several times faster than variable-length
values. A pool is written once, from parts that are pools themselves.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import ItemError, NodaError
from noda_synth.hdf5 import own_array
from noda_synth.images import (
    MAX_PIXELS,
    BGRImage,
    decode_image,
    decode_mask,
    encode_jpeg,
    encode_mask,
    plain_size,
)
from noda_synth.skeleton import COCO, MPII, SKELETONS, Skeleton, definition, skeleton_of
from noda_synth.spool import Index

if TYPE_CHECKING:
    from noda_synth.cutout import Cutout
    from noda_synth.dataset import Person

FORMAT, FORMAT_VERSION = "noda-synth pool", 1
STATUS_OK, STATUS_FALLBACK = 0, 1
"""Status of a level: its own mask, or the cardboard level's because it could not run."""

_COLUMNS: dict[str, Any] = {
    "joints": np.float64, "labelled": np.uint8, "visible": np.int8, "scale": np.float64, "box": np.float64,
    "size": np.int32, "origin": np.float64, "factor": np.float64, "truncated": np.uint8,
    "image": bytes, "person": bytes,
}  # fmt: skip
_COPY_BYTES = 8 << 20
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_REMOVE = "remove it and build it again"


class DamagedPool(NodaError):
    """A pool that is not whole, or of another version: not to be read, but of our making."""


def write_part(path: Path, bodies: Sequence[tuple[Person, Cutout, bool]], attributes: Mapping[str, Any]) -> None:
    """Write bodies (person, cut-out, truncated by the frame) as a pool of their own."""
    levels = json.loads(attributes["levels"])
    joints = len(json.loads(attributes["joints"]))
    columns: dict[str, NDArray[Any]] = {
        "joints": np.array([c.joints for _, c, _ in bodies], np.float64).reshape(-1, joints, 2),
        "labelled": np.array([c.labelled for _, c, _ in bodies], np.uint8).reshape(-1, joints),
        "visible": np.array([c.visible for _, c, _ in bodies], np.int8).reshape(-1, joints),
        "scale": np.array([np.nan if p.scale is None else p.scale for p, _, _ in bodies], np.float64),
        "box": np.array([c.box for _, c, _ in bodies], np.float64).reshape(-1, 4),
        "size": np.array([c.image.shape[1::-1] for _, c, _ in bodies], np.int32).reshape(-1, 2),
        "origin": np.array([c.origin for _, c, _ in bodies], np.float64).reshape(-1, 2),
        "factor": np.array([c.factor for _, c, _ in bodies], np.float64).reshape(-1, 2),
        "truncated": np.array([t for _, _, t in bodies], np.uint8),
        "image": np.array([p.image.encode() for p, _, _ in bodies] or np.empty(0, "S1"), "S"),
        "person": np.array([p.person_id.encode() for p, _, _ in bodies] or np.empty(0, "S1"), "S"),
    }
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, values in columns.items():
            file[f"bodies/{name}"] = values
        _write_blobs(file, "crops", [encode_jpeg(c.image) for _, c, _ in bodies])
        for level in levels:
            masks = [c.masks[level] for _, c, _ in bodies]
            _write_blobs(file, f"masks/{level}", [encode_mask(m.opacity, hard=m.matte is None) for m in masks])
            file[f"masks/{level}/status"] = np.array(
                [STATUS_FALLBACK if m.fallback else STATUS_OK for m in masks], np.uint8
            )
            file[f"masks/{level}/foreground"] = np.array([m.inside.mean() for m in masks], np.float64)
            file[f"masks/{level}/quality"] = np.array([c.quality[level] for _, c, _ in bodies], np.float64)
            file[f"masks/{level}/matte"] = np.array([m.matte is not None for m in masks], np.uint8)


def merge_parts(parts: Sequence[Path], path: Path, attributes: Mapping[str, Any]) -> None:
    """Put parts together, in their order, into one pool with contiguous arrays; one part is open at a time.

    The attribute `content` is a SHA-256 over everything in the pool; render writes it down, so that a copy can be
    traced to the very pool it came from.
    """
    names = _datasets(json.loads(attributes["levels"]))
    lengths, dtypes, shapes = dict.fromkeys(names, 0), dict[str, Any](), dict[str, Any]()
    for part in parts:
        with h5py.File(part, "r") as source:
            for name in names:
                values = source[name]
                lengths[name] += len(values) - name.endswith("/offsets")
                shapes[name] = values.shape[1:]
                dtypes[name] = max(dtypes.get(name, values.dtype), values.dtype, key=lambda dtype: dtype.itemsize)
    with h5py.File(path, "w") as pool:
        pool.attrs.update(attributes)
        appenders = {
            name: _Appender(pool, name, (lengths[name] + name.endswith("/offsets"), *shapes[name]), dtypes[name])
            for name in names
        }
        for part in parts:
            with h5py.File(part, "r") as source:
                for name in names:
                    appenders[name].append(source[name])
        pool.attrs["content"] = _content(attributes, (appenders[name].digest for name in names))


class Pool:
    """A pool opened for reading. Opens its file on first use in each process, so it can be sent to workers.

    What is searched for a body is held in memory, 64 bytes a body and 8 for each level; all else is read when it is
    asked for.

    Attributes (N bodies, J joints; crop coordinates are 0-based pixels of the crop):
        skeleton, levels, content, settings: as written by build-pool.
        box (N, 4) float64, scale (N,) float64 with NaN where unknown, size (N, 2) int32 width and height, factor (N, 2)
        float64 (see `Cutout`).
        joints (J, 2) float64, labelled (J,) bool, visible (J,) int8, origin (2,) float64, images and persons (str):
        sequences of these, one a body.
    """

    def __init__(self, path: Path) -> None:
        """Open a pool. Raises NodaError for a file that is no pool, another version's, or damaged."""
        self.path = path
        attributes = dict(self._file.attrs)
        if attributes.get("format") != FORMAT:
            raise NodaError(f"{path} is no pool of noda-synth; make one with `noda-synth build-pool`")
        if attributes["format_version"] != FORMAT_VERSION:
            raise DamagedPool(
                f"{path} has pool format {attributes['format_version']}, this version reads {FORMAT_VERSION}; {_REMOVE}"
            )
        try:
            self.skeleton = _skeleton(attributes)
            self.levels: list[str] = json.loads(attributes["levels"])
            self.settings: dict[str, Any] = json.loads(attributes["settings"])
            self.content = str(attributes["content"])
            columns = {name: own_array(self._file, f"bodies/{name}", max_bytes=None) for name in _COLUMNS}
            self._offsets = {name: own_array(self._file, f"{name}/offsets")[()] for name in self._blob_groups}
            complete = all(_fit(self._bytes(name), offsets) for name, offsets in self._offsets.items())
            _check_columns(columns, len(self.skeleton), {len(offsets) - 1 for offsets in self._offsets.values()})
            self.scale, self.box, self.size, self.factor = (
                own_array(self._file, f"bodies/{name}")[()] for name in ("scale", "box", "size", "factor")
            )
            _check_sizes(self.size)
            self.joints: Sequence[NDArray[np.float64]] = _Column(self, columns["joints"])
            self.labelled: Sequence[NDArray[np.bool_]] = _Column(self, columns["labelled"], _flags)
            self.visible: Sequence[NDArray[np.int8]] = _Column(self, columns["visible"])
            self.origin: Sequence[NDArray[np.float64]] = _Column(self, columns["origin"])
            self.images: Sequence[str] = _Column(self, columns["image"], _text)
            self.persons: Sequence[str] = _Column(self, columns["person"], _text)
        except (KeyError, OSError, ValueError, NodaError) as error:
            raise DamagedPool(f"{path} is damaged ({error}); {_REMOVE}") from error
        if not complete:
            raise DamagedPool(f"{path} is damaged (bytes are missing); {_REMOVE}")

    def __len__(self) -> int:
        return len(self.scale)

    def __getstate__(self) -> dict[str, Any]:
        # An HDF5 handle must not cross into another process.
        return {key: value for key, value in self.__dict__.items() if key not in ("_file", "_descriptor")}

    def row_of(self, person: str) -> int | None:
        """The row of a person id, or None."""
        row = self._rows.get(person)
        return row if row is not None and self.persons[row] == person else None

    @cached_property
    def _rows(self) -> Index:
        index = Index()
        for row, person in enumerate(self.persons):
            index[person] = row
        return index

    def check_content(self) -> None:
        """Compare all that is in the pool with its attribute `content`. Raises DamagedPool."""
        attributes = {key: value for key, value in self._file.attrs.items() if key != "content"}
        attributes["format_version"] = int(attributes["format_version"])
        try:
            arrays = (own_array(self._file, name, max_bytes=None) for name in _datasets(self.levels))
            found = _content(attributes, (_digest(values) for values in arrays))
        except (KeyError, OSError, ValueError) as error:
            raise DamagedPool(f"{self.path} is damaged ({error}); {_REMOVE}") from error
        if found != self.content:
            raise DamagedPool(f"{self.path} is damaged (its content is not what was written); {_REMOVE}")

    def crop(self, row: int) -> BGRImage:
        """The crop, (h, w, 3) uint8 BGR. Raises DamagedPool."""
        try:
            return decode_image(self._picture("crops", row), "crop")
        except ItemError as error:
            raise DamagedPool(f"{self.path} is damaged (the crop of body {row}); {_REMOVE}") from error

    def opacity(self, row: int, level: str) -> NDArray[np.uint8]:
        """The mask of a level, (h, w) uint8: 128 and more is inside. Raises DamagedPool.

        Levels without a matte have only 0 and 255.
        """
        try:
            return decode_mask(self._picture(f"masks/{level}", row))
        except ItemError as error:
            raise DamagedPool(f"{self.path} is damaged (the {level} mask of body {row}); {_REMOVE}") from error

    def mask(self, row: int, level: str) -> NDArray[np.uint8]:
        """The mask of a level with a hard edge, (h, w) uint8 of 0 and 255. Raises DamagedPool."""
        return np.where(self.opacity(row, level) >= 128, np.uint8(255), np.uint8(0))

    def status(self, level: str) -> NDArray[np.uint8]:
        """(N,) uint8: STATUS_OK or STATUS_FALLBACK."""
        return np.asarray(own_array(self._file, f"masks/{level}/status")[()])

    def quality(self, level: str) -> NDArray[np.float64]:
        """(N,) float64: score of the mask, see `noda_synth.masks.quality`."""
        return np.asarray(own_array(self._file, f"masks/{level}/quality")[()])

    def has_matte(self, level: str) -> bool:
        """All masks of the level have a soft edge of their own."""
        return bool(np.all(own_array(self._file, f"masks/{level}/matte")[()]))

    def foreground(self, level: str) -> NDArray[np.float64]:
        """(N,) float64: the mask's share of the crop."""
        return np.asarray(own_array(self._file, f"masks/{level}/foreground")[()])

    def _picture(self, group: str, row: int) -> bytes:
        """An encoded picture whose header claims the size that the body has, so that to decode it is safe."""
        data = self._blob(group, row)
        if plain_size(data) != tuple(self.size[row].tolist()):
            raise ItemError("its header claims another size")
        return data

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
        return own_array(self._file, f"{group}/bytes", max_bytes=None)

    @cached_property
    def _descriptor(self) -> int:
        """HDF5's own handle of the file, open as long as this pool is."""
        descriptor: int = self._file.id.get_vfd_handle()
        return descriptor

    @cached_property
    def _file(self) -> h5py.File:
        if not self.path.is_file():
            raise NodaError(f"no pool at {self.path}; make it with `noda-synth build-pool`, or point to it with --pool")
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
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
        return values if self._convert is None else self._convert(values)


def _text(value: NDArray[np.bytes_]) -> str:
    return str(value.item().decode())


def _flags(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return values.astype(bool)


def pool_attributes(skeleton: Skeleton, levels: Iterable[str], settings: str, version: str) -> dict[str, Any]:
    """The attributes at the top of a pool; `settings` is JSON.

    A skeleton is stored whole; but the names of MPII's and COCO's have always stood for them.
    """
    whole = {} if skeleton in (MPII, COCO) else {"skeleton_definition": json.dumps(definition(skeleton))}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": f"noda-synth {version}",
        "skeleton": skeleton.name,
        "joints": json.dumps(skeleton.joints),
        **whole,
        "levels": json.dumps(list(levels)),
        "settings": settings,
    }


def _skeleton(attributes: Mapping[str, Any]) -> Skeleton:
    """Raises KeyError, ValueError or NodaError for attributes that state none."""
    if "skeleton_definition" in attributes:
        return skeleton_of(json.loads(attributes["skeleton_definition"]), "skeleton_definition")
    return SKELETONS[attributes["skeleton"]]


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
    for name, values in columns.items():
        if {len(values)} != counts or values.shape[1:] != shapes.get(name, ()):
            raise ValueError(f"bodies/{name} has the shape {values.shape}")


def _check_sizes(size: NDArray[np.int32]) -> None:
    """Raises ValueError for sizes of no crop."""
    sizes = size.astype(np.int64)
    if len(sizes) and (sizes.min() < 1 or sizes.prod(axis=1).max() > MAX_PIXELS):
        raise ValueError("a crop claims an impossible size")


def _content(attributes: Mapping[str, Any], digests: Iterable[hashlib._Hash]) -> str:
    content = hashlib.sha256(json.dumps(dict(attributes), sort_keys=True).encode())
    for digest in digests:
        content.update(digest.digest())
    return content.hexdigest()


def _datasets(levels: Sequence[str]) -> list[str]:
    blobs = [
        name
        for group in ("crops", *(f"masks/{level}" for level in levels))
        for name in (f"{group}/bytes", f"{group}/offsets")
    ]
    flags = [f"masks/{level}/{name}" for level in levels for name in ("status", "foreground", "quality", "matte")]
    return [*(f"bodies/{name}" for name in _COLUMNS), *flags, *blobs]


def _write_blobs(file: h5py.File, group: str, blobs: Sequence[bytes]) -> None:
    lengths = np.array([0, *map(len, blobs)], np.uint64)
    file[f"{group}/bytes"] = np.frombuffer(b"".join(blobs), np.uint8)
    file[f"{group}/offsets"] = np.cumsum(lengths, dtype=np.uint64)


def _steps(values: h5py.Dataset) -> Iterator[slice]:
    """A few megabytes at a time."""
    step = max(1, _COPY_BYTES // max(1, values[:1].nbytes))
    return (slice(start, start + step) for start in range(0, len(values), step))


def _digest(values: h5py.Dataset) -> hashlib._Hash:
    digest = hashlib.sha256()
    for part in _steps(values):
        digest.update(np.ascontiguousarray(values[part]).tobytes())
    return digest


class _Appender:
    """One array of the pool, filled part by part, a few megabytes at a time."""

    def __init__(self, pool: h5py.File, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.target = pool.create_dataset(name, shape, dtype)
        self.digest = hashlib.sha256()
        self.position = 0
        self.is_offsets = name.endswith("/offsets")
        self.base = np.uint64(0)
        if self.is_offsets:
            self._write(np.zeros(1, dtype))

    def append(self, source: h5py.Dataset) -> None:
        if self.is_offsets:
            values = source[1:] + self.base
            self._write(values)
            self.base = values[-1] if len(values) else self.base
            return
        for part in _steps(source):
            self._write(source[part].astype(self.target.dtype))

    def _write(self, values: NDArray[Any]) -> None:
        self.target[self.position : self.position + len(values)] = values
        self.digest.update(np.ascontiguousarray(values).tobytes())
        self.position += len(values)
