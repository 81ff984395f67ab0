"""How pasted bodies stand beside their targets, against pairs of real people: figures that need no eyes.

    python scripts/bench_realism.py --data data/mpii --pool data/pool.h5 --number 600

Plans are drawn, nothing is rendered. Of each pair of target and pasted body with ankles and head: how many have their
feet more than .1 S above the target's, and how well four numbers tell them from real pairs (height of feet and head,
size, distance to the side; all in body sizes S of the target). Real pairs are two people of one picture within the
paper's ring of each other; who stands lower is the nearer one. The figure is the area under the ROC curve of boosted
trees over five folds by image: .5 is chance, 1 is a placement that gives itself away. How well outlines are told
apart, which takes pixels and a network, is measured by `scripts/bench_outline.py`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.geometry import joint_box
from noda_synth.data.pose import Pose
from noda_synth.data.stance import stance_of
from noda_synth.formats import find_layout, read_dataset
from noda_synth.methods import Sources
from noda_synth.methods.placement_settings import PRESETS
from noda_synth.pool.reader import Pool
from noda_synth.render.plan import draw_plan
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs.jobs import Execution

_FOLDS, _ROUNDS, _RATE, _DEPTH, _BINS, _LEAST = 5, 80, 0.1, 3, 24, 8
_ABOVE = 0.1
WAYS = {
    "paper": PRESETS["paper"],
    "best in the ring": replace(PRESETS["best"], place="ring", reuse=None, tries=200),
    "best": PRESETS["best"],
}
_NEEDED = ("head_top", "left_ankle", "right_ankle")


@dataclass(frozen=True)
class Pair:
    """A person and one in front: four numbers, and the picture."""

    numbers: tuple[float, float, float, float]
    image: str

    @property
    def feet_above(self) -> bool:
        return self.numbers[0] < -_ABOVE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--number", type=int, default=600, help="people to be covered")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    layout = find_layout(arguments.data)
    dataset = read_dataset(layout)
    real = list(real_pairs(dataset))
    figures: dict[str, dict[str, float]] = {}
    for name, placement in WAYS.items():
        if placement.mask not in Pool(arguments.pool).levels:
            continue
        with tempfile.TemporaryDirectory() as folder:
            settings = RenderSettings(ratio=1.0, limit=arguments.number, placement=placement)
            sources, out = Sources(pool=arguments.pool), Path(folder) / "set"
            run = RenderRun(dataset, layout, sources, out, settings, {}, Execution(quiet=True))
            pasted = list(pasted_pairs(run))
        figures[name] = {
            "pairs": len(pasted),
            "feet_above": round(float(np.mean([pair.feet_above for pair in pasted])), 4),
            "geometry_auc": round(separability(real, pasted), 4),
        }
    print(f"{len(real)} real pairs")
    for name, values in figures.items():
        print(
            f"{name:<18}{values['pairs']:6.0f} pairs   feet above {100 * values['feet_above']:5.1f} %   "
            f"AUC {values['geometry_auc']:.3f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"real_pairs": len(real), **figures}, indent=1) + "\n")


def pair_of(target: Pose, front: Pose, image: str) -> Pair | None:
    """What two people look like beside each other, or None where feet or head are not labelled."""
    if not (target.has(*_NEEDED) and front.has(*_NEEDED)):
        return None
    one, other = stance_of(target), stance_of(front)
    boxes = [joint_box(pose.joints[pose.labelled]) for pose in (target, front)]
    apart = abs(boxes[1][[0, 2]].mean() - boxes[0][[0, 2]].mean()) / one.size
    head = float(front["head_top"][1] - target["head_top"][1]) / one.size
    return Pair(((other.feet - one.feet) / one.size, float(np.log(other.size / one.size)), apart, head), image)


def real_pairs(dataset: Dataset) -> Iterator[Pair]:
    by_image: dict[str, list[Person]] = {}
    for person in dataset.samples:
        by_image.setdefault(person.image, []).append(person)
    for image, people in by_image.items():
        poses = [Pose(dataset.skeleton, p.joints, p.labelled, p.visible) for p in people if not p.duplicate]
        poses = [pose for pose in poses if pose.has(*_NEEDED)]
        for target in poses:
            box = joint_box(target.joints[target.labelled])
            half = float(np.hypot(*(box[2:] - box[:2]))) / 2
            for front in poses:
                other = joint_box(front.joints[front.labelled])
                away = float(np.hypot(*((other[:2] + other[2:] - box[:2] - box[2:]) / 2)))
                lower = stance_of(front).feet > stance_of(target).feet
                if front is not target and lower and half / 3 <= away <= half:
                    pair = pair_of(target, front, image)
                    if pair is not None:
                        yield pair


def pasted_pairs(run: RenderRun) -> Iterator[Pair]:
    pool, skeleton = Pool(run.sources.pool or Path()), run.dataset.skeleton
    for planned in draw_plan(run).chosen:
        person = run.dataset.persons[planned.row]
        target = Pose(skeleton, person.joints, person.labelled, person.visible)
        for placement in (one for several in planned.placements for one in several.each):
            body = placement.body
            joints = placement.to_picture(pool.joints[body], pool.size[body])
            pair = pair_of(target, Pose(skeleton, joints, pool.labelled[body], pool.visible[body]), person.image)
            if pair is not None:
                yield pair


def separability(real: list[Pair], pasted: list[Pair]) -> float:
    """Area under the ROC curve of boosted trees, over folds by image."""
    features = np.array([pair.numbers for pair in (*real, *pasted)])
    truth = np.arange(len(features)) < len(real)
    images = sorted({pair.image for pair in (*real, *pasted)})
    fold_of = dict(zip(images, np.random.default_rng(0).integers(0, _FOLDS, len(images)), strict=True))
    folds = np.array([fold_of[pair.image] for pair in (*real, *pasted)])
    scores = np.zeros(len(features))
    for fold in range(_FOLDS):
        held = folds == fold
        scores[held] = boosted(features[~held], truth[~held], features[held])
    order = np.argsort(np.argsort(scores, kind="stable")) + 1
    positive = int(truth.sum())
    return float((order[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


def boosted(features: NDArray[np.float64], truth: NDArray[np.bool_], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds for `asked` (M, F) of gradient boosted trees, trained on (N, F), both classes with the same weight."""
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    edges = [np.unique(np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1])) for column in features.T]
    own, other = np.zeros(len(features)), np.zeros(len(asked))
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-own))
        slope, bend = weight * (truth - chance), weight * chance * (1 - chance)
        grow(features, asked, (own, other), (slope, bend), edges)
    return other


def grow(
    features: NDArray[np.float64],
    asked: NDArray[np.float64],
    scores: tuple[NDArray[np.float64], NDArray[np.float64]],
    gradient: tuple[NDArray[np.float64], NDArray[np.float64]],
    edges: list[NDArray[np.float64]],
) -> None:
    """One tree, whose leaves are added to the scores of both sets, in place."""
    slope, bend = gradient
    leaves = [(np.arange(len(features)), np.arange(len(asked)), 0)]
    while leaves:
        rows, others, depth = leaves.pop()
        found = None
        if depth < _DEPTH:
            whole = slope[rows].sum() ** 2 / (bend[rows].sum() + 1)
            for column, cuts in enumerate(edges):
                for cut in cuts:
                    low = rows[features[rows, column] <= cut]
                    if not _LEAST <= len(low) <= len(rows) - _LEAST:
                        continue
                    s, b = slope[low].sum(), bend[low].sum()
                    rest = slope[rows].sum() - s, bend[rows].sum() - b
                    gain = s**2 / (b + 1) + rest[0] ** 2 / (rest[1] + 1) - whole
                    if gain > 1e-9 and (found is None or gain > found[0]):
                        found = (gain, column, cut)
        if found is None:
            step = _RATE * slope[rows].sum() / (bend[rows].sum() + 1)
            scores[0][rows] += step
            scores[1][others] += step
            continue
        _, column, cut = found
        for side in (True, False):
            mine = (features[rows, column] <= cut) == side
            theirs = (asked[others, column] <= cut) == side
            leaves.append((rows[mine], others[theirs], depth + 1))


if __name__ == "__main__":
    main()
