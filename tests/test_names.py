"""The names of written pictures, as programs read them that take names for numbers or make names of ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noda_synth.demo.dataset import DemoSettings, draw_image
from noda_synth.formats.coco.ids import MadeIds, named_after
from noda_synth.render.occluded_copies import copy_name
from tests.command import done
from tests.drawn_set import write_coco, write_mpii


def number_of(name: str) -> int:
    """As MMPose 1.x takes the name of an image of MPII for a number."""
    return int(name.split(".")[0])


def parses(name: str) -> bool:
    try:
        number_of(name)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def mpii(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with numbers for names, and two in a folder of their own."""
    return write_mpii(tmp_path_factory.mktemp("names") / "mpii", images=12)


def render(data: Path, out: Path, *options: object) -> Path:
    """By a method without pool, which is quick: names are the same with each."""
    done("render", "--data", data, "--out", out, "--method", "cutout", "--ratio", 1, "--jobs", 1, "-q", *options)
    return out


@pytest.mark.parametrize("options", [("--append",), ("--copies", 2)])
def test_copies_of_numbered_pictures_are_numbers(mpii: Path, tmp_path: Path, options: tuple[object, ...]) -> None:
    out = render(mpii, tmp_path / "set", "--originals", "none", *options)
    lines = [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]
    assert {parses(line["source"]) for line in lines} == {True, False}  # two lie in a folder of their own
    assert all(parses(line["file"]) == parses(line["source"]) for line in lines)
    numbers = [number_of(line["file"]) for line in lines if parses(line["file"])]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("image", ["028622431.jpg", "0.png", "12 .jpg", "7.5.jpg", "000003072_000001_2.jpg"])
@pytest.mark.parametrize("copy", [None, 0, 11])
def test_copies_of_any_name_that_is_a_number(image: str, copy: int | None) -> None:
    assert parses(image) and parses(copy_name(image, 1_234_567, copy, "jpg"))


def test_twins_of_numbered_pictures_are_numbers(mpii: Path, tmp_path: Path) -> None:
    done("benchmark", mpii, tmp_path / "twins", "--tries", 640, "--jobs", 1, "-q")
    lines = [json.loads(text) for text in (tmp_path / "twins" / "manifest.jsonl").read_text().splitlines()]
    assert len({line["severity"] for line in lines}) > 1
    assert any(parses(line["file"]) for line in lines)
    assert all(parses(line["file"]) == parses(line["source"]) for line in lines)
    assert len({line["file"] for line in lines}) == len(lines)


def test_drawn_pictures_are_numbers() -> None:
    assert number_of(draw_image(DemoSettings(size=(64, 64)), 3).name) == 3


def ids_agree(images: list[dict[str, Any]]) -> bool:
    """HRNet's code and its kin open the picture of an id, and do not look at its name."""
    return all(image["file_name"].endswith(f"{image['id']:012d}.jpg") for image in images)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COCO people with names as COCO's of 2017, of 2014 in a folder, and of its own by turns; and a validation part."""
    data = write_coco(tmp_path_factory.mktemp("names") / "coco")
    content = json.loads((data / "person_keypoints.json").read_text())
    for number, image in enumerate(content["images"]):
        name = ("{:012d}.jpg", "train2014/COCO_train2014_{:012d}.jpg", "{:012d}_b.jpg")[number % 3].format(image["id"])
        (data / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (data / "images" / image["file_name"]).rename(data / "images" / name)
        image["file_name"] = name
    (data / "annotations").mkdir()
    (data / "person_keypoints.json").unlink()
    for part, of in (("train", range(100, 110)), ("val", range(110, 114))):
        images = [image for image in content["images"] if image["id"] in of]
        people = [person for person in content["annotations"] if person["image_id"] in of]
        text = json.dumps({**content, "images": images, "annotations": people})
        (data / "annotations" / f"person_keypoints_{part}.json").write_text(text)
    return data


@pytest.mark.parametrize("copies", [1, 2])
def test_ids_and_names_of_copies_agree_where_those_of_the_sources_do(
    numbered: Path, tmp_path: Path, copies: int
) -> None:
    out = render(numbered, tmp_path / "set", "--copies", copies)
    scene = json.loads((out / "annot" / "coco_train_scene.json").read_text())
    made = {image["file_name"]: image for image in scene["images"] if "source" in image.get("noda", {})}
    assert {image["file_name"] for image in scene["images"]} > made.keys()
    odd = {name for name, image in made.items() if image["noda"]["source"].endswith("_b.jpg")}
    assert odd and odd < made.keys()
    assert ids_agree([image for name, image in made.items() if name not in odd])
    assert not any(ids_agree([made[name]]) for name in odd)
    given = range(100, 114)
    assert len({image["id"] for image in scene["images"]}) == len(scene["images"])
    assert not any(image["id"] in given for image in made.values())
    assert all((out / "images" / name).is_file() for name in made)
    for number in range(1, copies + 1):
        name = f"coco_train_topdown_{number}.json" if copies > 1 else "coco_train_topdown.json"
        images = json.loads((out / "annot" / name).read_text())["images"]
        assert ids_agree(
            [image for image in images if image["file_name"] not in odd and "_b." not in image["file_name"]]
        )


def test_ids_and_names_of_twins_agree_where_those_of_the_sources_do(numbered: Path, tmp_path: Path) -> None:
    done("benchmark", numbered, tmp_path / "twins", "--tries", 640, "--jobs", 1, "-q")
    for part in ("clean", "light", "medium", "heavy"):
        images = json.loads((tmp_path / "twins" / part / "annot" / "coco_valid.json").read_text())["images"]
        own = [image for image in images if "_b" not in image["file_name"]]
        assert ids_agree(own) and len({image["id"] for image in images}) == len(images)
        assert part == "heavy" or own


@pytest.mark.parametrize(
    ("name", "image_id", "expected"),
    [
        ("000000000139.jpg", 139, "000000000007.jpg"),
        ("val2014/COCO_val2014_000000000139.png", 139, "val2014/COCO_val2014_000000000007.png"),
        ("1000000000139.jpg", 139, None),
        ("000000000139.jpg", 138, None),
        ("000000000139.jpg", "000000000139", None),
        ("139.jpg", 139, None),
        ("a.jpg", None, None),
    ],
)
def test_a_name_made_of_an_id(name: str, image_id: object, expected: str | None) -> None:
    assert named_after(7, name, image_id) == expected


@pytest.mark.parametrize("taken", [1, 139, 581_930, 10_000_010_001, (1 << 62) - 1])
def test_new_ids_are_above_all_others_and_each_is_given_once(taken: int) -> None:
    ids = MadeIds.above(taken, 1200, 3)
    found = {ids.of(row, made) for row in range(1200) for made in range(3)}
    assert len(found) == 3600 and min(found) >= taken and max(found) < 1 << 63
