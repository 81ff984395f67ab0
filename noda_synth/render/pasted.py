"""The people whom a method pastes, as they are seen on a copy: in COCO scenes, and as training samples of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, Person
from noda_synth.data.geometry import inside
from noda_synth.data.skeleton import Skeleton
from noda_synth.formats import mpii_record
from noda_synth.imaging.compositing import COVERING, alpha_at, overlap
from noda_synth.methods.base import Method


@dataclass(frozen=True)
class Region:
    """A mask that is empty outside a rectangle: (h, w) bool, and the picture's pixel under its top-left pixel."""

    mask: NDArray[np.bool_]
    left: int
    top: int

    def less(self, other: Region) -> Region:
        """This region without what another covers."""
        window = overlap(other.mask.shape, self.mask.shape, other.left - self.left, other.top - self.top)
        if window is None:
            return self
        rest = self.mask.copy()
        rest[window[0]] &= ~other.mask[window[1]]
        return Region(rest, self.left, self.top)

    def holds(self, person: Person) -> NDArray[np.bool_]:
        """(J,) bool: the joints that lie in it."""
        return np.asarray(alpha_at(self.mask.astype(np.uint8), person.joints, self.left, self.top) > 0)

    def box(self, size: tuple[int, int]) -> list[float] | None:
        """Its x, y, width, height in a picture of (width, height); None where it misses the picture."""
        window = overlap(self.mask.shape, (size[1], size[0]), self.left, self.top)
        if window is None or not self.mask[window[1]].any():
            return None
        rows, columns = (np.flatnonzero(self.mask[window[1]].any(axis=axis)) for axis in (1, 0))
        left, top = max(self.left, 0) + int(columns[0]), max(self.top, 0) + int(rows[0])
        box = [left, top, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1]
        return [float(value) for value in box]


@dataclass(frozen=True)
class Pasted:
    """A person who is pasted.

    Attributes:
        body: whose body it is: image and id of the source, all joints in 0-based pixels of the copy.
        person: who is seen, with an id of its own: joints outside the mask or the frame are unlabelled, those under
            another body occluded.
        region: what is seen of the mask.
        box: x, y, width, height of that.
        covered: (J,) bool, the joints under other bodies.
    """

    body: Person
    person: Person
    region: Region
    box: list[float]
    covered: NDArray[np.bool_]


def pasted_on(copy: str, method: Method[Any, Any], placement: Any, size: tuple[int, int]) -> Iterator[Pasted]:
    """The people who are pasted on a copy, by its name and (width, height), each under those after it.

    Left out is of whom nothing is to be seen on the picture, as it may be with `--min-covered 0`.
    """
    people = [(body, Region(own.alpha >= COVERING, own.left, own.top)) for body, own in method.pasted_people(placement)]
    for number, (body, region) in enumerate(people):
        shown = body.labelled & inside(body.joints, size) & region.holds(body)
        covered = np.zeros_like(shown)
        for _, over in people[number + 1 :]:
            region = region.less(over)
            covered |= shown & over.holds(body)
        if (box := region.box(size)) is None:
            continue
        person = replace(
            body,
            person_id=f"{copy}#occluder{number + 1 if number else ''}",
            joints=np.where(shown[:, None], body.joints, np.nan),
            labelled=shown,
            visible=np.where(covered, OCCLUDED, np.where(shown, body.visible, UNKNOWN)).astype(np.int8),
        )
        yield Pasted(body, person, region, box, covered)


def is_sample(labelled: int, joints: int) -> bool:
    """Whether somebody pasted can be trained on: at least half of the skeleton's joints are labelled on the copy."""
    return 2 * labelled >= joints


def pasted_record(pasted: Pasted, line: Mapping[str, Any], skeleton: Skeleton) -> dict[str, Any]:
    """The MPII record of a pasted person on the copy of a manifest line.

    The pool has no centers: it is the middle of the box of the labelled joints, as `estimated` says.
    """
    record = mpii_record(replace(pasted.person, image=line["file"]))
    record["synth"] = {
        "id": line["id"],
        "source": pasted.body.image,
        "source_person": pasted.body.person_id,
        "method": line["method"],
        "role": "occluder",
        "covered": skeleton.named(pasted.covered),
    }
    return record
