"""Where and in which direction: a heat map around a box, and a polar histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from noda_synth.figures.charts.panel import BLUE, FAINT, INK, PAPER, SMALL, TEXT, Colour, Panel

_GAP = 14
# Light to dark, so that it reads without colour as well: white, yellow-green, blue-green, dark blue.
_HEAT = np.array([[255, 255, 255], [217, 234, 178], [87, 182, 174], [34, 94, 168], [12, 24, 80]], np.float64)


def heat_map(
    counts: NDArray[np.int64], reach: float, *, size: tuple[int, int], title: str, note: str, axis: str, most: str
) -> Image.Image:
    """A square grid of counts, rows from top to bottom, around a box that reaches from -1 to 1.

    Args:
        counts: (K, K).
        reach: the grid goes from -reach to reach both ways.
        size: width and height of the picture.
        title: first line.
        note: second line.
        axis: the unit of both ways.
        most: name of what is counted, for the scale of colours.
    """
    panel = Panel(*size, title, note)
    side = min(size[0] - 210, size[1] - panel.top - SMALL - TEXT - 3 * _GAP)
    left, top = 70, panel.top + _GAP
    peak = max(1, int(counts.max()))
    place = counts / peak * (len(_HEAT) - 1)
    colours = np.stack([np.interp(place, range(len(_HEAT)), _HEAT[:, band]) for band in range(3)], axis=-1)
    cells = Image.fromarray(np.round(colours).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    panel.image.paste(cells, (left, top))
    panel.draw.rectangle((left, top, left + side - 1, top + side - 1), outline=INK, width=2)
    low, high = (round(side * (0.5 + sign * 0.5 / reach)) for sign in (-1, 1))
    panel.draw.rectangle((left + low, top + low, left + high, top + high), outline=(213, 94, 0), width=4)
    panel.text(left + low, top + low - SMALL - 8, "target", SMALL, (213, 94, 0))
    for value in range(-math.floor(reach), math.floor(reach) + 1):
        at = side * (0.5 + value / reach / 2)
        panel.text(left + at, top + side + 8, f"{value}", SMALL, align="middle")
        panel.text(left - 10, top + at - SMALL / 2 - 3, f"{value}", SMALL, align="right")
    panel.text(left + side / 2, top + side + SMALL + 16, axis, SMALL, align="middle")
    ramp = np.linspace(len(_HEAT) - 1, 0, side)
    scale = np.stack([np.interp(ramp, range(len(_HEAT)), _HEAT[:, band]) for band in range(3)], axis=-1)
    strip = Image.fromarray(np.round(scale).astype(np.uint8)[:, None]).resize((22, side), Image.Resampling.NEAREST)
    panel.image.paste(strip, (left + side + 20, top))
    panel.draw.rectangle((left + side + 20, top, left + side + 41, top + side - 1), outline=INK, width=1)
    panel.text(left + side + 50, top - 4, f"{peak}", SMALL)
    panel.text(left + side + 50, top + SMALL, most, SMALL)
    panel.text(left + side + 50, top + side - SMALL - 4, "0", SMALL)
    return panel.image


def rose(counts: Sequence[int], *, size: tuple[int, int], title: str, note: str, colour: Colour = BLUE) -> Image.Image:
    """A polar histogram: sectors of equal angle, clockwise from the right as angles are in pictures.

    The area of a sector goes with its count, so that the eye is not deceived by the width further out.
    """
    panel = Panel(*size, title, note)
    centre = (size[0] / 2, (panel.top + size[1]) / 2)
    radius = min(size[0] / 2 - 70, (size[1] - panel.top) / 2 - SMALL - 16)
    fine = 4  # sectors have slanted sides: drawn larger, then reduced
    side = 2 * round(radius) * fine
    disc = Image.new("RGB", (side, side), PAPER)
    pencil = ImageDraw.Draw(disc)
    peak, wide = max(1, *counts), 360 / len(counts)
    for share in (0.25, 0.5, 0.75, 1.0):
        reach = side / 2 * math.sqrt(share)
        ring = (side / 2 - reach, side / 2 - reach, side / 2 + reach - 1, side / 2 + reach - 1)
        pencil.ellipse(ring, outline=FAINT, width=2 * fine)
    for number, count in enumerate(counts):
        reach = side / 2 * math.sqrt(count / peak)
        if count:
            box = (side / 2 - reach, side / 2 - reach, side / 2 + reach - 1, side / 2 + reach - 1)
            pencil.pieslice(box, number * wide, (number + 1) * wide, fill=colour, outline=PAPER, width=fine)
    reduced = disc.resize((side // fine, side // fine), Image.Resampling.BOX)
    panel.image.paste(reduced, (round(centre[0] - side / fine / 2), round(centre[1] - side / fine / 2)))
    reach = radius + 8
    panel.text(centre[0] + reach, centre[1] - SMALL / 2 - 3, "0°", SMALL)
    panel.text(centre[0], centre[1] + reach - 4, "90° (below)", SMALL, align="middle")
    panel.text(centre[0] - reach, centre[1] - SMALL / 2 - 3, "180°", SMALL, align="right")
    panel.text(centre[0], centre[1] - reach - SMALL - 2, "270° (above)", SMALL, align="middle")
    panel.text(size[0] - 2, panel.top, f"outer ring: {peak} renders", SMALL, align="right")
    return panel.image
