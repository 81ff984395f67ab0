"""What all tests share: where the real data lies, and data sets with their pools."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import done
from tests.drawn_set import write_coco, write_mpii


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


def _made(data: Path, pool: Path, *options: object) -> Made:
    done("build-pool", "--data", data, "--out", pool, "-q", *options)
    return Made(data, pool)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Drawn figures in MPII's layout."""
    folder = tmp_path_factory.mktemp("drawn")
    return _made(write_mpii(folder / "mpii"), folder / "pool.h5", "--grabcut-size", 96, "--jobs", 1)


@pytest.fixture(scope="session")
def drawn_coco(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Drawn figures as COCO keypoints."""
    folder = tmp_path_factory.mktemp("drawn_coco")
    return _made(write_coco(folder / "coco"), folder / "pool.h5", "--grabcut-size", 96, "--jobs", 1)


@pytest.fixture(scope="session")
def mpii_mini(noda_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Real people of MPII."""
    pool = tmp_path_factory.mktemp("mpii_mini") / "pool.h5"
    return _made(noda_data / "mpii-mini", pool, "--grabcut-size", 64, "--jobs", 2)


@pytest.fixture(scope="session")
def coco_masks(noda_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Real people of COCO, with true outlines."""
    pool = tmp_path_factory.mktemp("coco_masks") / "pool.h5"
    return _made(noda_data / "coco-masks", pool, "--grabcut-size", 64, "--jobs", 2)
