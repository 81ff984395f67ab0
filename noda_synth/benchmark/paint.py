"""The picture of a twin: the body's soft posecut mask, kept from contradicting what was decided at the joints.

Pictures may differ in a few grey values between versions of OpenCV, and a mask by a few pixels; labels do not: where
the mask says otherwise at a joint than the decision, it is filled or cleared there, in a small disc with a soft rim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.benchmark.decide import Body, BodyPosition, ValidationTarget
from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.imaging.compositing import Overlay, paste, resize_alpha, resize_crop, rim_colours
from noda_synth.imaging.images import BGRImage
from noda_synth.masks import MaskSettings, mask_functions
from noda_synth.pool.build import PoolSettings
from noda_synth.pool.cutout import Cutout, cut_out, pose_of
from noda_synth.seeding import item_seed

LEVEL, _SMOOTH = "posecut", "matte"
# Opacity that leaves no doubt, covered and free.
_COVERED, _FREE = 192, 64
# Radius of the disc that is filled or cleared at a joint, in S of the pasted body, and at least so many pixels.
_DISC, _LEAST = 0.10, 4


@dataclass(frozen=True, eq=False)
class BodyOverlay(Overlay):
    """A body as it is pasted.

    Attributes:
        colours: (h, w, 3) uint8 BGR.
        mended: number of points at which the mask had to be filled or cleared.
    """

    colours: NDArray[np.uint8]
    mended: int


@dataclass(frozen=True, eq=False)
class TwinSpec:
    """A twin to be painted.

    Attributes:
        line: its line of the manifest.
        target: the validation person who is covered.
        body: the occluder in whole numbers.
        occluder: the occluder as annotated; None for a body of a pool, which its row finds.
        others: the other people of the occluder's image.
    """

    line: dict[str, Any]
    target: Person
    body: Body
    occluder: Person | None
    others: tuple[Person, ...] = ()


def cut_body(image: BGRImage, person: Person, others: Sequence[Person], skeleton: Skeleton) -> Cutout:
    """Cut a body out of its image, as build-pool does."""
    size = (image.shape[1], image.shape[0])
    functions = mask_functions(MaskSettings())
    # With the cardboard body beside it the crop reaches as far as the figure, however little the mask keeps.
    levels = {level: functions[level] for level in ("cardboard", LEVEL)}
    usual = PoolSettings()
    return cut_out(
        image,
        pose_of(person, skeleton, size),
        tuple(pose_of(other, skeleton, size) for other in others),
        levels,
        box_expand=usual.masks.box_expand,
        max_side=usual.max_side,
        seed=item_seed(0, "mask", person.image),
    )


def body_overlay(
    cutout: Cutout,
    body: Body,
    position: BodyPosition,
    target: ValidationTarget,
    covered: NDArray[np.bool_],
    level: str = LEVEL,
) -> BodyOverlay:
    """The body at its position over the target, by a mask of the cutout, with `covered` (J,) of its joints under it."""
    scale = position.factor / 256
    height, width = cutout.image.shape[:2]
    size = tuple(max(1, int(side * scale / f + 0.5)) for side, f in zip((width, height), cutout.factor, strict=True))
    corner = np.array([position.x, position.y]) + scale * (cutout.origin - np.array(body.joints.center()) - 0.5)
    left, top = (int(value) for value in np.floor(corner + 1))
    alpha = resize_alpha(cutout.masks[level].opacity, (size[0], size[1]), _SMOOTH)
    colours = rim_colours(resize_crop(cutout.image, (size[0], size[1])), alpha)
    joints = np.floor(target.person.joints[target.inside] + 0.5).astype(np.int64)
    hit, corner_px = covered[target.inside], np.array([left, top], np.int64)
    radius = max(_LEAST, _DISC * body.size * scale)
    rim = _missing_rim(joints[hit] - corner_px, (size[0], size[1]), int(radius) + 1)
    if rim:
        colours = np.asarray(cv2.copyMakeBorder(colours, rim, rim, rim, rim, cv2.BORDER_REPLICATE), np.uint8)
        alpha, corner_px = np.pad(alpha, rim), corner_px - rim
    free = np.concatenate([joints[~hit], target.free_points])
    alpha, mended = agreeing_alpha(alpha, joints[hit] - corner_px, free - corner_px, radius)
    return BodyOverlay(alpha, int(corner_px[0]), int(corner_px[1]), colours, mended)


def _missing_rim(points: NDArray[np.int64], size: tuple[int, int], radius: int) -> int:
    """By how many pixels an overlay has to grow to hold all points (P, 2), with the radius where one lies outside."""
    if not len(points):
        return 0
    beyond = int(max(-points.min(), (points - np.array(size) + 1).max()))
    return beyond + radius if beyond > 0 else 0


def agreeing_alpha(
    alpha: NDArray[np.uint8], covered: NDArray[np.int64], free: NDArray[np.int64], radius: float
) -> tuple[NDArray[np.uint8], int]:
    """An alpha that is opaque at the covered points and transparent at the free ones, and how many had to be mended.

    Args:
        alpha: (h, w) uint8.
        covered: (P, 2) int64 pixels of the alpha.
        free: (P, 2) int64; may lie beside it.
        radius: of the disc in pixels; full to one half of it, from there it fades.
    """
    height, width = alpha.shape
    rows, columns = np.mgrid[:height, :width]
    mended = alpha.astype(np.float64)
    count = 0
    for opaque, points in ((True, covered), (False, free)):
        for x, y in points:
            if not (0 <= x < width and 0 <= y < height):
                continue
            value = mended[y, x]
            if (value >= _COVERED) if opaque else (value < _FREE):
                continue
            count += 1
            full = np.clip(2 * (1 - np.hypot(columns - x, rows - y) / radius), 0, 1)
            mended = np.maximum(mended, 255 * full) if opaque else np.minimum(mended, 255 * (1 - full))
    return np.floor(mended + 0.5).astype(np.uint8), count


def paint_twin(picture: BGRImage, cutout: Cutout, spec: TwinSpec, skeleton: Skeleton, level: str = LEVEL) -> int:
    """Cover a person in a picture, in place; returns at how many points the mask had to be mended.

    Args:
        picture: (H, W, 3) uint8 BGR, the validation image.
        cutout: the body.
        spec: whom to cover, by whom and where.
        skeleton: the joints of the target.
        level: the mask of the cutout.
    """
    position = BodyPosition(body=0, **spec.line["place"])
    target = ValidationTarget(spec.target, skeleton, (picture.shape[1], picture.shape[0]))
    overlay = body_overlay(cutout, spec.body, position, target, skeleton.flags(spec.line["covered"]), level)
    paste(picture, overlay.colours, overlay.alpha, overlay.left, overlay.top)
    return overlay.mended
