"""gt_valid.mat against valid.json: the same people in the same order, each with a head box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import MPII
from noda_synth.formats.mpii.gt_valid import read_gt_valid
from noda_synth.formats.mpii.records import read_persons
from noda_synth.validate.findings import Finding
from noda_synth.validate.records import names

TOLERANCE_PX = 1.0
"""Joints of a record and of its row may differ by rounding, or by the base they count from, and no more."""


def check_truth(valid: Path, gt_valid: Path) -> Iterator[Finding]:
    """Findings about a gt_valid.mat that could be read, beside its valid.json."""
    truth = read_gt_valid(gt_valid)
    people = DiskList(read_persons(valid))
    if len(people) != len(truth):
        what = f"{len(truth)} rows, but {valid.name} has {len(people)} records"
        yield Finding("row-count", gt_valid.name, what)
    for row, (person, missing, joints) in enumerate(zip(people, truth.missing, truth.joints, strict=False)):
        if person is None:
            continue
        where = f"{gt_valid.name} row {row}"
        if (wrong := person.labelled == missing).any():
            what = f"{names(wrong, MPII)}: labelled in one, missing in the other"
            yield Finding("truth-differs", where, what, person.image, person.person_id or None)
        both = person.labelled & ~missing
        apart = np.abs(person.joints + 1 - joints).max(axis=1)[both] if both.any() else np.zeros(1)
        if apart.max() > TOLERANCE_PX:
            what = f"joints up to {apart.max():.1f} px from those of {valid.name} record {row}"
            yield Finding("truth-differs", where, what, person.image, person.person_id or None)
    if truth.head_boxes is None:
        yield Finding("head-box", gt_valid.name, "no headboxes_src at all")
    else:
        yield from _head_boxes(truth.head_boxes, gt_valid)


def _head_boxes(boxes: NDArray[np.float64], gt_valid: Path) -> Iterator[Finding]:
    for row, box in enumerate(boxes):
        if not np.isfinite(box).all():
            yield Finding("head-box", f"{gt_valid.name} row {row}", "not finite")
        elif (box[:2] == box[2:]).all():
            yield Finding("head-box", f"{gt_valid.name} row {row}", "of no size")
