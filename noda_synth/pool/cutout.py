"""Cutting one person out of an image: the crop, its masks, and the person's keypoints in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.geometry import inside, joint_box, usable_joints
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import Skeleton
from noda_synth.imaging.fingerprint import BYTES
from noda_synth.imaging.images import BGRImage
from noda_synth.masks import GivenMask, Mask, View, mask_quality
from noda_synth.masks.body_parts import body_parts, extent
from noda_synth.masks.entanglement import border_share

# Surroundings that a mask level sees beyond the body's outermost parts, over the longer side of the joint box: the sure
# background of GrabCut.
_CONTEXT = 0.25
# Pixels kept around the masks, so that resizing has colours to work with.
_RIM = 4


@dataclass(frozen=True, eq=False)
class Cutout:
    """A person cut out of an image. Crop coordinates are 0-based pixels of `image`.

    Attributes:
        image: (h, w, 3) uint8 BGR, the crop.
        masks: level -> mask, of the crop's size.
        quality: level -> score of the mask, see `noda_synth.masks.quality`.
        joints: (J, 2) float64 in crop coordinates, NaN where not labelled.
        labelled: (J,) bool; joints far outside the image count as not labelled.
        visible: (J,) int8.
        box: (4,) float64, x1 y1 x2 y2 of the labelled joints inside the image, in crop coordinates.
        origin: (2,) float64, the crop's corner in the source image: crop = (source + 0.5 - origin) * factor - 0.5.
        factor: (2,) float64, pixels of the crop per pixel of the source; at most 1.
        frame: (4,) int32, left, top, right and bottom of the source image without black bars, in its pixels.
        border: length of the best mask along the image's borders in body sizes; 0 if there is only the box.
        look: the fingerprint of the source image, see `noda_synth.imaging.fingerprint`.
        video: the number of the video that the source image is a frame of, or None.
    """

    image: BGRImage
    masks: Mapping[str, Mask]
    quality: Mapping[str, float]
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]
    box: NDArray[np.float64]
    origin: NDArray[np.float64]
    factor: NDArray[np.float64]
    frame: NDArray[np.int32]
    border: float
    look: bytes = bytes(BYTES)
    video: int | None = None


def pose_of(person: Person, skeleton: Skeleton, size: tuple[int, int]) -> Pose:
    """A person's keypoints in image coordinates, without those that cannot be relied on."""
    return Pose(skeleton, person.joints, usable_joints(person, size), person.visible)


def body_extent(pose: Pose, size: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    """The box (x1, y1, x2, y2) of the cardboard body, not cut off at the image's borders, and the body size S."""
    return extent(body_parts(pose, (0.0, 0.0, float(size[0]), float(size[1])))), pose.size


def is_truncated(pose: Pose, size: tuple[int, int]) -> bool:
    """The frame cuts the body off: a joint outside, or a part that reaches more than 0.1 S over the border."""
    if (pose.labelled & ~inside(pose.joints, size)).any():
        return True
    (x1, y1, x2, y2), scale = body_extent(pose, size)
    return bool(max(-x1, -y1, x2 - size[0], y2 - size[1]) > 0.1 * scale)


def cut_out(
    image: BGRImage,
    pose: Pose,
    others: tuple[Pose, ...],
    levels: Mapping[str, Callable[[View], Mask]],
    *,
    box_expand: float,
    max_side: int,
    seed: int,
) -> Cutout:
    """Cut one person out.

    Args:
        image: the whole picture.
        pose: the person's keypoints, at least two of them labelled and inside the image.
        others: keypoints of the other people in the picture.
        levels: mask level -> its function, the best one last. The crop holds the whole of a given mask.
        box_expand: see `noda_synth.masks.box`; the crop holds at least that box.
        max_side: the crop is reduced to at most this many pixels on its longer side.
        seed: for masks that draw random numbers.
    """
    height, width = image.shape[:2]
    box = joint_box(pose.joints[pose.labelled & inside(pose.joints, (width, height))])
    longer = float(max(box[2] - box[0], box[3] - box[1], 1.0))
    grown = box + longer * box_expand * np.array([-1, -1, 1, 1])
    body = _held_box(grown, pose, levels, (width, height))
    shrink = min(1.0, (max_side - 2 * _RIM - 2) / float(max(body[2] - body[0], body[3] - body[1])))

    margin = _CONTEXT * longer
    x1, y1 = (int(max(0, np.floor(low - margin))) for low in body[:2])
    x2, y2 = (int(min(end, np.ceil(high + margin) + 1)) for high, end in ((body[2], width), (body[3], height)))
    view_size = (max(1, round((x2 - x1) * shrink)), max(1, round((y2 - y1) * shrink)))
    region = image[y1:y2, x1:x2]
    picture = cv2.resize(region, view_size, interpolation=cv2.INTER_AREA) if shrink < 1 else region
    origin = np.array([x1, y1], np.float64)
    factor = np.array([view_size[0] / (x2 - x1), view_size[1] / (y2 - y1)])

    def move(other: Pose) -> Pose:
        return Pose(other.skeleton, (other.joints + 0.5 - origin) * factor - 0.5, other.labelled, other.visible)

    fx1, fy1 = (-origin) * factor - 0.5
    fx2, fy2 = (np.array([width, height]) - origin) * factor - 0.5
    moved = move(pose)
    frame = (fx1, fy1, fx2, fy2)
    view = View(np.ascontiguousarray(picture), moved, tuple(map(move, others)), frame, seed)
    masks = {level: make(view) for level, make in levels.items()}
    best = list(masks)[-1]
    return _trimmed(
        Cutout(
            image=view.image,
            masks=masks,
            quality={level: mask_quality(view, mask.inside) for level, mask in masks.items()},
            joints=np.where(moved.labelled[:, None], moved.joints, np.nan),
            labelled=moved.labelled,
            visible=moved.visible,
            box=(box + 0.5 - np.tile(origin, 2)) * np.tile(factor, 2) - 0.5,
            origin=origin,
            factor=factor,
            frame=np.array([0, 0, width, height], np.int32),
            border=0.0 if best == "box" else border_share(view, masks[best].inside),
        )
    )


def _held_box(
    grown: NDArray[np.float64], pose: Pose, levels: Mapping[str, Callable[[View], Mask]], size: tuple[int, int]
) -> NDArray[np.float64]:
    """(4,) x1 y1 x2 y2 in the image: what the crop has to hold, a box, the cardboard body and any given mask."""
    given = (level.box for level in levels.values() if isinstance(level, GivenMask))
    boxes = np.stack([grown, body_extent(pose, size)[0], *given])
    union = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    return np.asarray(np.clip(union, 0, np.array([*size, *size])))


def _trimmed(cutout: Cutout) -> Cutout:
    """A cut-out without the surroundings that no mask needs."""
    union = np.logical_or.reduce([mask.opacity > 0 for mask in cutout.masks.values()])
    rows, columns = np.flatnonzero(union.any(axis=1)), np.flatnonzero(union.any(axis=0))
    if not len(rows):
        rows, columns = np.array([0]), np.array([0])
    top, left = max(0, rows[0] - _RIM), max(0, columns[0] - _RIM)
    cut = slice(top, rows[-1] + 1 + _RIM), slice(left, columns[-1] + 1 + _RIM)
    shift = np.array([left, top], np.float64)
    return replace(
        cutout,
        image=cutout.image[cut],
        masks={level: _cut(mask, cut) for level, mask in cutout.masks.items()},
        joints=cutout.joints - shift,
        box=cutout.box - np.tile(shift, 2),
        origin=cutout.origin + shift / cutout.factor,
    )


def _cut(mask: Mask, cut: tuple[slice, slice]) -> Mask:
    return Mask(mask.inside[cut], mask.fallback, None if mask.matte is None else mask.matte[cut])
