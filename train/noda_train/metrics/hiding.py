"""Who hides a joint: whether it lies where another annotated person is.

"By a person" is an occluded joint inside another person's outline, or their box where there is no outline; "near" is a
visible joint inside such a box. People whom nobody annotated are not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from noda_synth.data.geometry import BOX_MARGIN, joint_box
from noda_synth.errors import ItemError
from noda_synth.formats.coco.ochuman import coco_list
from noda_synth.formats.coco.rle import rle_decode
from noda_synth.formats.files.checks import stated
from noda_train.arrays import Bools, Floats
from noda_train.data import Ids


class Neighbour(NamedTuple):
    """Somebody on an image: image, id, box (4,) of x1, y1, x2, y2, and COCO's segmentation or None."""

    image: int | str
    id: int | str
    box: Floats
    outline: Any = None


def neighbours_by_joints(images: Sequence[str], ids: Sequence[str], joints: Floats, labelled: Bools) -> list[Neighbour]:
    """The people themselves, by the boxes around their joints (N, J, 2) with a margin for the flesh."""
    found = []
    for image, name, points, known in zip(images, ids, joints, labelled, strict=True):
        if known.any():
            box = joint_box(points[known])
            margin = BOX_MARGIN * (box[2:] - box[:2]).max()
            found.append(Neighbour(image, name, box + np.array([-margin, -margin, margin, margin])))
    return found


def neighbours_in(path: Path, names: Sequence[Ids]) -> list[Neighbour]:
    """Everybody of these people's categories on their images in a COCO file, without joints and crowds included;
    1-based."""
    return [
        Neighbour(entry["image_id"], entry.get("id", ""), _corners(entry["bbox"]) + 1, entry.get("segmentation"))
        for entry in annotations_of(path, names)
        if _is_box(entry.get("bbox"))
    ]


def annotations_of(path: Path, names: Sequence[Ids]) -> Iterator[Mapping[str, Any]]:
    """The annotations of a COCO file on these people's images and of their categories: a dog is nobody's neighbour."""
    images, categories = {name.image for name in names}, {name.category for name in names}
    everything = (stated(entry) for entry in coco_list(path, "annotations") if isinstance(entry, dict))
    for entry in everything:
        if entry.get("image_id") in images and entry.get("category_id", 1) in categories:
            yield entry


def where_others_are(
    joints: Floats, images: Sequence[int | str], ids: Sequence[int | str], neighbours: Iterable[Neighbour]
) -> tuple[Bools, Bools]:
    """(N, J) bool each: the joint lies inside another person's outline (their box, if it has none); inside a box.

    `joints` (N, J, 2) and the neighbours' boxes are 1-based, outlines 0-based as COCO has them.
    """
    hidden, near = np.zeros(joints.shape[:2], bool), np.zeros(joints.shape[:2], bool)
    rows_on: dict[int | str, list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        rows_on[image].append(row)
    for other in neighbours:
        for row in rows_on[other.image]:
            if ids[row] == other.id:
                continue
            inside = ((joints[row] >= other.box[:2]) & (joints[row] <= other.box[2:])).all(axis=1)
            near[row] |= inside
            places = np.flatnonzero(inside & ~hidden[row])
            if len(places):
                hidden[row, places] = _in_outline(other.outline, joints[row, places] - 1)
    return hidden, near


def _in_outline(outline: Any, points: Floats) -> Bools:
    """(K,) bool: the points (K, 2), 0-based, are inside polygons or run lengths; all where none can be read."""
    try:
        if isinstance(outline, Mapping):
            height, width = outline["size"]
            mask = rle_decode(outline, (width, height))
            x, y = np.clip(np.floor(points + 0.5), 0, (width - 1, height - 1)).astype(int).T
            found: Bools = mask[y, x]
            return found
        polygons = [np.asarray(polygon, np.float32).reshape(-1, 2) for polygon in outline or ()]
    except (ItemError, ValueError, TypeError, KeyError):
        polygons = []
    if not polygons:
        return np.ones(len(points), bool)
    # COCO's polygons have the first pixel's centre at (0.5, 0.5).
    places = [(float(x) + 0.5, float(y) + 0.5) for x, y in points]
    return np.array([any(cv2.pointPolygonTest(p, at, False) >= 0 for p in polygons if len(p)) for at in places])


def _corners(box: Any) -> Floats:
    x, y, width, height = (float(value) for value in box)
    return np.array([x, y, x + width, y + height])


def _is_box(box: Any) -> bool:
    return isinstance(box, list) and len(box) == 4 and all(isinstance(value, int | float) for value in box)
