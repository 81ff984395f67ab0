"""Copies are encoded as their sources were, so that they differ from them in nothing but the body."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, JpegImagePlugin

from noda_synth.imaging.images import decode_image, encode_jpeg, read_image
from noda_synth.imaging.jpeg import encode_as, encode_in_style, jpeg_style
from tests.command import done, refused
from tests.conftest import Made
from tests.drawn_set import write_mpii


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    rng = np.random.default_rng(2)
    coarse = (rng.integers(40, 200, (12, 16, 1)) + rng.integers(0, 30, (12, 16, 3))).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (203, 155), interpolation=cv2.INTER_CUBIC), np.uint8)


def saved(picture: NDArray[np.uint8], **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", **options)
    return stream.getvalue()


def tables_of(data: bytes) -> tuple[Any, int]:
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        return image.quantization, JpegImagePlugin.get_sampling(image)


@pytest.mark.parametrize("quality", [30, 75, 91, 100])
@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_a_copy_gets_the_tables_and_the_sampling_of_its_source(
    picture: NDArray[np.uint8], quality: int, sampling: int
) -> None:
    source = saved(picture, quality=quality, subsampling=sampling)
    style = jpeg_style(source)
    assert style is not None
    assert (style.quality, style.sampling) == (quality, sampling)
    again = encode_as(decode_image(source, "source"), source, "source")
    assert tables_of(again) == tables_of(source)
    before = decode_image(source, "source")
    kept, kept_by_95 = ((decode_image(data, "copy") == before).mean() for data in (again, encode_jpeg(before, 95)))
    assert kept > kept_by_95
    assert kept > 0.8 or quality > 75


def test_tables_that_are_nobodys_standard_are_kept_too(picture: NDArray[np.uint8]) -> None:
    source = saved(picture, qtables=[[3 + n % 17 for n in range(64)], [5 + n % 29 for n in range(64)]], subsampling=2)
    style = jpeg_style(source)
    assert style is not None
    assert style.quality is None
    assert tables_of(encode_in_style(decode_image(source, "source"), style)) == tables_of(source)


@pytest.mark.parametrize(
    "options", [{"quality": 80}, {"qtables": [[9] * 64, [12] * 64]}, {"quality": 85, "dpi": (7, 7)}]
)
def test_the_colour_profile_is_kept(picture: NDArray[np.uint8], options: dict[str, Any]) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for own in (profile, profile + bytes(range(256)) * 400):  # the second takes more than one segment
        source = saved(picture, icc_profile=own, **options)
        again = encode_as(decode_image(source, "source"), source, "source")
        with Image.open(io.BytesIO(again)) as image:
            assert image.info["icc_profile"] == own
            image.load()
        assert (decode_image(again, "copy").shape) == picture.shape


def test_other_sources_get_quality_95(picture: NDArray[np.uint8]) -> None:
    plain = encode_jpeg(picture)
    cmyk = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(cmyk, "JPEG")
    png = cv2.imencode(".png", picture)[1].tobytes()
    for source in (png, cmyk.getvalue(), saved(picture[..., 0]), saved(picture)[:40], b"\xff\xd8", b""):
        assert encode_as(picture, source, "source") == plain
    assert encode_as(picture, saved(picture, quality=20), 95) == plain


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


def test_render_and_recompress_keep_the_quality_of_each_source(drawn: Made, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_mpii(data, images=8, valid_images=1)
    for number, path in enumerate(sorted((data / "images").rglob("*.jpg"))):
        encoded = encode_jpeg(read_image(path), 60 + 4 * number)
        path.write_bytes(encoded)
    made = Made(data, drawn.pool)
    for method in ("noda", "recompress"):
        out = made.render(tmp_path / method, "--method", method, "--ratio", 1)
        assert lines(out)
        for line in lines(out):
            source, copy = (
                (folder / "images" / line[key]).read_bytes() for folder, key in ((data, "source"), (out, "file"))
            )
            assert tables_of(copy) == tables_of(source)
            assert line["quality"] == "source"
            assert abs(len(copy) / len(source) - 1) < 0.25
        line, again = lines(out)[0], tmp_path / f"{method}.jpg"
        pool = ("--pool", made.pool) if method == "noda" else ()
        done("replay", out, "--id", line["id"], "--images", data / "images", *pool, "--out", again)
        assert again.read_bytes() == (out / "images" / line["file"]).read_bytes()


def test_a_number_is_the_quality_of_all(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--quality", 40, "--limit", 3)
    for line in lines(out):
        style = jpeg_style((out / "images" / line["file"]).read_bytes())
        assert style is not None
        assert style.quality == line["quality"] == 40
    for wrong in ("0", "101", "good"):
        assert "--quality" in refused("render", "--data", drawn.data, "--out", tmp_path / "x", "--quality", wrong)
