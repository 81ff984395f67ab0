"""The colour guided filter (He, Sun, Tang 2010), with its coefficients so that it can be applied at a finer size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def coefficients(guide: Field, values: Field, radius: int, epsilon: float) -> tuple[Field, Field]:
    """The linear model of the values in each window of the guide.

    Args:
        guide: (H, W, 3) float32 in 0..1.
        values: (H, W) float32.
        radius: of the square window, pixels.
        epsilon: larger values smooth more.

    Returns:
        slope (H, W, 3) and offset (H, W): filtered = (slope * guide).sum(-1) + offset.
    """

    def mean(field: Field) -> Field:
        return np.asarray(cv2.blur(field, (2 * radius + 1, 2 * radius + 1)), np.float32)

    mean_guide, mean_values = mean(guide), mean(values)
    covariance = mean(guide * values[..., None]) - mean_guide * mean_values[..., None]
    # Variances of the guide: bb, gg, rr, then bg, gr, rb, in one call.
    squares = mean(guide * guide) - mean_guide * mean_guide + np.float32(epsilon)
    rolled, mean_rolled = np.roll(guide, -1, axis=2), np.roll(mean_guide, -1, axis=2)
    products = mean(np.ascontiguousarray(guide * rolled)) - mean_guide * mean_rolled
    (bb, gg, rr), (bg, gr, rb) = np.moveaxis(squares, 2, 0), np.moveaxis(products, 2, 0)
    # The inverse of a symmetric 3 x 3 matrix at every pixel, by cofactors.
    c_bb, c_bg, c_br = gg * rr - gr * gr, rb * gr - bg * rr, bg * gr - rb * gg
    c_gg, c_gr, c_rr = bb * rr - rb * rb, bg * rb - bb * gr, bb * gg - bg * bg
    determinant = bb * c_bb + bg * c_bg + rb * c_br
    b, g, r = np.moveaxis(covariance, 2, 0)
    slope = np.stack([c_bb * b + c_bg * g + c_br * r, c_bg * b + c_gg * g + c_gr * r, c_br * b + c_gr * g + c_rr * r])
    slope = np.moveaxis(slope / determinant, 0, 2)
    offset = mean_values - np.einsum("ijc,ijc->ij", slope, mean_guide)
    return mean(np.ascontiguousarray(slope)), mean(offset)


def apply(guide: Field, slope: Field, offset: Field) -> Field:
    """The filtered values (H, W) for a guide of the coefficients' size."""
    # Several times faster than to multiply and to sum along an axis of three.
    return np.asarray(np.einsum("ijc,ijc->ij", slope, guide) + offset, np.float32)
