"""The reader of MPII's struct file: what scipy reads, read in place; and damage of any kind ends in a NodaError."""

from __future__ import annotations

import math
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from noda_synth.errors import NodaError
from noda_synth.formats.files import mat_structs
from noda_synth.formats.files.mat_structs import Matrix, read_variable
from noda_synth.formats.mpii.release import read_release
from tests.mpii_files import EMPTY, all_joints, image, rect, structs, write_release


@cache
def whole() -> bytes:
    """An original-style file with two images, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        people = [rect(all_joints(), {3: "0", 4: "1", 9: EMPTY}), rect(None)]
        return write_release(Path(folder) / "a.mat", [image("a.jpg", people, video=7), image("b.jpg", [])]).read_bytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_every_kind_of_value(tmp_path: Path, compressed: bool) -> None:
    values: dict[str, Any] = {
        "number": 2.5, "whole": np.uint8(7), "negative": np.int16(-3), "logical": True, "digit": "1", "word": "köln",
        "row": np.arange(5.0), "nothing": EMPTY, "no_text": "", "cell": np.array([1, "x"], object),
        "deep": np.ones((2, 2, 2)),
        "list": structs([{"x": 1.0}, {"x": 2.0, "y": "b"}]),
    }  # fmt: skip
    savemat(tmp_path / "a.mat", {"other": 1, "S": values}, do_compression=compressed)
    variable = read_variable(tmp_path / "a.mat", "S")
    assert variable is not None
    (found,) = variable.structs()
    numbers = {name: found[name].number() for name in found}
    assert [numbers[name] for name in ("number", "whole", "negative", "logical", "digit")] == [2.5, 7, -3, 1, 1]
    assert numbers["word"] is numbers["nothing"] is numbers["no_text"] is numbers["cell"] is numbers["list"] is None
    assert found["word"].text() == "köln"
    assert found["number"].text() is found["nothing"].text() is found["no_text"].text() is None
    assert found["row"].numbers().tolist() == [0, 1, 2, 3, 4]
    assert found["deep"].size == 8
    assert [item["x"].number() for item in found["list"].structs()] == [1, 2]
    assert [item["y"].text() for item in found["list"].structs()] == [None, "b"]
    assert found["row"].structs() == found["nothing"].structs() == found["cell"].structs() == []
    assert read_variable(tmp_path / "a.mat", "T") is None


def test_numbers_that_are_no_characters(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"S": "8 bytes."})
    utf_8, double = struct.pack("<II", 16, 8) + b"8 bytes.", struct.pack("<IId", 9, 8, math.nan)
    data = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(data.replace(utf_8, double))
    variable = read_variable(tmp_path / "a.mat", "S")
    assert variable is not None
    assert variable.text() == "\ufffd"


def test_the_other_byte_order(tmp_path: Path) -> None:
    """Old files were written on machines that put the high byte first."""
    data = bytearray(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI")
    number = (
        b"".join(value.to_bytes(4) for value in (14, 56, 6, 8, 6, 0, 5, 8, 1, 1, (1 << 16) | 1, 0x78000000, 9, 8))
        + np.array(2.5, ">f8").tobytes()
    )
    (tmp_path / "a.mat").write_bytes(bytes(data) + number)
    variable = read_variable(tmp_path / "a.mat", "x")
    assert variable is not None
    assert variable.number() == 2.5


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat_structs, "_MAX_BYTES", 1 << 20)
    packed = zlib.compress(bytes(4 << 20))
    element = (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    (tmp_path / "bomb.mat").write_bytes(whole()[:128] + element)
    with pytest.raises(NodaError, match=r"bomb\.mat.*unpacks to more"):
        read_variable(tmp_path / "bomb.mat", "RELEASE")


def test_other_versions_say_so(tmp_path: Path) -> None:
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(NodaError, match="Save it in MATLAB with -v7"):
        read_variable(tmp_path / "new.mat", "RELEASE")


@settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(128, len(whole()) - 1), st.integers(0, 255)), max_size=4), st.integers(1, 100))
def test_any_damage_ends_in_an_error_that_names_the_file(changes: list[tuple[int, int]], percent: int) -> None:
    data = bytearray(whole())
    for place, value in changes:
        data[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mat"
        path.write_bytes(data[: len(data) * percent // 100] if percent < 50 else data)
        try:
            read_release(path)
        except NodaError as error:
            assert str(path) in str(error)


def test_the_values_of_a_whole_file_are_not_read_before_they_are_asked_for(tmp_path: Path) -> None:
    data = whole()
    cut = data.rindex(b"b.jpg")
    (tmp_path / "a.mat").write_bytes(data[:cut] + b"c" + data[cut + 1 :])
    variable = read_variable(tmp_path / "a.mat", "RELEASE")
    assert isinstance(variable, Matrix)
    assert [entry["image"].structs()[0]["name"].text() for entry in variable.structs()[0]["annolist"].structs()] == [
        "a.jpg",
        "c.jpg",
    ]
