"""COCO files of a set rendered from one that is not as COCO's own: categories, crowds, ids, outlines, areas."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noda_synth.formats import find_layout, segmentation_mask
from tests.conftest import Made

Content = dict[str, Any]


@pytest.fixture
def render(drawn_coco: Made, tmp_path: Path) -> Callable[..., tuple[Content, Content]]:
    """Changes the drawn set's file, renders it, and returns the input and the scene file."""

    def made(change: Callable[[Content], None], *options: object) -> tuple[Content, Content]:
        data = tmp_path / "data"
        shutil.copytree(drawn_coco.data, data)
        file = find_layout(data).annotations
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))
        out = Made(data, drawn_coco.pool).render(tmp_path / "out", "--ratio", 1, *options)
        return content, json.loads((out / "annot" / "coco_train_scene.json").read_text())

    return made


def test_the_pasted_person_has_the_category_of_people(render: Callable[..., tuple[Content, Content]]) -> None:
    def change(content: Content) -> None:
        content["categories"] = [{"id": 1, "name": "dog"}, {**content["categories"][0], "id": 3}]
        for annotation in content["annotations"]:
            annotation["category_id"] = 3

    _, scene = render(change)
    assert {a["category_id"] for a in scene["annotations"]} == {3}


def test_of_several_categories_the_pasted_one_has_its_source_s(
    render: Callable[..., tuple[Content, Content]],
) -> None:
    def change(content: Content) -> None:
        content["categories"] = [{**content["categories"][0], "id": number} for number in (4, 5)]
        for annotation in content["annotations"]:
            annotation["category_id"] = 4 + annotation["id"] % 2

    content, scene = render(change)
    of = {str(annotation["id"]): annotation["category_id"] for annotation in content["annotations"]}
    pasted = [a for a in scene["annotations"] if a["noda"]["role"] == "occluder"]
    assert len({a["category_id"] for a in pasted}) == 2
    assert all(a["category_id"] == of[a["noda"]["source_person"]] for a in pasted)


def test_crowds_stand_in_every_picture_less_what_is_pasted(render: Callable[..., tuple[Content, Content]]) -> None:
    def change(content: Content) -> None:
        for number, image in enumerate(content["images"]):
            width, height = image["width"], image["height"]
            content["annotations"].append({
                "id": 9000 + number, "image_id": image["id"], "category_id": 1, "iscrowd": 1, "num_keypoints": 0,
                "area": width * height, "bbox": [0, 0, width, height],
                "segmentation": {"size": [height, width], "counts": [0, width * height]},
            })  # fmt: skip

    _, scene = render(change)
    sizes = {image["id"]: (image["width"], image["height"]) for image in scene["images"]}
    crowds = {a["image_id"]: a for a in scene["annotations"] if a["noda"]["role"] == "crowd"}
    assert crowds.keys() == sizes.keys()
    for annotation in scene["annotations"]:
        if annotation["noda"]["role"] == "occluder":
            size, crowd = sizes[annotation["image_id"]], crowds[annotation["image_id"]]
            pasted, left = (segmentation_mask(a["segmentation"], size) for a in (annotation, crowd))
            assert (left == ~pasted).all()
            assert crowd["area"] == pytest.approx(left.sum()) and isinstance(crowd["segmentation"]["counts"], list)


def test_ids_are_written_so_that_pycocotools_can_take_them(render: Callable[..., tuple[Content, Content]]) -> None:
    def change(content: Content) -> None:
        odd = [0, "a", 2**63, -4, content["annotations"][-1]["id"]]
        for annotation, number in zip(content["annotations"], odd, strict=False):
            annotation["id"] = number

    content, scene = render(change)
    ids = [annotation["id"] for annotation in scene["annotations"]]
    assert len(set(ids)) == len(ids) and all(isinstance(number, int) and 0 < number < 2**62 for number in ids)
    assert {a["id"] for a in content["annotations"][5:]} <= set(ids)


def test_flat_outlines_cost_nobody(render: Callable[..., tuple[Content, Content]]) -> None:
    def change(content: Content) -> None:
        for annotation in content["annotations"]:
            x, y, width, height = annotation["bbox"]
            annotation["segmentation"] = [x, y, x + width, y, x + width, y + height]

    content, scene = render(change)
    roles = Counter(a["noda"]["role"] for a in scene["annotations"])
    people = {str(a["keypoints"]) for a in content["annotations"] if not a["iscrowd"]}
    assert roles["person"] == len(people) and roles["target"]
    assert not any(isinstance(a.get("segmentation"), list) for a in scene["annotations"])


def test_areas_of_boxes_stay_areas_of_boxes(render: Callable[..., tuple[Content, Content]]) -> None:
    def change(content: Content) -> None:
        for annotation in content["annotations"]:
            annotation.update(segmentation=[], area=annotation["bbox"][2] * annotation["bbox"][3])

    content, scene = render(change)
    given = {annotation["id"]: annotation["area"] for annotation in content["annotations"]}
    for annotation in scene["annotations"]:
        box = annotation["bbox"][2] * annotation["bbox"][3]
        if annotation["noda"]["role"] == "person":
            assert annotation["area"] == given[annotation["id"]]
        elif annotation["noda"]["role"] == "occluder":
            assert annotation["area"] == box
        else:
            assert annotation["area"] <= box * 1.000001


def test_a_bystander_who_is_wholly_hidden_is_a_crowd(render: Callable[..., tuple[Content, Content]]) -> None:
    def change(content: Content) -> None:
        new = []
        for annotation in content["annotations"]:
            joints = [0] * len(annotation["keypoints"])
            for joint in range(0, len(joints), 3):
                px, py, v = annotation["keypoints"][joint : joint + 3]
                if v:
                    tiny = [[px - 1, py - 1, px + 1, py - 1, px + 1, py + 1, px - 1, py + 1]]
                    new.append({**annotation, "id": 5000 + len(new), "keypoints": joints, "num_keypoints": 0,
                                "segmentation": tiny, "bbox": [px - 1, py - 1, 2, 2], "area": 4})  # fmt: skip
        content["annotations"] += new

    _, scene = render(change)
    hidden = [a for a in scene["annotations"] if a["iscrowd"] and a["noda"]["role"] != "crowd"]
    assert hidden
    for annotation in hidden:
        assert annotation["noda"]["role"] == "bystander" and annotation["num_keypoints"] == 0
        assert not any(annotation["keypoints"]) and sum(annotation["segmentation"]["counts"][1::2]) > 0
