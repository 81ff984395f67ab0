"""What to say where a whole folder of images, or the list that names them, is not where it is looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path, PurePosixPath

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_MOST = 10_000
"""Entries of a folder that are looked through for something alike."""

LISTS = (
    "HRNet's lists (train.json, valid.json, gt_valid.mat) are linked under Data preparation in the README of "
    "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch, MMPose's are in "
    "https://download.openmmlab.com/mmpose/datasets/mpii_annotations.tar."
)


def not_one_there(folder: Path, names: Iterable[str]) -> str:
    """What is wrong where not one of the images is in its folder: one name, where it was looked for, and what fits.
    An empty string where one is there, or where there are no names."""
    first, count = "", 0
    for name in names:
        first = first or name
        count += 1
        if _is_there(folder / name):
            return ""
    if not count:
        return ""
    fits = next(chain(_that_fit(folder, first), [f"Name the folder that {first} is in with --images."]))
    return f"not one of the {count} images is in {folder}: there is no {folder / first}. {fits}"


def unpacked_or_elsewhere(folders: Iterable[Path]) -> str:
    """Where the images may be, with the option that names them: a folder of pictures or an archive in one of these
    folders. An empty string where there is neither."""
    existing = [folder for folder in folders if folder.is_dir()]
    for folder in chain.from_iterable(map(_folders_in, existing)):
        if any(entry.suffix.lower() in PICTURES for entry in _entries(folder)):
            return f"There are pictures in {folder}: --images {folder}"
    return next(chain.from_iterable(map(_archives_in, existing)), "")


def _that_fit(folder: Path, name: str) -> Iterator[str]:
    parts = PurePosixPath(name).parts
    for parent in islice(folder.parents, 3):
        if _is_there(parent / name):
            yield f"{parent / name} is there: --images {parent}"
    for start in range(1, len(parts)):
        rest = "/".join(parts[start:])
        if _is_there(folder / rest):
            yield f"{folder / rest} is there: take {'/'.join(parts[:start])}/ off the names in the annotations."
    for other in chain(_folders_in(folder), _folders_in(folder.parent)):
        if _is_there(other / name):
            yield f"{other / name} is there: --images {other}"
    stem = PurePosixPath(name).stem.casefold()
    for entry in _entries((folder / name).parent):
        if entry.stem.casefold() == stem:
            yield f"{entry} is there: correct the names in the annotations."
    yield from _archives_in(folder)
    yield from _archives_in(folder.parent)
    if not any(_entries(folder)):
        yield "The folder is empty."


def _archives_in(folder: Path) -> Iterator[str]:
    packed = (entry for entry in _entries(folder) if entry.suffix.lower() in ARCHIVES and entry.is_file())
    return (f"{entry} is there: unpack it, if the images are in it." for entry in packed)


def _folders_in(folder: Path) -> Iterator[Path]:
    return (entry for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> list[Path]:
    """The first entries of a folder, by name; none where it cannot be looked into."""
    try:
        return sorted(islice(folder.iterdir(), _MOST))
    except (OSError, ValueError):
        return []


def _is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  # Path raises for names that no file can have
