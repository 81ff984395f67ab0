"""replay: one rendered image again, from its line in the manifest alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from noda_synth.errors import ItemError, NodaError
from noda_synth.formats.files.atomic import check_regular, parsed, write_bytes
from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.encoding import encode_copy
from noda_synth.imaging.images import decode_checked, image_path, is_turned, read_checked
from noda_synth.methods import METHODS, Recipe, Sources, method_class
from noda_synth.methods.base import Method
from noda_synth.render.manifest import MANIFEST
from noda_synth.render.occluded_copies import compose
from noda_synth.runs.ownership import check_free


def find_line(manifest: Path, wanted: str) -> dict[str, Any]:
    """The line of an image, by its id or its file name, of a manifest or the set that it is in. Raises NodaError."""
    if manifest.is_dir():
        manifest /= MANIFEST
    check_regular(manifest)
    try:
        with manifest.open() as file:
            for number, text in enumerate(file, 1):
                try:
                    line: dict[str, Any] = parsed(text)
                    matches = wanted in (line.get("id"), line.get("file"))
                except (ValueError, AttributeError, RecursionError):
                    raise NodaError(f"{manifest}, line {number}: no line of the manifest.jsonl of a set") from None
                if matches:
                    return _checked(line, f"{manifest}, line {number}")
    except UnicodeDecodeError:
        raise NodaError(f"{manifest} is no text file, so it is no manifest.jsonl of a set") from None
    except OSError as error:
        raise NodaError(f"{manifest} cannot be read: {error.strerror}") from error
    raise NodaError(f'{manifest} has no image {wanted!r}; ids stand under "id" in its lines')


def _checked(line: dict[str, Any], where: str) -> dict[str, Any]:
    needed = {"method", "source", "placement", "format", "quality"}
    if needed - line.keys() or line["method"] not in list(METHODS) or not isinstance(line["placement"], dict):
        raise NodaError(f"{where} is not as render wrote it: it lacks keys, or has others")
    try:
        method_class(line["method"]).placement_of(line["placement"])
    except NodaError as error:
        raise NodaError(f"{where}: {error}") from error
    return line


def overlay_of(line: Mapping[str, Any], sources: Sources) -> Overlay | None:
    """What covers the image of a manifest line: alpha (h, w) uint8, left and top in 0-based pixels of the picture.

    Args:
        line: of the manifest, as `find_line` gives it.
        sources: where the pool is, or the objects are, that the data set was rendered with.

    Returns:
        The overlay, or None where nothing is covered (`recompress`). For labels and statistics; no image is read.

    Raises:
        NodaError: the sources are missing, damaged, or not those of the line.
    """
    method = method_of(line, sources)
    with _checked_placement(line):
        return method.overlay(method.placement_of(line["placement"]))


@contextmanager
def _checked_placement(line: Mapping[str, Any]) -> Iterator[None]:
    """Turn what cannot be used, or what no method can have drawn, into a NodaError."""
    try:
        yield
    except ItemError as error:
        raise NodaError(str(error)) from error
    except (LookupError, TypeError, ValueError, AttributeError, cv2.error) as error:
        raise NodaError(f"{line['id']}: its placement is none that {line['method']} draws ({error!r})") from error


def method_of(line: Mapping[str, Any], sources: Sources) -> Method[Any, Any]:
    """The method that made the image of a manifest line. Raises NodaError for missing sources, or others."""
    kind = method_class(line["method"])
    needed = kind.sources_of(line["placement"])
    for source in sorted(needed):
        if getattr(sources, source) is None:
            raise NodaError(f"{line['id']} was made by {line['method']}, which needs --{source}; name the same as then")
    with _checked_placement(line):
        changes = {"smooth": line["smooth"]} if "smooth" in line else {}
        if needed > kind.takes:
            changes["objects_share"] = 1.0
        settings = kind.settings_type(**changes)
    method = Recipe(line["method"], settings, sources).open()
    for source, content in method.source_hashes().items():
        if content != line.get(source):
            raise NodaError(
                f"{getattr(sources, source)} is not the {source} that {line['id']} was rendered with "
                f"(its content is {content[:12]}, the manifest names {str(line.get(source))[:12]})"
            )
    return method


def replay(line: Mapping[str, Any], images: Path, sources: Sources, out: Path, *, overwrite: bool = False) -> None:
    """Render an image again and write it to `out`.

    Raises:
        NodaError: the sources are not those of the line, the original cannot be read, `out` exists, is among what is
            read, or has another suffix than the image.
    """
    read = (images, sources.pool, sources.objects, sources.objects_images)
    check_free(out, read, overwrite=overwrite)
    suffixes = (".jpg", ".jpeg") if line["format"] == "jpg" else (f".{line['format']}",)
    if out.suffix.lower() not in ("", *suffixes):
        raise NodaError(f"{out}: {line['id']} is written as it was rendered; end the name with {suffixes[0]}")
    method = method_of(line, sources)
    with _checked_placement(line):
        path = image_path(images, line["source"])
        source = read_checked(path)
        picture = decode_checked(source, path)
        overlay = compose(picture, method, method.placement_of(line["placement"]))
        data = encode_copy(picture, source, line["format"], line["quality"], overlay, turned=is_turned(path))
    write_bytes(out, data)
