"""The metric: the published numbers to their last digit, and what must hold for any predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError
from noda_train.metrics import scoring
from noda_train.metrics.files import read_predictions
from noda_train.metrics.pck import compare, evaluate, interval
from noda_train.metrics.tables import cell, format_comparison, format_numbers
from noda_train.metrics.truth import Truth, mpii_truth, read_truth, read_visibility
from noda_train.outputs import Prediction, write_predictions


def people(n: int = 40, seed: int = 0) -> tuple[np.ndarray, Truth]:
    """Truth for n persons with head size 10, and predictions some 5 px off."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(0, 300, (n, 16, 2))
    labelled = rng.random((n, 16)) < 0.9
    visible = np.where(rng.random((n, 16)) < 0.8, 1, 0).astype(np.int8)
    visible[:, 8:10] = 1
    return joints + rng.normal(0, 4, joints.shape), mpii_truth(joints, labelled, np.full(n, 10.0), visible)


def golden(noda_data: Path) -> tuple[np.ndarray, Truth]:
    folder = noda_data / "mpii-val-golden"
    return (
        read_predictions(folder / "preds_hourglass.h5"),
        read_truth(folder / "gt_valid.mat", folder / "visible.h5"),
    )


def test_golden_numbers_to_their_last_digit(noda_data: Path) -> None:
    result = evaluate(*golden(noda_data), bootstrap=0)
    half = result["thresholds"]["0.5"]
    published = {
        "head": 95.94, "shoulder": 94.68, "elbow": 88.53, "wrist": 83.38, "hip": 87.48, "knee": 83.09,
        "ankle": 79.05, "macro_mean": 87.56, "mean": 88.04,
    }  # fmt: skip
    assert {key: round(half["all"][key], 2) for key in published} == published
    occluded = {
        "shoulder": 88.56, "elbow": 68.75, "wrist": 56.86, "hip": 78.61, "knee": 62.47, "ankle": 53.93, "mean": 68.93
    }  # fmt: skip
    assert {key: round(half["occluded"][key], 2) for key in occluded} == occluded
    assert half["occluded"]["head"] is None
    assert round(half["visible"]["mean"], 2) == 92.86
    assert round(result["thresholds"]["0.1"]["all"]["mean"], 2) == 28.65
    assert round(result["thresholds"]["0.11"]["all"]["mean"], 2) == 32.81
    assert (half["all"]["n"], half["visible"]["n"], half["occluded"]["n"]) == (38430, 30686, 7744)
    assert half["occluded"]["counts"] == {
        "head": 0, "shoulder": 1288, "elbow": 1277, "wrist": 1442, "hip": 1571, "knee": 1109, "ankle": 1057
    }  # fmt: skip


def test_one_pixel_off_shows_at_both_thresholds(noda_data: Path) -> None:
    predictions, truth = golden(noda_data)
    exact, shifted = (evaluate(p, truth, bootstrap=0)["thresholds"] for p in (predictions, predictions - 1))
    assert 0.05 < abs(exact["0.5"]["all"]["mean"] - shifted["0.5"]["all"]["mean"]) < 0.5
    assert 0.5 < abs(exact["0.1"]["all"]["mean"] - shifted["0.1"]["all"]["mean"]) < 6


def test_pelvis_and_thorax_do_not_count() -> None:
    _, truth = people()
    assert truth.groups == {
        "head": (9,), "shoulder": (12, 13), "elbow": (11, 14), "wrist": (10, 15), "hip": (2, 3), "knee": (1, 4),
        "ankle": (0, 5),
    }  # fmt: skip
    assert np.flatnonzero(~truth.counted).tolist() == [MPII.index["pelvis"], MPII.index["thorax"]]


def test_a_joint_at_exactly_the_threshold_is_right() -> None:
    truth = mpii_truth(np.zeros((2, 16, 2)), np.ones((2, 16), bool), np.full(2, 10.0))
    predictions = np.zeros((2, 16, 2))
    predictions[0, 9] = 5.0, 0.0
    predictions[1, 9] = np.nextafter(5.0, 6.0), 0.0
    assert evaluate(predictions, truth, (0.5,), bootstrap=0)["thresholds"]["0.5"]["all"]["head"] == 50


def test_an_interval_has_two_and_a_half_percent_on_either_side() -> None:
    assert interval(np.arange(1001.0)) == [25, 975]


@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_the_mean_is_the_weighted_mean_of_its_parts(seed: int) -> None:
    predictions, truth = people(20, seed)
    tables = evaluate(predictions, truth, bootstrap=0)["thresholds"]["0.5"]
    seen, hidden = tables["visible"], tables["occluded"]
    mixed = (seen["mean"] * seen["n"] + hidden["mean"] * hidden["n"]) / (seen["n"] + hidden["n"])
    assert mixed == pytest.approx(tables["all"]["mean"])
    right = np.linalg.norm(predictions - truth.joints, axis=2) <= 5
    counted = truth.labelled & truth.counted
    assert tables["all"]["mean"] == pytest.approx(100 * right[counted].mean())


def test_no_sample_is_na_never_zero() -> None:
    predictions, truth = people()
    blind = mpii_truth(truth.joints, truth.labelled, truth.unit, None, "no visibility at hand")
    result = evaluate(predictions, blind, bootstrap=50)
    assert result["thresholds"]["0.5"]["visible"]["mean"] is None
    assert "no visibility at hand" in result["split"]
    assert "no visibility at hand" in format_numbers(result)
    nobody = mpii_truth(truth.joints, np.zeros_like(truth.labelled), truth.unit, truth.visible)
    empty = evaluate(predictions, nobody, bootstrap=50)
    assert empty["thresholds"]["0.5"]["all"]["head"] is None
    assert "n/a" in format_numbers(empty)
    json.dumps(empty, allow_nan=False)


def test_a_prediction_that_is_nan_is_wrong() -> None:
    _, truth = people()
    perfect = evaluate(truth.joints, truth, bootstrap=0)["thresholds"]["0.5"]["all"]["mean"]
    lost = evaluate(np.full_like(truth.joints, np.nan), truth, bootstrap=0)["thresholds"]["0.5"]["all"]["mean"]
    assert (perfect, lost) == (100.0, 0.0)


def test_the_interval_holds_the_estimate_and_narrows_with_persons() -> None:
    widths = []
    for n in (30, 480):
        table = evaluate(*people(n), bootstrap=400)["thresholds"]["0.5"]["all"]
        low, high = table["interval"]["mean"]
        assert low <= table["mean"] <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_a_paired_comparison_is_sharper_than_two_intervals() -> None:
    predictions, truth = people(200)
    worse = predictions.copy()
    worse[:, 0] += 30
    result = compare(predictions, worse, truth, bootstrap=300)["thresholds"]["0.5"]["all"]
    low, high = result["mean"]["interval"]
    assert 0 < low <= result["mean"]["difference"] <= high
    assert result["wrist"] == {"difference": 0.0, "interval": [0.0, 0.0]}
    assert "(+" in format_comparison(compare(predictions, worse, truth, bootstrap=300))


def test_wrong_shapes_are_refused() -> None:
    predictions, truth = people()
    with pytest.raises(ValueError, match="shape"):
        evaluate(predictions[:-1], truth)


def test_files_of_every_kind_read_alike(tmp_path: Path) -> None:
    predictions, truth = people(7)
    boxes = np.zeros((2, 2, 7))
    boxes[1] = 10 / 0.6 / np.sqrt(2)
    assert truth.visible is not None
    arrays = {
        "jnt_missing": (~truth.labelled).T.astype(np.uint8),
        "pos_gt_src": truth.joints.transpose(1, 2, 0),
        "headboxes_src": boxes,
    }
    scipy.io.savemat(tmp_path / "gt_valid.mat", arrays)
    scipy.io.savemat(tmp_path / "gt_split.mat", {**arrays, "jnt_visible": truth.visible.T.astype(np.uint8)})
    scipy.io.savemat(tmp_path / "preds.mat", {"preds": predictions})
    with h5py.File(tmp_path / "preds.h5", "w") as file:
        file["preds"] = predictions
    with h5py.File(tmp_path / "visible.h5", "w") as file:
        file["visible"] = truth.visible
    np.testing.assert_array_equal(read_predictions(tmp_path / "preds.mat"), read_predictions(tmp_path / "preds.h5"))
    blind = read_truth(tmp_path / "gt_valid.mat")
    assert blind.visible is None and "no visibility" in blind.why_not
    own = read_truth(tmp_path / "gt_split.mat")
    given_apart = read_truth(tmp_path / "gt_valid.mat", tmp_path / "visible.h5")
    np.testing.assert_array_equal(own.visible, given_apart.visible)
    np.testing.assert_allclose(own.unit, 10)
    expected = evaluate(predictions, truth, bootstrap=0)["thresholds"]
    assert evaluate(predictions, own, bootstrap=0)["thresholds"] == expected


def test_a_json_truth_takes_the_stand_in_head_size_and_its_own_visibility(tmp_path: Path) -> None:
    _, truth = people(3)
    assert truth.visible is not None
    records = [
        {
            "image": "a.jpg",
            "center": [9, 9],
            "scale": 1.0,
            "joints": j.tolist(),
            "joints_vis": m.astype(int).tolist(),
            "joints_visible": v.tolist(),
        }
        for j, m, v in zip(truth.joints, truth.labelled, truth.visible, strict=True)
    ]
    for record in records:
        record["joints_vis"][8:10] = [1, 1]
    records[2]["joints_vis"][9] = 0
    path = tmp_path / "valid.json"
    path.write_text(json.dumps(records))
    read = read_truth(path)
    expected = 0.75 * np.linalg.norm(truth.joints[0, 9] - truth.joints[0, 8])
    assert read.unit[0] == pytest.approx(expected)
    assert not read.labelled[2].any(), "a person without head size cannot be judged"
    np.testing.assert_array_equal(read_visibility(path)[:2][truth.labelled[:2]], truth.visible[:2][truth.labelled[:2]])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.h5", None, "no such file"),
        ("text.h5", b"hello", "neither an HDF5 nor a MATLAB file"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NodaError, match=f"{name}.*{says}"):
        read_predictions(tmp_path / name)


def test_an_array_of_the_wrong_shape_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["preds"] = np.zeros((3, 17, 2))
    with pytest.raises(NodaError, match=r"p\.h5.*\(3, 17, 2\)"):
        read_predictions(tmp_path / "p.h5")


def test_a_difference_that_rounds_to_nothing_has_no_minus() -> None:
    assert [cell(value, sign=True) for value in (-0.04, 0.0, 0.04, -0.06, None)] == ["+0.0"] * 3 + ["-0.1", "n/a"]


@pytest.mark.parametrize("persons", [3, 16])
def test_predictions_in_every_order_of_axes_are_read(tmp_path: Path, persons: int) -> None:
    predictions, _ = people(persons)
    kit = predictions.transpose(1, 2, 0)  # (joints, 2, persons), as in MPII's evaluation kit
    scipy.io.savemat(tmp_path / "kit.mat", {"pos_pred_src": kit})
    np.save(tmp_path / "plain.npy", predictions)
    arrays = {"plain": predictions, "matlab": predictions.T, "scored": np.dstack([predictions, predictions[:, :, :1]])}
    for name, values in arrays.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["preds"] = values
    with h5py.File(tmp_path / "kit.h5", "w") as file:
        file["pos_pred_src"] = kit.T
    for path in sorted(tmp_path.iterdir()):
        if persons == 16 and "kit" in path.name:
            with pytest.raises(
                NodaError, match=r"kit\.\w+: `pos_pred_src` of shape \(16, 2, 16\) can be read as .* and"
            ):
                read_predictions(path, 16, persons)
        else:
            np.testing.assert_array_equal(read_predictions(path, 16, persons), predictions, path.name)


def test_an_order_of_axes_that_is_not_sure_is_refused_unless_the_file_says(tmp_path: Path) -> None:
    predictions, _ = people(2)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["preds"] = predictions
    with pytest.raises(NodaError, match=r"p\.h5: `preds` of shape \(2, 16, 2\) can be read as"):
        read_predictions(tmp_path / "p.h5", 16, 2)
    with h5py.File(tmp_path / "p.h5", "a") as file:
        file["scores"] = np.ones((2, 16))
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.h5", 16, 2), predictions)


def test_results_of_mmpose_on_mpii_are_read_by_the_rows_that_they_name(tmp_path: Path) -> None:
    predictions, truth = people(3)
    truth = replace(truth, ids=("a.jpg#0", "a.jpg#1", "b.jpg#0"))
    poses = np.dstack([predictions - 1, np.ones((3, 16))]).tolist()
    names = ["data/mpii/images/a.jpg", "data/mpii/images/a.jpg", "data/mpii/images/b.jpg"]
    batches = [[2, 0], [1, 2]]  # the last batch is filled up with a person of the first
    content = [
        {
            "preds": [poses[row] for row in rows],
            "boxes": [[0] * 6] * 2,
            "image_paths": [names[row] for row in rows],
            "bbox_ids": rows,
        }
        for rows in batches
    ]
    path = tmp_path / "result_keypoints.json"
    path.write_text(json.dumps(content))
    np.testing.assert_allclose(scoring.read(path, scoring.Evaluator(truth)).joints, predictions)
    renamed = replace(truth, ids=("a.jpg#0", "a.jpg#1", "c.jpg#0"))
    with pytest.raises(NodaError, match=r"bbox_id 2 is on b\.jpg, in the truth on c\.jpg"):
        scoring.read(path, scoring.Evaluator(renamed))
    path.write_text(json.dumps(content[:1]))
    with pytest.raises(NodaError, match="predictions for 2 persons, not for 3"):
        scoring.read(path, scoring.Evaluator(truth))


def test_predictions_of_other_people_are_refused_by_name(tmp_path: Path) -> None:
    predictions, truth = people(3)
    ids = ["a.jpg#0", "b.jpg#0", "c.jpg#2"]
    write_predictions(tmp_path / "p.h5", Prediction(predictions, np.ones((3, 16))), ids, {})
    same = replace(truth, ids=("a.jpg#1", "b.jpg#0", "c.jpg#0"))
    np.testing.assert_array_equal(scoring.read(tmp_path / "p.h5", scoring.Evaluator(same)).joints, predictions)
    other = replace(truth, ids=("a.jpg#0", "d.jpg#0", "c.jpg#2"))
    with pytest.raises(NodaError, match=r"p\.h5: its row 1 is b\.jpg#0, that of the truth is d\.jpg#0"):
        scoring.read(tmp_path / "p.h5", scoring.Evaluator(other))
