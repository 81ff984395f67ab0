"""What all tests share: where the real data lies, and data sets with their pools."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import done
from tests.drawn_set import write_coco, write_mpii

# Behind nohup SIGINT is ignored, and processes that are started here would inherit that and never end by one.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def noda_data() -> Path:
    """The folder that holds mpii-mini, mpii-640 and coco-masks."""
    place = os.environ.get("NODA_DATA")
    if not place or not Path(place).is_dir():
        pytest.skip("NODA_DATA does not name the folder with the real data")
    return Path(place)


@dataclass(frozen=True)
class Made:
    """A data set and its pool, for tests that only read them."""

    data: Path
    pool: Path

    def render(self, out: Path, *options: object) -> Path:
        """Render into `out`, which has to succeed."""
        done("render", "--data", self.data, "--pool", self.pool, "--out", out, "--jobs", 1, "-q", *options)
        return out


def with_pool(data: Path, pool: Path, *options: object) -> Made:
    """A data set and the pool that is built of it."""
    done("build-pool", "--data", data, "--out", pool, "-q", *options)
    return Made(data, pool)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Drawn figures in MPII's layout."""
    with _in_turn(tmp_path_factory) as folder:
        if not (folder / "drawn").exists():
            write_mpii(folder / "drawn")
        return with_pool(folder / "drawn", folder / "drawn.h5", "--grabcut-size", 96, "--jobs", 1)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine images with thirteen drawn figures, in MPII's layout."""
    return write_mpii(tmp_path_factory.mktemp("small"), images=9, seed=8)


@pytest.fixture(scope="session")
def drawn_coco(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Drawn figures as COCO keypoints."""
    with _in_turn(tmp_path_factory) as folder:
        if not (folder / "drawn_coco").exists():
            write_coco(folder / "drawn_coco")
        return with_pool(folder / "drawn_coco", folder / "drawn_coco.h5", "--grabcut-size", 96, "--jobs", 1)


@pytest.fixture(scope="session")
def mpii_mini(noda_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Real people of MPII."""
    with _in_turn(tmp_path_factory) as folder:
        return with_pool(noda_data / "mpii-mini", folder / "mpii_mini.h5", *_QUICK)


@pytest.fixture(scope="session")
def coco_masks(noda_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Real people of COCO, with true outlines."""
    with _in_turn(tmp_path_factory) as folder:
        return with_pool(noda_data / "coco-masks", folder / "coco_masks.h5", *_QUICK)


@pytest.fixture(scope="session", params=["drawn", "mpii_mini"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, Path]:
    """A data set with its pool, and what render made of it, as PNG."""
    made: Made = request.getfixturevalue(request.param)
    with _in_turn(tmp_path_factory) as folder:
        return made, made.render(folder / f"{request.param}_written", "--format", "png", "--jobs", 2)


@contextmanager
def without_charts() -> Iterator[None]:
    """Within it `stats` and `report` draw no charts, which take nearly all of their time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_all", "draw_joints_of"):
            patch.setattr(f"noda_synth.stats.charts.{name}", lambda *_: {})
        yield


_QUICK = ("--levels", "cardboard,grabcut", "--grabcut-size", 64, "--jobs", 2)


@contextmanager
def _in_turn(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that the processes of one test run share: the first makes what the others find there."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "in_turn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared
