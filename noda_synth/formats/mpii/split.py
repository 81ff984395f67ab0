"""Who is for validation: read from a file, or drawn.

The original .mat does not say. A split file is one of: a valid.json (its rows are the validation people), an hourglass
valid.h5 (image name and person number), or a list of image names as text or JSON.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Image, Images, People, Person, same_name
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.files.atomic import read_bytes
from noda_synth.formats.files.detect import KINDS, detect
from noda_synth.formats.files.json_pieces import open_json
from noda_synth.formats.files.strangers import IMAGE_NAMES, stranger
from noda_synth.formats.mpii.records import read_persons
from noda_synth.seeding import seeded_order

TEST_PART = Path("test")
"""A split that is no file: the test part of a .mat that holds its joints, too."""

_START_BYTES = 1 << 12
_CUT_PX = 2.0
"""A joint that was cut to whole pixels, 1-based or 0-based, lies less than this from the exact one."""
# An hourglass valid.h5 of MPII has 2,958 rows of 128 bytes.
_MAX_ROWS, _MAX_BYTES = 1_000_000, 1 << 28


@dataclass(frozen=True)
class Split:
    """What a split file says.

    Attributes:
        images: all validation images.
        rows: the validation people where the file is a valid.json, None for a row that cannot be used.
        positions: their (image, 0-based index in `annorect`) where it is an hourglass valid.h5.
        joints: (N, 16, 2) float64 of those, 1-based and cut to whole pixels, 0 where missing; None if it has none.
        problems: rows that cannot be used.
    """

    images: frozenset[str]
    rows: Sequence[Person | None] | None = None
    positions: tuple[tuple[str, int], ...] | None = None
    joints: NDArray[np.float64] | None = None
    problems: Sequence[Problem] = ()


def is_test_part(split: Path | None) -> bool:
    """Whether a split means the test part of the .mat, and no file of that name."""
    return split == TEST_PART and not TEST_PART.exists()


def read_split(path: Path) -> Split:
    """Read a split file of any kind, told by content. NodaError if it is none or names nobody."""
    start = read_bytes(path, 8)
    if start.startswith(b"MATLAB"):
        raise NodaError("a .mat is no split; a valid.json, valid.h5 or a list of image names is expected.", path)
    if start == b"\x89HDF\r\n\x1a\n":
        return _from_h5(path)
    return _from_text(path)


def hold_out(dataset: Dataset, fraction: float, seed: int) -> Dataset:
    """Move people to the validation part until it holds at least `fraction` of them.

    Whole videos are drawn; an image without a known video is drawn alone.

    Args:
        fraction: more than 0 and less than 1, of the training samples.
        seed: the same seed draws the same videos.
    """
    if not 0 < fraction < 1:
        raise NodaError(f"A hold-out of {fraction:g} makes no split: more than 0 and less than 1 is expected.")
    groups = _groups(dataset.images)
    names = list(groups)
    counts = {name: sum(bool(p.labelled.any()) for p in persons) for name, persons in dataset.by_image.items()}
    held: set[str] = set()
    wanted, so_far = fraction * len(dataset.samples), 0
    for group in seeded_order(seed, "hold-out", map(str, names)):
        if so_far >= wanted:
            break
        held.update(groups[names[group]])
        so_far += sum(counts[name] for name in groups[names[group]])
    if so_far == len(dataset.samples):
        raise NodaError("The hold-out leaves nobody to train with: all are in the videos or images drawn.")
    return replace(
        dataset,
        images=Images(image for name, image in dataset.images.items() if name not in held),
        persons=People(person for person in dataset.persons if person.image not in held),
        valid=People(person for person in dataset.persons if person.image in held),
    )


def match_rows(split: Split, named: Sequence[int], persons: Sequence[Person]) -> list[int]:
    """Index in `persons` of each row of a split that has joints, -1 for those whose joints are nobody's.

    Args:
        named: the index that the row's person number leads to, -1 for none; it counts where the joints agree.
        persons: everyone; by joints alone nobody is found who has a row already.
    """
    assert split.positions is not None and split.joints is not None
    rows = zip(named, split.joints, strict=True)
    found = [one if one >= 0 and _is_of(joints, persons[one]) else -1 for one, joints in rows]
    if min(found) >= 0:
        return found
    taken, by_image = set(found), defaultdict[str, list[int]](list)
    for index, person in enumerate(persons):
        by_image[person.image].append(index)
    for row, (image, _) in enumerate(split.positions):
        if found[row] < 0:
            left = (one for one in by_image.get(image, ()) if one not in taken)
            found[row] = next((one for one in left if _is_of(split.joints[row], persons[one])), -1)
            taken.add(found[row])
    return found


def _is_of(joints: NDArray[np.float64], person: Person) -> bool:
    """Whether joints (16, 2), 1-based and 0 where missing, are a person's, cut to whole pixels.

    Those at the frame may be missing, as they are cut to 0.
    """
    known = (joints > 0).all(axis=1)
    exact = person.joints + 1
    with np.errstate(invalid="ignore"):
        at_frame = (exact < _CUT_PX).any(axis=1)
        near = np.abs(joints - exact).max(axis=1) < _CUT_PX
    return bool(known.any() and (known == person.labelled)[~at_frame].all() and near[known & person.labelled].all())


def _groups(images: Mapping[str, Image]) -> dict[object, list[str]]:
    """Image names by video, or by themselves, in the order of the file."""
    groups: dict[object, list[str]] = {}
    for name, image in images.items():
        groups.setdefault(name if image.video is None else image.video, []).append(name)
    return groups


def _from_text(path: Path) -> Split:
    if read_bytes(path, _START_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"[", b"{"):
        if (what := stranger(path)) not in ("", IMAGE_NAMES):
            raise NodaError(f"{what}; a valid.json, valid.h5 or a list of image names is expected.", path)
        with path.open(encoding="utf-8", errors="replace") as file:
            return _names(file, path)
    with open_json(path) as content:
        if content.kind == "[" and isinstance(next(content.elements(), None), str):
            return _names(_json_names(path), path)
    kind = detect(path)
    if kind != "mpii_json":
        raise NodaError(f"{KINDS[kind]} is no split; a valid.json or a list of image names is expected.", path)
    problems: DiskList[Problem] = DiskList()
    rows = DiskList(read_persons(path, problems))
    images = frozenset(person.image for person in rows if person is not None)
    if not images:
        raise NodaError(f"no usable record in this split; the first: {problems[0].reason}.", path)
    return Split(images, rows=rows, problems=problems)


def _json_names(path: Path) -> Iterator[str]:
    with open_json(path) as content:
        for name in content.elements():
            if not isinstance(name, str):
                raise NodaError("a list of image names in which not all are names.", path)
            yield name
        content.end()


def _names(lines: Iterable[str], path: Path) -> Split:
    names = frozenset(same_name(line.strip()) for line in lines if line.strip())
    if not names:
        raise NodaError("no image names in this split.", path)
    return Split(names)


def _from_h5(path: Path) -> Split:
    import h5py

    from noda_synth.formats.files.hdf5 import checked_array

    try:
        with h5py.File(path, "r") as file:
            keys = ("imgname", "person", *(["part"] if "part" in file else []))
            arrays = [checked_array(file, name, _MAX_BYTES) for name in keys]
            if any(len(array) > _MAX_ROWS for array in arrays):
                raise ValueError(f"it claims more than {_MAX_ROWS} rows")
            names, persons, *parts = (np.asarray(array[()]) for array in arrays)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise NodaError(f"not an hourglass valid.h5 with imgname and person ({error}).", path) from None
    if len(names) != len(persons) or not len(names):
        raise NodaError(f"{len(names)} image names, but {len(persons)} person numbers.", path)
    joints = parts[0].astype(np.float64) if parts and parts[0].dtype.kind in "iuf" else None
    if parts and (joints is None or joints.shape != (len(names), len(MPII), 2)):
        found = f"{parts[0].dtype} {parts[0].shape}"
        raise NodaError(f"part holds {found}, where numbers {(len(names), len(MPII), 2)} are expected.", path)
    positions = tuple(
        (same_name(_h5_name(name)), int(person)) for name, person in zip(names, persons.ravel(), strict=True)
    )
    return Split(frozenset(image for image, _ in positions), positions=positions, joints=joints)


def _h5_name(value: Any) -> str:
    """A name as bytes, as text, or as the row of character codes, filled up with zeros, that Torch's files have."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return same_name("".join(chr(int(code)) for code in value if code))
    item = value.item() if isinstance(value, np.ndarray) else value
    return same_name(item.decode() if isinstance(item, bytes) else str(item))
