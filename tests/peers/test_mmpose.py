"""MMPose: its datasets read every part, its evaluators give the truth 100, its pipelines take the adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from noda_synth import Occluder
from tests.conftest import Made
from tests.peers.conftest import SceneFile
from tests.peers.mmpose_training import Trained

pytest.importorskip("mmpose")
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpose.datasets.datasets import CocoDataset, MpiiDataset
from mmpose.evaluation.metrics import CocoMetric, MpiiPCKAccuracy

LOAD = {"type": "LoadImage"}


@pytest.fixture(autouse=True)
def _scope() -> None:
    """In which MMPose's own programs build pipelines."""
    DefaultScope.get_instance("noda-synth", scope_name="mmpose")


def mpii_dataset(root: Path, part: str = "train", pipeline: list[Any] | None = None) -> Any:
    """As the configurations of MMPose name a set: its root, the list, the folder of images."""
    is_test = part == "valid"
    return MpiiDataset(
        data_root=str(root), ann_file=f"annot/{part}.json", data_prefix={"img": "images/"}, test_mode=is_test,
        headbox_file=f"{root}/annot/gt_valid.mat" if is_test else None, pipeline=pipeline or [LOAD],
    )  # fmt: skip


@pytest.fixture(params=["train", "valid", "clean", "light", "medium", "heavy"])
def listed(request: pytest.FixtureRequest, rendered: Path, twins: Path) -> tuple[Path, str]:
    """Both parts of the rendered set, and the validation part of each folder of the twins."""
    own = request.param in ("train", "valid")
    return (rendered, request.param) if own else (twins / request.param, "valid")


def test_everyone_is_read(listed: tuple[Path, str]) -> None:
    root, part = listed
    data, records = mpii_dataset(root, part), json.loads((root / "annot" / f"{part}.json").read_text())
    assert len(data) == len(records) > 0
    for sample, record in zip(data, records, strict=True):
        assert sample["img_path"].endswith(record["image"])
        assert np.array_equal(sample["img"], cv2.imread(str(root / "images" / record["image"])))
        # MMPose leaves the joints of MPII as they are, counted from 1.
        np.testing.assert_allclose(sample["keypoints"][0], record["joints"], rtol=1e-6)
        assert sample["keypoints_visible"][0].tolist() == record["joints_vis"]
        center = np.array(record["center"]) + np.array([0, 15 * record["scale"]]) - 1
        np.testing.assert_allclose(sample["bbox_center"][0], center, rtol=1e-5)
        np.testing.assert_allclose(sample["bbox_scale"][0], [200 * record["scale"]] * 2, rtol=1e-6)
    numbers = {(sample["img_id"], sample["img_path"]) for sample in data}
    assert len(numbers) == len({number for number, _ in numbers}) == len({path for _, path in numbers})


def test_the_truth_scores_100_in_pckh(listed: tuple[Path, str]) -> None:
    root, part = listed
    if part != "valid":
        pytest.skip("MPII has head boxes of the validation part")
    metric, data = MpiiPCKAccuracy(), mpii_dataset(root, part)
    for sample in data:
        truth = {name: sample[name] for name in ("keypoints", "keypoints_visible", "head_size")}
        truth["keypoints_visible"] = truth["keypoints_visible"][..., None].astype(bool)
        found = {"keypoints": sample["keypoints"] - 1}
        metric.process([{"inputs": None}], [{"gt_instances": truth, "pred_instances": found}])
    scores = metric.evaluate(len(data))
    assert {name: round(float(score), 3) for name, score in scores.items()} == dict.fromkeys(scores, 100.0)


def test_the_truth_scores_100_in_ap(scene_file: SceneFile) -> None:
    content = scene_file.content
    metric = CocoMetric(str(scene_file.file))
    metric.dataset_meta = coco_dataset(scene_file).metainfo
    counted = [one for one in content["annotations"] if one["num_keypoints"] and not one["iscrowd"] and one["area"]]
    for annotation in counted:
        table = np.reshape(annotation["keypoints"], (1, -1, 3)).astype(np.float64)
        found = {"keypoints": table[..., :2], "keypoint_scores": np.ones(table.shape[:2])}
        truth = {"bbox_scores": np.ones(1), "bbox_scales": np.array([annotation["bbox"][2:]], np.float64)}
        sample = {"id": annotation["id"], "img_id": annotation["image_id"]}
        metric.process([{}], [{**sample, "pred_instances": found, "gt_instances": truth}])
    scores = metric.evaluate(len(counted))
    assert scores["coco/AP"] == pytest.approx(1) and scores["coco/AR"] == pytest.approx(1)


def test_top_down_samples_are_the_people_of_the_file(scene_file: SceneFile) -> None:
    people = [one for one in scene_file.content["annotations"] if one["num_keypoints"] and not one["iscrowd"]]
    data = coco_dataset(scene_file)
    assert {sample["id"] for sample in data} == {one["id"] for one in people}


def coco_dataset(scene: SceneFile) -> Any:
    joints = CocoDataset if scene.joints == 17 else MpiiDataset
    where = {"img": str(scene.images)}
    return CocoDataset(str(scene.file), data_prefix=where, metainfo=joints.METAINFO, pipeline=[LOAD])


def noda_step(made: Made) -> dict[str, Any]:
    return {"type": "NodaOcclude", "pool": str(made.pool), "prob": 1.0, "mask": "posecut", "first_pixel": 1}


def train_pipeline(occlude: dict[str, Any]) -> list[dict[str, Any]]:
    """MMPose's usual one, with the step of the adapter."""
    codec = {"type": "MSRAHeatmap", "input_size": (64, 64), "heatmap_size": (16, 16), "sigma": 2}
    return [
        LOAD, occlude, {"type": "GetBBoxCenterScale"}, {"type": "RandomFlip", "direction": "horizontal"},
        {"type": "RandomBBoxTransform", "shift_prob": 0}, {"type": "TopdownAffine", "input_size": (64, 64)},
        {"type": "GenerateTarget", "encoder": codec}, {"type": "PackPoseInputs"},
    ]  # fmt: skip


def test_the_adapter_occludes_as_render_does(mpii: Made) -> None:
    import noda_synth.adapters.mmpose

    images = f"{mpii.data}/images/"
    step = {**noda_step(mpii), "images": images, "variants": 1}
    data, occluder = mpii_dataset(mpii.data, pipeline=[LOAD, step]), Occluder(mpii.pool, mask="posecut", channels="bgr")
    people = noda_synth.read_dataset(mpii.data).samples
    shown = 0
    for number, (sample, person) in enumerate(zip(data, people, strict=True)):
        picture = cv2.imread(images + person.image)
        assert picture is not None
        joints = person.joints.astype(np.float32)
        result = occluder(picture, joints, person.labelled, key=(str(number), 0), source=person.image)
        assert np.array_equal(sample["img"], result.image)
        assert np.array_equal(sample["keypoints_covered"][0], result.covered)
        shown += not result.reason
    assert shown > len(people) / 2


def test_the_adapter_stands_in_a_whole_pipeline(mpii: Made) -> None:

    whole = Compose(train_pipeline(noda_step(mpii)))
    data = mpii_dataset(mpii.data)
    for number in range(4):
        packed = whole(data.get_data_info(number))
        assert packed["inputs"].shape == (3, 64, 64)
        weights = packed["data_samples"].gt_instance_labels.keypoint_weights
        assert weights.sum() > 8  # covered joints are learned


def test_its_own_training_runs_on_copies_and_validates(mmpose_training: Trained, rendered: Path) -> None:
    copies = {json.loads(line)["file"] for line in (rendered / "manifest.jsonl").read_text().splitlines()}
    first, second = map(set, mmpose_training.pictures)
    assert len(first | second) == 8 and first | second <= copies
    assert np.isfinite(mmpose_training.losses).all() and len(mmpose_training.losses) == 2
    assert 0 <= mmpose_training.scores["PCK"] <= 100
