"""Sheets of predictions on validation images, as the paper's Fig. 4: truth, this run, and another one beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import write_bytes
from noda_train.arrays import Floats
from noda_train.data import Samples, read_image
from noda_train.metrics.pck import distances
from noda_train.metrics.truth import Truth
from noda_train.predict import original_map

Picture = NDArray[np.uint8]

SIDE = 320
RIGHT, LEFT, MIDDLE = (60, 110, 255), (255, 160, 40), (110, 220, 110)
WRONG, COVERED, EDGE = (0, 230, 255), (255, 255, 255), (25, 25, 25)
CHOICES = ("different", "better", "worse")


def sheet(
    samples: Samples,
    truth: Truth,
    predictions: Mapping[str, Floats],
    rows: NDArray[np.int64],
    side: int = SIDE,
    across: int = 1,
) -> Picture:
    """The truth, then each named prediction (N, J, 2; 1-based) of one person after another. BGR uint8.

    Covered joints are white in the truth; a yellow circle marks a prediction that is farther off than the followed
    threshold (half a head size). Joints that the truth does not label are not shown.

    Args:
        samples: the persons.
        truth: what is true of them.
        predictions: by the names that stand above the columns.
        rows: the persons shown.
        side: of a panel, pixels.
        across: persons beside one another.
    """
    names = ("ground truth", *predictions)
    persons = [_person(samples, truth, predictions, int(row), side) for row in rows]
    blank = [np.full((side, side, 3), 255, np.uint8)] * len(names)
    gap = max(4, side // 60)
    captions = _apart([_caption(name, side) for name in names], gap)
    lines = [_apart([captions] * across, 4 * gap)]
    for start in range(0, len(persons), across):
        group = [*persons[start : start + across], *([blank] * (across - len(persons[start : start + across])))]
        lines.append(_apart([_apart(panels, gap) for panels in group], 4 * gap))
    return _apart(lines, gap, axis=0)


def _person(samples: Samples, truth: Truth, predictions: Mapping[str, Floats], row: int, side: int) -> list[Picture]:
    """A person's panels: the truth, then the predictions."""
    center, box = samples.center[row], samples.box[row] * 1.1
    to_crop = original_map(center, box, side)
    # Light where the picture ends; black, as networks see it, would look like a part of the scene.
    warped = cv2.warpAffine(read_image(samples.paths[row]), to_crop, (side, side), borderValue=(255, 255, 255))
    crop = np.asarray(warped, dtype=np.uint8)
    known = truth.labelled[row]
    none = np.zeros_like(known)
    covered = known & (truth.visible[row] == 0) if truth.visible is not None else none
    panels = [_pose(crop, samples.skeleton, _in_crop(truth.joints[row], to_crop), known, covered, none)]
    for joints in predictions.values():
        in_crop, wrong = _in_crop(joints[row], to_crop), wrong_joints(joints, truth)[row]
        panels.append(_pose(crop, samples.skeleton, in_crop, known, none, wrong))
    return panels


def most_occluded(truth: Truth, count: int) -> NDArray[np.int64]:
    """The persons with the most occluded joints, in the order of the file; the first ones where nothing is known."""
    hidden = (truth.labelled & (truth.visible == 0)).sum(1) if truth.visible is not None else np.zeros(len(truth))
    return np.sort(np.argsort(-hidden, kind="stable")[:count])


def wrong_joints(joints: Floats, truth: Truth) -> NDArray[np.bool_]:
    """(N, J) bool: farther off than the followed threshold; MPII's pelvis and thorax too, which PCKh leaves out."""
    wrong: NDArray[np.bool_] = ~(distances(joints, truth) <= truth.followed) & truth.labelled
    return wrong


def most_different(
    truth: Truth, other: Floats, ours: Floats, count: int, choose: str = "different"
) -> NDArray[np.int64]:
    """The persons on whom two predictions differ most in joints that are wrong, the most different first.

    Only persons on whom they do differ; "better" and "worse" take those alone where ours has fewer or more.
    """
    theirs, own = wrong_joints(other, truth), wrong_joints(ours, truth)
    gain = theirs.sum(1) - own.sum(1)
    rank = {"different": (theirs != own).sum(1), "better": gain, "worse": -gain}[choose]
    order = np.argsort(-rank, kind="stable")[:count]
    return np.asarray(order[rank[order] > 0], dtype=np.int64)


def write(path: Path, picture: Picture) -> None:
    done, data = cv2.imencode(path.suffix or ".png", picture)
    if not done:
        raise NodaError(f"{path}: OpenCV cannot write this kind of picture")
    write_bytes(path, data.tobytes())


def _in_crop(joints: Floats, to_crop: Floats) -> Floats:
    result: Floats = (joints - 1) @ to_crop[:, :2].T + to_crop[:, 2]
    return result


def _pose(
    crop: Picture,
    skeleton: Skeleton,
    joints: Floats,
    shown: NDArray[np.bool_],
    covered: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
) -> Picture:
    """A person's crop with its limbs and joints, edged so that they show on any ground. Sizes go with the panel's."""
    picture = (crop * 0.8).astype(np.uint8)
    side = len(crop)
    unit = side / SIDE
    thick, dot, ring = round(3 * unit), round(4.5 * unit), round(13 * unit)
    points = [
        (round(float(x)), round(float(y))) for x, y in np.clip(np.nan_to_num(joints, nan=-side), -2 * side, 3 * side)
    ]
    shown = shown & np.isfinite(joints).all(1)
    colours = _colours(skeleton)
    limbs = [(a, b) for a, b in skeleton.limb_indices if shown[a] and shown[b]]
    for a, b in limbs:
        cv2.line(picture, points[a], points[b], EDGE, thick + 2, cv2.LINE_AA)
    for a, b in limbs:
        cv2.line(picture, points[a], points[b], colours[b], thick, cv2.LINE_AA)
    for joint in np.flatnonzero(shown).tolist():
        cv2.circle(picture, points[joint], dot + 1, EDGE, -1, cv2.LINE_AA)
        colour = COVERED if covered[joint] else colours[joint]
        cv2.circle(picture, points[joint], dot, colour, -1, cv2.LINE_AA)
    for joint in np.flatnonzero(shown & wrong).tolist():
        cv2.circle(picture, points[joint], ring, WRONG, max(2, thick - 1), cv2.LINE_AA)
    return picture


def _colours(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """By the skeleton's pairs of right and left, which it may name as it likes."""
    colours = [MIDDLE] * len(skeleton)
    for right, left in skeleton.flip_indices:
        colours[right], colours[left] = RIGHT, LEFT
    return colours


def _caption(text: str, side: int) -> Picture:
    """The name of a column, about its middle, cut where it is too long."""
    font = ImageFont.load_default(max(15, side // 18))
    while font.getlength(text) > side - 4 and len(text) > 4:
        text = text[:-4] + "..." if text.endswith("...") else text[:-3] + "..."
    strip = Image.new("RGB", (side, side // 9), "white")
    ImageDraw.Draw(strip).text((side / 2, side / 18), text, (20, 20, 20), font, anchor="mm")
    return np.asarray(strip, dtype=np.uint8)


def _apart(pictures: list[Picture], gap: int, axis: int = 1) -> Picture:
    """Pictures side by side, or one below the other, with white between them."""
    height, width = pictures[0].shape[:2]
    shape = (height, gap, 3) if axis == 1 else (gap, width, 3)
    parts = [part for picture in pictures for part in (np.full(shape, 255, np.uint8), picture)]
    return np.concatenate(parts[1:], axis=axis)
