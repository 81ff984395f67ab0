"""OCHuman's own file (Zhang et al., CVPR 2019): people under their images, as COCO keypoints.

    {"keypoint_names": [19 names],
     "keypoint_visible": {"missing": 0, "vis": 1, "self_occluded": 2, "others_occluded": 3},
     "images": [{"image_id", "file_name", "width", "height",
                 "annotations": [{"bbox": [x1, y1, x2, y2], "keypoints": 19 x (x, y, v) or null,
                                  "segms": {"outer", "inner", "height", "width"} or null, "max_iou"}]}]}

As in its authors' own conversion, the joints are COCO's 17 of the 19 (without head and neck), those that the person's
own body hides count as visible, those that others hide as occluded, and the area is the box's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noda_synth.data.skeleton import COCO
from noda_synth.errors import ItemError, NodaError
from noda_synth.formats.coco.rle import rle_encode, segmentation_mask
from noda_synth.formats.files.atomic import read_json
from noda_synth.formats.files.json_pieces import list_in, open_json

_NAMES = "keypoint_names"
_VISIBLE = {"vis": 2, "self_occluded": 2, "others_occluded": 1}


def coco_list(path: Path, key: str) -> Iterator[Any]:
    """The elements of a list of a COCO file (`images`, `annotations`), also where it is OCHuman's own."""
    yield from coco_of(path)[key] if is_ochuman(path) else list_in(path, key)


def is_ochuman(path: Path) -> bool:
    """Whether the JSON object in a file is OCHuman's: its images hold the people, its top the names of the joints."""
    with open_json(path) as file:
        if file.kind != "{":
            return False
        for key, value in file.items():
            if key == "images" and isinstance(value, Iterator):
                first = next(value, None)
                return isinstance(first, dict) and isinstance(first.get("annotations"), list)
            if key == "annotations":
                return False
    return False


def coco_of(path: Path) -> dict[str, list[Any]]:
    """Images, annotations and categories as COCO has them, numbered from 1. NodaError where a name is missing."""
    content = read_json(path)
    names, flags = content.get(_NAMES), content.get("keypoint_visible", {})
    if not isinstance(names, list) or (missing := [joint for joint in COCO.joints if joint not in names]):
        lacking = missing[0] if isinstance(names, list) else _NAMES
        raise NodaError(f"{path}: as OCHuman's own file, but it lacks {lacking}")
    places = [names.index(joint) for joint in COCO.joints]
    values = {flags.get(name): value for name, value in _VISIBLE.items()}
    images, annotations = list[Any](), list[Any]()
    for number, entry in enumerate(content["images"], start=1):
        if not isinstance(entry, dict):
            images.append(entry)  # the reader of COCO files names what is wrong with it
            continue
        images.append({"id": number, **{key: entry.get(key) for key in ("file_name", "width", "height")}})
        for person in entry.get("annotations") or ():
            found = _annotation(person, places, values) if isinstance(person, Mapping) else {}
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, **found}
            )
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(COCO.joints), "skeleton": []}
    return {"images": images, "annotations": annotations, "categories": [category]}


def _annotation(person: Mapping[str, Any], places: list[int], values: Mapping[Any, int]) -> dict[str, Any]:
    """What of an annotation is the person's own; what cannot be read is left to the reader of COCO files to name."""
    found: dict[str, Any] = {"segmentation": _outline(person.get("segms"))}
    box, keypoints = person.get("bbox"), person.get("keypoints")
    if isinstance(box, list) and len(box) == 4 and all(isinstance(value, int | float) for value in box):
        width, height = box[2] - box[0], box[3] - box[1]
        found |= {"bbox": [box[0], box[1], width, height], "area": width * height}
    if not keypoints:
        return {**found, "keypoints": [0] * (3 * len(places)), "num_keypoints": 0}
    if not isinstance(keypoints, list) or len(keypoints) <= 3 * max(places) + 2:
        return {**found, "keypoints": keypoints}
    triples = [(*keypoints[3 * place : 3 * place + 2], values.get(keypoints[3 * place + 2], 0)) for place in places]
    joints = [value if triple[2] else 0 for triple in triples for value in triple]
    return {**found, "keypoints": joints, "num_keypoints": sum(triple[2] > 0 for triple in triples)}


def _outline(segms: Any) -> Any:
    """A COCO segmentation: the outer outline without the inner one; nothing where there is none that can be read."""
    if not isinstance(segms, Mapping) or not (outer := segms.get("outer")):
        return []
    if not (inner := segms.get("inner")):
        return outer
    try:
        size = int(segms["width"]), int(segms["height"])
        return rle_encode(segmentation_mask(outer, size) & ~segmentation_mask(inner, size))
    except (KeyError, TypeError, ValueError, ItemError):
        return outer
