"""Edge smoothing, pasting and coverage (paper, section IV-C): pure functions on arrays.

A *stamp* is what covers a picture, for example a resized body: an alpha, colours of the same size, and the pixel of the
picture under its top-left pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SMOOTHINGS = ("ring", "feather", "matte", "none")
COVERING = 128
"""A pixel is covered where the pasted alpha is at least this: one half of 255."""

_RING_SIZE, _RING_ALPHA = 8, 192
_FEATHER = 6.0
# Opacity from which a pixel of a matte is all body, and how many pixels its colours are carried outwards.
_SOLID, _BLEED = 235, 4
_OPAQUE = 255
# Radius in pixels that the blur of blur fusion has on its reduced copy.
_REDUCED_RADIUS = 6


@dataclass(frozen=True, eq=False)
class Overlay:
    """What covers a picture, without its colours: alpha (h, w) uint8, and the picture's pixel under its first one."""

    alpha: NDArray[np.uint8]
    left: int
    top: int


def edge_alpha(opacity: NDArray[np.uint8], smooth: str) -> NDArray[np.uint8]:
    """Opacity of a body at the size of its crop.

    Args:
        opacity: (h, w) uint8 as stored in the pool: the body is where it is at least 128.
        smooth: "ring": the outermost ring of the mask, as wide as an erosion by an 8 x 8 ellipse takes away, gets
            192 / 255 (the paper's reference [17], Sarandi et al. 2018); "feather": opacity rises over six pixels from
            the outline inwards; "matte": the opacity as stored; "none": all or nothing.

    Returns:
        (h, w) uint8; 0 outside the mask, except that a matte fades out there.
    """
    if smooth == "matte":
        return opacity
    mask = np.asarray(cv2.threshold(opacity, COVERING - 1, 255, cv2.THRESH_BINARY)[1], np.uint8)
    if smooth == "ring":
        x, y, width, height = cv2.boundingRect(mask)
        if not width:
            return mask
        body = mask[y : y + height, x : x + width]
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_RING_SIZE, _RING_SIZE))
        # Beyond the crop's border there is no body: the ring runs along that border too.
        core = cv2.erode(body, ellipse, borderType=cv2.BORDER_CONSTANT, borderValue=0.0)
        cv2.max(core, np.minimum(body, np.uint8(_RING_ALPHA)), dst=body)
        return mask
    if smooth == "feather":
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0.0)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
        return np.asarray(255 * np.clip(depth / _FEATHER, 0, 1) + 0.5).astype(np.uint8)
    if smooth == "none":
        return mask
    raise ValueError(f"unknown smoothing {smooth!r}, expected one of {SMOOTHINGS}")


def resize_alpha(alpha: NDArray[np.uint8], size: tuple[int, int], smooth: str) -> NDArray[np.uint8]:
    """The alpha of a stamp of (width, height); without smoothing its outline stays hard."""
    resized = np.asarray(cv2.resize(alpha, size, interpolation=_interpolation(alpha, size)), np.uint8)
    return np.where(resized >= COVERING, np.uint8(255), np.uint8(0)) if smooth == "none" else resized


def resize_crop(crop: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The colours of a stamp of (width, height)."""
    return np.asarray(cv2.resize(crop, size, interpolation=_interpolation(crop, size)), np.uint8)


def rim_colours(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A stamp (h, w, 3) whose half transparent rim takes its colours from the body beside it.

    In the crop the rim shows body and old background mixed; pasted as it is, it would carry a seam of that background.
    """
    solid = (alpha >= _SOLID).astype(np.float32)
    window = (2 * _BLEED + 1, 2 * _BLEED + 1)
    weight = np.asarray(cv2.blur(solid, window))
    rim = np.nonzero((alpha > 0) & (alpha < _SOLID) & (weight > 0.01))
    if not len(rim[0]):
        return colours
    spread = np.asarray(cv2.blur(colours * solid[..., None], window))
    mended = colours.copy()
    mended[rim] = np.clip(spread[rim] / weight[rim][:, None] + 0.5, 0, 255).astype(np.uint8)
    return mended


def fused_colours(colours: NDArray[np.uint8], alpha: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """An overlay (h, w, 3) whose half transparent rim has the body's colours alone: foreground by blur fusion.

    In the crop the rim shows body and old background mixed; pasted as it is, it would carry a seam of that background.
    After Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021): both layers are blurred, on a reduced
    copy, and then corrected so that together they give the picture. The original's second, narrow step is left out.
    Colours change where alpha is neither 0 nor 255, and nowhere else.

    Args:
        colours: (h, w, 3) uint8.
        alpha: (h, w) uint8.
        radius: of the blur, pixels of the overlay.
    """
    soft = (alpha > 0) & (alpha < _OPAQUE)
    x, y, width, height = cv2.boundingRect(soft.astype(np.uint8))
    if not width:
        return colours
    box = slice(y, y + height), slice(x, x + width)
    reduction = max(1, radius // _REDUCED_RADIUS)
    size = -(-width // reduction), -(-height // reduction)
    small = cv2.resize(colours[box], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = cv2.merge([cv2.resize(alpha[box], size, interpolation=cv2.INTER_AREA)] * 3).astype(np.float32) / _OPAQUE
    window = (2 * max(1, radius // reduction) + 1,) * 2
    share, front, both = (np.asarray(cv2.blur(values, window)) for values in (weight, small * weight, small))
    behind = (both - front) / (1 - share + 1e-5)
    layers = (np.asarray(cv2.resize(values, (width, height))) for values in (front / (share + 1e-5), behind))
    # By flat indices, and with three equal columns of alpha: a mask for every array takes twice as long in all.
    rim, inside = np.flatnonzero(soft), np.flatnonzero(soft[box])
    ahead, behind = (values.reshape(-1, 3).take(inside, axis=0) for values in layers)
    near = np.repeat(alpha.ravel().take(rim).astype(np.float32) / _OPAQUE, 3).reshape(-1, 3)
    seen = colours.reshape(-1, 3).take(rim, axis=0).astype(np.float32)
    mended = colours.copy()
    found = ahead + near * (seen - near * ahead - (1 - near) * behind)
    mended.reshape(-1, 3)[rim] = np.clip(found + 0.5, 0, 255).astype(np.uint8)
    return mended


def paste(image: NDArray[np.uint8], colours: NDArray[np.uint8], alpha: NDArray[np.uint8], left: int, top: int) -> None:
    """Blend a stamp into a picture, in place.

    Pixels with alpha 0 keep their value exactly, those with 255 get the body's. In between the two shares are rounded
    one by one, so that a value may be off by one.

    Args:
        image: (H, W, 3) uint8.
        colours: (h, w, 3) uint8.
        alpha: (h, w) uint8.
        left, top: pixel of `image` under the stamp's top-left pixel; the stamp may hang over any border.
    """
    window = overlap(alpha.shape, image.shape, left, top)
    if window is None:
        return
    on_image, on_stamp = window
    opacity = np.ascontiguousarray(alpha[on_stamp])
    x, y, width, height = cv2.boundingRect(opacity)
    if not width:
        return
    shown = slice(y, y + height), slice(x, x + width)
    region, body = image[on_image][shown], colours[on_stamp][shown]
    weight = cv2.merge([opacity[shown]] * 3)
    region[...] = cv2.add(
        cv2.multiply(body, weight, scale=1 / 255), cv2.multiply(region, cv2.bitwise_not(weight), scale=1 / 255)
    )


def overlap(
    stamp: tuple[int, ...], image: tuple[int, ...], left: int, top: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """The slices of picture and stamp that overlap, or None; shapes are (height, width, ...)."""
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + stamp[1], image[1]), min(top + stamp[0], image[0])
    if x1 >= x2 or y1 >= y2:
        return None
    return (slice(y1, y2), slice(x1, x2)), (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))


def alpha_at(
    alpha: NDArray[np.uint8], points: NDArray[np.float64], left: NDArray[np.int64] | int, top: NDArray[np.int64] | int
) -> NDArray[np.uint8]:
    """Opacity of a stamp at points of the picture; 0 beside the stamp and for NaN.

    Args:
        alpha: (h, w) uint8.
        points: (P, 2) float64, 0-based pixels of the picture; a point lies in the pixel floor(x + 0.5).
        left, top: the stamp's corner, or (K, 1) int64 for K corners at once.

    Returns:
        (P,) or (K, P) uint8.
    """
    known = np.asarray(np.isfinite(points).all(axis=1))
    pixels = np.floor(np.where(known[:, None], points, 0.0) + 0.5).astype(np.int64)
    column, row = pixels[:, 0] - left, pixels[:, 1] - top
    height, width = alpha.shape
    on_stamp = known & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(on_stamp, alpha[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], np.uint8(0))


def _interpolation(source: NDArray[np.uint8], size: tuple[int, int]) -> int:
    # Down to one half no pixel of the source falls between two samples, so that averaging areas, which takes three
    # times as long, shows no gain.
    return cv2.INTER_AREA if 2 * size[0] < source.shape[1] else cv2.INTER_LINEAR
