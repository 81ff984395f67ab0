"""Twins by another generator than a training's: bodies of a pool, such as people of COCO by their outlines.

A network that was trained on pasted bodies may know their seams and places. Bodies from elsewhere, cut out by other
masks, that stand on the target's ground in a tone that fits, tell whether it has learnt more than that.

What is decided is decided as in the protocol, in whole numbers. The tones of `ground` come from pixels, rounded: other
versions of the image decoder may draw another body where two fit equally well.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from noda_synth.benchmark.capsules import Integers, Joints, body_size, joint_pixels
from noda_synth.benchmark.decide import WHOLE, Body, Decider, Twin, ValidationTarget, is_whole
from noda_synth.benchmark.protocol import MIN_BODY_SIZE, POSITIONS, Generator, HashRandom, Severity
from noda_synth.data.dataset import OCCLUDED
from noda_synth.errors import NodaError
from noda_synth.imaging.bars import frame_of
from noda_synth.imaging.compositing import COVERING
from noda_synth.imaging.images import BGRImage
from noda_synth.imaging.tone import tone, tone_distance
from noda_synth.masks import Mask
from noda_synth.pool.cutout import Cutout
from noda_synth.pool.layout import STATUS_OK
from noda_synth.pool.reader import Pool

HORIZON = 3300
"""Thousandths of S from the feet up to the horizon: who stands lower by dy is larger by 1 + dy / 3.3 S."""
DROP = (20, 700)
"""Thousandths of S by which the body's feet lie below the target's."""
JITTER = (218, 294)
"""Range of the factor on the size that the ground's law gives, in 256ths: 0.85 to 1.15."""
HIDDEN = 2
"""Limb joints of a body that may be hidden, as by its own trunk: outlines show what can be seen."""
CANDIDATES = 8
"""Bodies drawn, of which the one whose tone fits best is taken."""


def generator_of(pool: Pool, mask: str | None, place: str) -> Generator:
    """The generator of a pool's bodies. Raises NodaError where the pool has no such mask.

    Args:
        pool: the bodies.
        mask: a level of the pool; None takes `given` where there is one, else the best.
        place: "ring" as in the protocol, or "ground".
    """
    level = mask or ("given" if "given" in pool.levels else pool.levels[-1])
    if level not in pool.levels:
        raise NodaError(f"{pool.path} has no level {level!r}; it has {', '.join(pool.levels)}")
    return Generator(pool.content, level, place)


def pool_bodies(pool: Pool, generator: Generator, kept_out: Collection[str]) -> list[Body]:
    """The bodies of a pool that may be pasted, by rising size S; `row` of each is that of the pool.

    Whole people of at least MIN_BODY_SIZE, at most HIDDEN of whose limb joints are known to be hidden, whose mask is of
    the level itself and not its stand-in, not from images of these names; for `ground` those who stand.
    """
    if not set(WHOLE) <= set(pool.skeleton.joints):
        return []
    real, tones, limbs = pool.status(generator.mask) == STATUS_OK, pool.tones(), pool.skeleton.flags(WHOLE)
    bodies = []
    for row in np.flatnonzero(real).tolist():
        image, labelled = pool.images[row], pool.labelled[row]
        if image in kept_out or (pool.visible[row][limbs] == OCCLUDED).sum() > HIDDEN:
            continue
        pixels = joint_pixels((pool.joints[row] + 0.5) / pool.factor[row] + pool.origin[row] - 0.5)
        named = zip(pool.skeleton.joints, pixels.tolist(), labelled, strict=True)
        joints = Joints({name: (x, y) for name, (x, y), known in named if known})
        size = body_size(joints)
        if size < MIN_BODY_SIZE or not is_whole(joints, pool.skeleton):
            continue
        if generator.place == "ring" or stands(joints, size):
            bodies.append(Body(image, row, joints, size, tuple(np.floor(tones[row] + 0.5).astype(int).tolist())))
    return sorted(bodies, key=lambda body: (body.size, body.key))


def pool_cutout(pool: Pool, row: int, level: str) -> Cutout:
    """A body of the pool as it was cut out, with the mask of one level."""
    opacity = pool.opacity(row, level)
    columns = ("joints", "labelled", "visible", "box", "origin", "factor")
    return Cutout(
        image=pool.crop(row),
        masks={level: Mask(opacity >= COVERING, matte=opacity)},
        quality={},
        frame=pool.frames()[row],
        border=0.0,
        **{name: getattr(pool, name)[row] for name in columns},
    )


def stands(joints: Joints, size: int) -> bool:
    """Upright on both feet: trunk and legs steep, the legs stretched, the feet level and lowest."""
    points = joints.pixels
    ankles = [points[name] for name in ("left_ankle", "right_ankle") if name in points]
    shoulders, hips = (joints.midpoint(f"left_{joint}", f"right_{joint}") for joint in ("shoulder", "hip"))
    if len(ankles) < 2 or shoulders is None or hips is None:
        return False
    feet_x, feet_y = (ankles[0][0] + ankles[1][0]) // 2, (ankles[0][1] + ankles[1][1]) // 2
    steep = hips[1] - shoulders[1] > abs(hips[0] - shoulders[0]) and feet_y - hips[1] > 2 * abs(feet_x - hips[0])
    stretched = 10 * (feet_y - hips[1]) > 13 * size
    level = 10 * abs(ankles[0][1] - ankles[1][1]) < 4 * size
    lowest = 10 * (max(y for _, y in points.values()) - feet_of(joints)) < size
    return steep and stretched and level and lowest


def feet_of(joints: Joints) -> int:
    """y of the lower ankle."""
    return max(joints.pixels[name][1] for name in ("left_ankle", "right_ankle") if name in joints.pixels)


def look_at(picture: BGRImage, target: ValidationTarget) -> None:
    """Tell a target who can be covered what its picture shows: the tone around it, and where black bars begin."""
    if target.obstacle:
        return
    left, top, right, bottom = (int(value) for value in frame_of(picture))
    target.frame = left, top, right, bottom
    x1, y1, x2, y2 = target.box.box()
    margin = max(x2 - x1, y2 - y1) // 7 + 1
    around = picture[max(0, y1 - margin) : y2 + margin, max(0, x1 - margin) : x2 + margin]
    target.tone = tuple(np.floor(tone(np.ascontiguousarray(around)) + 0.5).astype(int).tolist())


class GroundDecider(Decider):
    """Draws twins whose body stands on the target's ground or nearer to the camera, and fits in tone."""

    def draw_twin(self, target: ValidationTarget, severity: Severity) -> tuple[Twin | None, str]:
        if not target.obstacle and not stands(target.joints, target.size):
            return None, "does not stand: there is no ground to put a body on"
        return super().draw_twin(target, severity)

    def propose(self, target: ValidationTarget, random: HashRandom) -> tuple[int, int, Integers] | None:
        """A body, its factor in 256ths and places (K, 2) for the centre of its joints' box; None where none is large
        enough."""
        drop = DROP[0] + int(random.integers(DROP[1] - DROP[0] + 1, 1, "drop")[0])
        jitter = JITTER[0] + int(random.integers(JITTER[1] - JITTER[0] + 1, 1, "rescale")[0])
        wanted = target.size * jitter * (HORIZON + drop) // HORIZON
        first = self.first_of(wanted)
        if first == len(self.bodies):
            return None
        rows = first + random.integers(len(self.bodies) - first, CANDIDATES, "body")
        tones = np.array([self.bodies[row].tone for row in rows], np.float64)
        row = int(rows[np.argmin(tone_distance(tones, np.array(target.tone, np.float64)))])
        factor = wanted // self.bodies[row].size
        ground = feet_of(target.joints) + drop * target.size // 1000
        centers = _centers_at(target, ground - feet_of(self.bodies[row].scaled(factor)), random)
        on_bar = target.frame[3] < target.height and ground > target.frame[3]
        return row, factor, centers[:0] if on_bar else centers


def _centers_at(target: ValidationTarget, y: int, random: HashRandom) -> NDArray[np.int64]:
    """(K, 2) centres at a height, within the paper's ring and the frame: of POSITIONS drawn over its width."""
    middle_x, middle_y = target.box.center()
    offsets = random.integers(2 * target.reach + 1, POSITIONS, "x") - target.reach
    x = middle_x + offsets[target.in_ring(offsets * offsets + (y - middle_y) ** 2)]
    x = x[(x >= target.frame[0]) & (x < target.frame[2])]
    return np.stack([x, np.full(len(x), y, np.int64)], axis=1)
