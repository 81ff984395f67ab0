"""How good and how fast the masks are: every level against true outlines of COCO people, on one core.

    python scripts/bench_masks.py --data data/coco-masks --json masks.json

People count who have at least 8 labelled keypoints, polygons for an outline, and at least 64 x 64 pixels of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from noda_synth.cutout import cut_out, pose_of
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.rle import segmentation_mask
from noda_synth.images import image_path, read_image
from noda_synth.masks import MaskSettings, mask_functions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="COCO folder with outlines")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures = measure(arguments.data)
    print_table(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(data: Path) -> dict[str, object]:
    """The figures of every level: {"persons": n, "levels": {level: {figure: value}}}."""
    layout = find_layout(data)
    dataset = read_dataset(layout)
    scores: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    clock: dict[str, float] = {}
    levels = {name: timed(name, make, clock) for name, make in mask_functions(MaskSettings()).items()}
    for name, people in tqdm(dataset.by_image.items(), desc="images", disable=None):
        image = read_image(image_path(layout.images, name))
        size = (image.shape[1], image.shape[0])
        poses = [pose_of(person, dataset.skeleton, size) for person in people]
        for index, person in enumerate(people):
            outline = person.record.get("segmentation")
            if person.labelled.sum() < 8 or not isinstance(outline, list) or person.record["area"] < 64**2:
                continue
            truth = segmentation_mask(outline, size)
            others = tuple(pose for n, pose in enumerate(poses) if n != index)
            cutout = cut_out(image, poses[index], others, levels, box_expand=0.15, max_side=10_000, seed=0)
            left, top = np.floor(cutout.origin + 0.5).astype(int)
            for level, mask in cutout.masks.items():
                full = np.zeros_like(truth)
                height, width = mask.inside.shape
                full[top : top + height, left : left + width] = mask.inside
                scores[level].append((iou(full, truth), boundary_f(full, truth), 1000 * clock[level]))
    return {"persons": len(scores["box"]), "levels": {level: summary(np.array(rows)) for level, rows in scores.items()}}


def timed(name, make, clock):  # type: ignore[no-untyped-def]
    def run(view):  # type: ignore[no-untyped-def]
        start = time.process_time()
        mask = make(view)
        clock[name] = time.process_time() - start
        return mask

    return run


def summary(rows: NDArray[np.float64]) -> dict[str, float]:
    overlap = rows[:, 0]
    return {
        "iou_mean": round(float(overlap.mean()), 4),
        "iou_median": round(float(np.median(overlap)), 4),
        "over_08": round(float((overlap > 0.8).mean()), 4),
        "under_05": round(float((overlap < 0.5).mean()), 4),
        "boundary_f": round(float(rows[:, 1].mean()), 4),
        "ms": round(float(rows[:, 2].mean()), 2),
    }


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))


def boundary_f(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """F score of the outlines within 2 % of the root of the true area (at least 1.5 pixels)."""
    tolerance = max(1.5, 0.02 * float(np.sqrt(truth.sum())))
    ours, theirs = outline(mask), outline(truth)
    if not ours.any() or not theirs.any():
        return 0.0
    precision = float((distance_to(theirs)[ours] <= tolerance).mean())
    recall = float((distance_to(ours)[theirs] <= tolerance).mean())
    return 2 * precision * recall / max(1e-9, precision + recall)


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return np.asarray(mask & (inner == 0))


def distance_to(points: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform((~points).astype(np.uint8), cv2.DIST_L2, 3))


def print_table(figures: dict) -> None:  # type: ignore[type-arg]
    print(f"{figures['persons']} people, CPU time on one core")
    columns = ("iou_mean", "iou_median", "over_08", "under_05", "boundary_f", "ms")
    print(f"{'level':<12}" + "".join(f"{column:>12}" for column in columns))
    for level, row in figures["levels"].items():
        print(f"{level:<12}" + "".join(f"{row[column]:>12}" for column in columns))


if __name__ == "__main__":
    main()
