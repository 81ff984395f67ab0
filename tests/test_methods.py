"""Every method of occlusion keeps the promises of render: repeatable, labels true, traceable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.compositing import overlap
from noda_synth.methods import METHODS, Sources
from noda_synth.replay import stamp_of
from tests.command import done, refused, tree
from tests.conftest import Made
from tests.rules import JOINTS, read

every_method = pytest.mark.parametrize("method", METHODS)
JOINT = {name: place for place, name in enumerate(JOINTS)}


def sources(made: Made) -> Sources:
    return Sources(pool=made.pool)


def words(made: Made, method: str) -> list[object]:
    """The options that a method needs, given in full."""
    return ["--method", method]


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", params=METHODS)
def rendered(request: pytest.FixtureRequest, drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn set as each method makes it, as PNG: what differs from the original was occluded."""
    out = tmp_path_factory.mktemp("methods") / str(request.param)
    return drawn.render(out, *words(drawn, request.param), "--format", "png")


def pictures(made: Made, out: Path) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """Manifest line, original and copy."""
    for line in lines(out):
        yield line, read(made.data / "images" / line["source"]), read(out / "images" / line["file"])


def on_picture(made: Made, line: dict[str, Any], shape: tuple[int, ...]) -> Any:
    """(H, W) uint8: opacity of what covers the picture."""
    alpha = np.zeros(shape[:2], np.uint8)
    stamp = stamp_of(line, sources(made))
    if stamp is not None:
        window = overlap(stamp.alpha.shape, shape, stamp.left, stamp.top)
        assert window is not None
        alpha[window[0]] = stamp.alpha[window[1]]
    return alpha


@every_method
def test_the_bytes_do_not_depend_on_the_number_of_workers(drawn: Made, tmp_path: Path, method: str) -> None:
    trees = [
        tree(drawn.render(tmp_path / f"set{jobs}", *words(drawn, method), "--copies", 2, "--jobs", jobs))
        for jobs in (1, 2)
    ]
    assert trees[0] == trees[1]


@every_method
def test_parts_are_merged_to_the_same_bytes(drawn: Made, tmp_path: Path, method: str) -> None:
    options = (*words(drawn, method), "--limit", 6)
    for part in ("1/2", "2/2"):
        drawn.render(tmp_path / "parts", *options, "--shard", part)
    done("merge", tmp_path / "parts", "-q", "--jobs", 1)
    assert tree(tmp_path / "parts") == tree(drawn.render(tmp_path / "whole", *options))


def test_every_image_is_rendered_again_to_the_byte(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    for line in lines(rendered)[:5]:
        done(
            "replay", rendered / "manifest.jsonl", "--id", line["id"], "--images", drawn.data / "images",
            "--pool", drawn.pool, "--out", tmp_path / "again.png", "--overwrite",
        )  # fmt: skip
        assert (tmp_path / "again.png").read_bytes() == (rendered / "images" / line["file"]).read_bytes()


def test_pixels_change_under_the_stamp_and_nowhere_else(drawn: Made, rendered: Path) -> None:
    for line, before, after in pictures(drawn, rendered):
        changed = (before != after).any(axis=2)
        alpha = on_picture(drawn, line, before.shape)
        assert not changed[alpha == 0].any(), line["id"]
        if (alpha == 255).any():
            assert changed[alpha == 255].mean() > 0.8, line["id"]


def test_a_joint_is_occluded_afterwards_where_its_pixel_is_covered(drawn: Made, rendered: Path) -> None:
    """Told from the pictures alone: a pixel that changed under full opacity, or did not change at all."""
    records = json.loads((rendered / "annot" / "train.json").read_text())
    inputs = json.loads((drawn.data / "annot" / "train.json").read_text())
    clear = sure = 0
    for line, before, after in pictures(drawn, rendered):
        record, old = records[line["row"]], inputs[line["row"]]
        assert record["synth"]["method"] == line["method"] == rendered.name
        assert record["joints"] == old["joints"]
        assert record["joints_vis"] == old["joints_vis"]
        changed = (before != after).any(axis=2)
        alpha = on_picture(drawn, line, before.shape)
        x, y = np.floor(np.array(record["joints"]) - 1 + 0.5).astype(int).T
        for joint, name in enumerate(JOINTS):
            inside = 0 <= x[joint] < before.shape[1] and 0 <= y[joint] < before.shape[0]
            if not record["joints_vis"][joint] or not inside:
                assert name not in line["covered"]
                continue
            if changed[y[joint], x[joint]] and alpha[y[joint], x[joint]] == 255:
                sure += 1
                assert name in line["covered"]
                assert record["joints_visible"][joint] == 0
            if alpha[y[joint], x[joint]] == 0:
                clear += 1
                assert name not in line["covered"]
                assert not changed[y[joint], x[joint]]
    assert clear > 20
    assert sure > 10 or rendered.name == "recompress"


def test_manifest_and_report_name_the_method(drawn: Made, rendered: Path) -> None:
    report = json.loads((rendered / "report.json").read_text())
    assert report["settings"]["method"] == rendered.name
    assert report["counts"]["copies"] == len(lines(rendered)) == 20
    assert ("pool" in report["settings"]) == (rendered.name in ("noda", "parts"))
    for line in lines(rendered):
        assert line["method"] == rendered.name
        assert ("occluder" in line) == (rendered.name in ("noda", "parts", "objects"))


def test_the_same_people_come_first_in_every_method(drawn: Made, tmp_path: Path) -> None:
    """One seeded order for all: methods differ only by whom they have to pass over."""
    chosen = [
        {line["row"] for line in lines(drawn.render(tmp_path / method, *words(drawn, method), "--seed", 4))}
        for method in ("recompress", "cutout")
    ]
    assert chosen[0] == chosen[1]


def test_no_pool_is_opened_where_none_is_needed(drawn: Made, tmp_path: Path) -> None:
    nowhere = Made(drawn.data, tmp_path / "no_pool.h5")
    assert lines(nowhere.render(tmp_path / "set", "--method", "cutout"))
    assert "no pool at" in refused(
        "render", "--data", drawn.data, "--pool", nowhere.pool, "--out", tmp_path / "other", "-q"
    )


def test_recompress_is_the_original_encoded_again(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "recompress", "--format", "png")
    for line, before, after in pictures(drawn, out):
        assert (before == after).all()
        assert line["covered"] == []
        assert line["placement"] == {}


def test_the_hole_of_cutout_has_half_the_side_of_the_box(drawn: Made, tmp_path: Path) -> None:
    """The paper's 16 of 32 pixels: a quarter of the box, less what is cut off at its border."""
    out = drawn.render(tmp_path / "set", "--method", "cutout", "--ratio", 1, "--format", "png")
    inputs = json.loads((drawn.data / "annot" / "train.json").read_text())
    shares = []
    for line, before, after in pictures(drawn, out):
        record = inputs[line["row"]]
        joints = (np.array(record["joints"], float) - 1)[np.array(record["joints_vis"]) > 0]
        margin = 0.15 * np.ptp(joints, axis=0).max()
        low = np.clip(np.floor(joints.min(axis=0) - margin), 0, None)
        high = np.minimum(np.ceil(joints.max(axis=0) + 1 + margin), before.shape[1::-1])
        hole = line["placement"]
        assert hole["left"] >= low[0] - 1
        assert hole["top"] >= low[1] - 1
        shares.append(hole["width"] * hole["height"] / np.prod(high - low))
        inner = after[hole["top"] : hole["top"] + hole["height"], hole["left"] : hole["left"] + hole["width"]]
        assert (inner == (104, 116, 124)).all()
    assert 0.2 < max(shares) < 0.3
    assert min(shares) > 0.05
    # The centre is uniform: on average an edge cuts off an eighth each way, on a square box.
    assert np.mean(shares) == pytest.approx(0.25 * (7 / 8) ** 2, abs=0.04)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "cutout", "--set", "sidee=1"], "did you mean side?"),
        (["--method", "cutout", "--set", "side"], "KEY=VALUE"),
        (["--method", "cutout", "--set", "side=wide"], "expected a number"),
        (["--method", "cutout", "--set", "side=nan"], "expected a number"),
        (["--method", "cutout", "--set", "side=9"], "from 0.01 to 4"),
        (["--method", "cutout", "--set", "fill=pink"], "mean, black, noise"),
        (["--method", "recompress", "--set", "side=1"], "none at all"),
        (["--method", "cutout", "--mask", "box"], "--mask is for --method noda"),
        (["--method", "cutout", "--preset", "best"], "--preset is for --method noda"),
        (["--set", "side=1"], "--set side=1: the parameters of noda"),
        (["--method", "blur"], "'blur' is not one of"),
    ],
)
def test_wrong_parameters_are_refused_with_the_way_out(
    drawn: Made, tmp_path: Path, options: list[str], said: str
) -> None:
    assert said in refused("render", "--data", drawn.data, "--out", tmp_path / "set", *options)
    assert not (tmp_path / "set").exists()


def test_parameters_are_part_of_the_settings(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "cutout", "--set", "side=0.25", "--set", "fill=noise")
    report = json.loads((out / "report.json").read_text())
    assert report["settings"]["placement"] == {"side": 0.25, "fill": "noise"}
    said = refused(
        "render", "--data", drawn.data, "--pool", drawn.pool, "--out", out, "--method", "cutout", "--set", "side=0.3"
    )
    assert "side: 0.25 there, 0.3 now" in said


def test_the_pool_that_noda_needs_is_asked_for_by_replay(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--limit", 1)
    said = refused(
        "replay", out / "manifest.jsonl", "--id", lines(out)[0]["id"], "--images", drawn.data / "images",
        "--out", tmp_path / "again.jpg",
    )  # fmt: skip
    assert "needs --pool" in said
