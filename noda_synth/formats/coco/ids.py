"""Ids of a COCO file that every reader of such files can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

_BEYOND = 1 << 62
"""Readers keep ids as int64; below this there is room for the new ones."""


class Numbering:
    """The ids of a list in the making: those of the input where pycocotools can take them, new numbers for the others.

    Text cannot be sorted beside numbers, and pycocotools takes an annotation of id 0 or below for one that no pose has
    matched yet. Of an id that comes twice the first one keeps it.
    """

    def __init__(self, first_new: int, *, lowest: int) -> None:
        """Ids below `lowest` are not kept; `first_new` is from `first_free`."""
        self._next, self._lowest = first_new, lowest
        self._used: set[int] = set()

    def keep(self, given: Any) -> int:
        """The id of an entry that had one."""
        if not can_be_kept(given, self._lowest) or given in self._used:
            return self.new()
        self._used.add(int(given))
        return int(given)

    def new(self) -> int:
        """An id that no entry of the input has."""
        self._next += 1
        return self._next - 1


@dataclass(frozen=True)
class MadeIds:
    """Ids of images that are made of people: `first` is that of the first person's first one, `step` that between two
    of one person."""

    first: int
    step: int

    @classmethod
    def above(cls, taken: int, people: int, made: int) -> MadeIds:
        """Ids that are at least `taken`, for so many images `made` of each of the people: as round as there is room,
        so that they stay as they are when an image comes in."""
        step = int(10 ** len(str(max(taken, people))))
        return cls(step, step) if step * (made + 1) < _BEYOND else cls(taken, people)

    def of(self, row: int, made: int) -> int:
        """The id of an image by its person's row and its number, both from 0."""
        return self.first + made * self.step + row


def named_after(new: int, name: str, image_id: Any) -> str | None:
    """`dir/000000000139.jpg` of image 139: `dir/000000000007.jpg` for 7; None where a name does not end in its id.

    HRNet's code and others of that line open `'%012d.jpg' % id` (of 2014 with a prefix) and do not look at names.
    """
    pure = PurePosixPath(name)
    own = f"{int(image_id):012d}" if can_be_kept(image_id, 0) else None
    if own is None or not pure.stem.endswith(own):
        return None
    before = pure.stem.removesuffix(own)
    if before[-1:].isdigit():
        return None
    return str(pure.with_stem(f"{before}{new:012d}"))


def first_free(ids: Iterable[Any]) -> int:
    """The number after the largest of the ids that can be kept; at least 1."""
    return 1 + max(0, max((int(number) for number in ids if _is_plain(number)), default=0))


def can_be_kept(given: Any, lowest: int) -> bool:
    """Whether it is a whole number of at least `lowest` that fits into 64 bits."""
    return _is_plain(given) and given >= lowest


def _is_plain(given: Any) -> bool:
    whole = isinstance(given, int) or (isinstance(given, float) and given.is_integer())
    return whole and not isinstance(given, bool) and abs(given) < _BEYOND
