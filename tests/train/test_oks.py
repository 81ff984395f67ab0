"""OKS, AP and PCK in box sizes: equal to pycocotools where it has them, and honest where it has not."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from noda_synth.data.skeleton import COCO, SKELETONS, Skeleton
from noda_synth.errors import NodaError
from noda_train.arrays import Floats
from noda_train.data import Ids
from noda_train.metrics import oks, pck
from noda_train.metrics.average_precision import NUMBERS, DetectedPose, pose_scores, precision, rank
from noda_train.metrics.results import CocoResults, assign
from noda_train.metrics.scoring import Evaluator, Predictions, numbers
from noda_train.metrics.scoring import compare as compare_predictions
from noda_train.metrics.tables import format_comparison, format_numbers
from noda_train.metrics.truth import coco_truth, read_truth

CROWDPOSE = SKELETONS["crowdpose14"]
BOTH = pytest.mark.parametrize("skeleton", [COCO, CROWDPOSE], ids=lambda skeleton: skeleton.name)


def people(skeleton: Skeleton = COCO, n: int = 12, off: float = 6, seed: int = 0) -> tuple[Predictions, Evaluator]:
    """n persons on n / 2 images, and poses some pixels off, the last joint of all being occluded."""
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 200, (n, 1, 2)), rng.uniform(60, 150, (n, 1, 2))
    joints = corner + sides * rng.random((n, len(skeleton), 2))
    labelled = rng.random(joints.shape[:2]) < 0.8
    labelled[:, -1] = labelled[:, 0] = True
    visible = np.where(labelled, 1, -1).astype(np.int8)
    visible[:, -1] = 0
    box = np.concatenate([corner, sides], axis=2)[:, 0]
    truth = coco_truth(joints, labelled, box, 0.6 * box[:, 2] * box[:, 3], skeleton, visible)
    names = tuple(Ids(1 + row // 2, 100 + row, 1) for row in range(n))
    predictions = joints + rng.normal(0, off, joints.shape)
    scores = rng.uniform(0.3, 1, n)
    poses = [
        DetectedPose(name.image, np.column_stack([one - 1, np.full(len(one), score)]), float(score))
        for name, one, score in zip(names, predictions, scores, strict=True)
    ]
    return Predictions(predictions, poses), Evaluator(truth, names)


def constants_of(skeleton: Skeleton) -> Floats:
    constants = oks.sigmas(skeleton)
    assert constants is not None
    return constants


def pycocotools_run(predictions: Predictions, evaluator: Evaluator) -> Any:
    """pycocotools on the same people, put into its form here and not by the trainer."""
    from pycocotools.coco import COCO as Api
    from pycocotools.cocoeval import COCOeval

    truth = evaluator.truth
    assert truth.area is not None and predictions.poses is not None and truth.visible is not None
    flags = np.where(truth.labelled, 1 + truth.visible, 0)
    there = Api()
    there.dataset = {
        "images": [{"id": image} for image in sorted({int(name.image) for name in evaluator.names})],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                "id": name.annotation, "image_id": name.image, "category_id": 1, "iscrowd": 0, "area": area,
                "bbox": list(box), "num_keypoints": int((flag > 0).sum()),
                "keypoints": np.column_stack([joints - 1, flag]).ravel().tolist(),
            }
            for name, joints, flag, box, area in zip(
                evaluator.names, truth.joints, flags, truth.box, truth.area, strict=True
            )
        ],
    }  # fmt: skip
    results = [
        {"image_id": p.image, "category_id": 1, "keypoints": p.joints.ravel().tolist(), "score": p.score}
        for p in predictions.poses
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        there.createIndex()
        run = COCOeval(there, there.loadRes(results), "keypoints")
        run.params.kpt_oks_sigmas = constants_of(truth.skeleton)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


@BOTH
def test_our_oks_is_that_of_pycocotools(skeleton: Skeleton) -> None:
    predictions, evaluator = people(skeleton)
    assert evaluator.truth.area is not None and predictions.poses is not None
    ours = oks.per_person(predictions.joints, evaluator.truth, constants_of(skeleton))
    theirs = pycocotools_run(predictions, evaluator).ious
    for row, (name, pose) in enumerate(zip(evaluator.names, predictions.poses, strict=True)):
        here = [r for r, other in enumerate(evaluator.names) if other.image == name.image]
        by_score = sorted(here, key=lambda r: -predictions.poses[r].score)  # type: ignore[index]
        value = theirs[name.image, 1][by_score.index(row), here.index(row)]
        assert ours[row] == pytest.approx(value, abs=1e-9)
        assert oks.of_pose(pose.joints[:, :2] + 1, row, evaluator.truth, constants_of(skeleton)) == pytest.approx(value)
    assert 0.05 < ours.min() < ours.max() < 1


@BOTH
def test_ap_of_all_joints_is_that_of_pycocotools(skeleton: Skeleton) -> None:
    predictions, evaluator = people(skeleton, off=4)
    table = numbers(predictions, evaluator)["oks"]["ap"]["all"]
    expected = [None if value < 0 else 100 * value for value in pycocotools_run(predictions, evaluator).stats]
    assert [table[name] for name in NUMBERS] == pytest.approx(expected)
    assert 5 < table["interval"]["AP"][0] < table["AP"] < table["interval"]["AP"][1] < 95


def test_ap_under_weights_is_pycocotools_on_images_that_stand_there_so_often() -> None:
    predictions, evaluator = people(off=4)
    assert evaluator.truth.area is not None and predictions.poses is not None
    images = [name.image for name in evaluator.names]
    ranking = rank(predictions.poses, evaluator.truth, images, constants_of(COCO))["all"]
    assert precision(ranking, np.ones(6)) == pytest.approx(ranking.numbers["AP"])
    weights = np.array([0, 2, 1, 3, 0, 1])
    rows = [(row, time) for row, image in enumerate(images) for time in range(weights[image - 1])]  # type: ignore[operator]
    take = [row for row, _ in rows]
    names = [100 * time + images[row] for row, time in rows]  # type: ignore[operator]
    truth = replace(
        evaluator.truth,
        **{key: getattr(evaluator.truth, key)[take] for key in ("joints", "labelled", "box", "area", "visible")},
    )
    poses = [replace(predictions.poses[row], image=name) for row, name in zip(take, names, strict=True)]
    expected = rank(poses, truth, names, constants_of(COCO))["all"].numbers["AP"]
    assert precision(ranking, weights.astype(np.float64)) == pytest.approx(expected)


def test_visible_and_occluded_joints_are_told_apart() -> None:
    """Only the last joint, which is the occluded one, is found in a wrong place."""
    predictions, evaluator = people(off=0)
    assert evaluator.truth.area is not None and predictions.poses is not None
    moved = predictions.joints.copy()
    moved[:, -1] += 1000
    poses = [
        replace(pose, joints=np.column_stack([j - 1, j[:, 0]]))
        for pose, j in zip(predictions.poses, moved, strict=True)
    ]
    result = numbers(Predictions(moved, poses), evaluator)
    mean, ap = result["oks"]["mean"], result["oks"]["ap"]
    assert (mean["visible"]["mean"], mean["occluded"]["mean"]) == (100, 0)
    shares = [1 - 1 / count for count in evaluator.truth.labelled.sum(axis=1)]
    assert mean["all"]["mean"] == pytest.approx(100 * np.mean(shares))
    assert (ap["visible"]["AP"], ap["occluded"]["AP"]) == pytest.approx((100, 0))
    tables = result["thresholds"]["0.2"]
    assert (tables["visible"]["mean"], tables["occluded"]["mean"], tables["occluded"]["n"]) == (100, 0, 12)
    assert "(visible, occluded)" in format_numbers(result)


def test_who_has_no_joint_of_a_kind_does_not_count() -> None:
    predictions, evaluator = people()
    truth = evaluator.truth
    assert truth.area is not None and truth.visible is not None
    truth.visible[3:, -1] = 1
    table = oks.evaluate(predictions.joints, truth, constants_of(COCO))["occluded"]
    expected = oks.similarities(predictions.joints, truth, constants_of(COCO))[:3, -1].mean()
    assert table["persons"] == 3 and table["mean"] == pytest.approx(100 * expected)
    truth.visible[:, -1] = 1
    result = numbers(predictions, evaluator)["oks"]
    assert result["mean"]["occluded"]["mean"] is None and result["ap"]["occluded"]["AP"] is None


def test_pck_is_measured_in_longer_sides_of_the_box() -> None:
    _, evaluator = people()
    truth = evaluator.truth
    assert truth.area is not None
    side = truth.box[:, 2:].max(axis=1)
    for factor, right in ((0.099, 100), (0.101, 0)):
        off = truth.joints + np.array([factor, 0]) * side[:, None, None]
        tables = pck.evaluate(off, truth, bootstrap=0)["thresholds"]
        assert tables["0.1"]["all"]["mean"] == right and tables["0.2"]["all"]["mean"] == 100
    assert set(truth.groups) == set(COCO.groups)


def test_a_joint_that_was_not_found_is_worth_nothing() -> None:
    predictions, evaluator = people(off=0)
    joints = predictions.joints.copy()
    joints[0] = np.nan
    assert evaluator.truth.area is not None
    values = oks.per_person(joints, evaluator.truth, constants_of(COCO))
    assert values[0] == 0 and (values[1:] == 1).all()


def test_a_pose_is_worth_nothing_for_who_has_no_joint() -> None:
    """The clean list of a benchmark has such people."""
    predictions, evaluator = people()
    assert evaluator.truth.area is not None and predictions.poses
    labelled = evaluator.truth.labelled.copy()
    labelled[3] = False
    truth = replace(evaluator.truth, labelled=labelled)
    assert oks.of_pose(predictions.joints[3], 3, truth, constants_of(COCO)) == 0
    results = CocoResults(tuple(predictions.poses), (None,) * len(predictions.poses))
    got = assign(results, truth, evaluator.names)
    others = np.arange(len(truth)) != 3
    np.testing.assert_allclose(got[others], predictions.joints[others])


def test_a_comparison_is_paired() -> None:
    predictions, evaluator = people(n=60)
    worse, _ = people(n=60, off=12)
    result = compare_predictions(predictions, worse, evaluator)
    mean = result["oks"]["mean"]["all"]
    assert 0 < mean["interval"][0] < mean["difference"] < mean["interval"][1]
    ours, theirs = (numbers(one, evaluator)["oks"]["ap"]["all"]["AP"] for one in (predictions, worse))
    ap = result["oks"]["ap"]["all"]
    assert ap["AP"] == pytest.approx(ours - theirs) and ap["interval"]["AP"][0] < ap["AP"] < ap["interval"]["AP"][1]
    assert "mean OKS" in format_comparison(result)


def test_a_pose_scores_the_mean_of_its_sure_joints() -> None:
    assert pose_scores(np.array([[0.9, 0.1, 0.5], [0.1, 0.2, 0.0]])).tolist() == pytest.approx([0.7, 0])


def test_nobody_found_is_an_ap_of_nothing() -> None:
    _, evaluator = people()
    assert evaluator.truth.area is not None
    ranking = rank([], evaluator.truth, [name.image for name in evaluator.names], constants_of(COCO))["all"]
    assert ranking.numbers["AP"] == 0 and precision(ranking, np.ones(6)) == 0


def test_what_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions, evaluator = people()
    assert evaluator.truth.area is not None
    without = replace(evaluator, truth=replace(evaluator.truth, skeleton=replace(COCO, sigmas=None)))
    assert "has no sigmas" in format_numbers(numbers(predictions, without))
    assert "no scores" in format_numbers(numbers(Predictions(predictions.joints), evaluator))
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    monkeypatch.setitem(sys.modules, "hotcoco", None)
    said = format_numbers(numbers(predictions, evaluator))
    assert "pip install 'noda-synth[coco]'" in said and "mean OKS" in said
    with pytest.raises(NodaError, match="pycocotools"):
        rank([], evaluator.truth, [], constants_of(COCO))


def test_hotcoco_stands_in_for_pycocotools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of it, which keeps its order of entries, image by image; the real one is in tests/peers."""
    from pycocotools.coco import COCO as Api
    from pycocotools.cocoeval import COCOeval

    class ImageByImage(COCOeval):  # type: ignore[misc]
        def summarize(self) -> None:
            super().summarize()
            ranges = len(self.params.areaRng)
            self.evalImgs = [self.evalImgs[n :: len(self.params.imgIds)] for n in range(len(self.params.imgIds))]
            self.evalImgs = [entry for image in self.evalImgs for entry in image[:ranges]]

    predictions, evaluator = people(off=4)
    expected = numbers(predictions, evaluator)["oks"]["ap"]
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    monkeypatch.setitem(sys.modules, "hotcoco", SimpleNamespace(COCO=Api, COCOeval=ImageByImage))
    assert numbers(predictions, evaluator)["oks"]["ap"] == expected


def test_half_a_head_size_in_sides_of_the_box(noda_data: Path) -> None:
    """Where PCKh@0.5 lies among the thresholds of PCK: a figure of docs/evaluation.md."""
    truth = read_truth(noda_data / "mpii-val-golden" / "gt_valid.mat")
    joints = np.where(truth.labelled[:, :, None], truth.joints, np.nan)
    sides = (np.nanmax(joints, axis=1) - np.nanmin(joints, axis=1)).max(axis=1)
    assert np.median(0.5 * truth.unit / sides) == pytest.approx(0.08, abs=0.005)
