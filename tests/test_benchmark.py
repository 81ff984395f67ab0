"""The occluded benchmark: labels that depend on no pixel, pictures that agree with them, hashes that find a change."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from noda_synth.benchmark import capsules, paint
from noda_synth.benchmark.decide import Body, BodyPosition, Decider, ValidationTarget, bodies_of, newly_hidden
from noda_synth.benchmark.generators import feet_of, pool_bodies, pool_cutout
from noda_synth.benchmark.hashes import read_hashes
from noda_synth.benchmark.protocol import SEVERITIES, Generator, HashRandom, Settings
from noda_synth.data.dataset import Dataset, People, Person
from noda_synth.data.skeleton import MPII
from noda_synth.formats import Layout, find_layout, read_dataset
from noda_synth.formats.files.matlab import load_mat
from noda_synth.imaging.compositing import alpha_at
from noda_synth.imaging.images import image_size, read_image
from noda_synth.masks import Mask
from noda_synth.methods.placement import TargetPerson
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.reader import Pool
from tests.command import Process, done, noda, refused
from tests.conftest import Made

_COUNTS = {"light": (1, 1), "medium": (2, 3), "heavy": (4, 16)}


_QUICK = ("--tries", 1280)


@pytest.fixture(scope="module", params=["drawn", pytest.param("mpii-mini", marks=pytest.mark.slow)])
def data(request: pytest.FixtureRequest) -> Path:
    """A data set: drawn people, and real ones."""
    folder: Path = (
        request.getfixturevalue("drawn").data
        if request.param == "drawn"
        else request.getfixturevalue("noda_data") / request.param
    )
    return folder


@pytest.fixture(scope="module")
def written(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set and its benchmark, made with fewer tries: some more are not covered, but it is quick."""
    out = tmp_path_factory.mktemp("twins") / data.name
    done("benchmark", data, out, "-q", "--jobs", 1, *_QUICK)
    return data, out


@pytest.fixture(scope="module")
def twins(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn people's."""
    out = tmp_path_factory.mktemp("twins") / "quick"
    done("benchmark", drawn.data, out, "-q", "--jobs", 1, *_QUICK)
    return out


def _read(data: Path) -> tuple[Layout, Dataset]:
    layout = find_layout(data)
    return layout, read_dataset(layout)


def _lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


def _overlay(
    layout: Layout, dataset: Dataset, line: dict[str, Any]
) -> tuple[paint.BodyOverlay, Person, tuple[int, int]]:
    """What was pasted, from the manifest's line alone."""
    occluder = dataset.persons[line["occluder"]["row"]]
    others = [o for o in dataset.by_image[occluder.image] if o.person_id != occluder.person_id and not o.duplicate]
    person = dataset.valid[line["row"]]
    size = image_size(layout.images / person.image)
    joints = capsules.joints_of(occluder, dataset.skeleton)
    body = Body(occluder.image, line["occluder"]["row"], joints, capsules.body_size(joints))
    cutout = paint.cut_body(read_image(layout.images / occluder.image), occluder, others, dataset.skeleton)
    covered = np.isin(dataset.skeleton.joints, line["covered"])
    target = ValidationTarget(person, dataset.skeleton, size)
    return paint.body_overlay(cutout, body, BodyPosition(0, **line["place"]), target, covered), person, size


def test_severities_and_labels_are_what_the_pixels_show(written: tuple[Path, Path]) -> None:
    data, out = written
    layout, dataset = _read(data)
    lines = _lines(out)
    assert {line["severity"] for line in lines} == set(_COUNTS)
    for line in lines:
        overlay, person, size = _overlay(layout, dataset, line)
        shown = alpha_at(overlay.alpha, person.joints, overlay.left, overlay.top) >= 128
        within = person.labelled & _inside(person.joints, size)
        assert (shown & within).tolist() == np.isin(MPII.joints, line["covered"]).tolist(), line["id"]
        new = [j for j in line["covered"] if person.visible[MPII.index[j]] == 1]
        assert new == line["newly_hidden"]
        counted = sum(joint not in ("pelvis", "thorax") for joint in new)
        low, high = _COUNTS[line["severity"]]
        assert low <= counted <= high
        assert any(joint.endswith(("elbow", "wrist", "knee", "ankle")) for joint in new)
        # The paper's rule: nothing over head and neck, nor over the line between them.
        assert (alpha_at(overlay.alpha, _free_points(person, size), overlay.left, overlay.top) < 128).all(), line["id"]


def _inside(joints: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    pixel = np.floor(np.nan_to_num(joints, nan=-9) + 0.5)
    return np.asarray(((pixel >= 0) & (pixel < size)).all(axis=1))


def test_every_format_says_the_same(written: tuple[Path, Path]) -> None:
    data, out = written
    _, dataset = _read(data)
    clean = json.loads((out / "clean" / "annot" / "valid.json").read_text())
    assert [record["joints"] for record in clean] == [list(p.record["joints"]) for p in dataset.valid]
    for severity in _COUNTS:
        annot = out / severity / "annot"
        records = json.loads((annot / "valid.json").read_text())
        truth = load_mat(annot / "gt_valid.mat")
        coco = json.loads((annot / "coco_valid.json").read_text())
        mine = [line for line in _lines(out) if line["severity"] == severity]
        assert len(records) == len(mine) == len(coco["annotations"]) == truth["jnt_visible"].shape[1] > 0
        files = {image["id"]: image["file_name"] for image in coco["images"]}
        for n, (line, record, annotation) in enumerate(zip(mine, records, coco["annotations"], strict=True)):
            before = clean[line["row"]]
            assert record["image"] == line["file"] == files[annotation["image_id"]]
            assert (out / severity / "images" / line["file"]).is_file()
            assert {k: record[k] for k in ("joints", "joints_vis", "center", "scale", "person_id")} == {
                k: before[k] for k in ("joints", "joints_vis", "center", "scale", "person_id")
            }
            covered = np.isin(MPII.joints, line["covered"])
            visible = np.where(covered, 0, before["joints_visible"])
            assert record["joints_visible"] == visible.tolist()
            assert record["joints_covered"] == covered.astype(int).tolist() == truth["jnt_covered"][:, n].tolist()
            labelled = np.array(record["joints_vis"]) > 0
            assert (truth["jnt_visible"][labelled, n].astype(np.int8) == visible[labelled]).all()
            flags = np.array(annotation["keypoints"])[2::3]
            assert (flags[labelled & (visible == 0)] == 1).all() and (flags[labelled & (visible != 0)] == 2).all()


def test_bodies_come_from_training_images_only(written: tuple[Path, Path]) -> None:
    data, out = written
    _, dataset = _read(data)
    kept_out = {person.image for person in dataset.valid}
    sources = {line["occluder"]["source"] for line in _lines(out)}
    assert sources and not sources & kept_out and sources <= set(dataset.images)


def test_everyone_is_in_the_manifest_or_passed_over_with_a_reason(written: tuple[Path, Path]) -> None:
    data, out = written
    _, dataset = _read(data)
    passed = [json.loads(text) for text in (out / "passed_over.jsonl").read_text().splitlines()]
    assert all(line["reason"] for line in passed)
    found = sorted((line["severity"], line["row"]) for line in [*_lines(out), *passed])
    assert found == sorted((s.name, row) for s in SEVERITIES for row in range(len(dataset.valid)))


def _same(one: Path, other: Path) -> bool:
    """The same files with the same content; links count by what they lead to."""
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (one, other))
    return first == second and any(name.match("heavy/images/*.jpg") for name in first)


def test_workers_and_runs_make_no_difference(drawn: Made, twins: Path, tmp_path: Path) -> None:
    done("benchmark", drawn.data, tmp_path / "two", "-q", "--jobs", 2, *_QUICK)
    assert _same(tmp_path / "two", twins)
    assert "nothing to do" in done("benchmark", drawn.data, twins, "--jobs", 1, *_QUICK)
    assert "other settings" in refused("benchmark", drawn.data, twins, "--seed", 1, *_QUICK)


def test_a_killed_run_goes_on(drawn: Made, twins: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    with Process("benchmark", drawn.data, out, "-q", "--jobs", 1, *_QUICK) as run:
        patience = time.monotonic() + 60
        while not list((tmp_path / "killed.partial" / "shards").glob("*.json")):
            assert time.monotonic() < patience and run.poll() is None, run.said()
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.wait(timeout=60)
    assert not out.exists()
    done("benchmark", drawn.data, out, "-q", "--jobs", 1, *_QUICK)
    assert _same(out, twins)


def _twins(dataset: Dataset, layout: Layout, shift: float = 0.0) -> list[Any]:
    """What is decided for everyone, with all coordinates off by a share."""

    def moved(people: People) -> People:
        return People(replace(person, joints=person.joints * (1 + shift)) for person in people)

    dataset = replace(dataset, persons=moved(dataset.persons), valid=moved(dataset.valid))
    sizes = {name: image_size(layout.images / name) for name in dataset.images}
    decider = Decider(bodies_of(dataset, sizes), Settings(tries=320))
    found = []
    for person in dataset.valid:
        target = ValidationTarget(person, dataset.skeleton, image_size(layout.images / person.image))
        for severity in SEVERITIES:
            twin, reason = decider.draw_twin(target, severity)
            found.append(
                (reason, None if twin is None else (twin.position, newly_hidden(twin, person.visible).tolist()))
            )
    return found


def test_head_and_neck_stay_free_under_all_that_a_body_may_wear(drawn: Made) -> None:
    """Decided so that no mask has to be cleared there: the hull leaves the joints and the line between them free."""
    layout, dataset = _read(drawn.data)
    bodies = bodies_of(dataset, {name: image_size(layout.images / name) for name in dataset.images})
    twins = 0
    for person in dataset.valid:
        size = image_size(layout.images / person.image)
        target = ValidationTarget(person, MPII, size)
        free = np.floor(_free_points(person, size) + 0.5).astype(np.int64)
        for severity, seed in product(SEVERITIES, range(12)):
            twin, _ = Decider(bodies, Settings(seed, tries=640)).draw_twin(target, severity)
            if twin is not None:
                twins += 1
                position = twin.position
                hull = bodies[position.body].shape(position.factor, capsules.HULL)
                assert not hull.holds(free - (position.x, position.y)).any()
    assert twins > 50


def _free_points(person: Person, size: tuple[int, int]) -> NDArray[np.float64]:
    """The points (P, 2) that the paper's rule keeps free."""
    return TargetPerson(person, MPII, size, PlacementSettings(min_covered=0)).free_points


def test_decisions_stand_what_machines_may_differ_in(data: Path) -> None:
    layout, dataset = _read(data)
    plain = _twins(dataset, layout)
    assert sum(twin is not None for _, twin in plain) > len(plain) / 5
    for shift in (1e-9, -1e-9):
        assert _twins(dataset, layout, shift) == plain


@pytest.mark.parametrize("kind", ["nothing", "everything", "noise"])
def test_no_mask_can_contradict_the_labels(
    drawn: Made, twins: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tmp_path: Path
) -> None:
    """Masks as another version of OpenCV might make them, and far worse."""
    rng = np.random.default_rng(1)

    def mask(view: Any) -> Mask:
        shape = view.image.shape[:2]
        grey = {"nothing": 0, "everything": 255}.get(kind)
        matte = rng.integers(0, 256, shape).astype(np.uint8) if grey is None else np.full(shape, grey, np.uint8)
        return Mask(matte >= 128, matte=matte)

    usual = paint.mask_functions
    monkeypatch.setattr(paint, "mask_functions", lambda settings: {**usual(settings), "posecut": mask})
    other = tmp_path / "other"
    done("benchmark", drawn.data, other, "-q", "--jobs", 1, *_QUICK)
    found = {kind: read_hashes(folder) for kind, folder in (("usual", twins), ("other", other))}
    assert found["usual"]["labels"] == found["other"]["labels"]
    assert found["usual"]["bytes"] != found["other"]["bytes"]
    layout, dataset = _read(drawn.data)
    for line in _lines(other):
        overlay, person, size = _overlay(layout, dataset, line)
        shown = alpha_at(overlay.alpha, person.joints, overlay.left, overlay.top) >= 128
        assert shown.tolist() == np.isin(MPII.joints, line["covered"]).tolist(), line["id"]
        assert (alpha_at(overlay.alpha, _free_points(person, size), overlay.left, overlay.top) < 128).all(), line["id"]


def test_verify_names_a_flipped_byte_and_a_changed_label(drawn: Made, tmp_path: Path) -> None:
    out = tmp_path / "twins"
    done("benchmark", drawn.data, out, "-q", "--jobs", 1, "--originals", "copy", *_QUICK)
    for arguments in ((out,), (drawn.data, out, "-q", "--jobs", 1)):
        assert done("benchmark", *arguments, "--verify").count("as they should be") == 2
    picture = sorted((out / "light" / "images").rglob("*.jpg"))[0]
    data = bytearray(picture.read_bytes())
    data[-20] ^= 1
    picture.write_bytes(data)
    result = noda("benchmark", out, "--verify")
    assert result.exit_code == 1 and "labels: as they should be" in result.stdout
    assert f"{picture.relative_to(out)}: changed" in result.stdout
    valid = out / "heavy" / "annot" / "valid.json"
    records = json.loads(valid.read_text())
    records[0]["joints_visible"][9] = 0  # the head top, which nothing covers
    valid.write_text(json.dumps(records))
    stated = json.loads((out / "hashes.json").read_text())
    result = noda("benchmark", out, "--verify")
    assert result.exit_code == 1 and "heavy/annot/valid.json: changed" in result.stdout
    # Who changes the list of hashes as well is found out by the digest, and by making it again.
    stated["labels"]["heavy/annot/valid.json"] = hashlib.sha256(valid.read_bytes()).hexdigest()
    (out / "hashes.json").write_text(json.dumps(stated))
    assert "benchmark.json: its digest" in noda("benchmark", out, "--verify").stdout
    again = noda("benchmark", drawn.data, out, "--verify", "-q", "--jobs", 1)
    assert again.exit_code == 1 and "heavy/annot/valid.json: changed" in again.stdout


def test_a_benchmark_without_its_originals_is_verified_as_well(drawn: Made, tmp_path: Path) -> None:
    out = tmp_path / "twins"
    done("benchmark", drawn.data, out, "-q", "--jobs", 1, "--originals", "none", *_QUICK)
    assert done("benchmark", drawn.data, out, "--verify", "-q", "--jobs", 1).count("as they should be") == 2
    content = json.loads((out / "benchmark.json").read_text())
    for damage in ({"settings": {}}, {"settings": 1}, {"versions": []}, {"name": None}):
        (out / "benchmark.json").write_text(json.dumps(content | damage))
        assert "write the benchmark again" in refused("benchmark", drawn.data, out, "--verify", "-q")


def test_another_seed_is_another_benchmark_and_says_so(drawn: Made, twins: Path, tmp_path: Path) -> None:
    assert Settings().name == "noda-synth twins v1"
    said = done("benchmark", drawn.data, tmp_path / "seven", "--seed", 7, "--jobs", 1, *_QUICK)
    assert "noda-synth twins v1, seed 7, tries 1280 in" in said
    usual, seven = (json.loads((folder / "benchmark.json").read_text()) for folder in (twins, tmp_path / "seven"))
    assert usual["name"] == "noda-synth twins v1, tries 1280" and usual["inputs"] == seven["inputs"]
    assert usual["labels"] != seven["labels"]


@pytest.mark.parametrize(("mask", "place"), [(None, "ring"), ("cardboard", "ground")])
def test_bodies_may_come_from_another_sets_pool(
    drawn: Made, drawn_coco: Made, twins: Path, tmp_path: Path, mask: str | None, place: str
) -> None:
    out, pool, tries = tmp_path / "twins", Pool(drawn_coco.pool), ("--tries", 2560)
    words = ("--pool", pool.path, "--place", place, *(("--mask", mask) if mask else ()))
    done("benchmark", drawn.data, out, "-q", "--jobs", 1, *tries, *words)
    content = json.loads((out / "benchmark.json").read_text())
    assert content["name"].endswith(f"pool {pool.content[:12]}, mask {mask or 'posecut'}, place {place}")
    assert content["settings"]["generator"] == {"pool": pool.content, "mask": mask or "posecut", "place": place}
    standard = json.loads((twins / "benchmark.json").read_text())
    assert "generator" not in standard["settings"] and content["inputs"] != standard["inputs"]
    layout, dataset = _read(drawn.data)
    generator = Generator(**content["settings"]["generator"])
    bodies, lines = {body.row: body for body in pool_bodies(pool, generator, ())}, _lines(out)
    assert lines
    for line in lines:
        who, person = line["occluder"], dataset.valid[line["row"]]
        assert (pool.persons[who["row"]], pool.images[who["row"]]) == (who["person"], who["source"])
        target = ValidationTarget(person, MPII, image_size(layout.images / person.image))
        body = bodies[who["row"]]
        covered, spot = np.isin(MPII.joints, line["covered"]), BodyPosition(0, **line["place"])
        overlay = paint.body_overlay(pool_cutout(pool, body.row, who["mask"]), body, spot, target, covered, who["mask"])
        shown = alpha_at(overlay.alpha, person.joints, overlay.left, overlay.top) >= 128
        assert (shown & target.inside).tolist() == covered.tolist()
        if place == "ground":
            feet = spot.y + feet_of(body.scaled(spot.factor))
            assert 0 < feet - feet_of(target.joints) <= 0.71 * target.size
    assert "as they should be" in done("benchmark", drawn.data, out, "--verify", "--jobs", 1, "--pool", pool.path)
    assert "--pool" in refused("benchmark", drawn.data, out, "--verify", "--jobs", 1)


def test_a_generator_that_cannot_be_is_refused(drawn: Made, drawn_coco: Made, tmp_path: Path) -> None:
    assert "--pool" in refused("benchmark", drawn.data, tmp_path / "a", "--place", "ground")
    assert "no level 'given'" in refused(
        "benchmark", drawn.data, tmp_path / "a", "--pool", drawn_coco.pool, "--mask", "given"
    )
    assert not (tmp_path / "a").exists()


def test_coco_data_get_a_benchmark_too(drawn_coco: Made, tmp_path: Path) -> None:
    content = json.loads(next(drawn_coco.data.rglob("*.json")).read_text())
    data = tmp_path / "data"
    (data / "annotations").mkdir(parents=True)
    (data / "images").symlink_to(drawn_coco.data / "images")
    for part, chosen in (("train", content["images"][:-4]), ("val", content["images"][-4:])):
        ids = {image["id"] for image in chosen}
        some = {**content, "images": chosen, "annotations": [a for a in content["annotations"] if a["image_id"] in ids]}
        (data / "annotations" / f"person_keypoints_{part}.json").write_text(json.dumps(some))
    done("benchmark", data, tmp_path / "twins", "-q", "--jobs", 1, "--follow-links", *_QUICK)
    assert not (tmp_path / "twins" / "light" / "annot" / "valid.json").exists()
    written = json.loads((tmp_path / "twins" / "light" / "annot" / "coco_valid.json").read_text())
    before = {a["id"]: a["keypoints"] for a in content["annotations"]}
    assert written["annotations"]
    for annotation in written["annotations"]:
        changed = np.array(annotation["keypoints"])[2::3] != np.array(before[annotation["id"]])[2::3]
        assert changed.sum() == 1


def test_what_cannot_be_a_benchmark_is_refused(drawn: Made, tmp_path: Path) -> None:
    assert "no benchmark" in refused("benchmark", drawn.data, "--verify")
    assert "name the folder" in refused("benchmark", drawn.data)
    data = tmp_path / "bare"
    (data / "annot").mkdir(parents=True)
    (data / "images").symlink_to(drawn.data / "images")
    for name in ("train.json", "valid.json"):
        (data / "annot" / name).write_bytes((drawn.data / "annot" / name).read_bytes())
    assert "visibility" in refused("benchmark", data, tmp_path / "out", "--follow-links")
    (data / "annot" / "valid.json").unlink()
    assert "no validation part" in refused("benchmark", data, tmp_path / "out", "--follow-links")
    assert not (tmp_path / "out").exists()


def test_drawn_numbers_are_fair_and_fixed() -> None:
    numbers = HashRandom("a key").integers(6, 6000, "x")
    assert numbers.min() == 0 and numbers.max() == 5 and np.abs(np.bincount(numbers) - 1000).max() < 120
    # 32 bits of SHAKE-256 scaled to the sides, which any language gives.
    assert HashRandom("a key").integers(1000, 4, "x").tolist() == [173, 975, 919, 170]


def test_shapes_are_exact_at_their_border() -> None:
    capsule = capsules.BodyShape(np.array([[0, 0, 30, 40, 5]]), np.empty((0, 6), np.int64))
    # 3 : 4 : 5 triangles: these lie on the border to the very pixel, and the next pixel outside.
    points = np.array([(-3, -4), (-4, -4), (11, 23), (10, 24), (33, 44), (34, 44), (15, 20)])
    assert capsule.holds(points).tolist() == [True, False, True, False, True, False, True]
    triangle = capsules.BodyShape(np.empty((0, 5), np.int64), np.array([[0, 0, 10, 0, 0, 10]]))
    assert triangle.holds(np.array([(5, 5), (6, 5), (0, 0), (-1, 0)])).tolist() == [True, False, True, False]
