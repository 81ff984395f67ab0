"""Records, names and pools at their worst: each costs itself and no more, is named, and nothing is waited for."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from noda_synth.errors import ItemError, NodaError, of_item
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.files.json_pieces import MAX_DEPTH, TooDeep, open_json
from noda_synth.methods.object_sources import ObjectFolder
from noda_synth.pool.layout import array_digest, content_hash, dataset_names
from noda_synth.pool.mask_files import PersonPicture
from noda_synth.pool.reader import DamagedPool, Pool
from tests.command import noda, refused
from tests.conftest import Made


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "gone"), "a.jpg: no such file"),
        (OSError(errno.ELOOP, "a loop"), "a.jpg: a loop"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), "a.jpg: no file can have this name"),
        (MemoryError(), "a.jpg: it does not fit into the memory"),
        (RecursionError(), "a.jpg: it is nested too deeply"),
        (ValueError("NaN"), "a.jpg: NaN"),
        (OverflowError("too large"), "a.jpg: too large"),
    ],
)
def test_what_goes_wrong_with_an_item_is_its_error(error: Exception, said: str) -> None:
    with pytest.raises(ItemError, match=said), of_item("a.jpg"):
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_no_item_s_fault(number: int) -> None:
    with pytest.raises(OSError), of_item("a.jpg"):
        raise OSError(number, "no")


def test_too_many_open_files_end_the_run() -> None:
    with pytest.raises(NodaError, match="ulimit -n"), of_item("a.jpg"):
        raise OSError(errno.EMFILE, "Too many open files")


def nested(depth: int, inside: str = "") -> str:
    return "[" * depth + inside + "]" * depth


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 990, 3000, 400_000])
def test_an_element_that_is_nested_too_deeply_costs_itself(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "list.json"
    path.write_text(f'[1, {{"a": {nested(depth - 1, chr(34) + "]}" + chr(34))}}}, {nested(MAX_DEPTH)}, "[", 2]')
    with open_json(path) as file:
        first, deep, kept, text, last = file.elements()
        file.end()
    assert (first, deep, text, last) == (1, TooDeep(), "[", 2)
    assert isinstance(kept, list)


def test_a_deep_element_that_is_cut_off_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1, " + "[" * 5000)
    with pytest.raises(NodaError, match="not valid JSON"), open_json(path) as file:
        list(file.elements())


def spoilt_in_every_field(record: dict[str, Any], value: str) -> str:
    """The record once for each of its fields, and a further one, with the value, a JSON text, in it."""
    return ",".join(json.dumps({**record, key: "@"}).replace('"@"', value) for key in [*record, "more"])


@pytest.mark.parametrize("depth", [500, 3000])
def test_a_record_of_mpii_with_a_deep_list_in_any_field_costs_itself(drawn: Made, tmp_path: Path, depth: int) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    file = data / "annot" / "train.json"
    before, first = read_dataset(find_layout(data)), json.loads(file.read_text())[0]
    file.write_text(file.read_text().rstrip()[:-1] + "," + spoilt_in_every_field(first, nested(depth)) + "]")
    after = read_dataset(find_layout(data))
    assert [one.person_id for one in after.persons] == [one.person_id for one in before.persons]
    failed = [problem for problem in after.problems if problem.failed]
    assert [problem.item for problem in failed] == [
        f"train.json record {len(before.persons) + number}" for number in range(len(first) + 1)
    ]
    assert all("nested" in problem.reason for problem in failed)


def test_an_entry_of_coco_with_a_deep_list_in_any_field_costs_itself(drawn_coco: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn_coco.data, tmp_path / "data")
    layout = find_layout(data)
    before, content = read_dataset(layout), json.loads(layout.annotations.read_text())
    keys = {"images": content["images"][0], "annotations": content["annotations"][0], "categories": {"id": 9}}
    text = ",".join(
        f'"{key}": [{json.dumps(content[key])[1:-1]}, {spoilt_in_every_field(one, nested(2000))}]'
        for key, one in keys.items()
    )
    layout.annotations.write_text(f'{{{text}, "licenses": [{nested(2000)}]}}')
    after = read_dataset(layout)
    assert [one.person_id for one in after.persons] == [one.person_id for one in before.persons]
    assert list(after.images) == list(before.images)
    assert (
        sum("nested" in problem.reason for problem in after.problems) == sum(len(one) + 1 for one in keys.values()) + 1
    )
    assert after.header["licenses"] == []


@pytest.mark.parametrize("command", ["convert", "stats", "build-pool", "preview", "replay"])
def test_a_fifo_in_the_place_of_a_file_is_not_waited_for(drawn: Made, tmp_path: Path, command: str) -> None:
    fifo = tmp_path / "manifest.jsonl"
    os.mkfifo(fifo)
    words: dict[str, tuple[object, ...]] = {
        "convert": (fifo, tmp_path / "out"),
        "stats": (fifo,),
        "build-pool": ("--images", drawn.data / "images", "--annotations", fifo, "--out", tmp_path / "pool.h5"),
        "preview": (tmp_path, "--out", tmp_path / "a.png"),
        "replay": (fifo, "--id", "x", "--images", tmp_path, "--out", tmp_path / "a.jpg"),
    }
    assert f"{fifo}: no regular file" in refused(command, *words[command])


def with_content_hash(path: Path) -> None:
    """Make the hash in a pool that of what is in it now."""
    with h5py.File(path, "r+") as pool:
        attributes = {key: value for key, value in pool.attrs.items() if key != "content"}
        attributes["format_version"] = int(attributes["format_version"])
        names = dataset_names(json.loads(attributes["levels"]))
        pool.attrs["content"] = content_hash(attributes, (array_digest(pool[name]) for name in names))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e300])
@pytest.mark.parametrize("command", ["preview", "levels"])
def test_a_body_that_cannot_be_drawn_costs_itself(drawn: Made, tmp_path: Path, command: str, value: float) -> None:
    pool = Path(shutil.copy(drawn.pool, tmp_path / "pool.h5"))
    with h5py.File(pool, "r+") as file:
        if command == "preview":
            file["bodies/labelled"][0], file["bodies/joints"][0] = 1, value
        else:
            file["crops/bytes"][: int(file["crops/offsets"][1])] = 0
    with_content_hash(pool)
    ids = [Pool(pool).persons[row] for row in range(3)]
    words = [word for name in ids for word in ("--id", name)]
    result = noda(command, pool, "--out", tmp_path / "sheet.png", "--side", 64, *words)
    assert result.exit_code == 1
    assert f"failed: {ids[0]}: " in result.stderr
    assert "2 " in result.stdout and (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_pool_with_a_joint_that_is_no_number_is_not_drawn_from(drawn: Made, tmp_path: Path, value: float) -> None:
    pool = Path(shutil.copy(drawn.pool, tmp_path / "pool.h5"))
    with h5py.File(pool, "r+") as file:
        file["bodies/labelled"][1], file["bodies/joints"][1] = 1, value
    with_content_hash(pool)
    said = refused("render", "--data", drawn.data, "--pool", pool, "--out", tmp_path / "set", "--jobs", 1)
    assert f"a joint of body {Pool(pool).persons[1]} is NaN or infinite" in said


def test_a_copy_whose_name_would_be_too_long_costs_itself(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data", ignore=shutil.ignore_patterns("*.mat"))
    records = json.loads((data / "annot" / "train.json").read_text())
    old, new = records[0]["image"], "y" * 245 + ".jpg"
    (data / "images" / old).rename(data / "images" / new)
    for record in records:
        record["image"] = new if record["image"] == old else record["image"]
    (data / "annot" / "train.json").write_text(json.dumps(records))
    words = ("render", "--data", data, "--method", "cutout", "--ratio", 1, "--jobs", 1, "-q", "--originals", "copy")
    result = noda(*words, "--out", tmp_path / "set")
    assert result.exit_code == 1
    failed = [json.loads(line) for line in (tmp_path / "set" / "errors.jsonl").read_text().splitlines()]
    copies = [one for one in failed if one["item"].startswith(new[:-4])]
    assert len(copies) == sum(record["image"] == new for record in records)
    assert all("give the image a shorter name" in one["reason"] for one in copies)
    assert (tmp_path / "set" / "images" / new).is_file()


def test_what_a_terminal_would_act_upon_is_escaped(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    records = json.loads((data / "annot" / "train.json").read_text())
    records[0]["image"] = "\x1b[2J\nsecond line\ud800.jpg"
    (data / "annot" / "train.json").write_text(json.dumps(records))
    result = noda("build-pool", "--data", data, "--out", tmp_path / "pool.h5", "--levels", "box", "--jobs", 1, "-q")
    assert result.exit_code == 1
    assert r"\x1b[2J\nsecond line\ud800.jpg" in result.stderr
    assert "\x1b" not in result.stderr


def png(width: int, height: int) -> bytes:
    """The header of a grey PNG of so many pixels, with an alpha channel."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def bomb(path: Path) -> None:
    path.write_bytes(png(60_000, 60_000))


def swollen(path: Path) -> None:
    path.write_bytes(png(64, 64))
    os.truncate(path, 100 << 30)


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [bomb, swollen, fifo])
def test_masks_and_cut_outs_have_bounds_as_images_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.png"
    Image.new("LA", (64, 64)).save(path)
    objects = ObjectFolder(tmp_path)
    objects.cut(0)
    spoil(path)
    read = PersonPicture(path).read
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read")) if spoil is not bomb else None
    for cut in (lambda: objects.cut(0), lambda: read((64, 64))):
        with pytest.raises(ItemError, match=r"a\.png: .*(more than --max-pixels|it is not read|a FIFO)"):
            cut()


def test_a_crop_of_more_bytes_than_its_pixels_can_have_is_not_read(
    drawn: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noda_synth.imaging.images._OTHER_BYTES", -(1 << 30))
    monkeypatch.setattr(Pool, "_blob", lambda *_: pytest.fail("it was read"))
    pool = Pool(drawn.pool)
    for read in (lambda: pool.crop(0), lambda: pool.opacity(0, pool.levels[-1])):
        with pytest.raises(DamagedPool, match="of body 0"):
            read()
