"""Files that commands write: never over what is read, over what is there only with --overwrite, never in vain."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.command import done, refused
from tests.conftest import Made
from tests.faults import mounted

COMMANDS = ("preview pool", "preview set", "levels", "stats folder", "stats file", "report", "replay")
OUT = {"stats folder": "stats/stats.json", "stats file": "a.svg", "report": "page.html", "replay": "again.jpg"}


@pytest.fixture(scope="module")
def rendered(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.render(tmp_path_factory.mktemp("outputs") / "set", "--ratio", 0.05, "--limit", 2)


def words_of(command: str, made: Made, rendered: Path, out: Path) -> tuple[object, ...]:
    line = (rendered / "manifest.jsonl").read_text().split('"id": "')[1].split('"')[0]
    again = ("--id", line, "--images", made.data / "images", "--pool", made.pool)
    quick = ("--side", 64, "--number", 1)
    words: dict[str, tuple[object, ...]] = {
        "preview pool": ("preview", made.pool, "--out", out, *quick),
        "preview set": ("preview", rendered, "--out", out, *quick),
        "levels": ("levels", made.pool, "--out", out, *quick),
        "stats folder": ("stats", rendered, "--out", out.parent),
        "stats file": ("stats", rendered, "--pool", made.pool, "--out", out),
        "report": ("report", rendered, "--pool", made.pool, "--page", out, "--jobs", 1, *quick),
        "replay": ("replay", rendered, *again, "--out", out),
    }
    return words[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_there_is_replaced_only_if_told_so(drawn: Made, rendered: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / OUT.get(command, "sheet.png")
    out.parent.mkdir(exist_ok=True)
    out.write_text("mine")
    words = words_of(command, drawn, rendered, out)
    said = refused(*words)
    assert f"{out} exists" in said and "--overwrite" in said
    assert out.read_text() == "mine" and len(list(out.parent.iterdir())) == 1
    done(*words, "--overwrite")
    assert out.read_bytes() != b"mine"


@pytest.mark.parametrize("command", ["preview pool", "preview set", "levels", "stats file", "report"])
def test_what_is_read_is_never_written_to(drawn: Made, rendered: Path, tmp_path: Path, command: str) -> None:
    """By whatever name it is reached."""
    read = rendered / "manifest.jsonl" if command in ("preview set", "stats file", "report") else drawn.pool
    link = tmp_path / OUT.get(command, "sheet.png")
    os.link(read, link)
    inside = rendered / "images" / link.name
    before = read.read_bytes()
    for out in (link, *([inside] if read != drawn.pool else [])):
        assert "never written to" in refused(*words_of(command, drawn, rendered, out), "--overwrite")
    assert read.read_bytes() == before and not inside.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_is_read_only_is_named_in_one_line(
    drawn: Made, rendered: Path, tmp_path: Path, command: str
) -> None:
    with mounted(tmp_path / "disk", ["-o", "ro,size=1m"]) as disk:
        said = refused(*words_of(command, drawn, rendered, disk / "deeper" / OUT.get(command, "sheet.png")))
        assert f"cannot be written: {disk} is read-only" in said


@pytest.mark.parametrize("command", ["build-pool", "render", "benchmark", "convert", "demo-data"])
def test_a_folder_that_cannot_be_made_is_named_in_one_line(drawn: Made, tmp_path: Path, command: str) -> None:
    with mounted(tmp_path / "disk", ["-o", "ro,size=1m"]) as disk:
        out = disk / "out"
        words: dict[str, tuple[object, ...]] = {
            "build-pool": ("--data", drawn.data, "--out", out),
            "render": ("--data", drawn.data, "--method", "cutout", "--out", out),
            "benchmark": (drawn.data, out, "--tries", 64),
            "convert": (drawn.data, out),
            "demo-data": (out, "--images", 1, "--valid-images", 1),
        }
        said = refused(command, *words[command])
        assert str(disk) in said and "Read-only file system" in said
