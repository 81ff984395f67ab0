"""Image files of every kind: what is read is what trainers read, and what is damaged is named."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from noda_synth.errors import ItemError
from noda_synth.imaging.images import (
    decode_mask,
    encode_jpeg,
    encode_mask,
    encode_png,
    image_path,
    image_size,
    read_image,
)

WIDTH, HEIGHT = 48, 32


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """(H, W, 3) RGB, smooth, so that JPEG keeps it nearly as it is."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 5, y * 7, 255 - x * 4], axis=2).astype(np.uint8)


def save(path: Path, picture: Any, **options: Any) -> Path:
    Image.fromarray(picture).save(path, **options)
    return path


def close(image: NDArray[np.uint8], rgb: NDArray[np.uint8], tolerance: int = 12) -> bool:
    return image.shape == rgb.shape and int(np.abs(image[..., ::-1].astype(int) - rgb).max()) <= tolerance


def test_colours_come_as_blue_green_red(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    assert close(read_image(save(tmp_path / "a.png", picture)), picture, tolerance=0)
    assert close(read_image(save(tmp_path / "a.jpg", picture, quality=95)), picture)
    assert close(read_image(save(tmp_path / "b.jpg", picture, quality=95, progressive=True)), picture)


def test_grey_cmyk_alpha_palette_and_sixteen_bits_become_three_channels(
    tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    grey = picture[..., 0]
    for name in ("grey.png", "grey.jpg"):
        assert close(read_image(save(tmp_path / name, grey)), np.dstack([grey] * 3))
    deep = save(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
    assert close(read_image(deep), np.dstack([grey] * 3), tolerance=1)
    with_alpha = save(tmp_path / "alpha.png", np.dstack([picture, grey]))
    assert close(read_image(with_alpha), picture, tolerance=0)
    cmyk, palette = tmp_path / "cmyk.jpg", tmp_path / "palette.png"
    Image.fromarray(picture).convert("CMYK").save(cmyk, quality=95)
    assert close(read_image(cmyk), picture, tolerance=20)
    Image.fromarray(picture).quantize(200).save(palette)
    assert close(read_image(palette), picture, tolerance=40)
    for path in tmp_path.iterdir():
        assert image_size(path) == (WIDTH, HEIGHT)


def test_the_orientation_in_exif_is_ignored_as_trainers_do(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = save(tmp_path / "turned.jpg", picture, quality=95, exif=exif)
    assert image_size(turned) == (WIDTH, HEIGHT)
    assert close(read_image(turned), picture)


def test_an_image_of_one_pixel_is_an_image(tmp_path: Path) -> None:
    dot = save(tmp_path / "dot.png", np.full((1, 1, 3), 9, np.uint8))
    assert image_size(dot) == (1, 1)
    assert (read_image(dot) == 9).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
def test_a_jpeg_that_ends_early_is_reported(
    tmp_path: Path, picture: NDArray[np.uint8], share: float, progressive: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    whole = save(tmp_path / "whole.jpg", noise, progressive=progressive).read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ItemError, match=r"cut\.jpg"):
        read_image(cut)
    cut.write_bytes(whole[:-2])
    with pytest.raises(ItemError, match="ends early"):
        read_image(cut)


def with_thumbnail(tmp_path: Path) -> bytes:
    """A JPEG whose EXIF block holds a whole JPEG, with an end marker of its own."""
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    thumbnail = encode_jpeg(noise[::4, ::4].copy())
    whole = save(tmp_path / "plain.jpg", noise).read_bytes()
    block = b"Exif\0\0" + thumbnail
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + whole[2:]


@pytest.mark.parametrize("share", [0.2, 0.4, 0.5, 0.7, 0.95])
def test_the_end_of_an_embedded_thumbnail_is_not_the_end_of_the_image(tmp_path: Path, share: float) -> None:
    whole = with_thumbnail(tmp_path)
    path = tmp_path / "phone.jpg"
    path.write_bytes(whole)
    assert read_image(path).shape == (90, 120, 3)
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ItemError, match=r"phone\.jpg"):
        read_image(path)


def test_what_follows_the_end_of_a_jpeg_is_no_part_of_it(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    """Cameras and phones append all sorts of things, a film for instance."""
    path = save(tmp_path / "live.jpg", picture)
    path.write_bytes(path.read_bytes() + b"\0\0\0\x18ftypmp42" + b"\x12\xff\xda\x00\x0c\xff\xd8 and more")
    assert read_image(path).shape == (HEIGHT, WIDTH, 3)


def test_a_png_that_ends_early_is_reported(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    whole = save(tmp_path / "whole.png", noise).read_bytes()
    cut = tmp_path / "cut.png"
    for share in (0.02, 0.3, 0.9):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ItemError, match=r"cut\.png"):
            read_image(cut)


def test_empty_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("<html>404</html>")
    for reader in (read_image, image_size):
        with pytest.raises(ItemError, match=r"empty\.jpg: the file is empty"):
            reader(empty)
        with pytest.raises(ItemError, match=r"text\.jpg: not an image"):
            reader(text)
        with pytest.raises(ItemError, match=r"none\.jpg: no such file"):
            reader(tmp_path / "none.jpg")
        with pytest.raises(ItemError, match=str(tmp_path)):
            reader(tmp_path)


def png_header(width: int, height: int) -> bytes:
    """The first bytes of a PNG that claims to be as large as that."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data)
    )


def jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(encode_jpeg(np.zeros((16, 16, 3), np.uint8)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("make", [png_header, jpeg_header])
@pytest.mark.parametrize("size", [(60_000, 60_000), (30_000, 30_000), (12_000, 10_000)])
def test_an_image_that_claims_too_many_pixels_is_not_decoded(tmp_path: Path, make: Any, size: tuple[int, int]) -> None:
    path = tmp_path / "huge"
    path.write_bytes(make(*size))
    for reader in (read_image, image_size):
        with pytest.raises(ItemError, match=r"huge: its header claims .*--max-pixels"):
            reader(path)
    assert image_size(path, max_pixels=4_000_000_000) == size


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "a/../../b.jpg", "/etc/passwd", "", "..\\secret.jpg", "a\0.jpg", "a/.."]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ItemError, match="leads out"):
        image_path(tmp_path, name)


def test_a_name_may_lead_into_a_folder(tmp_path: Path) -> None:
    assert image_path(tmp_path, "day/1.jpg") == tmp_path / "day" / "1.jpg"


def test_png_keeps_pixels_and_jpeg_nearly(picture: NDArray[np.uint8]) -> None:
    decoded = np.array(Image.open(io.BytesIO(encode_png(picture[..., ::-1].copy()))))
    assert (decoded == picture).all()
    decoded = np.array(Image.open(io.BytesIO(encode_jpeg(picture[..., ::-1].copy()))))
    assert np.abs(decoded.astype(int) - picture).max() <= 12


def test_masks_survive_hard_and_soft() -> None:
    soft = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (decode_mask(encode_mask(soft, hard=False)) == soft).all()
    hard = np.where(soft > 77, 255, 0).astype(np.uint8)
    data = encode_mask(hard, hard=True)
    assert (decode_mask(data) == hard).all()
    assert (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) == hard).all()
    with pytest.raises(ItemError, match="damaged"):
        decode_mask(data[:20])


def test_what_libjpeg_says_without_a_name_stays_away(
    tmp_path: Path, picture: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "a.jpg", picture)
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"\0" * 20 + data[-2:])
    cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert "extraneous bytes" in capfd.readouterr().err
    read_image(path)
    assert not capfd.readouterr().err
    print("there again", file=sys.stderr)  # noqa: T201
    assert capfd.readouterr().err == "there again\n"
