"""Where a body stands on the target's ground: `--place ground`, beside the paper's ring.

The paper's rules hold here too (head and neck stay free, a limb joint gets covered, the box centres lie in the ring).
What is new is which body and where: its feet at the target's ground line or nearer to the camera, its size by the law
of the ground, complete, in the target's stance, of a tone that fits, most of it in the frame, and nobody covered who
stands nearer.

The law: with the horizon at head height, who stands lower in the picture by dy is larger by 1 + dy / (3.3 S). It was
measured on 1,429 pairs of annotated people of MPII, as were the height differences that are drawn from.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.geometry import usable_joints
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import Skeleton
from noda_synth.data.stance import astride, bent_legs, grounded, stance_distance, stance_of, standing
from noda_synth.imaging.compositing import COVERING, alpha_at
from noda_synth.imaging.tone import GREY_CHROMA, tone_distance
from noda_synth.methods.placement import (
    Occluders,
    Placement,
    TargetPerson,
    box_center,
    draw_mirrored,
    draw_placement,
    good_corners,
    overlay_alpha,
    overlay_size,
)
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.seeding import draws

HORIZON = 3.3
"""S from the feet up to the horizon, the camera at head height."""
SIZE_JITTER = 0.15
"""Deviation of the log of a size from the law, by S."""
MAX_ENLARGE = 1.3
DROPS = (0.0, 0.014, 0.054, 0.081, 0.104, 0.122, 0.165, 0.199, 0.233, 0.254, 0.343, 0.473, 0.538, 0.618, 0.688, 0.895)
"""S by which the nearer of two standing people inside of each other's ring stands lower in the picture: the quantiles
0, 5, .. 75 % of 118 pairs of MPII. The quarter beyond stands so near that it would hide most of the target."""
SHARES = tuple(float(share) for share in np.linspace(0, 0.75, len(DROPS)))
"""At which quantiles `DROPS` are, and those of a set's own pairs."""
_POSITIONS = 20
# Draws of height, size and side with one body before the next is taken.
_DRAWS = 5
# S from hips to ankles of a body that stands, not crouches or rides.
_WHOLE_LEGS = 1.3
_MIN_LIMB, _MEAN_LIMB, _ONE_PIECE, _LABELLED = 0.75, 0.9, 0.97, 0.9
# Least share of a body's width and height within the frame: the frame cuts legs off, seldom sides.
_IN_FRAME, _IN_HEIGHT, _HEAD_ROOM = 0.75, 0.5, 0.04
# Stances closer than this, in S, may stand in for each other where the target does not stand upright.
_SAME_STANCE = 0.6
_NEARER = 0.05
_KNOWN_JOINTS = 4


class GroundTarget(TargetPerson):
    """A person to be covered, with the ground under them.

    Attributes:
        stance: (8,) float64, see `noda_synth.data.stance`.
        ground: "standing", "matched" (grounded, in another posture), or "" where joints tell of no ground.
        tone: (6,) float64 of the target's surroundings, or None where it is not known.
        frame: left, top, right, bottom of what of the picture is not black bars.
        nearer: other people with the y of their feet, in pixels.
        same_scene: rows of the pool whose pictures show the same scene as the target's.
    """

    def __init__(
        self,
        person: Person,
        skeleton: Skeleton,
        size: tuple[int, int],
        settings: PlacementSettings,
        others: Sequence[Person],
    ) -> None:
        super().__init__(person, skeleton, size, settings)
        pose = Pose(skeleton, person.joints, self.usable, person.visible)
        self.stance = stance_of(pose).as_array()
        self.tone: NDArray[np.float64] | None = None
        self.frame: tuple[int, int, int, int] = (0, 0, *size)
        self.same_scene: frozenset[int] = frozenset()
        upright = bool(standing(self.stance[None])[0])
        if upright and _rides(pose):
            self.ground = ""
        else:
            self.ground = "standing" if upright else "matched" if grounded(self.stance[None])[0] else ""
        self.line = _line(self.stance)
        self.nearer: list[tuple[float, NDArray[np.float64]]] = []
        for other in others:
            known = usable_joints(other, size)
            if known.sum() >= _KNOWN_JOINTS:
                stance = stance_of(Pose(skeleton, other.joints, known, other.visible)).as_array()
                self.nearer.append((_line(stance), other.joints[known]))

    def see(self, tone: NDArray[np.float64], frame: NDArray[np.int32]) -> None:
        """What the picture tells: the tone (6,) around the target, and its frame (4,) without black bars.

        Joints on a bar cannot be covered, as bodies end at it.
        """
        left, top, right, bottom = (int(value) for value in frame)
        self.tone, self.frame = tone, (left, top, right, bottom)
        pixels = np.floor(self.person.joints + 0.5)
        with np.errstate(invalid="ignore"):
            self.coverable &= ((pixels >= (left, top)) & (pixels < (right, bottom))).all(axis=1)

    @property
    def grey(self) -> bool:
        return self.tone is not None and bool(self.tone[3] < GREY_CHROMA)

    def shown(self, placement: Placement) -> Placement:
        """The placement, with what the picture asks of it: that the body ends at black bars, and is grey in grey."""
        bars = self.frame != (0, 0, *self.size)
        return replace(placement, frame=self.frame if bars else None, grey=self.grey)


class GroundBodies:
    """The bodies of a pool that may stand on a ground: complete, each in one piece.

    Attributes:
        rows: (N,) rows of the pool; seeds: (N,) uint64, of these, rising.
        stances: (N, 8), tones: (N, 6) float64 of these.
        upright: (N,) bool: of these, who stands.
    """

    def __init__(self, occluders: Occluders) -> None:
        pool, (level,) = occluders.pool, occluders.levels[-1:]
        least, mean = pool.limbs(level).T
        labelled = np.array([flags.mean() for flags in pool.labelled])
        whole = (least >= _MIN_LIMB) & (mean >= _MEAN_LIMB) & (pool.piece(level) >= _ONE_PIECE)
        whole &= labelled >= _LABELLED
        self.rows, self.seeds = (values[whole[occluders.rows]] for values in (occluders.rows, occluders.seeds))
        self.stances, self.tones = occluders.stances[self.rows], pool.tones()[self.rows]
        # Riders have the legs of somebody who crouches; without what they sit on, they would stand in the air.
        self.upright = standing(self.stances) & (self.stances[:, 4] > _WHOLE_LEGS)
        for index in np.flatnonzero(self.upright):
            row = self.rows[index]
            pose = Pose(pool.skeleton, pool.joints[row], pool.labelled[row], pool.visible[row])
            self.upright[index] = not _rides(pose)
        self.coloured = self.tones[:, 3] >= GREY_CHROMA

    def candidates(self, target: GroundTarget, spent: Collection[int]) -> NDArray[np.bool_]:
        """(N,) bool: the bodies whose stance fits the target and that need not be enlarged too much.

        A grey picture makes any body grey; in a coloured one no body may be grey.
        """
        if target.ground == "standing":
            fits = self.upright
        else:
            with np.errstate(invalid="ignore"):
                fits = stance_distance(self.stances, target.stance) < _SAME_STANCE
        fits = fits & (self.stances[:, 0] * MAX_ENLARGE >= target.stance[0])
        if not target.grey:
            fits &= self.coloured
        if spent:
            fits &= ~np.isin(self.rows, np.array(list(spent), np.intp))
        return np.asarray(fits)


def draw_on_ground(
    target: GroundTarget,
    occluders: Occluders,
    bodies: GroundBodies,
    settings: PlacementSettings,
    rng: np.random.Generator,
    spent: Collection[int] = (),
) -> tuple[Placement | None, str]:
    """A placement on the target's ground that keeps the rules, or None and the reason.

    Of some bodies drawn (`candidates`), those whose tone fits best are tried first, each at several heights
    and positions.
    """
    pool, level = occluders.pool, occluders.levels[-1]
    drops = settings.drops or DROPS
    fitting = bodies.candidates(target, spent)
    if not fitting.any():
        return None, "no body of the pool has the stance and the size"
    for _ in range(0, settings.tries, 2 * _DRAWS * _POSITIONS):
        drawn = np.array(list(islice(draws(bodies.seeds, fitting, rng), settings.candidates)))
        if target.tone is not None:
            drawn = drawn[np.argsort(tone_distance(bodies.tones[drawn], target.tone), kind="stable")]
        for index in drawn[:2]:
            row = int(bodies.rows[index])
            if pool.images[row] == target.person.image:
                continue
            for _ in range(_DRAWS):
                drop = float(np.interp(rng.uniform(), np.linspace(0, 1, len(drops)), drops))
                jitter = float(np.exp(rng.normal(0.0, SIZE_JITTER)))
                scale = target.stance[0] * (1 + drop / HORIZON) * jitter / bodies.stances[index, 0]
                scale = min(scale, MAX_ENLARGE)
                found = _stand(target, occluders, _Candidate(row, bodies.stances[index], drop, scale), settings, rng)
                if found is not None:
                    placed = replace(found, level=level, rescale=jitter, ground=target.ground, drop=drop)
                    return target.shown(placed), ""
    return None, f"no placement on the ground in {settings.tries} tries"


def draw_without_ground(
    target: GroundTarget,
    occluders: Occluders,
    settings: PlacementSettings,
    rng: np.random.Generator,
    spent: Collection[int] = (),
) -> tuple[Placement | None, str]:
    """A placement in the ring for who stands on no ground, or None and the reason.

    Riders, climbers and who jumps are above the ground; so whoever is before them has the feet below theirs.
    """
    stances = occluders.stances

    def ceiling(row: int, factor: float) -> float:
        return target.line - ((_line(stances[row]) + 0.5) * factor - 0.5)

    placement, reason = draw_placement(target, occluders, settings, rng, spent, ceiling)
    return (None if placement is None else target.shown(replace(placement, ground="none"))), reason


def _rides(pose: Pose) -> bool:
    """Whether somebody upright sits on something, crouches or jumps: feet that are no sign of a ground."""
    return bent_legs(pose) or astride(pose)


def _line(stance: NDArray[np.float64]) -> float:
    """y in pixels of the ground under a body: its feet, or its lowest joint where that lies lower."""
    _, _, _, _, _, _, feet, lowest = stance
    return float(np.fmax(feet, lowest))


@dataclass(frozen=True)
class _Candidate:
    """A body (row of the pool, stance in its crop) at a scale, its feet `drop` S below the target's line."""

    row: int
    stance: NDArray[np.float64]
    drop: float
    scale: float


def _stand(
    target: GroundTarget,
    occluders: Occluders,
    body: _Candidate,
    settings: PlacementSettings,
    rng: np.random.Generator,
) -> Placement | None:
    """The first of some positions beside the target at which a body keeps all rules."""
    pool, row, stance, drop, scale = occluders.pool, body.row, body.stance, body.drop, body.scale
    size = overlay_size(pool.size[row], scale)
    mirrored = draw_mirrored(settings, rng)
    ground = target.line + drop * target.stance[0]
    top = int(np.floor(ground - ((_line(stance) + 0.5) * size[1] / pool.size[row, 1] - 0.5) + 0.5))
    center = box_center(pool, row, size, mirrored=mirrored)
    low, high = np.array(settings.radius) * (target.diagonal / 2)
    away_y = top + center[1] - target.center[1]
    if abs(away_y) >= high:
        return None
    nearest, farthest = np.sqrt(max(low**2 - away_y**2, 0.0)), np.sqrt(high**2 - away_y**2)
    away_x = rng.uniform(nearest, farthest, _POSITIONS) * rng.choice([-1.0, 1.0], _POSITIONS)
    left = np.floor(target.center[0] + away_x - center[0] + 0.5).astype(np.int64)[:, None]
    start, ceiling, end, floor = target.frame
    shown = np.minimum(left + size[0], end) - np.maximum(left, start)
    in_frame = shown[:, 0] >= _IN_FRAME * size[0]
    # With the horizon at head height nobody loses the head to the frame.
    in_frame &= top >= ceiling - _HEAD_ROOM * size[1]
    in_frame &= min(top + size[1], floor) - max(top, ceiling) >= _IN_HEIGHT * size[1]
    if not in_frame.any():
        return None
    alpha = overlay_alpha(pool, row, occluders.levels[-1], size, settings.smooth, mirrored=mirrored)
    tops = np.full_like(left, top)
    good = in_frame & good_corners(target, alpha, left, tops, settings)
    for line, joints in target.nearer:
        if good.any() and line > ground + _NEARER * target.stance[0]:
            good &= ~(alpha_at(alpha, joints, left, tops) >= COVERING).any(axis=1)
    if not good.any():
        return None
    chosen = int(np.argmax(good))
    radius = float(np.hypot(away_x[chosen], away_y))
    angle = float(np.degrees(np.arctan2(away_y, away_x[chosen])) % 360)
    return Placement(row, "", scale, 1.0, radius, angle, int(left[chosen, 0]), top, *size, mirrored=mirrored)
