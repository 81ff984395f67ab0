"""What render writes, choice by choice."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noda_synth.version import __version__
from tests.command import done, tree
from tests.conftest import Made
from tests.drawn_set import JOINTS, records
from tests.rules import check, copies, read


def load(out: Path, name: str = "annot/train.json") -> Any:
    return json.loads((out / name).read_text())


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


def test_several_copies_of_each_person_give_several_lists(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--copies", 3, "--ratio", 0.3)
    lists = [load(out, f"annot/train_{number}.json") for number in (1, 2, 3)]
    assert load(out) == lists[0]
    chosen = [[row for row, record in enumerate(one) if "synth" in record] for one in lists]
    assert chosen[0] == chosen[1] == chosen[2]
    assert len(chosen[0]) == 12
    for row in chosen[0]:
        assert len({one[row]["image"] for one in lists}) == 3
        assert len({json.dumps(line["placement"]) for line in lines(out) if line["row"] == row}) == 3
    assert len(lines(out)) == 36
    assert all((out / "images" / line["file"]).is_file() for line in lines(out))


def test_more_copies_change_nothing_about_the_first(drawn: Made, tmp_path: Path) -> None:
    one = {line["row"]: line["placement"] for line in lines(drawn.render(tmp_path / "one"))}
    three = lines(drawn.render(tmp_path / "three", "--copies", 3))
    three = {line["row"]: line["placement"] for line in three if line["copy"] == 0}
    assert one.keys() & three.keys()
    assert all(one[row] == three[row] for row in one.keys() & three.keys())


def test_append_keeps_everyone_and_adds_the_copies(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--append")
    after, before = load(out), records(drawn.data)
    assert len(after) == 39 + 20
    assert [{key: new[key] for key in old} for old, new in zip(before, after, strict=False)] == before
    assert all("synth" in record and "_" in record["image"] for record in after[39:])
    replaced = load(drawn.render(tmp_path / "replaced"))
    assert sorted(r["image"] for r in after[39:]) == sorted(r["image"] for r in replaced if "synth" in r)


@pytest.mark.parametrize("how", ["symlink", "hardlink", "copy", "none"])
def test_originals_get_beside_the_copies_in_four_ways(drawn: Made, tmp_path: Path, how: str) -> None:
    out = drawn.render(tmp_path / "set", "--originals", how)
    valid = load(out, "annot/valid.json")
    for name in {record["image"] for record in records(drawn.data) + valid}:
        source, place = drawn.data / "images" / name, out / "images" / name
        if how == "none":
            assert not os.path.lexists(place)
            continue
        assert place.read_bytes() == source.read_bytes()
        assert place.is_symlink() == (how == "symlink")
        assert place.samefile(source) == (how != "copy")
        assert (place.lstat().st_nlink > 1) == (how == "hardlink")


def test_links_hold_when_the_folders_move_together(drawn: Made, tmp_path: Path) -> None:
    shutil.copytree(drawn.data, tmp_path / "here" / "data")
    Made(tmp_path / "here" / "data", drawn.pool).render(tmp_path / "here" / "set")
    (tmp_path / "here").rename(tmp_path / "there")
    assert (tmp_path / "there" / "set" / "images" / "000.jpg").is_file()


def test_limit_renders_the_first_few_of_the_same_plan(drawn: Made, tmp_path: Path) -> None:
    few = drawn.render(tmp_path / "few", "--limit", 4)
    half = drawn.render(tmp_path / "half")
    assert len(lines(few)) == 4
    assert {line["id"] for line in lines(few)} <= {line["id"] for line in lines(half)}


def test_a_smaller_ratio_takes_some_of_the_same_people(drawn: Made, tmp_path: Path) -> None:
    small = {line["id"] for line in lines(drawn.render(tmp_path / "small", "--ratio", 0.2))}
    large = {line["id"] for line in lines(drawn.render(tmp_path / "large", "--ratio", 0.8))}
    assert small < large


def test_another_seed_takes_other_people_in_other_places(drawn: Made, tmp_path: Path) -> None:
    one = {line["row"]: line["placement"] for line in lines(drawn.render(tmp_path / "one"))}
    two = {line["row"]: line["placement"] for line in lines(drawn.render(tmp_path / "two", "--seed", 1))}
    assert one.keys() != two.keys()
    assert all(one[row] != two[row] for row in one.keys() & two.keys())


def test_a_dry_run_says_what_would_be_done_and_does_nothing(drawn: Made, tmp_path: Path) -> None:
    words = ("render", "--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "set", "--jobs", 1)
    said = done(*words, "--dry-run", "--copies", 2)
    assert "20 of 39 people" in said
    assert not list(tmp_path.iterdir())
    megabytes = float(said.split("about ")[1].split(" MB")[0])
    done(*words, "--copies", 2, "-q")
    size = sum((tmp_path / "set" / "images" / line["file"]).stat().st_size for line in lines(tmp_path / "set")) / 1e6
    assert 0.5 * size < megabytes < 2 * size


def test_the_report_counts_what_the_files_show(drawn: Made, tmp_path: Path) -> None:
    clean, out = drawn.render(tmp_path / "clean", "--ratio", 0), drawn.render(tmp_path / "set")
    report = load(out, "report.json")
    made = lines(out)
    counts = report["counts"]
    assert (counts["people"], counts["images"], counts["validation_people"]) == (39, 26, 6)
    assert counts["wanted"] == counts["covered_people"] == counts["copies"] == len(made) == 20
    assert counts["failed"] == 0
    covered = Counter(joint for line in made for joint in line["covered"])
    assert report["covered_joints"] == {joint: covered[joint] for joint in JOINTS}
    for when, folder in (("before", clean), ("after", out)):
        states = Counter(state for record in load(folder) for state in record["joints_visible"])
        found = report["joints"][when]
        assert (found["visible"], found["occluded"], found["unknown"]) == (states[1], states[0], states[-1])
        assert found["occluded_share"] == pytest.approx(states[0] / (39 * 16), abs=1e-6)
    assert report["joints"]["after"]["occluded_share"] > report["joints"]["before"]["occluded_share"]
    assert report["versions"]["noda-synth"] == __version__
    assert report["settings"]["ratio"] == 0.5
    assert all(line["settings"] == report["settings_hash"] for line in made)


def test_who_is_passed_over_is_counted_with_the_reason(drawn: Made, tmp_path: Path) -> None:
    """Nobody is hidden by so much: what cannot be had is said, and the rest is rendered."""
    said = done(
        "render", "--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "set", "--ratio", 1,
        "--min-covered", 4, "--tries", 3, "--jobs", 1,
    )  # fmt: skip
    report = load(tmp_path / "set", "report.json")
    counts = report["counts"]
    assert 0 < counts["covered_people"] < counts["wanted"] == 39
    assert sum(report["passed_over"].values()) == 39 - counts["covered_people"]
    assert "39 were asked for" in said
    for reason, count in report["passed_over"].items():
        assert f"{count} passed over: {reason}" in said


def test_a_target_without_a_protected_joint_is_passed_over(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    content = records(data)
    for record in content[:30]:
        record["joints"][JOINTS.index("head_top")] = [-1, -1]
        record["joints_vis"][JOINTS.index("head_top")] = 0
    (data / "annot" / "train.json").write_text(json.dumps(content))
    out = Made(data, drawn.pool).render(tmp_path / "set", "--ratio", 1)
    assert {line["row"] for line in lines(out)} == set(range(30, 39))
    assert load(out, "report.json")["passed_over"] == {"a protected joint is not labelled": 30}


def test_paths_and_timings_are_nowhere_but_in_the_run_log(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--coco")
    for name, content in tree(out).items():
        if isinstance(content, bytes) and name.endswith((".json", ".jsonl")):
            for place in (tmp_path, drawn.data, drawn.pool.parent):
                assert str(place).encode() not in content, name
    log = load(out, "run_log.json")
    assert log["workers"] == 1
    assert log["seconds"]["all"] > 0


def test_a_copy_in_jpeg_is_the_copy_in_png_but_for_its_losses(drawn: Made, tmp_path: Path) -> None:
    jpeg, png = drawn.render(tmp_path / "jpg"), drawn.render(tmp_path / "png", "--format", "png")
    for a, b in zip(lines(jpeg), lines(png), strict=True):
        assert a["placement"] == b["placement"]
        assert a["file"].replace(".jpg", ".png") == b["file"]
        one, two = read(jpeg / "images" / a["file"]).astype(int), read(png / "images" / b["file"])
        assert np.abs(one - two).mean() < 6


def test_grey_and_turned_images_are_covered_too(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(data / "images" / "000.jpg") as image:
        image.convert("L").save(data / "images" / "000.jpg", quality=95)
    with Image.open(data / "images" / "001.jpg") as image:
        image.save(data / "images" / "001.jpg", quality=95, exif=exif)
    with Image.open(data / "images" / "002.jpg") as image:
        image.convert("CMYK").save(data / "images" / "002.jpg", quality=95)
    done("build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--levels", "grabcut", "-q", "--jobs", 1)
    out = Made(data, tmp_path / "pool.h5").render(tmp_path / "set", "--ratio", 1, "--format", "png")
    found = list(copies(out, data, tmp_path / "pool.h5"))
    assert len(found) == 39
    for copy in found:
        check(copy)


def test_an_image_of_one_pixel_is_passed_over(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    Image.new("RGB", (1, 1)).save(data / "images" / "000.jpg")
    out = Made(data, drawn.pool).render(tmp_path / "set", "--ratio", 1)
    assert load(out, "report.json")["counts"]["covered_people"] == 38


def test_a_rendered_set_can_be_rendered_again(drawn: Made, tmp_path: Path) -> None:
    """Its joints_visible is taken as it stands, and its copies are images like any other."""
    once = drawn.render(tmp_path / "once", "--originals", "copy")
    done("build-pool", "--data", once, "--out", tmp_path / "pool.h5", "--levels", "grabcut", "-q", "--jobs", 1)
    twice = Made(once, tmp_path / "pool.h5").render(tmp_path / "twice", "--ratio", 1, "--format", "png")
    for copy in copies(twice, once, tmp_path / "pool.h5"):
        check(copy)
    for old, new in zip(load(once), load(twice), strict=True):
        assert all(b in (0, a) for a, b in zip(old["joints_visible"], new["joints_visible"], strict=True))


def test_best_is_a_preset_and_options_go_before_it(drawn: Made, tmp_path: Path) -> None:
    best = load(drawn.render(tmp_path / "best", "--preset", "best"), "report.json")
    placement = best["settings"]["placement"]
    assert (placement["mask"], placement["smooth"]) == ("posecut", "matte")
    assert best["counts"]["bodies"] < best["counts"]["pool_bodies"]
    changed = load(drawn.render(tmp_path / "changed", "--preset", "best", "--smooth", "none"), "report.json")
    assert changed["settings"]["placement"] == {**placement, "smooth": "none"}


def test_quality_95_makes_jpegs_of_that_quality(drawn: Made, tmp_path: Path) -> None:
    with io.BytesIO() as file:
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=95)
        tables = Image.open(file).quantization
    out = drawn.render(tmp_path / "set", "--limit", 2, "--quality", 95)
    assert [line["quality"] for line in lines(out)] == [95, 95]
    for line in lines(out):
        with Image.open(out / "images" / line["file"]) as copy:
            assert copy.quantization == tables
