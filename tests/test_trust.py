"""Data from strangers: names and links that lead elsewhere, absurd sizes, and files that claim what they are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from noda_synth.pool.reader import DamagedPool, Pool
from tests.command import done, noda, refused
from tests.conftest import Made
from tests.drawn_set import records


@pytest.fixture
def own(drawn: Made, tmp_path: Path) -> Made:
    """A data set and a pool that a test may spoil."""
    shutil.copytree(drawn.data, tmp_path / "data")
    shutil.copy(drawn.pool, tmp_path / "pool.h5")
    return Made(tmp_path / "data", tmp_path / "pool.h5")


def render(made: Made, out: Path) -> tuple[object, ...]:
    return ("render", "--data", made.data, "--pool", made.pool, "--out", out, "--jobs", 1, "-q")


@pytest.mark.parametrize("whole_folder", [False, True])
def test_links_out_of_the_images_folder_are_refused_unless_they_are_wanted(
    own: Made, tmp_path: Path, whole_folder: bool
) -> None:
    name = records(own.data)[0]["image"]
    image = own.data / "images" / name
    secret = tmp_path / "secret"
    if whole_folder:
        (own.data / "images").rename(secret)
        (own.data / "images").mkdir()
        for entry in secret.iterdir():
            (own.data / "images" / entry.name).symlink_to(entry)
    else:
        image.rename(secret)
        image.symlink_to(secret)
    for words in (render(own, tmp_path / "set"), ("build-pool", "--data", own.data, "--out", tmp_path / "new.h5")):
        said = refused(*words)
        assert "symbolic links that lead out of it" in said
        assert "--follow-links" in said
    assert not (tmp_path / "set").exists()
    done(*render(own, tmp_path / "set"), "--follow-links")


def test_an_images_folder_that_is_a_link_and_links_inside_it_are_welcome(own: Made, tmp_path: Path) -> None:
    (own.data / "images").rename(tmp_path / "elsewhere")
    (own.data / "images").symlink_to(tmp_path / "elsewhere")
    name = records(own.data)[0]["image"]
    (tmp_path / "elsewhere" / name).rename(tmp_path / "elsewhere" / "renamed.jpg")
    (tmp_path / "elsewhere" / name).symlink_to(tmp_path / "elsewhere" / "renamed.jpg")
    done(*render(own, tmp_path / "set"))


def replaced(pool: h5py.File, name: str, values: object, **options: object) -> None:
    del pool[name]
    pool.create_dataset(name, data=values, **options)


def outside(pool: h5py.File, kind: str) -> None:
    """The joints come from another file, in one of three ways."""
    joints = pool["bodies/joints"][()]
    other = Path(pool.filename).with_name("other")
    del pool["bodies/joints"]
    if kind == "external storage":
        joints.tofile(other)
        pool.create_dataset("bodies/joints", joints.shape, joints.dtype, external=[(str(other), 0, joints.nbytes)])
        return
    with h5py.File(other, "w") as file:
        file["joints"] = joints
    if kind == "external link":
        pool["bodies/joints"] = h5py.ExternalLink(str(other), "/joints")
        return
    layout = h5py.VirtualLayout(joints.shape, joints.dtype)
    layout[...] = h5py.VirtualSource(str(other), "joints", joints.shape)
    pool.create_virtual_dataset("bodies/joints", layout)


def absurd(pool: h5py.File) -> None:
    """A petabyte of joints, in a file of a few kilobytes."""
    del pool["bodies/joints"]
    pool.create_dataset("bodies/joints", (1 << 42, 16, 2), np.float64, chunks=(1024, 16, 2))


def first(pool: h5py.File, name: str, value: object) -> None:
    pool[name][0] = value


HARMS: dict[str, Callable[[h5py.File], None]] = {
    "external link": lambda pool: outside(pool, "external link"),
    "external storage": lambda pool: outside(pool, "external storage"),
    "virtual": lambda pool: outside(pool, "virtual"),
    "absurd": absurd,
    "too few": lambda pool: replaced(pool, "bodies/scale", pool["bodies/scale"][1:]),
    "other joints": lambda pool: replaced(pool, "bodies/joints", pool["bodies/joints"][:, :3]),
    "offsets beyond the end": lambda pool: first(pool, "crops/offsets", 1 << 60),
    "huge crop": lambda pool: first(pool, "bodies/size", (1 << 30, 1 << 30)),
    "no crop": lambda pool: first(pool, "bodies/size", (0, -5)),
    "in pieces": lambda pool: replaced(pool, "crops/bytes", pool["crops/bytes"][()], chunks=(100,)),
    "bytes of a crop": lambda pool: first(pool, "crops/bytes", 7),
    "lacking": lambda pool: pool.__delitem__("bodies/box"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_pool_that_is_not_as_build_pool_wrote_it_is_refused(own: Made, tmp_path: Path, harm: str) -> None:
    with h5py.File(own.pool, "r+") as pool:
        HARMS[harm](pool)
    said = refused(*render(own, tmp_path / "set"))
    assert str(own.pool) in said
    assert "damaged" in said


@pytest.mark.parametrize("values", [b"\xea\xff", 7.5], ids=["no text", "numbers"])
@pytest.mark.parametrize("column", ["image", "person"])
def test_names_in_a_pool_that_cannot_be_read_are_damage(own: Made, column: str, values: object) -> None:
    with h5py.File(own.pool, "r+") as file:
        count = len(file[f"bodies/{column}"])
        replaced(file, f"bodies/{column}", np.full(count, values))
    pool = Pool(own.pool)
    if column == "image":
        with pytest.raises(DamagedPool, match="bodies/image"):
            pool.seeds()
    with pytest.raises(DamagedPool, match=f"damaged ./bodies/{column} of body 0"):
        _ = (pool.images if column == "image" else pool.persons)[0]


def test_a_column_that_lacks_is_damage(own: Made) -> None:
    reads = {"matte": "has_matte", **{name: name for name in ("status", "quality", "limbs", "piece", "foreground")}}
    with h5py.File(own.pool, "r+") as file:
        level = next(iter(file["masks"]))
        for name in reads:
            del file[f"masks/{level}/{name}"]
    pool = Pool(own.pool)
    for name, method in reads.items():
        with pytest.raises(DamagedPool, match=f"masks/{level}/{name}"):
            getattr(pool, method)(level)


def test_a_pool_whose_attributes_cannot_be_read_is_refused(own: Made, tmp_path: Path) -> None:
    """Texts lie in HDF5's global heap, whose blocks begin with GCOL."""
    own.pool.write_bytes(own.pool.read_bytes().replace(b"GCOL", b"GCOM"))
    assert "damaged HDF5 file" in refused(*render(own, tmp_path / "set"))


def test_a_crop_whose_header_claims_another_size_is_not_decoded(own: Made) -> None:
    with h5py.File(own.pool, "r+") as pool:
        crop = pool["crops/bytes"]
        frame = bytes(crop[:2000]).index(b"\xff\xc0")
        crop[frame + 5 : frame + 9] = np.frombuffer((65_000).to_bytes(2) * 2, np.uint8)
    with pytest.raises(DamagedPool, match="the crop of body 0"):
        Pool(own.pool).crop(0)


def test_a_split_that_draws_on_another_file_is_refused(own: Made, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["imgname"] = np.array([b"000.jpg"])
    with h5py.File(tmp_path / "valid.h5", "w") as file:
        file["imgname"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/imgname")
        file["person"] = np.zeros(1)
    mat = next(own.data.glob("*.mat"))
    words = ("build-pool", "--images", own.data / "images", "--annotations", mat, "--split", tmp_path / "valid.h5")
    assert "link to another place" in refused(*words, "--out", tmp_path / "new.h5")


IMAGES = {
    "one pixel": lambda image: cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1],
    "grey": lambda image: cv2.imencode(".jpg", image[..., 0])[1],
    "16 bits": lambda image: cv2.imencode(".png", image.astype(np.uint16) * 257)[1],
    "alpha": lambda image: cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_BGR2BGRA))[1],
}


@pytest.mark.parametrize("kind", [*IMAGES, "cmyk", "turned"])
def test_images_of_every_kind(own: Made, tmp_path: Path, kind: str) -> None:
    """All of them are read; EXIF turns nothing, because the joints were not turned either."""
    from PIL import Image

    for entry in {record["image"] for record in records(own.data)}:
        path = own.data / "images" / entry
        picture = cv2.imread(str(path))
        assert picture is not None
        if kind == "cmyk":
            Image.fromarray(picture[..., ::-1]).convert("CMYK").save(path, "JPEG")
        elif kind == "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            Image.fromarray(picture[..., ::-1]).save(path, "JPEG", exif=exif)
        else:
            path.write_bytes(IMAGES[kind](picture).tobytes())
    words = ("build-pool", "--data", own.data, "--out", tmp_path / "new.h5", "--levels", "cardboard", "--jobs", 1)
    result = noda(*words, "--everyone")
    if kind == "one pixel":
        assert result.exit_code == 2
        assert "nobody can be cut out" in result.stderr
        return
    assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "new.h5") as new, h5py.File(own.pool) as old:
        assert set(old["bodies/person"][()]) <= set(new["bodies/person"][()])


@pytest.mark.parametrize("joints", ["one", "none", "all at one point", "outside"])
def test_annotations_of_every_kind(own: Made, tmp_path: Path, joints: str) -> None:
    entries = records(own.data)
    for entry in entries[::2]:
        if joints in ("one", "none"):
            entry["joints_vis"] = [1 if joints == "one" and place == 9 else 0 for place in range(16)]
            entry["joints"] = [
                xy if seen else [-1, -1] for xy, seen in zip(entry["joints"], entry["joints_vis"], strict=True)
            ]
        elif joints == "all at one point":
            entry["joints"] = [[50.0, 50.0]] * 16
        else:
            entry["joints"] = [[x + 5000, y] for x, y in entry["joints"]]
    (own.data / "annot" / "train.json").write_text(json.dumps(entries))
    words = ("build-pool", "--data", own.data, "--out", tmp_path / "new.h5", "--levels", "cardboard,posecut")
    assert noda(*words, "--jobs", 1, "--everyone").exit_code in (0, 1)
    made = Made(own.data, tmp_path / "new.h5")
    assert noda(*render(made, tmp_path / "set"), "--mask", "cardboard").exit_code in (0, 1)
    assert len(json.loads((tmp_path / "set" / "annot" / "train.json").read_text())) == len(entries)
