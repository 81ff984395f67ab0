"""Bad input: every kind has an error of its own that names the file, the record and the way out, and no traceback.

What is bad as a whole is refused with exit code 2; one bad image or record costs only itself, and exit code 1.
"""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.command import Process, done, noda, refused, tree
from tests.conftest import Made
from tests.drawn_set import JOINTS, records
from tests.rules import check, copies

NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture
def data(small: Path, tmp_path: Path) -> Path:
    """A data set that may be spoilt."""
    return shutil.copytree(small, tmp_path / "data")


def build(data: Path, out: Path, *options: object) -> tuple[object, ...]:
    return ("build-pool", "--data", data, "--out", out, "--levels", "cardboard", "--jobs", 1, *options)


def render(data: Path, made: Made, out: Path, *options: object) -> tuple[object, ...]:
    return ("render", "--data", data, "--pool", made.pool, "--out", out, "--jobs", 1, *options)


def failures(file: Path) -> list[dict[str, Any]]:
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    return [line for line in lines if line["failed"]]


def written(out: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((out / "annot" / "train.json").read_text())
    return content


def rewrite(data: Path, change: Callable[[list[Any]], Any]) -> None:
    file = data / "annot" / "train.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(change(content) or content))


# Images.


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_image(path: Path) -> None:
    path.write_text("<html>not found</html>")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def far_too_large(path: Path) -> None:
    from tests.test_images import jpeg_header

    path.write_bytes(jpeg_header(60_000, 60_000))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (missing, "no such file"),
        (empty, "the file is empty"),
        (no_image, "not an image"),
        (cut_short, "ends early"),
        (far_too_large, "--max-pixels"),
    ],
)
def test_a_bad_image_costs_only_itself(
    data: Path, drawn: Made, tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(data / "images" / "003.jpg")
    people = records(data)
    hit = [row for row, person in enumerate(people) if person["image"] == "003.jpg"]

    result = noda(*build(data, tmp_path / "pool.h5"))
    assert result.exit_code == 1, result.output
    (failed,) = failures(tmp_path / "pool.h5.errors.jsonl")
    assert failed["item"] == "003.jpg"
    assert why in failed["reason"]
    assert f"failed: 003.jpg: {failed['reason']}" in result.stderr
    with h5py.File(tmp_path / "pool.h5", "r") as pool:
        names = [name.decode() for name in pool["bodies/image"]]
    assert sorted(set(names)) == sorted({person["image"] for person in people} - {"003.jpg"})

    out = tmp_path / "set"
    result = noda(*render(data, drawn, out, "--ratio", 1))
    assert result.exit_code == 1, result.output
    assert any(why in failed["reason"] for failed in failures(out / "errors.jsonl"))
    after = written(out)
    assert len(after) == len(people) - len(hit) and all("synth" in record for record in after)
    assert json.loads((out / "report.json").read_text())["counts"]["copies"] == len(people) - len(hit)
    assert not list((out / "images").glob("003_*"))


def test_with_no_image_left_nothing_is_written(data: Path, drawn: Made, tmp_path: Path) -> None:
    for path in (data / "images").rglob("*.jpg"):
        path.unlink()
    assert "not one of the 9 images" in refused(*build(data, tmp_path / "pool.h5"))
    assert "not one of the 9 images" in refused(*render(data, drawn, tmp_path / "set"))
    assert not (tmp_path / "pool.h5").exists()
    assert not (tmp_path / "set").exists()


def test_a_missing_folder_says_where_it_was_looked_for_and_the_way_out(tmp_path: Path, drawn: Made) -> None:
    nowhere = tmp_path / "nowhere"
    for words in (build(nowhere, tmp_path / "pool.h5"), render(nowhere, drawn, tmp_path / "set")):
        said = refused(*words)
        assert str(nowhere) in said
        for hint in ("--data", "--images", "--annotations", "http://human-pose.mpi-inf.mpg.de", "demo-data"):
            assert hint in said


# Annotation files.


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "empty"),
        ("[]", "empty list"),
        ('{"a": 1}', "COCO"),
        ('"text"', "not a list of records"),
        ("[1, 2]", "not of records"),
        ('[{"image": "0', "not valid JSON"),
        ("\x00\x01\x02", "JSON"),
    ],
)
def test_annotations_that_are_no_list_of_records_are_refused(
    data: Path, drawn: Made, tmp_path: Path, content: str, why: str
) -> None:
    (data / "annot" / "train.json").write_text(content)
    for words in (build(data, tmp_path / "pool.h5"), render(data, drawn, tmp_path / "set")):
        said = refused(*words)
        assert "train.json" in said
        assert why in said


def set_joint(joint: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        record["joints"][3] = joint

    return change


BAD_RECORDS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "fifteen joints": (lambda r: r["joints"].pop(), "(15, 2)"),
    "seventeen flags": (lambda r: r["joints_vis"].append(1), "(17,)"),
    "no joints": (lambda r: r.pop("joints"), "lacks joints"),
    "three coordinates": (set_joint([1, 2, 3]), "unequal length"),
    "NaN": (set_joint([NAN, 10.0]), "NaN or infinite"),
    "infinite": (set_joint([10.0, -INFINITE]), "NaN or infinite"),
    "text": (set_joint(["a", "b"]), "not numbers"),
    "NaN center": (lambda r: r.update(center=[NAN, 1.0]), "center: NaN or infinite"),
    "text scale": (lambda r: r.update(scale="large"), "scale: not numbers"),
    "upwards": (lambda r: r.update(image="../../etc/passwd.jpg"), "leads out of the images folder"),
    "absolute": (lambda r: r.update(image="/etc/passwd.jpg"), "leads out of the images folder"),
    "no name": (lambda r: r.update(image=None), "no image name"),
}


@pytest.mark.parametrize("kind", BAD_RECORDS)
def test_a_bad_record_costs_only_itself(data: Path, drawn: Made, tmp_path: Path, kind: str) -> None:
    spoil, why = BAD_RECORDS[kind]
    rewrite(data, lambda content: spoil(content[4]) and None)
    for words, errors in (
        (build(data, tmp_path / "pool.h5"), tmp_path / "pool.h5.errors.jsonl"),
        (render(data, drawn, tmp_path / "set", "--ratio", 1), tmp_path / "set" / "errors.jsonl"),
    ):
        result = noda(*words)
        assert result.exit_code == 1, result.output
        (failed,) = failures(errors)
        assert "train.json record 4" in failed["item"]
        assert why in failed["reason"]
        assert why in result.stderr
    assert sum("synth" in record for record in written(tmp_path / "set")) == len(records(data)) - 1


def test_with_nothing_but_bad_records_the_first_is_named(data: Path, drawn: Made, tmp_path: Path) -> None:
    rewrite(data, lambda content: [{**record, "joints": []} for record in content])
    for words in (build(data, tmp_path / "pool.h5"), render(data, drawn, tmp_path / "set")):
        said = refused(*words)
        assert "train.json record 0" in said
        assert "joints" in said


def test_people_without_any_joint_are_no_training_samples(data: Path, drawn: Made, tmp_path: Path) -> None:
    def strip(content: list[Any]) -> None:
        content[2].update(joints=[[-1, -1]] * 16, joints_vis=[0] * 16)

    rewrite(data, strip)
    done(*render(data, drawn, tmp_path / "set", "--ratio", 1))
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert report["counts"]["people"] == report["counts"]["copies"] == len(records(data)) - 1
    assert {key: written(tmp_path / "set")[2][key] for key in records(data)[2]} == records(data)[2]
    rewrite(data, lambda content: [{**record, "joints_vis": [0] * 16} for record in content])
    assert "nobody with a labelled joint" in refused(*render(data, drawn, tmp_path / "other"))


def test_joints_far_outside_are_reported_ignored_and_written_back(data: Path, drawn: Made, tmp_path: Path) -> None:
    left_wrist = JOINTS.index("left_wrist")

    def spoil(content: list[Any]) -> None:
        content[3]["joints"][left_wrist] = [5000.25, -4000.75]

    rewrite(data, spoil)
    person = records(data)[3]
    result = noda(*build(data, tmp_path / "pool.h5"))
    assert result.exit_code == 0, result.output
    assert person["image"] in result.stderr
    assert "left_wrist" in result.stderr
    with h5py.File(tmp_path / "pool.h5", "r") as pool:
        row = next(n for n, p in enumerate(pool["bodies/person"]) if p.decode().startswith(person["image"] + "#"))
        for row, name in enumerate(pool["bodies/person"][()]):
            image, _, number = name.decode().rpartition("#")
            place = [n for n, r in enumerate(records(data)) if r["image"] == image][int(number)]
            assert pool["bodies/labelled"][row].sum() == (15 if place == 3 else 16)
            assert (np.isfinite(pool["bodies/joints"][row]).all(axis=1) == pool["bodies/labelled"][row]).all()
            assert pool["bodies/size"][row].max() < 400

    result = noda(*render(data, drawn, tmp_path / "set", "--ratio", 1, "--format", "png"))
    assert result.exit_code == 0, result.output
    assert "left_wrist" in result.stderr
    assert written(tmp_path / "set")[3]["joints"] == person["joints"]
    for copy in copies(tmp_path / "set", data, drawn.pool):
        check(copy)


def test_duplicates_are_reported_carried_along_and_left_alone(data: Path, drawn: Made, tmp_path: Path) -> None:
    rewrite(data, lambda content: [*content, content[0]])
    result = noda(*build(data, tmp_path / "pool.h5"))
    assert result.exit_code == 0, result.output
    assert "same joints" in result.stderr
    assert "1 left out: duplicate record" in result.stdout
    result = noda(*render(data, drawn, tmp_path / "set", "--ratio", 1, "--coco"))
    assert result.exit_code == 0, result.output
    after = written(tmp_path / "set")
    assert [row for row, record in enumerate(after) if "synth" not in record] == [len(after) - 1]
    assert len({record["person_id"] for record in after}) == len(after)


# Pools.


def test_a_pool_that_is_missing_or_no_pool_is_refused(drawn: Made, data: Path, tmp_path: Path) -> None:
    said = refused("render", "--data", data, "--pool", tmp_path / "none.h5", "--out", tmp_path / "set")
    assert "none.h5" in said
    assert "build-pool" in said
    text, other = tmp_path / "text.h5", tmp_path / "other.h5"
    text.write_text("no pool at all")
    with h5py.File(other, "w") as file:
        file["numbers"] = [1, 2, 3]
    for pool in (text, other):
        assert pool.name in refused("render", "--data", data, "--pool", pool, "--out", tmp_path / "set")
        assert pool.name in refused("preview", pool, "--out", tmp_path / "sheet.png")
    assert not (tmp_path / "set").exists()


def test_a_pool_of_another_skeleton_is_refused(drawn: Made, drawn_coco: Made, tmp_path: Path) -> None:
    said = refused("render", "--data", drawn.data, "--pool", drawn_coco.pool, "--out", tmp_path / "set")
    for word in (str(drawn_coco.pool), "coco17", "mpii16"):
        assert word in said
    said = refused("render", "--data", drawn_coco.data, "--pool", drawn.pool, "--out", tmp_path / "set")
    assert "coco17" in said


def spoilt_pool(drawn: Made, path: Path, spoil: Callable[[h5py.File], None]) -> Path:
    shutil.copy(drawn.pool, path)
    with h5py.File(path, "r+") as pool:
        spoil(pool)
    return path


def test_a_pool_of_another_version_is_refused_and_can_be_built_again(drawn: Made, data: Path, tmp_path: Path) -> None:
    pool = spoilt_pool(drawn, tmp_path / "old.h5", lambda file: file.attrs.modify("format_version", 99))
    said = refused("render", "--data", data, "--pool", pool, "--out", tmp_path / "set")
    for word in ("old.h5", "format 99", "remove it and build it again"):
        assert word in said
    assert "format 99" in refused(*build(data, pool, "--overwrite"))
    pool.unlink()
    done(*build(data, pool))
    done("render", "--data", data, "--pool", pool, "--mask", "cardboard", "--out", tmp_path / "set")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_pool_that_was_cut_short_is_refused_and_can_be_built_again(
    drawn: Made, data: Path, tmp_path: Path, share: float
) -> None:
    pool = tmp_path / "cut.h5"
    pool.write_bytes(drawn.pool.read_bytes()[: int(drawn.pool.stat().st_size * share)])
    for words in (
        ("render", "--data", data, "--pool", pool, "--out", tmp_path / "set"),
        ("preview", pool, "--out", tmp_path / "sheet.png"),
    ):
        said = refused(*words)
        assert "cut.h5" in said
        assert "remove it and build it again" in said
    assert "remove it and build it again" in refused(*build(data, pool))
    pool.unlink()
    done(*build(data, pool))


def garbage(name: str) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        noise = np.random.default_rng(0).integers(0, 255, file[name].shape, np.uint8)
        file[name][...] = noise

    return spoil


def drop(name: str) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        del file[name]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [garbage("crops/bytes"), garbage("masks/grabcut/bytes"), garbage("masks/grabcut/offsets"), drop("bodies/joints"),
     drop("masks/grabcut/offsets")],
    ids=["crops", "masks", "offsets", "no joints", "no offsets"],
)  # fmt: skip
def test_garbage_in_a_pool_is_named_as_damage(
    drawn: Made, data: Path, tmp_path: Path, spoil: Callable[[h5py.File], None]
) -> None:
    pool = spoilt_pool(drawn, tmp_path / "garbage.h5", spoil)
    result = noda("render", "--data", data, "--pool", pool, "--out", tmp_path / "set", "--jobs", 1)
    assert result.exit_code == 2
    assert "garbage.h5" in result.stderr
    assert "damaged" in result.stderr
    assert not (tmp_path / "set").exists()
    assert "garbage.h5" in refused("preview", pool, "--out", tmp_path / "sheet.png")


def test_a_level_that_the_pool_lacks_is_named(data: Path, tmp_path: Path) -> None:
    done(*build(data, tmp_path / "pool.h5"))
    said = refused("render", "--data", data, "--pool", tmp_path / "pool.h5", "--out", tmp_path / "set", "--mask", "box")
    assert "no level 'box'" in said
    assert "cardboard" in said


# Options and places.


@pytest.mark.parametrize(
    "options",
    [
        ("--ratio", "1.5"), ("--ratio", "-0.1"), ("--ratio", "nan"), ("--ratio", "half"), ("--radius", "1", "0.5"),
        ("--rescale", "1.2", "0.8"), ("--rescale", "nan", "1"), ("--rescale", "1", "inf"), ("--radius", "0", "nan"),
        ("--max-enlarge", "nan"), ("--max-enlarge", "0"), ("--mask", "paper"), ("--copies", "0"), ("--limit", "0"),
        ("--protect-joints", "nose"), ("--jobs", "0"), ("--tries", "0"), ("--smooth", "much"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_option_out_of_its_range_is_refused_by_name(drawn: Made, tmp_path: Path, options: tuple[str, ...]) -> None:
    said = refused(*render(drawn.data, drawn, tmp_path / "set", *options))
    assert options[0] in said
    assert not list(tmp_path.iterdir())


def test_min_covered_above_max_covered_finds_nobody(drawn: Made, tmp_path: Path) -> None:
    said = refused(*render(drawn.data, drawn, tmp_path / "set", "--min-covered", 3, "--max-covered", 1))
    assert "nobody could be covered" in said


def test_an_output_that_cannot_be_written_is_named(drawn: Made, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for words in (
        build(data, tmp_path / "file" / "pool.h5"),
        render(data, drawn, tmp_path / "file" / "set"),
        ("preview", drawn.pool, "--out", tmp_path / "file" / "sheet.png"),
    ):
        assert str(words[words.index("--out") + 1]) in refused(*words)


def limited(size: int) -> Callable[[], None]:
    """No file may grow larger than that: the nearest thing to a full disk that a test can have."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_is_named_and_the_run_goes_on_afterwards(
    drawn: Made, data: Path, tmp_path: Path, jobs: int
) -> None:
    for words, out, size in (
        (build(data, tmp_path / "pool.h5"), tmp_path / "pool.h5", 60_000),
        (render(data, drawn, tmp_path / "set", "--format", "png"), tmp_path / "set", 60_000),
        (render(data, drawn, tmp_path / "set2", "--originals", "copy"), tmp_path / "set2", 8_000),
    ):
        words = (*words, "--jobs", jobs)
        with Process(*words, preexec_fn=limited(size)) as running:
            assert running.wait(timeout=60) == 2, running.said()
            said = running.said()
        assert "Traceback" not in said
        assert str(out) in said
        assert "again" in said
        assert not out.exists()
        done(*words)
        assert out.exists()
        assert not list(tmp_path.glob("*.partial"))
    done(*build(data, tmp_path / "other.h5"))
    assert (tmp_path / "pool.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()


def test_the_original_data_set_is_never_written_to(data: Path, drawn: Made, tmp_path: Path) -> None:
    before = tree(data)
    done(*build(data, tmp_path / "pool.h5"))
    for originals in ("symlink", "hardlink", "copy", "none"):
        done(*render(data, drawn, tmp_path / originals, "--originals", originals, "--coco"))
        done(*render(data, drawn, tmp_path / originals, "--originals", originals, "--overwrite", "--seed", 1))
    assert tree(data) == before
