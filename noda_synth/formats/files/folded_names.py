"""Names that differ by the case of letters or by Unicode's form alone: on many file systems they are one name."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from unicodedata import normalize

from noda_synth.errors import NodaError


def folded(name: str) -> str:
    """What names have in common that a file system may take for one."""
    return normalize("NFD", normalize("NFD", name).casefold())


def pairs(*lists: Collection[str]) -> Iterator[tuple[str, str]]:
    """The names that come down to an earlier one when they are folded, after that one. A name that is in several lists
    is the same. Only numbers are kept of names that come down to none."""
    seen, twice = set[int](), set[int]()
    for name in chain(*lists):
        number = hash(folded(name))
        (twice if number in seen else seen).add(number)
    first: dict[str, str] = {}
    for name in chain(*lists) if twice else ():
        if hash(key := folded(name)) in twice and (other := first.setdefault(key, name)) != name:
            yield other, name


def check_kept_apart(out: Path, *lists: Collection[str]) -> None:
    """Raises NodaError if two of the names would be one file in `out`, whose file system is tried.

    Args:
        out: a folder, which need not be there yet.
        lists: relative names, with forward slashes.
    """
    for one, other in pairs(*lists):
        if are_one(out, one, other):
            raise NodaError(
                f"{one!r} and {other!r} are two images, but one name on the file system of {out}; rename one of them "
                "and in its annotations, or write to a file system that keeps them apart"
            )


def are_one(out: Path, one: str, other: str) -> bool:
    """Whether the file system takes two names for one; no, where nothing can be written, which is said elsewhere."""
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".names-", dir=place) as folder:
            file = Path(folder) / one
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            return (Path(folder) / other).exists()
    except (OSError, ValueError):
        return False
