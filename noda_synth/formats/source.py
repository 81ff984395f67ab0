"""A data set opened as the commands open it: found, read, its links checked, its annotation files hashed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from noda_synth.data.dataset import Dataset
from noda_synth.data.skeleton import skeleton_file
from noda_synth.errors import NodaError
from noda_synth.formats.files.detect import is_kind
from noda_synth.formats.layout import Layout, find_layout
from noda_synth.formats.mpii.split import is_test_part
from noda_synth.formats.picture_sizes import as_annotated
from noda_synth.formats.read import read_dataset
from noda_synth.formats.scales import with_measured_scales
from noda_synth.formats.yolo.data_file import labels_hash
from noda_synth.imaging.images import links_out
from noda_synth.runs.ownership import check_apart, file_hash, links_into

AnyPath = str | Path
_DEFAULT_DATA = Path("data/mpii")


class DataOptions(TypedDict, total=False):
    """Which files of a data set, as the options of the commands say it.

    images, annotations: where they lie, if not in the folder of the data set.
    skeleton: a TOML file or a shipped name; told by the joints' names if left out.
    split, all_train: for the original .mat: who is for validation (a file, or "test" for its own test part), or that
        everyone is for training.
    follow_links: images may be symbolic links out of their folder.
    v1_occluded: v = 1 means occluded, also where no joint of the file has v = 2.
    scale: "from-joints" measures everyone's scale instead of reading it; "stated" does not.
    """

    images: AnyPath | None
    annotations: AnyPath | None
    skeleton: AnyPath | None
    split: AnyPath | None
    all_train: bool
    follow_links: bool
    v1_occluded: bool
    scale: str


def open_dataset(data: AnyPath | None, **options: Unpack[DataOptions]) -> tuple[Layout, Dataset, dict[str, str]]:
    """Where the files are, the data set, and the hashes of its annotation files.

    Args:
        data: the folder; None takes `data/mpii`, or looks beside the annotations where these are named.
        options: which files, see `DataOptions`.

    Raises:
        NodaError: files are missing or unusable, or images are links out of their folder.
    """
    images, annotations, split = (_path(options.get(key)) for key in ("images", "annotations", "split"))
    skeleton, all_train = options.get("skeleton"), options.get("all_train", False)
    insist = options.get("v1_occluded", False)
    # With a file named and no folder, the default folder does not decide where its neighbours are.
    layout = replace(find_layout(data_folder(data, annotations), images, annotations), insist_occluded=insist)
    if skeleton is not None:
        layout = replace(layout, skeleton=skeleton_file(str(skeleton)))
    split_file = None if is_test_part(split) else split
    if split_file is not None and layout.valid != split and is_kind(split_file, "mpii_json"):
        # The list that splits is also the validation list that the written set carries along.
        layout = replace(layout, valid=split, gt_valid=None)
    dataset = read_dataset(layout, split=split, all_train=all_train)
    measured = _from_joints(options.get("scale", "stated"))
    if measured:
        dataset = with_measured_scales(dataset)
    layout = as_annotated(layout, dataset)
    if not options.get("follow_links", False):
        _check_links(layout, dataset)
    files = {
        "annotations": layout.annotations,
        "mat": layout.mat,
        "valid": layout.valid,
        "gt_valid": layout.gt_valid,
        "split": split_file,
        "skeleton": layout.skeleton,
    }
    inputs = {role: file_hash(file)[:16] for role, file in files.items() if file}
    if layout.kind == "yolo":
        inputs["labels"] = labels_hash(layout.annotations)[:16]
    chosen = {"v1_occluded": "True"} if insist else {}
    if measured:
        chosen["scale"] = "from-joints"
    if split is not None and split_file is None:
        chosen["split"] = str(split)
    return layout, dataset, {**inputs, "all_train": str(all_train), **chosen}


def check_output(
    out: Path, layout: Layout, dataset: Dataset, *, split: AnyPath | None = None, others: Iterable[AnyPath | None] = ()
) -> None:
    """Raises NodaError if an output is, holds, or lies inside what is read: the data set's files, or the others'."""
    images = [layout.images, layout.valid_images or layout.images]
    files = [layout.annotations, layout.mat, layout.valid, layout.gt_valid, layout.skeleton]
    annot = layout.annotations.parent
    folders = [*images, *([annot] if annot.name in ("annot", "annotations") else [])]
    named = [Path(path) for path in (None if is_test_part(_path(split)) else split, *others) if path is not None]
    check_apart(out, [path for path in (*folders, *files, *named) if path is not None])
    names = (dataset.images, (person.image for person in dataset.valid))
    for folder, listed in zip(images, names, strict=True):
        if linked := next(links_into(out, folder, listed), None):
            raise NodaError(f"{folder / linked} is a link into {out}, so this is read; choose another output")


def data_folder(data: AnyPath | None, annotations: AnyPath | None) -> Path | None:
    """The folder of a data set, if one is named or meant."""
    return _DEFAULT_DATA if data is None and annotations is None else _path(data)


def _from_joints(scale: str) -> bool:
    if scale not in ("stated", "from-joints"):
        raise NodaError(f"scale is {scale!r}; it is 'stated' or 'from-joints'")
    return scale == "from-joints"


def _path(value: object) -> Path | None:
    return None if value is None else Path(str(value))


def _check_links(layout: Layout, dataset: Dataset) -> None:
    """A data set from a stranger could have any picture of this machine copied into the output."""
    valid = (layout.valid_images or layout.images, (person.image for person in dataset.valid))
    for folder, names in ((layout.images, dataset.images), valid):
        found = links_out(folder, names)
        if first := next(found, None):
            raise NodaError(
                f"{1 + sum(1 for _ in found)} images in {folder} are symbolic links that lead out of it, "
                f"{first} for one; "
                "if they are yours, as in a set that render wrote, add --follow-links"
            )
