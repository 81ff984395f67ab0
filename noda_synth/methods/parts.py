"""Body parts (Bin et al. 2020, the NODA paper's [18], without its adversary): limbs of other people over the joints.

The original cuts parts out with a segmentation network; here they are what the cardboard model's capsules cut out of
the pool's bodies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import OCCLUDED, UNKNOWN
from noda_synth.data.geometry import joint_box
from noda_synth.data.pose import Pose
from noda_synth.imaging.compositing import SMOOTHINGS, Overlay, edge_alpha
from noda_synth.imaging.images import BGRImage
from noda_synth.masks.body_parts import Capsule, body_parts
from noda_synth.masks.cardboard import signed_distance
from noda_synth.methods.base import Subject
from noda_synth.methods.bodies import BodyMethod
from noda_synth.methods.pieces import PieceMethod, Pieces
from noda_synth.seeding import draws
from noda_synth.settings import one_of, within

_CHAINS = {
    "arm": ("shoulder", "elbow", "wrist"),
    "forearm": ("elbow", "wrist"),
    "leg": ("hip", "knee", "ankle"),
    "shin": ("knee", "ankle"),
}
PARTS = {
    f"{side}_{part}": tuple(f"{side}_{joint}" for joint in chain)
    for part, chain in _CHAINS.items()
    for side in ("right", "left")
}
"""Name of a part -> its joints, from the trunk outwards; hands and feet come along."""

_BODY_DRAWS = 100


@dataclass(frozen=True)
class PartsSettings:
    """One part per person, as in the original's training runs; the other numbers are ours.

    Attributes:
        number: range of the number of parts.
        rescale: range of the factor on a part, once its body has the target's size.
        rotate: a part is turned by up to so many degrees either way.
        shift: its joint lies up to this far from the target's, along x and along y, in sides of the person's box.
        max_enlarge: bodies are not enlarged more than this.
        smooth: edge, see `compositing.edge_alpha`.
    """

    number: tuple[int, int] = (1, 1)
    rescale: tuple[float, float] = (0.8, 1.2)
    rotate: float = 45.0
    shift: float = 0.05
    max_enlarge: float = 2.0
    smooth: str = "ring"

    def __post_init__(self) -> None:
        within("number", self.number, 1, 100)
        within("rescale", self.rescale, 0.05, 10)
        within("rotate", self.rotate, 0, 180)
        within("shift", self.shift, 0, 2)
        within("max_enlarge", self.max_enlarge, 0.05, 100)
        one_of("smooth", self.smooth, [smooth for smooth in SMOOTHINGS if smooth != "matte"])


@dataclass(frozen=True)
class Part:
    """A part of a body of the pool, scaled and turned so that its joint lies at x, y of the picture.

    Attributes:
        body: row of the pool.
        part: name in PARTS.
        joint: of the part, the one that is aligned.
        over: joint of the target next to which it is laid.
        scale: pixels of the picture per pixel of the crop.
        angle: degrees clockwise.
        x, y: 0-based pixels of the picture.
    """

    body: int
    part: str
    joint: str
    over: str
    scale: float
    angle: float
    x: float
    y: float


class Parts(BodyMethod[PartsSettings, Pieces], PieceMethod[PartsSettings]):
    settings_type, piece_type = PartsSettings, Part

    @cached_property
    def seeds(self) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        """The seeds of the pool's bodies, rising, and whose they are."""
        seeds = self.pool.seeds()
        rows = np.argsort(seeds, kind="stable")
        return seeds[rows], rows

    def counts(self) -> dict[str, int]:
        return {"bodies": len(self.pool), "pool_bodies": len(self.pool)}

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Pieces | None, str]:
        """A joint of the target, a body of another image that has the part whole, and where and how it is laid."""
        names = subject.skeleton.joints
        x1, y1, x2, y2 = subject.joint_box
        diagonal = max(float(np.hypot(x2 - x1, y2 - y1)), 1.0)
        pieces = []
        for _ in range(int(rng.integers(self.settings.number[0], self.settings.number[1] + 1))):
            over = int(rng.choice(np.flatnonzero(subject.inside)))
            shift = rng.uniform(-self.settings.shift, self.settings.shift, 2) * subject.box.side
            rescale, angle = rng.uniform(*self.settings.rescale), rng.uniform(-1, 1) * self.settings.rotate
            drawn = self._draw_body(subject, diagonal * float(rescale), rng)
            if drawn is None:
                return None, "no body of the pool with a whole limb is large enough"
            body, part, scale = drawn
            joint = PARTS[part][int(rng.integers(len(PARTS[part])))]
            x, y = (float(value) for value in subject.person.joints[over] + shift)
            pieces.append(Part(body, part, joint, names[over], scale, float(angle), x, y))
        return Pieces(tuple(pieces)), ""

    def _draw_body(self, subject: Subject, diagonal: float, rng: np.random.Generator) -> tuple[int, str, float] | None:
        """A body, one of its parts, and the scale at which its joint box has this diagonal."""
        pool, parts = self.pool, list(PARTS)
        for index in islice(cycle(draws(self.seeds[0], np.ones(len(pool), np.bool_), rng)), _BODY_DRAWS):
            row = int(self.seeds[1][index])
            part = parts[int(rng.integers(len(parts)))]
            joints = pool.skeleton.indices(*PARTS[part])
            inside = (pool.joints[row][joints] >= 0).all() and (pool.joints[row][joints] <= pool.size[row] - 1).all()
            whole = len(joints) == len(PARTS[part]) and pool.labelled[row][joints].all() and inside
            if not whole or (pool.visible[row][joints] == OCCLUDED).any() or pool.images[row] == subject.person.image:
                continue
            x1, y1, x2, y2 = joint_box(pool.joints[row][pool.labelled[row]])
            scale = diagonal / max(float(np.hypot(x2 - x1, y2 - y1)), 1.0)
            if scale <= self.settings.max_enlarge:
                return row, part, scale
        return None

    def piece_overlay(self, piece: Part) -> Overlay:
        alpha = edge_alpha(self._mask(piece.body, piece.part), self.settings.smooth)
        turn, left, top, size = self._onto_picture(piece, alpha)
        warped = np.asarray(cv2.warpAffine(alpha, turn, size, flags=cv2.INTER_LINEAR), np.uint8)
        if self.settings.smooth == "none":
            warped = np.where(warped >= 128, np.uint8(255), np.uint8(0))
        return Overlay(warped, left, top)

    def piece_colours(self, piece: Part, overlay: Overlay, picture: BGRImage) -> BGRImage:
        turn, _, _, size = self._onto_picture(piece, self._mask(piece.body, piece.part))
        crop = self.pool.crop(piece.body)
        return np.asarray(
            cv2.warpAffine(crop, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )

    def occluder(self, placement: Pieces) -> dict[str, Any]:
        pool = self.pool
        return {
            "parts": [
                {"source": pool.images[piece.body], "person": pool.persons[piece.body], "part": piece.part}
                for piece in placement.pieces
            ]
        }

    def _mask(self, row: int, part: str) -> NDArray[np.uint8]:
        """(h, w) uint8 of 0 and 255 on the crop: the capsules of the part."""
        pool = self.pool
        width, height = (int(side) for side in pool.size[row])
        unknown = np.full(len(pool.skeleton), UNKNOWN, np.int8)
        pose = Pose(pool.skeleton, pool.joints[row], pool.labelled[row], unknown)
        frame = (0.0, 0.0, float(width), float(height))
        limb = [shape for shape in body_parts(pose, frame) if _belongs(shape, pose, PARTS[part])]
        x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
        return (signed_distance(limb, x, y) <= 0).astype(np.uint8) * np.uint8(255)

    def _onto_picture(
        self, piece: Part, mask: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float64], int, int, tuple[int, int]]:
        """The map (2, 3) from the crop to the overlay, the overlay's corner in the picture, and its (width, height)."""
        x, y, width, height = cv2.boundingRect(mask)
        turn = np.deg2rad(piece.angle)
        linear = piece.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        anchor = self.pool.joints[piece.body][self.pool.skeleton.index[piece.joint]]
        offset = np.array([piece.x, piece.y]) - linear @ anchor
        corners = np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]], np.float64)
        points = corners @ linear.T + offset
        low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
        size = (int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1)
        return np.column_stack([linear, offset - low]), int(low[0]), int(low[1]), size


def _belongs(shape: Any, pose: Pose, joints: tuple[str, ...]) -> bool:
    """A capsule between two neighbouring joints of the part, or the hand or foot that begins at its last one."""
    if not isinstance(shape, Capsule):
        return False
    starts = [name for name in joints if np.array_equal(shape.start, pose[name])]
    ends = [name for name in joints if np.array_equal(shape.end, pose[name])]
    return joints[-1] in starts or bool(starts and ends)
