"""What the tests of the trainer share: where the real data lies, and a small data set drawn on the spot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def noda_data() -> Path:
    """The folder with mpii-mini, mpii-640, mpii-val-golden and weights."""
    place = os.environ.get("NODA_DATA")
    if not place or not Path(place).is_dir():
        pytest.skip("NODA_DATA does not name the folder with the real data")
    return Path(place)
