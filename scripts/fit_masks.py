"""Fit the widths of the body's parts and the weights of the evidence to true outlines, cross-validated.

    python -m scripts.fit_masks --data data/coco-masks --jobs 2

Any COCO file with keypoints and polygons will do. Another skeleton starts from COCO's or MPII's constants where the
tables `WIDTHS` and `WEIGHTS` have no entry for it. What is printed has the form of these tables.

The fit climbs: one number after the other goes up and down by a tenth (the two radii of a part together), and stays
where the mean intersection over union of posecut is best, over everybody twice: with the visibility of the joints and
without. Masks are compared at posecut's working size, which is quicker. The climb is done once on all images, and once
for every fold with that fold's images held out, so that what the fit promises can be told from what it keeps. Changes
that gain less than 0.0003 are not made: the optimum is flat.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.masks.body_parts import WIDTHS, Widths, fitted_like
from noda_synth.masks.evidence import WEIGHTS, Weights, evidence_of
from noda_synth.masks.posecut import body_field, guide_of
from scripts.bench_masks import Measured, people_with_outlines, without_visibility

FITTED_WEIGHTS = ("prior", "colour", "bias", "hidden", "shown", "other_joint", "slope")
STEP, LEAST_GAIN = 0.1, 0.0003


@dataclass(frozen=True)
class Constants:
    """What is fitted."""

    widths: Widths
    weights: Weights

    def changed(self, name: str, factor: float) -> Constants:
        """The constants with one of them multiplied."""
        part = "weights" if name in FITTED_WEIGHTS else "widths"
        old = getattr(getattr(self, part), name)
        new = tuple(round(value * factor, 4) for value in old) if isinstance(old, tuple) else round(old * factor, 4)
        return replace(self, **{part: replace(getattr(self, part), **{name: new})})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="COCO folder with outlines")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=1, help="times that every number is tried")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()

    global _people
    seen = list(people_with_outlines(arguments.data))
    _people = seen + without_visibility(seen)
    skeleton = seen[0].view.pose.skeleton.name
    like = fitted_like(seen[0].view.pose.skeleton)
    start = Constants(WIDTHS[like], WEIGHTS[like])
    images = sorted({person.image for person in seen})
    order = np.random.default_rng(0).permutation(len(images)) % arguments.folds
    fold = np.array([order[images.index(person.image)] for person in _people])
    # The workers inherit the pictures.
    with ProcessPoolExecutor(arguments.jobs, get_context("fork")) as workers:
        score = Scores(workers)
        held_out = np.zeros(len(_people))
        for number in range(arguments.folds):
            train = fold != number
            fitted = climb(start, train, score, arguments.rounds)
            held_out[~train] = score(fitted)[~train]
            before, after = score(start)[train].mean(), score(fitted)[train].mean()
            print(f"fold {number}: {before:.4f} -> {after:.4f} where it was fitted", flush=True)
        fitted = climb(start, np.ones(len(_people), np.bool_), score, arguments.rounds)
        report(len(seen), score(start), score(fitted), held_out)
    print(f'\nWIDTHS["{skeleton}"] = {fitted.widths}\n\nWEIGHTS["{skeleton}"] = {fitted.weights}')


class Scores:
    """Overlap of everybody's mask under given constants, (people,) float64; remembered, since the folds climb alike."""

    def __init__(self, workers: ProcessPoolExecutor) -> None:
        self.workers = workers
        self.known: dict[Constants, NDArray[np.float64]] = {}

    def __call__(self, constants: Constants) -> NDArray[np.float64]:
        if constants not in self.known:
            overlaps = self.workers.map(_overlap, range(len(_people)), [constants] * len(_people), chunksize=16)
            self.known[constants] = np.array(list(overlaps))
        return self.known[constants]


_people: list[Measured] = []


def _overlap(number: int, constants: Constants) -> float:
    cv2.setNumThreads(1)
    person = _people[number]
    skeleton = person.view.pose.skeleton.name
    WIDTHS[skeleton], WEIGHTS[skeleton] = constants.widths, constants.weights
    # A new view, so that the evidence of the last constants is not taken for this one's.
    evidence = evidence_of(replace(person.view))
    inside = body_field(evidence, guide_of(evidence)) > 0.5
    x1, y1, x2, y2 = evidence.window
    height, width = inside.shape
    truth = cv2.resize(person.truth[y1:y2, x1:x2].astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    # What of the outline lies outside the window counts as well.
    area = person.area * truth.sum() / max(1, person.truth[y1:y2, x1:x2].sum())
    common = float(truth[inside].sum())
    return common / max(1.0, float(inside.sum() + area - common))


def climb(constants: Constants, chosen: NDArray[np.bool_], score: Scores, rounds: int) -> Constants:
    """Change one number after the other as long as the mean overlap of the chosen people grows."""
    names = [field.name for field in fields(Widths)] + list(FITTED_WEIGHTS)
    best = score(constants)[chosen].mean()
    for _ in range(rounds):
        for name in names:
            for factor in (1 + STEP, 1 - STEP):
                candidate = constants.changed(name, factor)
                value = score(candidate)[chosen].mean()
                if value > best + LEAST_GAIN:
                    constants, best = candidate, value
                    break
    return constants


def report(people: int, start: NDArray[np.float64], fitted: NDArray[np.float64], held_out: NDArray[np.float64]) -> None:
    print(f"\nmean IoU of posecut, {people} people   with visibility   without")
    for name, overlaps in (("as it stands", start), ("fitted on all", fitted), ("fitted, held out", held_out)):
        print(f"{name:<36}{overlaps[:people].mean():>16.4f}{overlaps[people:].mean():>10.4f}")


if __name__ == "__main__":
    main()
