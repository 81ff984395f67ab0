"""Reading what the metric needs: truth, visibility and predictions, from the files that the field exchanges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_train.metrics.pckh import Floats, Truth, head_sizes, stand_in_head_sizes


def read_truth(path: Path, visible: Path | None = None) -> Truth:
    """Truth from gt_valid.mat or from an MPII valid.json, in 1-based pixels as both files have it.

    Visibility comes from `visible` (a file of `read_visibility`), else from the truth's own `jnt_visible` or
    `joints_visible`. Corrupt coordinates of MPII's file (0 although labelled) are kept: published numbers need them.
    """
    truth = _truth_from_json(path) if path.suffix == ".json" else _truth_from_mat(path)
    if visible is None:
        return truth
    flags = read_visibility(visible)
    if flags.shape != truth.labelled.shape:
        raise NodaError(f"{visible}: visibility of shape {flags.shape}, but {path} has {truth.labelled.shape}")
    return Truth(truth.joints, truth.labelled, truth.head_size, np.where(truth.labelled, flags, -1).astype(np.int8))


def read_visibility(path: Path) -> NDArray[np.int8]:
    """(N, 16) int8 of 1, 0, -1: `visible` of HDF5, `jnt_visible` of a .mat, `joints_visible` of a valid.json."""
    if path.suffix == ".json":
        flags = _truth_from_json(path).visible
        if flags is None:
            raise NodaError(f"{path}: no record has joints_visible; `noda-synth convert` adds it from the .mat")
        return flags
    arrays = _arrays(path, ("visible", "jnt_visible"))
    if "visible" in arrays:
        return arrays["visible"].astype(np.int8)
    if "jnt_visible" in arrays:
        return arrays["jnt_visible"].T.astype(np.int8)
    raise NodaError(f"{path}: neither `visible` (N, 16) nor `jnt_visible` (16, N) in this file")


def read_predictions(path: Path, joints: int = 16) -> Floats:
    """(N, J, 2) float64, 1-based pixels: `preds` of an HDF5 or .mat file (as this project writes it)."""
    arrays = _arrays(path, ("preds",))
    if "preds" not in arrays:
        raise NodaError(f"{path}: no array `preds` in this file")
    predictions = np.asarray(arrays["preds"], dtype=np.float64)
    if predictions.ndim != 3 or predictions.shape[1] != joints or predictions.shape[2] < 2:
        raise NodaError(f"{path}: `preds` has shape {predictions.shape}, not (persons, {joints}, 2)")
    return predictions[:, :, :2]


def read_scores(path: Path) -> Floats | None:
    """(N, J) float64: `scores` of the joints in an HDF5 or .mat file, None where it has none."""
    scores = _arrays(path, ("scores",)).get("scores")
    return None if scores is None else np.asarray(scores, dtype=np.float64)


def read_attributes(path: Path) -> dict[str, Any]:
    """What an HDF5 file says of itself; nothing for files of another kind."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return {}
    with h5py.File(path) as file:
        return dict(file.attrs)


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The named arrays that an HDF5 or MATLAB file has; which of the two is told by content."""
    if not path.is_file():
        raise NodaError(f"{path}: no such file")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                return {name: np.asarray(file[name]) for name in names if name in file}
        loaded = scipy.io.loadmat(path)
        return {name: loaded[name] for name in names if name in loaded}
    except (OSError, ValueError, NotImplementedError, TypeError, scipy.io.matlab.MatReadError) as error:
        raise NodaError(f"{path}: neither an HDF5 nor a MATLAB file that can be read ({error})") from error


def _truth_from_mat(path: Path) -> Truth:
    needed = ("jnt_missing", "pos_gt_src", "headboxes_src")
    arrays = _arrays(path, (*needed, "jnt_visible"))
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise NodaError(f"{path}: no {', '.join(missing)} in this file; it should be MPII's gt_valid.mat")
    joints = arrays["pos_gt_src"].transpose(2, 0, 1).astype(np.float64)
    boxes = arrays["headboxes_src"].reshape(4, -1).T.astype(np.float64)  # (2, 2, N): corner, then x and y
    labelled = arrays["jnt_missing"].T == 0
    if joints.shape[1:] != (16, 2) or labelled.shape != joints.shape[:2] or len(boxes) != len(joints):
        raise NodaError(f"{path}: arrays of {joints.shape}, {labelled.shape} and {boxes.shape} do not fit")
    visible = None
    if "jnt_visible" in arrays:
        visible = np.where(labelled, arrays["jnt_visible"].T.astype(np.int8), -1).astype(np.int8)
    return _whole(path, joints, labelled, head_sizes(boxes), visible)


def _truth_from_json(path: Path) -> Truth:
    if not path.is_file():
        raise NodaError(f"{path}: no such file")
    records = json.loads(path.read_text())
    if not isinstance(records, list) or not all(isinstance(r, dict) and "joints" in r for r in records):
        raise NodaError(f"{path}: not a list of MPII records with joints")
    joints = np.array([r["joints"] for r in records], dtype=np.float64).reshape(len(records), 16, 2)
    labelled = np.array([r["joints_vis"] for r in records], dtype=np.float64).reshape(len(records), 16) > 0
    visible = None
    if any("joints_visible" in r for r in records):
        flags = np.array([r.get("joints_visible", [-1] * 16) for r in records])
        visible = np.where(labelled, flags, -1).astype(np.int8)
    sizes = np.where(labelled[:, 8] & labelled[:, 9], stand_in_head_sizes(joints), np.nan)
    return _whole(path, joints, labelled, sizes, visible)


def _whole(
    path: Path, joints: Floats, labelled: NDArray[np.bool_], sizes: Floats, visible: NDArray[np.int8] | None
) -> Truth:
    """A person whose head size is unknown or nothing cannot be judged: its joints count as unlabelled."""
    judged = np.isfinite(sizes) & (sizes > 0)
    labelled = labelled & judged[:, None]
    if visible is not None and not (visible >= 0).any():
        visible = None
    return Truth(joints, labelled, np.where(judged, sizes, 1.0), visible, f"{path.name} has no visibility")
