"""Evaluation in crops that are off, and in a detector's boxes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from noda_synth.data.skeleton import COCO
from noda_synth.errors import NodaError
from noda_train.boxes import ERRORS, detected, off_centre, overlap
from noda_train.data import Samples, load
from tests.train.coco_set import write_set
from tests.train.conftest import train_briefly

Run = Callable[..., int]
pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def samples(drawn: Path) -> Samples:
    return load(drawn).valid


def detections(samples: Samples, **changes: Any) -> list[dict[str, Any]]:
    """A box for each person, moved a little."""
    return [
        {"image_id": name.image, "category_id": name.category, "bbox": [x + 3, y - 2, w, h], "score": 0.5, **changes}
        for name, (x, y, w, h) in zip(samples.names, samples.person_box.tolist(), strict=True)
    ]


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_errors_are_seeded_bounded_and_grow_in_the_same_direction(samples: Samples) -> None:
    small, again, large = (off_centre(samples, error) for error in (0.1, 0.1, 0.2))
    np.testing.assert_array_equal(small.center, again.center)
    one, two = ((moved.center - samples.center) / samples.box[:, None] for moved in (small, large))
    np.testing.assert_allclose(2 * one, two)
    assert (np.abs(one) <= 0.1).all() and np.ptp(one) > 0.05
    np.testing.assert_allclose(2 * (small.box / samples.box - 1), large.box / samples.box - 1)
    other = off_centre(samples, 0.1, seed=1)
    assert not (other.center == small.center).any()
    np.testing.assert_array_equal(off_centre(samples, 0).center, samples.center)


def test_overlap_by_hand() -> None:
    one = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10]])
    np.testing.assert_allclose(overlap(one, np.array([[0.0, 0, 10, 10], [30, 0, 5, 5]])), [[1, 0], [1 / 3, 0]])


def test_a_detection_goes_to_whom_it_overlaps_most_and_only_once(samples: Samples, tmp_path: Path) -> None:
    boxes = detections(samples)
    x, y, width, height = boxes[1]["bbox"]
    boxes[1]["bbox"] = [x + 500, y, width, height]  # fits nobody
    boxes.append({**boxes[0], "bbox": (samples.person_box[0] + [10, 10, 0, 0]).tolist(), "score": 0.99})
    boxes.append({**boxes[1], "bbox": samples.person_box[1].tolist(), "category_id": 18})  # a dog
    moved, found = detected(samples, write(tmp_path / "boxes.json", boxes[::-1]))
    assert found.tolist() == [True, False, True, True, True]
    x, y, width, height = boxes[0]["bbox"]
    np.testing.assert_allclose(moved.center[0], (x + (width - 1) / 2, y + (height - 1) / 2))
    assert moved.box[0] == pytest.approx(1.25 * (max(width, height) - 1))
    np.testing.assert_array_equal(moved.center[1], samples.center[1])


@pytest.mark.parametrize("change", [{"bbox": [1, 2, 3]}, {"bbox": "wide"}, {"bbox": [1, 2, 0, 4]}, {"image_id": None}])
def test_an_entry_that_is_no_box_is_named(samples: Samples, tmp_path: Path, change: dict[str, Any]) -> None:
    entries = detections(samples)
    entries[2] |= change
    with pytest.raises(NodaError, match=r"boxes\.json entry 2: no image_id, category_id and bbox"):
        detected(samples, write(tmp_path / "boxes.json", entries))


def test_boxes_of_another_set_are_told(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(NodaError, match=r"starts with image_id 7 and .* the data set with 'v0\.jpg'"):
        detected(samples, write(tmp_path / "boxes.json", detections(samples, image_id=7)))
    with pytest.raises(NodaError, match="not a list of COCO results"):
        detected(samples, write(tmp_path / "boxes.json", {}))


def test_eval_off_centre_and_its_table(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, out = (a_run / "scores.json").read_text(), tmp_path / "out.json"
    assert python_m_train("eval", "--run", a_run, "--off-centre", "--json", out) == 0
    said = capsys.readouterr().out
    results = json.loads(out.read_text())["off_centre"]
    assert list(results) == [f"{error:g}" for error in ERRORS] == ["0", "0.05", "0.1", "0.2"]
    assert results["0"]["thresholds"] == json.loads(scores)["thresholds"]
    assert "off by" in said and "PCKh@0.5" in said
    assert python_m_train("eval", "--run", a_run, "--off-centre", 0.2, "--json", out, "--against", a_run) == 0
    assert json.loads(out.read_text())["thresholds"] == results["0.2"]["thresholds"]
    with h5py.File(a_run / "predictions.h5") as one, h5py.File(a_run / "off-centre-0.2" / "predictions.h5") as two:
        assert not np.array_equal(one["preds"], two["preds"])
    elsewhere = tmp_path / "elsewhere"
    assert python_m_train("eval", "--run", a_run, "--off-centre", 0.2, "--results", elsewhere) == 0
    assert (elsewhere / "predictions.h5").is_file(), "as asked for, in no folder below"
    assert python_m_train("eval", "--run", a_run, "--off-centre", "far") == 2
    assert python_m_train("eval", "--run", a_run, "--off-centre", "--mean-pose") == 2
    gt = drawn / "annot" / "gt_valid.mat"
    assert python_m_train("eval", "--predictions", a_run, "--truth", gt, "--off-centre", 0.1) == 2


def test_eval_in_a_detectors_boxes(
    a_run: Path, samples: Samples, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = write(tmp_path / "yolo.json", detections(samples)[1:])
    assert python_m_train("eval", "--run", a_run, "--boxes", boxes) == 0
    assert "4 of 5 persons found" in capsys.readouterr().out
    with h5py.File(a_run / "boxes-yolo" / "predictions.h5") as file:
        assert np.isnan(file["preds"][0]).all() and np.isfinite(file["preds"][1:]).all()


def test_cocos_numbers_in_a_detectors_boxes(tmp_path: Path, python_m_train: Run) -> None:
    data = write_set(tmp_path / "set", COCO)
    train_briefly(data, tmp_path)
    boxes = write(tmp_path / "yolo.json", detections(load(data).valid)[1:])
    assert python_m_train("eval", "--run", tmp_path / "one", "--boxes", boxes) == 0
    results = json.loads((tmp_path / "one" / "boxes-yolo" / "predictions.json").read_text())
    assert len(results) == len(load(data).valid) - 1
