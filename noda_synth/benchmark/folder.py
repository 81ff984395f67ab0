"""The folder of a benchmark, as those see it who only read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_json

BENCHMARK = "benchmark.json"
_KEYS: dict[str, set[str]] = {
    "name": set(),
    "settings": {"seed", "tries", "originals"},
    "labels": set(),
    "inputs": set(),
    "versions": {"opencv"},
}
"""Key -> the keys of the object that stands there; none where it is no object."""


def is_benchmark(folder: Path) -> bool:
    """Whether there is a benchmark in a folder, to look at."""
    return (folder / BENCHMARK).is_file()


def read_benchmark(folder: Path) -> dict[str, Any]:
    """The content of benchmark.json. Raises NodaError for a folder that is no benchmark."""
    if not is_benchmark(folder):
        raise NodaError(f"{folder}: no benchmark that `noda-synth benchmark` has written ({BENCHMARK} is missing)")
    content = read_json(folder / BENCHMARK)
    if not isinstance(content, dict) or not all(_has(content.get(key), inner) for key, inner in _KEYS.items()):
        raise NodaError(f"{folder / BENCHMARK}: not as `noda-synth benchmark` wrote it; write the benchmark again")
    return content


def _has(value: Any, keys: set[str]) -> bool:
    return value is not None and (not keys or (isinstance(value, dict) and value.keys() >= keys))
