"""How good and how fast the masks are: every level against true outlines of COCO people, on one core.

    python scripts/bench_masks.py --data data/coco-masks --json masks.json
    python scripts/bench_masks.py --data data/coco-masks --grabcut-table

People count who have at least 8 labelled keypoints, polygons for an outline, and at least 64 x 64 pixels of it. Times
are means of the CPU time that a mask takes, its soft edge included.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tqdm import tqdm

from noda_synth.data.dataset import UNKNOWN
from noda_synth.data.pose import Pose
from noda_synth.formats import find_layout, read_dataset
from noda_synth.formats.coco.rle import segmentation_mask
from noda_synth.imaging.images import image_path, read_image
from noda_synth.masks import GIVEN, GivenMask, Mask, MaskSettings, View, mask_functions, mask_quality
from noda_synth.masks.grabcut import grabcut_mask
from noda_synth.pool.cutout import cut_out, pose_of

COLUMNS = ("iou_mean", "iou_median", "over_08", "under_05", "boundary_f", "ms")
GRABCUT_SIDES, GRABCUT_ROUNDS = (256, 192, 160, 128), (5, 3, 2, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="COCO folder with outlines")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument(
        "--grabcut-table", action="store_true", help="GrabCut by working size and rounds instead of the levels"
    )
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    people = list(tqdm(people_with_outlines(arguments.data), desc="reading", disable=None))
    if arguments.grabcut_table:
        levels = {
            f"{side} px, {rounds} rounds": partial(grabcut_mask, side=side, iterations=rounds)
            for side in GRABCUT_SIDES
            for rounds in GRABCUT_ROUNDS
        }
        figures: dict[str, Any] = {"persons": len(people), "levels": measure(people, levels)[0]}
    else:
        figures = measure_levels(people)
    print_table(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


@dataclass(frozen=True, eq=False)
class Measured:
    """A person with a true outline.

    Attributes:
        view: what a mask level gets to see.
        truth: (H, W) bool, the outline's inside, of the view's size.
        area: pixels of the whole outline, those outside the view included.
        image: name of the picture.
        given: the whole outline as a level, which the view does not hold always.
        whole: the person in a view that does, or None for that view itself.
    """

    view: View
    truth: NDArray[np.bool_]
    area: int
    image: str
    given: GivenMask
    whole: Measured | None = None


def people_with_outlines(data: Path) -> Iterator[Measured]:
    """Everyone in a COCO folder who can be measured, as build-pool would cut them out."""
    layout = find_layout(data)
    dataset = read_dataset(layout)
    for name, people in dataset.by_image.items():
        image = read_image(image_path(layout.images, name))
        size = (image.shape[1], image.shape[0])
        poses = [pose_of(person, dataset.skeleton, size) for person in people]
        for index, person in enumerate(people):
            outline = person.record.get("segmentation")
            if person.labelled.sum() < 8 or not isinstance(outline, list) or person.record["area"] < 64**2:
                continue
            others = tuple(pose for n, pose in enumerate(poses) if n != index)
            truth = segmentation_mask(outline, size)
            given = GivenMask(truth.astype(np.uint8) * np.uint8(255))
            crowd = (image, poses[index], others)
            base = Measured(*_view_of(*crowd, {}, truth), int(truth.sum()), name, given)
            view, shown = _view_of(*crowd, {GIVEN: given}, truth)
            yield replace(base, whole=replace(base, view=view, truth=shown))


def _view_of(
    image: NDArray[np.uint8],
    pose: Pose,
    others: tuple[Pose, ...],
    levels: Mapping[str, Callable[[View], Mask]],
    truth: NDArray[np.bool_],
) -> tuple[View, NDArray[np.bool_]]:
    """What these levels get to see of a person, and its part of the true outline."""
    views: list[View] = []
    cutout = cut_out(
        image, pose, others, {**levels, "view": partial(_remember, views)},
        box_expand=MaskSettings().box_expand, max_side=10_000, seed=0,
    )  # fmt: skip
    left, top = np.floor(cutout.origin + 0.5).astype(int)
    height, width = views[0].image.shape[:2]
    return views[0], truth[top : top + height, left : left + width]


def _remember(views: list[View], view: View) -> Mask:
    views.append(view)
    return Mask(np.ones(view.image.shape[:2], np.bool_))


def without_visibility(people: list[Measured]) -> list[Measured]:
    """The same people, nothing being known of the visibility of anybody's joints: MPII's training part."""

    def blind(view: View) -> View:
        own, *others = (
            replace(pose, visible=np.full_like(pose.visible, UNKNOWN)) for pose in (view.pose, *view.others)
        )
        return replace(view, pose=own, others=tuple(others))

    return [replace(person, view=blind(person.view)) for person in people]


def measure_levels(people: list[Measured]) -> dict[str, Any]:
    """{"persons": n, "levels": {level: {figure: value}}, "quality": {figure: value}}."""
    levels = mask_functions(MaskSettings())
    table, masks = measure(people, levels)
    rows = [
        measured(person.given, person.whole or person)[:3]
        for person in tqdm(people, desc=GIVEN, disable=None, leave=False)
    ]
    table[GIVEN] = summary(np.array(rows))
    unseen = {f"{level}_no_visibility": levels[level] for level in ("cardboard", "posecut")}
    return {
        "persons": len(people),
        "levels": table | measure(without_visibility(people), unseen)[0],
        "quality": rank(people, masks["posecut"]),
    }


def measured(make: Callable[[View], Mask], person: Measured) -> tuple[float, float, float, NDArray[np.bool_]]:
    """Overlap, boundary F and milliseconds of a level for a person, and its mask."""
    # A view of its own, so that no level profits from what another one left behind.
    view = replace(person.view)
    start = time.process_time()
    inside = make(view).inside
    milliseconds = 1000 * (time.process_time() - start)
    return iou(inside, person), boundary_f(inside, person.truth), milliseconds, inside


def measure(
    people: list[Measured], levels: Mapping[str, Callable[[View], Mask]]
) -> tuple[dict[str, dict[str, float]], dict[str, list[NDArray[np.bool_]]]]:
    """The figures of every level, and its masks."""
    table: dict[str, dict[str, float]] = {}
    masks: dict[str, list[NDArray[np.bool_]]] = {}
    for level, make in levels.items():
        rows, masks[level] = [], []
        for person in tqdm(people, desc=level, disable=None, leave=False):
            *figures, mask = measured(make, person)
            rows.append(figures)
            masks[level].append(mask)
        table[level] = summary(np.array(rows))
    return table, masks


def rank(people: list[Measured], masks: list[NDArray[np.bool_]]) -> dict[str, float]:
    """How well the quality score ranks masks by their true overlap."""
    overlap = np.array([iou(mask, person) for mask, person in zip(masks, people, strict=True)])
    quality = [mask_quality(person.view, mask) for mask, person in zip(masks, people, strict=True)]
    best_first = overlap[np.argsort(quality)[::-1]]
    return {
        "spearman": round(float(spearmanr(quality, overlap)[0]), 4),
        "best_half": round(float(best_first[: len(people) // 2].mean()), 4),
        "best_30": round(float(best_first[: int(0.3 * len(people))].mean()), 4),
    }


def summary(rows: NDArray[np.float64]) -> dict[str, float]:
    """Figures of a level from (people, 3): overlap, boundary F, milliseconds."""
    overlap = rows[:, 0]
    return {
        "iou_mean": round(float(overlap.mean()), 4),
        "iou_median": round(float(np.median(overlap)), 4),
        "over_08": round(float((overlap > 0.8).mean()), 4),
        "under_05": round(float((overlap < 0.5).mean()), 4),
        "boundary_f": round(float(rows[:, 1].mean()), 4),
        "ms": round(float(rows[:, 2].mean()), 2),
    }


def iou(mask: NDArray[np.bool_], person: Measured) -> float:
    common = int((mask & person.truth).sum())
    return common / max(1, int(mask.sum()) + person.area - common)


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


def print_table(figures: dict[str, Any]) -> None:
    print(f"{figures['persons']} people, CPU time on one core")
    print(f"{'level':<24}" + "".join(f"{column:>12}" for column in COLUMNS))
    for level, row in figures["levels"].items():
        print(f"{level:<24}" + "".join(f"{row[column]:>12}" for column in COLUMNS))
    for name, value in figures.get("quality", {}).items():
        print(f"quality of posecut: {name} {value}")


if __name__ == "__main__":
    main()
