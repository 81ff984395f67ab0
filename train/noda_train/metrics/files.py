"""Reading arrays of predictions from the files that the field exchanges, HDF5 and MATLAB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_bytes
from noda_synth.formats.files.hdf5 import checked_array
from noda_synth.formats.files.matlab import load_mat
from noda_train.arrays import Floats


def read_arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """The named arrays that an HDF5 or MATLAB file has; the content says which of the two it is.

    Raises:
        NodaError: it is neither, damaged, or claims more memory than such arrays take.
    """
    read_bytes(path, 1)
    if h5py.is_hdf5(path):
        try:
            with h5py.File(path) as file:
                return {name: np.asarray(checked_array(file, name)) for name in names if name in file}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NodaError(f"{path}: not an HDF5 file that can be read ({error})") from error
    try:
        content = load_mat(path)
    except NodaError as error:
        if read_bytes(path, 6) == b"MATLAB":
            raise
        raise NodaError(f"{path}: neither an HDF5 nor a MATLAB file that can be read") from error
    return {name: np.asarray(content[name]) for name in names if name in content}


def read_predictions(path: Path, joints: int = 16) -> Floats:
    """(N, J, 2) float64, 1-based pixels: `preds` of an HDF5 or .mat file (as this project writes it)."""
    arrays = read_arrays(path, "preds")
    if "preds" not in arrays:
        raise NodaError(f"{path}: no array `preds` in this file")
    predictions = _numbers(path, "preds", arrays["preds"])
    if predictions.ndim != 3 or predictions.shape[1] != joints or predictions.shape[2] < 2:
        raise NodaError(f"{path}: `preds` has shape {predictions.shape}, not (persons, {joints}, 2)")
    return predictions[:, :, :2]


def read_scores(path: Path) -> Floats | None:
    """(N, J) float64: `scores` of the joints in an HDF5 or .mat file, None where it has none."""
    scores = read_arrays(path, "scores").get("scores")
    return None if scores is None else _numbers(path, "scores", scores)


def read_attributes(path: Path) -> dict[str, Any]:
    """The attributes of an HDF5 file; nothing for files of another kind."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return {}
    with h5py.File(path) as file:
        return dict(file.attrs)


def _numbers(path: Path, name: str, values: NDArray[Any]) -> Floats:
    if values.dtype.kind not in "biuf":
        raise NodaError(f"{path}: `{name}` does not hold numbers")
    return values.astype(np.float64)
