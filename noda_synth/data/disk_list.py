"""Sequences for data sets of any size.

A data set of a million persons takes gigabytes as Python objects. Here the objects lie pickled in a temporary file
without a name (in TMPDIR, and gone with the process); in memory are twelve bytes per record.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Generic, TypeVar, overload

from numpy.typing import NDArray

from noda_synth.errors import NodaError

T = TypeVar("T")

MAX_IN_MEMORY = 4096
"""Records that stay in memory as they are: small data sets never touch the disk."""

_BUFFER_BYTES = 1 << 20


class DiskList(Sequence[T], Generic[T]):
    """A sequence that can be appended to; once it is longer than `max_in_memory`, all of its records lie on disk.

    A record that comes back from there is a new object each time. Several threads may read while nobody appends.
    """

    def __init__(self, items: Iterable[T] = (), *, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self._in_memory: list[T] = []
        self._max_in_memory = max_in_memory
        self._file: IO[bytes] | None = None
        self._offsets, self._sizes = array("Q"), array("I")
        self._end = self._flushed = 0
        self.extend(items)

    def append(self, item: T) -> None:
        """Add a record. NodaError if there is no room for it in TMPDIR."""
        if self._file is None:
            self._in_memory.append(item)
            if len(self._in_memory) > self._max_in_memory:
                self._spill()
        else:
            self._write(self._file, item)

    def extend(self, items: Iterable[T]) -> None:
        for item in items:
            self.append(item)

    def __len__(self) -> int:
        return len(self._offsets) if self._file else len(self._in_memory)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if self._file is None:
            return self._in_memory[index]
        return self._read(self._file, self._offsets[index], self._sizes[index])

    def __iter__(self) -> Iterator[T]:
        return (self[index] for index in range(len(self)))

    def _spill(self) -> None:
        try:
            file: IO[bytes] = tempfile.TemporaryFile(buffering=_BUFFER_BYTES)  # noqa: SIM115
        except OSError as error:
            raise _no_room(error) from error
        for item in self._in_memory:
            self._write(file, item)
        self._in_memory, self._file = [], file
        weakref.finalize(self, file.close)

    def _write(self, file: IO[bytes], item: T) -> None:
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        try:
            file.write(data)
        except OSError as error:
            raise _no_room(error) from error
        self._offsets.append(self._end)
        self._sizes.append(len(data))
        self._end += len(data)

    def _read(self, file: IO[bytes], offset: int, size: int) -> T:
        if offset + size > self._flushed:
            try:
                file.flush()
            except OSError as error:
                raise _no_room(error) from error
            self._flushed = self._end
        record: T = pickle.loads(os.pread(file.fileno(), size, offset))
        return record


class Subset(Sequence[T], Generic[T]):
    """Some of the records of a sequence, or all of them in another order."""

    def __init__(self, items: Sequence[T], indices: NDArray[Any]) -> None:
        self.items, self.indices = items, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self.items[int(one)] for one in self.indices[index]]
        return self.items[int(self.indices[index])]


def _no_room(error: OSError) -> NodaError:
    return NodaError(
        f"no room in the folder for temporary files, which hold the records of a large data set during a run "
        f"({error.strerror or error}); set TMPDIR to a folder with several times the space of the annotation files"
    )
