"""Files that hold no annotations of a kind that is read: one line that says what they are and what is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noda_synth.errors import NodaError
from noda_synth.formats.files.detect import detect
from noda_synth.formats.mpii.split import read_split
from noda_synth.methods.object_sources import open_objects
from tests.command import noda
from tests.conftest import Made
from tests.mpii_files import record

RECORD = json.dumps(record("a.jpg"))
LINES = f"{RECORD}\n{RECORD}\n"


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    return stream.getvalue()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.json", RECORD)
    return stream.getvalue()


STRANGERS: dict[str, tuple[str | bytes, str]] = {
    "JSON lines": (LINES, "JSON lines"),
    "JSON lines after a mark": ("\ufeff" + LINES, "JSON lines"),
    "CSV": ("image,x0,y0\na.jpg,1,2\nb.jpg,3,4\n", "a table"),
    "CSV by semicolons": ("a.jpg;1;2\r\nb.jpg;3;4\r\n", "a table"),
    "TSV": ("name\tx\na.jpg\t5\n", "a table"),
    "gzip": (gzip.compress(RECORD.encode()), "gunzip"),
    "bzip2": (bz2.compress(RECORD.encode()), "bunzip2"),
    "xz": (lzma.compress(RECORD.encode()), "unxz"),
    "zip": (zipped(), "zip archive"),
    "tar": (tar(), "tar archive"),
    "YAML": ("path: data\ntrain: images/train\nnames:\n  0: person\n", "YAML without kpt_shape"),
    "YAML of records": ("---\n- image: a.jpg\n", "YAML"),
    "TOML": ('name = "mine"\nlimbs = []\n', "TOML"),
    "Octave's text": ("# Created by Octave 8.4.0, Mon Jan 01\n# name: preds\n# type: matrix\n", "save -v7"),
    "Octave's binary": (b"Octave-1-L\0\5\0\0\0preds", "save -v7"),
    "XML": ('<?xml version="1.0"?>\n<annotation></annotation>', "XML"),
    "XML without a head": ("<annotation>\n  <folder>VOC</folder>\n</annotation>", "XML"),
    "a web page": ("<!DOCTYPE html><html><title>Sign in</title></html>", "a web page"),
    "LFS": ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
    "pickle": (pickle.dumps([1]), "a pickle"),
    "NumPy": (b"\x93NUMPY\x01\0v\0", "NumPy"),
    "a picture": (b"\xff\xd8\xff\xe0 a picture", "a JPEG picture"),
    "UTF-16": (RECORD.encode("utf-16"), "UTF-16"),
    "LabelMe": ('{"version": "5.0", "shapes": [], "imagePath": "a.jpg"}', "LabelMe"),
    "VIA": ('{"_via_settings": {}, "_via_img_metadata": {}}', "VIA"),
    "OpenPose": ('{"version": 1.3, "people": []}', "OpenPose"),
    "PoseTrack17": ('{"annolist": []}', "PoseTrack17"),
    "Label Studio": ('[{"id": 1, "annotations": [], "data": {}}]', "Label Studio"),
    "results": ('[{"image_id": 1, "category_id": 1, "keypoints": [], "score": 1}]', "predictions"),
    "MMPose": ('[{"preds": [], "boxes": [], "image_paths": [], "bbox_ids": []}]', "predictions"),
}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(("content", "says"), STRANGERS.values(), ids=STRANGERS)
def test_one_line_says_what_it_is_and_what_is_read(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(NodaError) as error:
        detect(write(tmp_path / "train.json", content))
    message = str(error.value)
    assert says in message
    assert "read are MPII's .mat and JSON, COCO keypoints" in message
    assert "\n" not in message


@pytest.mark.parametrize("names", ["images/a.jpg\nb 2.png\n", "a.jpg", "C/ä.JPEG\r\n"])
def test_a_list_of_names_is_for_a_split(tmp_path: Path, names: str) -> None:
    file = write(tmp_path / "names.txt", names)
    with pytest.raises(NodaError, match="image names, which --split takes"):
        detect(file)
    assert read_split(file).images == set(names.split("\n")) - {""} or "\r" in names


@pytest.mark.parametrize("kind", ["CSV", "gzip", "XML", "YAML", "a picture"])
def test_a_split_is_none_of_these(tmp_path: Path, kind: str) -> None:
    content, says = STRANGERS[kind]
    with pytest.raises(NodaError, match=says):
        read_split(write(tmp_path / "split.txt", content))


def write_voc(folder: Path, *, flags: str = "", size: tuple[int, int] = (120, 100), person: bool = False) -> Path:
    """One picture with a thing of 40 x 30 pixels at (20, 10) and another at the border."""
    for name in ("JPEGImages", "SegmentationObject", "Annotations"):
        (folder / name).mkdir(parents=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[10:40, 20:60] = 255
    pixels[11:39, 21:59] = 1
    pixels[70:, 70:] = 2
    mask = Image.fromarray(pixels, "L").convert("P")
    mask.save(folder / "SegmentationObject/2007_000001.png")
    Image.new("RGB", size, (200, 30, 30)).save(folder / "JPEGImages/2007_000001.jpg")
    boxes = [("person" if person else "sofa", (21, 11, 60, 40)), ("dog", (71, 71, size[0], size[1]))]
    objects = "".join(
        f"<object><name>{name}</name>{flags}<bndbox>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
        + "</bndbox></object>"
        for name, box in boxes
    )
    (folder / "Annotations/2007_000001.xml").write_text(f"<annotation>{objects}</annotation>")
    return folder


@pytest.mark.parametrize("person", [False, True])
def test_whole_objects_in_vocs_layout(tmp_path: Path, person: bool) -> None:
    source = open_objects(write_voc(tmp_path / "VOC2012", person=person), None)
    assert source.names == ["2007_000001.jpg#1"]
    assert source.sizes.tolist() == [[40, 30]]
    assert source.person.tolist() == [person]
    colours, alpha = source.cut(0)
    assert colours.shape == (30, 40, 3)
    assert (alpha > 0).sum() == 28 * 38  # without the seam of 255
    assert len(source.content()) == 64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "Annotations/2007_000001.xml").write_text("<annotation>"), "no element|not a record"),
        (lambda folder: (folder / "Annotations/2007_000001.xml").unlink(), "no such file"),
        (lambda folder: (folder / "SegmentationObject/2007_000001.png").write_text("no png"), "2007_000001.png"),
        (lambda folder: (folder / "SegmentationObject/2007_000001.png").unlink(), "none of 0 objects"),
    ],
)
def test_what_is_wrong_in_vocs_layout_is_named(tmp_path: Path, change: Callable[[Path], Any], says: str) -> None:
    folder = write_voc(tmp_path / "VOC2012")
    change(folder)
    with pytest.raises(NodaError, match=says):
        open_objects(folder, None)


@pytest.mark.parametrize("flag", ["truncated", "difficult"])
def test_objects_that_are_not_whole_are_not_pasted(tmp_path: Path, flag: str) -> None:
    with pytest.raises(NodaError, match="none of 2 objects is whole"):
        open_objects(write_voc(tmp_path / "VOC2012", flags=f"<{flag}>1</{flag}>"), None)


def test_objects_of_voc_are_pasted(drawn: Made, tmp_path: Path) -> None:
    places = ("--method", "objects", "--objects", write_voc(tmp_path / "VOC2012"), "--jobs", 1)
    result = noda("render", "--data", drawn.data, "--out", tmp_path / "set", *places, "--limit", 2)
    assert result.exit_code == 0, result.output
    assert "2007_000001.jpg#1" in (tmp_path / "set/manifest.jsonl").read_text()
