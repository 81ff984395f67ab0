"""HDF5 files from strangers: what may be read of them.

A file can keep its data in other files, and claim sizes that no memory holds; h5py follows it in both.
"""

from __future__ import annotations

import h5py

MAX_BYTES = 1 << 31
"""An array that is read as a whole may take 2 GiB: bodies or rows in the millions."""


def checked_array(file: h5py.File, name: str, max_bytes: int | None = MAX_BYTES) -> h5py.Dataset:
    """An array of a file, if its values lie in that very file and its size is sensible.

    Raises:
        KeyError: there is no such array.
        ValueError: it lies elsewhere, or is too large.
    """
    group = file
    *folders, last = name.split("/")
    for part in (*folders, last):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link to another place")
        group = group[part]
    if not isinstance(group, h5py.Dataset):
        raise KeyError(name)
    if group.external or group.is_virtual:
        raise ValueError(f"the values of {name} lie in another file")
    if max_bytes is not None and group.nbytes > max_bytes:
        raise ValueError(f"{name} claims {group.nbytes} bytes")
    return group
