"""Reading arrays of predictions from the files that the field exchanges, HDF5, MATLAB and NumPy."""

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
from noda_synth.formats.files.strangers import stranger
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
        what = stranger(path) or "neither an HDF5 nor a MATLAB file that can be read"
        raise NodaError(f"{path}: {what}") from error
    return {name: np.asarray(content[name]) for name in names if name in content}


PREDS, POS_PRED = "preds", "pos_pred_src"
"""The names of arrays of predictions: HRNet's and the hourglass repositories', and that of MPII's evaluation kit."""


def read_predictions(path: Path, joints: int = 16, persons: int | None = None) -> Floats:
    """(N, J, 2) float64, 1-based pixels: `preds` or `pos_pred_src` of an HDF5, .mat or .npy file.

    Axes may stand as (N, J, 2 or more), in MATLAB's order (J, 2, N), and either of these turned round, as HDF5 shows
    what MATLAB wrote. The number of persons tells which it is.

    Args:
        path: the file.
        joints: J.
        persons: N, where it is known.

    Raises:
        NodaError: there is no such array, or its shape is none of these, or two of them at once.
    """
    arrays = _npy(path) if path.suffix == ".npy" else read_arrays(path, PREDS, POS_PRED)
    name = next((name for name in (PREDS, POS_PRED) if name in arrays), None)
    if name is None:
        raise NodaError(f"{path}: no array `{PREDS}` or `{POS_PRED}` in this file")
    values = _numbers(path, name, arrays[name])
    readings = _readings(values, joints)
    fitting = [found for found in readings.values() if persons is None or len(found) == persons]
    plain = readings.get(PLAIN)
    if len(fitting) > 1 and persons is not None:
        scores = read_scores(path, joints)  # beside what this project writes, one row a person
        if plain is not None and scores is not None and scores.shape == (persons, joints):
            return plain
        raise NodaError(
            f"{path}: `{name}` of shape {values.shape} can be read as {' and as '.join(readings)}; write it as"
            f" (persons, {joints}, 3), with the joints' scores as the last column"
        )
    if fitting:
        return fitting[0]
    if len(readings) == 1 or plain is not None:
        count = len(plain if plain is not None else next(iter(readings.values())))
        raise NodaError(f"{path}: predictions for {count} persons, not for {persons}: another validation set")
    raise NodaError(f"{path}: `{name}` has shape {values.shape}, not (persons, {joints}, 2)")


PLAIN = "(persons, joints, 2)"


def _readings(values: Floats, joints: int) -> dict[str, Floats]:
    """Order of axes -> (N, J, 2), for each order that the shape allows."""
    if values.ndim != 3:
        return {}
    a, b, c = values.shape
    found: dict[str, Floats] = {}
    if b == joints and c >= 2:
        found[PLAIN] = values[:, :, :2]
    if a == joints and b == 2:
        found["(joints, 2, persons)"] = values.transpose(2, 0, 1)
    if a == 2 and b == joints:
        found["(2, joints, persons)"] = values.transpose(2, 1, 0)
    if b == 2 and c == joints:
        found["(persons, 2, joints)"] = values.transpose(0, 2, 1)
    return found


def _npy(path: Path) -> dict[str, NDArray[Any]]:
    read_bytes(path, 1)
    try:
        return {PREDS: np.load(path, allow_pickle=False)}
    except (ValueError, OSError, EOFError) as error:
        raise NodaError(f"{path}: not a .npy file of numbers that can be read ({error})") from error


def read_scores(path: Path, joints: int) -> Floats | None:
    """(N, J) float64: `scores` of the joints in an HDF5 or .mat file, None where it has none."""
    scores = {} if path.suffix == ".npy" else read_arrays(path, "scores")
    if "scores" not in scores:
        return None
    values = _numbers(path, "scores", scores["scores"])
    if values.ndim == 3 and values.shape[2] == 1:  # HRNet's maxvals
        values = values[:, :, 0]
    return values.T if values.ndim == 2 and values.shape[1] != joints == values.shape[0] else values


def read_ids(path: Path) -> tuple[str, ...]:
    """What the persons of an HDF5 file are called, as this project writes it; empty where it does not say."""
    if path.suffix == ".npy" or not path.is_file() or not h5py.is_hdf5(path):
        return ()
    with h5py.File(path) as file:
        texts = "ids" in file and isinstance(file["ids"], h5py.Dataset) and file["ids"].dtype.kind in "OS"
    ids = read_arrays(path, "ids")["ids"].ravel() if texts else ()
    return tuple(_text(name) if isinstance(name, bytes) else str(name) for name in ids)


def _text(name: bytes) -> str:
    """An id with the half surrogate pairs that it was written with; of other bytes what can be read."""
    try:
        return name.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return name.decode(errors="replace")


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
