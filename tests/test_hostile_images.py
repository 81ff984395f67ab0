"""Images and names at their worst: each costs itself and no more, nothing is waited for, and no bound gives way."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from noda_synth.errors import ItemError, NodaError
from noda_synth.imaging.images import decode_mask, encode_jpeg, encode_png, image_size, plain_size, read_image
from noda_synth.imaging.jpeg import jpeg_style
from noda_synth.methods.object_sources import ObjectFolder
from noda_synth.pool.mask_files import label_values
from tests.command import done, noda


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def fill_byte_jpeg(width: int, height: int, fill: bytes = b"\xff") -> bytes:
    """A grey JPEG of so many pixels, with fill bytes before its first segment, in which a false frame header of
    320 x 240 stands where a reader lands that takes the fill byte for the marker."""
    application = bytearray(fill + b"\xff\xe1" + struct.pack(">H", 0xF000) + bytes(0xF000 - 2))
    data = bytearray(b"\xff\xd8") + application
    false_frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, 240, 320)
    if len(fill) < 100:
        place = 2 + 2 + 0xE1F0
        data[place : place + len(false_frame)] = false_frame
    data += segment(0xDB, b"\0" + b"\x10" * 64)
    data += segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")
    for table in (0x00, 0x10):
        data += segment(0xC4, bytes([table, 0, 1, *[0] * 14, 0]))
    data += segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
    bits = ((width + 7) // 8) * ((height + 7) // 8) * 4
    return bytes(data + bytes(bits // 8) + (b"\x0f" if bits % 8 else b"") + b"\xff\xd9")


@pytest.mark.parametrize("fill", [b"", b"\xff", b"\xff" * 9, b"\xff" * 70_000, b"\x00\x01garbage", b"\xff\x00"])
def test_the_size_by_the_header_is_the_decoders(tmp_path: Path, fill: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(fill_byte_jpeg(2000, 1600, fill))
    assert image_size(tmp_path / "a.jpg") == (2000, 1600)
    for read in (image_size, read_image):
        with pytest.raises(ItemError, match="2000 x 1600 pixels, more than --max-pixels"):
            read(tmp_path / "a.jpg", 1_000_000)
    assert cv2.imdecode(np.frombuffer((tmp_path / "a.jpg").read_bytes(), np.uint8), 0) is None or read_image(
        tmp_path / "a.jpg"
    ).shape == (1600, 2000, 3)


def test_a_png_that_claims_gigabytes_costs_no_more_than_it_has(tmp_path: Path) -> None:
    data = bytearray(encode_png(np.zeros((9, 14), np.uint8)))
    data[33:37] = b"\xed\0\0\0"  # the length of what follows the header
    (tmp_path / "a.png").write_bytes(data)
    for read, what in ((read_image, tmp_path / "a.png"), (decode_mask, bytes(data))):
        with pytest.raises(ItemError, match=f"claims {0xED << 24} bytes, but there are {len(data)}"):
            read(what)  # type: ignore[operator]


ReadsByPillow = Callable[[Path], object]
BY_PILLOW: dict[str, ReadsByPillow] = {
    "the size": lambda path: image_size(path.rename(path.with_suffix(".gif"))),
    "a mask of labels": lambda path: label_values(path, (14, 9)),
    "a cut-out": lambda path: ObjectFolder(path.parent),
}


@pytest.mark.parametrize("reader", BY_PILLOW)
@pytest.mark.parametrize("error", [IndexError, KeyError, TypeError, struct.error, EOFError, AssertionError, OSError])
def test_whatever_pillow_says_of_a_picture_is_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, error: type[Exception]
) -> None:
    def broken(_: object) -> None:
        raise error("deep inside")

    PillowImage.fromarray(np.zeros((9, 14), np.uint8)).save(
        tmp_path / "a.png", "GIF" if reader == "the size" else "PNG"
    )
    monkeypatch.setattr(PillowImage, "open", broken)
    with pytest.raises((ItemError, NodaError), match=r"a\.(png|gif): cannot be decoded \(.?deep inside"):
        BY_PILLOW[reader](tmp_path / "a.png")


def test_a_jpeg_whose_frame_has_no_room_for_its_channels_has_no_style() -> None:
    data = encode_jpeg(np.zeros((9, 14, 3), np.uint8))
    assert jpeg_style(data) is not None
    assert jpeg_style(data.replace(b"\xff\xc0\0\x11", b"\xff\xc0\0\x08")) is None


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xc0\0\x11", b"\xff\xd8\xff\xe0\0\0"])
def test_a_jpeg_without_a_frame_has_no_size(data: bytes) -> None:
    assert plain_size(data) is None


def test_a_picture_of_another_size_than_its_header_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 40, 3), np.uint8))
    monkeypatch.setattr("noda_synth.imaging.images.plain_size", lambda _: (40, 31))
    with pytest.raises(ItemError, match="decodes to 40 x 30 pixels, but its header says 40 x 31"):
        read_image(tmp_path / "a.png")


def test_a_file_of_more_bytes_than_an_image_has_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    os.truncate(path, 100 << 30)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    for read in (image_size, read_image):
        with pytest.raises(ItemError, match="it is not read"):
            read(path)


WORST = ("too long", "loop", "surrogate", "fifo", "folder", "device", "newline")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("demo") / "data"
    done("demo-data", data, "--images", 3, "--valid-images", 1, "--size", "320x240", "--jobs", 1, "-q")
    return data


def spoil(data: Path) -> list[str]:
    """Give the training list a record for each name at its worst; the names."""
    images = data / "images"
    names = ["x" * 300 + ".jpg", "loop.jpg", "half\ud800.jpg", "fifo.jpg", "folder.jpg", "device.jpg", "new\nline.jpg"]
    (images / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(images / "fifo.jpg")
    (images / "folder.jpg").mkdir()
    (images / "device.jpg").symlink_to("/dev/zero")
    records = json.loads((data / "annot" / "train.json").read_text())
    for name in names:
        records.append({**records[0], "image": name, "person_id": f"p\udc00{name}"})
    (data / "annot" / "train.json").write_text(json.dumps(records))
    return names


@pytest.mark.parametrize("command", ["build-pool", "render", "benchmark", "validate", "convert"])
def test_names_at_their_worst_cost_themselves(demo: Path, tmp_path: Path, command: str) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(demo, data)
    names = spoil(data)
    words: dict[str, tuple[object, ...]] = {
        "build-pool": ("--data", data, "--out", out, "--levels", "box", "--everyone", "--follow-links", "--jobs", 1),
        "render": ("--data", data, "--out", out, "--method", "cutout", "--ratio", 1, "--follow-links", "--jobs", 1),
        "benchmark": (data, out, "--tries", 64, "--follow-links", "--jobs", 1),
        "validate": (data, "--jobs", 1),
        "convert": (data, out, "--to", "coco"),
    }
    result = noda(command, *words[command], "-q")
    assert result.exit_code == 1, result.output
    if command == "validate":
        return
    errors = tmp_path / "out.errors.jsonl" if command == "build-pool" else out / "errors.jsonl"
    said = [json.loads(line) for line in errors.read_text().splitlines()]
    for name in names:
        assert any(name in problem["item"] or name in problem["reason"] for problem in said), name
