"""Persons in other boxes than the annotated ones: seeded errors, and the boxes of a detector.

A network of the top-down kind is handed a crop; how well it does where that crop is off is a number of its own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json
from noda_train.arrays import Bools, Floats, best_pairs
from noda_train.data import MARGIN, Samples
from noda_train.geometry import within_one

ERRORS = (0.0, 0.05, 0.1, 0.2)
"""The errors of the table, in sides of the crop."""
OVERLAP = 0.3
"""A detection is a person's from this intersection over union on. Low, since MPII has no boxes: those of its joints
leave out hands, feet and hair."""


def off_centre(samples: Samples, error: float, seed: int = 0) -> Samples:
    """The persons in crops that are off, as if an annotator or a detector had erred.

    Each crop moves along x and y by `error` times its side, and its side changes by `error` times itself, each times a
    number of its own of a normal distribution that is cut off at -1 and 1, as `shift` in training. A person's three
    numbers depend on the seed and on the row alone: larger errors go in the same directions, and every network meets
    the same ones.
    """
    drawn = within_one(np.random.default_rng([seed, len(samples)]).random((len(samples), 3)))
    center = samples.center + error * drawn[:, :2] * samples.box[:, None]
    return replace(samples, center=center, box=samples.box * (1 + error * drawn[:, 2]))


def detected(samples: Samples, path: Path) -> tuple[Samples, Bools]:
    """The persons in a detector's boxes, and (N,) bool, who has one; the others keep their own.

    On each image the pairs of detection and person that overlap most are joined first, each once, from an intersection
    over union of 0.3 on. The crop is that of COCO's annotated boxes: 1.25 times the longer side, about the middle.

    Args:
        samples: the persons.
        path: COCO results: a list of `image_id` (in MPII's lists the image's name), `category_id`, `bbox` (x, y, width
            and height, 0-based pixels) and `score`. Boxes of other categories than the person's are left alone.

    Raises:
        NodaError: the file is no such list, with the number of the entry; or none of it is on these images.
    """
    boxes = _read(path)
    center, side, found = samples.center.copy(), samples.box.copy(), np.zeros(len(samples), bool)
    rows_of: dict[tuple[int | str, int], list[int]] = defaultdict(list)
    for row, name in enumerate(samples.names):
        rows_of[name.image, name.category].append(row)
    if not rows_of.keys() & boxes.keys():
        theirs, ours = (next(iter(keys), ("none", 1)) for keys in (boxes, rows_of))
        raise NodaError(
            f"{path}: no box on any of these images; it starts with image_id {theirs[0]!r} and category_id {theirs[1]},"
            f" the data set with {ours[0]!r} and {ours[1]}"
        )
    for key in rows_of.keys() & boxes.keys():
        rows, here = rows_of[key], np.array(boxes[key])
        overlaps = overlap(here, samples.person_box[rows])
        for number, column in best_pairs(overlaps):
            if overlaps[number, column] >= OVERLAP:
                row, box = rows[column], here[number]
                center[row], side[row] = box[:2] + (box[2:] - 1) / 2, MARGIN * max(box[2:].max() - 1, 1.0)
                found[row] = True
    return replace(samples, center=center, box=side), found


def overlap(one: Floats, two: Floats) -> Floats:
    """(M, N) intersection over union of boxes (M, 4) and (N, 4): x, y, width and height."""
    low = np.maximum(one[:, None, :2], two[None, :, :2])
    high = np.minimum((one[:, :2] + one[:, 2:])[:, None], (two[:, :2] + two[:, 2:])[None])
    both = np.maximum(high - low, 0).prod(2)
    result: Floats = both / (one[:, 2:].prod(1)[:, None] + two[:, 2:].prod(1)[None] - both)
    return result


def _read(path: Path) -> dict[tuple[int | str, int], list[Any]]:
    """Boxes by image and category."""
    content = read_json(path)
    if not isinstance(content, list):
        raise NodaError(f"{path}: not a list of COCO results")
    boxes: dict[tuple[int | str, int], list[Any]] = defaultdict(list)
    for row, entry in enumerate(content):
        try:
            box = np.array(entry["bbox"], dtype=np.float64)
            image, category = entry["image_id"], entry["category_id"]
            usable = isinstance(image, int | str) and isinstance(category, int) and box.shape == (4,)
        except (TypeError, KeyError, ValueError):
            usable = False
        if not usable or not np.isfinite(box).all() or box[2:].min() <= 0:
            raise NodaError(
                f"{path} entry {row}: no image_id, category_id and bbox of four numbers, width and height above 0;"
                " correct it or take it out"
            )
        boxes[image, category].append(box)
    return boxes
