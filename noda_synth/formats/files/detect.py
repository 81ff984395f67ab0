"""The kind of a file, by its content and never by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_bytes
from noda_synth.formats.files.json_pieces import JsonPieces, open_json
from noda_synth.formats.files.matlab import is_hdf5_mat, variables
from noda_synth.formats.files.strangers import READ, stranger, stranger_in_json

KINDS = {
    "mpii_mat": "the original MPII .mat",
    "mpii_json": "a list of MPII JSON records",
    "cpm_json": "the JSON of convolutional pose machines and pytorch-pose",
    "coco": "COCO keypoints",
    "yolo": "the data.yaml of a YOLO-pose set",
    "gt_valid": "the evaluation truth gt_valid.mat",
    "hourglass_h5": "an hourglass valid.h5",
}

# At the beginning of a line near the start of a data.yaml; JSON has quotes around its keys.
_YOLO_KEY, _START_BYTES = re.compile(rb"^kpt_shape\s*:", re.MULTILINE), 1 << 16
_TRUTH = {"jnt_missing", "pos_gt_src"}
_RELEASE = {"RELEASE", "annolist"}  # the second where somebody saved its fields one by one
COCO_LISTS = ("images", "annotations", "categories")
CPM_ROOT, _CPM_JOINTS = "root", "joint_self"


def detect(path: Path) -> str:
    """The kind of an annotation file, a key of KINDS; found from as little of its start as possible.

    Raises:
        NodaError: the file is missing, empty, damaged or none of these; the message says what it was found to be.
    """
    if is_hdf5_mat(path):
        return _detect_h5(path)
    if read_bytes(path, 6) == b"MATLAB":
        return _detect_mat(path)
    if _YOLO_KEY.search(read_bytes(path, _START_BYTES)):
        return "yolo"
    if what := stranger(path):
        raise NodaError(f"{what}; {READ}.", path)
    with open_json(path) as file:
        return _detect_json(file, path)


def is_kind(path: Path, kind: str) -> bool:
    """Whether a file is of a kind of KINDS; false also where it cannot be read."""
    return kind_of(path) == kind


def kind_of(path: Path) -> str:
    """`detect`, but an empty string where the file is of no kind or cannot be read."""
    try:
        return detect(path)
    except NodaError:
        return ""


def not_coco(path: Path) -> NodaError:
    """The error for a JSON object that lacks one of COCO's lists."""
    return NodaError(
        "a JSON object, but not COCO keypoints (images, annotations and categories are expected); "
        "nor a list of MPII records.",
        path,
    )


def _detect_json(file: JsonPieces, path: Path) -> str:
    """A list with a record is MPII's, an object with one of COCO's lists is COCO's; its reader looks for the others."""
    if file.kind == "{":
        keys = set()
        for key, value in file.items():
            keys.add(key)
            if key in COCO_LISTS and isinstance(value, Iterator):
                return "coco"
            if key == CPM_ROOT and isinstance(value, Iterator) and _is_cpm(next(value, None)):
                return "cpm_json"
        file.end()
        raise NodaError(f"{what}; {READ}.", path) if (what := stranger_in_json(keys)) else not_coco(path)
    if file.kind != "[":
        file.value()
        file.end()
        raise NodaError("not a list of records, as MPII JSON is, nor a COCO object.", path)
    count = 0
    for record in file.elements():
        if isinstance(record, dict):
            if "joints" not in record and (what := stranger_in_json(record)):
                raise NodaError(f"{what}; {READ}.", path)
            return "cpm_json" if _is_cpm(record) else "mpii_json"
        count += 1
    file.end()
    if not count:
        raise NodaError("an empty list, without any record.", path)
    raise NodaError("a list, but not of records with image, center, scale, joints and joints_vis.", path)


def _is_cpm(record: Any) -> bool:
    return isinstance(record, dict) and _CPM_JOINTS in record


def _detect_mat(path: Path) -> str:
    names = variables(path)
    if not names.isdisjoint(_RELEASE):
        return "mpii_mat"
    if names >= _TRUTH:
        return "gt_valid"
    found = ", ".join(sorted(names)) or "nothing"
    raise NodaError(f"a .mat without RELEASE (the original MPII file) or jnt_missing (gt_valid); it has {found}.", path)


def _detect_h5(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names, is_pool = set(file), file.attrs.get("format") == "noda-synth pool"
    except OSError as error:
        raise NodaError(f"not a whole HDF5 file ({error}).", path) from None
    if {"imgname", "person"} <= names:
        return "hourglass_h5"
    if names >= _TRUTH:
        return "gt_valid"
    if not names.isdisjoint(_RELEASE):
        raise NodaError(f"{KINDS['mpii_mat']} of version 7.3, which is not read. Save it in MATLAB with -v7.", path)
    if is_pool:
        raise NodaError("a pool of bodies, without annotations; preview and levels show it.", path)
    raise NodaError("an HDF5 file, but no hourglass valid.h5 (imgname and person are expected).", path)
