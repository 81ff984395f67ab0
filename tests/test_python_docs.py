"""The examples of docs/python.md run, in one go from top to bottom."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

import noda_synth
from tests.command import ROOT
from tests.conftest import Made

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
CORE = [block for block in BLOCKS if "adapters" not in block]
NAMED = re.compile(r"noda_synth\.adapters\.(\w+)")
ADAPTERS = {found[1]: block for block in BLOCKS if (found := NAMED.search(block))}


def test_the_examples_of_the_page_run(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mpii").symlink_to(drawn.data)
    monkeypatch.chdir(tmp_path)
    record = json.loads((drawn.data / "annot" / "train.json").read_text())[0]
    picture = cv2.imread(str(drawn.data / "images" / record["image"]))
    assert picture is not None
    names = {
        "image": picture[..., ::-1],
        "joints": [[x - 1, y - 1] for x, y in record["joints"]],
        "labelled": [True] * 16,
        "visible": [-1] * 16,
        "scale": record["scale"],
        "epoch": 3,
    }
    assert len(CORE) == 4
    functions, *rest = CORE
    before, after = functions.split("noda_synth.replay", 1)
    exec(before.replace('"data/pool.h5")', '"data/pool.h5", jobs=1, quiet=True, grabcut_size=96)', 1), names)
    line = (tmp_path / "data" / "mpii_noda" / "manifest.jsonl").read_text().splitlines()[0]
    names["next_id"] = json.loads(line)["id"]
    exec("noda_synth.replay" + after, names)
    for block in rest:
        exec(block, names)
    said = capsys.readouterr().out
    assert "39 people with joints right_ankle" in said and "posecut" in said
    assert (tmp_path / "again.jpg").read_bytes() == next(
        (tmp_path / "data/mpii_noda/images").rglob(json.loads(line)["file"].split("/")[-1])
    ).read_bytes()


@pytest.mark.parametrize("name", ["torch", "albumentations", "mmpose", "torchvision"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_examples_of_other_libraries_run(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    try:
        import_module("mmengine.registry" if name == "mmpose" else name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} cannot be imported: {error}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pool.h5").symlink_to(drawn.pool)
    monkeypatch.chdir(tmp_path)
    person = noda_synth.read_dataset(drawn.data).samples[0]
    picture = cv2.imread(str(drawn.data / "images" / person.image))
    assert picture is not None
    image = np.ascontiguousarray(picture[..., ::-1])
    sample = {"image": image, "joints": person.joints, "visible": person.visible}
    names = {**sample, "visible": person.visible.tolist(), "epoch": 0, "samples": [sample] * 4}
    exec(ADAPTERS[name], names)
    if name == "mmpose":
        registry = import_module("mmengine.registry").TRANSFORMS
        import_module(*names["custom_imports"]["imports"])  # type: ignore[call-overload]
        assert registry.build(names["occlude"]).prob == 0.5
