"""What a file is, told from its content and never from its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files import read_bytes, read_json

KINDS = {
    "mpii_mat": "the original MPII .mat",
    "mpii_json": "a list of MPII JSON records",
    "coco": "COCO keypoints",
    "gt_valid": "the evaluation truth gt_valid.mat",
    "hourglass_h5": "an hourglass valid.h5",
}


def detect(path: Path) -> str:
    """The kind of an annotation file, a key of KINDS.

    Raises:
        NodaError: the file is missing, empty, damaged or none of these; the message says what it was found to be.
    """
    start = read_bytes(path)[:8]
    if start.startswith(b"MATLAB"):
        return _detect_mat(path)
    if start == b"\x89HDF\r\n\x1a\n":
        return _detect_h5(path)
    return detect_json(read_json(path), path)


def detect_json(content: Any, path: Path) -> str:
    """The kind of a parsed JSON file: "mpii_json" or "coco"; NodaError for anything else."""
    if isinstance(content, dict):
        if all(isinstance(content.get(key), list) for key in ("images", "annotations", "categories")):
            return "coco"
        raise NodaError(
            f"{path}: a JSON object, but not COCO keypoints (images, annotations and categories are expected); "
            "nor a list of MPII records."
        )
    if not isinstance(content, list):
        raise NodaError(f"{path}: not a list of records, as MPII JSON is, nor a COCO object.")
    if not content:
        raise NodaError(f"{path}: an empty list, without any record.")
    if not any(isinstance(record, dict) for record in content):
        raise NodaError(f"{path}: a list, but not of records with image, center, scale, joints and joints_vis.")
    return "mpii_json"


def _detect_mat(path: Path) -> str:
    from noda_synth.formats.matlab import variables

    names = variables(path)
    if "RELEASE" in names:
        return "mpii_mat"
    if {"jnt_missing", "pos_gt_src"} <= names:
        return "gt_valid"
    found = ", ".join(sorted(names)) or "nothing"
    raise NodaError(
        f"{path}: a .mat without RELEASE (the original MPII file) or jnt_missing (gt_valid); it has {found}."
    )


def _detect_h5(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names = set(file)
    except OSError as error:
        raise NodaError(f"{path}: not a whole HDF5 file ({error}).") from None
    if {"imgname", "person"} <= names:
        return "hourglass_h5"
    raise NodaError(f"{path}: an HDF5 file, but no hourglass valid.h5 (imgname and person are expected).")
