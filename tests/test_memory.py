"""Memory that does not grow: with the data set, or with what a small file claims to hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from noda_synth.data.dataset import Image, Images, People
from noda_synth.data.disk_list import DiskList, Subset
from noda_synth.errors import NodaError
from noda_synth.formats import Layout, read_dataset
from noda_synth.formats.files.matlab import load_mat
from tests.command import ROOT
from tests.mpii_files import record, write_json

READ = """
import sys
from pathlib import Path
from noda_synth.formats import Layout, read_dataset
dataset = read_dataset(Layout(Path(), Path(sys.argv[1]), sys.argv[2]))
assert sum(len(people) for people in dataset.by_image.values()) == len(dataset.persons) == int(sys.argv[3])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def python(code: str, *words: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python, with so many bytes of address space."""
    if limit is not None:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n{code}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def people(path: Path, count: int) -> Path:
    """Two persons an image, as MPII JSON."""
    joints = record("x.jpg")
    with path.open("w") as file:
        for row in range(count):
            one = {**joints, "image": f"{row // 2:07d}.jpg", "scale": 1 + row / 1000, "center": [row % 2 + 100.5, 90.0]}
            one["joints"] = [[x + row % 2, y] for x, y in joints["joints"]]
            file.write(("[" if row == 0 else ",") + json.dumps(one))
        file.write("]")
    return path


def kilobytes(file: Path, kind: str, count: int) -> int:
    result = python(READ, file, kind, count)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.mark.slow
def test_reading_takes_less_than_400_bytes_per_person(tmp_path: Path) -> None:
    small, large = (kilobytes(people(tmp_path / f"{n}.json", n), "mpii_json", n) for n in (10_000, 40_000))
    assert (large - small) * 1024 < 400 * 30_000


def rendered(folder: Path, count: int) -> Path:
    """Manifest and training list of a rendered set, without its pictures."""
    people(folder / "annot" / "train.json", count)
    placement = {"left": 50, "top": 50, "width": 40, "height": 40, "fill": "mean", "noise_seed": 1}
    common = {"copy": 0, "method": "cutout", "covered": ["left_wrist"], "placement": placement}
    with (folder / "manifest.jsonl").open("w") as file:
        for row in range(count):
            image = f"{row // 2:07d}.jpg"
            line = {"id": f"{row}", "file": f"{row}.jpg", "source": image, "person": f"{image}#{row % 2}"}
            file.write(json.dumps({**line, **common}) + "\n")
    return folder


@pytest.mark.slow
def test_the_figures_of_a_rendered_set_take_less_than_a_kilobyte_a_person(tmp_path: Path) -> None:
    code = "import sys; from noda_synth.cli import main; main(['stats', sys.argv[1]], standalone_mode=False); "
    code += "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    used = []
    for count in (8_000, 20_000):
        (tmp_path / str(count) / "annot").mkdir(parents=True)
        result = python(code, rendered(tmp_path / str(count), count))
        assert f"{count:,} renders" in result.stdout, result.stderr
        used.append(int(result.stdout.splitlines()[-1]))
    assert 1024 * (used[1] - used[0]) < 12_000 * 1000


@pytest.mark.parametrize("count", [3, 10])
def test_a_disk_list_is_a_sequence_in_memory_and_on_disk(count: int) -> None:
    records = DiskList(({"n": n} for n in range(count)), max_in_memory=5)
    assert list(records) == [{"n": n} for n in range(count)]
    assert (len(records), records[1], records[-1], records[1:3]) == (
        count,
        {"n": 1},
        {"n": count - 1},
        [{"n": 1}, {"n": 2}],
    )
    records.append({"n": "last"})
    assert records[count] == {"n": "last"}
    with pytest.raises(IndexError):
        records[count + 1]
    assert list(Subset(records, np.array([2, 0]))) == [{"n": 2}, {"n": 0}]


def test_persons_come_back_from_disk_as_they_went(tmp_path: Path) -> None:
    train = write_json(tmp_path / "train.json", [record("a.jpg"), record("b.jpg", joints_visible=[1, 0] * 8)])
    persons = read_dataset(Layout(tmp_path, train, "mpii_json")).persons
    for before, after in zip(persons, People(persons, max_in_memory=0), strict=True):
        assert (before.image, before.person_id, before.scale, before.record, before.duplicate) == (
            after.image,
            after.person_id,
            after.scale,
            after.record,
            after.duplicate,
        )
        for name in ("joints", "labelled", "visible", "center"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_images_keep_their_order_and_the_last_of_a_name_counts() -> None:
    images = Images([Image("a"), Image("b"), Image("a", size=(1, 2))])
    assert list(images) == ["a", "b"]
    assert images["a"].size == (1, 2)
    assert "c" not in images


def test_a_full_folder_for_temporary_files_is_named(tmp_path: Path) -> None:
    train = people(tmp_path / "train.json", 6_000)
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    code += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    result = python(code + READ, train, "mpii_json", 6_000)
    assert "set TMPDIR" in result.stderr


def bomb(path: Path, variable: bytes, size: int) -> Path:
    """A .mat with a compressed variable: its start, and zeros up to so many bytes."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(variable)]
    parts += [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    packed = b"".join([*parts, packer.flush()])
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(header + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed)
    return path


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


@pytest.mark.slow
def test_a_small_mat_that_unpacks_to_gigabytes_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    size = 3 << 30
    start = words(14, size, 6, 8, 9, 0, 5, 8, 1, size - 64, 1 | 11 << 16) + b"jnt_missing".ljust(12, b"\0")
    path = bomb(tmp_path / "gt_valid.mat", start, size)
    assert path.stat().st_size < 4 << 20
    code = "import sys; from pathlib import Path; from noda_synth.formats.mpii.gt_valid import read_gt_valid\n"
    result = python(code + "read_gt_valid(Path(sys.argv[1]))", path, limit=2 << 30)
    assert "gt_valid.mat: not a whole .mat file (it unpacks to more bytes" in result.stderr
    assert "MemoryError" not in result.stderr


def test_a_mat_that_claims_cells_by_the_billion_is_refused(tmp_path: Path) -> None:
    start = words(14, 48, 6, 8, 1, 0, 5, 8, 1, 1 << 30, 1, 8) + b"whatever"
    path = bomb(tmp_path / "cells.mat", start, 0)
    with pytest.raises(NodaError, match=r"cells\.mat: it claims \d+ cells"):
        load_mat(path)


@pytest.mark.parametrize(("rows", "width"), [(1 << 26, 1), (1 << 16, 1 << 13)])
def test_a_split_that_claims_too_much_is_refused(tmp_path: Path, rows: int, width: int) -> None:
    path = tmp_path / "valid.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("imgname", (rows, width), "u1", chunks=(1 << 16, 1), compression="gzip")
        file.create_dataset("person", (rows,), "u1", chunks=(1 << 16,), compression="gzip")
    code = "import sys; from pathlib import Path; from noda_synth.formats.mpii.split import read_split\n"
    result = python(code + "read_split(Path(sys.argv[1]))", path, limit=2 << 30)
    assert "not an hourglass valid.h5" in result.stderr
    assert "claims" in result.stderr
