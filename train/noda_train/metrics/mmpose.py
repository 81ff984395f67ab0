"""The result file of MMPose 0.x on MPII, result_keypoints.json: a list of batches.

A batch has `preds` (B, J, 3) of x, y (0-based pixels) and score, `image_paths`, and `bbox_ids`, the rows of the
annotation file, counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from noda_synth.errors import NodaError
from noda_train.arrays import Floats


def is_mmpose(content: object) -> bool:
    """Whether the content of a JSON file is such a list."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"preds", "bbox_ids"} <= set(first)


def joints_of(path: Path, content: Sequence[Any], joints: int, ids: Sequence[str], persons: int) -> Floats:
    """(N, J, 2) float64, 1-based: the poses in the order of the truth.

    Args:
        path: the file, for messages.
        content: what stands in it.
        joints: J.
        ids: what the persons of the truth are called, "image#n"; empty where nobody knows.
        persons: N.

    Raises:
        NodaError: a batch is damaged, or these are not the persons of the truth, each once.
    """
    found = np.full((persons, joints, 2), np.nan)
    seen = set[int]()
    count = 0
    for number, batch in enumerate(content):
        try:
            poses, rows = np.array(batch["preds"], np.float64), [int(row) for row in batch["bbox_ids"]]
            images = batch.get("image_paths") or [""] * len(rows)
        except (TypeError, KeyError, ValueError) as error:
            raise NodaError(f"{path} batch {number}: no preds and bbox_ids of MMPose's result file in it") from error
        if poses.shape[:2] != (len(rows), joints) or poses.ndim != 3 or poses.shape[2] < 2:
            raise NodaError(f"{path} batch {number}: `preds` has shape {poses.shape}, not ({len(rows)}, {joints}, 3)")
        count += len(set(rows) - seen)
        for pose, row, image in zip(poses, rows, images, strict=False):
            seen.add(row)  # a sampler that fills the last batch repeats persons
            if not 0 <= row < persons:
                raise NodaError(f"{path}: bbox_id {row}, but the truth has {persons} persons: another validation set")
            _check_image(path, row, image, ids)
            found[row] = pose[:, :2] + 1
    if count != persons:
        raise NodaError(f"{path}: predictions for {count} persons, not for {persons}: another validation set")
    return found


def _check_image(path: Path, row: int, image: str, ids: Sequence[str]) -> None:
    known = PurePosixPath(ids[row].rpartition("#")[0]).name if ids else ""
    found = PurePosixPath(str(image).replace("\\", "/")).name
    if known and found and known != found:
        raise NodaError(f"{path}: bbox_id {row} is on {found}, in the truth on {known}: another validation set")
