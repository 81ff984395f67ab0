"""What the gallery shows of a render: two small pictures, the joints, and the outline of what was pasted."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem, of_item
from noda_synth.figures.contact_sheet import fit_box, person_window, resized
from noda_synth.imaging.compositing import COVERING, overlap
from noda_synth.imaging.images import BGRImage, image_path, is_there, read_image
from noda_synth.methods import Sources
from noda_synth.render.replay import overlay_of

SEEN, HIDDEN, COVERED = 1, 2, 3
"""Mark of a joint: a green dot, a blue ring (occluded before), a red cross (covered by the pasted body)."""

_QUALITY = 60
# An outline may leave the mask's by this many pixels of the thumbnail; specks smaller than the area are left out.
_OUTLINE_ERROR, _SPECK = 0.6, 4.0
# Of a line, what is the same for all renders of a set.
_COMMON = ("pool", "settings", "format", "quality")


@dataclass(frozen=True)
class GalleryItem:
    """A render to be shown: its line of the manifest, and the person as annotated, without the record."""

    line: Mapping[str, Any]
    person: Person


@dataclass(frozen=True)
class ThumbnailContext:
    """What thumbnails are made from.

    Attributes:
        images: the images folder of the written set.
        originals: where an original is looked for that is not there.
        sources: what the set was rendered from, or None where that is not at hand: then there are no masks.
        skeleton: of the set.
        side: longest side of a thumbnail in pixels.
    """

    images: Path
    originals: Path | None
    sources: Sources | None
    skeleton: Skeleton
    side: int


def make_entries(items: Sequence[GalleryItem], *, context: ThumbnailContext) -> tuple[str, list[Problem]]:
    """The gallery's entries of a few renders as a JSON list, and what is broken.

    An entry has `line` (of the manifest) and either `error` or: `size` of the pictures, `before` and `after` side by
    side as one WebP, base64; `joints`, one [x, y, mark] or 0 each; `mask`, an SVG path, or nothing.
    """
    entries: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for item in items:
        entry: dict[str, Any] = {"line": {key: value for key, value in item.line.items() if key not in _COMMON}}
        try:
            with of_item():
                entry |= make_entry(item, context)
        except (ItemError, NodaError) as error:
            entry["error"] = str(error)
        except (KeyError, TypeError, AttributeError) as error:
            entry["error"] = f"its line in the manifest is not as render wrote it ({error!r})"
        if "error" in entry:
            problems.append(Problem("report", item.line["id"], entry["error"]))
        entries.append(entry)
    return json.dumps(entries, separators=(",", ":")), problems


def make_entry(item: GalleryItem, context: ThumbnailContext) -> dict[str, Any]:
    """The pictures of a render and what is drawn on them, see `make_entries`. Raises ItemError for a broken picture."""
    line, person = item.line, item.person
    after = read_image(image_path(context.images, line["file"]))
    before = _original(line["source"], context)
    shape = after.shape
    if before is not None and before.shape != shape:
        raise ItemError(f"{line['source']} and {line['file']} are of different sizes")
    known, window = person_window(person, (shape[1], shape[0]))
    (width, height), _, _ = fit_box(after[window], (context.side, context.side))
    width += width % 2  # so that the two pictures share no block of colours
    pictures = [resized(picture[window], (width, height)) for picture in (before, after) if picture is not None]
    factor = np.array([width, height]) / after[window].shape[1::-1]
    positions = (person.joints - (window[1].start, window[0].start) + 0.5) * factor
    covered = set(context.skeleton.indices(*line["covered"]))
    joints = [
        [round(float(x), 1), round(float(y), 1), _mark(j in covered, int(person.visible[j]))] if known[j] else 0
        for j, (x, y) in enumerate(positions)
    ]
    return {
        "size": [width, height],
        "before": before is not None,
        "picture": base64.b64encode(_webp(np.hstack(pictures))).decode(),
        "joints": joints,
        "mask": _outline(line, context, shape, window, (width, height)),
    }


def quality_of(line: Mapping[str, Any], qualities: Mapping[str, NDArray[np.float64]]) -> float | None:
    """Q of the pasted mask, from the qualities (N,) of the pool's bodies by level; None where there is none."""
    placement = line.get("placement") or {}
    level, body = str(placement.get("level")), placement.get("body")
    if level not in qualities or not isinstance(body, int) or not 0 <= body < len(qualities[level]):
        return None
    return round(float(qualities[level][body]), 3)


def _mark(covered: bool, visible: int) -> int:
    return COVERED if covered else HIDDEN if visible == OCCLUDED else SEEN


def _original(name: str, context: ThumbnailContext) -> BGRImage | None:
    """The picture before, or None if it is not at hand."""
    for folder in (context.images, context.originals):
        if folder is not None and is_there(path := image_path(folder, name)):
            return _read_again(path)
    return None


@lru_cache(maxsize=1)
def _read_again(path: Path) -> BGRImage:
    """Read once for all people of an image, who follow each other."""
    return read_image(path)


def _webp(picture: BGRImage) -> bytes:
    """In two thirds of a JPEG's bytes at this size, and every browser shows it."""
    return cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])[1].tobytes()


def _outline(
    line: Mapping[str, Any],
    context: ThumbnailContext,
    shape: tuple[int, ...],
    window: tuple[slice, slice],
    size: tuple[int, int],
) -> str:
    """What the stamp covers of the window, as an SVG path in pixels of the thumbnail; empty where that is not known."""
    stamp = overlay_of(line, context.sources) if context.sources else None
    region = stamp and overlap(stamp.alpha.shape, shape, stamp.left, stamp.top)
    if not stamp or not region:
        return ""
    canvas = np.zeros(shape[:2], np.uint8)
    canvas[region[0]] = stamp.alpha[region[1]]
    mask = np.asarray(resized(canvas[window], size) >= COVERING, np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    pieces = (cv2.approxPolyDP(contour, _OUTLINE_ERROR, closed=True) for contour in contours)
    return "".join(
        "M" + " ".join(f"{x} {y}" for x, y in piece[:, 0]) + "z" for piece in pieces if cv2.contourArea(piece) >= _SPECK
    )
