"""A data set from its files, whichever they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from noda_synth.dataset import Dataset, Image, Person
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.checks import mark_duplicates
from noda_synth.formats.coco import read_coco
from noda_synth.formats.gt_valid import read_gt_valid
from noda_synth.formats.layout import Layout
from noda_synth.formats.mpii_json import load_records, parse_records, with_ids
from noda_synth.formats.mpii_mat import Release, read_release
from noda_synth.formats.split import Split, read_split
from noda_synth.formats.visibility import is_known, match, states_visibility, with_visibility
from noda_synth.skeleton import MPII, Skeleton, load_skeleton


def read_dataset(layout: Layout, *, split: Path | None = None, all_train: bool = False) -> Dataset:
    """Read a data set.

    Args:
        layout: its files, from `find_layout`.
        split: who is for validation, for the original .mat, which does not say: a valid.json, an hourglass valid.h5,
            or a list of image names. Without it `layout.valid` is used.
        all_train: everyone of the .mat is for training.

    Raises:
        NodaError: a file is unusable as a whole, nobody is left, or the .mat comes without any split.
    """
    if layout.kind != "mpii_mat" and split is not None:
        raise NodaError(f"{layout.annotations} is a training list already: a split is only for the original .mat.")
    skeleton = load_skeleton(layout.skeleton) if layout.skeleton else None
    if layout.kind == "coco":
        dataset = _from_coco(layout, skeleton)
    elif layout.kind == "mpii_json":
        dataset = _as(skeleton, _from_json(layout), layout)
    else:
        dataset = _as(skeleton, _from_mat(layout, None if all_train else split or layout.valid, all_train), layout)
    if not dataset.samples:
        failed = [problem for problem in dataset.problems if problem.failed]
        first = f" The first of {len(failed)} faults: {failed[0].item}: {failed[0].reason}." if failed else ""
        raise NodaError(f"{layout.annotations}: nobody with a labelled joint to train with.{first}")
    return dataset


def _from_json(layout: Layout) -> Dataset:
    counts: Counter[str] = Counter()
    train, problems = _json_rows(layout.annotations, counts)
    valid: Sequence[Person | None] = ()
    if layout.valid is not None:
        valid, faults = _json_rows(layout.valid, counts)
        problems += faults
    release = read_release(layout.mat) if layout.mat else None
    people = [person for person in train if person is not None]
    if release is not None and layout.mat is not None:
        people, notes = _seen_by(people, release, layout.annotations, layout.mat)
        problems += notes
        rows = _match_rows(valid, release)
        valid = [with_visibility(p, known) if p else None for p, known in zip(valid, rows, strict=True)]
    if layout.gt_valid is not None and layout.valid is not None:
        valid, notes = _with_truth(valid, layout.gt_valid, layout.valid)
        problems += notes
    videos = release.images if release else {}
    return _dataset(people, [p for p in valid if p], videos, problems, layout, "mpii_json")


def _from_mat(layout: Layout, split_file: Path | None, all_train: bool) -> Dataset:
    if split_file is None and not all_train:
        raise NodaError(
            f"{layout.annotations}: the original .mat does not say who is for training and who for validation.\n"
            "Name a valid.json, an hourglass valid.h5 or a list of image names with --split FILE "
            "(or put valid.json into annot/ beside it), or take everyone for training with --all-train."
        )
    release = read_release(layout.annotations)
    problems = list(release.problems)
    if split_file is None:
        return _dataset(release.persons, [], release.images, problems, layout, "mpii_mat")
    split = read_split(split_file)
    valid, notes = _valid_of(release, split, split_file)
    if split_file == layout.valid and layout.gt_valid is not None and split.rows is not None:
        valid, more = _with_truth(valid, layout.gt_valid, split_file)
        notes += more
    train = [person for person in release.persons if person.image not in split.images]
    problems += [*split.problems, *notes]
    return _dataset(train, [p for p in valid if p], release.images, problems, layout, "mpii_mat")


def _as(skeleton: Skeleton | None, dataset: Dataset, layout: Layout) -> Dataset:
    """A data set of MPII's with a skeleton of the user's, who may protect other joints, but not name or order them."""
    if skeleton is None:
        return dataset
    if skeleton.joints != MPII.joints:
        raise NodaError(
            f"{layout.skeleton}: joints: {layout.annotations} is one of MPII's formats, which have the 16 joints of "
            f"mpii16 in its order; the skeleton has {', '.join(skeleton.joints)}. Other joints need COCO keypoints."
        )
    return replace(dataset, skeleton=skeleton)


def _from_coco(layout: Layout, skeleton: Skeleton | None) -> Dataset:
    dataset = read_coco(layout.annotations, skeleton)
    if layout.valid is None:
        return dataset
    valid = read_coco(layout.valid, skeleton)
    if valid.skeleton != dataset.skeleton:
        raise NodaError(
            f"{layout.valid}: its keypoints are others than those of {layout.annotations}, or in another order."
        )
    return replace(dataset, valid=valid.persons, problems=(*dataset.problems, *valid.problems))


def _dataset(
    train: Iterable[Person],
    valid: Sequence[Person],
    known: Mapping[str, Image],
    problems: list[Problem],
    layout: Layout,
    source: str,
) -> Dataset:
    """Make ids unique, mark duplicates, and collect the images."""
    train = list(train)
    people, notes = mark_duplicates([*train, *valid], layout.annotations.name)
    problems = [*problems, *notes]
    persons, rest = people[: len(train)], people[len(train) :]
    images = {p.image: known.get(p.image) or Image(p.image) for p in persons}
    shared = sorted({p.image for p in rest} & set(images))
    if shared:
        reason = f"{len(shared)} images stand in the training and in the validation part, {shared[0]} for one"
        problems.append(Problem("read", layout.annotations.name, reason, failed=False))
    return Dataset(MPII, images, tuple(persons), tuple(rest), tuple(problems), source)


def _json_rows(path: Path, counts: Counter[str]) -> tuple[list[Person | None], list[Problem]]:
    rows, problems = parse_records(load_records(path), path.name)
    return with_ids(rows, counts), problems


def _seen_by(people: list[Person], release: Release, file: Path, mat: Path) -> tuple[list[Person], list[Problem]]:
    """The people with what the .mat knows of them, and a note on how many it does not know."""
    found = match(people, release.persons)
    lost = sum(known is None and not states_visibility(p) for p, known in zip(people, found, strict=True))
    reason = f"{lost} of {len(people)} records have no counterpart in {mat.name}: their visibility stays unknown"
    notes = [Problem("read", file.name, reason, failed=False)] if lost else []
    return [with_visibility(p, known) for p, known in zip(people, found, strict=True)], notes


def _match_rows(rows: Sequence[Person | None], release: Release) -> list[Person | None]:
    """For each row its counterpart in the .mat; None for a row that could not be used."""
    found = iter(match([person for person in rows if person is not None], release.persons))
    return [None if person is None else next(found) for person in rows]


def _valid_of(release: Release, split: Split, file: Path) -> tuple[list[Person | None], list[Problem]]:
    """The validation people of the .mat, in the order of the split where it has one."""
    if split.rows is not None:
        matched = _match_rows(split.rows, release)
        lost = sum(known is None and row is not None for row, known in zip(split.rows, matched, strict=True))
        reason = f"{lost} of {len(split.rows)} records have no counterpart in the .mat: their visibility stays unknown"
        notes = [Problem("read", file.name, reason, failed=False)] if lost else []
        return _named_by(split.rows, matched), notes
    if not split.images & set(release.images):
        example = sorted(split.images)[0]
        raise NodaError(f"{file}: none of its images is a training image of the .mat (the first is {example!r}).")
    if split.places is not None:
        return _at(split.places, release, file)
    return [person for person in release.persons if person.image in split.images], []


def _named_by(rows: Sequence[Person | None], matched: Sequence[Person | None]) -> list[Person | None]:
    """The rows of a valid.json, verbatim, with the ids and the visibility of the .mat."""
    named = [
        replace(row, person_id=known.person_id) if row and known and not row.person_id else row
        for row, known in zip(rows, matched, strict=True)
    ]
    seen = [with_visibility(p, known) if p else None for p, known in zip(named, matched, strict=True)]
    return with_ids(seen, Counter())


def _at(places: Sequence[tuple[str, int]], release: Release, file: Path) -> tuple[list[Person | None], list[Problem]]:
    by_id = {person.person_id: person for person in release.persons}
    found = [by_id.get(f"{image}#{place}") for image, place in places]
    problems = [
        Problem("read", f"{file.name} row {row} (image {image})", f"the .mat has no person {place} with joints there")
        for row, ((image, place), person) in enumerate(zip(places, found, strict=True))
        if person is None
    ]
    return found, problems


def _with_truth(
    valid: Sequence[Person | None], gt_valid: Path, file: Path
) -> tuple[list[Person | None], list[Problem]]:
    """Fill in head boxes and visibility from gt_valid.mat, row by row, where they are not known yet."""
    truth = read_gt_valid(gt_valid)
    if truth.rows != len(valid):
        reason = f"has {truth.rows} rows, but {file.name} {len(valid)}: not used"
        return list(valid), [Problem("read", gt_valid.name, reason, failed=False)]
    filled: list[Person | None] = []
    for row, person in enumerate(valid):
        if person is not None and person.head_box is None and truth.head_boxes is not None:
            box = truth.head_boxes[row]
            person = replace(person, head_box=box if np.isfinite(box).all() else None)
        if person is not None and truth.visible is not None and not is_known(person) and not states_visibility(person):
            person = replace(person, visible=np.where(person.labelled, truth.visible[row], -1).astype(np.int8))
        filled.append(person)
    return filled, []
