"""JSON files read piece by piece: the elements of a long list one after another, and never the whole file.

As quick as `json.load`, whose decoder does the work, and its messages on damage, with line and column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import check_regular, damaged_json, unreadable

_CHUNK = 1 << 20
MAX_CHARACTERS = 1 << 26
"""A single element of a list, or a value beside the lists, may take 64 MB."""
MAX_DEPTH = 100
"""Lists and objects one inside another, in a value: what copies values and writes them gives up before a thousand."""

# What stands so near the end of what is held may be the beginning of something longer: 1.5e-3 and -Infinity begin
# with 1 and -.
_CUT = 16

_SPACE = re.compile(r"[ \t\n\r]*")
_ENDS = {"[": "]", "{": "}"}
# A text, one that is cut off, or what begins or ends a list or an object.
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|["\[\]{}]', re.DOTALL)


@dataclass(frozen=True)
class TooDeep:
    """Stands for an element of a list in which lists or objects are nested more than MAX_DEPTH deep."""


@contextmanager
def open_json(path: Path) -> Iterator[JsonPieces]:
    """Open a JSON file for reading piece by piece; NodaError if it is missing, empty, no text, or damaged."""
    check_regular(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield JsonPieces(stream, path)
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise NodaError("neither a .mat or HDF5 file nor JSON text.", path) from None


def list_in(path: Path, key: str) -> Iterator[Any]:
    """The elements of a list that stands under a key of the object in a file, one after another."""
    with open_json(path) as file:
        for name, value in file.items():
            if name == key and isinstance(value, Iterator):
                yield from value


class JsonPieces:
    """A JSON text, from its first character on.

    Attributes:
        kind: its first character: "[" for a list, "{" for an object.
    """

    def __init__(self, stream: TextIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._decoder = json.JSONDecoder()
        self._text, self._offset, self._over = "", 0, False
        self._lines, self._column = 0, 0  # before the text that is held
        self.kind = self._peek()

    def elements(self) -> Iterator[Any]:
        """The elements of the list that comes next; a TooDeep for one that is none to work with."""
        return (value for _, value in self._members("["))

    def items(self) -> Iterator[tuple[str, Any]]:
        """Keys and values of the object that comes next; a list as an iterator, to be used before the next key."""
        return self._members("{")

    def end(self) -> None:
        """NodaError if anything is left."""
        if self._peek():
            raise self._damaged("Extra data")

    def value(self) -> Any:
        """The value that comes next, as a whole. NodaError if it is nested too deeply."""
        value = self._element()
        if isinstance(value, TooDeep):
            raise NodaError("not valid JSON (nested too deeply).", self._path)
        return value

    def _element(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._offset)
            except json.JSONDecodeError as error:
                if self._over or (error.pos + _CUT < len(self._text) and not error.msg.startswith("Unterminated")):
                    raise self._damaged(error.msg, error.pos) from None
            except RecursionError:
                end, _ = _extent(self._text, self._offset)
                if end > 0:
                    self._offset = end
                    return TooDeep()
                if self._over:
                    raise self._damaged("Unterminated list or object in what begins") from None
            except ValueError:
                raise self._damaged("a number of thousands of digits in what begins") from None
            else:
                if end + _CUT < len(self._text) or self._over:  # a number may go on beyond what is held
                    start, self._offset = self._offset, end
                    marks = self._text.count("[", start, end) + self._text.count("{", start, end)
                    return TooDeep() if marks > MAX_DEPTH and _extent(self._text, start)[1] > MAX_DEPTH else value
            self._fill()

    def _members(self, start: str) -> Iterator[tuple[str, Any]]:
        self._take(start, f"Expecting '{start}'")
        if self._peek() == _ENDS[start]:
            self._offset += 1
            return
        while True:
            key = self._key() if start == "{" else ""
            if start == "{" and self._peek() == "[":
                inner = self.elements()
                yield key, inner
                for _ in inner:
                    pass
            else:
                yield key, self.value() if start == "{" else self._element()
            if self._peek() == _ENDS[start]:
                self._offset += 1
                return
            self._take(",", "Expecting ',' delimiter")

    def _key(self) -> str:
        if self._peek() != '"':
            raise self._damaged("Expecting property name enclosed in double quotes")
        key: str = self.value()
        self._take(":", "Expecting ':' delimiter")
        return key

    def _take(self, character: str, otherwise: str) -> None:
        if self._peek() != character:
            raise self._damaged(otherwise)
        self._offset += 1

    def _peek(self) -> str:
        """The next character that is no space, "" at the end; it comes next."""
        while True:
            match = _SPACE.match(self._text, self._offset)
            self._offset = match.end() if match else self._offset
            if self._offset < len(self._text):
                return self._text[self._offset]
            if self._over:
                return ""
            self._fill()

    def _fill(self) -> None:
        """Let go of what was used, and hold at least twice as much of what comes next."""
        self._lines, self._column = self._position(self._offset)
        rest = self._text[self._offset :]
        if len(rest) > MAX_CHARACTERS:
            raise NodaError(f"a single value from line {self._lines + 1} on takes more than 64 MB.", self._path)
        more = self._stream.read(max(_CHUNK, len(rest)))
        self._text, self._offset, self._over = rest + more, 0, not more

    def _position(self, offset: int) -> tuple[int, int]:
        """Lines before an offset in the text that is held, and characters before it on its line."""
        last = self._text.rfind("\n", 0, offset)
        if last < 0:
            return self._lines, self._column + offset
        return self._lines + self._text.count("\n", 0, offset), offset - last - 1

    def _damaged(self, why: str, offset: int | None = None) -> NodaError:
        lines, column = self._position(self._offset if offset is None else offset)
        return damaged_json(self._path, why, lines + 1, column + 1)


def _extent(text: str, start: int) -> tuple[int, int]:
    """Where the list or object that begins at `start` ends, 0 if it is cut off; and how deep it is nested."""
    depth = deepest = 0
    for match in _STRUCTURE.finditer(text, start):
        mark = match.group()
        if mark == '"':
            break
        if mark in ("[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif mark in ("]", "}"):
            depth -= 1
            if depth == 0:
                return match.end(), deepest
    return 0, deepest
