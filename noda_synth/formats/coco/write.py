"""Writing COCO keypoints: a person, an image, a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person
from noda_synth.data.geometry import padded_box, stated_box
from noda_synth.data.skeleton import Skeleton
from noda_synth.formats.coco.rle import rle_area
from noda_synth.formats.files.atomic import list_pieces, write_text
from noda_synth.formats.files.checks import kept_under_noda

PERSON_CATEGORY = 1


def coco_category(skeleton: Skeleton) -> dict[str, Any]:
    """The person category with the joints of a skeleton and its limbs, counted from 1 as COCO does."""
    return {
        "supercategory": "person",
        "id": PERSON_CATEGORY,
        "name": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limb_indices],
    }


def coco_image(
    name: str, image_id: Any, size: tuple[int, int], record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """An entry of `images`; size is (width, height). The keys of an input record are kept."""
    return {**(record or {}), "file_name": name, "height": size[1], "width": size[0], "id": image_id}


def coco_annotation(
    person: Person,
    *,
    annotation_id: int,
    image_id: int,
    size: tuple[int, int],
    visible: NDArray[np.int8] | None = None,
    segmentation: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The annotation of a person.

    v is 0 unlabelled, 1 occluded, 2 visible or unknown; `noda` tells the last two apart (see the module `coco`).
    `segmentation` is there in any case, empty where no outline is known.
    The box is that of the input, else the joint box with a margin, cut at the frame: amodal, it does not shrink when
    the person is covered. A box of no size is none. All keys of a COCO input are kept. Of an MPII record, center and
    scale (in MPII's 1-based numbers) and all its other keys are kept under `noda.mpii`, the head box (0-based) under
    `noda.head_box`, and the id under `noda.person_id`.

    Args:
        person: its `record` decides what the input was.
        annotation_id: unique in the file.
        image_id: id of its image.
        size: (width, height) of the image.
        visible: (J,) int8 instead of the person's own.
        segmentation: polygons or run lengths instead of those of the input.
        extra: keys to be put under `noda`.
    """
    source = person.record if "keypoints" in person.record else {}
    seen = np.where(person.labelled, person.visible if visible is None else visible, UNKNOWN)
    box = stated_box(source) or _box(person, size)
    outline = source.get("segmentation") if segmentation is None else segmentation
    # v = 1 that meant nothing, see `Skeleton.visibility_unstated`: another v = 1 is told apart only in `noda`.
    vague = np.array(source.get("keypoints", np.zeros(3 * len(seen))))[2::3] == 1
    vague &= person.labelled & (person.visible == UNKNOWN)
    noda = {**kept_under_noda(person), **_visibility(seen, person.labelled, vague), **(extra or {})}
    return {
        **{key: value for key, value in source.items() if key != "noda"},
        "id": annotation_id,
        "image_id": image_id,
        "category_id": source.get("category_id", PERSON_CATEGORY),
        "iscrowd": 0,
        "bbox": box,
        "area": rle_area(segmentation) if isinstance(segmentation, Mapping) else stated_area(source, box),
        "segmentation": outline or [],
        "num_keypoints": int(person.labelled.sum()),
        "keypoints": _keypoints(person, seen, source),
        **({"noda": noda} if noda else {}),
    }


def write_coco(
    path: Path,
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
    skeleton: Skeleton,
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write a COCO file; `header` is the rest of an input's file, whose categories are kept if it has any.

    `info` and `licenses` are there in any case: pycocotools 2.0.9 and 2.0.10 load no results without the first.
    """
    stated = {key: value for key, value in (header or {}).items() if value is not None}
    top = {"info": {}, "licenses": [], **stated}
    top.setdefault("categories", [coco_category(skeleton)])
    head = "".join(f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in top.items())
    lists = ['"images": '], list_pieces(images), [',\n"annotations": '], list_pieces(annotations)
    write_text(path, chain(["{\n", head], *lists, ["\n}\n"]))


def _keypoints(person: Person, seen: NDArray[np.int8], source: Mapping[str, Any]) -> list[float | int]:
    """x, y, v for each joint. Numbers of the input stay as they stand, whole ones are written without a point.

    v of a joint whose visibility is unknown stays as well: CrowdPose has 1 for every head.
    """
    old = source.get("keypoints", ())
    values: list[float | int] = []
    for joint, (x, y) in enumerate(person.joints):
        if not person.labelled[joint]:
            values += [*(old[3 * joint : 3 * joint + 2] if old and not old[3 * joint + 2] else (0, 0)), 0]
        else:
            as_it_was = old[3 * joint + 2] if old and seen[joint] == UNKNOWN else 0
            values += [_plain(x), _plain(y), as_it_was or (1 if seen[joint] == OCCLUDED else 2)]
    return values


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)


def _visibility(seen: NDArray[np.int8], labelled: NDArray[np.bool_], vague: NDArray[np.bool_]) -> dict[str, Any]:
    """What v leaves open: nothing, all of them unknown, or some of them."""
    unknown, visible = labelled & (seen == UNKNOWN), labelled & (seen == VISIBLE)
    if not (unknown | vague).any():
        return {}
    if not visible.any() and not vague.any():
        return {"visibility": "unknown"}
    return {"visibility": "mixed", "joints_visible": [int(value) for value in seen]}


def _box(person: Person, size: tuple[int, int]) -> Sequence[float]:
    """x, y, w, h of the joint box with its margin, inside the image, where a pixel reaches from x to x + 1."""
    if not person.labelled.any():
        return [0.0, 0.0, 0.0, 0.0]
    left, top, right, bottom = (round(float(value), 2) for value in padded_box(person.joints[person.labelled], size))
    return [left, top, round(right - left, 2), round(bottom - top, 2)]


def stated_area(source: Mapping[str, Any], box: Sequence[float]) -> float:
    """The area in square pixels that a COCO annotation states, or that of its box (x, y, width, height)."""
    area: float = source.get("area") or round(box[2] * box[3], 2)
    return area
