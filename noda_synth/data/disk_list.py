"""Sequences and indices for data sets of any size.

A data set of a million persons takes gigabytes as Python objects. Here the objects lie pickled in a temporary file that
has no name (in TMPDIR, and gone with the process); in memory are twelve bytes a record, and of a key its hash.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import IO, Any, Generic, TypeVar, overload

from numpy.typing import NDArray

from noda_synth.errors import NodaError

T = TypeVar("T")

HELD = 4096
"""Records that stay in memory as they are: small data sets never touch the disk."""

_BUFFER_BYTES = 1 << 20
_FIRST_SLOTS = 1 << 10


class DiskList(Sequence[T], Generic[T]):
    """A sequence that can be appended to; once it is longer than `held`, all of its records lie on disk.

    A record that comes back from there is a new object each time. Several threads may read while nobody appends.
    """

    def __init__(self, items: Iterable[T] = (), *, held: int = HELD) -> None:
        self._held: list[T] = []
        self._limit = held
        self._file: IO[bytes] | None = None
        self._places, self._sizes = array("Q"), array("I")
        self._end = self._flushed = 0
        self.extend(items)

    def append(self, item: T) -> None:
        """Add a record. NodaError if there is no room for it in TMPDIR."""
        if self._file is None:
            self._held.append(item)
            if len(self._held) > self._limit:
                self._spill()
        else:
            self._write(self._file, item)

    def extend(self, items: Iterable[T]) -> None:
        for item in items:
            self.append(item)

    def __len__(self) -> int:
        return len(self._places) if self._file else len(self._held)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if self._file is None:
            return self._held[place]
        return self._read(self._file, self._places[place], self._sizes[place])

    def __iter__(self) -> Iterator[T]:
        for place in range(len(self)):
            yield self[place]

    def _spill(self) -> None:
        try:
            file: IO[bytes] = tempfile.TemporaryFile(buffering=_BUFFER_BYTES)  # noqa: SIM115
        except OSError as error:
            raise _no_room(error) from error
        for item in self._held:
            self._write(file, item)
        self._held, self._file = [], file
        weakref.finalize(self, file.close)

    def _write(self, file: IO[bytes], item: T) -> None:
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        try:
            file.write(data)
        except OSError as error:
            raise _no_room(error) from error
        self._places.append(self._end)
        self._sizes.append(len(data))
        self._end += len(data)

    def _read(self, file: IO[bytes], place: int, size: int) -> T:
        if place + size > self._flushed:
            try:
                file.flush()
            except OSError as error:
                raise _no_room(error) from error
            self._flushed = self._end
        record: T = pickle.loads(os.pread(file.fileno(), size, place))
        return record


class Subset(Sequence[T], Generic[T]):
    """Some of the records of a sequence, or all of them in another order."""

    def __init__(self, items: Sequence[T], places: NDArray[Any]) -> None:
        self.items, self.places = items, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self.items[int(one)] for one in self.places[place]]
        return self.items[int(self.places[place])]


class Index:
    """Numbers (below 2^32) by key, as a dict has them, in 20 to 40 bytes a key.

    Of a key its 64-bit hash is kept. That two of a million keys share one happens to one data set in 30 million.
    """

    def __init__(self) -> None:
        self._hashes, self._values = _slots(_FIRST_SLOTS)
        self._count = 0

    def get(self, key: str | bytes) -> int | None:
        """The number of a key, or None."""
        number = key_hash(key)
        slot = _slot(self._hashes, number)
        return self._values[slot] if self._hashes[slot] else None

    def __contains__(self, key: str | bytes) -> bool:
        return self.get(key) is not None

    def setdefault(self, key: str | bytes, value: int) -> int:
        """The number of a key, which is `value` if the key is new."""
        number = key_hash(key)
        slot = _slot(self._hashes, number)
        if self._hashes[slot]:
            return self._values[slot]
        self._put(slot, number, value)
        return value

    def __setitem__(self, key: str | bytes, value: int) -> None:
        number = key_hash(key)
        self._put(_slot(self._hashes, number), number, value)

    def _put(self, slot: int, number: int, value: int) -> None:
        self._count += not self._hashes[slot]
        self._hashes[slot], self._values[slot] = number, value
        if 3 * self._count > 2 * len(self._hashes):
            self._grow()

    def _grow(self) -> None:
        hashes, values = _slots(2 * len(self._hashes))
        for number, value in zip(self._hashes, self._values, strict=True):
            if number:
                slot = _slot(hashes, number)
                hashes[slot], values[slot] = number, value
        self._hashes, self._values = hashes, values


def key_hash(key: str | bytes) -> int:
    """64 bits of a key, the same in every run, never 0."""
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") or 1


def _slots(count: int) -> tuple[array[int], array[int]]:
    return array("Q", bytes(8 * count)), array("I", bytes(4 * count))


def _slot(hashes: array[int], number: int) -> int:
    """The slot that holds a hash, or the free one where it belongs."""
    last = len(hashes) - 1
    slot = number & last
    while hashes[slot] and hashes[slot] != number:
        slot = (slot + 1) & last
    return slot


def _no_room(error: OSError) -> NodaError:
    return NodaError(
        "no room in the folder for temporary files, where what is known of a large data set lies meanwhile "
        f"({error.strerror or error}); set TMPDIR to a folder with some times the space that the annotation files take"
    )
