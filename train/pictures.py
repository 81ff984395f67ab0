"""Sheets of predictions on validation images, as the paper's Fig. 4: truth, this run, and another one beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_synth.skeleton import Skeleton
from train.data import Samples, read_image
from train.pck import Floats, Truth, distances
from train.predict import exact_crop, original_map

SIDE = 320
RIGHT, LEFT, MIDDLE = (80, 130, 255), (255, 170, 60), (120, 220, 120)
WRONG, COVERED = (0, 230, 255), (255, 255, 255)
CAPTION = 28


def sheet(
    samples: Samples, truth: Truth, predictions: Mapping[str, Floats], rows: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """One row a person: the truth, then each named prediction (N, J, 2; 1-based). BGR uint8.

    Covered joints are white in the truth; a yellow circle marks a prediction that is farther off than the followed
    threshold (half a head size).
    """
    lines = [np.hstack([_caption(name) for name in ("truth", *predictions)])]
    for row in rows:
        image = read_image(samples.paths[row])
        center, box = samples.center[row], samples.box[row] * 1.1
        crop, to_crop = exact_crop(image, center, box, SIDE), original_map(center, box, SIDE)
        known = truth.labelled[row]
        covered = known & (truth.visible[row] == 0) if truth.visible is not None else np.zeros_like(known)
        panels = [_pose(crop, samples.skeleton, _in_crop(truth.joints[row], to_crop), known, covered=covered)]
        for joints in predictions.values():
            off = np.linalg.norm(joints[row] - truth.joints[row], axis=1) > truth.followed * truth.unit[row]
            panels.append(
                _pose(
                    crop,
                    samples.skeleton,
                    _in_crop(joints[row], to_crop),
                    np.ones_like(known),
                    wrong=off & known & truth.counted,
                )
            )
        lines.append(np.hstack(panels))
    return np.vstack(lines)


def most_occluded(truth: Truth, count: int) -> NDArray[np.int64]:
    """The persons with the most occluded joints, in the order of the file; the first ones where nothing is known."""
    hidden = (truth.labelled & (truth.visible == 0)).sum(1) if truth.visible is not None else np.zeros(len(truth))
    return np.sort(np.argsort(-hidden, kind="stable")[:count])


def most_different(truth: Truth, predictions: Mapping[str, Floats], count: int) -> NDArray[np.int64]:
    """The persons on whom two predictions differ most in joints that are right at the followed threshold."""
    counted = truth.labelled & truth.counted
    right = [(distances(joints, truth) <= truth.followed) & counted for joints in predictions.values()]
    return np.sort(np.argsort(-(right[0] != right[1]).sum(1), kind="stable")[:count])


def write(path: Path, picture: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(path.suffix, picture)
    if not done:
        raise NodaError(f"{path}: OpenCV cannot write this kind of picture")
    path.write_bytes(data.tobytes())


def _in_crop(joints: Floats, to_crop: Floats) -> Floats:
    result: Floats = (joints - 1) @ to_crop[:, :2].T + to_crop[:, 2]
    return result


def _pose(
    crop: NDArray[np.uint8],
    skeleton: Skeleton,
    joints: Floats,
    shown: NDArray[np.bool_],
    covered: NDArray[np.bool_] | None = None,
    wrong: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    picture = (crop * 0.7).astype(np.uint8)
    points = [(round(float(x)), round(float(y))) for x, y in np.clip(joints, -2 * SIDE, 3 * SIDE)]
    for a, b in skeleton.limb_pairs:
        if shown[a] and shown[b]:
            cv2.line(picture, points[a], points[b], _colour(skeleton.joints[b]), 3, cv2.LINE_AA)
    for joint in np.flatnonzero(shown).tolist():
        hidden = covered is not None and covered[joint]
        cv2.circle(picture, points[joint], 5, COVERED if hidden else _colour(skeleton.joints[joint]), -1, cv2.LINE_AA)
        if hidden:
            cv2.circle(picture, points[joint], 6, (0, 0, 0), 1, cv2.LINE_AA)
        if wrong is not None and wrong[joint]:
            cv2.circle(picture, points[joint], 13, WRONG, 2, cv2.LINE_AA)
    return picture


def _colour(name: str) -> tuple[int, int, int]:
    return RIGHT if name.startswith("right") else LEFT if name.startswith("left") else MIDDLE


def _caption(text: str) -> NDArray[np.uint8]:
    strip = np.full((CAPTION, SIDE, 3), 255, np.uint8)
    cv2.putText(strip, text[:40], (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return strip
