"""The command line: quick, explained by examples that run, and light on imports."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from noda_synth.cli import COMMANDS
from noda_synth.version import __version__
from tests.command import ROOT, Process, done, noda, refused
from tests.conftest import Made

HEAVY = ("cv2", "numpy", "scipy", "h5py", "torch", "torchvision", "joblib", "PIL", "matplotlib")


def loaded_after(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter has after some code."""
    tell = f"import sys; print('\\n' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return set(result.stdout.splitlines()[-1].split())


def test_the_command_line_itself_imports_nothing_heavy() -> None:
    assert loaded_after("import noda_synth.cli") == set()
    assert loaded_after(invoking(["--help"])) == set()


def invoking(*commands: list[str]) -> str:
    """Python that runs commands, each of which has to succeed."""
    return (
        "from click.testing import CliRunner\nfrom noda_synth.cli import main\n"
        f"for words in {commands!r}:\n    assert CliRunner().invoke(main, words).exit_code == 0, words"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    assert loaded_after(invoking([command, "--help"])) == set()


def test_help_answers_in_less_than_half_a_second() -> None:
    """Of processor time, which does not depend on what else the machine has to do."""
    took = []
    for _ in range(3):
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "noda_synth", "--help"], cwd=ROOT, capture_output=True, check=True, timeout=120
        )
        after = os.times()
        took.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(took) < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    for flag in ("--help", "-h"):
        said = done(command, flag)
        assert f"noda-synth {command} " in said
        assert "Example" in said
    assert command in done("--help")


def test_version() -> None:
    assert done("--version") == f"noda-synth, version {__version__}\n"


def test_an_unknown_command_or_option_is_usage() -> None:
    for words in (("rendr",), ("render", "--ration", "0.5"), ("replay",), ("preview",)):
        assert noda(*words).exit_code == 2


def examples(command: str) -> list[str]:
    """The command lines of a help page, joined where they are broken, without the program's name."""
    said = done(*([command] if command else []), "--help").replace("\\\n", " ")
    return re.findall(r"^\s+noda-synth (.+)$", said, re.MULTILINE)


def test_on_windows_the_command_says_at_once_to_use_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noda_synth.cli.os", SimpleNamespace(name="nt"))
    for words in ([], ["--help"], ["render", "--ratio", "0.5"]):
        assert "in WSL" in refused(*words)


def test_the_command_line_can_be_imported_without_posix() -> None:
    """Windows has no fcntl."""
    assert loaded_after("import sys; sys.modules['fcntl'] = None\nimport noda_synth.cli") == set()


def test_a_misspelt_command_gets_a_guess() -> None:
    assert "No such command 'rendr'. Did you mean 'render'?" in refused("rendr")
    assert "Did you mean" not in refused("xyzzy")


def test_the_examples_in_the_help_run(
    drawn: Made, drawn_coco: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From build-pool to replay, in a folder with a data set in the usual place."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drawn.data, "data/mpii")
    shutil.copytree(drawn.data, "data/demo")
    shutil.copytree(drawn_coco.data, "data/coco")
    whole = {"size": [300, 360], "counts": [0, 300 * 360]}
    Path("sam_results.json").write_text(json.dumps([{"image_id": "000.jpg", "segmentation": whole}]))
    shutil.copytree(drawn.data / "images", "pictures")
    shutil.copytree(drawn.data / "annot", "annot")
    ran = 0
    for command in ("build-pool", "render", "preview", "replay"):
        for text in examples(command):
            words = shlex.split(text)
            if "--scheduler" in words or "--shard" in words:
                continue  # these need other machines
            if command == "replay":
                manifest = Path("data/mpii_noda/manifest.jsonl").read_text()
                words[words.index("--id") + 1] = json.loads(manifest.splitlines()[0])["id"]
            if command == "build-pool":
                words += ["--grabcut-size", "64"]
            if command in ("build-pool", "render"):
                words += ["--overwrite", "--jobs", "1"]
            result = noda(*words)
            assert result.exit_code == 0, (text, result.output)
            ran += 1
    assert ran >= 8


def test_a_whole_run_never_imports_torch(drawn: Made, tmp_path: Path) -> None:
    data, pool, out = str(drawn.data), str(tmp_path / "pool.h5"), str(tmp_path / "set")
    code = invoking(
        ["build-pool", "--data", data, "--out", pool, "--levels", "cardboard", "--jobs", "1"],
        ["render", "--data", data, "--pool", pool, "--out", out, "--mask", "cardboard", "--coco", "--jobs", "1"],
        ["preview", out, "--out", str(tmp_path / "sheet.png")],
    )
    assert not loaded_after(code) & {"torch", "torchvision"}
    assert (tmp_path / "sheet.png").exists()


def test_quiet_says_nothing_and_verbose_names_every_problem(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    words = ("render", "--data", data, "--pool", drawn.pool, "--jobs", 1)
    result = noda(*words, "--out", tmp_path / "quiet", "-q")
    assert result.output == ""
    for path in sorted((data / "images").glob("*.jpg"))[:9]:
        path.unlink()
    result = noda(*words, "--out", tmp_path / "few")
    assert result.exit_code == 1
    assert "more; all in" in result.stderr
    assert result.stderr.count("failed: ") == 5
    result = noda(*words, "--out", tmp_path / "all", "-v")
    count = len((tmp_path / "all" / "errors.jsonl").read_text().splitlines())
    assert result.stderr.count("failed: ") == count > 5


def test_a_log_gets_plain_lines_and_no_carriage_returns(drawn: Made, tmp_path: Path) -> None:
    with Process("render", "--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "set") as running:
        assert running.wait(timeout=60) == 0
        said = running.said()
    assert "\r" not in said
    assert "\x1b" not in said
    assert "20 of 39 people covered, 20 images in" in said


def test_a_level_that_there_is_not_is_refused_by_name(drawn: Made, tmp_path: Path) -> None:
    said = refused("build-pool", "--data", drawn.data, "--out", tmp_path / "pool.h5", "--levels", "box,sam")
    assert "--levels box,sam" in said
    assert "posecut" in said
    assert not list(tmp_path.iterdir())


def test_without_any_option_the_error_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("build-pool", "render"):
        said = refused(command)
        assert "data/mpii" in said
        assert "demo-data" in said
    assert not list(tmp_path.iterdir())
