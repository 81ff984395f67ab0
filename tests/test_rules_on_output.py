"""Every rule of the overlay strategy holds on every rendered image; checked from the outside by tests/rules.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Made
from tests.drawn_set import records
from tests.rules import JOINTS, check, copies


def test_every_rule_holds_on_every_image(written: tuple[Made, Path]) -> None:
    made, out = written
    checked = 0
    for copy in copies(out, made.data, made.pool):
        check(copy)
        checked += 1
    people = len(records(made.data))
    assert checked == int(np.floor(0.5 * people + 0.5))


def test_joints_never_move_and_records_keep_their_numbers(written: tuple[Made, Path]) -> None:
    made, out = written
    covered = {line["row"]: line for line in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())}
    after = json.loads((out / "annot" / "train.json").read_text())
    before = records(made.data)
    assert len(after) == len(before)
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        image = covered[row]["file"] if row in covered else old["image"]
        assert {key: new[key] for key in old} == {**old, "image": image}
        assert set(new) - set(old) == {"joints_visible", "person_id"} | ({"synth"} if row in covered else set())
        assert json.dumps({key: new[key] for key in old}) == json.dumps({**old, "image": image})


def test_visibility_changes_under_the_body_and_nowhere_else(written: tuple[Made, Path], tmp_path: Path) -> None:
    made, out = written
    clean = made.render(tmp_path / "clean", "--ratio", 0, "--originals", "none")
    before = json.loads((clean / "annot" / "train.json").read_text())
    after = json.loads((out / "annot" / "train.json").read_text())
    for old, new in zip(before, after, strict=True):
        covered = [JOINTS.index(joint) for joint in new.get("synth", {}).get("covered", [])]
        expected = [0 if joint in covered else state for joint, state in enumerate(old["joints_visible"])]
        assert new["joints_visible"] == expected


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--mask", "box", "--smooth", "none", "--rescale", "1", "1"], {"rescale": (1.0, 1.0)}),
        (["--mask", "cardboard", "--smooth", "feather"], {}),
        (["--mask", "mixed", "--protect", "points"], {"segment": False}),
        (["--mask", "posecut", "--smooth", "matte"], {}),
        (["--radius", "0.5", "0.7", "--max-enlarge", "1"], {"radius": (0.5, 0.7), "max_enlarge": 1.0}),
        (["--ratio", "1", "--seed", "7"], {}),
        (["--mirror", "--ratio", "1"], {}),
        (["--mirror", "--bodies", "2", "3"], {}),
        (["--bodies", "1", "3", "--mask", "posecut", "--smooth", "matte", "--max-covered", "7", "--ratio", "1"], {}),
    ],
)
def test_every_rule_holds_for_every_choice(
    drawn: Made, tmp_path: Path, options: list[str], rules: dict[str, tuple[float, float]]
) -> None:
    out = drawn.render(tmp_path / "set", "--format", "png", *options)
    found = list(copies(out, drawn.data, drawn.pool))
    for copy in found:
        check(copy, **rules)  # type: ignore[arg-type]
    assert len(found) == (39 if "--ratio" in options else 20)
    mirrored = [placement["mirrored"] for copy in found for placement, _ in copy.bodies]
    assert 0.2 < np.mean(mirrored) < 0.8 if "--mirror" in options else not any(mirrored)
    numbers = {len(copy.bodies) for copy in found}
    if "--bodies" in options:
        assert {2, 3} <= numbers <= ({2, 3} if options[options.index("--bodies") + 1] == "2" else {1, 2, 3})
    else:
        assert numbers == {1}
    if "--max-covered" in options:
        assert max(len(copy.line["covered"]) for copy in found) <= 7
    if "mixed" in options:
        assert {copy.line["placement"]["level"] for copy in found} >= {"box", "cardboard", "grabcut"}


def test_a_joint_known_to_be_occluded_does_not_count_as_covered(drawn: Made, tmp_path: Path) -> None:
    """The .mat says who is occluded; the JSON alone does not."""
    clean = drawn.render(tmp_path / "clean", "--ratio", 0)
    before = json.loads((clean / "annot" / "train.json").read_text())
    limbs = [place for place, name in enumerate(JOINTS) if name.split("_")[-1] in ("elbow", "wrist", "knee", "ankle")]
    out = drawn.render(tmp_path / "set", "--ratio", 1, "--originals", "none", "--seed", 3)
    for copy in copies(out, drawn.data, drawn.pool):
        covered = [JOINTS.index(name) for name in copy.line["covered"]]
        assert any(joint in limbs and before[copy.line["row"]]["joints_visible"][joint] != 0 for joint in covered)


def test_bounds_on_the_number_of_covered_joints(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "few", "--max-covered", 2, "--ratio", 1)
    assert {len(copy.line["covered"]) for copy in copies(out, drawn.data, drawn.pool)} <= {1, 2}
    out = drawn.render(tmp_path / "many", "--min-covered", 3)
    limbs = ("elbow", "wrist", "knee", "ankle")
    for copy in copies(out, drawn.data, drawn.pool):
        assert sum(name.split("_")[-1] in limbs for name in copy.line["covered"]) >= 3


def test_protected_joints_can_be_chosen(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--protect-joints", "right_wrist, left_wrist,right_knee", "--ratio", 1)
    covered = [set(copy.line["covered"]) for copy in copies(out, drawn.data, drawn.pool)]
    assert covered
    assert not set.union(*covered) & {"right_wrist", "left_wrist", "right_knee"}


def test_the_number_of_people_is_the_ratio_rounded(drawn: Made, tmp_path: Path) -> None:
    for ratio, expected in ((0, 0), (0.0128, 0), (0.0129, 1), (0.5, 20), (0.1, 4)):
        out = drawn.render(tmp_path / f"set{ratio}", "--ratio", ratio, "--originals", "none")
        report = json.loads((out / "report.json").read_text())
        assert report["counts"]["wanted"] == report["counts"]["copies"] == expected
