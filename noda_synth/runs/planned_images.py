"""The images that a run was planned on: noted when it begins, and the same still when it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import write_json_lines

NOTE = "images.jsonl"


def note_images(note: Path, folders: Sequence[Path], images: Iterable[tuple[int, str]]) -> None:
    """Write size and time of images into the file `note`; each is the number of its folder, and its name."""
    write_json_lines(note, ([number, name, *_state(folders[number] / name)] for number, name in images))


def check_images(note: Path, folders: Sequence[Path], images: Iterable[tuple[int, str]]) -> None:
    """Raises NodaError if an image of a note is not what it was, or the images are others; nothing without a note."""
    if not note.exists():
        return
    for noted, planned in zip_longest(_lines(note), images):
        if noted is None or noted[:2] != planned:
            number, name = planned or noted[:2]
            raise NodaError(
                f"{folders[number] / name} was not planned on when this run was begun, or is not any more: some image "
                "can be read now that could not be then, or the other way round; put this right, or --overwrite to "
                "start anew"
            )
        number, name, size, time = noted
        now, written = _state(folders[number] / name)
        if now != size or time not in (None, written):
            what = f"{_bytes(size)} then, {_bytes(now)} now" if now != size else "it was written to"
            raise NodaError(
                f"{folders[number] / name} has changed since this run was begun ({what}), and what is finished may "
                "show it as it was; put it back, or --overwrite to start anew"
            )


def check_same_images(notes: Sequence[Path]) -> None:
    """Raises NodaError if an image had another size for one part of the work than for another; their times may differ,
    for each machine may have a copy."""
    there = [note for note in notes if note.exists()]
    for note in there[1:]:
        for one, other in zip_longest(_lines(there[0]), _lines(note)):
            if one is None or other is None or one[:3] != other[:3]:
                name = next(line[1] for line in (one, other) if line)
                raise NodaError(
                    f"{name} was another image for {note.parent} than for {there[0].parent}; put it back, and run the "
                    "part that is wrong again with --overwrite"
                )


def take_over(note: Path, target: Path) -> None:
    """Move the note of a part to where the work goes on, without the times."""
    if note.exists():
        write_json_lines(target, ([number, name, size, None] for number, name, size, _ in _lines(note)))
        note.unlink()


def _lines(note: Path) -> Iterator[tuple[int, str, int | None, int | None]]:
    """Number of the folder, name, bytes and time of each image; a note appears when it is whole."""
    with note.open(encoding="utf-8") as lines:
        for line in lines:
            number, name, size, time = json.loads(line)
            yield number, name, size, time


def _state(path: Path) -> tuple[int | None, int | None]:
    """Size in bytes and time of change in nanoseconds; None for both where there is no such file."""
    try:
        state = os.stat(path)  # noqa: PTH116  # links are followed
    except (OSError, ValueError):
        return None, None
    return state.st_size, state.st_mtime_ns


def _bytes(count: int | None) -> str:
    return "not there" if count is None else f"{count} bytes"
