"""Writing YOLO-pose: images/, labels/ and data.yaml, training and validation apart.

A row of a label file is the class, the box's centre and size, and x, y, v of each joint; all but class and v in shares
of the picture's width and height. It holds no joint outside of the picture, and v no unknown visibility: these stand in
noda.jsonl, with what else the data set knows of its people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, VISIBLE, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.geometry import padded_box
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem
from noda_synth.formats.files.atomic import write_json_lines, write_text
from noda_synth.formats.files.checks import kept_under_noda
from noda_synth.formats.files.folded_names import are_one, folded
from noda_synth.formats.files.links import put_file
from noda_synth.formats.yolo.data_file import data_file_text

EXTRAS = "noda.jsonl"
_OF_OUTLINES = ("amodal", "hidden_share", "covered_by")
"""What COCO scenes say of outlines, which these files lack."""


@dataclass(frozen=True)
class Picture:
    """A picture and everyone on it; its size (width, height), or None where it is to be looked at."""

    name: str
    people: Sequence[Person]
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Part:
    """The training or the validation part.

    Attributes:
        name: "train" or "val".
        folder: where its pictures are.
        pictures: the pictures, names relative to it.
        listed: they are in images/ of the written set already, and are only put on a list.
    """

    name: str
    folder: Path
    pictures: Iterable[Picture]
    listed: bool = False

    @property
    def place(self) -> str:
        """What data.yaml calls it."""
        return f"{self.name}.txt" if self.listed else f"images/{self.name}"

    def label(self, picture: str) -> str:
        """The label file of a picture, relative to labels/."""
        return str(PurePosixPath("" if self.listed else self.name, picture).with_suffix(".txt"))


def write_yolo(out: Path, parts: Sequence[Part], skeleton: Skeleton, how: str) -> list[Problem]:
    """Write a set.

    Args:
        out: its folder.
        parts: training, and validation where there is one.
        skeleton: the joints.
        how: how pictures get there: "symlink", "hardlink", "copy", or "none".

    Returns:
        Pictures that are left out, with everyone on them.
    """
    from noda_synth.imaging.images import image_path, image_size

    problems: list[Problem] = []

    def lines() -> Iterator[dict[str, Any]]:
        written, labels = set[str](), dict[str, str]()  # and the first by what file systems may make of them
        for part in parts:
            names = DiskList[str]()
            for picture in part.pictures:
                label = part.label(picture.name)
                try:
                    other = labels.setdefault(folded(label), label)
                    if label in written or (other != label and are_one(out, other, label)):
                        raise ItemError("another picture has its name but for the ending, and so its label file")
                    written.add(label)
                    source = image_path(part.folder, picture.name)
                    rows, extras = label_rows(picture.people, picture.size or image_size(source), skeleton)
                except ItemError as error:
                    problems.append(Problem("write", picture.name, f"left out with everyone on it: {error}"))
                    continue
                names.append(f"./images/{picture.name}\n")
                target = out / "images" / part.name / picture.name
                if how != "none" and not part.listed:
                    put_file(source, target, target, how)
                write_text(out / "labels" / label, (row + "\n" for row in rows))
                if extras:
                    yield {"labels": label, "people": extras}
            if part.listed:
                write_text(out / part.place, names)

    write_json_lines(out / EXTRAS, lines())
    write_text(out / "data.yaml", data_file_text(skeleton, parts[0].place, parts[-1].place))
    return problems


def label_rows(
    people: Iterable[Person], size: tuple[int, int], skeleton: Skeleton
) -> tuple[list[str], list[dict[str, Any]]]:
    """The rows of the people on a picture of (width, height), and for each what its row does not hold.

    Who has neither a box nor a joint in the picture has no row.
    """
    rows, extras = [], []
    for person in people:
        shown = person.labelled & _within(person.joints, size)
        box = _box(person, shown, size)
        if box is None:
            continue
        v = np.where(shown, np.where(person.visible == OCCLUDED, 1, 2), 0)
        joints = np.where(shown[:, None], person.joints, 0.0) / size
        keypoints = (f"{x:.8f} {y:.8f} {flag}" for (x, y), flag in zip(joints, v, strict=True))
        rows.append(" ".join(["0", *(f"{value:.8f}" for value in box), *keypoints]))
        extras.append(_extra(person, shown, skeleton))
    return rows, extras


def _extra(person: Person, shown: NDArray[np.bool_], skeleton: Skeleton) -> dict[str, Any]:
    """What a person's row does not hold; `shown` (J,) bool are the joints that it does."""
    extra = {key: value for key, value in kept_under_noda(person).items() if key not in _OF_OUTLINES}
    outside = person.labelled & ~shown
    unknown = shown & (person.visible != OCCLUDED) & (person.visible != VISIBLE)
    if unknown.any() or outside.any():
        extra["joints_visible"] = [int(value) for value in person.visible]
    if outside.any():
        extra["outside"] = {skeleton.joints[j]: person.joints[j].tolist() for j in np.flatnonzero(outside)}
    return extra


def _within(joints: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(J,) bool: joints whose shares of the picture are 0 to 1; of others its readers reject the whole file."""
    with np.errstate(invalid="ignore"):
        return np.asarray(((joints >= 0) & (joints <= size)).all(axis=1))


def _box(person: Person, shown: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.float64] | None:
    """Centre x, y, width and height in shares of the picture: the input's box, or that of the joints with a margin."""
    stated = person.record.get("bbox") if "keypoints" in person.record else None
    if stated:
        corners = np.array([stated[0], stated[1], stated[0] + stated[2], stated[1] + stated[3]], np.float64)
        corners = np.clip(corners, 0, [*size, *size])
    elif shown.any():
        corners = padded_box(person.joints[shown], size)
    else:
        return None
    if (corners[2:] <= corners[:2]).any():
        return None
    return np.concatenate([(corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]]) / [*size, *size]
