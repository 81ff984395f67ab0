"""data.yaml of a YOLO-pose set: the few keys that say where pictures are and what their keypoints mean.

A small part of YAML is read, as these files have it: numbers, texts and lists on one line, and lists or numbered names
below a key. Keys that are not needed are skipped with all that stands below them.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.data.skeleton import SKELETONS, Skeleton
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_bytes

_KEYS = ("path", "train", "val", "kpt_shape", "flip_idx", "names", "kpt_names")
_TOP = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?$")
_BELOW = re.compile(r"\s+(?:-\s+|(\d+)\s*:\s*)(.*)$|\s*-\s+(.*)$")


@dataclass(frozen=True)
class YoloData:
    """What data.yaml says.

    Attributes:
        train, val: folders of pictures, or lists of their names; val may be empty.
        joints, columns: `kpt_shape`; 2 columns are x and y, the third is v.
        flips: `flip_idx`, or empty.
        person: number of the class of people.
        joint_names: names of the joints, or empty.
    """

    train: tuple[Path, ...]
    val: tuple[Path, ...]
    joints: int
    columns: int
    flips: tuple[int, ...]
    person: int
    joint_names: tuple[str, ...]

    def skeleton(self, own: Skeleton | None, path: Path) -> Skeleton:
        """The skeleton in the order of the file: `own`, or else a shipped one of these names or flips.

        Raises:
            NodaError: it does not fit, or none does, or more than one.
        """
        known = [own] if own else list(SKELETONS.values())
        if self.joint_names:
            found = [fit for one in known if (fit := one.ordered_as(self.joint_names))]
        else:
            found = [one for one in known if len(one) == self.joints and (own or self.flips == one.flip_order)]
        if len(found) == 1 or (found and self.joint_names):
            return found[0]
        names = f"named {', '.join(self.joint_names)}" if self.joint_names else "without names (kpt_names)"
        raise NodaError(
            f"its {self.joints} keypoints, {names}, are not those of {' or '.join(one.name for one in known)}; "
            "say what they are with --skeleton FILE (docs/skeletons.md).",
            path,
        )


def data_file_text(skeleton: Skeleton, train: str, val: str) -> str:
    """The content of data.yaml; train and val are folders or lists of pictures, as they stand there."""
    return "".join(
        [
            "# YOLO-pose; the folder of this file is the root.\n",
            f"train: {train}\n",
            f"val: {val}\n",
            f"kpt_shape: [{len(skeleton)}, 3]\n",
            f"flip_idx: {list(skeleton.flip_order)}\n",
            "names:\n  0: person\n",
            "kpt_names:\n  0:\n",
            *(f"    - {name}\n" for name in skeleton.joints),
        ]
    )


def read_data_file(path: Path) -> YoloData:
    """Read data.yaml. Raises NodaError that names the key."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NodaError("no text in UTF-8.", path) from None
    values = _values(text.splitlines(), path)
    if missing := [key for key in ("train", "kpt_shape", "names") if key not in values]:
        raise NodaError(f"lacks {', '.join(missing)}; a YOLO-pose set has them.", path)
    shape = values["kpt_shape"]
    if not (_whole(shape) and len(shape) == 2 and shape[0] > 0 and shape[1] in (2, 3)):
        raise NodaError(f"kpt_shape: {shape}; [joints, 2] or [joints, 3] is expected.", path)
    flips = values.get("flip_idx", [])
    if not _whole(flips) or (flips and sorted(flips) != list(range(shape[0]))):
        raise NodaError(f"flip_idx: each of 0 to {shape[0] - 1} once is expected.", path)
    names = _listed(values["names"])
    if len(names) > 1 and "person" not in names:
        raise NodaError(f"names: no class is called person, but {', '.join(map(str, names))}.", path)
    joint_names = tuple(map(str, _listed(values.get("kpt_names", []))))
    if joint_names and len(joint_names) != shape[0]:
        raise NodaError(f"kpt_names: {len(joint_names)} names for {shape[0]} keypoints.", path)
    root = _root(path, values.get("path"))
    train, val = (
        tuple(_inside(root, name, path, key) for name in _listed(values.get(key, []))) for key in ("train", "val")
    )
    if val == train:
        val = ()  # who has no validation part has to name the training part there
    person = names.index("person") if len(names) > 1 else 0
    return YoloData(train, val, shape[0], shape[1], tuple(flips), person, joint_names)


def image_folders(path: Path) -> tuple[Path, Path | None]:
    """The folders that the names of training and of validation pictures count from; None for no validation part."""
    data = read_data_file(path)
    return image_folder(data.train, path), image_folder(data.val, path) if data.val else None


def labels_hash(path: Path) -> str:
    """SHA-256 of the names and contents of all label files of a set."""
    digest = hashlib.sha256()
    for folder in (labels_of(folder) for folder in image_folders(path) if folder):
        for file in sorted(file for file in folder.rglob("*.txt") if file.is_file()):
            digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def image_folder(places: Sequence[Path], path: Path) -> Path:
    """What the names of a part count from: its folder, or that of images/ above what is listed."""
    if len(places) == 1 and places[0].is_dir():
        return places[0]
    folder = path.parent / "images"
    if not folder.is_dir():
        raise NodaError("several folders or lists of pictures need an images folder beside this file.", path)
    return folder


def labels_of(folder: Path) -> Path:
    """Where the labels of a folder of pictures are: the last `images` in its path is `labels` there."""
    parts = list(folder.parts)
    if "images" not in parts:
        return folder
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


def _values(lines: Sequence[str], path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    key = ""
    for number, line in enumerate(lines, start=1):
        text = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if not text or text in ("---", "..."):
            continue
        if top := _TOP.match(text):
            key = top[1] if top[1] in _KEYS else ""
            if key in values:
                raise NodaError(f"line {number}: {key} stands there twice.", path)
            if key:
                values[key] = _scalar(top[2], number, path) if top[2] else []
            continue
        if not key:
            continue  # below a key that is not needed
        below = _BELOW.match(text)
        if not below or not isinstance(values[key], list):
            raise NodaError(f"line {number}, {key}: {text.strip()!r} is not understood; write it on one line.", path)
        value = below[2] if below[2] is not None else below[3]
        if below[1] and key == "kpt_names":
            if int(below[1]):
                key = ""  # the keypoints of another class
            elif value:
                values[key] = _scalar(value, number, path)
            continue
        if below[1] and int(below[1]) != len(values[key]):
            raise NodaError(f"line {number}, {key}: {below[1]} is out of order; they count from 0.", path)
        values[key].append(_scalar(value, number, path))
    return values


def _scalar(text: str, number: int, path: Path) -> Any:
    """A number, a text, or a list of them."""
    text = text.strip()
    if text.startswith("["):
        if not text.endswith("]"):
            raise NodaError(f"line {number}: a list that does not end on its line.", path)
        return [_scalar(part, number, path) for part in text[1:-1].split(",") if part.strip()]
    if text[:1] in ("{", "&", "*", "!", "|", ">"):
        raise NodaError(f"line {number}: {text!r} is YAML that is not read here; write numbers, texts and lists.", path)
    if text[:1] in ("'", '"'):
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            raise NodaError(f"line {number}: {text} is no text in quotes.", path) from None
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else text


def _root(path: Path, stated: Any) -> Path:
    """The folder that train and val count from: `path` where it is this file's folder or in it, else that folder."""
    folder = path.parent
    root = folder / str(stated) if isinstance(stated, str) and stated else folder
    return root if root.is_dir() and root.resolve().is_relative_to(folder.resolve()) else folder


def _inside(root: Path, name: Any, path: Path, key: str) -> Path:
    """A folder or list of the set. As usual, ../ before a name that would lead out stands for nothing."""
    found = root / str(name)
    if not found.resolve().is_relative_to(path.parent.resolve()):
        found = root / re.sub(r"^(\.\./)+", "", str(name))
    if not found.exists() or not found.resolve().is_relative_to(path.parent.resolve()):
        raise NodaError(
            f"{key}: {name} is not in the folder of this file; put the set and its data.yaml together.", path
        )
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _whole(values: Any) -> bool:
    return isinstance(values, Iterable) and not isinstance(values, str) and all(isinstance(v, int) for v in values)
