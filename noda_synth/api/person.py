"""Arrays of others as a `Person`, checked: what is refused is named with what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, VISIBLE, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError

_FARTHEST = 1e7  # pixels; beyond that lies no joint, and whole numbers end

Key = str | Real | int | float | Sequence[str | Real | int | float]


def key_text(key: Key) -> str:
    """A key as one text, its parts joined by "/". Raises NodaError for what does not print the same everywhere."""
    parts = key if isinstance(key, tuple | list) else (key,)
    if not parts or not all(isinstance(part, str | Real) for part in parts):
        raise NodaError(f"key is {key!r}; text, a number, or a tuple of these, for instance (image id, epoch)")
    return "/".join(map(str, parts))


def person_of(
    joints: ArrayLike,
    labelled: ArrayLike | None,
    visible: ArrayLike | None,
    skeleton: Skeleton,
    *,
    scale: float | None = None,
    source: str | None = None,
    person_id: str = "",
) -> Person:
    """A person of arrays.

    Args:
        joints: (J, 2), 0-based pixels.
        labelled: (J,) bool; None takes the joints whose coordinates are finite.
        visible: (J,) of 1, 0, -1; None: unknown.
        skeleton: the joints.
        scale: MPII's, height / 200 px.
        source: the image's name.
        person_id: whatever tells the person from the others.

    Raises:
        NodaError: another shape, coordinates that are none, other values.
    """
    points = _array("joints", joints, (len(skeleton), 2), skeleton, np.float64)
    finite = np.isfinite(points).all(axis=1)
    known = finite if labelled is None else _array("labelled", labelled, (len(skeleton),), skeleton, np.bool_)
    if bad := skeleton.named(known & (~finite | (np.abs(np.nan_to_num(points)) > _FARTHEST).any(axis=1))):
        raise NodaError(f"joints: {', '.join(bad)} cannot lie there; say with `labelled` which have coordinates")
    states = np.full(len(skeleton), UNKNOWN, np.int8)
    if visible is not None:
        given = _array("visible", visible, (len(skeleton),), skeleton, np.float64)
        if not np.isin(given, (VISIBLE, OCCLUDED, UNKNOWN)).all():
            raise NodaError(
                "visible: 1 is visible, 0 occluded and -1 unknown (COCO's v of 2, 1 and 0); no other values"
            )
        states = np.where(known, given, UNKNOWN).astype(np.int8)
    size = float(scale) if scale is not None and np.isfinite(scale) and scale > 0 else None
    return Person(source or "", person_id, np.where(known[:, None], points, np.nan), known, states, scale=size)


def _array(name: str, values: ArrayLike, shape: tuple[int, ...], skeleton: Skeleton, kind: Any) -> NDArray[Any]:
    try:
        array = np.asarray(values).astype(kind)
    except (TypeError, ValueError):
        raise NodaError(f"{name}: expected an array {shape} of numbers") from None
    if array.shape != shape:
        raise NodaError(f"{name} has the shape {array.shape}; with the joints of {skeleton.name} it is {shape}")
    return array
