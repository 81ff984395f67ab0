"""Files that hold no annotations of a kind that is read: what they are instead, in one line, by their first bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from noda_synth.formats.files.atomic import read_bytes

READ = "read are MPII's .mat and JSON, COCO keypoints and YOLO-pose's data.yaml"

IMAGE_NAMES = "a list of image names, which --split takes for the .mat"

_START_BYTES = 1 << 16
_BYTES = (
    (b"\x1f\x8b", "packed by gzip: unpack it first (gunzip)"),
    (b"PK\x03\x04", "a zip archive (.zip, .npz, .xlsx): unpack it first"),
    (b"BZh", "packed by bzip2: unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "packed by xz: unpack it first (unxz)"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"\x93NUMPY", "an array of NumPy, which names no images"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"Octave-1-L", "Octave's binary format: save it with `save -v7`"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"%PDF", "a PDF"),
    (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
)
_KEYS = (
    ({"keypoints", "image_id"}, "COCO results, which are predictions: noda-train eval --predictions takes them"),
    ({"preds", "image_paths"}, "MMPose's predictions on MPII: noda-train eval --predictions takes them"),
    ({"shapes"}, "LabelMe's JSON of one picture: write COCO keypoints from it"),
    ({"_via_img_metadata"}, "a project of VIA: export it as COCO"),
    ({"people"}, "OpenPose's JSON of one picture, which is a prediction"),
    ({"annolist"}, "PoseTrack17's JSON; that of PoseTrack18 is COCO keypoints"),
    ({"data", "annotations"}, "an export of Label Studio: choose COCO there"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TEXTS = (
    (re.compile(r"#\s*Created by Octave"), "Octave's text format: save it with `save -v7`"),
    (re.compile(r"version https://git-lfs"), "a pointer of Git LFS, not the file itself: git lfs pull"),
    (re.compile(r"(?i)<!doctype html|<html"), "a web page: the download did not give the file"),
    (re.compile(r"<\?xml|<\w+[\s>]"), "XML: CVAT exports COCO keypoints, too; VOC's folder is read as --objects alone"),
    (re.compile(r"[\w.-]+\s*="), "TOML, which skeleton files are: --skeleton takes them"),
    (re.compile(r"(---|[\w ]+:)(\s|$)"), "YAML without kpt_shape, which YOLO-pose has"),
)
_TABLE = re.compile(r"[,;\t]")
_PICTURE = re.compile(r"(?i)[^,;\t{}\[\]\"]+\.(jpe?g|png|bmp|webp|tiff?)")


def stranger(path: Path) -> str:
    """What a file is that is neither JSON of one value, nor a .mat or HDF5; an empty string where that cannot be told.

    Raises:
        NodaError: it is missing or empty.
    """
    start = read_bytes(path, _START_BYTES)
    for magic, what in _BYTES:
        if start.startswith(magic):
            return what
    if _PICKLE.match(start):
        return "a pickle of Python, which could run anything: write JSON"
    if start[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    try:
        text = start.decode("utf-8-sig").lstrip()
    except UnicodeDecodeError as error:
        if error.end < len(start) - 4:  # else a character is cut at the end of what was read
            return ""
        text = start[: error.start].decode("utf-8-sig").lstrip()
    return _text(text)


def _text(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()][:50]
    if len(lines) > 1 and text[0] in "[{":
        return "JSON lines, one value a line: put them into one list, [..., ...]" if _all_json(lines[:2]) else ""
    if text[:1] in "[{":
        return ""
    for pattern, what in _TEXTS:
        if pattern.match(text):
            return what
    if lines and all(_PICTURE.fullmatch(line) for line in lines[:-1] or lines):
        return IMAGE_NAMES
    columns = {len(_TABLE.findall(line)) for line in lines[:2]}
    if len(lines) > 1 and len(columns) == 1 and columns != {0}:
        return "a table (CSV)"
    return ""


def stranger_in_json(keys: Collection[str]) -> str:
    """Which other program's JSON has these keys; an empty string where that cannot be told."""
    return next((what for wanted, what in _KEYS if wanted <= set(keys)), "")


def _all_json(lines: list[str]) -> bool:
    try:
        return all(isinstance(json.loads(line), dict | list) for line in lines)
    except (ValueError, RecursionError):
        return False
