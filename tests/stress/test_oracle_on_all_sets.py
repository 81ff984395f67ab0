"""Every preset, edge, mask and method on every set at hand, looked at by tests/oracle.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from noda_synth.methods import METHODS
from tests.command import done
from tests.conftest import Made
from tests.oracle import Written, check_set
from tests.test_methods import cut_outs
from tests.test_oracle import FOR_THE_ORACLE

pytestmark = pytest.mark.slow

CHOICES: dict[str, tuple[object, ...]] = {
    "paper": ("--preset", "paper"),
    "best": ("--preset", "best"),
    "best, all": ("--preset", "best", "--ratio", 1, "--set", "reuse=none", "--set", "body_quality=1"),
    "ground or nobody": ("--preset", "best", "--no-ground", "skip", "--ratio", 1),
    "box, hard": ("--mask", "box", "--smooth", "none"),
    "cardboard, feathered": ("--mask", "cardboard", "--smooth", "feather", "--protect", "points"),
    "all three": ("--mask", "mixed", "--seed", 5),
    **{method: ("--method", method) for method in METHODS if method != "noda"},
    "three parts": ("--method", "parts", "--set", "number=3,3", "--set", "smooth=none"),
    "black squares": ("--method", "hide-and-seek", "--set", "fill=black"),
}
SETS = ("drawn", "drawn_coco", "demo", "mpii-mini", "mpii-640", "coco-masks")


@pytest.fixture(scope="module", params=SETS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A set with its pool of all levels."""
    name = request.param
    if name in ("drawn", "drawn_coco"):
        found: Made = request.getfixturevalue(name)
        return found
    folder = tmp_path_factory.mktemp(name)
    if name == "demo":
        data = folder / "set"
        done("demo-data", data, "--images", 40, "--valid-images", 6, "--size", "640x480", "-q")
    else:
        data = request.getfixturevalue("noda_data") / name
    done("build-pool", "--data", data, "--out", folder / "pool.h5", "--grabcut-size", 96, "-q")
    return Made(data, folder / "pool.h5")


@pytest.mark.parametrize("choice", CHOICES)
def test_a_set_is_what_the_documents_say(made: Made, tmp_path: Path, choice: str) -> None:
    if made.data.name == "drawn_coco" and "best" in CHOICES[choice]:
        pytest.skip("its bodies are too crude to stand on a ground")
    options = (*CHOICES[choice], *(("--objects", cut_outs(made)) if choice == "objects" else ()))
    out = made.render(tmp_path / "set", *FOR_THE_ORACLE, "--limit", 40, "--jobs", 2, *options)
    seen = check_set(Written(out, made.data, made.pool))
    assert seen["covered joints"] or choice in ("recompress", "gridmask", "objects", "parts", "three parts")
    if "method" not in str(options):
        assert seen["bodies matched"] > seen["bodies"] / 2 or made.data.name.startswith("drawn")
