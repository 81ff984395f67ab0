"""Every method of occlusion keeps the promises of render: repeatable, labels true, traceable."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from noda_synth.cli.render import command
from noda_synth.errors import NodaError
from noda_synth.imaging import compositing
from noda_synth.imaging.compositing import overlap
from noda_synth.methods import METHODS, Sources, placement_settings
from noda_synth.methods.placement_settings import PRESETS
from noda_synth.pool.reader import Pool
from noda_synth.render.replay import overlay_of
from tests.command import ROOT, done, refused, tree
from tests.conftest import Made
from tests.rules import JOINTS, LIMBS, read

every_method = pytest.mark.parametrize("method", METHODS)
CHANGED = {"cutout": ("--set", "side=0.3", "--set", "fill=noise"), "parts": ("--set", "number=1,3")}


def cut_outs(made: Made) -> Path:
    """A folder of PNGs with transparency: a disc, a soft one and a bar, beside the pool."""
    folder = made.pool.with_suffix(".objects")
    if not folder.exists():
        folder.mkdir()
        y, x = np.mgrid[-60:60, -60:60]
        disc = np.clip(40 * (55 - np.hypot(x, y)), 0, 255)
        for name, opacity in (("disc", 255.0 * (disc > 0)), ("soft", disc), ("bar", np.full((30, 200), 255.0))):
            colours = np.full((*opacity.shape, 3), (30, 200, 120), np.uint8)
            cv2.imwrite(str(folder / f"{name}.png"), np.dstack([colours, opacity.astype(np.uint8)]))
    return folder


def sources(made: Made) -> Sources:
    return Sources(pool=made.pool, objects=cut_outs(made))


def words(made: Made, method: str) -> list[object]:
    """The options that a method needs, given in full."""
    return ["--method", method, *(["--objects", cut_outs(made)] if method == "objects" else [])]


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
    stamp = overlay_of(line, sources(made))
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
    options = (*words(drawn, method), "--limit", 6, *(CHANGED.get(method, ())))
    for part in ("1/2", "2/2"):
        drawn.render(tmp_path / "parts", *options, "--shard", part)
    done("merge", tmp_path / "parts", "-q", "--jobs", 1)
    assert tree(tmp_path / "parts") == tree(drawn.render(tmp_path / "whole", *options))


def test_every_image_is_rendered_again_to_the_byte(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    for line in lines(rendered)[:5]:
        done(
            "replay", rendered / "manifest.jsonl", "--id", line["id"], "--images", drawn.data / "images",
            "--pool", drawn.pool, "--objects", cut_outs(drawn), "--out", tmp_path / "again.png", "--overwrite",
        )  # fmt: skip
        assert (tmp_path / "again.png").read_bytes() == (rendered / "images" / line["file"]).read_bytes()


def test_pixels_change_under_the_stamp_and_nowhere_else(drawn: Made, rendered: Path) -> None:
    for line, before, after in pictures(drawn, rendered):
        changed = (before != after).any(axis=2)
        alpha = on_picture(drawn, line, before.shape)
        assert not changed[alpha == 0].any(), line["id"]
        if (alpha >= 128).any():
            assert changed[alpha >= 128].mean() > 0.8, line["id"]


def test_a_joint_is_occluded_afterwards_where_its_pixel_is_covered(drawn: Made, rendered: Path) -> None:
    """A pixel that changed, where what lies over it is at least half opaque; not one that was left alone."""
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
            if changed[y[joint], x[joint]] and alpha[y[joint], x[joint]] >= 128:
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


def boxes(made: Made, out: Path) -> Iterator[tuple[dict[str, Any], tuple[int, int, int, int]]]:
    """Manifest line, and the person's box as left, top, width, height: that of the joints and 15 % on each side."""
    inputs = json.loads((made.data / "annot" / "train.json").read_text())
    for line, before, _ in pictures(made, out):
        record = inputs[line["row"]]
        joints = (np.array(record["joints"], float) - 1)[np.array(record["joints_vis"]) > 0]
        pixel = np.floor(joints + 0.5)
        joints = joints[((pixel >= 0) & (pixel < before.shape[1::-1])).all(axis=1)]
        margin = 0.15 * np.ptp(joints, axis=0).max()
        low = np.floor(np.clip(joints.min(axis=0) - margin, 0, None)).astype(int)
        high = np.ceil(np.minimum(joints.max(axis=0) + 1 + margin, before.shape[1::-1])).astype(int)
        yield line, (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def test_the_hole_of_cutout_has_half_the_side_of_the_box(drawn: Made, tmp_path: Path) -> None:
    """The paper's 16 of 32 pixels: a quarter of the box, less what is cut off at its border."""
    out = drawn.render(tmp_path / "set", "--method", "cutout", "--ratio", 1, "--copies", 3, "--format", "png")
    shares = []
    for line, (left, top, width, height) in boxes(drawn, out):
        hole = line["placement"]
        assert left <= hole["left"] <= hole["left"] + hole["width"] <= left + width
        assert top <= hole["top"] <= hole["top"] + hole["height"] <= top + height
        shares.append(hole["width"] * hole["height"] / (width * height))
    assert 0.22 < max(shares) < 0.28
    # The centre is uniform: on a square box an edge cuts off an eighth of the side, on average.
    assert np.mean(shares) == pytest.approx(0.25 * (7 / 8) ** 2, abs=0.02)
    for line, _, after in pictures(drawn, out):
        hole = line["placement"]
        inner = after[hole["top"] : hole["top"] + hole["height"], hole["left"] : hole["left"] + hole["width"]]
        assert (inner == (104, 116, 124)).all()


def test_random_erasing_has_the_papers_areas_and_shapes(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "random-erasing", "--ratio", 1, "--copies", 6, "--format", "png")
    areas, aspects = [], []
    for line, (left, top, width, height) in boxes(drawn, out):
        hole = line["placement"]
        assert left <= hole["left"] <= hole["left"] + hole["width"] <= left + width
        assert top <= hole["top"] <= hole["top"] + hole["height"] <= top + height
        areas.append(hole["width"] * hole["height"] / (width * height))
        aspects.append(hole["height"] / hole["width"])
    assert len(areas) > 200
    assert 0.018 < min(areas) < 0.05
    assert 0.3 < max(areas) < 0.41
    assert 0.25 < min(aspects) < 0.7
    assert 2.5 < max(aspects) < 3.6
    # Seldom fitting ones are drawn anew, so that large areas are a little rarer than small ones.
    assert np.mean(areas) == pytest.approx(0.2, abs=0.03)


def test_the_noise_of_random_erasing_is_noise(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "random-erasing", "--format", "png")
    holes = [
        after[hole["top"] : hole["top"] + hole["height"], hole["left"] : hole["left"] + hole["width"]]
        for line, _, after in pictures(drawn, out)
        for hole in [line["placement"]]
    ]
    values = np.concatenate([hole.ravel() for hole in holes])
    assert values.mean() == pytest.approx(127.5, abs=1)
    assert values.std() == pytest.approx(256 / np.sqrt(12), abs=1)


def test_hide_and_seek_hides_half_of_the_cells(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "hide-and-seek", "--ratio", 1, "--copies", 2, "--format", "png")
    shares, sizes = [], set()
    for line, (left, top, width, height) in boxes(drawn, out):
        grid = line["placement"]
        assert (grid["left"], grid["top"], grid["width"], grid["height"]) == (left, top, width, height)
        sizes.add(round(224 * grid["cell"] / np.sqrt(width * height) / 4))
        stamp = overlay_of(line, sources(drawn))
        assert stamp is not None
        shares.append((stamp.alpha > 0).mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert sizes <= {3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15}  # about 16, 32, 44 and 56 of 224
    assert {4, 8, 11, 14} <= sizes


def test_gridmask_drops_what_its_ratio_leaves(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "gridmask", "--ratio", 1, "--copies", 4, "--format", "png")
    shares = []
    for line, (_, _, width, height) in boxes(drawn, out):
        grid = line["placement"]
        side = np.sqrt(width * height)
        assert 96 / 224 - 0.02 <= grid["period"] / side <= 1.02
        assert grid["kept"] == pytest.approx(0.6 * grid["period"], abs=0.51)
        stamp = overlay_of(line, sources(drawn))
        assert stamp is not None
        shares.append((stamp.alpha > 0).mean())
    assert np.mean(shares) == pytest.approx((1 - 0.6) ** 2, abs=0.02)


def test_keypoint_masking_copies_background_over_joints(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "keypoint-masking", "--ratio", 1, "--format", "png")
    inputs = json.loads((drawn.data / "annot" / "train.json").read_text())
    counts = []
    for line, before, after in pictures(drawn, out):
        patches = line["placement"]["pieces"]
        counts.append(len(patches))
        last = patches[-1]
        assert last["joint"] in line["covered"]
        source = before[last["from_top"] :, last["from_left"] :][: last["side"], : last["side"]]
        assert source.shape[:2] == (last["side"], last["side"])
        row, column = max(last["top"], 0), max(last["left"], 0)
        target = after[row : last["top"] + last["side"], column : last["left"] + last["side"]]
        shift = row - last["top"], column - last["left"]
        assert (target == source[shift[0] :, shift[1] :][: target.shape[0], : target.shape[1]]).all()
        for other in inputs:
            if other["image"] != line["source"]:
                continue
            joints = (np.array(other["joints"], float) - 1)[np.array(other["joints_vis"]) > 0]
            for patch in patches:
                within = joints - (patch["from_left"], patch["from_top"])
                assert not ((within >= 0) & (within < patch["side"])).all(axis=1).any(), "a joint is no background"
    assert set(counts) == {1, 2, 3}


def test_objects_come_in_the_originals_number_and_size(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", *words(drawn, "objects"), "--ratio", 1, "--copies", 3, "--format", "png")
    counts, factors, names = [], [], set()
    widths = {"disc.png": 120, "soft.png": 120, "bar.png": 200}
    for line, (left, top, width, height) in boxes(drawn, out):
        pieces = line["placement"]["pieces"]
        assert line["occluder"]["objects"] == [piece["object"] for piece in pieces]
        counts.append(len(pieces))
        for piece in pieces:
            names.add(piece["object"])
            factors.append(256 * piece["width"] / widths[piece["object"]] / np.sqrt(width * height))
            assert left - 1 <= piece["left"] + piece["width"] // 2 <= left + width + 1
            assert top - 1 <= piece["top"] + piece["height"] // 2 <= top + height + 1
    assert set(counts) == set(range(1, 8))
    assert names == set(widths)
    assert 0.05 < min(factors) < 0.14
    assert 0.46 < max(factors) < 0.55


def test_parts_are_limbs_of_people_from_other_images(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "parts", "--ratio", 1, "--format", "png")
    names = set()
    for line in lines(out):
        (piece,), (part,) = line["placement"]["pieces"], line["occluder"]["parts"]
        assert part["source"] != line["source"]
        assert part["part"] == piece["part"]
        names.add(piece["part"])
    assert names == {f"{side}_{part}" for side in ("left", "right") for part in ("arm", "forearm", "leg", "shin")}


@every_method
def test_scenes_lose_what_is_covered_and_only_noda_adds_a_person(drawn_coco: Made, tmp_path: Path, method: str) -> None:
    out = drawn_coco.render(tmp_path / "set", *words(drawn_coco, method), "--format", "png")
    scene = json.loads((out / "annot" / "coco_train_scene.json").read_text())
    joints = scene["categories"][0]["keypoints"]
    copies = {line["file"]: line for line in lines(out)}
    hidden = 0
    for image in scene["images"]:
        if image["file_name"] not in copies:
            continue
        line = copies[image["file_name"]]
        people = [note for note in scene["annotations"] if note["image_id"] == image["id"]]
        assert sum(note["noda"]["role"] == "occluder" for note in people) == (method == "noda")
        (target,) = [note for note in people if note["noda"]["role"] == "target"]
        flags = dict(zip(joints, target["keypoints"][2::3], strict=True))
        assert all(flags[joint] == 1 for joint in line["covered"])
        hidden += len(line["covered"])
    assert copies
    assert hidden > 0 or method == "recompress"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "objects"], "--method objects needs --objects"),
        (["--objects-share", "0.3"], "objects_share needs --objects"),
        (["--method", "objects", "--objects", "nowhere"], "no objects at nowhere"),
        (["--objects-share", "0.3", "--objects", "nowhere"], "no objects at nowhere"),
        (["--method", "objects", "--objects", "{empty}"], "has no PNG files"),
        (["--method", "objects", "--objects", "{opaque}"], "has no transparency"),
        (["--method", "objects", "--objects", "{cut_short}"], "half.png: cannot be decoded"),
        (["--method", "objects", "--objects", "{coco}"], "--objects-images"),
        (["--method", "objects", "--objects", "{coco}", "--objects-images", "{images}"], "--set people=true"),
        (
            ["--method", "objects", "--objects", "{coco}", "--objects-images", "{empty}", "--set", "people=true"],
            "is missing",
        ),
        (["--method", "objects", "--objects", "{text}", "--objects-images", "{images}"], "text.json"),
        (["--method", "random-erasing", "--set", "area=0.4,0.02"], "the lower end comes first"),
        (["--method", "random-erasing", "--set", "area=0.4"], "2 numbers"),
        (["--method", "hide-and-seek", "--set", "cells=a"], "commas"),
        (["--method", "keypoint-masking", "--set", "joints=0,2"], "joints is 0,2; from 1 to 100"),
        (["--method", "parts", "--set", "smooth=matte"], "ring, feather, none"),
    ],
)
def test_what_a_method_cannot_use_is_refused(
    drawn: Made, drawn_coco: Made, tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "opaque").mkdir()
    cv2.imwrite(str(tmp_path / "opaque" / "whole.png"), np.zeros((5, 5, 3), np.uint8))
    (tmp_path / "cut_short").mkdir()
    (tmp_path / "cut_short" / "half.png").write_bytes((tmp_path / "opaque" / "whole.png").read_bytes()[:25])
    (tmp_path / "text.json").write_text("{}")
    places = {
        "empty": tmp_path / "empty", "opaque": tmp_path / "opaque", "text": tmp_path / "text.json",
        "cut_short": tmp_path / "cut_short",
        "coco": instances(drawn_coco, tmp_path), "images": drawn_coco.data / "images",
    }  # fmt: skip
    given = [option.format(**places) for option in options]
    assert said in refused(
        "render", "--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "set", "--jobs", 1, *given
    )
    assert not (tmp_path / "set").exists()


def instances(made: Made, folder: Path, category: str = "person") -> Path:
    """The people of a drawn COCO set as instances of a category, with outlines: half of the box."""
    (file,) = [path for path in made.data.rglob("*.json") if "annotations" in json.loads(path.read_text())][:1]
    content = json.loads(file.read_text())
    for note in content["annotations"]:
        x, y, width, height = note["bbox"]
        note["segmentation"] = [[x, y, x + width, y, x, y + height]]
    content["categories"] = [{**entry, "name": category} for entry in content["categories"]]
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


def test_people_and_objects_share_a_set_and_keep_the_same_rules(drawn: Made, tmp_path: Path) -> None:
    both = ("--objects-share", 0.5, "--objects", cut_outs(drawn))
    options = (*both, "--ratio", 1, "--copies", 3, "--reuse", 9, "--coco")
    out = drawn.render(tmp_path / "set", *options)
    assert tree(out) == tree(drawn.render(tmp_path / "again", *options, "--jobs", 2))
    found = lines(out)
    with_objects = [line for line in found if "pieces" in line["placement"]]
    assert 0.2 < len(with_objects) / len(found) < 0.8
    for line in found:
        assert set(line["covered"]) & set(LIMBS)
        assert not set(line["covered"]) & {"head_top", "upper_neck"}
        assert ("objects" in line["occluder"]) == ("pieces" in line["placement"])
    counts = json.loads((out / "report.json").read_text())["counts"]
    assert counts["objects"] == 3
    with_bodies = next(line for line in found if line not in with_objects)
    again = ("--images", drawn.data / "images", "--pool", drawn.pool, "--overwrite", "--out", tmp_path / "again.jpg")
    objects = ("--objects", cut_outs(drawn))
    for line, needed in ((with_objects[0], objects), (with_bodies, ())):
        done("replay", out / "manifest.jsonl", "--id", line["id"], *again, *needed)
        assert (tmp_path / "again.jpg").read_bytes() == (out / "images" / line["file"]).read_bytes()
    assert "needs --objects" in refused("replay", out / "manifest.jsonl", "--id", with_objects[0]["id"], *again)
    page = tmp_path / "page.html"
    for options, masks in (((), False), (objects, True)):
        done("report", out, "--pool", drawn.pool, *options, "--page", page, "--overwrite", "-q", "--jobs", 1)
        assert ("Neither masks nor their quality Q are shown" in page.read_text()) != masks
    scenes = json.loads((out / "annot" / "coco_train_scene.json").read_text())
    pasted = [one for one in scenes["annotations"] if one["noda"]["role"] == "occluder"]
    assert len(pasted) == len(found) - len(with_objects)


def test_objects_of_a_coco_file_are_pasted_and_replayed(drawn: Made, drawn_coco: Made, tmp_path: Path) -> None:
    places = ("--objects", instances(drawn_coco, tmp_path, "dog"), "--objects-images", drawn_coco.data / "images")
    out = drawn.render(tmp_path / "set", "--method", "objects", *places, "--limit", 4)
    for line in lines(out):
        done(
            "replay", out / "manifest.jsonl", "--id", line["id"], "--images", drawn.data / "images", *places,
            "--out", tmp_path / "again.jpg", "--overwrite",
        )  # fmt: skip
        assert (tmp_path / "again.jpg").read_bytes() == (out / "images" / line["file"]).read_bytes()
    said = refused(
        "replay", out / "manifest.jsonl", "--id", lines(out)[0]["id"], "--images", drawn.data / "images",
        "--objects", cut_outs(drawn), "--out", tmp_path / "other.jpg",
    )  # fmt: skip
    assert "is not the objects" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "cutout", "--set", "sidee=1"], "did you mean side?"),
        (["--method", "cutout", "--set", "side"], "KEY=VALUE"),
        (["--method", "cutout", "--set", "side=wide"], "expected a number"),
        (["--method", "cutout", "--set", "side=nan"], "expected a number"),
        (["--method", "cutout", "--set", "side=9"], "from 0.01 to 4"),
        (["--method", "cutout", "--set", "fill=pink"], "mean, black, noise"),
        (["--method", "recompress", "--set", "side=1"], "there are none"),
        (["--method", "cutout", "--mask", "box"], "--mask is for --method noda"),
        (["--method", "cutout", "--preset", "best"], "--preset is for --method noda"),
        (["--set", "side=1"], "--method noda --set side=1: no setting 'side'"),
        (["--method", "blur"], "'blur' is not one of"),
    ],
)
def test_wrong_parameters_are_refused_with_the_way_out(
    drawn: Made, tmp_path: Path, options: list[str], said: str
) -> None:
    assert said in refused("render", "--data", drawn.data, "--out", tmp_path / "set", *options)
    assert not (tmp_path / "set").exists()


def test_the_options_of_noda_are_sugar_over_its_parameters(drawn: Made, tmp_path: Path) -> None:
    options = (
        "--preset",
        "best",
        "--mask",
        "box",
        "--smooth",
        "ring",
        "--radius",
        0.5,
        0.9,
        "--protect-joints",
        "head_top",
    )
    words = ("mask=box", "smooth=ring", "radius=0.5,0.9", "protect-joints=head_top")
    changes = [word for change in words for word in ("--set", change)]
    by_option = drawn.render(tmp_path / "options", *options, "--limit", 4)
    by_set = drawn.render(tmp_path / "set", "--preset", "best", *changes, "--mask", "box", "--limit", 4)
    assert tree(by_option) == tree(by_set)
    settings = json.loads((by_set / "report.json").read_text())["settings"]["placement"]
    changed = replace(PRESETS["best"], mask="box", smooth="ring", radius=(0.5, 0.9), protect_joints=("head_top",))
    expected = {
        key: value for key, value in asdict(changed).items() if key != "objects_share"
    }  # left out while it is 0
    assert settings == json.loads(json.dumps(expected))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mask", "box", "--set", "mask=posecut"], "--mask and --set mask=posecut contradict each other"),
        (["--set", "min-covered=2", "--min-covered", "1"], "--min-covered and --set min-covered=2 contradict"),
        (["--set", "mask=paper"], "--method noda --set: mask is 'paper'; there are box, cardboard"),
        (["--set", "radius=1,0.5"], "the lower end comes first"),
        (["--set", "tries=0"], "tries is 0"),
        (["--set", "protect_joints=nose"], "no joint 'nose'"),
        (["--set", "preset=best"], "--method noda --set preset=best: no setting 'preset'"),
    ],
)
def test_wrong_parameters_of_noda_are_refused(drawn: Made, tmp_path: Path, options: list[str], said: str) -> None:
    assert said in refused("render", "--data", drawn.data, "--pool", drawn.pool, "--out", tmp_path / "set", *options)
    assert not list(tmp_path.iterdir())


def test_smoothings_are_those_of_the_compositing() -> None:
    """Named twice, because the options of render must not import OpenCV."""
    assert placement_settings.SMOOTHINGS == compositing.SMOOTHINGS


def test_the_method_that_the_docs_add_works(drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "methods.md").read_text(), re.DOTALL)
    assert block is not None
    module = ModuleType("noda_synth.methods.black_bar")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block[1], "docs/methods.md", "exec"), module.__dict__)
    monkeypatch.setitem(METHODS, "black-bar", "BlackBar")
    monkeypatch.setattr(next(o for o in command.params if o.name == "method").type, "choices", list(METHODS))
    out = drawn.render(tmp_path / "set", "--method", "black-bar", "--set", "thickness=0.3", "--format", "png")
    for line, _, after in pictures(drawn, out):
        bar = line["placement"]
        assert not after[bar["top"] : bar["top"] + bar["height"], bar["left"] : bar["left"] + bar["width"]].any()
    assert any(line["covered"] for line in lines(out))


def test_parameters_are_part_of_the_settings(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--method", "cutout", "--set", "side=0.25", "--set", "fill=noise")
    report = json.loads((out / "report.json").read_text())
    assert report["settings"]["placement"] == {"side": 0.25, "fill": "noise"}
    said = refused(
        "render", "--data", drawn.data, "--pool", drawn.pool, "--out", out, "--method", "cutout", "--set", "side=0.3"
    )
    assert "side: 0.25 there, 0.3 now" in said


@pytest.mark.parametrize(
    ("method", "spoilt"),
    [
        ("noda", {"body": 10**6}),
        ("noda", {"width": -3}),
        ("cutout", {"width": "wide"}),
        ("hide-and-seek", {"hidden": 3}),
        ("parts", {"pieces": []}),
        ("objects", {"pieces": [{"object": "nobody", "left": 0, "top": 0, "width": 5, "height": 5}]}),
    ],
)
def test_a_placement_that_was_never_drawn_is_refused(
    drawn: Made, tmp_path: Path, method: str, spoilt: dict[str, Any]
) -> None:
    line = lines(drawn.render(tmp_path / "set", *words(drawn, method), "--limit", 1))[0]
    with pytest.raises(NodaError, match=line["id"]):
        overlay_of({**line, "placement": {**line["placement"], **spoilt}}, sources(drawn))


def test_the_pool_that_noda_needs_is_asked_for_by_replay(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--limit", 1)
    said = refused(
        "replay", out / "manifest.jsonl", "--id", lines(out)[0]["id"], "--images", drawn.data / "images",
        "--out", tmp_path / "again.jpg",
    )  # fmt: skip
    assert "needs --pool" in said


def test_a_pool_that_was_built_again_is_opened_again(drawn: Made, tmp_path: Path) -> None:
    """In one process, as in a worker of a cluster."""
    pool = tmp_path / "pool.h5"
    shutil.copyfile(drawn.pool, pool)
    made = Made(drawn.data, pool)
    for name in ("noda", "parts"):
        done("build-pool", "--data", drawn.data, "--out", pool, "-q", "--jobs", 1, "--levels", "box", "--overwrite")
        made.render(tmp_path / f"{name}_box", "--method", name, *(["--mask", "box"] if name == "noda" else []))
        shutil.copyfile(drawn.pool, tmp_path / "other.h5")
        (tmp_path / "other.h5").replace(pool)
        made.render(tmp_path / name, "--method", name)
        (line, *_) = (tmp_path / name / "manifest.jsonl").read_text().splitlines()
        assert json.loads(line)["pool"] == Pool(drawn.pool).content
