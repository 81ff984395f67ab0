"""Getting a picture into a written set without changing it: as a link, or as a copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from noda_synth.errors import NodaError


def put_file(source: Path, target: Path, final: Path, how: str) -> None:
    """Put a file somewhere, unless there is one already.

    Args:
        source: the file.
        target: where it goes; the folder is made if need be.
        final: the name that it will have when the set is whole, which relative links count from.
        how: "symlink" (relative), "hardlink" or "copy".

    Raises:
        NodaError: the file system cannot do it.
    """
    if target.is_symlink() or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if how == "symlink":
            target.symlink_to(os.path.relpath(source.resolve(), final.parent.resolve()))
        elif how == "hardlink":
            target.hardlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise NodaError(
            f"{final}: the original cannot be put there as a {how} ({error.strerror}); try another way with --originals"
        ) from error
