"""Tiny annotation files in the formats of the originals, with all their traps, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

EMPTY = np.zeros((0, 0))
"""What MATLAB writes for []."""

JOINTS = [[10.0 + 7 * j, 20.0 + 5 * j] for j in range(16)]
"""1-based coordinates of a person with all 16 joints, none of them alike."""


def shifted(dx: float) -> list[list[float]]:
    return [[x + dx, y] for x, y in JOINTS]


def structs(items: Sequence[Mapping[str, Any]]) -> Any:
    """A MATLAB struct array: fields are those of any item, empty where an item lacks one."""
    if not items:
        return EMPTY
    names = list(dict.fromkeys(name for item in items for name in item))
    array = np.empty((1, len(items)), dtype=[(name, object) for name in names])
    for place, item in enumerate(items):
        for name in names:
            array[0, place][name] = item.get(name, EMPTY)
    return array


def points(joints: Mapping[int, Sequence[float]], visible: Mapping[int, Any] | None = None) -> dict[str, Any]:
    """The value of `annopoints`. Without `visible` the field is absent; a joint that it lacks has an empty one."""
    entries: list[dict[str, Any]] = [
        {"x": float(x), "y": float(y), "id": np.uint8(joint)} for joint, (x, y) in joints.items()
    ]
    if visible is not None:
        for entry in entries:
            entry["is_visible"] = visible.get(int(entry["id"]), EMPTY)
    return {"point": structs(entries)}


def rect(
    joints: Mapping[int, Sequence[float]] | None = None,
    visible: Mapping[int, Any] | None = None,
    scale: float | None = 2.5,
    objpos: Sequence[float] | None = (100.0, 90.0),
    head_box: Sequence[float] | None = (50.0, 40.0, 80.0, 80.0),
) -> dict[str, Any]:
    """One `annorect`; None leaves the field out."""
    result: dict[str, Any] = {}
    if head_box is not None:
        result |= dict(zip(("x1", "y1", "x2", "y2"), head_box, strict=True))
    if joints is not None:
        result["annopoints"] = points(joints, visible)
    if scale is not None:
        result["scale"] = scale
    if objpos is not None:
        result["objpos"] = {"x": float(objpos[0]), "y": float(objpos[1])}
    return result


def all_joints(dx: float = 0.0) -> dict[int, list[float]]:
    return dict(enumerate(shifted(dx)))


def image(
    name: str, rects: Sequence[Mapping[str, Any]], train: bool = True, video: float | None = None
) -> dict[str, Any]:
    return {"name": name, "rects": rects, "train": train, "video": video}


def write_release(path: Path, images: Sequence[Mapping[str, Any]]) -> Path:
    """An original-style .mat of `image(...)`s."""
    annolist = [
        {
            "image": {"name": entry["name"]},
            "annorect": structs(entry["rects"]),
            "vididx": EMPTY if entry["video"] is None else entry["video"],
        }
        for entry in images
    ]
    release = {
        "annolist": structs(annolist),
        "img_train": np.array([[entry["train"] for entry in images]], np.uint8),
        "version": "12",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"RELEASE": release})
    return path


def record(name: str, joints: Sequence[Sequence[float]] = JOINTS, **changes: Any) -> dict[str, Any]:
    """An MPII JSON record."""
    return {
        "joints_vis": [1] * 16,
        "joints": [list(joint) for joint in joints],
        "image": name,
        "scale": 3.021046,
        "center": [594.0, 257.0],
        **changes,
    }


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def as_loaders_do(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the original loaders make of a list of records: 0-based joints, an enlarged box."""
    rows = []
    for entry in records:
        center = np.array(entry["center"], float)
        scale = np.array([entry["scale"], entry["scale"]], float)
        if center[0] != -1:
            center[1] = center[1] + 15 * scale[1]
            scale = scale * 1.25
        joints = np.array(entry["joints"], float) - 1
        weights = np.array(entry["joints_vis"], float)
        assert joints.shape == (16, 2)
        assert weights.shape == (16,)
        rows.append(
            {"image": entry["image"], "center": center - 1, "scale": scale, "joints": joints, "weights": weights}
        )
    return rows
