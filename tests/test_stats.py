"""noda-synth stats: joints by kind and state, before and after, and what the renders cover."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noda_synth.data.joint_counts import MPII_VALIDATION, States, total
from noda_synth.data.skeleton import MPII
from tests.command import done, refused
from tests.conftest import Made, without_charts
from tests.drawn_set import records
from tests.other_joints import NINE, NINE_TOML, recast


def stats(data: Path, out: Path, *options: object, figures: bool = True) -> dict[str, Any]:
    with nullcontext() if figures else without_charts():
        done("stats", data, "--out", out, "--overwrite", *options)
    content: dict[str, Any] = json.loads((out / "stats.json").read_text())
    return content


def joints_of(content: dict[str, Any]) -> dict[str, Any]:
    return {series["of"]: series for series in content["joints"]}


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "manifest.jsonl").read_text().splitlines()]


def texts(figure: Path) -> set[str]:
    """What an SVG says: Matplotlib names each text in a comment beside its letters' outlines."""
    return set(re.findall(r"<!-- (.*?) -->", figure.read_text()))


@pytest.fixture(scope="module")
def rendered(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.render(tmp_path_factory.mktemp("rendered") / "set")


def scores(path: Path, *, split: bool = True, metric: str = "PCKh", threshold: str = "0.5") -> Path:
    """An evaluation as `noda-train eval --json` writes it."""
    groups = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    table = {"head": 96.0, **{group: 90.0 - place for place, group in enumerate(groups)}, "mean": 88.0}
    occluded = {**table, "head": None, "wrist": 51.5}
    none = dict.fromkeys(table)
    content = {
        "persons": 8,
        "metric": metric,
        "thresholds": {
            threshold: {
                "all": table,
                "visible": table if split else none,
                "occluded": occluded if split else none,
            }
        },
    }
    path.write_text(json.dumps(content))
    return path


def test_the_published_counts_of_mpii_add_up() -> None:
    assert len(MPII_VALIDATION) == 16
    counted = total(MPII_VALIDATION[joint] for joint in range(16) if joint not in (6, 7))
    assert (counted.labelled, counted.visible, counted.occluded) == (38430, 30686, 7744)
    by_column = {
        group: sum(MPII_VALIDATION[MPII.index[joint]].occluded for joint in joints)
        for group, joints in MPII.groups.items()
    }
    assert by_column == {
        "head": 0, "shoulder": 1288, "elbow": 1277, "wrist": 1442, "hip": 1571, "knee": 1109, "ankle": 1057,
    }  # fmt: skip


def test_states_of_a_plain_set_are_those_of_its_records(drawn: Made, tmp_path: Path) -> None:
    content = stats(drawn.data, tmp_path)
    assert content["renders"] is None
    assert not (tmp_path / "renders.png").exists()
    own, valid = (joints_of(content)[name] for name in ("training part", "validation part"))
    assert own["people"] == len(records(drawn.data))
    everyone = own["all"]
    assert everyone["visible"] + everyone["occluded"] + everyone["unknown"] == 16 * own["people"]
    # One person in three has three joints occluded, one is unknown: see drawn_set.
    assert everyone["occluded"] == 3 * sum(place % 3 == 0 for place in range(own["people"]))
    assert everyone["unknown"] == 16 * sum(place % 3 == 2 for place in range(own["people"]))
    assert valid["all"]["unknown"] == 0
    assert valid["all"]["occluded"] == 3 * valid["people"]
    for joint in ("wrist", "knee"):
        both = [States(**own["by_joint"][f"{side}_{joint}"]) for side in ("left", "right")]
        assert own["by_kind"][joint]["occluded"] == total(both).occluded


def test_a_rendered_set_knows_what_it_was_before(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    before = joints_of(stats(drawn.data, tmp_path / "before", figures=False))["training part"]
    content = joints_of(stats(rendered, tmp_path / "after"))
    assert content["before rendering"]["by_joint"] == before["by_joint"]
    after = content["after rendering"]
    assert after["all"]["occluded"] > before["all"]["occluded"]
    assert after["by_kind"]["head_top"]["occluded"] == 0
    for kind, states in after["by_kind"].items():
        assert sum(states[s] for s in ("visible", "occluded", "unknown")) == sum(
            before["by_kind"][kind][s] for s in ("visible", "occluded", "unknown")
        )


def test_what_the_renders_cover_is_counted_from_the_manifest(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    renders = stats(rendered, tmp_path, "--pool", drawn.pool, figures=False)["renders"]
    lines = lines_of(rendered)
    assert renders["count"] == renders["placed"] == len(lines)
    numbers = Counter(len(line["covered"]) for line in lines)
    assert renders["covered"]["histogram"] == [numbers[n] for n in range(max(numbers) + 1)]
    assert sum(renders["angle"]["sectors"]) == len(lines)
    angles = np.histogram([line["placement"]["angle"] for line in lines], 24, (0, 360))[0]
    assert renders["angle"]["sectors"] == angles.tolist()
    assert renders["methods"] == {"noda": len(lines)}
    # Bodies are brought to the target's size and rescaled by 0.8 to 1.2; poses differ.
    low, middle, high = renders["size"]["percentiles_5_50_95"]
    assert 0.6 < low < middle < high < 1.6
    assert np.array(renders["middle"]["heat"]).sum() <= len(lines)


def test_two_sets_are_compared(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    content = joints_of(stats(rendered, tmp_path, "--against", drawn.data))
    assert list(content)[:2] == ["drawn", "set"]
    assert "before rendering" not in content


def test_sets_with_other_joints_are_not_compared(drawn: Made, drawn_coco: Made) -> None:
    assert "coco17" in refused("stats", drawn.data, "--against", drawn_coco.data)


def test_coco_sets_plain_and_rendered(drawn_coco: Made, tmp_path: Path) -> None:
    plain = joints_of(stats(drawn_coco.data, tmp_path / "plain"))["training part"]
    out = drawn_coco.render(tmp_path / "set")
    content = stats(out, tmp_path / "rendered")
    assert joints_of(content)["before rendering"]["by_joint"] == plain["by_joint"]
    assert content["renders"]["placed"] == len(lines_of(out)) > 0
    assert "MPII's validation set" not in joints_of(content)


@pytest.mark.parametrize("options", [("--copies", 2), ("--append",), ("--originals", "none")])
def test_every_kind_of_rendered_set_is_measured(drawn: Made, tmp_path: Path, options: tuple[object, ...]) -> None:
    out = drawn.render(tmp_path / "set", *options)
    assert stats(out, tmp_path / "stats", figures=False)["renders"]["placed"] == len(lines_of(out))


def test_other_methods_are_counted_and_left_out_where_they_do_not_say_where(rendered: Path, tmp_path: Path) -> None:
    out = copy_of(rendered, tmp_path / "set")
    lines = lines_of(out)
    for number, line in enumerate(lines):
        del line["occluder"]
        line["method"] = ("cutout", "grid")[number % 2]
        rectangle = {key: line["placement"][key] for key in ("left", "top", "width", "height")}
        line["placement"] = rectangle if number % 2 == 0 else {"unit": 24}
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = done("stats", out, "--out", tmp_path / "stats")
    renders = json.loads((tmp_path / "stats" / "stats.json").read_text())["renders"]
    assert renders["methods"] == {"cutout": -(-len(lines) // 2), "grid": len(lines) // 2}
    assert renders["placed"] == -(-len(lines) // 2)
    assert f"of {len(lines) // 2} renders the manifest does not say where" in said
    with Image.open(tmp_path / "stats" / "renders.png") as picture:
        assert picture.width > 1000


def test_a_set_of_other_joints(drawn: Made, tmp_path: Path) -> None:
    file = tmp_path / "nine" / "person_keypoints_train.json"
    recast(drawn.data, file, NINE)
    (tmp_path / "nine.toml").write_text(NINE_TOML)
    content = stats(file, tmp_path / "stats", "--skeleton", tmp_path / "nine.toml")
    assert list(joints_of(content)) == ["training part"]
    assert list(joints_of(content)["training part"]["by_joint"]) == list(NINE)
    images = ("--images", drawn.data / "images")
    assert "0 errors" in done("validate", file, *images, "--skeleton", tmp_path / "nine.toml", "--jobs", 1)


def copy_of(rendered: Path, out: Path) -> Path:
    """A rendered set's annotations, manifest and report, without images."""
    (out / "annot").mkdir(parents=True)
    for name in ("manifest.jsonl", "report.json", "annot/train.json"):
        (out / name).write_bytes((rendered / name).read_bytes())
    return out


def test_a_set_whose_report_does_not_say_what_was_before_says_so(rendered: Path, tmp_path: Path) -> None:
    out = copy_of(rendered, tmp_path / "set")
    report = json.loads((out / "report.json").read_text())
    del report["joints"]["before"]["by_joint"]
    (out / "report.json").write_text(json.dumps(report))
    content = stats(out, tmp_path / "stats")
    assert [series["of"] for series in content["joints"]] == ["after rendering", "MPII's validation set"]
    assert "--against" in content["notes"][0]


def test_scores_stand_beside_the_counts(drawn: Made, tmp_path: Path) -> None:
    evaluation = scores(tmp_path / "eval.json")
    said = done("stats", drawn.data, "--scores", evaluation, "--out", tmp_path / "with")
    assert "lowest on occluded wrists, 51.5; visible ones 88.0" in said
    content = json.loads((tmp_path / "with" / "stats.json").read_text())
    assert content["scores"]["occluded"]["head_top"] is None
    done("stats", drawn.data, "--out", tmp_path / "without", "--format", "svg")
    assert "Accuracy (PCKh@0.5)" not in texts(tmp_path / "without" / "joints.svg")
    figure = tmp_path / "fig1.svg"
    done("stats", drawn.data, "--scores", evaluation, "--out", figure)
    assert {"Accuracy (PCKh@0.5)", "51.5", "88.0", "n/a", "visible", "occluded", "wrist"} <= texts(figure)
    assert not (tmp_path / "stats.json").exists()
    done("stats", drawn.data, "--scores", scores(tmp_path / "eval.json", split=False), "--out", figure, "--overwrite")
    assert "88.0" in texts(figure) and "51.5" not in texts(figure)
    unjudged = json.loads(evaluation.read_text())
    unjudged["thresholds"]["0.5"]["all"] = dict.fromkeys(unjudged["thresholds"]["0.5"]["all"])
    evaluation.write_text(json.dumps(unjudged))
    done("stats", drawn.data, "--scores", evaluation, "--out", figure, "--overwrite")
    assert not {"Accuracy (PCKh@0.5)", "n/a"} & texts(figure)
    by_box = scores(tmp_path / "eval.json", metric="PCK", threshold="0.2")
    assert "accuracy (PCK@0.2, 8 people)" in done("stats", drawn.data, "--scores", by_box, "--out", tmp_path / "box")
    assert refused("stats", drawn.data, "--scores", drawn.data / "annot" / "train.json")
    none_visible = json.loads(scores(evaluation).read_text())
    none_visible["thresholds"]["0.5"]["visible"]["wrist"] = None
    evaluation.write_text(json.dumps(none_visible))
    assert "lowest on occluded wrists, 51.5\n" in done("stats", drawn.data, "--scores", evaluation)


def test_the_figures_have_the_labels_and_the_numbers(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    content = stats(rendered, tmp_path, "--pool", drawn.pool, "--format", "svg")
    after = joints_of(content)["after rendering"]
    knees = after["by_kind"]["knee"]
    assert {"visible", "occluded", "unknown", "knee", "head top"} <= texts(tmp_path / "joints.svg")
    assert f"{sum(knees[state] for state in ('visible', 'occluded', 'unknown')):,}" in texts(tmp_path / "joints.svg")
    assert f"after rendering ({16 * after['people']:,})" in texts(tmp_path / "occluded.svg")
    assert f"{100 * knees['occluded_share']:.1f}+" in texts(tmp_path / "occluded.svg")
    covered = content["renders"]["covered"]["by_kind"]["knee"]
    assert f"{100 * covered['covered'] / covered['labelled']:.0f} %" in texts(tmp_path / "renders.svg")
    for name in ("joints.jpg", "fig1.tiff"):
        assert ".png, .pdf or .svg" in (said := refused("stats", rendered, "--out", tmp_path / name)) and name in said


def test_a_set_of_which_nothing_is_known_has_no_empty_figure(drawn: Made, tmp_path: Path) -> None:
    """No share of occluded joints, no series of unknown ones."""
    file = tmp_path / "person_keypoints_train.json"
    recast(drawn.data, file, NINE)
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["keypoints"][2::3] = [2 * bool(v) for v in annotation["keypoints"][2::3]]
    file.write_text(json.dumps(content))
    (tmp_path / "nine.toml").write_text(NINE_TOML)
    stats(file, tmp_path / "stats", "--skeleton", tmp_path / "nine.toml", "--format", "svg")
    assert "visible" in texts(tmp_path / "stats/joints.svg")
    assert not {"occluded", "unknown"} & texts(tmp_path / "stats/joints.svg")


def test_the_same_set_gives_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        done("stats", rendered, "--out", tmp_path / name)
    names = ("joints.png", "occluded.png", "renders.png", "stats.json")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(names)
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_out_nothing_is_written(drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = done("stats", drawn.data)
    assert "39 people in 26 images" in said
    assert "MPII's validation set: 23.2 %" in said
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_counted_is_refused(drawn: Made, drawn_coco: Made, rendered: Path, tmp_path: Path) -> None:
    assert str(tmp_path) in refused("stats", tmp_path)
    assert "was not rendered from" in refused("stats", rendered, "--pool", drawn_coco.pool)
    out = copy_of(rendered, tmp_path / "set")
    (out / "manifest.jsonl").write_text('{"id": "x"}\n')
    assert "line 1" in refused("stats", out)


def test_real_sets(noda_data: Path, tmp_path: Path) -> None:
    content = joints_of(stats(noda_data / "mpii-mini", tmp_path / "mpii", figures=False))
    assert content["training part"]["all"]["visible"] == 0
    assert 0.1 < content["validation part"]["all"]["occluded_share"] < 0.3
    assert content["validation part"]["by_kind"]["head_top"]["occluded"] == 0
    everyone = done("stats", noda_data / "mpii-mini" / "mpii_human_pose_v1_u12_1.mat")
    assert "people in" in everyone
    content = joints_of(stats(noda_data / "coco-masks", tmp_path / "coco", figures=False))
    assert content["training part"]["all"]["unknown"] == 0


@pytest.mark.parametrize("method", ["keypoint-masking", "parts", "gridmask"])
def test_what_a_method_covers_is_placed_by_its_stamp(drawn: Made, tmp_path: Path, method: str) -> None:
    out = drawn.render(tmp_path / "set", "--method", method, "--limit", 6)
    takes_pool = "pool" in lines_of(out)[0]
    pool = ("--pool", drawn.pool) if takes_pool else ()
    renders = stats(out, tmp_path / "stats", *pool, figures=False)["renders"]
    assert renders["methods"] == {method: 6}
    assert renders["placed"] == 6
    assert renders["size"]["of"] == "rectangles"
    if takes_pool:
        assert stats(out, tmp_path / "without", figures=False)["renders"]["placed"] == 0
    else:
        assert "was not rendered from" in refused("stats", out, "--pool", drawn.pool)


def test_each_of_several_bodies_counts(drawn: Made, tmp_path: Path) -> None:
    options = ("--ratio", 0.6, "--bodies", 2, 2, "--reuse", 3, "--originals", "none")
    out = drawn.render(tmp_path / "set", *options)
    lines = lines_of(out)
    used = Counter(one["body"] for line in lines for one in (line["placement"], *line["placement"]["more"]))
    assert max(used.values()) <= 3
    content = stats(out, tmp_path / "stats", "--pool", drawn.pool, figures=False)["renders"]
    assert sum(content["size"]["histogram"]) == 2 * len(lines) == used.total()
    done("report", out, "--pool", drawn.pool, "--images", drawn.data / "images", "--jobs", 1, "-q")
    assert lines[0]["occluder"]["more"][0]["person"] in (out / "report.html").read_text()
