"""ultralytics: it reads YOLO-pose, gives the truth the highest score, and its masks make a pool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from noda_synth import Pool
from noda_synth.formats import find_layout, read_dataset, segmentation_mask
from tests.command import done
from tests.conftest import Made
from tests.drawn_set import SIZE

pytest.importorskip("ultralytics")
torch = pytest.importorskip("torch")
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.models.yolo.pose import PoseTrainer, PoseValidator
from ultralytics.models.yolo.segment import SegmentationValidator

PERSON = SimpleNamespace(names={0: "person"})
"""All that a validator asks of a network before it has to predict."""


@pytest.fixture(scope="module", params=["mpii", "coco", "converted", "twins"])
def data_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data.yaml of both rendered sets, and of what `convert` makes of a data set and of heavy twins."""
    if request.param in ("mpii", "coco"):
        rendered: Path = request.getfixturevalue("rendered" if request.param == "mpii" else "coco_rendered")
        return rendered / "data.yaml"
    out = tmp_path_factory.mktemp("yolo") / "set"
    if request.param == "twins":
        twins = request.getfixturevalue("twins") / "heavy"
        done("convert", twins / "annot" / "valid.json", out, "--to", "yolo", "--images", twins / "images", "-q")
    else:
        done("convert", request.getfixturevalue("mpii").data, out, "--to", "yolo", "-q")
    return out / "data.yaml"


def dataset(data: dict[str, Any], part: str) -> Any:
    return YOLODataset(img_path=data[part], data=data, task="pose", imgsz=320, augment=False, rect=False)


@pytest.mark.parametrize("part", ["train", "val"])
def test_everyone_is_read(data_file: Path, part: str) -> None:
    data = check_det_dataset(str(data_file), autodownload=False)
    ours, seen = read_dataset(find_layout(data_file)), dataset(data, part)
    skeleton = ours.skeleton
    assert data["kpt_shape"] == [len(skeleton.joints), 3] and data["names"] == {0: "person"}
    pairs = {frozenset((a, b)) for a, b in enumerate(data["flip_idx"]) if a != b}
    assert all({skeleton.joints[n].split("_", 1)[0] for n in pair} == {"left", "right"} for pair in pairs) and pairs
    assert len(seen.labels) == len(seen.im_files) > 0
    for label in seen.labels:
        picture = cv2.imread(label["im_file"])
        assert picture is not None and picture.shape[:2] == label["shape"]
        file = Path(str(label["im_file"]).replace("/images/", "/labels/")).with_suffix(".txt")
        rows = np.array([line.split() for line in file.read_text().splitlines()], np.float64)
        assert len(rows) == len(label["cls"]) == len(label["keypoints"])
        if len(rows):
            np.testing.assert_allclose(label["bboxes"], rows[:, 1:5], atol=1e-6)
            np.testing.assert_allclose(label["keypoints"].reshape(len(rows), -1), rows[:, 5:], atol=1e-6)
    if part == "train":
        assert_joints(seen, ours)


def assert_joints(seen: Any, ours: Any) -> None:
    """The joints in pixels are those of the data set, with what is known to be hidden."""
    by_name: dict[str, list[Any]] = {}
    for person in ours.persons:
        by_name.setdefault(Path(person.image).name, []).append(person)
    for label in seen.labels:
        people = by_name.get(Path(label["im_file"]).name, [])
        assert len(people) == len(label["keypoints"])
        height, width = label["shape"]
        for person, row in zip(people, label["keypoints"], strict=True):
            pixel = np.floor(person.joints + 0.5)
            shown = person.labelled & ((pixel >= 0) & (pixel < (width, height))).all(axis=1)
            assert np.array_equal(row[:, 2] > 0, shown)
            np.testing.assert_allclose((row[:, :2] * (width, height))[shown], person.joints[shown], atol=1e-3)
            assert np.array_equal(row[:, 2] == 1, shown & (person.visible == 0))


def test_the_truth_has_the_highest_score(data_file: Path, tmp_path: Path) -> None:
    """0.995, the most that ultralytics' way of summing gives."""
    data = check_det_dataset(str(data_file), autodownload=False)
    loader = torch.utils.data.DataLoader(dataset(data, "val"), 4, collate_fn=YOLODataset.collate_fn)
    arguments = {"task": "pose", "data": str(data_file), "imgsz": 320, "plots": False, "save_json": False}
    validator = PoseValidator(loader, tmp_path, get_cfg(overrides=arguments))
    validator.data, validator.device, validator.stride = data, torch.device("cpu"), 32
    validator.init_metrics(PERSON)
    for raw in loader:
        batch = validator.preprocess(raw)
        truth = [validator._prepare_batch(number, batch) for number in range(len(batch["im_file"]))]
        found = [
            {
                "bboxes": one["bboxes"],
                "cls": one["cls"],
                "conf": torch.ones(len(one["cls"])),
                "keypoints": one["keypoints"],
            }
            for one in truth
        ]
        validator.update_metrics(found, batch)
    scores = validator.get_stats()
    assert scores["metrics/mAP50-95(P)"] == pytest.approx(0.995, abs=1e-6)
    assert scores["metrics/mAP50-95(B)"] == pytest.approx(0.995, abs=1e-6)


class SeeingTrainer(PoseTrainer):  # type: ignore[misc]
    """Keeps the joints that it is given: picture -> (N, J, 3), shares of the padded square and v."""

    seen: dict[str, Any]

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        for number, path in enumerate(batch["im_file"]):
            self.seen[path] = batch["keypoints"][batch["batch_idx"] == number].numpy()
        prepared: dict[str, Any] = super().preprocess_batch(batch)
        return prepared


AS_IT_IS = dict.fromkeys(("mosaic", "translate", "scale", "fliplr", "hsv_h", "hsv_s", "hsv_v"), 0.0)
"""No augmentation: each picture comes alone, with its rows in their places."""


def test_a_training_sees_everyone_and_validates_apart(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch of the smallest network, fresh, and the validation of what it saved."""
    train, val = (
        [str(rendered / name) for name in (rendered / f"{part}.txt").read_text().split()] for part in ("train", "val")
    )
    copies = [json.loads(line)["file"] for line in (rendered / "manifest.jsonl").read_text().splitlines()]
    assert copies and {str(rendered / "images" / name) for name in copies} <= set(train)
    monkeypatch.setattr(SeeingTrainer, "seen", {}, raising=False)
    monkeypatch.chdir(tmp_path)
    given = {"data": str(rendered / "data.yaml"), "imgsz": 96, "batch": 8, "workers": 0, "device": "cpu",
             "project": str(tmp_path), "plots": False, "verbose": False}  # fmt: skip
    model = YOLO("yolo11n-pose.yaml", task="pose")
    model.train(trainer=SeeingTrainer, epochs=1, optimizer="AdamW", **given, **AS_IT_IS)
    assert_seen(train)
    validated = model.trainer.validator.dataloader.dataset.im_files
    assert sorted(validated) == sorted(val) and not set(validated) & set(train)
    (weights,) = tmp_path.rglob("best.pt")
    scores = YOLO(weights).val(**given).results_dict
    assert "metrics/mAP50-95(P)" in scores and np.isfinite(list(scores.values())).all()


def assert_seen(paths: list[str]) -> None:
    """Every picture of the list, each with the joints of its label file."""
    assert sorted(SeeingTrainer.seen) == sorted(paths)
    for path, joints in SeeingTrainer.seen.items():
        file = Path(path.replace("/images/", "/labels/")).with_suffix(".txt")
        rows = np.array([line.split()[5:] for line in file.read_text().splitlines()], np.float64)
        rows = rows.reshape(len(joints), -1, 3)
        assert np.array_equal(joints[..., 2], rows[..., 2])
        picture = cv2.imread(path)
        assert picture is not None
        height, width = picture.shape[:2]
        side = max(height, width)
        square = (rows[..., :2] * (width, height) + (np.array([side - width, side - height]) / 2)) / side
        shown = rows[..., 2] > 0
        assert np.abs(joints[..., :2] - square)[shown].max(initial=0) < 0.01


def test_its_masks_make_a_pool(coco: Made, tmp_path: Path) -> None:
    """Its results in JSON name a picture by the number in its name, and have masks as run lengths."""
    validator = SegmentationValidator(None, tmp_path, get_cfg(overrides={"task": "segment", "save_json": True}))
    validator.jdict, validator.class_map = [], [1]
    people = list(read_dataset(find_layout(coco.data)).samples)
    masks = {person.person_id: segmentation_mask(person.record["segmentation"], SIZE) for person in people}
    for name in dict.fromkeys(person.image for person in people):
        there = [person for person in people if person.image == name]
        stacked = torch.from_numpy(np.stack([masks[person.person_id] for person in there])).byte()
        count = len(there)
        found = {
            "masks": stacked,
            "bboxes": torch.zeros(count, 4),
            "conf": torch.ones(count),
            "cls": torch.zeros(count),
        }
        validator.pred_to_json(found, {"im_file": name})
    (tmp_path / "predictions.json").write_text(json.dumps(validator.jdict))
    bare = shutil.copytree(coco.data, tmp_path / "bare")
    content = json.loads((bare / "person_keypoints.json").read_text())
    for annotation in content["annotations"]:
        del annotation["segmentation"]
    (bare / "person_keypoints.json").write_text(json.dumps(content))
    done("build-pool", "--data", bare, "--masks", tmp_path / "predictions.json", "--levels", "given", "--everyone",
         "--out", tmp_path / "pool.h5", "--jobs", 1, "-q")  # fmt: skip
    mine, theirs = Pool(coco.pool), Pool(tmp_path / "pool.h5")
    assert set(mine.ids) <= set(theirs.ids)
    for number, person in enumerate(mine.ids):
        ours, other = mine.body(number), theirs.body(list(theirs.ids).index(person))
        assert np.array_equal(ours.opacity["given"], other.opacity["given"])
