"""The colour guided filter (He, Sun, Tang 2010), with its coefficients so that it can be applied at a finer size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


class Guide:
    """A picture that guides the smoothing of any number of fields.

    Args:
        picture: (H, W, 3) float32 in 0..1.
        radius: of the square window, pixels.
        epsilon: larger values smooth more.
    """

    def __init__(self, picture: Field, radius: int, epsilon: float) -> None:
        self.picture, self._window = picture, (2 * radius + 1, 2 * radius + 1)
        self._mean_picture = mean = self._mean(picture)
        # Variances of the picture: bb, gg, rr, then bg, gr, rb, in one call.
        squares = self._mean(picture * picture) - mean * mean + np.float32(epsilon)
        rolled, mean_rolled = np.roll(picture, -1, axis=2), np.roll(mean, -1, axis=2)
        products = self._mean(np.ascontiguousarray(picture * rolled)) - mean * mean_rolled
        (bb, gg, rr), (bg, gr, rb) = np.moveaxis(squares, 2, 0), np.moveaxis(products, 2, 0)
        # The inverse of a symmetric 3 x 3 matrix at every pixel, by cofactors.
        c_bb, c_bg, c_br = gg * rr - gr * gr, rb * gr - bg * rr, bg * gr - rb * gg
        c_gg, c_gr, c_rr = bb * rr - rb * rb, bg * rb - bb * gr, bb * gg - bg * bg
        self._cofactors = (c_bb, c_bg, c_br), (c_bg, c_gg, c_gr), (c_br, c_gr, c_rr)
        self._determinant = bb * c_bb + bg * c_bg + rb * c_br

    def coefficients(self, values: Field) -> tuple[Field, Field]:
        """The linear model of the values (H, W), float32, in each window.

        Returns:
            slope (H, W, 3) and offset (H, W): filtered = (slope * picture).sum(-1) + offset.
        """
        mean_values = self._mean(values)
        covariance = self._mean(self.picture * values[..., None]) - self._mean_picture * mean_values[..., None]
        b, g, r = np.moveaxis(covariance, 2, 0)
        rows = [row[0] * b + row[1] * g + row[2] * r for row in self._cofactors]
        slope = np.moveaxis(np.stack(rows) / self._determinant, 0, 2)
        offset = mean_values - np.einsum("ijc,ijc->ij", slope, self._mean_picture)
        return self._mean(np.ascontiguousarray(slope)), self._mean(offset)

    def _mean(self, field: Field) -> Field:
        return np.asarray(cv2.blur(field, self._window), np.float32)


def apply(picture: Field, slope: Field, offset: Field) -> Field:
    """The filtered values (H, W) for a picture of the coefficients' size."""
    # Several times faster than to multiply and to sum along an axis of three.
    return np.asarray(np.einsum("ijc,ijc->ij", slope, picture) + offset, np.float32)
