"""One person more or fewer, or another order of the list, changes what it has to and no other render."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.seeding import draws, seeded_order
from tests.conftest import Made
from tests.drawn_set import records
from tests.mpii_files import write_json


@pytest.mark.parametrize("number", [2, 40, 20_000])
def test_one_more_is_drawn_or_changes_nothing(number: int) -> None:
    seeds = np.sort(np.random.default_rng(0).integers(1 << 64, size=number, dtype=np.uint64))
    new = number // 2
    fewer = np.delete(seeds, new)
    changed = 0
    for seed in range(200):
        before, after = (
            some[list(islice(draws(some, np.ones(len(some), bool), np.random.default_rng(seed)), 5))].tolist()
            for some in (fewer, seeds)
        )
        if seeds[new] in after:
            after.remove(seeds[new])
            changed += 1
        assert after == before[: len(after)]
    assert changed <= 200 * 5 / number + 40


def test_all_are_drawn_once_by_the_same_chance_and_nobody_else() -> None:
    seeds = np.sort(np.random.default_rng(0).integers(1 << 64, size=20_000, dtype=np.uint64))
    allowed = np.arange(20_000) % 400 == 0
    rng = np.random.default_rng(1)
    assert sorted(draws(seeds, allowed, rng)) == np.flatnonzero(allowed).tolist()
    assert not list(draws(seeds, ~allowed & False, rng))
    first = np.array([next(draws(seeds[:50], np.ones(50, bool), rng)) for _ in range(10_000)])
    assert ((np.bincount(first, minlength=50) - 200) ** 2 / 200).sum() < 90  # chi squared of 49 degrees: p = 0.0003


def test_the_seeded_order_stays_around_a_new_one() -> None:
    keys = [f"picture{number}.jpg#0" for number in range(50)]
    before, after = (np.array(some)[seeded_order(3, "targets", some)].tolist() for some in (keys[1:], keys))
    after.remove(keys[0])
    assert before == after


@pytest.mark.parametrize("preset", ["paper", "best"])
@pytest.mark.parametrize("change", ["one fewer", "reversed"])
def test_renders_of_others_stay(drawn: Made, tmp_path: Path, preset: str, change: str) -> None:
    options = ("--preset", preset, "--set", "reuse=none", "--originals", "none", "--limit", 12)
    whole = drawn.render(tmp_path / "whole", *options)
    ids = [record["person_id"] for record in json.loads((whole / "annot" / "train.json").read_text())]
    people = [{**record, "person_id": name} for record, name in zip(records(drawn.data), ids, strict=True)]
    first = placements(whole)
    copies = Made(tmp_path / "data", drawn.pool)
    shutil.copytree(drawn.data, copies.data)
    gone = next(iter(first))
    changed = [p for p in people if p["person_id"] != gone] if change == "one fewer" else people[::-1]
    write_json(copies.data / "annot" / "train.json", changed)
    second = placements(copies.render(tmp_path / "changed", *options))
    if change == "reversed":
        assert first == second
    else:
        assert len(first.keys() - second.keys()) == len(second.keys() - first.keys()) == 1
        assert all(second[person] == first[person] for person in first.keys() & second.keys())


def placements(out: Path) -> dict[str, Any]:
    """Person -> placement."""
    lines = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    return {line["person"]: line["placement"] for line in lines}
