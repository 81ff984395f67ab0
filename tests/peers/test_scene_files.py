"""Files in COCO's form through the readers of others: pictures, boxes, joints and visibility are those of the file."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.peers.conftest import People, SceneFile

Loader = Callable[[SceneFile, Path], Iterator[tuple[str, People]]]


def silent(call: Callable[..., Any], *arguments: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return call(*arguments)


def people(picture: Any, annotations: list[dict[str, Any]]) -> People:
    boxes = np.array([annotation["bbox"] for annotation in annotations], np.float64).reshape(-1, 4)
    keypoints = [np.reshape(annotation["keypoints"], (-1, 3)) for annotation in annotations]
    return People(np.asarray(picture), boxes, np.array(keypoints, np.float64))


def picture_of(scene: SceneFile, name: str) -> Any:
    with Image.open(scene.images / name) as picture:
        return np.asarray(picture.convert("RGB"))


def as_written(scene: SceneFile) -> dict[str, People]:
    """What the file says, by the name of the picture."""
    content = scene.content
    of_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    return {
        image["file_name"]: people(picture_of(scene, image["file_name"]), of_image[image["id"]])
        for image in content["images"]
    }


def by_coco_api(module: str) -> Loader:
    """pycocotools and what has its interface."""

    def load(scene: SceneFile, _: Path) -> Iterator[tuple[str, People]]:
        api = silent(pytest.importorskip(module).COCO, str(scene.file))
        for image in api.loadImgs(api.getImgIds()):
            found = api.loadAnns(api.getAnnIds(imgIds=[image["id"]]))
            for annotation in found:
                if annotation.get("segmentation"):
                    assert api.annToMask(annotation).shape == (image["height"], image["width"])
            yield image["file_name"], people(picture_of(scene, image["file_name"]), found)

    return load


def by_torchvision(scene: SceneFile, _: Path) -> Iterator[tuple[str, People]]:
    datasets = pytest.importorskip("torchvision.datasets")
    data = silent(datasets.CocoDetection, str(scene.images), str(scene.file))
    wrapped = datasets.wrap_dataset_for_transforms_v2(data, target_keys=("boxes",))
    for number, (picture, found) in enumerate(data):
        name = data.coco.loadImgs(data.ids[number])[0]["file_name"]
        if found:
            corners = wrapped[number][1]["boxes"].numpy().astype(np.float64)
            wanted = np.array([annotation["bbox"] for annotation in found])
            np.testing.assert_allclose(corners[:, 2:] - corners[:, :2], wanted[:, 2:], atol=1e-3)
        yield name, people(picture, found)


def by_supervision(scene: SceneFile, _: Path) -> Iterator[tuple[str, People]]:
    supervision = pytest.importorskip("supervision")
    data = supervision.DetectionDataset.from_coco(str(scene.images), str(scene.file))
    for path, picture, found in data:
        boxes = found.xyxy.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        yield str(Path(path).relative_to(scene.images.resolve())), People(picture[..., ::-1], boxes, None)


def by_datumaro(scene: SceneFile, folder: Path) -> Iterator[tuple[str, People]]:
    components = pytest.importorskip("datumaro")
    (folder / "annotations").mkdir()
    shutil.copy(scene.file, folder / "annotations" / "person_keypoints_train.json")
    (folder / "images").mkdir()
    (folder / "images" / "train").symlink_to(scene.images)
    for item in components.Dataset.import_from(str(folder), "coco_person_keypoints"):
        kinds, parts = components.AnnotationType, sorted(item.annotations, key=lambda part: part.id)
        points = [part for part in parts if part.type == kinds.points]
        boxes = [part.get_bbox() for part in parts if part.type == kinds.bbox]
        tables = [np.column_stack([np.reshape(part.points, (-1, 2)), part.visibility]) for part in points]
        picture = item.media.data[..., 2::-1].astype(np.uint8)
        name = str(Path(item.media.path).relative_to(folder / "images" / "train"))
        yield name, People(picture, np.array(boxes), np.array(tables, np.float64))


def by_mmpose(scene: SceneFile, _: Path) -> Iterator[tuple[str, People]]:
    pytest.importorskip("mmpose")
    from mmpose.datasets.datasets import CocoDataset, MpiiDataset
    from mmpose.datasets.transforms import LoadImage

    joints = CocoDataset if scene.joints == 17 else MpiiDataset
    data = silent(
        lambda: CocoDataset(
            str(scene.file), data_prefix={"img": str(scene.images)}, data_mode="bottomup",
            metainfo=joints.METAINFO, pipeline=[LoadImage()],
        )
    )  # fmt: skip
    for sample in data:
        corners = np.reshape(sample["bbox"], (-1, 4))
        boxes = np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
        name = str(Path(sample["img_path"]).relative_to(scene.images))
        yield name, People(sample["img"][..., ::-1], boxes, np.asarray(sample["keypoints"], np.float64))


LOADERS: dict[str, Loader] = {
    "pycocotools": by_coco_api("pycocotools.coco"),
    "hotcoco": by_coco_api("hotcoco"),
    "faster-coco-eval": by_coco_api("faster_coco_eval"),
    "torchvision": by_torchvision,
    "supervision": by_supervision,
    "datumaro": by_datumaro,
    "mmpose": by_mmpose,
}
BOX_PX = {"datumaro": 0.006, "mmpose": 1}
"""Where boxes are not kept as they are: rounded to two digits, clipped to the middle of the last pixel."""


@pytest.mark.parametrize("program", LOADERS)
def test_a_program_reads_what_was_written(program: str, scene_file: SceneFile, tmp_path: Path) -> None:
    if program == "supervision" and any(path.is_symlink() for path in scene_file.images.iterdir()):
        with pytest.raises(ValueError, match="outside the images directory"):
            list(by_supervision(scene_file, tmp_path))
        return
    wanted = as_written(scene_file)
    seen = dict(LOADERS[program](scene_file, tmp_path))
    for name, theirs in seen.items():
        ours = wanted[name]
        # Decoders of JPEG differ by a step or two.
        assert np.abs(theirs.picture.astype(int) - ours.picture).max() <= (3 if name.endswith(".jpg") else 0)
        np.testing.assert_allclose(theirs.boxes, ours.boxes, atol=BOX_PX.get(program, 1e-3))
        if theirs.keypoints is not None:
            there = ours.keypoints[..., : theirs.keypoints.shape[-1]]
            np.testing.assert_allclose(theirs.keypoints, there, atol=0.006)  # datumaro keeps two digits
    assert seen.keys() == wanted.keys()
