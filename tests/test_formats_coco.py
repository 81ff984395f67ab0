"""COCO keypoints: read, written, and read again with nothing lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Dataset, Person
from noda_synth.data.skeleton import COCO, MPII, skeleton_file
from noda_synth.errors import NodaError
from noda_synth.formats import (
    Layout,
    coco_annotation,
    coco_category,
    coco_image,
    mpii_record,
    read_dataset,
    rle_encode,
    write_coco,
)
from tests.mpii_files import JOINTS, record, write_json

IMAGE = {"id": 5, "file_name": "a.jpg", "width": 640, "height": 480, "license": 4}


def annotation(number: int = 1, flags: int | list[int] = 2, **changes: Any) -> dict[str, Any]:
    flags = [flags] * 17 if isinstance(flags, int) else flags
    keypoints = [value for j, v in enumerate(flags) for value in ((100 + 3 * j, 50.5 + 2 * j, v) if v else (0, 0, 0))]
    return {
        "segmentation": [[1, 2, 3, 4, 5, 6]], "area": 1234.5, "iscrowd": 0, "image_id": 5, "category_id": 1,
        "bbox": [1.0, 2.5, 30, 40], "num_keypoints": 17, "id": number, "keypoints": keypoints, **changes,
    }  # fmt: skip


def read(folder: Path, *annotations: Any, images: list[Any] | None = None, **top: Any) -> Dataset:
    content = {
        "info": {"year": 2017},
        "images": images or [IMAGE],
        "annotations": list(annotations),
        "categories": [coco_category(COCO)],
        **top,
    }
    return read_dataset(Layout(folder, write_json(folder / "coco.json", content), "coco"))


def mpii_person(folder: Path, **changes: Any) -> Person:
    train = write_json(folder / "train.json", [record("a.jpg", **changes)])
    return read_dataset(Layout(folder, train, "mpii_json")).persons[0]


def write_and_read(folder: Path, person: Person, **options: Any) -> Person:
    """The person after a trip through a COCO file of its skeleton."""
    skeleton = MPII if len(person.joints) == 16 else COCO
    entry = coco_annotation(person, annotation_id=1, image_id=5, size=(640, 480), **options)
    write_coco(folder / "written.json", [IMAGE], [entry], skeleton)
    return read_dataset(Layout(folder, folder / "written.json", "coco")).persons[0]


def test_flags_sizes_and_0_based_numbers(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(42, [2, 1, 0, *[2] * 14]))
    (person,) = dataset.persons
    assert (dataset.source, dataset.skeleton) == ("coco", COCO)
    assert dataset.images["a.jpg"].size == (640, 480)
    assert dataset.header == {"info": {"year": 2017}, "categories": [coco_category(COCO)]}
    assert person.person_id == "42"
    assert person.joints[0].tolist() == [100, 50.5]
    assert np.isnan(person.joints[2]).all()
    assert person.visible[:4].tolist() == [VISIBLE, OCCLUDED, UNKNOWN, VISIBLE]


def test_crowds_and_other_categories_stay_out_people_without_keypoints_in(tmp_path: Path) -> None:
    dataset = read(
        tmp_path, annotation(1), annotation(2, iscrowd=1), annotation(3, category_id=18), annotation(4, flags=0)
    )
    assert [person.person_id for person in dataset.persons] == ["1", "4"]
    assert [person.person_id for person in dataset.samples] == ["1"]
    assert sorted(problem.reason for problem in dataset.problems) == [
        "1 annotations of other categories left out (category_id 18; that of people: 1)",
        "1 crowds, which are nobody's training sample",
    ]
    assert [(crowd.image, crowd.record["id"]) for crowd in dataset.crowds] == [("a.jpg", 2)]
    assert not any(problem.failed for problem in dataset.problems)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, "not an object"),
        ({"category_id": 1}, "lacks id, image_id"),
        (annotation(9, image_id=6), "its image 6 is not among the images"),
        (annotation(9, keypoints=[1, 2, 2]), "keypoints: shape"),
        (annotation(9, keypoints=[float("nan")] * 51), "keypoints: NaN"),
        (annotation(9, flags=3), "other flags"),
    ],
)
def test_a_bad_annotation_costs_only_itself(tmp_path: Path, bad: Any, reason: str) -> None:
    dataset = read(tmp_path, annotation(1), bad)
    assert len(dataset.persons) == 1
    (problem,) = dataset.problems
    assert problem.failed
    assert problem.item.startswith("coco.json annotation 1")
    assert reason in problem.reason


def test_an_image_that_leads_out_is_refused(tmp_path: Path) -> None:
    images = [IMAGE, {"id": 6, "file_name": "../b.jpg"}]
    dataset = read(tmp_path, annotation(1), annotation(2, image_id=6), images=images)
    assert list(dataset.images) == ["a.jpg"]
    assert [problem.item for problem in dataset.problems] == ["coco.json image 1", "coco.json annotation 1 (id 2)"]


def test_keypoints_of_another_skeleton_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match=r"(?s)no category.*hand: tip, base.*--skeleton FILE"):
        read(tmp_path, annotation(), categories=[{"id": 1, "name": "hand", "keypoints": ["tip", "base"]}])


def test_a_validation_file_beside_it_is_read(tmp_path: Path) -> None:
    content = {"images": [IMAGE], "annotations": [annotation(1)], "categories": [coco_category(COCO)]}
    train = write_json(tmp_path / "train.json", content)
    valid = write_json(tmp_path / "val.json", {**content, "images": [{**IMAGE, "file_name": "other.jpg"}]})
    dataset = read_dataset(Layout(tmp_path, train, "coco", valid=valid))
    assert len(dataset.persons) == len(dataset.valid) == 1


def test_what_was_read_is_written_as_it_stood(tmp_path: Path) -> None:
    given = annotation(42, [2, 1, 0, *[2] * 14], note="kept", num_keypoints=16)
    (person,) = read(tmp_path, given).persons
    assert coco_annotation(person, annotation_id=42, image_id=5, size=(640, 480)) == given


def test_a_covered_joint_becomes_1_whatever_it_was(tmp_path: Path) -> None:
    (person,) = read(tmp_path, annotation()).persons
    seen = person.visible.copy()
    seen[[3, 9]] = OCCLUDED
    written = coco_annotation(person, annotation_id=1, image_id=5, size=(640, 480), visible=seen)
    assert np.flatnonzero(np.array(written["keypoints"][2::3]) == 1).tolist() == [3, 9]
    assert written["bbox"] == [1.0, 2.5, 30, 40]
    assert written["num_keypoints"] == 17
    assert "noda" not in written


@pytest.mark.parametrize("kind", ["known", "unknown", "covered among unknown", "mixed"])
def test_every_state_of_visibility_makes_the_round_trip(tmp_path: Path, kind: str) -> None:
    seen = {
        "known": [1, 0] * 8,
        "unknown": [-1] * 16,
        "covered among unknown": [-1] * 10 + [0] * 2 + [-1] * 4,
        "mixed": [-1] * 8 + [1, 0] * 4,
    }[kind]
    person = replace(mpii_person(tmp_path), visible=np.array(seen, np.int8))
    entry = coco_annotation(person, annotation_id=1, image_id=5, size=(640, 480))
    stated = {"known": None, "unknown": "unknown", "covered among unknown": "unknown", "mixed": "mixed"}[kind]
    assert entry["noda"].get("visibility") == stated
    assert all(flag == 2 for flag, state in zip(entry["keypoints"][2::3], seen, strict=True) if state != 0)
    assert write_and_read(tmp_path, person).visible.tolist() == seen


def test_an_mpii_record_makes_the_round_trip_with_its_very_numbers(tmp_path: Path) -> None:
    joints = [[480.0362, 242.9624], [0.1, 1e-4], *JOINTS[2:15], [-1.0, -1.0]]
    person = mpii_person(tmp_path, joints=joints, joints_vis=[1] * 15 + [0], scale=2.745686, center=[443.5, 400.5188])
    person = replace(person, head_box=np.array([1.0, 2.0, 30.5, 40.5]))
    again = write_and_read(tmp_path, person)
    np.testing.assert_array_equal(again.joints, person.joints)
    np.testing.assert_array_equal(again.center, person.center)
    np.testing.assert_array_equal(again.head_box, person.head_box)
    assert again.scale == person.scale
    assert mpii_record(again) == mpii_record(person)


def test_a_person_without_box_gets_that_of_its_joints_inside_the_image(tmp_path: Path) -> None:
    joints = [[3.0, 101.0], [103.0, 301.0], *[[50.0, 200.0]] * 14]
    entry = coco_annotation(mpii_person(tmp_path, joints=joints), annotation_id=1, image_id=5, size=(110, 480))
    # Joints from (2, 100) to (102, 300): 15 % of 200 px is 30 px on each side, cut at x = 0 and x = 110.
    assert entry["bbox"] == [0.0, 70.0, 110.0, 261.0]
    assert entry["area"] == 110 * 261
    assert entry["segmentation"] == []


def test_outline_area_and_extra_keys(tmp_path: Path) -> None:
    (person,) = read(tmp_path, annotation(noda={"old": 1})).persons
    mask = np.zeros((480, 640), bool)
    mask[10:20, 30:40] = True
    rle = rle_encode(mask)
    entry = coco_annotation(
        person, annotation_id=7, image_id=9, size=(640, 480), segmentation=rle, extra={"role": "target"}
    )
    assert (entry["id"], entry["image_id"], entry["area"], entry["segmentation"]) == (7, 9, 100, rle)
    assert entry["noda"] == {"old": 1, "role": "target"}


def test_the_file_keeps_the_header_and_is_the_same_every_time(tmp_path: Path) -> None:
    (person,) = read(tmp_path, annotation()).persons
    entry = coco_annotation(person, annotation_id=1, image_id=5, size=(640, 480))
    header = {"info": {"year": 2017}, "categories": [{**coco_category(COCO), "name": "people"}]}
    for name in ("1.json", "2.json"):
        write_coco(tmp_path / name, [coco_image("a.jpg", 5, (640, 480), IMAGE)], [entry], COCO, header)
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    written = json.loads((tmp_path / "1.json").read_text())
    assert written == {**header, "licenses": [], "images": [IMAGE], "annotations": [entry]}


def test_an_image_id_that_stands_twice_is_refused_by_name(tmp_path: Path) -> None:
    images = [IMAGE, {"id": 5, "file_name": "b.jpg"}, {"id": 6, "file_name": "c.jpg"}]
    dataset = read(tmp_path, annotation(1), annotation(2, image_id=6), images=images)
    assert [person.person_id for person in dataset.persons] == ["2"]
    assert list(dataset.images) == ["c.jpg"]
    assert all("5 stands twice (a.jpg, b.jpg)" in f"{p.item} {p.reason}".replace("id ", "") for p in dataset.problems)
    assert all(problem.failed for problem in dataset.problems)


def test_the_same_image_twice_is_one(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(1), images=[IMAGE, IMAGE])
    assert len(dataset.persons) == 1 and not dataset.problems


def test_ids_that_pycocotools_cannot_take_are_told(tmp_path: Path) -> None:
    ids = [7, 7, 0, "a", 2**63, 9.0]
    given = [annotation(number, bbox=[row, 0, 5, 5], flags=row % 2 + 1) for row, number in enumerate(ids)]  # type: ignore[arg-type]
    dataset = read(tmp_path, *given)
    assert [person.person_id for person in dataset.persons] == ["7", "7~2", "0", "a", str(2**63), "9"]
    notes = [problem.reason for problem in dataset.problems if problem.stage == "ids"]
    assert notes[0].startswith("1 annotations with the id of another (7 for one)")
    assert notes[1].startswith("3 annotation ids are 0, negative, text, or beyond 64 bits (0 for one)")


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        ([1, 2, 3, 4, 5, 6], "neither polygons"),
        ([[1, 2, 3, 4, 5]], "5 numbers"),
        ([[1, 2, 3, 4]], "no polygon of three points"),
        ({"size": [640, 480], "counts": [640 * 480]}, "size"),
        ({"size": [480, 640], "counts": [12]}, "add up"),
        ({"exterior": [[1, 2], [3, 4], [5, 6]]}, "run lengths"),
        ("outline", "neither"),
        ([{"x": 1}], "neither"),
    ],
)
def test_an_outline_that_cannot_be_read_costs_itself(tmp_path: Path, outline: Any, reason: str) -> None:
    dataset = read(tmp_path, annotation(42, segmentation=outline))
    (person,) = dataset.persons
    assert "segmentation" not in person.record and person.labelled.all()
    (problem,) = dataset.problems
    assert (problem.stage, problem.failed) == ("outline", False)
    assert "(id 42)" in problem.item and reason in problem.reason


def test_polygons_of_two_points_are_left_out_of_an_outline(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(42, segmentation=[[1, 2, 3, 4], [1, 2, 3, 4, 5, 9]]))
    assert dataset.persons[0].record["segmentation"] == [[1, 2, 3, 4, 5, 9]]
    assert [problem.stage for problem in dataset.problems] == ["outline"]


@pytest.mark.parametrize("names", [None, [], [*COCO.joints, "left_finger", "right_finger"]])
def test_a_skeleton_is_enough_where_the_category_does_not_name_the_joints(tmp_path: Path, names: Any) -> None:
    category = {"id": 1, "name": "person", **({} if names is None else {"keypoints": names})}
    with pytest.raises(NodaError, match=r"annotations with 17 joints.*--skeleton coco17"):
        read(tmp_path, annotation(), categories=[category])
    dataset = read_dataset(Layout(tmp_path, tmp_path / "coco.json", "coco", skeleton=skeleton_file("coco17")))
    assert len(dataset.persons) == 1 and dataset.skeleton == COCO
    assert dataset.header["categories"][0]["keypoints"] == list(COCO.joints)
    with pytest.raises(NodaError, match="no category with the 16 keypoints"):
        read_dataset(Layout(tmp_path, tmp_path / "coco.json", "coco", skeleton=skeleton_file("mpii16")))


def test_nobody_of_a_persons_category_is_said(tmp_path: Path) -> None:
    with pytest.raises(NodaError, match="category_id 0; that of people: 1"):
        read(tmp_path, annotation(category_id=0))


@pytest.mark.parametrize("box", [[10, 20, 30, 0.0], [10, 20, -5, -5], [0, 0, 0, 0], None])
def test_a_box_of_no_size_is_none(tmp_path: Path, box: Any) -> None:
    (person,) = read(tmp_path, annotation(bbox=box, area=0)).persons
    written = coco_annotation(person, annotation_id=1, image_id=5, size=(640, 480))
    assert min(written["bbox"][2:]) > 0 and written["area"] > 0


def test_v_of_1_throughout_a_file_means_labelled(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(1, [1, 0, *[1] * 15]), annotation(2, 1, bbox=[9, 9, 9, 9]))
    assert (dataset.persons[0].visible == UNKNOWN).all() and dataset.persons[0].labelled.sum() == 16
    assert [problem.stage for problem in dataset.problems if "--v1-occluded" in problem.reason] == ["v1"]
    written = coco_annotation(dataset.persons[0], annotation_id=1, image_id=5, size=(640, 480))
    assert written["keypoints"] == dataset.persons[0].record["keypoints"]
    assert (write_and_read(tmp_path, dataset.persons[0]).visible == UNKNOWN).all()
    layout = Layout(tmp_path, tmp_path / "coco.json", "coco", insist_occluded=True)
    assert (read_dataset(layout).persons[1].visible == OCCLUDED).all()


def test_one_joint_of_2_makes_1_mean_occluded(tmp_path: Path) -> None:
    dataset = read(tmp_path, annotation(1, 1), annotation(2, [2, *[1] * 16]))
    assert (dataset.persons[0].visible == OCCLUDED).all()
    assert not [problem for problem in dataset.problems if problem.stage == "v1"]


@pytest.mark.parametrize("nothing", [None, []])
def test_null_is_absent(tmp_path: Path, nothing: Any) -> None:
    image = {"id": 5, "file_name": "a.jpg", "width": None, "height": None}
    odd = annotation(2, bbox=nothing, area=None, keypoints=nothing, segmentation=nothing)
    dataset = read(tmp_path, annotation(1), odd, images=[image])
    assert [person.labelled.any() for person in dataset.persons] == [True, False]
    assert dataset.images["a.jpg"].size is None and not dataset.problems
    entry = coco_annotation(dataset.persons[1], annotation_id=2, image_id=5, size=(640, 480))
    assert entry["keypoints"] == [0] * 51 and entry["num_keypoints"] == 0


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_an_unlabelled_joint_needs_no_numbers(tmp_path: Path, nothing: Any) -> None:
    given = annotation(1, [0, *[2] * 16])
    given["keypoints"][:2] = [nothing, nothing]
    (person,) = read(tmp_path, given).persons
    written = coco_annotation(person, annotation_id=1, image_id=5, size=(640, 480))
    assert written["keypoints"][:3] == [0, 0, 0] and person.labelled.sum() == 16
    given["keypoints"][3:6] = [nothing, nothing, 2]
    with pytest.raises(NodaError, match="keypoints: "):
        read(tmp_path, given)


@pytest.mark.parametrize("header", [None, {"info": None}, {"info": {"year": 2017}, "licenses": [{"id": 1}], "more": 3}])
def test_a_written_file_has_info_and_licenses(tmp_path: Path, header: Any) -> None:
    write_coco(tmp_path / "coco.json", [], [], COCO, header)
    written = json.loads((tmp_path / "coco.json").read_text())
    assert written["info"] == ((header or {}).get("info") or {})
    assert written["licenses"] == (header or {}).get("licenses", [])
    assert written.keys() == {"info", "licenses", "categories", "images", "annotations"} | (header or {}).keys()
