"""Pictures that are not what the annotations were made on: turned by EXIF, or of another size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.picture_sizes import as_annotated
from noda_synth.imaging.images import UprightPath, encode_png, exif_orientation, image_size, read_image
from tests.command import noda
from tests.conftest import Made
from tests.test_validate import findings

_STORED = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}  # fmt: skip


def store(path: Path, upright: np.ndarray, orientation: int) -> None:
    """Write a picture as a camera does that was held in another way."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(_STORED[orientation](upright)[:, :, ::-1])
    Image.fromarray(stored).save(path, quality=97, subsampling=0, exif=exif.tobytes())


@pytest.fixture
def phone(drawn_coco: Made, tmp_path: Path) -> Path:
    """The drawn set as a phone stores it: on its side, one picture on its head."""
    data = shutil.copytree(drawn_coco.data, tmp_path / "phone")
    for number, path in enumerate(sorted((data / "images").iterdir())):
        store(path, read_image(path), 3 if number == 1 else 6 if number % 2 else 8)
    return data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_undone(tmp_path: Path, orientation: int) -> None:
    upright = cv2.resize(np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8), (64, 48))
    store(tmp_path / "a.jpg", upright, orientation)
    path = UprightPath(tmp_path) / "a.jpg"
    assert image_size(path) == (64, 48) and exif_orientation(path) == orientation
    assert np.abs(read_image(path).astype(int) - upright).mean() < 5
    assert read_image(tmp_path / "a.jpg").shape == ((64, 48, 3) if orientation > 4 else (48, 64, 3))
    (tmp_path / "b.png").write_bytes(encode_png(read_image(path)))
    assert read_image(tmp_path / "b.png").shape == upright.shape


def test_a_set_that_was_annotated_upright_is_read_upright(phone: Path, drawn_coco: Made) -> None:
    layout = find_layout(phone)
    dataset = read_dataset(layout)
    assert dataset.upright
    assert len([problem for problem in dataset.problems if problem.stage == "upright"]) == 1
    assert len(dataset.persons) == len(read_dataset(find_layout(drawn_coco.data)).persons)
    folder = as_annotated(layout, dataset).images
    for path in (drawn_coco.data / "images").iterdir():
        assert np.abs(read_image(folder / path.name).astype(int) - read_image(path)).mean() < 5


def test_a_set_rendered_from_it_is_upright_and_without_tags(phone: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.h5"
    options = ("--levels", "posecut", "--everyone", "--jobs", 1)
    assert "read upright" in noda("build-pool", "--data", phone, "--out", pool, *options).output
    out = Made(phone, pool).render(tmp_path / "out", "--ratio", 1, "--mask", "posecut")
    scene = json.loads((out / "annot" / "coco_train_scene.json").read_text())
    for image in scene["images"]:
        path = out / "images" / image["file_name"]
        assert image_size(path) == (image["width"], image["height"])
        assert exif_orientation(path) == 1
    assert not {"turned-image", "size-differs", "upright"} & findings(out).keys()
    assert list(findings(phone)) == ["upright"]


def test_any_other_contradiction_fails_by_name(drawn_coco: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn_coco.data, tmp_path / "data")
    path = sorted((data / "images").iterdir())[0]
    cv2.imwrite(str(path), cv2.resize(read_image(path), (720, 600)))
    dataset = read_dataset(find_layout(data))
    assert path.name not in dataset.images and path.name not in dataset.persons.image_names
    (problem,) = [problem for problem in dataset.problems if problem.failed]
    assert problem.item == path.name and "360 x 300 annotated, 720 x 600 in the file" in problem.reason


@pytest.mark.parametrize("upright", [True, False])
def test_a_list_without_sizes_is_weighed_by_its_joints(drawn: Made, tmp_path: Path, upright: bool) -> None:
    """The training pictures lie on their side; the joints are those of a browser, or of the pictures as stored."""
    data = shutil.copytree(drawn.data, tmp_path / "data", ignore=shutil.ignore_patterns("*.mat"))
    path, left = data / "annot" / "train.json", 120
    records = json.loads(path.read_text())
    for name in {record["image"] for record in records}:
        picture = np.pad(read_image(data / "images" / name), ((0, 0), (left, 0), (0, 0)))
        store(data / "images" / name, picture, 6)
    width = picture.shape[1]
    for record in records:
        for key in ("joints", "center"):
            moved = np.add(record[key], (left, 0))
            record[key] = (moved if upright else np.stack([moved[..., 1], width + 1 - moved[..., 0]], -1)).tolist()
    path.write_text(json.dumps(records))
    found = findings(data, "--headers")
    if upright:
        (finding,) = found["annotated-upright"]
        assert finding["where"] == "train.json" and finding["what"].startswith("0 of 624 joints lie outside of 26 pic")
        assert "turned-image" not in found
    else:
        assert "annotated-upright" not in found and len(found["turned-image"]) == 26
        assert "0 lie outside as it is stored, " in found["turned-image"][0]["what"]
