"""What a run is made of is what it was begun with: the pool, the truth files, the originals it carries along."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.io import loadmat, savemat

from noda_synth.errors import NodaError, Problem
from noda_synth.formats import find_layout, read_dataset
from noda_synth.methods import Recipe, Sources
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.render.output import link_originals
from noda_synth.runs.staging import Staging
from tests.command import done, noda, refused


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("demo") / "data"
    done("demo-data", data, "--images", 4, "--valid-images", 2, "--size", "320x240", "--jobs", 1, "-q")
    for name, side in (("pool.h5", 300), ("other.h5", 64)):
        words = ("--levels", "box", "--everyone", "--max-side", side, "--jobs", 1, "-q")
        done("build-pool", "--data", data, "--out", data.with_name(name), *words)
    return data


@pytest.fixture
def data(demo: Path, tmp_path: Path) -> Path:
    for name in ("pool.h5", "other.h5"):
        shutil.copy(demo.with_name(name), tmp_path / name)
    shutil.copytree(demo, tmp_path / "data")
    return tmp_path / "data"


def test_a_pool_that_is_replaced_while_it_is_read_ends_the_run(data: Path) -> None:
    pool, other = data.with_name("pool.h5"), data.with_name("other.h5")
    recipe = Recipe("noda", PlacementSettings(mask="box"), Sources(pool))
    content = recipe.open().source_hashes()["pool"]
    planned = replace(recipe, pool_content=content)
    bodies = planned.open()
    pool.rename(data.with_name("old.h5"))
    other.rename(pool)
    assert planned.open() is bodies  # the one that is open is still the old one
    assert bodies.source_hashes()["pool"] == content
    # A worker that opens it anew finds another pool.
    with pytest.raises(NodaError, match=r"pool\.h5 was replaced while the run worked"):
        replace(planned, settings=PlacementSettings(mask="box", tries=3)).open()


def test_a_pool_that_is_written_to_while_it_is_read_ends_the_run(data: Path) -> None:
    pool, other = data.with_name("pool.h5"), data.with_name("other.h5")
    recipe = Recipe("noda", PlacementSettings(mask="box"), Sources(pool))
    planned = replace(recipe, pool_content=recipe.open().source_hashes()["pool"])
    planned.open()
    shutil.copyfile(other, pool)
    with pytest.raises(NodaError, match="was written to"):
        planned.open()


@pytest.mark.parametrize("command", ["render", "benchmark"])
def test_another_gt_valid_is_another_input(data: Path, tmp_path: Path, command: str) -> None:
    words: tuple[object, ...] = ("benchmark", data, tmp_path / "out", "--tries", 64)
    if command == "render":
        words = ("render", "--data", data, "--method", "cutout", "--out", tmp_path / "out")
    done(*words, "--jobs", 1, "-q")
    truth = data / "annot" / "gt_valid.mat"
    content = {key: value for key, value in loadmat(truth).items() if not key.startswith("_")}
    content["jnt_visible"] = (content["jnt_missing"] == 0).astype("uint8")
    savemat(truth, content)
    assert "gt_valid: " in refused(*words, "--jobs", 1, "-q")


def originals(data: Path, out: Path, how: str) -> list[Problem]:
    """What render does with the originals, into the folder `out`."""
    layout = find_layout(data)
    return list(link_originals(read_dataset(layout), layout, out, out, how))


def test_an_original_that_was_cut_short_is_copied_again(data: Path, tmp_path: Path) -> None:
    out, images = tmp_path / "out", sorted((data / "images").iterdir())
    originals(data, out, "copy")
    cut, whole = (out / "images" / image.name for image in images[:2])
    cut.write_bytes(cut.read_bytes()[:100])
    stamp = whole.stat().st_mtime_ns
    originals(data, out, "copy")
    assert cut.read_bytes() == images[0].read_bytes()
    assert whole.stat().st_mtime_ns == stamp
    assert sorted(path.name for path in (out / "images").iterdir()) == [image.name for image in images]


def test_a_copy_of_an_original_appears_when_it_is_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", cut_short)
        with pytest.raises(NodaError, match="cannot be put there as a copy"):
            originals(data, tmp_path / "out", "copy")
    assert [path.name for path in (tmp_path / "out" / "images").iterdir()] == [".original"]
    originals(data, tmp_path / "out", "copy")
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == sorted(
        path.name for path in (data / "images").iterdir()
    )


@pytest.mark.parametrize("how", ["symlink", "hardlink"])
def test_what_stands_in_the_place_of_a_link_is_put_right(data: Path, tmp_path: Path, how: str) -> None:
    original = sorted((data / "images").iterdir())[0]
    place = tmp_path / "out" / "images" / original.name
    place.parent.mkdir(parents=True)
    place.write_text("half")
    originals(data, tmp_path / "out", how)
    assert place.samefile(original)
    assert place.is_symlink() == (how == "symlink")


def test_one_name_for_two_pictures_is_refused(data: Path, tmp_path: Path) -> None:
    done("convert", data, tmp_path / "tmp", "--to", "coco")
    (tmp_path / "set" / "annotations").mkdir(parents=True)
    for part in ("train", "val"):
        (tmp_path / "set" / part).mkdir()
        content = json.loads((tmp_path / "tmp" / f"person_keypoints_{part}.json").read_text())
        for number, image in enumerate(content["images"]):
            shutil.copy(data / "images" / image["file_name"], tmp_path / "set" / part / f"{number:06d}.jpg")
            image["file_name"] = f"{number:06d}.jpg"
        (tmp_path / "set" / "annotations" / f"person_keypoints_{part}.json").write_text(json.dumps(content))
    words = ("render", "--data", tmp_path / "set", "--method", "cutout", "--out", tmp_path / "out", "--jobs", 1, "-q")
    said = refused(*words)
    assert "train/000000.jpg" in said
    assert "val/000000.jpg are two pictures of one name" in said
    assert not (tmp_path / "out").exists()
    done(*words, "--originals", "none")
    for picture in (tmp_path / "set" / "val").iterdir():
        shutil.copy(tmp_path / "set" / "train" / picture.name, picture)
    done(*words, "--originals", "copy", "--overwrite")


def killed(words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """Run a command that is interrupted when so many shards are finished."""
    store, count = Staging.store, iter(range(shards))

    def kept(*args: object, **kwargs: object) -> None:
        if next(count, None) is None:
            raise KeyboardInterrupt
        store(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Staging, "store", kept)
        assert noda(*words).exit_code == 130


def cut(image: Path) -> None:
    image.write_bytes(image.read_bytes()[:-1])


def written_to(image: Path) -> None:
    os.utime(image, ns=(1, 1))


def gone(image: Path) -> None:
    image.rename(image.with_suffix(".gone"))


@pytest.mark.parametrize(
    ("spoil", "why"), [(cut, "bytes now"), (written_to, "it was written to"), (gone, "not there now")]
)
@pytest.mark.parametrize("command", ["render", "benchmark"])
def test_an_image_that_changes_while_a_run_rests_ends_it_by_name(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, spoil: Callable[[Path], None], why: str
) -> None:
    monkeypatch.setattr("noda_synth.render.occluded_copies._SHARD_IMAGES", 1)
    words: tuple[object, ...] = ("benchmark", data, tmp_path / "out", "--tries", 64)
    if command == "render":
        words = ("render", "--data", data, "--method", "cutout", "--out", tmp_path / "out", "--ratio", 1)
    words = (*words, "--jobs", 1, "-q")
    killed(words, monkeypatch, 1)
    part = "train" if command == "render" else "valid"
    image = data / "images" / json.loads((data / "annot" / f"{part}.json").read_text())[-1]["image"]
    whole, times = image.read_bytes(), image.stat()
    spoil(image)
    said = refused(*words)
    # Of a plan whose image is gone another person may be the first who is missing.
    assert (f"{image} has changed" in said and why in said) or (spoil is gone and "planned on when" in said)
    refused(*words)
    image.write_bytes(whole)
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    done(*words)


def test_parts_that_saw_other_images_are_not_put_together(data: Path, tmp_path: Path) -> None:
    words = ("render", "--data", data, "--method", "cutout", "--out", tmp_path / "out", "--ratio", 1, "--jobs", 1, "-q")
    done(*words, "--shard", "1/2")
    image = data / "images" / json.loads((data / "annot" / "train.json").read_text())[0]["image"]
    image.write_bytes(image.read_bytes() + b"\0")
    done(*words, "--shard", "2/2")
    assert f"{image.name} was another image" in refused("merge", tmp_path / "out")
    done(*words, "--shard", "1/2", "--overwrite")
    os.utime(image, ns=(1, 1))  # as another machine's copy
    done("merge", tmp_path / "out", "-q")
