"""Hundreds of damaged JPEGs and PNGs: each is refused with its name, or decoded at the size its header claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from noda_synth.errors import ItemError
from noda_synth.imaging.images import image_size, read_image
from tests.drawn_set import SIZE, draw_image


def damaged(data: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """A whole file harmed in every way that disks, networks and strangers know."""
    for tenth in range(10):
        yield f"cut at {tenth} tenths", data[: len(data) * tenth // 10]
    for number in range(20):
        flipped = bytearray(data)
        for place in rng.integers(0, len(data), 1 + number):
            flipped[place] ^= 1 << int(rng.integers(8))
        yield f"{number + 1} bits flipped", bytes(flipped)
    for start in range(0, 200, 20):
        yield f"20 bytes of noise at {start}", data[:start] + rng.bytes(20) + data[start + 20 :]
    for side in (0, 1, 30_000, 60_000, 65_535):
        frame = data.find(b"\xff\xc0")
        if frame > 0:
            yield f"claims {side} pixels a side", data[: frame + 5] + side.to_bytes(2) * 2 + data[frame + 9 :]
        else:
            yield f"claims {side} pixels a side", data[:16] + (side * side).to_bytes(4) * 2 + data[24:]
    yield "a hole in the middle", data[: len(data) // 3] + data[len(data) // 2 :]
    yield "twice", data + data


def test_damaged_files_are_refused_by_name_or_decoded_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    path = tmp_path / "harmed.jpg"
    count = refused = 0
    for number in range(6):
        picture, _ = draw_image(rng, people=1)
        kind, options = (".png", []) if number == 5 else (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, number % 2])
        for what, data in damaged(cv2.imencode(kind, picture, options)[1].tobytes(), rng):
            path.write_bytes(data)
            count += 1
            try:
                image = read_image(path)
            except ItemError as error:
                refused += 1
                assert str(path) in str(error), what
            else:
                assert image.shape == (*image_size(path)[::-1], 3), what
                if what.startswith("cut"):
                    assert image.shape[1::-1] == SIZE, what
                    raise AssertionError(f"{what}: a file that ends early was taken for whole")
    assert count > 250
    assert refused > count / 3
