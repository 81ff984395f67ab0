"""The choices of NODA's overlay strategy, in a module that imports nothing heavy: the options of render show them."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from noda_synth.settings import one_of, within

MASKS = ("box", "cardboard", "grabcut", "posecut", "given", "mixed")
SMOOTHINGS = ("ring", "feather", "matte", "none")
PROTECTIONS = ("segment", "points")
PLACES = ("ring", "ground")
NO_GROUND = ("ring", "skip")
_SMALLEST = 1e-9
_MOST_BODIES = 10


@dataclass(frozen=True)
class PlacementSettings:
    """The overlay strategy's choices; see the options of render.

    Attributes:
        mask: level of the pasted mask, or "mixed" for one of all levels drawn each time.
        smooth: edge smoothing, see `compositing.edge_alpha`.
        radius: range of the distance between the two box centres, in half diagonals of the target's box.
        rescale: range of the factor on the occluder, after it was brought to the target's size.
        protect: "segment" keeps the whole line between the protected joints free, "points" only the joints.
        protect_joints: names of the protected joints; None takes the skeleton's.
        min_covered: limb joints, not known to be occluded before, that have to be covered.
        max_covered: labelled joints that may be covered at most; None sets no limit.
        tries: candidates tried for a target before it is passed over.
        max_enlarge: a body is not enlarged by more than this.
        body_quality: share of the pool's bodies that may be drawn, those with the best masks.
        place: "ring", anywhere around the target as in the paper, or "ground", on the target's ground.
        no_ground: with place "ground", who stands on none is placed in the "ring", or passed over ("skip").
        candidates: with place "ground", bodies drawn each time, of which the one whose tone fits best comes first.
        drops: with place "ground", quantiles in rising order, at equal steps, of how much lower than the target bodies
            stand, in its body sizes; None takes those of the data set, or MPII's where it has too few pairs.
        reuse: a body is pasted at most so often in a whole set; None sets no limit.
        mirror: every second body, by chance, is pasted as its mirror image.
        bodies: range of the number of bodies over one target; more than the least only where there is a place.
        objects_share: share of the copies that get objects in the place of bodies, where some keep the rules.
    """

    mask: str = "grabcut"
    smooth: str = "ring"
    radius: tuple[float, float] = (1 / 3, 1.0)
    rescale: tuple[float, float] = (0.8, 1.2)
    protect: str = "segment"
    protect_joints: tuple[str, ...] | None = None
    min_covered: int = 1
    max_covered: int | None = None
    tries: int = 200
    max_enlarge: float = 2.0
    body_quality: float = 1.0
    place: str = "ring"
    no_ground: str = "ring"
    candidates: int = 8
    drops: tuple[float, ...] | None = None
    reuse: int | None = None
    mirror: bool = False
    bodies: tuple[int, int] = (1, 1)
    objects_share: float = 0.0

    def __post_init__(self) -> None:
        one_of("mask", self.mask, MASKS)
        one_of("smooth", self.smooth, SMOOTHINGS)
        one_of("place", self.place, PLACES)
        one_of("no_ground", self.no_ground, NO_GROUND)
        within("candidates", self.candidates, 1, math.inf)
        drops = self.drops or (0.0, 1.0)
        if len(drops) < 2 or list(drops) != sorted(drops) or not 0 <= drops[0] <= drops[-1] < math.inf:
            raise ValueError(f"drops is {','.join(f'{drop:g}' for drop in drops)}; two numbers or more, rising from 0")
        within("reuse", 1 if self.reuse is None else self.reuse, 1, math.inf)
        within("bodies", self.bodies, 1, _MOST_BODIES)
        within("objects_share", self.objects_share, 0, 1)
        one_of("protect", self.protect, PROTECTIONS)
        within("radius", self.radius, 0, math.inf)
        within("rescale", self.rescale, _SMALLEST, math.inf)
        within("min_covered", self.min_covered, 0, math.inf)
        within("max_covered", self.max_covered or 0, 0, math.inf)
        within("tries", self.tries, 1, math.inf)
        within("max_enlarge", self.max_enlarge, _SMALLEST, math.inf)
        within("body_quality", self.body_quality, _SMALLEST, 1)


PRESETS = {
    "paper": PlacementSettings(),
    "best": PlacementSettings(mask="posecut", smooth="matte", body_quality=0.5, place="ground", tries=1600, reuse=4),
}
"""`paper` is NODA as the paper ends up with it; `best` has our masks, soft edges, only the better bodies, and a ground
under their feet."""


def preset_for(name: str, levels: Collection[str]) -> PlacementSettings:
    """A preset for a pool with these mask levels: `best` takes `given`, the user's own masks, where there are some.

    The level that is taken is what the settings then say, so that a replay needs no look at the preset.
    """
    preset = PRESETS[name]
    return replace(preset, mask="given") if name == "best" and "given" in levels else preset
