"""A tiny data set for tests: coloured figures over noise, in MPII's layout or in COCO's.

The figures are crude, but their joints are exact, they stand clear of the frame, and GrabCut finds them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from tests.mpii_files import image, rect, write_json, write_release

SIZE = (360, 300)
"""Width and height of every image."""

JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
COCO_JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
_LIMBS = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("right", "left")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)


@dataclass(frozen=True)
class Figure:
    """One drawn person: joint name -> 0-based pixel, height in pixels, and the pixels it takes."""

    joints: dict[str, NDArray[np.float64]]
    height: float
    outline: NDArray[np.bool_]


def draw_image(rng: np.random.Generator, people: int) -> tuple[NDArray[np.uint8], list[Figure]]:
    """Noise with figures side by side."""
    width, height = SIZE
    coarse = rng.integers(60, 200, (height // 20, width // 20, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
    picture = cv2.add(picture, rng.integers(0, 40, picture.shape).astype(np.uint8))
    figures = []
    for place in range(people):
        tall = float(rng.uniform(0.5, 0.68) * height)
        middle = width * (0.5 + 0.32 * (place - (people - 1) / 2)) + rng.uniform(-12, 12)
        figures.append(_draw_figure(picture, rng, middle, height * 0.47 - tall * 0.5 + rng.uniform(0, 10), tall))
    return picture, figures


def _draw_figure(
    picture: NDArray[np.uint8], rng: np.random.Generator, middle: float, top: float, tall: float
) -> Figure:
    def at(x: float, y: float) -> NDArray[np.float64]:
        return np.round(np.array([middle + x * tall, top + y * tall]), 3)

    joints = {
        "head_top": at(0, 0), "upper_neck": at(0, 0.15), "thorax": at(0, 0.2), "pelvis": at(0, 0.52),
        "nose": at(0.01, 0.09), "left_eye": at(0.03, 0.07), "right_eye": at(-0.02, 0.07),
        "left_ear": at(0.055, 0.08), "right_ear": at(-0.055, 0.08),
    }  # fmt: skip
    for side, sign in (("right", -1), ("left", 1)):
        bend = rng.uniform(0.02, 0.16, 4)
        joints |= {
            f"{side}_shoulder": at(sign * 0.11, 0.21),
            f"{side}_hip": at(sign * 0.07, 0.52),
            f"{side}_elbow": at(sign * (0.13 + bend[0] * 0.6), 0.36),
            f"{side}_wrist": at(sign * (0.13 + bend[1]), 0.5),
            f"{side}_knee": at(sign * (0.06 + bend[2] * 0.5), 0.74),
            f"{side}_ankle": at(sign * (0.06 + bend[3]), 0.94),
        }
    ink = np.zeros(picture.shape, np.uint8)
    shirt, trousers, skin = ([int(value) for value in rng.integers(low, low + 90, 3)] for low in (0, 20, 160))

    def pixel(name: str) -> tuple[int, int]:
        x, y = joints[name]
        return round(float(x)), round(float(y))

    thick = max(4, round(tall * 0.075))
    for a, b in _LIMBS:
        cv2.line(ink, pixel(a), pixel(b), trousers if "hip" in a or "knee" in a else shirt, thick)
    corners = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
    torso = np.array([pixel(corner) for corner in corners])
    cv2.fillConvexPoly(ink, torso, shirt)
    cv2.polylines(ink, [torso], True, shirt, thick)
    head = (joints["head_top"] + joints["upper_neck"]) / 2
    cv2.ellipse(ink, (round(head[0]), round(head[1])), (round(tall * 0.06), round(tall * 0.085)), 0, 0, 360, skin, -1)
    outline = (ink > 0).any(axis=2)
    picture[outline] = ink[outline]
    return Figure(joints, tall, outline)


def write_mpii(root: Path, images: int = 26, valid_images: int = 4, seed: int = 3, folders: bool = True) -> Path:
    """The set in MPII's layout: images/, annot/{train,valid}.json, annot/gt_valid.mat and the original .mat.

    Of every three training people one has joints that are known to be occluded, one is known to be visible
    throughout, and one is unknown. Two images lie in a folder of their own, unless `folders` is False.
    """
    rng = np.random.default_rng(seed)
    train: list[dict[str, Any]] = []
    valid: list[dict[str, Any]] = []
    release = []
    boxes, count = [], 0
    for number in range(images + valid_images):
        name = f"day/{number:03d}.jpg" if folders and number % 13 == 5 else f"{number:03d}.jpg"
        picture, figures = draw_image(rng, people=1 + number % 2)
        _write(root / "images" / name, picture)
        rects = []
        for figure in figures:
            joints = np.round(np.array([figure.joints[joint] for joint in JOINTS]) + 1, 3).tolist()
            middle = np.mean(joints, axis=0).round(2).tolist()
            scale = round(figure.height / 200, 6)
            flags = _visibility(rng, count, valid=number >= images)
            head = [*figure.joints["head_top"] - 7, *figure.joints["upper_neck"] + 8]
            entry = {"joints_vis": [1] * 16, "joints": joints, "image": name, "scale": scale, "center": middle}
            (train if number < images else valid).append(entry | ({"note": "kept"} if count % 5 == 0 else {}))
            if number >= images:
                boxes.append(np.reshape(head, (2, 2)))
            rects.append(rect(dict(enumerate(joints)), flags, scale, middle, [float(value) for value in head]))
            count += 1
        release.append(image(name, rects))
    write_json(root / "annot" / "train.json", train)
    write_json(root / "annot" / "valid.json", valid)
    write_release(root / "mpii_human_pose_v1_u12_1.mat", release)
    savemat(
        root / "annot" / "gt_valid.mat",
        {
            "dataset_joints": np.array([[name] for name in JOINTS], object),
            "jnt_missing": np.zeros((16, len(valid)), np.uint8),
            "pos_gt_src": np.stack([np.array(entry["joints"]) for entry in valid], axis=2),
            "headboxes_src": np.stack(boxes, axis=2),
        },
    )
    return root


def _visibility(rng: np.random.Generator, count: int, valid: bool) -> dict[int, Any] | None:
    kind = count % 3
    if kind == 2 and not valid:
        return None
    flags: dict[int, Any] = {joint: 1 for joint in range(16) if JOINTS[joint] not in ("upper_neck", "head_top")}
    if kind == 0 or valid:
        flags |= {int(joint): 0 for joint in rng.choice([0, 1, 4, 5, 10, 11, 14, 15], 3, replace=False)}
    return flags


def write_coco(root: Path, images: int = 14, seed: int = 5) -> Path:
    """The set as COCO keypoints: outlines as polygons and as run lengths by turns, and one crowd."""
    coco_mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    entries, annotations = [], []
    for number in range(images):
        picture, figures = draw_image(rng, people=1 + number % 2)
        name = f"{number:012d}.jpg"
        _write(root / "images" / name, picture)
        entries.append({"id": 100 + number, "file_name": name, "width": SIZE[0], "height": SIZE[1], "license": 1})
        for figure in figures:
            joints = np.array([figure.joints[joint] for joint in COCO_JOINTS]).round(1)
            flags = np.full(17, 2)
            flags[rng.choice(17, 2, replace=False)] = 1
            flags[4] = 0  # an ear that nobody labelled
            rows, columns = np.flatnonzero(figure.outline.any(axis=1)), np.flatnonzero(figure.outline.any(axis=0))
            run_lengths = coco_mask.encode(np.asfortranarray(figure.outline.astype(np.uint8)))
            contours = cv2.findContours(figure.outline.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
            polygons = [contour[:, 0].ravel().tolist() for contour in contours if len(contour) > 3]
            as_run_lengths = {**run_lengths, "counts": run_lengths["counts"].decode()}
            annotations.append({
                "id": 1000 + len(annotations), "image_id": 100 + number, "category_id": 1, "iscrowd": 0,
                "bbox": [int(v) for v in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)],
                "area": int(figure.outline.sum()),
                "segmentation": as_run_lengths if len(annotations) % 2 else polygons,
                "num_keypoints": int((flags > 0).sum()),
                "keypoints": [
                    value for (x, y), v in zip(joints.tolist(), flags.tolist(), strict=True)
                    for value in ((x, y, v) if v else (0, 0, 0))
                ],
            })  # fmt: skip
    crowd = {**annotations[0], "id": 999, "iscrowd": 1}
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(COCO_JOINTS), "skeleton": []}
    content = {
        "info": {"description": "drawn"},
        "licenses": [{"id": 1, "name": "none"}],
        "images": entries,
        "annotations": [*annotations, crowd],
        "categories": [category],
    }
    write_json(root / "person_keypoints.json", content)
    return root


def records(root: Path) -> list[dict[str, Any]]:
    """The training list of a set in MPII's layout."""
    content: list[dict[str, Any]] = json.loads((root / "annot" / "train.json").read_text())
    return content


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
