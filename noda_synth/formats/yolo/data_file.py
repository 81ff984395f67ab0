"""data.yaml of a YOLO-pose set: the few keys that say where pictures are and what their keypoints mean.

Its YAML is read by `yaml_part`. What a set is made of lies in the folder of this file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.data.skeleton import SKELETONS, Skeleton
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_bytes
from noda_synth.formats.yolo.yaml_part import read_keys

_KEYS = ("path", "train", "val", "kpt_shape", "flip_idx", "names", "nc", "kpt_names")


@dataclass(frozen=True)
class YoloData:
    """What data.yaml says.

    Attributes:
        root: the folder that train and val count from.
        train, val: folders of pictures, or lists of their names; val may be empty.
        joints, columns: `kpt_shape`; 2 columns are x and y, the third is v.
        flips: `flip_idx`, or empty.
        person: number of the class of people.
        joint_names: names of the joints, or empty.
    """

    root: Path
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
    values = read_keys(text.splitlines(), _KEYS, path)
    if values.get("nc") == 1:
        values.setdefault("names", ["person"])  # who has one class need not name it
    if missing := [key for key in ("train", "kpt_shape", "names") if key not in values]:
        raise NodaError(f"lacks {', '.join(missing)}; a YOLO-pose set has them.", path)
    shape = values["kpt_shape"]
    if not (_whole(shape) and len(shape) == 2 and shape[0] > 0 and shape[1] in (2, 3)):
        raise NodaError(f"kpt_shape: {shape}; [joints, 2] or [joints, 3] is expected.", path)
    flips = values.get("flip_idx", [])
    if not _whole(flips) or (flips and sorted(flips) != list(range(shape[0]))):
        raise NodaError(f"flip_idx: each of 0 to {shape[0] - 1} once is expected.", path)
    names = [str(name).lower() for name in _named(values["names"], path)]
    if len(names) > 1 and "person" not in names:
        raise NodaError(f"names: no class is called person, but {', '.join(names)}.", path)
    stated = values.get("kpt_names", [])
    joint_names = tuple(map(str, _listed(next(iter(stated.values()), []) if isinstance(stated, dict) else stated)))
    if joint_names and len(joint_names) != shape[0]:
        raise NodaError(f"kpt_names: {len(joint_names)} names for {shape[0]} keypoints.", path)
    root = _root(path, values.get("path"))
    train, val = (
        tuple(_inside(root, name, path, key) for name in _listed(values.get(key, []))) for key in ("train", "val")
    )
    if val == train:
        val = ()  # who has no validation part has to name the training part there
    person = names.index("person") if len(names) > 1 else 0
    return YoloData(root, train, val, shape[0], shape[1], tuple(flips), person, joint_names)


def image_folders(path: Path) -> tuple[Path, Path | None]:
    """The folders that the names of training and of validation pictures count from; None for no validation part."""
    data = read_data_file(path)
    return image_folder(data, data.train, path), image_folder(data, data.val, path) if data.val else None


def labels_hash(path: Path) -> str:
    """SHA-256 of the names and contents of all label files of a set."""
    digest = hashlib.sha256()
    for folder in (labels_of(folder) for folder in image_folders(path) if folder):
        for file in sorted(file for file in folder.rglob("*.txt") if file.is_file()):
            digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def image_folder(data: YoloData, places: Sequence[Path], path: Path) -> Path:
    """What the names of a part count from: its folder; of lists and several folders images/ of the set, or the set."""
    if len(places) == 1 and places[0].is_dir():
        return places[0]
    return next((root / "images" for root in (path.parent, data.root) if (root / "images").is_dir()), path.parent)


def labels_of(images: Path) -> Path:
    """Where the labels of a picture or of a folder of pictures are: the last `images` in its path is `labels` there."""
    parts = list(images.parts)
    if "images" not in parts:
        return images
    parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


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


def _named(value: Any, path: Path) -> list[Any]:
    """The names of classes in the order of their numbers."""
    if not isinstance(value, dict):
        return _listed(value)
    if sorted(value, key=str) != sorted(range(len(value)), key=str):
        raise NodaError(f"names: classes {', '.join(map(str, value))}; they count from 0.", path)
    return [value[number] for number in range(len(value))]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _whole(values: Any) -> bool:
    return isinstance(values, Iterable) and not isinstance(values, str) and all(isinstance(v, int) for v in values)
