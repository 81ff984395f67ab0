"""What an evaluation leaves: predictions and scores. Every file appears under its name when it is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import atomic_path, write_text
from noda_train.arrays import Floats

PREDICTIONS, RESULTS, SCORES = "predictions.h5", "predictions.json", "scores.json"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Joints (N, J, 2) float64 in 1-based pixels of the original image, as MPII's files count, and scores (N, J)."""

    joints: Floats
    scores: Floats


def write_predictions(path: Path, prediction: Prediction, ids: Sequence[str], attributes: Mapping[str, str]) -> None:
    """An HDF5 file with `preds` (N, J, 2) 1-based, `scores` (N, J) and `ids` (N) of the persons, in their order."""
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        file["preds"], file["scores"] = prediction.joints, prediction.scores
        # Half a surrogate pair, which JSON can hold, is no UTF-8 to h5py.
        file["ids"] = np.array([name.encode("utf-8", "surrogatepass") for name in ids], dtype=h5py.string_dtype())
        file.attrs.update({key: value.encode("utf-8", "replace").decode() for key, value in attributes.items()})


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """A JSON file. NodaError names a path that cannot be written."""
    write_text(path, json.dumps(result, indent=1, allow_nan=False) + "\n")


def check_writable(path: Path | None) -> None:
    """NodaError for a file that could not be written at the end of a long evaluation; None passes."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise NodaError(f"{path}: cannot be written (there is no folder {path.parent})")
    if path.is_dir():
        raise NodaError(f"{path}: cannot be written (it is a folder)")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise NodaError(f"{path}: cannot be written (no permission to write in {path.parent})")
