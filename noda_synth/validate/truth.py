"""gt_valid.mat against valid.json: the same people in the same order, each with a head box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from noda_synth.data.disk_list import DiskList
from noda_synth.data.skeleton import MPII
from noda_synth.formats.files.matlab import load_mat
from noda_synth.formats.mpii.records import read_persons
from noda_synth.validate.findings import Finding
from noda_synth.validate.records import names

TOLERANCE_PX = 1.0
"""Joints of a record and of its row may differ by rounding, or by the base they count from, and no more."""


def check_truth(valid: Path, gt_valid: Path) -> Iterator[Finding]:
    """Findings about a gt_valid.mat that could be read, beside its valid.json."""
    content = load_mat(gt_valid)
    missing = np.asarray(content["jnt_missing"]).T > 0
    joints = np.asarray(content["pos_gt_src"], np.float64)
    if joints.shape != (len(MPII), 2, len(missing)):
        what = f"pos_gt_src has shape {joints.shape}, where {(len(MPII), 2, len(missing))} is expected"
        yield Finding("unusable-file", gt_valid.name, what)
        return
    joints = joints.transpose(2, 0, 1)
    rows = DiskList(read_persons(valid))
    if len(rows) != len(missing):
        what = f"{len(missing)} rows, but {valid.name} has {len(rows)} records"
        yield Finding("row-count", gt_valid.name, what)
    for row, (person, lacking, truth) in enumerate(zip(rows, missing, joints, strict=False)):
        if person is None:
            continue
        where = f"{gt_valid.name} row {row}"
        if (wrong := person.labelled == lacking).any():
            what = f"{names(wrong, MPII)}: labelled in one, missing in the other"
            yield Finding("truth-differs", where, what, person.image, person.person_id or None)
        both = person.labelled & ~lacking
        apart = np.abs(person.joints + 1 - truth).max(axis=1)[both] if both.any() else np.zeros(1)
        if apart.max() > TOLERANCE_PX:
            what = f"joints up to {apart.max():.1f} px from those of {valid.name} record {row}"
            yield Finding("truth-differs", where, what, person.image, person.person_id or None)
    yield from _head_boxes(content, gt_valid, len(missing))


def _head_boxes(content: dict[str, Any], gt_valid: Path, rows: int) -> Iterator[Finding]:
    if "headboxes_src" not in content:
        yield Finding("head-box", gt_valid.name, "no headboxes_src at all")
        return
    boxes = np.asarray(content["headboxes_src"], np.float64).transpose(2, 0, 1)
    for row, (first, second) in enumerate(boxes[:rows]):
        if not np.isfinite([first, second]).all():
            yield Finding("head-box", f"{gt_valid.name} row {row}", "not finite")
        elif not (second != first).any():
            yield Finding("head-box", f"{gt_valid.name} row {row}", "of no size")
