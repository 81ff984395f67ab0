"""A whole person: a body in a pose, dressed, as one surface, with the joints inside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.skeleton import MPII
from noda_synth.demo.people import body, clothes
from noda_synth.demo.people.anatomy import BONE, SIDES, Anatomy, draw_anatomy, mpii_joints
from noda_synth.demo.people.body import Piece
from noda_synth.demo.people.face import Looks, draw_looks, face
from noda_synth.demo.people.hair import cap, hair
from noda_synth.demo.people.head import skull
from noda_synth.demo.people.outfit import Outfit, draw_outfit
from noda_synth.demo.people.pose import BonePose, placed_bones
from noda_synth.demo.people.poses import draw_pose
from noda_synth.demo.primitives import fabric
from noda_synth.demo.primitives.chance import Random, likely, weighted
from noda_synth.demo.primitives.colours import CLOTH, HAIR, SOLES, Colour, pick
from noda_synth.demo.primitives.fabric import Texture
from noda_synth.demo.primitives.mesh import Mesh, join
from noda_synth.demo.primitives.patterns import ALL_OVER, CALM, SHIRT

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Figure:
    """A person in the world.

    Attributes:
        mesh: the surface; `part` is the bone that each face follows most.
        textures: what the materials of the mesh count through.
        joints: (16, 3) float64, MPII's joints in metres.
        height: metres, standing.
        seat: height in metres of what the person sits on, or None.
        heading: radians by which the person is turned away from facing +z.
    """

    mesh: Mesh
    textures: list[Texture]
    joints: Floats
    height: float
    seat: float | None
    heading: float = 0.0


def draw_figure(random: Random, palette: tuple[Colour, ...]) -> Figure:
    """Someone who does something, see `posed_figure`."""
    return posed_figure(random, draw_anatomy(random), draw_pose(random), palette)


def posed_figure(random: Random, anatomy: Anatomy, pose: BonePose, palette: tuple[Colour, ...]) -> Figure:
    """A person at the origin who faces +z, the lowest point on the floor.

    Args:
        random: draws looks and clothes.
        anatomy: the body.
        pose: what it does.
        palette: colours of the surroundings, which clothes sometimes share.
    """
    feminine = anatomy.curve > 0.2
    looks = draw_looks(random, soft=feminine, grown=anatomy.height > 1.5)
    pieces, textures = _dressed(random, anatomy, draw_outfit(random, feminine=feminine), looks, palette)
    standing, weights = join([piece.mesh for piece in pieces]), np.concatenate([piece.weights for piece in pieces])
    rotations, shifts = placed_bones(anatomy, pose)
    points = _carried(standing.points.astype(float), weights, rotations, shifts)
    floor = points[:, 1].min() - pose.lift
    points[:, 1] -= floor

    carried = mpii_joints(anatomy)
    joints = np.empty((len(MPII), 3))
    for number, (bone, point) in enumerate(carried[joint] for joint in MPII.joints):
        joints[number] = rotations[BONE[bone]] @ point + shifts[BONE[bone]] - [0, floor, 0]
    bones = weights.argmax(axis=1)
    seat = float(points[bones == BONE["pelvis"], 1].min()) if pose.seated else None
    parts = bones[standing.faces[:, 0]].astype(np.int32)
    return Figure(replace(standing.moved(points), part=parts), textures, joints, anatomy.height, seat)


def _carried(points: Floats, weights: Floats, rotations: Floats, shifts: Floats) -> Floats:
    """Points (V, 3) moved with their bones, each to the weighted mean of where the bones bring it."""
    result = np.zeros_like(points)
    for bone in np.flatnonzero(weights.any(axis=0)):
        follows = np.flatnonzero(weights[:, bone])
        # Written out: the order of sums in a matrix product may depend on the number of threads.
        x, y, z = points[follows].T[:, :, None]
        across, up, front = rotations[bone].T
        result[follows] += weights[follows, bone, None] * (x * across + y * up + z * front + shifts[bone])
    return result


def _dressed(
    random: Random, anatomy: Anatomy, outfit: Outfit, looks: Looks, palette: tuple[Colour, ...]
) -> tuple[list[Piece], list[Texture]]:
    """The pieces of a standing person, and the textures that their materials count through."""
    textures: list[Texture] = []

    def use(texture: Texture) -> int:
        textures.append(texture)
        return len(textures) - 1

    def colour() -> NDArray[np.float32]:
        return pick(random, palette if likely(random, 0.3) else CLOTH)

    skin, top = use(fabric.skin(random, looks.tone)), use(fabric.cloth(random, colour(), SHIRT))
    pieces = clothes.skin(anatomy, outfit, skin)
    pieces += clothes.shirt(anatomy, random, outfit, top)
    if outfit.skirt is not None:
        cloth = top if likely(random, 0.4) else use(fabric.cloth(random, colour(), ALL_OVER))
        pieces += clothes.skirt(anatomy, random, outfit, cloth)
    if outfit.legs is not None:
        jeans = outfit.legs < 0.25 and likely(random, 0.4)
        patterns = CALM if likely(random, 0.75) else ALL_OVER
        cloth = use(fabric.denim(random) if jeans else fabric.cloth(random, colour(), patterns))
        pieces += clothes.trousers(anatomy, random, outfit, cloth)
        if not outfit.untucked and likely(random, 0.6):
            pieces += clothes.belt(anatomy, outfit, use(fabric.leather(random, pick(random, HAIR[:4]))))

    shoe = skin if outfit.shoes is None else use(fabric.leather(random, colour()))
    sole = None if outfit.shoes is None else use(fabric.leather(random, pick(random, SOLES)))
    for side in SIDES:
        pieces += body.foot(anatomy, side, shoe, thick=outfit.shoes or 0.0, sole=sole)

    pieces += skull(anatomy, random, use(face(random, looks)))
    capped = likely(random, 0.16)
    if not looks.bald:
        soft, hard = {"long": 8, "bob": 5, "tail": 4, "bun": 3}, {"short": 11, "crop": 7, "bob": 1, "tail": 1}
        style = weighted(random, soft if looks.soft else hard)
        pieces += hair(anatomy, random, use(fabric.strands(random, looks.hair)), style, flat=capped)
    if capped:
        cloth = use(fabric.cloth(random, colour(), CALM))
        pieces += cap(anatomy, random, cloth, brim=likely(random, 0.7))
    return pieces, textures
