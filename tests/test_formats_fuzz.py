"""Whatever stands in a file, reading it ends in a data set or in a NodaError, and never in a traceback."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noda_synth.data.skeleton import COCO
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, coco_annotation, coco_category, read_dataset, write_mpii_json
from noda_synth.formats.files.detect import detect
from noda_synth.formats.mpii.release import read_release
from tests.mpii_files import all_joints, image, record, rect, write_release

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FUZZ = settings(deadline=None, derandomize=True, max_examples=200, suppress_health_check=list(HealthCheck))
NODA = {
    "visibility": "mixed",
    "joints_visible": [1] * 17,
    "head_box": [1, 2, 3, 4],
    "mpii": {"center": [1, 2], "scale": 1},
}
ANNOTATION = {
    "id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "keypoints": [5, 6, 2] * 17, "bbox": [1, 2, 3, 4],
    "segmentation": [], "area": 12, "noda": NODA,
}  # fmt: skip


@pytest.fixture
def readings() -> Iterator[Counter[int]]:
    """Number of people read -> files. Whole ones have to come through: refusing everything is no traceback, either."""
    count: Counter[int] = Counter()
    yield count
    assert count[max(count)] > 20 and max(count) > 0


def read(content: Any, kind: str) -> int:
    """How many people are read, and written again; 0 where the file is refused."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "file.json"
        path.write_text(json.dumps(content))
        with suppress(NodaError):
            detect(path)
        with suppress(NodaError):
            dataset = read_dataset(Layout(folder, path, kind))
            if kind == "coco":
                for person in dataset.persons:
                    coco_annotation(person, annotation_id=1, image_id=1, size=(640, 480))
            else:
                write_mpii_json(folder / "out.json", dataset.persons)
            return len(dataset.persons)
    return 0


@FUZZ
@given(ANYTHING)
def test_any_json(content: Any) -> None:
    read(content, "mpii_json")
    read(content, "coco")


@FUZZ
@given(st.sampled_from([*record("a.jpg"), "joints_visible", "person_id", "noda"]), ANYTHING)
def test_any_value_in_an_mpii_record(readings: Counter[int], key: str, value: Any) -> None:
    people = read([record("a.jpg"), {**record("a.jpg"), key: value}], "mpii_json")
    assert people in (1, 2), "the first record is whole"
    readings[people] += 1


@FUZZ
@given(st.sampled_from(["images", "annotations", "categories"]), st.sampled_from([*ANNOTATION, "file_name"]), ANYTHING)
def test_any_value_in_a_coco_file(readings: Counter[int], part: str, key: str, value: Any) -> None:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
        "annotations": [ANNOTATION, {**ANNOTATION, "id": 2}],
        "categories": [coco_category(COCO)],
    }
    content[part][-1] = {**content[part][-1], key: value}
    readings[read(content, "coco")] += 1
    content[part][-1] = value
    readings[read(content, "coco")] += 1


@FUZZ
@given(st.sampled_from([*NODA]), ANYTHING)
def test_any_value_under_noda(readings: Counter[int], key: str, value: Any) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{**ANNOTATION, "noda": {**NODA, key: value}}],
        "categories": [coco_category(COCO)],
    }
    readings[read(content, "coco")] += 1


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.999])
def test_a_mat_cut_anywhere(tmp_path: Path, share: float) -> None:
    path = write_release(tmp_path / "mpii.mat", [image(f"{n}.jpg", [rect(all_joints())]) for n in range(3)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(NodaError, match=r"mpii\.mat"):
        read_release(path)
