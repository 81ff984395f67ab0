"""null and [] in a COCO file mean what an absent key means, for the reader and for the evaluation."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from noda_synth.data.skeleton import COCO
from noda_synth.formats import coco_category
from noda_synth.formats.coco.read import read_coco
from noda_synth.methods.object_sources import CocoObjects
from noda_train.metrics import scoring

KEYPOINTS = [value for joint in range(17) for value in (100 + 10 * joint, 50 + 20 * joint, 2)]
RESULTS = [{"image_id": 1, "category_id": 1, "keypoints": [k or 1 for k in KEYPOINTS], "score": 0.9}]
PERSON = {"image_id": 1, "category_id": 1, "keypoints": KEYPOINTS, "num_keypoints": 17}
SHAPE = {"bbox": [90, 40, 200, 360], "area": 30000, "iscrowd": 0, "segmentation": [[90, 40, 290, 40, 290, 400]]}
OPTIONAL = {
    "images": ("width", "height", "license", "coco_url"),
    "annotations": ("bbox", "area", "segmentation", "num_keypoints", "noda"),
    "categories": ("skeleton", "supercategory"),
}


def content() -> dict[str, Any]:
    """A person, one without keypoints, a crowd."""
    nobody = {"image_id": 1, "category_id": 1, "keypoints": [0] * 51, "num_keypoints": 0, **SHAPE}
    crowd = {**nobody, "iscrowd": 1, "segmentation": {"size": [480, 640], "counts": [1000, 20, 306180]}}
    people = [{**PERSON, **SHAPE}, nobody, crowd]
    image = {"id": 1, "file_name": "1.jpg", "width": 640, "height": 480, "license": 1, "coco_url": "x"}
    annotations = [{"id": number, **entry} for number, entry in enumerate(people, 1)]
    category = {**coco_category(COCO), "supercategory": "person"}
    return {"images": [image], "annotations": annotations, "categories": [category]}


@st.composite
def taken_out(draw: st.DrawFn) -> list[tuple[str, int, str, Any]]:
    """Keys of entries, and what stands there instead of nothing."""
    whole = content()
    keys = [(kind, row, key) for kind, names in OPTIONAL.items() for row in range(len(whole[kind])) for key in names]
    keys += [("annotations", row, key) for row in (1, 2) for key in ("keypoints",)] + [("annotations", 0, "iscrowd")]
    chosen = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=6, unique=True))
    return [
        (*key, draw(st.sampled_from([None, []] if key[2] in ("bbox", "keypoints", "segmentation") else [None])))
        for key in chosen
    ]


def full(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without an empty outline, which is written on as it was."""
    return {key: value for key, value in record.items() if value != []}


def what_is_read(folder: Path, whole: dict[str, Any]) -> str:
    truth, results = folder / "truth.json", folder / "results.json"
    truth.write_text(json.dumps(whole))
    results.write_text(json.dumps(RESULTS))
    dataset = read_coco(truth)
    people = [(one.joints.tolist(), one.visible.tolist(), full(one.record)) for one in dataset.persons]
    images = [(image.size, image.record) for image in dataset.images.values()]
    crowds, notes = ([full(one.record) for one in dataset.crowds], [problem.reason for problem in dataset.problems])
    return str((people, images, crowds, notes, scoring.score_file(results, truth)))


@settings(max_examples=15, deadline=None, phases=(Phase.generate,))
@given(taken_out())
def test_what_is_null_or_empty_is_read_and_scored_as_if_it_were_absent(chosen: list[tuple[str, int, str, Any]]) -> None:
    as_null, absent = content(), content()
    for kind, row, key, value in chosen:
        as_null[kind][row][key] = value
        absent[kind][row].pop(key, None)
    with tempfile.TemporaryDirectory() as folder:
        assert what_is_read(Path(folder), as_null) == what_is_read(Path(folder), absent)


@pytest.mark.parametrize("key", ["bbox", "segmentation", "area", "iscrowd"])
def test_objects_of_a_coco_file_whose_key_is_null(tmp_path: Path, key: str) -> None:
    whole = content()
    whole["annotations"] = [{"id": 7, **PERSON, **SHAPE, key: None}, {"id": 8, **PERSON, **SHAPE}]
    (tmp_path / "objects.json").write_text(json.dumps(whole))
    names = CocoObjects(tmp_path / "objects.json", tmp_path).names
    assert names == (["1.jpg#8"] if key in ("bbox", "segmentation") else ["1.jpg#7", "1.jpg#8"])
