"""All use of scipy.io: arrays of MATLAB files in and out, with types and clear errors.

MPII's large file of structs is read by `mat_structs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import read_bytes, write_bytes
from noda_synth.formats.files.mat_structs import check_sizes, damaged
from noda_synth.formats.files.strangers import stranger

MAX_BYTES = 1 << 29
"""What a .mat that scipy reads may unpack to, 512 MB: a gt_valid.mat of 1.6 million persons."""

_HEADER = b"MATLAB 5.0 MAT-file, written by noda-synth"
_HEADER_SIZE = 116


def variables(path: Path) -> set[str]:
    """The names of the variables in a .mat file, without reading their values."""
    from scipy.io import whosmat

    return {str(name) for name, _, _ in _guarded(whosmat, path)}


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a .mat file by name, as scipy gives them; of version 7.3, which is HDF5, only arrays of numbers.
    NodaError if it is damaged."""
    from scipy.io import loadmat

    if is_hdf5_mat(path):
        return _load_hdf5(path)

    def checked(stream: BytesIO) -> dict[str, Any]:
        check_sizes(stream.getvalue(), path, MAX_BYTES)
        return dict(loadmat(stream))

    loaded: dict[str, Any] = _guarded(checked, path)
    return {name: value for name, value in loaded.items() if not name.startswith("__")}


def is_hdf5_mat(path: Path) -> bool:
    """Whether a .mat is of version 7.3. MATLAB puts its own header before HDF5's; files that others write so have
    HDF5's alone."""
    return read_bytes(path, 10).startswith((b"MATLAB 7.3", b"\x89HDF\r\n"))


def save_mat(path: Path, values: Mapping[str, Any]) -> None:
    """Write a .mat file (version 5, compressed). The same values give the same bytes."""
    from scipy.io import savemat

    stream = BytesIO()
    savemat(stream, dict(values), do_compression=True)
    data = stream.getvalue()
    # scipy writes the time of day into the header.
    write_bytes(path, _HEADER.ljust(_HEADER_SIZE) + data[_HEADER_SIZE:])


def _guarded(read: Any, path: Path) -> Any:
    data = read_bytes(path)
    try:
        return read(BytesIO(data))
    except NodaError:
        raise
    except Exception as error:  # scipy answers damage with errors of a dozen kinds, zlib's and struct's among them
        if what := stranger(path):
            raise NodaError(f"no .mat file, but {what}.", path) from None
        raise damaged(path, str(error)) from None


def _load_hdf5(path: Path) -> dict[str, Any]:
    """The arrays of numbers, axes as MATLAB has them; HDF5 shows them turned round."""
    import h5py

    from noda_synth.formats.files.hdf5 import checked_array

    try:
        with h5py.File(path, "r") as file:
            arrays = [name for name in file if isinstance(file.get(name), h5py.Dataset)]
            found = {name: checked_array(file, name, MAX_BYTES) for name in arrays}
            return {name: array[()].T for name, array in found.items() if array.dtype.kind in "biuf"}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise NodaError(f"not a whole .mat file of version 7.3 ({error}).", path) from None
