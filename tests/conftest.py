"""What all tests share: where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def noda_data() -> Path:
    """The folder that holds mpii-mini, mpii-640 and coco-masks."""
    place = os.environ.get("NODA_DATA")
    if not place or not Path(place).is_dir():
        pytest.skip("NODA_DATA does not name the folder with the real data")
    return Path(place)
