"""validate warns where crops lie differently about people in the training and in the validation part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noda_synth.data.dataset import Person
from noda_synth.formats import find_layout
from noda_synth.validate.crops import check_crops
from noda_synth.validate.entries import TRAINING, VALIDATION, Entries, Entry, read_tolerantly


def entries(
    part: str, *, count: int = 60, down: float = 0.0, spread: float = 0.03, larger: float = 1.0, seed: int = 0
) -> list[Entry]:
    """People whose centers lie `down` heights below the middle of their joints, with a spread; and their scales."""
    rng = np.random.default_rng([seed, part == TRAINING])
    made = []
    for number in range(count):
        joints = rng.uniform((100, 100), (180, 300), (16, 2))
        low, high = joints.min(0), joints.max(0)
        scale = larger * np.hypot(*(high - low)) / 200 * np.exp(rng.normal(0, 0.05))
        center = (low + high) / 2 + 200 * scale * (np.array([0, down]) + rng.normal(0, spread, 2))
        everything = np.ones(16, bool)
        person = Person(f"{number}.jpg", str(number), joints, everything, everything.astype(np.int8), center, scale)
        made.append(Entry(person, f"record {number}", part))
    return made


def test_parts_that_are_alike_pass() -> None:
    for seed in range(20):
        assert not list(check_crops([*entries(TRAINING, seed=seed), *entries(VALIDATION, seed=seed)], "valid.json"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"down": -0.06}, "center down: median "),
        ({"spread": 0.0}, "center across: median"),
        ({"larger": 1.3}, "size of the joint box: median"),
    ],
)
def test_parts_that_differ_are_told_how(change: dict[str, float], told: str) -> None:
    (finding,) = check_crops([*entries(TRAINING), *entries(VALIDATION, **change)], "valid.json")  # type: ignore[arg-type]
    assert finding.kind == "crops-differ" and finding.where == "valid.json" and told in finding.what
    assert finding.severity == "warning"


def test_few_people_tell_nothing() -> None:
    assert not list(check_crops([*entries(TRAINING), *entries(VALIDATION, count=29, down=0.2)], "valid.json"))


@pytest.mark.parametrize(("name", "warned"), [("mpii-640", True), ("mpii-study", False)])
def test_the_cut_of_mpii_with_made_centers_is_found_and_the_scattered_one_passes(
    noda_data: Path, name: str, warned: bool
) -> None:
    if not (noda_data / name).is_dir():
        pytest.skip(f"no {name}")
    layout, dataset, _ = read_tolerantly(find_layout(noda_data / name), None, False)
    found = list(check_crops(Entries(layout, dataset), "valid.json"))
    assert bool(found) == warned, found
