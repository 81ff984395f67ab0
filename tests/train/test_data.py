"""The trainer reads images as noda_synth does: the same pixels, and the same files refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from noda_synth.errors import NodaError
from noda_synth.imaging import images
from noda_train.data import load, read_image
from noda_train.metrics.files import read_attributes, read_ids
from noda_train.outputs import Prediction, write_predictions
from noda_train.predict import exact_crops
from noda_train.settings import Settings
from noda_train.speed import bench

Quick = Callable[..., Settings]


@pytest.fixture
def photo(drawn: Path) -> Path:
    return drawn / "images" / "t0.jpg"


def test_an_image_is_bgr_as_stored(photo: Path) -> None:
    image = read_image(photo)
    assert image.dtype == np.uint8 and image.shape == (260, 320, 3)
    np.testing.assert_array_equal(image, cv2.imread(str(photo)))
    np.testing.assert_array_equal(image, images.read_image(photo))


@pytest.mark.parametrize("fill_the_rest", [False, True])
def test_a_jpeg_that_was_cut_is_refused_on_every_opencv(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill_the_rest: bool
) -> None:
    """OpenCV before 4.11 decodes it and leaves the rest grey."""
    data = photo.read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(data[: len(data) // 2])
    if fill_the_rest:
        monkeypatch.setattr(cv2, "imdecode", lambda *_: np.full((260, 320, 3), 128, np.uint8))
        assert read_image(photo)[0, 0, 0] == 128  # of a whole file the decoder's word is taken
    with pytest.raises(NodaError, match=r"cut\.jpg: the JPEG ends early"):
        read_image(cut)


@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NodaError, match=r"a\.jpg"):
        read_image(path)


@pytest.mark.parametrize(("factor", "doubts"), [(1.0, 0), (1.6, 1)])
def test_crops_of_wrong_scales_are_doubted(drawn: Path, tmp_path: Path, factor: float, doubts: int) -> None:
    data = shutil.copytree(drawn, tmp_path / "data")
    path = data / "annot" / "train.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([{**record, "scale": factor * record["scale"]} for record in records]))
    parts = load(data)
    assert len(parts.doubts) == doubts and set(parts.doubts) <= set(parts.problems)
    assert all("train.json: the scales of" in doubt and "--scale from-joints" in doubt for doubt in parts.doubts)


def test_all_images_that_cannot_be_read_are_named(drawn: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(drawn, tmp_path / "data")
    samples = load(folder).valid
    os.mkfifo(tmp_path / "fifo.jpg")
    paths = [tmp_path / "fifo.jpg", tmp_path / f"{'x' * 300}.jpg", *samples.paths[2:]]
    with pytest.raises(NodaError, match=r"2 images cannot be used:(.|\n)*a FIFO(.|\n)*File name too long"):
        exact_crops(replace(samples, paths=tuple(paths)), 64)


def test_ids_that_are_no_utf_8_come_back(tmp_path: Path) -> None:
    ids = ("plain", "half\ud800", "new\nline", "Ünï")
    write_predictions(tmp_path / "p.h5", Prediction(np.zeros((4, 16, 2)), np.zeros((4, 16))), ids, {"data": "a\udcff"})
    assert read_ids(tmp_path / "p.h5") == ids
    assert read_attributes(tmp_path / "p.h5")["data"] == "a?"


def test_the_plain_loader_is_not_given_what_cannot_be_read(drawn: Path, quick: Quick, tmp_path: Path) -> None:
    folder = shutil.copytree(drawn, tmp_path / "data")
    victim = load(folder).train.paths[0]
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(NodaError, match=r"1 images cannot be used:(.|\n)*a FIFO"):
        bench(folder, quick(), persons=4, repeats=1, training=False)
