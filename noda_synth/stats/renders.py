"""What the renders of a set cover, and where and how large what they paste is, from manifest and annotations alone."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.geometry import joint_box
from noda_synth.data.joint_counts import kind_of, kinds
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_synth.imaging.compositing import COVERING
from noda_synth.methods import METHODS, Sources
from noda_synth.pool.reader import Pool
from noda_synth.render.manifest import PeopleByFirstId
from noda_synth.render.replay import overlay_of

REACH, CELLS, SECTORS = 2.0, 16, 24
"""The heat map goes to twice the half sides of the target's box and has CELLS x CELLS cells; the rose has SECTORS."""

SIZE_STEP, SIZES = 0.2, 15
"""Width and number of the size histogram's bars; the last one holds all that is larger."""


@dataclass(frozen=True, eq=False)
class Renders:
    """What the lines of a manifest tell: N lines, and M things that were pasted, of several bodies each.

    Attributes:
        methods: how often each method of occlusion was used.
        covered: (N,) number of joints covered.
        kinds: kind of joint -> (times covered, times labelled among the people who were covered).
        offset: (M, 2) middle of what was pasted, from the middle of the target's joint box, in half sides of that box.
        angle: (M,) degrees clockwise from the right of the same direction, in pixels.
        size: (M,) diagonal of what was pasted over the diagonal of the target's joint box.
        by_bodies: size is that of the pasted body's joint box; else that of the rectangle that was pasted, which for a
            body is its crop with a margin.
        elsewhere: lines whose manifest does not say where.
    """

    methods: dict[str, int]
    covered: NDArray[np.int64]
    kinds: dict[str, tuple[int, int]]
    offset: NDArray[np.float64]
    angle: NDArray[np.float64]
    size: NDArray[np.float64]
    by_bodies: bool
    elsewhere: int


def measure(
    lines: Sequence[Mapping[str, Any]], people: PeopleByFirstId, skeleton: Skeleton, pool: Pool | None = None
) -> Renders:
    """Measure the lines of a manifest.

    Args:
        lines: of one set.
        people: by the ids of the manifest.
        skeleton: their joints.
        pool: the bodies that were pasted; with it their own sizes are taken.

    Raises:
        NodaError: a line was rendered from another pool, or none from any.

    Where something lies is the rectangle of the placement (left, top, width, height), or else that of the method's
    stamp, if that can be made with what there is. Noda's placements have the distance and angle between the boxes'
    middles besides; these are taken where they are there.
    """
    if pool is not None:
        _check_pool(lines, pool)
    methods, covered, labelled = Counter[str](), Counter[str](), Counter[str]()
    sources = Sources(pool=pool.path if pool else None)
    numbers, geometry, elsewhere = array("q"), array("d"), 0
    for line in lines:
        methods[str(line.get("method", "noda"))] += 1
        numbers.append(len(line["covered"]))
        covered.update(kind_of(joint) for joint in line["covered"])
        person = people.get(line["person"])
        if person is None or not person.labelled.any():
            elsewhere += 1
            continue
        labelled.update(kind_of(skeleton.joints[joint]) for joint in np.flatnonzero(person.labelled))
        pasted = _pasted(line, sources)
        elsewhere += not pasted
        for placement in pasted:
            size = _body_size(placement, pool, person) if pool else None
            geometry.extend((*_measure(placement, person), np.nan if size is None else size))
    table = np.array(geometry, np.float64).reshape(-1, 5)
    by_bodies = bool(len(table)) and bool(np.isfinite(table[:, 4]).all())
    return Renders(
        methods=dict(methods.most_common()),
        covered=np.array(numbers, np.int64),
        kinds={kind: (covered[kind], labelled[kind]) for kind in kinds(skeleton)},
        offset=table[:, :2],
        angle=table[:, 2],
        size=table[:, 4] if by_bodies else table[:, 3],
        by_bodies=by_bodies,
        elsewhere=elsewhere,
    )


_RECTANGLE = ("left", "top", "width", "height")


def _pasted(line: Mapping[str, Any], sources: Sources) -> list[Mapping[str, Any]]:
    """What was pasted, each with left, top, width and height; nothing where nothing was, or where it is not known."""
    placement = line.get("placement")
    if not isinstance(placement, Mapping):
        return []
    more = placement.get("more")
    each = [placement, *(more if isinstance(more, list) else [])]
    if all(
        isinstance(one, Mapping) and all(isinstance(one.get(key), int | float) for key in _RECTANGLE) for one in each
    ):
        return each
    try:
        stamp = overlay_of(line, sources) if line.get("method") in METHODS else None
    except NodaError:  # it takes a pool or objects that were not named
        stamp = None
    covering = None if stamp is None else np.argwhere(stamp.alpha >= COVERING)
    if stamp is None or covering is None or not len(covering):
        return []
    (y1, x1), (y2, x2) = covering.min(axis=0), covering.max(axis=0)
    corner = {"left": stamp.left + x1, "top": stamp.top + y1, "width": x2 - x1 + 1, "height": y2 - y1 + 1}
    return [{**placement, **corner}]


def _measure(placement: Mapping[str, Any], person: Person) -> tuple[float, float, float, float]:
    """Offset x and y, angle and size of one placement."""
    left, top, width, height = (float(placement[key]) for key in _RECTANGLE)
    x1, y1, x2, y2 = joint_box(person.joints[person.labelled])
    half = np.maximum([(x2 - x1) / 2, (y2 - y1) / 2], 0.5)
    radius, angle = placement.get("radius"), placement.get("angle")
    if isinstance(radius, int | float) and isinstance(angle, int | float):
        shift = radius * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    else:
        shift = np.array([left + (width - 1) / 2 - (x1 + x2) / 2, top + (height - 1) / 2 - (y1 + y2) / 2])
    direction = float(np.rad2deg(np.arctan2(shift[1], shift[0])) % 360)
    size = float(np.hypot(width, height) / np.hypot(*(2 * half)))
    return float(shift[0] / half[0]), float(shift[1] / half[1]), direction, size


def _check_pool(lines: Sequence[Mapping[str, Any]], pool: Pool) -> None:
    other = next((line["id"] for line in lines if line.get("pool", pool.content) != pool.content), None)
    if other or not any("pool" in line for line in lines):
        raise NodaError(
            f"{other or 'this set'} was not rendered from {pool.path}; leave --pool out, or name the right one"
        )


def _body_size(placement: Mapping[str, Any], pool: Pool, person: Person) -> float | None:
    """Diagonal of the body's joint box over that of the target's; None where no whole body is pasted."""
    body = placement.get("body")
    if not isinstance(body, int) or not 0 <= body < len(pool) or "scale" not in placement:
        return None
    pasted, target = pool.box[body], joint_box(person.joints[person.labelled])
    diagonal = np.hypot(*(target[2:] - target[:2]))
    return float(placement["scale"] * np.hypot(*(pasted[2:] - pasted[:2])) / max(diagonal, 1.0))


def heat(renders: Renders) -> NDArray[np.int64]:
    """(CELLS, CELLS) renders whose middle lies in a cell, rows from top to bottom; those farther out are left out."""
    edges = np.linspace(-REACH, REACH, CELLS + 1)
    counts = np.histogram2d(renders.offset[:, 1], renders.offset[:, 0], (edges, edges))[0]
    return np.asarray(counts, np.int64)


def sectors(renders: Renders) -> list[int]:
    """Renders by direction, SECTORS of equal width, clockwise from the right."""
    counts = np.histogram(renders.angle, SECTORS, (0.0, 360.0))[0]
    return [int(count) for count in counts]


def sizes(renders: Renders) -> tuple[list[int], list[float]]:
    """Renders by relative size, and the borders of the ranges."""
    edges = [round(SIZE_STEP * step, 9) for step in range(SIZES + 1)]
    counts = np.histogram(np.minimum(renders.size, edges[-1]), edges)[0]
    return [int(count) for count in counts], edges


def covered_histogram(renders: Renders) -> list[int]:
    """How many renders cover 0, 1, 2, ... joints."""
    return [int(count) for count in np.bincount(renders.covered, minlength=1)]
