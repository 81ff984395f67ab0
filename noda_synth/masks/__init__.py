"""Masks of people from their keypoints: the paper's three levels (section III-A), and `posecut`, which is better.

A level is a function from a `View` to a `Mask`, one file each: `box`, `cardboard`, `grabcut`, `posecut`. To add one,
write the file and name it where docs/architecture.md says.
`body_parts` and `head` are the cardboard body, `evidence` is what posecut cuts by, smoothed by `guided_filter`;
`quality` scores a mask, `entanglement` says who cannot be cut out alone.
A mask that the user has is a level as well: `given`, a function for each person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from noda_synth.masks.box import box_mask
from noda_synth.masks.cardboard import cardboard_mask
from noda_synth.masks.given import GivenMask, no_given_mask
from noda_synth.masks.grabcut import grabcut_mask
from noda_synth.masks.posecut import posecut_mask
from noda_synth.masks.quality import mask_quality
from noda_synth.masks.view import Mask, View

__all__ = [
    "GIVEN",
    "LEVELS",
    "GivenMask",
    "Mask",
    "MaskSettings",
    "View",
    "mask_functions",
    "mask_quality",
    "no_given_mask",
]

LEVELS = ("box", "cardboard", "grabcut", "posecut")
"""All levels that need nothing but joints and picture, from rough to good."""

GIVEN = "given"
"""The level of the masks that the user has; better than all of these."""


@dataclass(frozen=True)
class MaskSettings:
    """What can be set about the masks; see the options of build-pool.

    Attributes:
        box_expand: every side of the box moves out by this times the longer side of the joint box.
        grabcut_size: working size of GrabCut in pixels on the longer side.
        grabcut_iterations: rounds of GrabCut.
    """

    box_expand: float = 0.15
    grabcut_size: int = 160
    grabcut_iterations: int = 2


def mask_functions(settings: MaskSettings) -> dict[str, Callable[[View], Mask]]:
    """Level -> its function, in the order of LEVELS."""
    return {
        "box": partial(box_mask, expand=settings.box_expand),
        "cardboard": cardboard_mask,
        "grabcut": partial(grabcut_mask, side=settings.grabcut_size, iterations=settings.grabcut_iterations),
        "posecut": posecut_mask,
    }
