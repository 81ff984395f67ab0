"""A million persons in one file: read, and gone through image by image, in a few hundred megabytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_memory import kilobytes, people

pytestmark = pytest.mark.slow


def test_a_million_persons_are_read_in_500_megabytes(tmp_path: Path) -> None:
    assert kilobytes(people(tmp_path / "train.json", 1_000_000), "mpii_json", 1_000_000) < 500_000
