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
    parts = [_bare(part) for part in (key if isinstance(key, tuple | list) else (key,))]
    if not parts or not all(isinstance(part, str | Real) for part in parts):
        raise NodaError(f"key is {key!r}; text, a number, or a tuple of these, for instance (image id, epoch)")
    return "/".join(map(str, parts))


def _bare(part: Any) -> Any:
    """A number that an array or tensor without dimensions holds; anything else as it is."""
    return part.item() if getattr(part, "shape", None) == () and hasattr(part, "item") else part


def person_of(
    joints: ArrayLike,
    labelled: ArrayLike | None,
    visible: ArrayLike | None,
    skeleton: Skeleton,
    *,
    scale: float | None = None,
    source: str | None = None,
    person_id: str = "",
    name: str = "joints",
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
        name: what errors call the joints.

    Raises:
        NodaError: another shape, coordinates that are none, other values.
    """
    points = _array(name, joints, (len(skeleton), 2), skeleton, np.float64)
    finite = np.isfinite(points).all(axis=1)
    known = finite if labelled is None else _labelled(labelled, skeleton)
    if bad := skeleton.named(known & (~finite | (np.abs(np.nan_to_num(points)) > _FARTHEST).any(axis=1))):
        raise NodaError(f"{name}: {', '.join(bad)} cannot lie there; say with `labelled` which have coordinates")
    states = np.full(len(skeleton), UNKNOWN, np.int8)
    if visible is not None:
        given = _array("visible", visible, (len(skeleton),), skeleton, np.float64)
        if not np.isin(given, (VISIBLE, OCCLUDED, UNKNOWN)).all():
            raise NodaError(
                "visible: 1 is visible, 0 occluded and -1 unknown (COCO's v of 2, 1 and 0); no other values"
            )
        states = np.where(known, given, UNKNOWN).astype(np.int8)
    size = np.nan if scale is None else float(_array("scale", scale, (), skeleton, np.float64))
    known_size = size if np.isfinite(size) and size > 0 else None
    joints_px = np.where(known[:, None], points, np.nan)
    return Person(str(source or ""), person_id, joints_px, known, states, scale=known_size)


def _labelled(values: ArrayLike, skeleton: Skeleton) -> NDArray[np.bool_]:
    """(J,) bool of flags, or of numbers that are above 0 where a joint is labelled, as COCO's v is."""
    flags = _array("labelled", values, (len(skeleton),), skeleton, np.float64)
    if not (flags >= 0).all():  # nor NaN
        raise NodaError("labelled: False or 0 is not labelled, True or a number above 0 is; no other values")
    return np.asarray(flags > 0)


def _array(name: str, values: ArrayLike, shape: tuple[int, ...], skeleton: Skeleton, kind: Any) -> NDArray[Any]:
    expected = f"an array {shape} of numbers" if shape else "a number"
    try:
        given = np.asarray(values)
        array = given.astype(kind) if given.dtype.kind in "biufO" else None
    except (TypeError, ValueError, RuntimeError) as error:  # torch raises what it likes for a tensor that is no array
        raise NodaError(f"{name}: expected {expected} ({error})") from None
    if array is None:
        raise NodaError(f"{name}: expected {expected}, not {given.dtype}")
    if array.shape != shape:
        wanted = f"with the joints of {skeleton.name} it is {shape}" if shape else "a number is expected"
        raise NodaError(f"{name} has the shape {array.shape}; {wanted}")
    return array
