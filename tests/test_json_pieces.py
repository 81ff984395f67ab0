"""JSON in pieces says the same as JSON read whole, wherever a piece ends; damage is named where it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noda_synth.errors import NodaError
from noda_synth.formats.files import json_pieces
from noda_synth.formats.files.atomic import read_json
from noda_synth.formats.files.json_pieces import list_in, open_json


def elements(path: Path) -> list[Any]:
    with open_json(path) as file:
        found = list(file.elements())
        file.end()
    return found


@pytest.mark.parametrize("chunk", range(1, 12))
def test_a_number_may_be_cut_in_two_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(json_pieces, "_CHUNK", chunk)
    path = tmp_path / "numbers.json"
    path.write_text('{"a": -7.25, "list": [1.5, 2.25e-3, 12, 1E+5, "-1.5", {"a": [1.5]}, true], "b": 1e-7}')
    content = json.loads(path.read_text())
    assert list(list_in(path, "list")) == content["list"]
    with open_json(path) as file:
        assert {key: value for key, value in file.items() if key != "list"} == {"a": -7.25, "b": 1e-7}


def test_damage_is_found_without_reading_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_pieces, "_CHUNK", 1 << 10)
    monkeypatch.setattr(json_pieces, "MAX_CHARACTERS", 1 << 12)
    path = tmp_path / "damaged.json"
    path.write_text('[{"a": 1},\n{"b": 2 3},\n' + '{"c": 4},\n' * 2000 + '{"d": 5}]')
    with pytest.raises(NodaError, match="Expecting ',' delimiter at line 2, column 9"):
        elements(path)


def test_a_number_of_thousands_of_digits_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "digits.json"
    path.write_text('[{"image": ' + "1" * 5000 + "}]")
    for read in (elements, read_json):
        with pytest.raises(NodaError, match=r"digits\.json: not valid JSON \(a number of thousands of digits"):
            read(path)
