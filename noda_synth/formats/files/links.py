"""Getting a picture into a written set without changing it: as a link, or as a copy."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

from noda_synth.errors import NodaError

ORIGINALS = ("symlink", "hardlink", "copy", "none")


def put_file(source: Path, target: Path, final: Path, how: str) -> None:
    """Put a file in its place, which takes it whole or not at all; one that is there has to be what
    this one would make it.

    Args:
        source: the file.
        target: where it goes; the folder is made if need be.
        final: the name that it will have when the set is whole, which relative links count from.
        how: "symlink" (relative), "hardlink" or "copy".

    Raises:
        NodaError: the file system cannot do it.
    """
    link = os.path.relpath(source.resolve(), final.parent.resolve())
    if _is_put(source, target, link, how):
        return
    part = target.with_name(".original")  # always the same name, so that a killed run leaves none behind
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        if how == "symlink":
            part.symlink_to(link)
        elif how == "hardlink":
            part.hardlink_to(source.resolve())
        else:
            shutil.copyfile(source, part)
        target.unlink(missing_ok=True)  # a name of the same file would keep its other one
        part.replace(target)
    except OSError as error:
        raise NodaError(
            f"{final}: the original cannot be put there as a {how} ({error.strerror}); try another way with --originals"
        ) from error


def same_content(one: Path, other: Path) -> bool:
    """Whether two names are of one file, or of two with the same bytes; not where one of them is missing."""
    there = one.is_file() and other.is_file()
    return there and (one.samefile(other) or filecmp.cmp(one, other, shallow=False))


def _is_put(source: Path, target: Path, link: str, how: str) -> bool:
    """Whether the original is in its place already, in this way."""
    if target.is_symlink() or how == "symlink":
        return how == "symlink" and target.is_symlink() and str(target.readlink()) == link
    if not target.exists():
        return False
    return target.samefile(source) if how == "hardlink" else target.stat().st_size == source.stat().st_size
