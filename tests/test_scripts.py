"""The developers' scripts: each can be imported, which runs nothing, and each has a target in the Makefile."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from noda_synth.formats import Layout, read_dataset
from noda_synth.formats.files.detect import detect
from scripts.fuzz_readers import KINDS, reader

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_and_has_a_target(name: str) -> None:
    if name == "gpu_report":
        pytest.importorskip("torch")
    module = import_module(f"scripts.{name}")
    assert callable(module.main)
    for text in (module.__doc__ or "", (ROOT / "Makefile").read_text()):
        assert f"scripts/{name}.py" in text or f"scripts.{name}" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_fuzzer_reads_its_seeds_and_halves_of_them(tmp_path: Path, kind: str) -> None:
    if kind == "weights":
        pytest.importorskip("torch")
    seeds, path = tmp_path / kind, tmp_path / "read" / "manifest.jsonl"
    for folder in (seeds, path.parent):
        folder.mkdir()
    KINDS[kind](seeds)
    read = reader(kind)
    for seed in seeds.iterdir():
        content = seed.read_bytes()
        for length in (len(content), len(content) // 2, 0):
            path.write_bytes(content[:length])
            read(path)


def test_the_fuzzers_seeds_are_files_that_the_readers_take(tmp_path: Path) -> None:
    KINDS["annotations"](tmp_path)
    kinds = {path.name: detect(path) for path in tmp_path.iterdir() if path.suffix != ".txt"}
    assert set(kinds.values()) == {"mpii_json", "mpii_mat", "coco", "gt_valid"}
    for name, kind in kinds.items():
        if kind != "gt_valid":
            assert read_dataset(Layout(tmp_path, tmp_path / name, kind), all_train=kind == "mpii_mat").persons
