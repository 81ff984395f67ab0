"""The COCO files of a rendered set: everyone in every picture, what is covered, and what is left of outlines."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from noda_synth.formats import find_layout
from tests.command import done
from tests.conftest import Made
from tests.drawn_set import write_coco
from tests.rules import body_on, read

COCO = pytest.importorskip("pycocotools.coco").COCO
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools


def load(file: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(file))


@dataclass(frozen=True)
class Scene:
    """A copy as the scene file has it.

    Attributes:
        line: of the manifest.
        coco: the scene file.
        clean: annotation of the clean picture by person.
        people: annotations of the copy by role.
        pasted: (H, W) bool, under an opacity of at least one half.
        body: the pool's row: joints (J, 2) and labelled (J,) on the picture.
    """

    line: dict[str, Any]
    coco: COCO
    clean: dict[str, dict[str, Any]]
    people: dict[str, list[dict[str, Any]]]
    pasted: NDArray[np.bool_]
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]


def scenes(out: Path, pool: Path) -> Iterator[Scene]:
    coco = load(out / "annot" / "coco_train_scene.json")
    by_name = {image["file_name"]: image["id"] for image in coco.dataset["images"]}
    with h5py.File(pool, "r") as file:
        for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines()):
            entry = coco.loadImgs(by_name[line["file"]])[0]
            shape = (entry["height"], entry["width"], 3)
            assert read(out / "images" / line["file"]).shape == shape
            clean = {a["noda"]["person_id"]: a for a in annotations(coco, by_name[line["source"]])}
            people: dict[str, list[dict[str, Any]]] = {"target": [], "bystander": [], "occluder": [], "crowd": []}
            for annotation in annotations(coco, entry["id"]):
                people[annotation["noda"]["role"]].append(annotation)
            placement = line["placement"]
            row = placement["body"]
            size = file["bodies/size"][row]
            factor = np.array([placement["width"], placement["height"]]) / size
            joints = (file["bodies/joints"][row] + 0.5) * factor - 0.5 + (placement["left"], placement["top"])
            yield Scene(
                line, coco, clean, people, body_on(file, line, placement, shape)[0] >= 128, joints,
                file["bodies/labelled"][row].astype(bool),
            )  # fmt: skip


def annotations(coco: COCO, image: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = coco.loadAnns(coco.getAnnIds(imgIds=[image]))
    return found


def under(pasted: NDArray[np.bool_], joints: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(J,) bool: the joint's pixel is on the picture and pasted over."""
    hit = np.zeros(len(joints), bool)
    pixel = np.floor(np.nan_to_num(joints, nan=-9) + 0.5).astype(int)
    on_picture = ((pixel >= 0) & (pixel < pasted.shape[::-1])).all(axis=1)
    hit[on_picture] = pasted[pixel[on_picture, 1], pixel[on_picture, 0]]
    return hit


@pytest.fixture(scope="module", params=["drawn", "drawn_coco", "coco_masks"])
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    made: Made = request.getfixturevalue(request.param)
    return made, made.render(tmp_path_factory.mktemp("scene") / "set", "--coco", "--ratio", 0.6)


def test_a_copy_lists_target_bystanders_and_the_pasted_person(described: tuple[Made, Path]) -> None:
    made, out = described
    for scene in scenes(out, made.pool):
        (target,) = scene.people["target"]
        assert target["noda"]["person_id"] == scene.line["person"]
        others = {a["noda"]["person_id"] for a in scene.people["bystander"]}
        people = {person for person, a in scene.clean.items() if a["noda"]["role"] == "person"}
        assert others == people - {scene.line["person"]}
        (pasted,) = scene.people["occluder"]
        assert pasted["noda"]["source"] == scene.line["occluder"]["source"]


def test_the_pasted_person_has_its_own_joints_box_and_outline(described: tuple[Made, Path]) -> None:
    made, out = described
    for scene in scenes(out, made.pool):
        (pasted,) = scene.people["occluder"]
        assert (scene.coco.annToMask(pasted).astype(bool) == scene.pasted).all()
        assert pasted["area"] in (scene.pasted.sum(), pasted["bbox"][2] * pasted["bbox"][3])
        rows, columns = np.flatnonzero(scene.pasted.any(axis=1)), np.flatnonzero(scene.pasted.any(axis=0))
        assert pasted["bbox"] == [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
        table = np.array(pasted["keypoints"]).reshape(-1, 3)
        shown = scene.labelled & under(scene.pasted, scene.joints)
        assert ((table[:, 2] > 0) == shown).all()
        assert np.abs(table[shown, :2] - scene.joints[shown]).max(initial=0) < 1e-6
        assert pasted["num_keypoints"] == shown.sum()


def test_joints_under_the_body_are_occluded_and_all_others_as_before(described: tuple[Made, Path]) -> None:
    made, out = described
    bystanders_hit = 0
    for scene in scenes(out, made.pool):
        for annotation in scene.people["target"] + scene.people["bystander"]:
            before = scene.clean[annotation["noda"]["person_id"]]
            if annotation["iscrowd"]:
                continue
            old, new = (np.array(a["keypoints"], float).reshape(-1, 3) for a in (before, annotation))
            assert (old[:, :2] == new[:, :2]).all()
            hit = (old[:, 2] > 0) & under(scene.pasted, old[:, :2])
            assert (new[:, 2] == np.where(hit, 1, old[:, 2])).all()
            assert annotation["bbox"] == before["bbox"]
            bystanders_hit += int(hit.any() and annotation["noda"]["role"] == "bystander")
        (target,) = scene.people["target"]
        assert (np.array(target["keypoints"])[2::3] == 1).sum() >= len(scene.line["covered"])
    assert bystanders_hit


def test_outlines_lose_exactly_what_is_covered(described: tuple[Made, Path]) -> None:
    made, out = described
    compared = 0
    for scene in scenes(out, made.pool):
        for annotation in scene.people["target"] + scene.people["bystander"]:
            before = scene.clean[annotation["noda"]["person_id"]]
            assert bool(annotation["segmentation"]) == bool(before["segmentation"])
            if not before["segmentation"]:
                continue
            if annotation["iscrowd"]:
                continue
            old, new = (scene.coco.annToMask(a).astype(bool) for a in (before, annotation))
            # Polygons are filled by two programs, which may differ along the outline.
            wrong = (new != (old & ~scene.pasted)).sum()
            assert wrong <= (0 if isinstance(before["segmentation"], dict) else 0.05 * old.sum() + 5)
            assert not (new & scene.pasted).any() or isinstance(annotation["segmentation"], list)
            if isinstance(annotation["segmentation"], dict):
                share = annotation["area"] / before["area"]
                assert share == pytest.approx(new.sum() / old.sum(), abs=0.05 + 5 / old.sum())
            compared += 1
    assert compared


def test_both_outlines_the_hidden_share_and_who_covers_whom(described: tuple[Made, Path]) -> None:
    made, out = described
    hidden = 0
    for scene in scenes(out, made.pool):
        (pasted,) = scene.people["occluder"]
        for annotation in scene.people["target"] + scene.people["bystander"]:
            noda, before = annotation["noda"], scene.clean[annotation["noda"]["person_id"]]
            assert noda.get("covered_by", [pasted["id"]]) == [pasted["id"]]
            assert "covered_by" in noda or not noda.get("covered")
            assert not {"amodal", "hidden_share", "covered_by"} & before["noda"].keys()
            if "amodal" not in noda:
                continue
            whole = scene.coco.annToMask({**annotation, "segmentation": noda["amodal"]}).astype(bool)
            assert (whole == scene.coco.annToMask(before).astype(bool)).all()
            share = (whole & scene.pasted).sum() / whole.sum()
            assert noda["hidden_share"] == pytest.approx(share, abs=0.05 + 5 / whole.sum()) and "covered_by" in noda
            hidden += 1
        assert not {"amodal", "hidden_share", "covered_by"} & pasted["noda"].keys()
    assert hidden


def test_a_whole_outline_of_the_input_stays_the_whole_one(tmp_path: Path) -> None:
    data = write_coco(tmp_path / "data", images=2)
    content = json.loads((data / "person_keypoints.json").read_text())
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        box = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotation["noda"] = {"amodal": [box], "covered_by": [5]}
    (data / "person_keypoints.json").write_text(json.dumps(content))
    options = ("--method", "cutout", "--ratio", 1, "--jobs", 1, "-q")
    done("render", "--data", data, "--out", tmp_path / "set", *options)
    scene = load(tmp_path / "set" / "annot" / "coco_train_scene.json")
    given = {annotation["bbox"][0]: annotation for annotation in content["annotations"]}
    for annotation in scene.dataset["annotations"]:
        noda = annotation["noda"]
        if noda["role"] == "crowd":
            continue
        assert noda["amodal"] == given[annotation["bbox"][0]]["noda"]["amodal"]
        area = annotation["bbox"][2] * annotation["bbox"][3]
        assert noda["hidden_share"] == pytest.approx(1 - scene.annToMask(annotation).sum() / area, abs=0.01)
        assert noda.get("covered_by") == ([5] if noda["role"] == "person" else None)


def test_clean_pictures_keep_the_input_as_it_is(described: tuple[Made, Path]) -> None:
    made, out = described
    file = made.data / "person_keypoints.json"
    if not file.exists():
        pytest.skip("the input is no COCO file")
    source = json.loads(file.read_text())
    scene = json.loads((out / "annot" / "coco_train_scene.json").read_text())
    images = {image["id"]: image for image in scene["images"]}
    written = {annotation["id"]: annotation for annotation in scene["annotations"]}
    for image in source["images"]:
        assert {key: images[image["id"]][key] for key in image} == image
    for annotation in source["annotations"]:
        if not annotation["iscrowd"]:
            assert {key: written[annotation["id"]][key] for key in annotation} == annotation
    assert scene["categories"] == source["categories"]
    assert scene["licenses"] == source["licenses"]


def test_ids_are_unique_and_every_picture_is_there(described: tuple[Made, Path]) -> None:
    _, out = described
    for name in ("coco_train_scene.json", "coco_train_topdown.json"):
        content = json.loads((out / "annot" / name).read_text())
        for part in ("images", "annotations"):
            ids = [entry["id"] for entry in content[part]]
            assert len(set(ids)) == len(ids)
        for image in content["images"]:
            assert (out / "images" / image["file_name"]).is_file()
        assert {a["image_id"] for a in content["annotations"]} <= {image["id"] for image in content["images"]}


@pytest.mark.parametrize("kind", ["scene", "topdown"])
def test_the_truth_scores_100_with_pycocotools(described: tuple[Made, Path], kind: str) -> None:
    from pycocotools.cocoeval import COCOeval

    coco = load(described[1] / "annot" / f"coco_train_{kind}.json")
    people = [one for one in coco.dataset["annotations"] if one["num_keypoints"] and one["area"] and not one["iscrowd"]]
    keys = ("image_id", "category_id", "keypoints")
    with contextlib.redirect_stdout(io.StringIO()):
        run = COCOeval(
            coco, coco.loadRes([{**{key: one[key] for key in keys}, "score": 1.0} for one in people]), "keypoints"
        )
        run.params.kpt_oks_sigmas = np.full(len(coco.dataset["categories"][0]["keypoints"]), 0.05)
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert run.stats[0] == pytest.approx(1) and run.stats[5] == pytest.approx(1)


def test_topdown_has_one_record_a_sample_and_bystanders_keep_the_clean_picture(described: tuple[Made, Path]) -> None:
    _, out = described
    lines = [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]
    coco = load(out / "annot" / "coco_train_topdown.json")
    people = json.loads((out / "report.json").read_text())["counts"]["people"]
    names = {image["id"]: image["file_name"] for image in coco.dataset["images"]}
    found = [(a["noda"]["person_id"], names[a["image_id"]]) for a in coco.dataset["annotations"]]
    assert len(found) == len({person for person, _ in found}) == people
    on_copies = {line["person"]: line["file"] for line in lines}
    for person, image in found:
        assert image == on_copies.get(person, image)
        assert person in on_copies or image not in on_copies.values()


def test_several_copies_and_appended_ones_in_topdown(drawn_coco: Made, tmp_path: Path) -> None:
    replaced = drawn_coco.render(tmp_path / "replaced", "--copies", 2)
    samples = json.loads((replaced / "report.json").read_text())["counts"]["people"]
    for number in (1, 2):
        coco = load(replaced / "annot" / f"coco_train_topdown_{number}.json")
        assert len(coco.dataset["annotations"]) == samples
        copies = [i["file_name"] for i in coco.dataset["images"] if "_" in i["file_name"]]
        assert copies
        assert all(name.endswith(f"_{number}.jpg") for name in copies)
    first = (replaced / "annot" / "coco_train_topdown_1.json").read_bytes()
    assert (replaced / "annot" / "coco_train_topdown.json").read_bytes() == first

    appended = drawn_coco.render(tmp_path / "appended", "--append")
    coco = load(appended / "annot" / "coco_train_topdown.json")
    count = Counter(a["noda"]["role"] for a in coco.dataset["annotations"])
    assert count["person"] == samples
    assert count["target"] == json.loads((appended / "report.json").read_text())["counts"]["copies"]


def test_appended_copies_stand_in_one_list_too(drawn_coco: Made, tmp_path: Path) -> None:
    out = drawn_coco.render(tmp_path / "set", "--copies", 2, "--append")
    counts = json.loads((out / "report.json").read_text())["counts"]
    coco = load(out / "annot" / "coco_train_topdown_all.json")
    found = Counter(a["noda"]["role"] for a in coco.dataset["annotations"])
    assert (found["person"], found["target"]) == (counts["people"], 2 * counts["covered_people"])
    assert counts["copies"] == 2 * counts["covered_people"]


@pytest.mark.parametrize("some", [3, 1000])
def test_ids_may_be_text(drawn_coco: Made, tmp_path: Path, some: int) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn_coco.data, data)
    file = find_layout(data).annotations
    content = json.loads(file.read_text())
    names = {image["id"]: f"image {image['id']}" for image in content["images"][:some]}
    for image in content["images"]:
        image["id"] = names.get(image["id"], image["id"])
    for annotation in content["annotations"]:
        annotation["image_id"] = names.get(annotation["image_id"], annotation["image_id"])
    file.write_text(json.dumps(content))
    written = load(Made(data, drawn_coco.pool).render(tmp_path / "out") / "annot" / "coco_train_scene.json").dataset
    ids = [image["id"] for image in written["images"]]
    assert len(ids) == len(set(ids)) and all(isinstance(number, int) for number in ids)
    assert {image["noda"]["id"] for image in written["images"] if "id" in image.get("noda", {})} == set(names.values())
    assert {annotation["image_id"] for annotation in written["annotations"]} <= set(ids)


def test_mpii_visibility_goes_into_coco(drawn: Made, tmp_path: Path) -> None:
    """v = 2 is visible and unknown; `noda.visibility` tells the two apart."""
    clean = drawn.render(tmp_path / "set", "--ratio", 0, "--coco")
    records = json.loads((clean / "annot" / "train.json").read_text())
    coco = load(clean / "annot" / "coco_train_scene.json")
    by_person = {a["noda"]["person_id"]: a for a in coco.dataset["annotations"]}
    for record in records:
        annotation = by_person[record["person_id"]]
        table = np.array(annotation["keypoints"]).reshape(-1, 3)
        assert np.abs(table[:, :2] + 1 - record["joints"]).max() < 1e-6
        assert (table[:, 2] == np.where(np.array(record["joints_visible"]) == 0, 1, 2)).all()
        unknown = all(state == -1 for state in record["joints_visible"])
        assert (annotation["noda"].get("visibility") == "unknown") == unknown
        x, y, w, h = annotation["bbox"]
        assert x >= 0
        assert y >= 0
        assert (table[:, 0] >= x).all()
        assert (table[:, 0] <= x + w).all()
        assert (table[:, 1] >= y).all()
        assert (table[:, 1] <= y + h).all()


def test_a_body_beside_the_picture_is_no_reason_to_fail(drawn: Made, tmp_path: Path) -> None:
    """With --min-covered 0 the pasted person may miss the picture altogether: then nothing is changed or added."""
    out = drawn.render(tmp_path / "set", "--coco", "--min-covered", 0, "--radius", 6, 8)
    beside = [scene for scene in scenes(out, drawn.pool) if not scene.pasted.any()]
    assert beside
    for scene in beside:
        assert not scene.line["covered"] and not scene.people["occluder"]
        (target,) = scene.people["target"]
        assert target["keypoints"] == scene.clean[scene.line["person"]]["keypoints"]


def test_each_of_several_bodies_is_annotated_mirrored_ones_with_their_sides_exchanged(
    drawn_coco: Made, tmp_path: Path
) -> None:
    out = drawn_coco.render(tmp_path / "set", "--coco", "--bodies", 2, 3, "--mirror", "--ratio", 0.6)
    coco = load(out / "annot" / "coco_train_scene.json")
    names = coco.loadCats(1)[0]["keypoints"]
    swapped = [
        names.index(name.replace("left_", "?").replace("right_", "left_").replace("?", "right_")) for name in names
    ]
    by_name = {image["file_name"]: image["id"] for image in coco.dataset["images"]}
    hidden = mirrored = 0
    with h5py.File(drawn_coco.pool, "r") as file:
        for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines()):
            entry = coco.loadImgs(by_name[line["file"]])[0]
            shape, placements = (entry["height"], entry["width"], 3), [line["placement"], *line["placement"]["more"]]
            found = {a["noda"]["person_id"]: a for a in annotations(coco, entry["id"])}
            masks = [body_on(file, line, placement, shape)[0] >= 128 for placement in placements]
            for number, (placement, mask) in enumerate(zip(placements, masks, strict=True)):
                over = np.any([np.zeros_like(mask), *masks[number + 1 :]], axis=0)
                name = f"{line['file']}#occluder{number + 1 if number else ''}"
                if not (mask & ~over).any():
                    assert name not in found
                    continue
                annotation = found[name]
                assert (coco.annToMask(annotation).astype(bool) == (mask & ~over)).all()
                row = placement["body"]
                factor = np.array([placement["width"], placement["height"]]) / file["bodies/size"][row]
                joints = (file["bodies/joints"][row] + 0.5) * factor - 0.5
                labelled = file["bodies/labelled"][row].astype(bool)
                if placement["mirrored"]:
                    joints[:, 0] = placement["width"] - 1 - joints[:, 0]
                    joints, labelled, mirrored = joints[swapped], labelled[swapped], mirrored + 1
                joints += (placement["left"], placement["top"])
                table = np.array(annotation["keypoints"]).reshape(-1, 3)
                shown = labelled & under(mask, joints)
                assert ((table[:, 2] > 0) == shown).all()
                assert np.abs(table[shown, :2] - joints[shown]).max(initial=0) < 1e-6
                assert (table[shown & under(over, joints), 2] == 1).all()
                hidden += int((shown & under(over, joints)).sum())
            target = next(a for a in found.values() if a["noda"]["role"] == "target")
            assert set(line["covered"]) == {
                names[joint] for joint in np.flatnonzero(np.array(target["keypoints"])[2::3] == 1)
                if under(np.any(masks, axis=0), np.array(target["keypoints"], float).reshape(-1, 3)[:, :2])[joint]
            }  # fmt: skip
    assert hidden
    assert mirrored
