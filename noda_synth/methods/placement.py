"""Where a body is pasted: the paper's occlusion overlay strategy (section III-B), as a draw from a generator.

Rules are checked on masks alone, for many candidates at once, before any pixel is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_synth.imaging.compositing import COVERING, alpha_at, edge_alpha, resize_alpha
from noda_synth.methods.base import Subject
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.reader import Pool
from noda_synth.seeding import draws

# Positions tried with each body that is drawn.
_POSITIONS = 20
# Draws of a body before giving up on finding one from another image.
_BODY_DRAWS = 20


@dataclass(frozen=True)
class Placement:
    """A body over a person, and maybe more of them: all that is needed to render it again.

    Attributes:
        body: row of the occluder in the pool.
        level: mask level.
        scale: pixels of the picture per pixel of the crop.
        rescale: the drawn part of it.
        radius: distance between the box centres in pixels.
        angle: direction from the target's box centre to the occluder's, in degrees, clockwise from the right.
        left, top: pixel of the picture under the overlay's top-left pixel.
        width, height: size of the overlay in pixels.
        ground: with `--place ground` "standing" or "matched" for a body on the target's ground, "none" for one of the
            ring because the target stands on none; None with `--place ring`.
        drop: how much lower its feet are drawn than the target's, in the target's body sizes.
        frame: left, top, right, bottom of a picture with black bars, at which the body ends; None for other pictures.
        grey: the picture is grey, and so becomes the body.
        mirrored: the body is pasted as its mirror image.
        more: further bodies, in the order in which they are pasted over this one; those have no more themselves.
    """

    body: int
    level: str
    scale: float
    rescale: float
    radius: float
    angle: float
    left: int
    top: int
    width: int
    height: int
    ground: str | None = None
    drop: float | None = None
    frame: tuple[int, int, int, int] | None = None
    grey: bool = False
    mirrored: bool = False
    more: tuple[Placement, ...] = ()

    @property
    def each(self) -> tuple[Placement, ...]:
        """The bodies one by one, in the order in which they are pasted."""
        return (replace(self, more=()), *self.more)

    def to_picture(self, points: NDArray[np.float64], crop_size: NDArray[np.int32]) -> NDArray[np.float64]:
        """Points (P, 2) of the body's crop, brought to 0-based pixels of the picture."""
        own = on_overlay(points, crop_size, (self.width, self.height), self.mirrored)
        return np.asarray(own + np.array([self.left, self.top]))


MIXED = ("box", "cardboard", "grabcut")
"""The levels that `--mask mixed` draws from: the paper's "all three masks"."""


class TargetPerson(Subject):
    """A person to be covered, seen by the rules.

    Attributes:
        coverable: (J,) bool, the limb joints in the image that are not known to be occluded.
    """

    def __init__(self, person: Person, skeleton: Skeleton, size: tuple[int, int], settings: PlacementSettings) -> None:
        super().__init__(person, skeleton, size)
        chosen = settings.protect_joints
        protected = np.array(skeleton.indices(*(skeleton.protected if chosen is None else chosen)), np.intp)
        needed = skeleton.protected_needed if chosen is None else len(protected)
        self.coverable = skeleton.flags(skeleton.coverable) & self.inside & (person.visible != OCCLUDED)
        if self.reason:
            return
        if self.usable[protected].sum() < needed:
            self.reason = "a protected joint is not labelled"
        elif self.coverable.sum() < settings.min_covered:
            self.reason = "no limb joint left to cover"
        if self.reason:
            return
        box = self.joint_box
        self.center = (box[:2] + box[2:]) / 2
        self.diagonal = max(float(np.hypot(*(box[2:] - box[:2]))), 1.0)
        self.free_points = self._free_points(skeleton, protected, settings)

    def _free_points(
        self, skeleton: Skeleton, protected: NDArray[np.intp], settings: PlacementSettings
    ) -> NDArray[np.float64]:
        """Points (P, 2) that have to stay free: the protected joints and, as set, the lines between them.

        `noda_synth.benchmark.decide` has the same rule in whole numbers on purpose.
        """
        joints = self.person.joints
        points = [joints[j] for j in protected if self.usable[j]]
        if settings.protect == "segment":
            if settings.protect_joints is None:
                ends = [
                    (self._midpoint(skeleton.indices(*start)), self._midpoint(skeleton.indices(*end)))
                    for start, end in skeleton.protected_segments
                ]
                lines = [(a, b) for a, b in ends if a is not None and b is not None]
            else:
                lines = list(pairwise(points))
            for start, end in lines:
                points += list(line_pixels(start, end))
        return np.array(points).reshape(-1, 2)

    def _midpoint(self, joints: list[int]) -> NDArray[np.float64] | None:
        known = [j for j in joints if self.usable[j]]
        return np.asarray(self.person.joints[known].mean(axis=0)) if known else None


def line_pixels(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """A point (P, 2) in each of the pixels that a line from start to end passes through, however short its way there.

    The line is cut where it goes over from one pixel to the next; the middle of each piece lies in one pixel.
    """
    cuts = [np.array([0.0, 1.0])]
    for a, b in zip(start + 0.5, end + 0.5, strict=True):
        if a != b:
            low, high = sorted((a, b))
            cuts.append((np.arange(np.ceil(low), np.floor(high) + 1) - a) / (b - a))
    shares = np.sort(np.clip(np.concatenate(cuts), 0.0, 1.0))
    return np.asarray(start + ((shares[1:] + shares[:-1]) / 2)[:, None] * (end - start))


class Occluders:
    """The bodies of a pool, ready to be drawn from for a target of any size.

    Sizes are compared by MPII's scale where target and body have one, and otherwise by the diagonal of the joint box.

    Attributes:
        pool: the pool.
        levels: mask levels to draw from.
        rows: (N,) the bodies that may be drawn, in the order of their seeds.
        seeds: (N,) uint64, these, rising.
    """

    def __init__(self, pool: Pool, settings: PlacementSettings) -> None:
        self.pool = pool
        self.levels = (
            [level for level in MIXED if level in pool.levels] if settings.mask == "mixed" else [settings.mask]
        )
        if missing := [level for level in self.levels if level not in pool.levels]:
            raise NodaError(
                f"{pool.path} has no level {missing[0]!r} (only {', '.join(pool.levels)}); "
                "choose one of these with --mask, or build the pool again with it"
            )
        if settings.smooth == "matte" and not all(pool.has_matte(level) for level in self.levels):
            raise NodaError(
                f"--smooth matte: the masks of {', '.join(self.levels)} have no soft edge of their own; "
                "take --mask posecut, or --smooth ring or feather"
            )
        rows = _best(np.mean([pool.quality(level) for level in self.levels], axis=0), settings.body_quality)
        seeds = pool.seeds()[rows]
        by_seed = np.argsort(seeds, kind="stable")
        self.rows, self.seeds = rows[by_seed], seeds[by_seed]
        box = pool.box[self.rows]
        self._diagonal = np.maximum(np.hypot(*(box[:, 2:] - box[:, :2]).T), 1.0)
        scale = pool.scale[self.rows] * pool.factor[self.rows].mean(axis=1)
        self._scale = np.where(np.isfinite(scale) & (scale > 0), scale, np.nan)

    @cached_property
    def stances(self) -> NDArray[np.float64]:
        """(N, 8) float64: how all bodies of the pool stand, in pixels of their crops, see `noda_synth.data.stance`."""
        return self.pool.stances()

    def draw(
        self,
        target: TargetPerson,
        rescale: float,
        max_enlarge: float,
        rng: np.random.Generator,
        spent: Collection[int] = (),
    ) -> tuple[int, float] | None:
        """A body and its scale, or None.

        All bodies from other images than the target's that need not be enlarged more than `max_enlarge` have the same
        chance, but for those that are spent.
        """
        scales = target.diagonal * rescale / self._diagonal
        if target.person.scale is not None and target.person.scale > 0:
            by_scale = target.person.scale * rescale / self._scale
            scales = np.where(np.isnan(by_scale), scales, by_scale)
        for index in islice(draws(self.seeds, scales <= max_enlarge, rng), _BODY_DRAWS):
            row = int(self.rows[index])
            if row not in spent and self.pool.images[row] != target.person.image:
                return row, float(scales[index])
        return None


def _best(quality: NDArray[np.float64], share: float) -> NDArray[np.intp]:
    """The rows with the best share of the qualities, at least one, in rising order."""
    count = max(1, int(np.ceil(share * len(quality))))
    return np.sort(np.argsort(-quality, kind="stable")[:count])


Ceiling = Callable[[int, float], float]
"""From a body's row and the overlay's pixels per pixel of its crop: the least y of the overlay's top."""


def draw_placement(
    target: TargetPerson,
    occluders: Occluders,
    settings: PlacementSettings,
    rng: np.random.Generator,
    spent: Collection[int] = (),
    ceiling: Ceiling | None = None,
) -> tuple[Placement | None, str]:
    """A placement that keeps the rules, or None and the reason.

    The body and its rescaling are drawn first, then a number of positions for it, of which the first good one is taken;
    with none, another body is drawn, until the tries are used up. With `ceiling` the overlay's corner lies no higher.
    """
    pool = occluders.pool
    reason = "no body of the pool is large enough"
    for start in range(0, settings.tries, _POSITIONS):
        rescale = float(rng.uniform(*settings.rescale))
        level = occluders.levels[int(rng.integers(len(occluders.levels)))]
        drawn = occluders.draw(target, rescale, settings.max_enlarge, rng, spent)
        count = min(_POSITIONS, settings.tries - start)
        radius = rng.uniform(*settings.radius, size=count) * (target.diagonal / 2)
        angle = rng.uniform(0.0, 360.0, size=count)
        if drawn is None:
            continue
        reason = f"no placement in {settings.tries} tries"
        row, scale = drawn
        size = overlay_size(pool.size[row], scale)
        mirrored = draw_mirrored(settings, rng)
        alpha = overlay_alpha(pool, row, level, size, settings.smooth, mirrored=mirrored)
        direction = np.stack([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))], axis=1)
        own_center = box_center(pool, row, size, mirrored=mirrored)
        corners = np.floor(target.center + radius[:, None] * direction - own_center + 0.5).astype(np.int64)
        good = good_corners(target, alpha, corners[:, :1], corners[:, 1:], settings)
        if ceiling is not None:
            good &= corners[:, 1] >= ceiling(row, size[1] / pool.size[row, 1])
        if good.any():
            first = int(np.argmax(good))
            left, top = (int(value) for value in corners[first])
            polar = float(radius[first]), float(angle[first])
            return Placement(row, level, scale, rescale, *polar, left, top, *size, mirrored=mirrored), ""
    return None, reason


def draw_mirrored(settings: PlacementSettings, rng: np.random.Generator) -> bool:
    """Whether a body is mirrored; without the setting nothing is drawn."""
    return settings.mirror and bool(rng.integers(2))


def overlay_alpha(
    pool: Pool, row: int, level: str, size: tuple[int, int], smooth: str, *, mirrored: bool = False
) -> NDArray[np.uint8]:
    """The alpha of a body brought to (width, height)."""
    alpha = resize_alpha(edge_alpha(pool.opacity(row, level), smooth), size, smooth)
    return mirror_image(alpha) if mirrored else alpha


def mirror_image(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An alpha (h, w) or colours (h, w, 3), left and right exchanged."""
    return np.ascontiguousarray(values[:, ::-1])


def on_overlay(
    points: NDArray[np.float64], crop_size: NDArray[np.int32], size: tuple[int, int], mirrored: bool
) -> NDArray[np.float64]:
    """Points (P, 2) of a crop, brought to pixels of an overlay of (width, height)."""
    found = np.asarray((points + 0.5) * (np.array(size) / crop_size) - 0.5)
    if mirrored:
        found[..., 0] = size[0] - 1 - found[..., 0]
    return found


def box_center(pool: Pool, row: int, size: tuple[int, int], *, mirrored: bool) -> NDArray[np.float64]:
    """The middle (2,) of a body's joint box, in pixels of its overlay of (width, height)."""
    return on_overlay((pool.box[row, :2] + pool.box[row, 2:]) / 2, pool.size[row], size, mirrored)


def overlay_size(crop_size: NDArray[np.int32], scale: float) -> tuple[int, int]:
    width, height = (max(1, int(np.floor(side * scale + 0.5))) for side in crop_size)
    return width, height


def good_corners(
    target: TargetPerson,
    alpha: NDArray[np.uint8],
    left: NDArray[np.int64],
    top: NDArray[np.int64],
    settings: PlacementSettings,
) -> NDArray[np.bool_]:
    """(K,) bool: the candidates with corners left, top (K, 1) that keep the rules."""
    covered = target.covered(alpha, left, top)
    good = (covered & target.coverable).sum(axis=1) >= settings.min_covered
    if settings.max_covered is not None:
        good &= covered.sum(axis=1) <= settings.max_covered
    if good.any():
        good &= ~(alpha_at(alpha, target.free_points, left, top) >= COVERING).any(axis=1)
    return np.asarray(good)
