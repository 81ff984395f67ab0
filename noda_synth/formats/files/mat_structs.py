"""Structs of a .mat (version 5), read where they lie in the file's bytes, and only when they are asked for.

MPII's original file holds three million tiny arrays. Here a struct is a table of offsets into the bytes; scipy makes
objects of all of them, which takes more memory (25,000 people: 275 MB with squeeze_me, 594 MB without, 219 MB here),
and it makes room for any number of cells that a file claims, so that the same walk would have to come first as a check.
The format is public: "MAT-File Format", The MathWorks.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_bytes

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _OBJECT, _CHAR = 1, 2, 3, 4
_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q", 16: "B", 17: "H"}
_MAX_DIMENSIONS = 4 * 32
_MAX_BYTES = 2 << 30
_MAX_PARTS, _MAX_DEPTH = 100_000, 16


@dataclass(frozen=True)
class _Bytes:
    """The bytes of a file, unpacked; `order` is "<" or ">"."""

    data: memoryview
    order: str
    path: Path

    def element(self, offset: int) -> tuple[int, int, int, int]:
        """Type, start, end of the element at an offset, and the offset of the next."""
        if offset + 8 > len(self.data):
            raise damaged(self.path, "it ends early")
        kind, size = struct.unpack_from(f"{self.order}II", self.data, offset)
        small = kind >> 16
        if small:
            return kind & 0xFFFF, offset + 4, offset + 4 + min(small, 4), offset + 8
        end = offset + 8 + size
        if end > len(self.data):
            raise damaged(self.path, "it ends early")
        return kind, offset + 8, end, end + (0 if kind == _COMPRESSED else -size % 8)

    def integer(self, offset: int) -> int:
        if offset + 4 > len(self.data):
            raise damaged(self.path, "it ends early")
        value: int = struct.unpack_from(f"{self.order}I", self.data, offset)[0]
        return value

    def number(self, offset: int) -> float | None:
        """The first number of the element at an offset."""
        kind, start, end, _ = self.element(offset)
        code = _NUMBERS.get(kind)
        if code is None or end - start < struct.calcsize(code):
            return None
        return float(struct.unpack_from(self.order + code, self.data, start)[0])

    def numbers(self, offset: int) -> tuple[NDArray[np.float64], int]:
        """The numbers of the element at an offset, and the offset of the next."""
        kind, start, end, following = self.element(offset)
        if kind not in _NUMBERS:
            raise damaged(self.path, f"an element of type {kind} where numbers belong")
        dtype = np.dtype(self.order + _NUMBERS[kind])
        count = (end - start) // dtype.itemsize
        return np.frombuffer(self.data, dtype, count, start).astype(np.float64), following


class Matrix:
    """One MATLAB value.

    Attributes:
        following: the offset of the next one in the bytes.
    """

    __slots__ = ("_body", "_kind", "_source", "_start", "following", "size")

    def __init__(self, source: _Bytes, offset: int) -> None:
        kind, start, end, self.following = source.element(offset)
        self._source, self._start = source, start
        self._body, self._kind, self.size = end, 0, 0
        # Flags and dimensions are 16 bytes each, but for values of more than two dimensions; [] has nothing at all.
        if kind == _MATRIX and end >= start + 32:
            self._kind = source.integer(start + 8) & 0xFF
            length = source.integer(start + 20)
            self.size = prod(source.integer(start + 24 + step) for step in range(0, min(length, _MAX_DIMENSIONS), 4))
            self._body = source.element(start + 24 + length + -length % 8)[3]

    @property
    def body(self) -> int | None:
        """Where the values inside of a cell, struct or object array begin; None for anything else."""
        return self._body if self._kind in (_CELL, _STRUCT, _OBJECT) else None

    @property
    def name(self) -> str:
        """The name of a variable; the values inside of one have none."""
        if not self._kind:
            return ""
        length = self._source.integer(self._start + 20)
        _, start, end, _ = self._source.element(self._start + 24 + length + -length % 8)
        return bytes(self._source.data[start:end]).decode("latin1")

    def structs(self) -> list[Mapping[str, Matrix]]:
        """The elements of a struct array, or of a cell array of single structs, as which scipy saves lists of them,
        with {} for a cell of another kind; [] for anything else."""
        if self._kind == _CELL:
            cells = [next(iter(cell.structs()), {}) if cell._kind == _STRUCT else {} for cell in self._cells()]
            return cells if any(cells) else []
        if self._kind != _STRUCT:
            return []
        lengths, offset = self._source.numbers(self._body)
        _, first, last, offset = self._source.element(offset)
        text, step = bytes(self._source.data[first:last]), int(lengths[0]) if len(lengths) else 0
        if step < 1:
            return []
        names = [text[start : start + step].split(b"\0")[0].decode("latin1") for start in range(0, len(text), step)]
        found: list[Mapping[str, Matrix]] = []
        for _ in range(self.size if names else 0):
            fields = {}
            for name in names:
                fields[name] = Matrix(self._source, offset)
                offset = fields[name].following
            found.append(fields)
        return found

    def _cells(self) -> Iterator[Matrix]:
        offset = self._body
        for _ in range(self.size):
            cell = Matrix(self._source, offset)
            yield cell
            offset = cell.following

    def number(self) -> float | None:
        """Its first number, also where it is written as characters; None where there is none."""
        if not self.size or self._kind < _CHAR:
            return None
        if self._kind == _CHAR:
            try:
                return float(self.text() or "")
            except ValueError:
                return None
        return self._source.number(self._body)

    def numbers(self) -> NDArray[np.float64]:
        """Its numbers in a row; of characters their codes; none for structs and cells."""
        if not self.size or self._kind < _CHAR:
            return np.zeros(0)
        return self._source.numbers(self._body)[0][: self.size]

    def text(self) -> str | None:
        """Its characters; None for anything else, and for none."""
        if self._kind != _CHAR or not self.size:
            return None
        kind, start, end, _ = self._source.element(self._body)
        if kind == 16:
            return bytes(self._source.data[start:end]).decode("utf-8", errors="replace")
        return "".join(chr(int(code)) if 0 <= code <= sys.maxunicode else "\ufffd" for code in self.numbers())


def read_variable(path: Path, wanted: str) -> Matrix | None:
    """The variable of that name in a .mat, or None. NodaError if the file is damaged or of another version."""
    data = read_bytes(path)
    order = _byte_order(data)
    if not data.startswith(b"MATLAB 5") or order is None:
        raise NodaError("not a .mat of version 5 to 7. Save it in MATLAB with -v7.", path)
    source, offset = _Bytes(memoryview(data), order, path), _HEADER_BYTES
    while offset < len(data):
        kind, start, end, following = source.element(offset)
        if kind == _COMPRESSED:
            unpacked = _Bytes(memoryview(_unpack(data[start:end], path, _MAX_BYTES)), order, path)
            matrix = Matrix(unpacked, 0)
        else:
            matrix = Matrix(source, offset)
        if matrix.name == wanted:
            return matrix
        offset = following
    return None


def check_sizes(data: bytes, path: Path, limit: int) -> None:
    """NodaError for a .mat of version 5 that unpacks to more than `limit` bytes, or claims cells and structs by the
    million: scipy would make room for all of it. Files of other versions pass."""
    order = _byte_order(data)
    if order is None:
        return
    source, offset = _Bytes(memoryview(data), order, path), _HEADER_BYTES
    while offset < len(data):
        kind, start, end, following = source.element(offset)
        if kind == _COMPRESSED:
            unpacked = _unpack(data[start:end], path, limit)
            limit -= len(unpacked)
            _check_parts(_Bytes(memoryview(unpacked), order, path), 0, len(unpacked), 0)
        else:
            _check_parts(source, offset, following, 0)
        offset = following


def _byte_order(data: bytes) -> str | None:
    """`<` or `>`, as the header's last two bytes have it."""
    return {b"IM": "<", b"MI": ">"}.get(data[_HEADER_BYTES - 2 : _HEADER_BYTES])


def _check_parts(source: _Bytes, offset: int, end: int, depth: int) -> int:
    """The number of values between two offsets, those inside of cells and structs counted too."""
    count = 0
    while offset + 8 <= end:
        kind, start, last, following = source.element(offset)
        if kind == _MATRIX and last > start:
            matrix = Matrix(source, offset)
            inside = matrix.size if matrix.body is not None else 0
            if inside <= _MAX_PARTS and depth < _MAX_DEPTH and matrix.body is not None:
                inside = max(inside, _check_parts(source, matrix.body, last, depth + 1))
            count += inside
            if count > _MAX_PARTS or depth >= _MAX_DEPTH:
                raise NodaError(f"it claims {count} cells and structs, which no gt_valid.mat has.", source.path)
        count += 1
        offset = following
    return count


def damaged(path: Path, why: str) -> NodaError:
    """The error for a .mat of which something is missing or wrong."""
    return NodaError(f"not a whole .mat file ({why}). If it was cut short, fetch or write it again.", path)


def _unpack(data: bytes, path: Path, limit: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(data, max(limit, 1))
    except zlib.error as error:
        raise damaged(path, str(error)) from None
    if not stream.eof:
        raise damaged(
            path, "a part of it is missing" if not stream.unconsumed_tail else "it unpacks to more bytes than are read"
        )
    return unpacked
