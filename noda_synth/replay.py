"""replay: one rendered image again, from its line in the manifest alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from noda_synth.copies import compose, encode
from noda_synth.errors import ItemError, NodaError
from noda_synth.formats.files import write_bytes
from noda_synth.images import image_path, read_image
from noda_synth.placement import Placement
from noda_synth.pool import Pool


def find_line(manifest: Path, wanted: str) -> dict[str, Any]:
    """The line of an image, by its id or its file name. Raises NodaError."""
    try:
        with manifest.open() as file:
            for number, text in enumerate(file, 1):
                try:
                    line: dict[str, Any] = json.loads(text)
                    found = wanted in (line.get("id"), line.get("file"))
                except (ValueError, AttributeError):
                    raise NodaError(f"{manifest}, line {number}: no line of the manifest.jsonl of a set") from None
                if found:
                    return _checked(line, f"{manifest}, line {number}")
    except UnicodeDecodeError:
        raise NodaError(f"{manifest} is no text, let alone the manifest.jsonl of a set") from None
    except OSError as error:
        raise NodaError(f"{manifest} cannot be read: {error.strerror}") from error
    raise NodaError(f'{manifest} has no image {wanted!r}; ids stand under "id" in its lines')


def _checked(line: dict[str, Any], where: str) -> dict[str, Any]:
    needed = {"pool", "source", "placement", "smooth", "format", "quality"}
    parts = {field.name for field in fields(Placement)}
    if needed - line.keys() or not isinstance(line["placement"], dict) or line["placement"].keys() != parts:
        raise NodaError(f"{where} is not as render wrote it: it lacks keys, or has others")
    return line


def replay(line: Mapping[str, Any], images: Path, pool_path: Path, out: Path, *, overwrite: bool = False) -> None:
    """Render an image again and write it to `out`.

    Raises:
        NodaError: the pool is not the one of the line, the original cannot be read, or `out` exists.
    """
    if out.exists() and not overwrite:
        raise NodaError(f"{out} exists; choose another --out, or --overwrite")
    pool = Pool(pool_path)
    if pool.content != line["pool"]:
        raise NodaError(
            f"{pool_path} is not the pool that {line['id']} was rendered with "
            f"(its content is {pool.content[:12]}, the manifest names {line['pool'][:12]})"
        )
    try:
        picture = read_image(image_path(images, line["source"]))
        compose(picture, pool, Placement(**line["placement"]), line["smooth"])
    except ItemError as error:
        raise NodaError(str(error)) from error
    write_bytes(out, encode(picture, line["format"], line["quality"]))
