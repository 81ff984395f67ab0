"""Sheets of predictions on validation images, as the paper's Fig. 4: truth, this run, and another one beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.skeleton import Skeleton
from noda_synth.figures.image_grid import GridLayout, image_grid
from noda_synth.figures.style import DPI, encode, figure_format, house_style
from noda_synth.formats.files.atomic import write_bytes
from noda_train.arrays import Floats
from noda_train.data import Samples, read_image
from noda_train.metrics.pck import distances
from noda_train.metrics.truth import Truth
from noda_train.predict import original_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 320
RIGHT, LEFT, MIDDLE = "#ff6e3c", "#28a0ff", "#6edc6e"
WRONG, COVERED, EDGE = "#ffe600", "#ffffff", "#191919"


@house_style()
def write_sheet(
    path: Path,
    samples: Samples,
    truth: Truth,
    predictions: Mapping[str, Floats],
    rows: NDArray[np.int64],
    side: int = SIDE,
    across: int = 1,
) -> None:
    """Draw the truth, then each named prediction (N, J, 2; 1-based) of one person after another.

    Covered joints are white in the truth; a yellow circle marks a prediction that is farther off than the followed
    threshold (half a head size). Joints that the truth does not label are not shown.

    Args:
        path: the figure: .png, .pdf or .svg.
        samples: the persons.
        truth: what is true of them.
        predictions: by the names that stand above the columns.
        rows: the persons shown.
        side: of a panel, pixels.
        across: persons beside one another.

    Raises:
        NodaError: the path has another suffix or cannot be written, an image is broken, or Matplotlib is missing.
    """
    file_format = figure_format(path)
    captions = ("ground truth", *predictions)
    layout = GridLayout((side, side), -(-len(rows) // across), across, max(4, side // 60), side // 9)
    figure, grid = image_grid(captions, layout)
    for number, row in enumerate(rows.tolist()):
        line, first = number // across, number % across * len(captions)
        _draw_person(grid[line][first : first + len(captions)], samples, truth, list(predictions.values()), row)
    write_bytes(path, encode(figure, file_format))


def _draw_person(panels: list[Axes], samples: Samples, truth: Truth, predictions: list[Floats], row: int) -> None:
    """A person's panels: the truth, then the predictions."""
    side = round(panels[0].get_xlim()[1] + 0.5)
    to_crop = original_map(samples.center[row], samples.box[row] * 1.1, side)
    # White where the picture ends; black, as networks see it, would look like a part of the scene.
    image = read_image(samples.paths[row])
    crop = np.asarray(cv2.warpAffine(image, to_crop, (side, side), borderValue=(255, 255, 255)) * 0.8, np.uint8)
    known = truth.labelled[row]
    none = np.zeros_like(known)
    covered = known & (truth.visible[row] == 0) if truth.visible is not None else none
    for number, (axes, joints) in enumerate(zip(panels, (truth.joints, *predictions), strict=True)):
        axes.imshow(crop[:, :, ::-1])
        in_crop = (joints[row] - 1) @ to_crop[:, :2].T + to_crop[:, 2]
        wrong = wrong_joints(joints, truth)[row] if number else none
        _draw_pose(axes, samples.skeleton, in_crop, known, none if number else covered, wrong)


def spread_out(truth: Truth, count: int) -> NDArray[np.int64]:
    """So many persons with labelled joints, evenly spread over the file: neither the easy nor the hard ones."""
    rows = np.flatnonzero(truth.labelled.any(axis=1))
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)
    return np.asarray(rows[places], dtype=np.int64)


def wrong_joints(joints: Floats, truth: Truth) -> NDArray[np.bool_]:
    """(N, J) bool: farther off than the followed threshold; MPII's pelvis and thorax too, which PCKh leaves out."""
    wrong: NDArray[np.bool_] = ~(distances(joints, truth) <= truth.followed) & truth.labelled
    return wrong


def most_different(
    truth: Truth, other: Floats, ours: Floats, count: int, choose: str = "different"
) -> NDArray[np.int64]:
    """The persons on whom two predictions differ most in the number of joints that are wrong, most different first.

    Only persons on whom the numbers do differ; "better" and "worse" take those alone where ours is lower or higher.
    """
    gain = wrong_joints(other, truth).sum(1) - wrong_joints(ours, truth).sum(1)
    rank = {"different": np.abs(gain), "better": gain, "worse": -gain}[choose]
    order = np.argsort(-rank, kind="stable")[:count]
    return np.asarray(order[rank[order] > 0], dtype=np.int64)


def _draw_pose(
    axes: Axes,
    skeleton: Skeleton,
    joints: Floats,
    shown: NDArray[np.bool_],
    covered: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
) -> None:
    """Limbs and joints (J, 2) in pixels of the panel, edged so that they show on any ground."""
    side = axes.get_xlim()[1] + 0.5
    unit = side / SIDE * 72 / DPI  # points of a pixel in a panel of the usual size
    shown = shown & np.isfinite(joints).all(1)
    joints = np.clip(np.nan_to_num(joints), -2 * side, 3 * side)
    colours = _colours(skeleton)
    limbs = [[a, b] for a, b in skeleton.limb_indices if shown[a] and shown[b]]
    for edge in (True, False):
        for limb in limbs:
            colour, width = (EDGE, 5) if edge else (colours[limb[1]], 3)
            axes.plot(*joints[limb].T, color=colour, linewidth=width * unit, solid_capstyle="round")
    for joint in np.flatnonzero(shown).tolist():
        colour = COVERED if covered[joint] else colours[joint]
        axes.plot(*joints[joint], "o", color=colour, markersize=10 * unit, markeredgecolor=EDGE, markeredgewidth=unit)
    rings = joints[shown & wrong].T
    axes.plot(*rings, "o", color="none", markersize=26 * unit, markeredgecolor=WRONG, markeredgewidth=2.5 * unit)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))


def _colours(skeleton: Skeleton) -> list[str]:
    """By the skeleton's pairs of right and left, which it may name as it likes."""
    colours = [MIDDLE] * len(skeleton)
    for right, left in skeleton.flip_indices:
        colours[right], colours[left] = RIGHT, LEFT
    return colours
