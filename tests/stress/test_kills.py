"""SIGKILL at twenty random moments of each pipeline, to the parent or to a worker; then the same bytes as ever."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.command import Process, done
from tests.faults import Undisturbed, kill_at, undisturbed

__all__ = ["undisturbed"]
MOMENTS = 20
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def durations(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Seconds that each command takes with two workers."""
    seconds = {}
    for command in ("build-pool", "render"):
        start = time.monotonic()
        with Process(*undisturbed.words(command, tmp_path_factory.mktemp("timed")), "--jobs", 2) as running:
            assert running.wait(timeout=120) == 0, running.said()
        seconds[command] = time.monotonic() - start
    return seconds


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("victim", ["parent", "worker"])
@pytest.mark.parametrize("command", ["build-pool", "render"])
def test_killed_at_a_random_moment(
    undisturbed: Undisturbed, durations: dict[str, float], tmp_path: Path, command: str, victim: str, moment: int
) -> None:
    chance = random.Random(f"{command} {victim} {moment}")
    words = undisturbed.words(command, tmp_path)
    code, said = kill_at(chance.uniform(0, durations[command]), (*words, "--jobs", 2), victim, chance)
    assert code in (0, -9) if victim == "parent" else code in (0, 2), said
    assert "Traceback" not in said
    done(*words, "--jobs", 1)
    undisturbed.assert_same(tmp_path)
