"""The level `given`: masks that the user has, from outlines, results and PNGs, and what stands in for a missing one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from noda_synth.formats import find_layout, read_dataset, rle_encode, segmentation_mask
from noda_synth.pool.reader import Pool
from tests.command import done, noda, refused
from tests.conftest import Made
from tests.drawn_set import SIZE

Outlines = dict[str, NDArray[np.bool_]]
"""Person id -> (H, W) bool."""


@pytest.fixture
def data(drawn_coco: Made, tmp_path: Path) -> Path:
    return shutil.copytree(drawn_coco.data, tmp_path / "data")


def content(data: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((data / "person_keypoints.json").read_text())
    return read


def outlines(data: Path) -> Outlines:
    people = read_dataset(find_layout(data)).persons
    return {
        person.person_id: segmentation_mask(person.record["segmentation"], SIZE)
        for person in people
        if person.record.get("segmentation")
    }


def without_outlines(data: Path, only: Callable[[dict[str, Any]], bool] = lambda _: True) -> None:
    file = content(data)
    for annotation in filter(only, file["annotations"]):
        del annotation["segmentation"]
    (data / "person_keypoints.json").write_text(json.dumps(file))


def build(data: Path, out: Path, *options: object) -> tuple[Pool, str]:
    words = ("--jobs", 1, "--everyone", *(options or ("--levels", "given")))
    said = done("build-pool", "--data", data, "--out", out, *words)
    return Pool(out), said


def ious(pool: Pool, truth: Outlines) -> dict[str, float]:
    """Overlap of the given masks with outlines of the whole image, at the crop's resolution."""
    found = {}
    for person, outline in truth.items():
        row = pool.row_of(person)
        if row is None or pool.status("given")[row]:
            continue
        mask = pool.mask(row, "given") > 0
        factor, origin = pool.factor[row], pool.origin[row]
        x, y = (
            np.clip(((np.arange(n) + 0.5) / factor[axis] + origin[axis]).astype(int), 0, outline.shape[1 - axis] - 1)
            for axis, n in enumerate(mask.shape[::-1])
        )
        common = int((mask & outline[np.ix_(y, x)]).sum())
        area = float(outline.sum() * factor.prod())
        found[person] = common / (mask.sum() + area - common)
    return found


def test_the_masks_of_a_coco_file_are_its_outlines(data: Path, tmp_path: Path) -> None:
    """Polygons and run lengths by turns; plain run lengths too."""
    file = content(data)
    run_lengths = next(a for a in file["annotations"] if isinstance(a["segmentation"], dict))
    flat = segmentation_mask(run_lengths["segmentation"], SIZE).T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.r_[0, flat]))
    run_lengths["segmentation"] = {
        "size": [SIZE[1], SIZE[0]],
        "counts": np.diff(np.r_[0, edges, flat.size]).tolist(),
    }
    (data / "person_keypoints.json").write_text(json.dumps(file))
    truth = outlines(data)
    pool, said = build(data, tmp_path / "pool.h5")
    assert pool.levels == ["given"]
    assert "given mask" not in said
    found = ious(pool, truth)
    assert set(found) == set(truth)
    assert min(found.values()) > 0.99
    assert pool.has_matte("given")


def test_reduced_crops_keep_the_outline(data: Path, tmp_path: Path) -> None:
    found = ious(build(data, tmp_path / "pool.h5", "--levels", "given", "--max-side", 120)[0], outlines(data))
    assert min(found.values()) > 0.95


def test_bodies_without_a_mask_have_posecuts_and_say_so(data: Path, tmp_path: Path) -> None:
    without_outlines(data, lambda annotation: annotation["id"] == 1000)
    pool, said = build(data, tmp_path / "pool.h5", "--levels", "given,posecut")
    row = pool.row_of("1000")
    assert row is not None
    assert "1 have the posecut mask for their given mask, for there is none, or it was refused" in said
    assert pool.levels == ["posecut", "given"]
    assert pool.status("given").tolist() == [int(index == row) for index in range(len(pool))]
    assert np.array_equal(pool.opacity(row, "given"), pool.opacity(row, "posecut"))


def test_a_mask_beside_the_person_is_refused_by_name(data: Path, tmp_path: Path) -> None:
    file = content(data)
    file["annotations"][0]["segmentation"] = [[1, 1, 20, 1, 20, 20, 1, 20]]
    (data / "person_keypoints.json").write_text(json.dumps(file))
    result = noda("build-pool", "--data", data, "--out", tmp_path / "p.h5", "--levels", "given", "--jobs", 1)
    assert result.exit_code == 1
    assert "mask of person 1000: the given mask holds none of the person's joints; posecut's is taken" in result.stderr
    pool = Pool(tmp_path / "p.h5")
    assert pool.status("given").sum() == 1


def test_without_any_mask_the_level_is_refused(data: Path, drawn: Made, tmp_path: Path) -> None:
    out = tmp_path / "pool.h5"
    said = refused("build-pool", "--data", drawn.data, "--out", out, "--levels", "given")
    assert "nobody in the annotations has an outline" in said
    (tmp_path / "masks").mkdir()
    said = refused("build-pool", "--data", data, "--out", out, "--levels", "given", "--masks", tmp_path / "masks")
    assert "no PNG in this folder" in said
    cv2.imwrite(str(tmp_path / "masks" / "other.png"), np.zeros((3, 3), np.uint8))
    said = refused("build-pool", "--data", data, "--out", out, "--levels", "given", "--masks", tmp_path / "masks")
    assert "1000.png or 000000000000.png, for example" in said
    assert "add it to --levels" in refused("build-pool", "--data", data, "--out", out, "--masks", tmp_path / "masks")
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{"image_id": 7, "segmentation": rle_encode(np.ones((3, 3), np.bool_))}]))
    said = refused("build-pool", "--data", data, "--out", out, "--levels", "given", "--masks", results)
    assert "none of its 1 masks is of an image of the data set; the first is of image 7" in said


@pytest.mark.parametrize("by_id", [True, False])
def test_results_go_to_people_by_id_or_by_their_joints(data: Path, tmp_path: Path, by_id: bool) -> None:
    truth, file = outlines(data), content(data)
    without_outlines(data)
    results: list[Any] = [
        {
            "image_id": annotation["image_id"],
            "category_id": 1,
            "score": 0.9,
            "segmentation": rle_encode(truth[str(annotation["id"])]),
            **({"annotation_id": annotation["id"]} if by_id else {}),
        }
        for annotation in reversed(file["annotations"])
        if not annotation["iscrowd"]
    ]
    # What holds everybody at once is nobody's while there is a better one; a dog is no person.
    everything = rle_encode(np.ones(SIZE[::-1], np.bool_))
    results += [
        {"image_id": 101, "category_id": category, "score": 1, "segmentation": everything} for category in (1, 18)
    ]
    (tmp_path / "results.json").write_text(json.dumps([*results, {"image_id": 101}, "no result"]))
    result = noda(
        "build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--levels", "given", "--everyone", "--jobs", 1,
        "--masks", tmp_path / "results.json",
    )  # fmt: skip
    assert result.exit_code == 1
    assert f"results.json result {len(results)}: has no segmentation" in result.stderr
    found = ious(Pool(tmp_path / "pool.h5"), truth)
    assert set(found) == set(truth)
    assert min(found.values()) > 0.99
    assert "masks" in Pool(tmp_path / "pool.h5").settings["inputs"]


def test_results_with_a_file_name_are_of_that_image(data: Path, tmp_path: Path) -> None:
    """Whatever their image_id is: ultralytics writes the number in the name, which here is the id of no image."""
    truth, file = outlines(data), content(data)
    without_outlines(data)
    names = {image["id"]: image["file_name"] for image in file["images"]}
    results = [
        {
            "image_id": int(Path(names[annotation["image_id"]]).stem),
            "file_name": names[annotation["image_id"]],
            "segmentation": rle_encode(truth[str(annotation["id"])]),
            "category_id": 1,
            "score": 1.0,
        }
        for annotation in file["annotations"]
        if not annotation["iscrowd"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    pool, _ = build(data, tmp_path / "pool.h5", "--levels", "given", "--masks", tmp_path / "results.json")
    assert min(ious(pool, truth).values()) > 0.99


Result = dict[str, Any]


def results_of(data: Path) -> list[Result]:
    """What a network would write that found everybody exactly, and the image's name beside."""
    truth, file = outlines(data), content(data)
    names = {image["id"]: image["file_name"] for image in file["images"]}
    return [
        {
            "image_id": one["image_id"], "category_id": 1, "score": 0.9, "name": names[one["image_id"]],
            "segmentation": rle_encode(truth[str(one["id"])]),
        }
        for one in file["annotations"] if not one["iscrowd"]
    ]  # fmt: skip


def printed(result: Result) -> Result:
    counts = result["segmentation"]["counts"]
    return {**result, "segmentation": {**result["segmentation"], "counts": str(counts.encode())}}


def everywhere(result: Result) -> Result:
    return {**result, "category_id": 1, "segmentation": rle_encode(np.ones(SIZE[::-1], np.bool_))}


WAYS: dict[str, Callable[[list[Result]], Any]] = {
    "bytes that were printed": lambda found: [printed(one) for one in found],
    "stems": lambda found: [{**one, "image_id": Path(one["name"]).stem} for one in found],
    "paths": lambda found: [{**one, "file_name": f"/data/images/{one['name']}"} for one in found],
    "paths of Windows": lambda found: [{**one, "image_id": f"C:\\images\\{one['name']}"} for one in found],
    "categories as text": lambda found: [{**one, "category_id": "1"} for one in found],
    # Where people are 0, 1 is something else.
    "categories from 0": lambda found: [
        *({**one, "category_id": 0} for one in found),
        *(everywhere(one) for one in found),
    ],
    "a COCO file": lambda found: {
        "images": [{"id": f"i{number}", "file_name": one["name"]} for number, one in enumerate(found)],
        "annotations": [
            *({**one, "image_id": f"i{number}"} for number, one in enumerate(found)),
            {"image_id": "i0", "iscrowd": 1},
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_results_are_written_in_many_ways(data: Path, tmp_path: Path, way: str) -> None:
    truth, results = outlines(data), WAYS[way](results_of(data))
    without_outlines(data)
    (tmp_path / "results.json").write_text(json.dumps(results))
    pool, _ = build(data, tmp_path / "pool.h5", "--levels", "given", "--masks", tmp_path / "results.json")
    found = ious(pool, truth)
    assert set(found) == set(truth) and min(found.values()) > 0.99


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"bbox": [1, 2, 3, 4]}, "no mask in it; COCO results are expected: image_id, segmentation; the first of 1"),
        ({"category_id": 18, "segmentation": [[0, 0, 9, 0, 9, 9]]}, "its masks are of the categories 18; people are 1"),
    ],
)
def test_results_that_are_no_masks_of_people_are_refused(data: Path, tmp_path: Path, entry: Result, said: str) -> None:
    (tmp_path / "r.json").write_text(json.dumps([{"image_id": 100, "category_id": 1, "score": 1} | entry]))
    words = ("--levels", "given", "--masks", tmp_path / "r.json")
    assert said in refused("build-pool", "--data", data, "--out", tmp_path / "p.h5", *words)


@pytest.mark.parametrize("way", ["pictures", "run lengths"])
def test_what_sams_script_writes_of_an_image_is_taken(data: Path, tmp_path: Path, way: str) -> None:
    truth, found = outlines(data), results_of(data)
    without_outlines(data)
    for name in {one["name"] for one in found}:
        of_image = [one for one in found if one["name"] == name]
        place = tmp_path / "masks" / Path(name).stem
        place.mkdir(parents=True)
        if way == "pictures":
            for number, one in enumerate(of_image):
                mask = segmentation_mask(one["segmentation"], SIZE)
                cv2.imwrite(str(place / f"{number}.png"), mask.astype(np.uint8) * 255)
        else:
            entries = [{"segmentation": one["segmentation"], "predicted_iou": 0.9} for one in of_image]
            place.with_suffix(".json").write_text(json.dumps(entries))
    pool, _ = build(data, tmp_path / "pool.h5", "--levels", "given", "--masks", tmp_path / "masks")
    masks = ious(pool, truth)
    assert set(masks) == set(truth) and min(masks.values()) > 0.99


def test_results_for_mpii_are_found_by_the_names_of_images(drawn: Made, tmp_path: Path) -> None:
    """`000.jpg` is 0 for whoever takes names for numbers; masks around the joints do for a person."""
    people = read_dataset(find_layout(drawn.data)).persons
    results = []
    for number, person in enumerate(people):
        mask = np.zeros(SIZE[::-1], np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(person.joints).astype(np.int32)), 1)
        stem = Path(person.image).stem
        image_id = (int(stem), stem, person.image)[number % 3]
        results.append({"image_id": image_id, "segmentation": rle_encode(mask > 0)})
    by_one_name = {}
    for person, result in zip(people, results, strict=True):
        result["image_id"] = by_one_name.setdefault(person.image, result["image_id"])
    (tmp_path / "results.json").write_text(json.dumps(results))
    pool, said = build(drawn.data, tmp_path / "p.h5", "--levels", "given", "--masks", tmp_path / "results.json")
    assert "posecut mask" not in said
    assert not pool.status("given").any()


def test_pngs_by_person_keep_their_alpha_as_matte(data: Path, tmp_path: Path) -> None:
    truth = outlines(data)
    folder = tmp_path / "masks"
    folder.mkdir()
    soft = {}
    for number, (person, outline) in enumerate(truth.items()):
        hard = outline.astype(np.uint8) * 255
        soft[person] = cv2.GaussianBlur(hard, (0, 0), 2)
        picture = (
            np.dstack([np.full((*hard.shape, 3), 90, np.uint8), soft[person]]),  # BGRA
            soft[person],
            hard // 255,
            np.dstack([hard, hard, hard, np.full_like(hard, 255)]),
        )[number % 4]
        path = folder / f"{person}.png"
        cv2.imwrite(str(path), picture)
        if number == 2:  # a palette whose second colour is transparent
            clear = Image.fromarray(np.where(outline, 0, 1).astype(np.uint8))
            clear.putpalette([200, 0, 0, 0, 0, 0])
            clear.save(path, transparency=1)
        path.rename(folder / f"{person}{('.png', '.PNG')[number % 2]}")
    pool, said = build(data, tmp_path / "pool.h5", "--levels", "given", "--masks", folder)
    assert "posecut mask" not in said
    for number, person in enumerate(truth):
        row = pool.row_of(person)
        assert row is not None
        left, top = np.floor(pool.origin[row] + 0.5).astype(int)
        opacity = pool.opacity(row, "given")
        window = np.s_[top : top + opacity.shape[0], left : left + opacity.shape[1]]
        if number % 4 < 2:
            assert np.array_equal(opacity, soft[person][window])
        else:
            assert np.array_equal(opacity >= 128, truth[person][window])


def test_pngs_by_image_have_a_value_for_each_person(data: Path, tmp_path: Path) -> None:
    truth, file = outlines(data), content(data)
    names = {image["id"]: image["file_name"] for image in file["images"]}
    labels: dict[str, NDArray[np.uint8]] = {}
    for annotation in file["annotations"]:
        if not annotation["iscrowd"]:
            values = labels.setdefault(names[annotation["image_id"]], np.full(SIZE[::-1], 0, np.uint8))
            values[truth[str(annotation["id"])]] = 40 + annotation["id"] % 7
    folder = tmp_path / "masks"
    folder.mkdir()
    for number, (name, values) in enumerate(labels.items()):
        cv2.imwrite(str(folder / (f"{name}.png" if number % 2 else Path(name).with_suffix(".png"))), values)
    pool, said = build(data, tmp_path / "pool.h5", "--levels", "given", "--masks", folder)
    assert "posecut mask" not in said
    assert min(ious(pool, truth).values()) > 0.97


def test_a_png_of_another_size_costs_itself(data: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "1000.png"), np.full((30, 40), 255, np.uint8))
    result = noda(
        "build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--levels", "given", "--everyone", "--jobs", 1,
        "--masks", tmp_path / "masks",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "1000.png: a mask of 40 x 30 pixels, but the image has 360 x 300; posecut's is taken" in result.stderr
    assert Pool(tmp_path / "pool.h5").status("given").all()


def test_best_takes_given_masks_where_there_are_some_and_says_so(data: Path, tmp_path: Path) -> None:
    build(data, tmp_path / "pool.h5", "--levels", "given,posecut")
    made = Made(data, tmp_path / "pool.h5")

    def mask(*options: object) -> str:
        out = made.render(tmp_path / "-".join(map(str, options)), "--limit", 2, *options)
        line = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
        settings = json.loads((out / "report.json").read_text())["settings"]["placement"]
        assert line["placement"]["level"] == settings["mask"]
        return str(settings["mask"])

    assert mask("--preset", "best", "--place", "ring") == "given"
    assert mask("--preset", "best", "--place", "ring", "--mask", "posecut") == "posecut"
    assert mask("--mask", "given", "--smooth", "feather", "--ratio", 1) == "given"


def test_the_same_bytes_for_any_number_of_workers(data: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        done("build-pool", "--data", data, "--out", tmp_path / f"{jobs}.h5", "--levels", "given", "--jobs", jobs)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()


def test_masks_of_real_people_are_their_outlines(noda_data: Path, tmp_path: Path) -> None:
    folder = noda_data / "coco-masks"
    noda("build-pool", "--data", folder, "--out", tmp_path / "p.h5", "--levels", "given", "--jobs", 2, "--truncated")
    dataset = read_dataset(find_layout(folder))
    sizes = {name: image.size for name, image in dataset.images.items()}
    truth = {
        person.person_id: segmentation_mask(person.record["segmentation"], size)
        for person in dataset.persons
        if (size := sizes[person.image])
    }
    found = ious(Pool(tmp_path / "p.h5"), truth)
    assert len(found) > 60
    assert min(found.values()) > 0.97
