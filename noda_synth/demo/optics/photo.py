"""What a camera does to light: exposure, colour cast, blur, noise, and the steps of an 8-bit picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.primitives.chance import Random, likely

_BRIGHTEST = 2.0
_LIGHT = np.linspace(0, _BRIGHTEST, 8192)
# Highlights roll off instead of being cut.
_ROLLED = np.where(_LIGHT > 0.7, 0.7 + 0.3 * np.tanh((_LIGHT - 0.7) / 0.3), _LIGHT)
_TONES = np.clip(255 * _ROLLED ** (1 / 2.2) + 0.5, 0, 255).astype(np.uint8)


def develop(light: NDArray[np.float32], random: Random) -> NDArray[np.uint8]:
    """(H, W, 3) float32 RGB light to (H, W, 3) uint8 BGR, as a camera of middling quality would take it."""
    height, width = light.shape[:2]
    exposure = random.uniform(0.18, 0.33) / max(float(light.mean()), 0.02)
    cast = exposure * np.array([random.normal(1, 0.05), 1.0, random.normal(1, 0.06)])
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = (1 - random.uniform(0, 0.22) * (x**2 + y**2) / 2).astype(np.float32)
    softness = max(random.uniform(0.35, 0.95) * max(height, width) / 1280, 0.3)
    blurred = np.asarray(cv2.GaussianBlur(light, (0, 0), softness), np.float32)
    if likely(random, 0.12):
        blurred = _shaken(blurred, random.uniform(2, 5), random.uniform(0, 180))
    strength = random.uniform(0.004, 0.022)
    picture = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        exposed = blurred[..., channel] * falloff * np.float32(cast[channel])
        grain = random.standard_normal((height, width), np.float32)
        grain = 0.6 * grain + 0.8 * cv2.blur(grain, (2, 2))
        noisy = exposed + strength * grain * np.sqrt(np.maximum(exposed, 0) + 0.02)
        picture[..., 2 - channel] = _TONES[
            np.clip(noisy * (len(_TONES) / _BRIGHTEST), 0, len(_TONES) - 1).astype(np.int32)
        ]
    return picture


def _shaken(image: NDArray[np.float32], length: float, degrees: float) -> NDArray[np.float32]:
    """Motion blur of a few pixels."""
    side = 2 * int(np.ceil(length)) + 1
    kernel = np.zeros((side, side), np.float32)
    reach = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * length / 2
    start, end = side // 2 - reach, side // 2 + reach
    cv2.line(kernel, tuple(np.rint(start).astype(int).tolist()), tuple(np.rint(end).astype(int).tolist()), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.float32)
