"""A data set from its files, whichever they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from noda_synth.data.dataset import Dataset, Image, Images, People, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import MPII, Skeleton, load_skeleton
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.coco.read import read_coco
from noda_synth.formats.files.checks import PersonRegistry
from noda_synth.formats.files.missing import LISTS
from noda_synth.formats.layout import ANNOTATION_FOLDERS, Layout
from noda_synth.formats.mpii.cpm import read_cpm
from noda_synth.formats.mpii.gt_valid import GtValid, belongs, read_gt_valid
from noda_synth.formats.mpii.records import PersonIds, read_persons
from noda_synth.formats.mpii.release import Release, note_on_test_part, read_release
from noda_synth.formats.mpii.split import Split, is_test_part, match_rows, read_split
from noda_synth.formats.mpii.visibility import is_known, match, states_visibility, with_visibility
from noda_synth.formats.scales import check_scales
from noda_synth.formats.yolo.read import read_yolo

_LONGEST = 500
"""Characters of notes in the message that nobody is left."""


def read_dataset(layout: Layout, *, split: Path | None = None, all_train: bool = False) -> Dataset:
    """Read a data set.

    Args:
        layout: its files, from `find_layout`.
        split: who is for validation, for the original .mat, which does not say: a valid.json, an hourglass valid.h5,
            or a list of image names, also of its test part; or "test", which means all of that. Without it
            `layout.valid` is used.
        all_train: everyone of the .mat is for training.

    Raises:
        NodaError: a file is unusable as a whole, nobody is left, or the .mat comes without any split.
    """
    if layout.kind != "mpii_mat" and split is not None:
        raise NodaError(f"{layout.annotations} is a training list already: a split is only for the original .mat.")
    skeleton = load_skeleton(layout.skeleton) if layout.skeleton else None
    if layout.kind == "coco":
        dataset = _from_coco(layout, skeleton)
    elif layout.kind == "yolo":
        dataset = _without_leaks(read_yolo(layout.annotations, skeleton), layout)
    elif layout.kind == "cpm_json":
        dataset = _with_skeleton(skeleton, _from_cpm(layout), layout)
    elif layout.kind == "mpii_json":
        dataset = _with_skeleton(skeleton, _from_json(layout), layout)
    else:
        dataset = _from_mat(layout, None if all_train else split or layout.valid, all_train)
        dataset = _with_skeleton(skeleton, dataset, layout)
    if not dataset.samples:
        count = sum(problem.failed for problem in dataset.problems)
        fault = next((problem for problem in dataset.problems if problem.failed), None)
        first = f" The first of {count} faults: {fault.item}: {fault.reason}." if fault else ""
        told = "".join(f" {problem.reason}." for problem in dataset.problems if not problem.failed)
        raise NodaError(f"nobody with a labelled joint to train with.{first}{told[:_LONGEST]}", layout.annotations)
    return dataset if dataset.source == "coco" else _with_doubts(dataset, layout)


def _with_doubts(dataset: Dataset, layout: Layout) -> Dataset:
    """A data set of MPII's, with a note for each part whose scales are not those of its people."""
    parts = ((dataset.persons, layout.annotations), (dataset.valid, layout.valid or layout.annotations))
    checked = (check_scales(people, dataset.skeleton, file.name) for people, file in parts)
    notes = [note for note in checked if note]
    if not notes:
        return dataset
    # They come first, as thousands of others may follow; but behind a leak.
    ahead = sum(problem.stage == "leak" for problem in dataset.problems[:1])
    rest = islice(dataset.problems, ahead, None)
    return replace(dataset, problems=DiskList(chain(dataset.problems[:ahead], notes, rest)))


def _from_json(layout: Layout) -> Dataset:
    ids, problems = PersonIds(), DiskList[Problem]()
    release = read_release(layout.mat) if layout.mat else None
    held = {person.image for person in read_persons(layout.valid) if person} if layout.valid else set()
    builder = DatasetBuilder(layout, release.images if release else {}, held)
    people: Iterator[Person] = (ids.with_id(person) for person in read_persons(layout.annotations, problems) if person)
    if release is None:
        builder.add_training(people)
    else:
        people = _with_known_visibility(DiskList(people), release, layout, problems)
    valid: Sequence[Person | None] = ()
    if layout.valid is not None:
        valid = DiskList(person and ids.with_id(person) for person in read_persons(layout.valid, problems))
    if release is not None:
        builder.add_training(people)
        pairs = zip(valid, _match_rows(valid, release.everyone), strict=True)
        valid = DiskList(row and with_visibility(row, known) for row, known in pairs)
    if layout.gt_valid is not None and layout.valid is not None:
        valid = with_truth(valid, layout.gt_valid, layout.valid, problems)
    return builder.build(valid, problems, "mpii_json")


def _from_cpm(layout: Layout) -> Dataset:
    """Of a file that says itself who is for validation; gt_valid.mat beside it has head boxes where its rows fit."""
    ids, problems = PersonIds(), DiskList[Problem]()
    train, held = (DiskList(map(ids.with_id, part)) for part in read_cpm(layout.annotations, problems))
    release = read_release(layout.mat) if layout.mat else None
    if release is not None:
        train, held = (DiskList(_with_known_visibility(part, release, layout, problems)) for part in (train, held))
    builder = DatasetBuilder(layout, release.images if release else {}, {person.image for person in held})
    builder.add_training(train)
    valid: Sequence[Person | None] = held
    if layout.gt_valid is not None:
        if belongs(read_gt_valid(layout.gt_valid), held):
            valid = with_truth(held, layout.gt_valid, layout.annotations, problems)
        else:
            reason = f"is of other people than those for validation in {layout.annotations.name}: not used"
            problems.append(Problem("read", layout.gt_valid.name, reason, failed=False))
    return builder.build(valid, problems, "mpii_json")


def _from_mat(layout: Layout, split_file: Path | None, all_train: bool) -> Dataset:
    if split_file is None and not all_train:
        raise NodaError(
            "the original .mat does not say who is for training and who for validation.\n"
            "Name a valid.json, an hourglass valid.h5 or a list of image names with --split FILE "
            "(or put valid.json into annot/ beside it), or take everyone for training with --all-train.\n"
            f"Or {_draw_one(layout.annotations)}\n{LISTS}",
            layout.annotations,
        )
    if split_file is not None and not is_test_part(split_file) and not split_file.exists():
        folder = layout.annotations.parent
        near = (place / split_file.name for place in (folder, *(folder / name for name in ANNOTATION_FOLDERS)))
        found = next((f"{path} is there: --split {path}" for path in near if path.is_file()), "")
        way = found or f"Name another, or {_draw_one(layout.annotations)}\n{LISTS}"
        raise NodaError(f"there is no such split. {way}", split_file)
    release = read_release(layout.annotations)
    problems, builder = DiskList(release.problems), DatasetBuilder(layout, release.images)
    if is_test_part(split_file):
        builder.add_training(release.persons)
        return builder.build(_test_part(release, layout.annotations, problems), problems, "mpii_mat")
    if split_file is None:
        builder.add_training(release.persons)
        problems.extend(note_on_test_part(release, layout.annotations.name))
        return builder.build((), problems, "mpii_mat")
    split = read_split(split_file)
    if release.test and split.images.isdisjoint(release.test.images):
        problems.extend(note_on_test_part(release, layout.annotations.name))
    problems.extend(split.problems)
    valid = _valid_of(release, split, split_file, problems)
    if split_file == layout.valid and layout.gt_valid is not None and split.rows is not None:
        valid = with_truth(valid, layout.gt_valid, split_file, problems)
    builder.add_training(person for person in release.persons if person.image not in split.images)
    return builder.build(valid, problems, "mpii_mat")


def _draw_one(mat: Path) -> str:
    folder = mat.parent if mat.parent.name in ANNOTATION_FOLDERS else mat.parent / ANNOTATION_FOLDERS[0]
    return f"draw a split by video: noda-synth convert {mat} {folder} --holdout 0.1"


def _with_skeleton(skeleton: Skeleton | None, dataset: Dataset, layout: Layout) -> Dataset:
    """A data set of MPII's with a skeleton of the user's, who may protect other joints, but not name or order them."""
    if skeleton is None:
        return dataset
    if skeleton.joints != MPII.joints:
        raise NodaError(
            f"joints: {layout.annotations} is one of MPII's formats, which have the 16 joints of "
            f"mpii16 in its order; the skeleton has {', '.join(skeleton.joints)}. Other joints need COCO keypoints.",
            layout.skeleton,
        )
    return replace(dataset, skeleton=skeleton)


def _from_coco(layout: Layout, skeleton: Skeleton | None) -> Dataset:
    # Here alone images are looked at: OpenCV is not imported for any other format.
    from noda_synth.formats.picture_sizes import with_checked_sizes

    dataset = read_coco(layout.annotations, skeleton, insist_occluded=layout.insist_occluded)
    dataset = with_checked_sizes(dataset, layout.images, layout.annotations.name)
    if layout.valid is None:
        return dataset
    valid = read_coco(layout.valid, skeleton, insist_occluded=layout.insist_occluded)
    valid = with_checked_sizes(valid, layout.valid_images or layout.images, layout.valid.name)
    if valid.skeleton != dataset.skeleton:
        raise NodaError(
            f"its keypoints are others than those of {layout.annotations}, or in another order.", layout.valid
        )
    problems = DiskList(chain(dataset.problems, valid.problems))
    whole = replace(dataset, valid=valid.persons, problems=problems, valid_upright=valid.upright)
    return _without_leaks(whole, layout)


def leak(file: str, people: Mapping[str, int]) -> Problem:
    """The note on validation images in a training list, from the number of people on each."""
    reason = (
        f"{len(people)} images stand in the training and in the validation part, {next(iter(people))} for one: their "
        f"{sum(people.values())} people are left out of training, neither cut out nor covered"
    )
    return Problem("leak", file, reason, failed=False)


def _without_leaks(dataset: Dataset, layout: Layout) -> Dataset:
    """A data set in COCO's form without the images of the validation part in its training part.

    With a folder of its own for each part the same name is another image, and another name may be the same.
    """
    folder, of_valid = (path.resolve() for path in (layout.images, layout.valid_images or layout.images))
    held = {os.path.normpath(of_valid / name) for name in dataset.valid.image_names}
    shared = {name for name in dataset.images if os.path.normpath(folder / name) in held}
    people = Counter(person.image for person in dataset.persons if person.image in shared)
    if not people:
        return dataset
    return replace(
        dataset,
        images=Images(image for image in dataset.images.values() if image.name not in people),
        persons=People(person for person in dataset.persons if person.image not in people),
        crowds=[crowd for crowd in dataset.crowds if crowd.image not in people],
        problems=DiskList(chain([leak(layout.annotations.name, people)], dataset.problems)),
        leaked=tuple(people),
    )


class DatasetBuilder:
    """A data set in the making: the training part is added before the validation part."""

    def __init__(self, layout: Layout, known: Mapping[str, Image], held: Collection[str] = ()) -> None:
        """`known`: images by name; `held`: the validation images, whose people are not trained on."""
        self._file, self._known, self._held = layout.annotations.name, known, held
        self._leaked: Counter[str] = Counter()
        self._registry = PersonRegistry(self._file)
        self._images = Images()
        self._train = People()

    def add_training(self, persons: Iterable[Person]) -> None:
        """Add the training part and its images."""
        self._train = self._registry.add_all(self._with_images(persons))

    def _with_images(self, persons: Iterable[Person]) -> Iterator[Person]:
        for person in persons:
            if person.image in self._held:
                self._leaked[person.image] += 1
                continue
            if person.image not in self._images:
                self._images.add(self._known.get(person.image) or Image(person.image))
            yield person

    def build(self, valid: Iterable[Person | None], problems: DiskList[Problem], source: str) -> Dataset:
        """The whole, with the usable people of the validation part."""
        rest = self._registry.add_all(person for person in valid if person is not None)
        problems.extend(self._registry.problems)
        if self._leaked:
            problems = DiskList(chain([leak(self._file, self._leaked)], problems))
        return Dataset(MPII, self._images, self._train, rest, problems, source, leaked=tuple(self._leaked))


def _with_known_visibility(
    people: Sequence[Person], release: Release, layout: Layout, problems: DiskList[Problem]
) -> Iterator[Person]:
    """The people with what the .mat knows of them, and a note on how many it does not know."""
    lost = 0
    for person, known in zip(people, match(people, release.everyone), strict=True):
        lost += known is None and not (states_visibility(person) or is_known(person))
        yield with_visibility(person, known)
    if lost and layout.mat is not None:
        reason = f"{lost} of {len(people)} records have no counterpart in {layout.mat.name}"
        note = f"{reason}: their visibility stays unknown"
        problems.append(Problem("read", layout.annotations.name, note, failed=False))


def _match_rows(rows: Sequence[Person | None], known: Sequence[Person]) -> Iterator[Person | None]:
    """For each row its counterpart in the .mat; None for a row that could not be used."""
    found = iter(match(DiskList(row for row in rows if row is not None), known))
    return (None if row is None else next(found) for row in rows)


def _test_part(release: Release, file: Path, problems: DiskList[Problem]) -> Sequence[Person]:
    """The people of the test part, and what is wrong with others of it into `problems`."""
    if release.test is None or not release.test.persons:
        raise NodaError("none of its test images has joints: --split test takes nobody.", file)
    problems.extend(release.test.problems)
    return release.test.persons


def _valid_of(release: Release, split: Split, file: Path, problems: DiskList[Problem]) -> Sequence[Person | None]:
    """The validation people of the .mat, in the order of the split where it has one."""
    everyone = release.everyone
    if split.rows is not None:
        matched = DiskList(_match_rows(split.rows, everyone))
        lost = sum(known is None and row is not None for row, known in zip(split.rows, matched, strict=True))
        reason = f"{lost} of {len(split.rows)} records have no counterpart in the .mat: their visibility stays unknown"
        if lost:
            problems.append(Problem("read", file.name, reason, failed=False))
        return DiskList(_with_ids(split.rows, matched))
    if split.images.isdisjoint(release.images) and split.images.isdisjoint(person.image for person in everyone):
        example = sorted(split.images)[0]
        raise NodaError(f"none of its images is one of the .mat with joints (the first is {example!r}).", file)
    if split.positions is not None:
        return _by_position(split, everyone, file, problems)
    return DiskList(person for person in everyone if person.image in split.images)


def _with_ids(rows: Iterable[Person | None], matched: Iterable[Person | None]) -> Iterator[Person | None]:
    """The rows of a valid.json, verbatim, with the ids and the visibility of the .mat."""
    ids = PersonIds()
    for row, known in zip(rows, matched, strict=True):
        if row is None:
            yield None
            continue
        named = row if row.person_id or known is None else replace(row, person_id=known.person_id)
        yield ids.with_id(with_visibility(named, known))


def _by_position(
    split: Split, everyone: Sequence[Person], file: Path, problems: DiskList[Problem]
) -> Sequence[Person | None]:
    """The people of an hourglass valid.h5 in its order: by its person numbers where its joints agree, else by these.

    Raises:
        NodaError: its joints are nobody's.
    """
    positions = split.positions or ()
    by_id = {person.person_id: index for index, person in enumerate(everyone)}
    named = [by_id.get(f"{image}#{index}", -1) for image, index in positions]
    found = named if split.joints is None else match_rows(split, named, everyone)
    if split.joints is not None and max(found) < 0:
        raise NodaError("its joints (part) are those of nobody on their images in the .mat: a split of others.", file)
    for row, ((image, index), one) in enumerate(zip(positions, found, strict=True)):
        if one < 0:
            reason = f"the .mat has no person {index} with joints there"
            if split.joints is not None:
                reason = f"its joints (part) are those of nobody there in the .mat, whose person {index} it names"
            problems.append(Problem("read", f"{file.name} row {row} (image {image})", reason))
    if moved := sum(one >= 0 and one != first for one, first in zip(found, named, strict=True)):
        reason = f"{moved} of {len(found)} rows give another person's number: matched by their joints"
        problems.append(Problem("read", file.name, reason, failed=False))
    return DiskList(None if one < 0 else everyone[one] for one in found)


def with_truth(
    valid: Sequence[Person | None], gt_valid: Path, file: Path, problems: DiskList[Problem]
) -> Sequence[Person | None]:
    """Fill in head boxes and visibility from gt_valid.mat, row by row, where they are not known yet."""
    truth = read_gt_valid(gt_valid)
    if len(truth) != len(valid):
        reason = f"has {len(truth)} rows, but {file.name} {len(valid)}: not used"
        problems.append(Problem("read", gt_valid.name, reason, failed=False))
        return valid
    return DiskList(_filled(person, row, truth) for row, person in enumerate(valid))


def _filled(person: Person | None, row: int, truth: GtValid) -> Person | None:
    if person is not None and person.head_box is None and truth.head_boxes is not None:
        box = truth.head_boxes[row] - 1
        person = replace(person, head_box=box if np.isfinite(box).all() else None)
    if person is not None and truth.visible is not None and not is_known(person) and not states_visibility(person):
        person = replace(person, visible=np.where(person.labelled, truth.visible[row], -1).astype(np.int8))
    return person
