"""Annotations from any format into any other that can hold them, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from noda_synth.data.dataset import ByImage, Dataset, Image, Images, People
from noda_synth.data.disk_list import DiskList, Subset
from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError, Problem
from noda_synth.formats.coco.entries import Entries
from noda_synth.formats.coco.people import write_coco_people
from noda_synth.formats.coco.read import read_coco
from noda_synth.formats.coco.write import write_coco
from noda_synth.formats.copy_validation import write_validation
from noda_synth.formats.files.atomic import read_bytes, write_bytes
from noda_synth.formats.files.detect import KINDS, detect, is_kind
from noda_synth.formats.files.links import same_content
from noda_synth.formats.files.missing import not_one_there
from noda_synth.formats.layout import (
    SKELETON_NAME,
    Layout,
    find_annotations,
    likely_images,
    sibling_skeleton,
    truth_beside,
)
from noda_synth.formats.mpii.gt_valid import belongs, read_gt_valid, write_gt_valid
from noda_synth.formats.mpii.records import read_persons, write_mpii_json
from noda_synth.formats.mpii.split import hold_out
from noda_synth.formats.mpii.visibility import is_known
from noda_synth.formats.read import read_dataset, with_truth
from noda_synth.formats.yolo.read import read_yolo
from noda_synth.formats.yolo.write import Part, Picture, write_yolo
from noda_synth.runs.ownership import check_apart

_OTHER_SUFFIXES = (".h5", ".hdf5", ".txt", ".csv", ".yaml", ".yml", ".xml", ".npy", ".jsonl")


@dataclass(frozen=True)
class Source:
    """What is to be converted: its files and what they hold."""

    layout: Layout
    dataset: Dataset


@dataclass(frozen=True)
class Conversion:
    """What came of it: the files with a word on each, what was lost, and the problems of reading and writing."""

    written: tuple[tuple[Path, str], ...]
    lost: tuple[str, ...]
    problems: Sequence[Problem]


def read_source(
    path: Path,
    *,
    split: Path | None = None,
    holdout: float | None = None,
    seed: int = 0,
    all_train: bool = False,
    visibility_from: Path | None = None,
    skeleton: Path | None = None,
) -> Source:
    """Read what is to be converted.

    Args:
        path: a data set's folder with all its parts, or one file. A file stands for itself alone; only the .mat takes
            a valid.json beside it (or in annot/) as its split.
        split: who is for validation, see `read_dataset`.
        holdout: instead, the share of people to be held out, whole videos at a time.
        seed: of the hold-out.
        all_train: instead, nobody is held out.
        visibility_from: the original .mat that knows the visibility of JSON records, where it lies elsewhere.
        skeleton: the skeleton file, where it is not beside the annotations.

    Raises:
        NodaError: the input is unusable, or cannot be the source of anything.
    """
    layout = find_annotations(path) if path.is_dir() else _single_file(path)
    if visibility_from is not None:
        layout = _with_mat(layout, visibility_from)
    if skeleton is not None:
        layout = replace(layout, skeleton=skeleton)
    if all_train and layout.kind != "mpii_mat":
        raise NodaError(f"{layout.annotations} is a training list already: --all-train is only for the original .mat.")
    dataset = read_dataset(layout, split=split, all_train=all_train or holdout is not None)
    if holdout is not None:
        if dataset.valid:
            held = layout.valid or layout.annotations
            raise NodaError(f"{path} has a validation part already ({held}): --holdout would draw another.")
        dataset = hold_out(dataset, holdout, seed)
    if all_train or holdout is not None or split not in (None, layout.valid):
        layout = replace(layout, valid=split if split and is_kind(split, "mpii_json") else None, gt_valid=None)
    return Source(layout, dataset)


def convert(
    source: Source,
    output: Path,
    to: str,
    *,
    images: Path | None = None,
    originals: str = "symlink",
    overwrite: bool = False,
) -> Conversion:
    """Write annotations in another format.

    Args:
        source: from `read_source`.
        output: a folder; or a file, ending in .json or .mat, where the target is a single one.
        to: "mpii-json", "gt-valid", "coco" or "yolo".
        images: the images folder, for the sizes that COCO has and MPII has not, and for the pictures of YOLO-pose.
        originals: how pictures get into images/ of YOLO-pose: "symlink", "hardlink", "copy" or "none".
        overwrite: existing files are replaced; those of the source never are.

    Raises:
        NodaError: the target cannot hold the source, or files would be overwritten.
    """
    check_convertible(source, to)
    files = _planned(source, output, to)
    _check_overwriting(files, source.layout, overwrite)
    if to == "gt-valid":
        problems = _write_truth(source, files[0])
    elif to == "yolo":
        problems = _write_yolo(source, output, images, originals)
    elif to == "coco" and source.layout.kind == "coco":
        problems = _split_coco(source, *files)
    elif to == "coco":
        problems = _write_coco_parts(source, files, images)
    elif output.suffix == ".json":
        write_mpii_json(files[0], source.dataset.persons)
        problems = []
    else:
        problems = _write_mpii_parts(source, output)
    written = tuple((file, _summary(file, source.dataset)) for file in files if file.is_file())
    return Conversion(written, losses(source.dataset, to), DiskList(chain(source.dataset.problems, problems)))


def check_convertible(source: Source, to: str) -> None:
    """NodaError if the target cannot hold the source at all."""
    dataset, file = source.dataset, source.layout.annotations
    if to == "coco":
        if source.layout.kind == "coco" and (source.layout.valid is not None or not dataset.valid):
            raise NodaError(f"{file} is COCO already: nothing to convert, unless --holdout takes a part out.")
    elif to == "yolo":
        if source.layout.kind == "yolo":
            raise NodaError(f"{file} is YOLO-pose already: nothing to convert.")
    elif dataset.skeleton.joints != MPII.joints:
        missing = [joint for joint in MPII.joints if joint not in dataset.skeleton.index]
        why = f"there is no {', '.join(missing)}" if missing else "they stand in another order"
        raise NodaError(
            f"the {len(dataset.skeleton)} joints of {dataset.skeleton.name} do not map to MPII's {len(MPII)} "
            f"({why}), so it cannot be written as MPII.",
            file,
        )
    failed = next((problem for problem in dataset.problems if problem.failed), None)
    if to == "gt-valid" and failed:
        raise NodaError(
            f"{failed.item}: {failed.reason}.\n"
            "The rows of gt_valid.mat belong to the records one by one: correct this record or take it out."
        )


def losses(dataset: Dataset, to: str) -> tuple[str, ...]:
    """What the target does not hold."""
    lost = []
    if dataset.source == "mpii_mat":
        lost.append("activities, video and frame times of the .mat")
    if to == "yolo":
        lost.append(
            "outlines, areas and crowds" if dataset.source == "coco" else "centers and scales, except in noda.jsonl"
        )
    elif dataset.source == "coco" and to != "coco":
        lost.append("person boxes, outlines and areas; crowds")
    if to == "mpii-json" and any(person.head_box is not None for person in dataset.persons):
        lost.append("head boxes of the training people (JSON has no place for them)")
    if to == "gt-valid":
        lost.append("image names, centers and scales (they stand in valid.json)")
        if dataset.valid:
            lost.append(f"the {len(dataset.persons)} people of the training part")
    return tuple(lost)


def _single_file(path: Path) -> Layout:
    kind = detect(path)
    if kind in ("mpii_mat", "yolo"):
        return find_annotations(None, path)
    if kind == "gt_valid":
        raise NodaError(f"{KINDS[kind]}, which has no image names; convert the valid.json that belongs to it.", path)
    if kind == "hourglass_h5":
        raise NodaError(
            f"{KINDS[kind]}, whose centers and scales are altered and whose joints are cut to whole pixels. "
            f"Convert the original .mat with --split {path}.",
            path,
        )
    return Layout(likely_images(None, path), path, kind, skeleton=sibling_skeleton(path))


def _with_mat(layout: Layout, mat: Path) -> Layout:
    if layout.kind not in ("mpii_json", "cpm_json"):
        raise NodaError(f"--visibility-from is for MPII JSON; this is {KINDS[layout.kind]}.", layout.annotations)
    if detect(mat) != "mpii_mat":
        raise NodaError(f"{KINDS[detect(mat)]}; visibility is taken from {KINDS['mpii_mat']}.", mat)
    return replace(layout, mat=mat)


def _planned(source: Source, output: Path, to: str) -> list[Path]:
    """The files to be written, the one of the training part first."""
    valid = bool(source.dataset.valid)
    suffix = ".mat" if to == "gt-valid" else ".json"
    if output.suffix in (".json", ".mat") and to != "yolo":
        if output.suffix != suffix:
            raise NodaError(f"--to {to} writes {suffix} files; give such a name, or a folder.", output)
        if valid and to != "gt-valid":
            raise NodaError("there is a training and a validation part to write; give a folder.", output)
        return [output]
    if output.suffix.lower() in _OTHER_SUFFIXES and not output.is_dir():
        raise NodaError(f"--to {to} writes no {output.suffix} files; give a folder.", output)
    if to == "yolo":
        return [output / "data.yaml", output / "labels"]
    names = {
        "mpii-json": ["train.json", *(["valid.json", "gt_valid.mat"] if valid else [])],
        "coco": ["person_keypoints_train.json", *(["person_keypoints_val.json"] if valid else [])],
        "gt-valid": ["gt_valid.mat"],
    }
    return [output / name for name in names[to]]


def _check_overwriting(files: Iterable[Path], layout: Layout, overwrite: bool) -> None:
    parts = (layout.annotations, layout.mat, layout.valid, layout.gt_valid, layout.skeleton)
    inputs = [part for part in parts if part]
    for file in files:
        if file.exists() and any(file.samefile(part) for part in inputs):
            raise NodaError(f"{file} is part of the input, which is never written to; name another folder.")
        check_apart(file, [layout.images])
        if file.exists() and not overwrite:
            raise NodaError(f"{file} exists; name another place, or add --overwrite to replace it.")


def _write_mpii_parts(source: Source, folder: Path) -> list[Problem]:
    dataset = source.dataset
    write_mpii_json(folder / "train.json", dataset.persons)
    if dataset.source != "coco":
        return write_validation(source.layout, dataset, folder)[1]
    if not dataset.valid:
        return []
    people = Subset(dataset.valid, dataset.valid.samples)
    write_mpii_json(folder / "valid.json", people)
    return write_gt_valid(folder / "gt_valid.mat", people)


def _write_truth(source: Source, path: Path) -> list[Problem]:
    """Of a validation list that was named alone, head boxes come from the gt_valid.mat beside it: JSON has none."""
    people, file = source.dataset.valid or source.dataset.persons, source.layout.annotations
    beside = None if source.dataset.valid or source.layout.kind != "mpii_json" else truth_beside(file)
    if beside is None:
        return write_gt_valid(path, people)
    if not belongs(read_gt_valid(beside), people):
        reason = f"is of other people than {file.name}: not used"
        return [Problem("read", beside.name, reason, failed=False), *write_gt_valid(path, people)]
    filled = with_truth(people, beside, file, DiskList())
    reason = f"head boxes taken from this file, since it lies beside {file.name} and is of the same people"
    note = Problem("read", beside.name, reason, failed=False)
    return [note, *write_gt_valid(path, [person for person in filled if person is not None])]


def _write_coco_parts(source: Source, files: Sequence[Path], stated: Path | None) -> list[Problem]:
    folder = stated or source.layout.images
    if not folder.is_dir():
        raise NodaError(f"No images folder at {folder}, and COCO needs the size of every image: name it with --images.")
    dataset = source.dataset
    parts: tuple[tuple[Collection[str], People, Path], ...] = (
        (dataset.images, dataset.persons, folder),
        (dataset.valid.image_names, dataset.valid, stated or source.layout.valid_images or folder),
    )
    problems: list[Problem] = []
    for file, (images, persons, home) in zip(files, parts, strict=False):
        problems += write_coco_people(file, dataset.skeleton, images, persons, home)
    return problems


def _write_yolo(source: Source, out: Path, images: Path | None, originals: str) -> list[Problem]:
    dataset, layout = source.dataset, source.layout
    train = images or layout.images
    valid = images or layout.valid_images or train
    for folder in (train, valid):
        if not folder.is_dir():
            raise NodaError(f"No images folder at {folder}, and YOLO-pose holds the pictures: name it with --images.")
        if folder.resolve().is_relative_to((out / "images").resolve()) or (out / "images").resolve().is_relative_to(
            folder.resolve()
        ):
            raise NodaError(f"{folder} is part of the input, which is never written to; name another folder.")
    if why := not_one_there(train, dataset.persons.image_names):
        raise NodaError(why)
    held = dataset.valid.image_names
    # In a folder of its own the same name is another picture, unless it holds the same.
    shared = {name for name in dataset.images if name in held and same_content(train / name, valid / name)}
    pictures = (Picture(name, people) for name, people in dataset.by_image.items() if name not in shared)
    parts = [Part("train", train, pictures)]
    if dataset.valid:
        by_image = ByImage(Images(Image(name) for name in held), dataset.valid)
        parts.append(Part("val", valid, (Picture(name, people) for name, people in by_image.items())))
    problems = write_yolo(out, parts, dataset.skeleton, originals)
    if layout.skeleton is not None:
        write_bytes(out / SKELETON_NAME, read_bytes(layout.skeleton))
    if shared:
        note = f"{len(shared)} pictures of the validation part are left out of the training part, {min(shared)} for one"
        problems.append(Problem("write", "images/train", note, failed=False))
    return problems


def _split_coco(source: Source, train: Path, valid: Path) -> list[Problem]:
    """The two parts of a COCO file, its entries as they stand, crowds and other categories included, each with its
    image."""
    held = {person.record["image_id"] for person in source.dataset.valid}
    entries = Entries(source.layout.annotations)
    for file, wanted in ((train, lambda image_id: image_id not in held), (valid, held.__contains__)):
        images, annotations = entries.images(wanted), entries.annotations(wanted)
        write_coco(file, images, annotations, source.dataset.skeleton, source.dataset.header)
    if source.layout.skeleton is not None and sibling_skeleton(train) is None:
        write_bytes(train.with_name(SKELETON_NAME), read_bytes(source.layout.skeleton))
    return []


def _summary(file: Path, dataset: Dataset) -> str:
    """Whom a written file has; of a gt_valid.mat, which has no names, of its list."""
    people = _written_people(file, dataset)
    known = sum(is_known(person) for person in people)
    return f"{len(people)} people on {len(people.image_names)} images; visibility known of {known}"


def _written_people(file: Path, dataset: Dataset) -> People:
    if file.suffix == ".mat":
        return dataset.valid or dataset.persons
    kind = detect(file)
    if kind == "mpii_json":
        return People(person for person in read_persons(file) if person)
    written = read_yolo(file, dataset.skeleton) if kind == "yolo" else read_coco(file, dataset.skeleton)
    return People(chain(written.persons, written.valid))
