"""Copies are encoded as their sources were, so that they differ from them in nothing but the body."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, JpegImagePlugin

from noda_synth.imaging.compositing import Overlay, paste
from noda_synth.imaging.encoding import EXACT, SOURCE, encode_copy
from noda_synth.imaging.images import decode_image, encode_jpeg, read_image
from noda_synth.imaging.jpeg import encode_in_style, jpeg_style
from tests.command import done, refused
from tests.conftest import Made
from tests.drawn_set import write_mpii


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    rng = np.random.default_rng(2)
    coarse = (rng.integers(40, 200, (12, 16, 1)) + rng.integers(0, 30, (12, 16, 3))).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (203, 155), interpolation=cv2.INTER_CUBIC), np.uint8)


def saved(picture: NDArray[np.uint8], kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, **options)
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
    again = encode_copy(decode_image(source, "source"), source, "jpg", SOURCE)
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


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("quality", [SOURCE, 70])
@pytest.mark.parametrize(
    "options", [{"quality": 80}, {"qtables": [[9] * 64, [12] * 64]}, {"quality": 85, "dpi": (7, 7)}, {"kind": "PNG"}]
)
def test_the_colour_profile_is_kept(
    picture: NDArray[np.uint8], options: dict[str, Any], quality: int | str, suffix: str
) -> None:
    for own in (PROFILE, PROFILE + bytes(range(256)) * 400):  # the second takes more than one segment
        source = saved(picture, icc_profile=own, **options)
        again = encode_copy(decode_image(source, "source"), source, suffix, quality)
        with Image.open(io.BytesIO(again)) as image:
            assert image.info["icc_profile"] == own
            image.load()
        assert (decode_image(again, "copy").shape) == picture.shape


def test_a_profile_of_other_colours_is_not_taken_for_one_of_rgb(picture: NDArray[np.uint8]) -> None:
    ink = PROFILE[:16] + b"CMYK" + PROFILE[20:]
    cmyk = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(cmyk, "JPEG", icc_profile=ink)
    assert encode_copy(picture, cmyk.getvalue(), "jpg", SOURCE) == encode_jpeg(picture)


def test_other_sources_get_quality_95(picture: NDArray[np.uint8]) -> None:
    plain = encode_jpeg(picture)
    cmyk = io.BytesIO()
    Image.fromarray(picture).convert("CMYK").save(cmyk, "JPEG")
    png = cv2.imencode(".png", picture)[1].tobytes()
    for source in (png, cmyk.getvalue(), saved(picture[..., 0]), saved(picture)[:40], b"\xff\xd8", b""):
        assert encode_copy(picture, source, "jpg", SOURCE) == plain
    assert encode_copy(picture, saved(picture, quality=20), "jpg", 95) == plain


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


KINDS: dict[str, Any] = {
    "png": ("PNG", {}),
    "bmp": ("BMP", {}),
    "tif": ("TIFF", {}),
    "webp": ("WEBP", {"lossless": True}),
}
LOSSY: dict[str, Any] = {"jpg": ("JPEG", {}), "webp": ("WEBP", {"quality": 80})}


def as_kind(path: Path, number: int) -> Path:
    """The path of a picture that is stored anew, as the kind of a number."""
    suffix, (kind, options) = [*KINDS.items(), *LOSSY.items()][number % 6]
    picture = read_image(path)[..., ::-1]
    path.unlink()
    path.with_suffix(f".{suffix}").write_bytes(saved(picture, kind, **options))
    return path.with_suffix(f".{suffix}")


@pytest.fixture
def kinds(drawn: Made, tmp_path: Path) -> Path:
    """The drawn set with pictures of all kinds."""
    data = tmp_path / "kinds"
    write_mpii(data, images=8, valid_images=6)
    names = {}
    for number, path in enumerate(sorted((data / "images").rglob("*.jpg"))):
        new = as_kind(path, number)
        names[str(path.relative_to(data / "images"))] = str(new.relative_to(data / "images"))
    for list_name in ("train", "valid"):
        file = data / "annot" / f"{list_name}.json"
        records = json.loads(file.read_text())
        file.write_text(json.dumps([{**record, "image": names[record["image"]]} for record in records]))
    (data / "mpii_human_pose_v1_u12_1.mat").unlink()
    return data


def test_a_copy_is_what_its_source_is(kinds: Path, drawn: Made, tmp_path: Path) -> None:
    for method in ("noda", "recompress"):
        out = Made(kinds, drawn.pool).render(tmp_path / method, "--method", method, "--ratio", 1)
        assert {Path(line["source"]).suffix for line in lines(out)} == {".png", ".bmp", ".tif", ".webp", ".jpg"}
        for line in lines(out):
            suffix = {".webp": "webp", ".jpg": "jpg"}.get(Path(line["source"]).suffix, "png")
            assert line["format"] == suffix == Path(line["file"]).suffix[1:]
            data = (kinds / "images" / line["source"]).read_bytes()
            before, after = read_image(kinds / "images" / line["source"]), read_image(out / "images" / line["file"])
            with Image.open(out / "images" / line["file"]) as image:
                assert image.format == {"jpg": "JPEG"}.get(suffix, suffix.upper())
            if b"VP8 " not in data[:40] and suffix != "jpg":
                same = (before == after).all(axis=2)
                assert same.all() if method == "recompress" else 0.2 < same.mean() < 1
            again = tmp_path / f"{method}.{suffix}"
            pool = ("--pool", drawn.pool) if method == "noda" else ()
            options = ("--id", line["id"], "--images", kinds / "images", *pool, "--out", again, "--overwrite")
            done("replay", out, *options)
            assert again.read_bytes() == (out / "images" / line["file"]).read_bytes()


def test_twins_are_what_their_pictures_are(drawn_coco: Made, tmp_path: Path) -> None:
    data, out = shutil.copytree(drawn_coco.data, tmp_path / "data"), tmp_path / "twins"
    content = json.loads((data / "person_keypoints.json").read_text())
    (data / "person_keypoints.json").unlink()
    (data / "annotations").mkdir()
    for number, image in enumerate(content["images"]):
        image["file_name"] = as_kind(data / "images" / image["file_name"], number).name
    for part, chosen in (("train", content["images"][:-7]), ("val", content["images"][-7:])):
        ids = {image["id"] for image in chosen}
        some = {**content, "images": chosen, "annotations": [a for a in content["annotations"] if a["image_id"] in ids]}
        (data / "annotations" / f"person_keypoints_{part}.json").write_text(json.dumps(some))
    done("benchmark", data, out, "--tries", 640, "--originals", "none", "--jobs", 1, "-q")
    suffixes = {(Path(line["source"]).suffix, Path(line["file"]).suffix) for line in lines(out)}
    assert suffixes <= {(f".{kind}", f".{kind if kind in LOSSY else 'png'}") for kind in (*KINDS, *LOSSY)}
    assert len(suffixes) > 3
    for line in lines(out):
        before, after = (
            read_image(data / "images" / line["source"]),
            read_image(out / line["severity"] / "images" / line["file"]),
        )
        if Path(line["file"]).suffix == ".png":
            assert 0.2 < (before == after).all(axis=2).mean() < 1


STYLES: list[dict[str, Any]] = [
    *({"quality": quality, "subsampling": sampling} for quality in (40, 75, 98) for sampling in (0, 1, 2)),
    {"qtables": [[3 + n % 17 for n in range(64)]], "subsampling": 2},
    {"quality": 80, "progressive": True},
    {"quality": 80, "optimize": True},
    {"quality": 80, "restart_marker_blocks": 3},
    {"quality": 80, "icc_profile": PROFILE, "comment": b"x" * 99},
]


@pytest.mark.parametrize("style", STYLES, ids=[str(number) for number in range(len(STYLES))])
@pytest.mark.parametrize("corner", [(40, 30), (-20, -10), (150, 120), (400, 0)])
def test_exact_changes_no_block_but_those_under_the_body(
    picture: NDArray[np.uint8], style: dict[str, Any], corner: tuple[int, int]
) -> None:
    pytest.importorskip("jpegio")
    source = saved(picture, **style)
    before = decode_image(source, "source")
    alpha = np.zeros((70, 61), np.uint8)
    cv2.ellipse(alpha, (30, 35), (24, 29), 0, 0, 360, 255, -1)
    overlay, composed = Overlay(cv2.blur(alpha, (3, 3)), *corner), before.copy()
    noise = np.random.default_rng(1).integers(0, 255, (*alpha.shape, 3), np.uint8)
    paste(composed, cv2.blur(noise, (5, 5)), overlay.alpha, *corner)
    after = decode_image(encode_copy(composed, source, "jpg", EXACT, overlay), "copy")
    touched = (composed != before).any(axis=2)
    units = np.pad(touched, ((0, 160 - 155), (0, 208 - 203))).reshape(10, 16, 13, 16).any(axis=(1, 3))
    blocks = np.kron(units, np.ones((16, 16)))[:155, :203]
    # Decoders mix a pixel beside a block of chroma with those within.
    near = cv2.dilate(blocks, np.ones((3, 3))) > 0
    assert (after == before)[~near].all()
    if corner == (40, 30):
        wanted, found = composed[touched].astype(int), after[touched]
        as_usual = decode_image(encode_copy(composed, source, "jpg", SOURCE), "copy")[touched]
        assert np.abs(found - wanted).mean() <= np.abs(as_usual - wanted).mean() + 0.5


def test_exact_takes_the_tables_of_any_slots(picture: NDArray[np.uint8]) -> None:
    pytest.importorskip("jpegio")
    source = saved(picture, quality=75)
    other = bytearray(source)
    second = source.index(b"\xff\xdb", source.index(b"\xff\xdb") + 2)
    frame = source.index(b"\xff\xc0")
    assert other[second + 4] == 1
    other[second + 4] = 3
    for component in (1, 2):
        other[frame + 10 + 3 * component + 2] = 3
    alpha = np.full((60, 60), 255, np.uint8)
    pictures = [
        decode_image(encode_copy(picture, data, "jpg", EXACT, Overlay(alpha, 40, 30)), "copy")
        for data in (source, bytes(other))
    ]
    assert (pictures[0] == pictures[1]).all()
    assert np.abs(pictures[0][32:88, 48:96].astype(int) - picture[32:88, 48:96]).mean() < 8


def test_exact_keeps_everything_where_nothing_is_pasted(picture: NDArray[np.uint8]) -> None:
    pytest.importorskip("jpegio")
    exif = Image.Exif()
    exif[0x0112] = 6
    source = saved(picture, quality=60, exif=exif.tobytes(), icc_profile=PROFILE)
    before = decode_image(source, "source")
    again = encode_copy(before, source, "jpg", EXACT)
    assert (decode_image(again, "copy") == before).all()
    with Image.open(io.BytesIO(again)) as image:
        assert image.info["icc_profile"] == PROFILE
        assert not image.getexif()
    upright = np.ascontiguousarray(np.rot90(before, -1))
    turned = decode_image(encode_copy(upright, source, "jpg", EXACT, turned=True), "copy")
    assert turned.shape == upright.shape
    assert np.abs(turned.astype(int) - upright).mean() < 4


def test_a_set_of_exact_copies(drawn: Made, tmp_path: Path) -> None:
    pytest.importorskip("jpegio")
    clean = drawn.render(tmp_path / "clean", "--method", "recompress", "--quality", "exact", "--limit", 4)
    for line in lines(clean):
        before, after = read_image(drawn.data / "images" / line["source"]), read_image(clean / "images" / line["file"])
        assert (before == after).all()
    out = drawn.render(tmp_path / "set", "--quality", "exact", "--limit", 4)
    for line in lines(out):
        assert line["quality"] == "exact"
        again = tmp_path / "again.jpg"
        options = ("--images", drawn.data / "images", "--pool", drawn.pool, "--out", again, "--overwrite")
        done("replay", out, "--id", line["id"], *options)
        assert again.read_bytes() == (out / "images" / line["file"]).read_bytes()


def test_exact_without_its_library_says_what_to_install(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jpegio", None)
    words = ("--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "x", "--quality", "exact")
    assert "pip install 'noda-synth[exact]'" in refused("render", *words)
