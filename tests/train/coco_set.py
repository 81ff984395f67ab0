"""A set in COCO's form with the joints of any skeleton that the drawn figures have, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from noda_synth.data.skeleton import Skeleton
from noda_synth.formats import coco_category
from tests.drawn_set import SIZE, Figure, draw_image


def write_set(root: Path, skeleton: Skeleton, train: int = 6, valid: int = 4) -> Path:
    """images/ and annotations/person_keypoints_{train,val}.json: two figures an image, and on the first image of each
    part a crowd and somebody without keypoints."""
    rng = np.random.default_rng(7)
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for part, first, count in (("train", 100, train), ("val", 200, valid)):
        images, annotations = [], []
        for number in range(first, first + count):
            picture, figures = draw_image(rng, people=2)
            cv2.imwrite(str(root / "images" / f"{number}.jpg"), picture)
            images.append({"id": number, "file_name": f"{number}.jpg", "width": SIZE[0], "height": SIZE[1]})
            annotations += [_annotation(rng, figure, skeleton, number) for figure in figures]
        nobody = {"keypoints": [0] * 3 * len(skeleton), "num_keypoints": 0, "area": 500}
        annotations.append({**annotations[0], **nobody, "bbox": [5, 5, 20, 30]})
        annotations.append({**annotations[0], **nobody, "bbox": [0, 0, 360, 100], "iscrowd": 1})
        numbered = [{**annotation, "id": 10 * first + row} for row, annotation in enumerate(annotations)]
        content = {"images": images, "annotations": numbered, "categories": [coco_category(skeleton)]}
        (root / "annotations" / f"person_keypoints_{part}.json").write_text(json.dumps(content))
    return root


def _annotation(rng: np.random.Generator, figure: Figure, skeleton: Skeleton, image: int) -> dict[str, Any]:
    places = {**figure.joints, "neck": figure.joints["upper_neck"]}
    joints = np.array([places[joint] for joint in skeleton.joints])
    flags = rng.choice([2, 2, 2, 1, 0], len(skeleton))
    flags[0] = 2
    table = np.where(flags[:, None] > 0, np.column_stack([joints, flags]), 0)
    rows, columns = np.flatnonzero(figure.outline.any(axis=1)), np.flatnonzero(figure.outline.any(axis=0))
    return {
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [int(v) for v in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)],
        "area": int(figure.outline.sum()),
        "num_keypoints": int((flags > 0).sum()),
        "keypoints": table.ravel().tolist(),
    }
