"""A data set as arrays: what training and evaluation need of every person, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.geometry import HEAD_SIZE_PER_SEGMENT, head_size, joint_box
from noda_synth.data.skeleton import MPII, Skeleton, load_skeleton
from noda_synth.errors import ItemError, NodaError
from noda_synth.formats import Layout, find_layout, read_dataset
from noda_synth.formats.coco.read import read_coco
from noda_synth.formats.files.checks import mpii_extension, noda_extension
from noda_synth.formats.layout import sibling_skeleton, validation_alone
from noda_synth.formats.picture_sizes import as_annotated
from noda_synth.formats.scales import STAGE as SCALE
from noda_synth.imaging import images as image_files
from noda_train.arrays import Bools, Floats

# Parallel over images, never within one. Set before OpenCV starts threads: a pool that was forked can't be stopped, and
# a worker that tried would hang.
cv2.setNumThreads(1)

MARGIN = 1.25
"""The crop's side over MPII's 200 px * scale, and over the longer side of COCO's box."""
AREA_OF_BOX = 0.53
"""The area of a person over that of its box, where a file gives no area (CrowdPose's evaluation has this number)."""


class Ids(NamedTuple):
    """What a person is called in a COCO file."""

    image: int | str
    annotation: int | str
    category: int


@dataclass(frozen=True, eq=False)
class Samples:
    """N persons, in the order of their file. Coordinates are 0-based pixels of the original image.

    Attributes:
        skeleton: the J joints.
        paths: (N) image files.
        ids: (N) person ids.
        names: (N) what COCO calls them; of MPII's lists the image's name and the person's id.
        center: (N, 2) float64, the crop's centre: MPII's, 15 px * scale lower, or that of COCO's box.
        box: (N,) float64, the crop's side: 200 px * scale * 1.25, or the longer side of COCO's box * 1.25.
        joints: (N, J, 2) float64, 0 where not labelled.
        labelled: (N, J) bool.
        visible: (N, J) int8, 1 visible, 0 occluded, -1 unknown.
        head_size: (N,) float64 px, NaN where nothing tells it.
        person_box: (N, 4) float64 px, x, y, width and height: COCO's, or the box of the joints.
        area: (N,) float64 square px of the person: COCO's, or 0.53 times the box's.
        covered: (N, J) int8, 1 where a render or twin covered the joint, 0 where not, -1 where its record says nothing.
        behind_pasted: (N, J) bool, those of them that a pasted person covers.
    """

    skeleton: Skeleton
    paths: tuple[Path, ...]
    ids: tuple[str, ...]
    names: tuple[Ids, ...]
    center: Floats
    box: Floats
    joints: Floats
    labelled: Bools
    visible: NDArray[np.int8]
    head_size: Floats
    person_box: Floats
    area: Floats
    covered: NDArray[np.int8]
    behind_pasted: Bools

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Samples:
        """The persons in the given rows."""
        index = np.asarray(rows, dtype=np.int64)
        return Samples(
            self.skeleton,
            tuple(self.paths[i] for i in index),
            tuple(self.ids[i] for i in index),
            tuple(self.names[i] for i in index),
            self.center[index],
            self.box[index],
            self.joints[index],
            self.labelled[index],
            self.visible[index],
            self.head_size[index],
            self.person_box[index],
            self.area[index],
            self.covered[index],
            self.behind_pasted[index],
        )

    def first(self, count: int) -> Samples:
        """The first so many persons; 0 is all."""
        return self.take(np.arange(min(count, len(self)))) if count else self

    def rows_by_image(self) -> dict[Path, list[int]]:
        """The rows of the persons on each image, images as they first come."""
        rows: dict[Path, list[int]] = {}
        for row, path in enumerate(self.paths):
            rows.setdefault(path, []).append(row)
        return rows


@dataclass(frozen=True)
class Parts:
    """The two parts of a data set, its folder and files, and what is worth knowing about these.

    `doubts` are those of the `problems` that say that crops are wrong, as the scales are not people's sizes.
    """

    data: Path
    layout: Layout
    train: Samples
    valid: Samples
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def load(data: Path, for_training: bool = True) -> Parts:
    """Read a data set of any joints, in MPII's layout or in COCO's, as `noda-synth render` writes them.

    Without `for_training` a validation part alone will do: its file, or a folder that has nothing else.
    """
    if not for_training and (lone := validation_alone(data)) is not None:
        return _validation_part(data, lone)
    layout = find_layout(data)
    dataset = read_dataset(layout)
    layout = as_annotated(layout, dataset)
    # The rows of MPII's lists are those of gt_valid.mat; people of other formats without keypoints cannot be judged.
    valid = (person for person in dataset.valid if layout.kind not in ("coco", "yolo") or person.labelled.any())
    train = samples_of(layout.images, dataset.skeleton, dataset.samples)
    held = samples_of(layout.valid_images or layout.images, dataset.skeleton, valid)
    return _parts(data, layout, train, held, dataset)


def _validation_part(data: Path, file: Path) -> Parts:
    layout = replace(find_layout(None if data.is_file() else data, annotations=file), valid=None)
    dataset = read_dataset(layout)
    valid = (person for person in dataset.persons if layout.kind != "coco" or person.labelled.any())
    nobody, people = (samples_of(layout.images, dataset.skeleton, persons) for persons in ((), valid))
    return _parts(data, replace(layout, valid=file), nobody, people, dataset)


def _parts(data: Path, layout: Layout, train: Samples, valid: Samples, dataset: Dataset) -> Parts:
    """The parts with what is worth knowing about the files of the data set."""
    notes = [(problem.stage, f"{problem.item}: {problem.reason}") for problem in dataset.problems]
    doubts = tuple(text for stage, text in notes if stage == SCALE)
    return Parts(data, layout, train, valid, tuple(text for _, text in notes), doubts)


def annotated(path: Path) -> Samples:
    """The people with keypoints of one COCO file, without their images.

    Raises:
        NodaError: somebody cannot be read, with null for a coordinate for one: left out, predictions would look better.
    """
    dataset = read_coco_file(path)
    if fault := next((problem for problem in dataset.problems if problem.failed), None):
        raise NodaError(
            f"{path}: {fault.item.removeprefix(f'{path.name} ')}: {fault.reason}; correct it, or take it out"
        )
    return samples_of(Path(), dataset.skeleton, dataset.samples)


def read_coco_file(path: Path) -> Dataset:
    """The people of one COCO file, with the joints of a skeleton file that lies beside it."""
    stated = sibling_skeleton(path)
    return read_coco(path, load_skeleton(stated) if stated else None)


class _PersonRow(NamedTuple):
    """What is kept of a person."""

    path: Path
    id: str
    names: Ids
    crop: tuple[Floats, float]
    joints: Floats
    labelled: Bools
    visible: NDArray[np.int8]
    head_size: float
    person_box: Floats
    area: float
    covered: NDArray[np.int8]
    behind_pasted: Bools


def samples_of(images: Path, skeleton: Skeleton, persons: Iterable[Person]) -> Samples:
    """Arrays of the persons, whose images lie in a folder; each is looked at once: large sets come from disk."""
    count = len(skeleton)
    rows = [_row(images, skeleton, person) for person in persons]
    return Samples(
        skeleton=skeleton,
        paths=tuple(row.path for row in rows),
        ids=tuple(row.id for row in rows),
        names=tuple(row.names for row in rows),
        center=np.array([row.crop[0] for row in rows], dtype=np.float64).reshape(-1, 2),
        box=np.array([row.crop[1] for row in rows], dtype=np.float64),
        joints=np.array([row.joints for row in rows], dtype=np.float64).reshape(-1, count, 2),
        labelled=np.array([row.labelled for row in rows], dtype=bool).reshape(-1, count),
        visible=np.array([row.visible for row in rows], dtype=np.int8).reshape(-1, count),
        head_size=np.array([row.head_size for row in rows], dtype=np.float64),
        person_box=np.array([row.person_box for row in rows], dtype=np.float64).reshape(-1, 4),
        area=np.array([row.area for row in rows], dtype=np.float64),
        covered=np.array([row.covered for row in rows], dtype=np.int8).reshape(-1, count),
        behind_pasted=np.array([row.behind_pasted for row in rows], dtype=bool).reshape(-1, count),
    )


def _row(images: Path, skeleton: Skeleton, person: Person) -> _PersonRow:
    joints: Floats = np.where(person.labelled[:, None], person.joints, 0.0)
    box = _person_box(person)
    return _PersonRow(
        path=images / person.image,
        id=person.person_id,
        names=_names(person),
        crop=_crop(person),
        joints=joints,
        labelled=person.labelled,
        visible=person.visible,
        head_size=_head_size(person, skeleton, joints),
        person_box=box,
        area=person.record.get("area") or AREA_OF_BOX * box[2] * box[3],
        covered=_covered(person, skeleton),
        behind_pasted=behind_pasted(person, skeleton),
    )


def _names(person: Person) -> Ids:
    record = person.record
    return Ids(record.get("image_id", person.image), record.get("id", person.person_id), record.get("category_id", 1))


def _covered(person: Person, skeleton: Skeleton) -> NDArray[np.int8]:
    """(J,) int8: what a render says of the joints that it covered, 0 for people whom it left alone.

    It says so under `synth` in MPII's records (`noda.mpii.synth` where they were converted), under `noda` in COCO's,
    and a benchmark's twins under `joints_covered` or `noda`.
    """
    noda, rendered = noda_extension(person.record), _synth(person)
    flags = np.array(person.record.get("joints_covered", ()))
    if "twin" in person.record and flags.shape == (len(skeleton),):
        return np.asarray(flags == 1, np.int8)
    if "covered" in noda or noda.get("role") == "target":
        rendered.append(noda)
    covered = np.zeros(len(skeleton), np.int8)
    for part in rendered:
        names = part.get("covered") if isinstance(part, Mapping) else None
        if not isinstance(names, list) or not all(name in skeleton.joints for name in names):
            return np.full(len(skeleton), -1, np.int8)
        covered[skeleton.indices(*names)] = 1
    return covered


def _synth(person: Person) -> list[Any]:
    """What a render noted in an MPII record, also in one that was converted to COCO's."""
    found = (person.record.get("synth"), mpii_extension(person.record).get("synth"))
    return [part for part in found if part is not None]


def behind_pasted(person: Person, skeleton: Skeleton) -> Bools:
    """(J,) bool, the joints that a pasted person covers: of copies by the method `noda`, and of a benchmark's twins."""
    by_noda = any(isinstance(part, Mapping) and part.get("method") == "noda" for part in _synth(person))
    is_twin = "twin" in person.record or "severity" in noda_extension(person.record)
    return np.asarray((_covered(person, skeleton) == 1) & (by_noda or is_twin), bool)


def _crop(person: Person) -> tuple[Floats, float]:
    """Centre and side of the crop: by MPII's center and scale, else COCO's box, else the box of the joints.

    Of COCO's box, as in HRNet's code: its middle between first and last pixel, 1.25 times its longer side.
    """
    if person.center is not None and person.scale is not None:
        return person.center + np.array([0.0, 15 * person.scale]), 200 * person.scale * MARGIN
    if (box := _coco_box(person)) is not None:
        return box[:2] + (box[2:] - 1) / 2, MARGIN * float(box[2:].max() - 1)
    if not person.labelled.any():
        return np.zeros(2), 200.0
    x1, y1, x2, y2 = joint_box(person.joints[person.labelled])
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2]), 1.1 * MARGIN * max(x2 - x1, y2 - y1, 20.0)


def _coco_box(person: Person) -> Floats | None:
    """(4,) x, y, width and height as the record has them, or None where it has none that is larger than a pixel."""
    box = np.array(person.record.get("bbox") or (0, 0, 0, 0), dtype=np.float64)
    return box if box[2:].min() > 1 else None


def _person_box(person: Person) -> Floats:
    """(4,) COCO's box, else that of the labelled joints, at least a pixel wide and high."""
    if (box := _coco_box(person)) is not None:
        return box
    if not person.labelled.any():
        return np.array([0.0, 0, 1, 1])
    x1, y1, x2, y2 = joint_box(person.joints[person.labelled])
    return np.array([x1, y1, x2 - x1 + 1, y2 - y1 + 1])


def _head_size(person: Person, skeleton: Skeleton, joints: Floats) -> float:
    """By MPII's head box, else from head top and upper neck; NaN where there is neither."""
    if skeleton.joints != MPII.joints:
        return float("nan")
    if person.head_box is not None:
        return head_size(person.head_box)
    top, neck = skeleton.index["head_top"], skeleton.index["upper_neck"]
    if not (person.labelled[top] and person.labelled[neck]):
        return float("nan")
    return HEAD_SIZE_PER_SEGMENT * float(np.sqrt(((joints[top] - joints[neck]) ** 2).sum()))


def unusable(errors: Sequence[NodaError]) -> NodaError:
    """One error that names the first images that cannot be used."""
    return NodaError("\n".join([f"{len(errors)} images cannot be used:", *(f"  {error}" for error in errors[:20])]))


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, BGR, as stored: EXIF rotation would move the picture away from its joints.

    Raises NodaError for a file that is missing, damaged or cut short, also where OpenCV would decode it.
    """
    try:
        return image_files.read_image(path)
    except ItemError as error:
        raise NodaError(str(error)) from error
