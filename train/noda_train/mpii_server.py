"""Predictions for people without truth: MPII's test list in, and what its server takes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.skeleton import MPII
from noda_synth.errors import ItemError, NodaError
from noda_synth.formats.files.matlab import save_mat
from noda_synth.formats.layout import likely_images
from noda_synth.formats.mpii.records import PersonIds, parse_record, read_records
from noda_train.arrays import Floats
from noda_train.data import Samples, samples_of

NO_JOINTS = {"joints": [[-1, -1]] * len(MPII), "joints_vis": [0] * len(MPII)}


def read_people(path: Path, images: Path | None = None) -> Samples:
    """The people of an MPII JSON list of image, center and scale; joints that stand there are not looked at.

    Raises:
        NodaError: the file is no such list, or a record has no image, center and scale; the message names both.
    """
    ids, people = PersonIds(), []
    for row, record in enumerate(read_records(path)):
        try:
            person = parse_record({**record, **NO_JOINTS} if isinstance(record, Mapping) else record)
            if person.center is None or person.scale is None:
                raise ItemError("neither center nor scale says where the person is")
        except ItemError as error:
            raise NodaError(f"{path}: record {row}: {error}") from error
        people.append(ids.with_id(person))
    return samples_of(images or likely_images(None, path), MPII, people)


def write_server_file(path: Path, names: Sequence[str], joints: Floats) -> None:
    """Write `pred` as MPII's evaluation kit has it, a struct array with one element an image, as images first come.

    Args:
        path: the .mat file.
        names: (N) the image of each person.
        joints: (N, 16, 2), 1-based.
    """
    people: dict[str, list[Floats]] = {}
    for name, pose in zip(names, joints, strict=True):
        people.setdefault(name, []).append(pose)
    images = [
        {
            "image": _structs([{"name": name}]),
            "annorect": _structs([{"annopoints": _structs([{"point": _points(pose)}])} for pose in poses]),
        }
        for name, poses in people.items()
    ]
    save_mat(path, {"pred": _structs(images)})


def _points(pose: Floats) -> NDArray[np.void]:
    return _structs([{"x": float(x), "y": float(y), "id": float(joint)} for joint, (x, y) in enumerate(pose)])


def _structs(elements: Sequence[Mapping[str, Any]]) -> NDArray[np.void]:
    """A MATLAB struct array (1, n) of elements with the same fields."""
    array = np.empty((1, len(elements)), [(name, object) for name in elements[0]])
    for number, element in enumerate(elements):
        array[0, number] = tuple(element.values())
    return array
