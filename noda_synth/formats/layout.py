"""Where the parts of a data set lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from noda_synth.errors import NodaError
from noda_synth.formats.files.detect import KINDS, detect, is_kind, kind_of
from noda_synth.formats.files.missing import LISTS, unpacked_or_elsewhere
from noda_synth.formats.yolo.data_file import image_folders

MAT_NAME = "mpii_human_pose_v1_u12_1.mat"
ANNOTATION_FOLDERS = ("annot", "annotations")
_MAT_FOLDERS = ("", *ANNOTATION_FOLDERS, "mpii_human_pose_v1_u12_2", "mpii_human_pose_v1_u12_1")
# HRNet's and MMPose's names of the training list, then of the list of both parts, then that of pytorch-pose.
_TRAIN_FILES = (("train.json", "mpii_train.json"), ("trainval.json", "mpii_trainval.json"), ("mpii_annotations.json",))
_TRAIN_NAMES = tuple(
    f"{folder}{name}" for names in _TRAIN_FILES for folder in ("annot/", "annotations/", "") for name in names
)
_VALID_NAMES = ("valid.json", "mpii_val.json")
_GT_NAMES = ("gt_valid.mat", "mpii_gt_val.mat")
_WRITTEN_COCO = "annot/coco_train_topdown.json"
_COCO_PATTERNS = (
    _WRITTEN_COCO,  # before the validation file that `render` carries along beside it
    *(
        f"{folder}{name}"
        for name in ("person_keypoints_train*.json", "person_keypoints*.json")
        for folder in ("annotations/", "annot/", "")
    ),
    "annotations/*crowdpose_train.json",
    "json/crowdpose_train.json",
    "annot/crowdpose_train.json",
    "crowdpose_train.json",
)
_LONE_COCO_PATTERNS = tuple(
    f"{folder}{name}"
    for name in ("*crowdpose_test.json", "*crowdpose_val.json", "ochuman*.json")
    for folder in ("annotations/", "json/", "annot/", "")
)
"""Of sets that are tested on as they come."""
_YOLO_NAME = "data.yaml"
_TRAINABLE, _MOST_FILES = ("mpii_json", "cpm_json", "mpii_mat", "coco"), 20
SKELETON_NAME = "skeleton.toml"
"""A data set's own skeleton file, beside its annotations."""
WAY_OUT = (
    "Name another folder (--data), or by --images and --annotations, where the command has them, parts that lie "
    "elsewhere.\n"
    "MPII can be downloaded from http://human-pose.mpi-inf.mpg.de; `noda-synth demo-data data/demo` makes a stand-in."
)


@dataclass(frozen=True)
class Layout:
    """The files of a data set.

    Attributes:
        images: the folder that image names are relative to.
        annotations: the file of the training part.
        kind: what `annotations` is: "mpii_json", "cpm_json", "mpii_mat", "coco" or "yolo".
        mat: the original MPII .mat, which knows visibility and head boxes, or None.
        valid: the file of the validation part (valid.json, or a COCO file), or None.
        gt_valid: the evaluation truth (gt_valid.mat), or None.
        valid_images: the folder of the validation images where it is another one (COCO's val2017), else None.
        skeleton: the data set's own skeleton file, or None: the skeleton then shows in the annotations.
        insist_occluded: v = 1 is occluded even in a COCO file without any v = 2.
    """

    images: Path
    annotations: Path
    kind: str
    mat: Path | None = None
    valid: Path | None = None
    gt_valid: Path | None = None
    valid_images: Path | None = None
    skeleton: Path | None = None
    insist_occluded: bool = False


def find_layout(data: Path | None, images: Path | None = None, annotations: Path | None = None) -> Layout:
    """Find the parts of a data set in its folder; `images` and `annotations` name parts that lie elsewhere.

    Raises:
        NodaError: annotations or images are not where they are looked for, or the annotations are of no known kind.
    """
    parts = find_annotations(data, annotations)
    found = images or parts.images
    if not found.is_dir():
        looked = [found] if images else [root / "images" for root in _roots(data, parts.annotations)]
        listed = "\n".join(f"  {folder}" for folder in looked)
        fits = unpacked_or_elsewhere([found.parent] if images else _roots(data, parts.annotations)) or WAY_OUT
        raise NodaError(f"No images folder for {parts.annotations}. Looked for:\n{listed}\n{fits}")
    return replace(parts, images=found, valid_images=None if images and parts.kind != "yolo" else parts.valid_images)


def find_annotations(data: Path | None, annotations: Path | None = None) -> Layout:
    """`find_layout` without a look at the images: its `images` is only where they would be."""
    if data is None and annotations is None:
        raise NodaError(f"No data set given.\n{WAY_OUT}")
    file = annotations or (data if data and _is_yolo(data) else _find_annotation_file(data or Path()))
    kind = detect(file)
    if kind == "yolo":
        train, valid_images = image_folders(file)
        return Layout(train, file, kind, valid_images=valid_images, skeleton=sibling_skeleton(file))
    if kind not in _TRAINABLE:
        raise NodaError(f"{KINDS[kind]}, which names no people to train with.\n{WAY_OUT}", file)
    folder = file.parent
    mat = file if kind == "mpii_mat" else None
    if kind in ("mpii_json", "cpm_json"):
        mat = _find_mat([folder, folder.parent] if annotations or data is None else [data / f for f in _MAT_FOLDERS])
    beside = [folder] + [folder / name for name in ANNOTATION_FOLDERS if kind == "mpii_mat"]
    valid = _coco_valid(file) if kind == "coco" else _first(_join(beside, _VALID_NAMES), but=file)
    if kind == "cpm_json":
        valid = None  # it says itself who is for validation
    images = likely_images(data, file)
    valid_images = likely_images(data, valid) if valid else images
    return Layout(
        images=images,
        annotations=file,
        kind=kind,
        mat=mat,
        valid=valid,
        gt_valid=None if kind == "coco" else _first(_join(beside, _GT_NAMES)),
        valid_images=valid_images if valid_images != images else None,
        skeleton=sibling_skeleton(file),
    )


def sibling_skeleton(annotations: Path) -> Path | None:
    """The skeleton file beside an annotation file, if there is one."""
    return _first([annotations.with_name(SKELETON_NAME)])


def validation_alone(data: Path) -> Path | None:
    """The validation list of a folder that has no training list or an empty one; a file stands for itself. None for
    any other folder."""
    if data.is_file():
        return data
    train = _first(data / name for name in _TRAIN_NAMES)
    if (train is not None and not _is_empty_list(train)) or _find_mat(data / folder for folder in _MAT_FOLDERS):
        return None
    lone = _first(_join([data, *(data / name for name in ANNOTATION_FOLDERS)], _VALID_NAMES))
    coco = _first(path for pattern in _COCO_PATTERNS for path in sorted(data.glob(pattern)))
    if coco is None:
        return lone or _first(path for pattern in _LONE_COCO_PATTERNS for path in sorted(data.glob(pattern)))
    return coco if "_val" in coco.name and "train" not in coco.name else None


def _is_empty_list(path: Path) -> bool:
    return path.stat().st_size < 100 and path.read_text(errors="replace").split() in (["[]"], ["[", "]"])


def truth_beside(annotations: Path) -> Path | None:
    """The gt_valid.mat beside a validation list, if there is one."""
    return _first(_join([annotations.parent], _GT_NAMES))


def people_beside(gt_valid: Path) -> Path | None:
    """The validation list beside a gt_valid.mat, if there is one."""
    return _first(_join([gt_valid.parent], _VALID_NAMES))


def likely_images(data: Path | None, annotations: Path) -> Path:
    """The images folder that belongs to an annotation file; where it would be if there is none."""
    return _image_folder(_roots(data, annotations), _set_name(annotations)) or (data or annotations.parent) / "images"


def _find_annotation_file(data: Path) -> Path:
    if data.suffix in (".yaml", ".yml") and data.is_file():
        raise NodaError("no kpt_shape, which says how many keypoints people have: no YOLO-pose set.", data)
    if not data.is_dir():
        state = "it is a file, which --annotations takes" if data.exists() else "there is no such folder"
        raise NodaError(f"No data set at {data}: {state}.\n{WAY_OUT}")
    json_file = _first(data / name for name in _TRAIN_NAMES)
    coco_file = _first(path for pattern in _COCO_PATTERNS for path in sorted(data.glob(pattern)))
    yolo_file = _first([data / _YOLO_NAME])
    found = json_file or coco_file or _find_mat(data / folder for folder in _MAT_FOLDERS) or yolo_file
    if found is None:
        if reason := _other_folder(data):
            raise NodaError(reason)
        names = (*chain(*_TRAIN_FILES), *(name for name in _COCO_PATTERNS if "/" not in name), MAT_NAME, _YOLO_NAME)
        looked = ", ".join(names)
        raise NodaError(
            f"No annotations in {data}. Looked there, in annot/ and in annotations/ for:\n  {looked}\n"
            f"{_others_in(data) or f'{WAY_OUT}{chr(10)}{LISTS}'}"
        )
    return found


def _others_in(data: Path) -> str:
    """Annotation files under other names, with the option that names them; an empty string where there are none."""
    folders = [data, *(data / name for name in ANNOTATION_FOLDERS)]
    files = chain.from_iterable(
        sorted(folder.glob(name)) for folder in folders for name in ("*.json", "*.yaml", "*.yml")
    )
    found = ((file, kind_of(file)) for file in islice(files, _MOST_FILES))
    kinds = (*_TRAINABLE, "yolo")
    return "\n".join(f"{file} is {KINDS[kind]}: --annotations {file}" for file, kind in found if kind in kinds)


def _other_folder(data: Path) -> str:
    """What a folder without a training list is instead, and what takes it; "" if that cannot be told."""
    if (data / "benchmark.json").is_file():
        return (
            f"{data} is an occluded benchmark, which has no training part: `noda-train eval --data {data}` takes "
            f"it, and its lists can be named, for example {data / 'heavy' / 'annot' / 'valid.json'}."
        )
    if (data / "settings.json").is_file() and (data / "shards").is_dir():
        return f"{data} is an unfinished run; the same command again, or `noda-synth merge` for its parts, ends it."
    lone = _first(_join([data / name for name in ANNOTATION_FOLDERS], _VALID_NAMES))
    return f"{data} has no training part; name the file of its validation part instead: {lone}" if lone else ""


def _find_mat(folders: Iterable[Path]) -> Path | None:
    """The original .mat: by its usual name, else the first .mat that is one by content."""
    existing = [folder for folder in folders if folder.is_dir()]
    return _first(folder / MAT_NAME for folder in existing) or next(
        (path for folder in existing for path in sorted(folder.glob("*.mat")) if is_kind(path, "mpii_mat")), None
    )


def _is_yolo(data: Path) -> bool:
    """`--data` names the data.yaml itself."""
    return data.is_file() and is_kind(data, "yolo")


def _coco_valid(train: Path) -> Path | None:
    if train.name == Path(_WRITTEN_COCO).name:
        return _first(sorted(train.parent.glob("*_val*.json")))
    part = "trainval" if "trainval" in train.name else "train"
    if part not in train.name:
        return None
    return _first(train.with_name(train.name.replace(part, valid)) for valid in ("val", "valid"))


def _roots(data: Path | None, annotations: Path) -> list[Path]:
    folder = annotations.parent
    return list(dict.fromkeys([*([data] if data else []), folder, folder.parent]))


def _image_folder(roots: list[Path], set_name: str) -> Path | None:
    names = [f"images/{set_name}", set_name, "images"] if set_name else ["images"]
    return next((root / name for root in roots for name in names if (root / name).is_dir()), None)


def _set_name(annotations: Path) -> str:
    """person_keypoints_train2017.json -> train2017, which is how COCO names the folder of its images."""
    head, prefix, name = annotations.stem.rpartition("person_keypoints_")
    return name if prefix and not head else ""


def _join(folders: Iterable[Path], names: Iterable[str]) -> Iterator[Path]:
    return (folder / name for folder in folders for name in names)


def _first(paths: Iterable[Path], but: Path | None = None) -> Path | None:
    return next((path for path in paths if path != but and path.is_file()), None)
