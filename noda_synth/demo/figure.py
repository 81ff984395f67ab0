"""A whole person: a body in a pose, dressed, as one surface, with the joints inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo import body, clothes, fabric, head
from noda_synth.demo.anatomy import BONE, SIDES, Anatomy, mpii_joints
from noda_synth.demo.body import Piece
from noda_synth.demo.fabric import Texture
from noda_synth.demo.mesh import Mesh, join
from noda_synth.demo.pose import Pose, draw_pose, placed_bones
from noda_synth.skeleton import MPII


@dataclass(frozen=True, eq=False)
class Figure:
    """A person in the world.

    Attributes:
        mesh: the surface; `part` is the bone that each face follows most.
        textures: what the materials of the mesh look like.
        joints: (16, 3) float64, MPII's joints in metres.
        anatomy, pose: what it was made from.
        seat: height in metres of what the person sits on, or None.
        heading: radians by which the person is turned away from facing +z.
    """

    mesh: Mesh
    textures: list[Texture]
    joints: NDArray[np.float64]
    anatomy: Anatomy
    pose: Pose
    seat: float | None
    heading: float = 0.0


def draw_figure(random: np.random.Generator, palette: tuple[fabric.Colour, ...]) -> Figure:
    """A person at the origin who faces +z, the lowest point on the floor.

    Args:
        palette: colours of the surroundings, which clothes sometimes share.
    """
    anatomy, pose = Anatomy.draw(random), draw_pose(random)
    pieces, textures = dressed(anatomy, random, palette)
    rotations, shifts = placed_bones(anatomy, pose)
    weights = np.concatenate([piece.weights for piece in pieces])
    rest = join([piece.mesh for piece in pieces])
    points = _carried(rest.points.astype(float), weights, rotations, shifts)
    parts = weights.argmax(axis=1)[rest.faces[:, 0]].astype(np.int32)

    carried = mpii_joints(anatomy)
    joints = np.stack([rotations[BONE[bone]] @ place + shifts[BONE[bone]] for bone, place in (carried[j] for j in MPII.joints)])
    seat = points[np.isin(weights.argmax(axis=1), [BONE["pelvis"]]), 1].min() if pose.seated else None
    floor = points[:, 1].min() - pose.lift
    points[:, 1] -= floor
    joints[:, 1] -= floor
    mesh = Mesh(points.astype(np.float32), rest.faces, rest.uv, rest.material, parts)
    return Figure(mesh, textures, joints, anatomy, pose, None if seat is None else float(seat - floor))


def _carried(points: NDArray[np.float64], weights: NDArray[np.float64], rotations: NDArray[np.float64], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (V, 3) moved with their bones, each by the weighted mean of where the bones bring it."""
    result = np.zeros_like(points)
    for bone in np.flatnonzero(weights.any(axis=0)):
        follows = np.flatnonzero(weights[:, bone])
        # Written out, since the order of sums in a matrix product depends on the number of threads.
        x, y, z = points[follows].T[:, :, None]
        to = x * rotations[bone][:, 0] + y * rotations[bone][:, 1] + z * rotations[bone][:, 2] + shifts[bone]
        result[follows] += weights[follows, bone, None] * to
    return result


def dressed(anatomy: Anatomy, random: np.random.Generator, palette: tuple[fabric.Colour, ...]) -> tuple[list[Piece], list[Texture]]:
    """The pieces of a standing person, and the textures their materials count through."""
    feminine = anatomy.curve > 0.2
    outfit = clothes.draw_outfit(random, feminine)
    tone = fabric.pick(random, fabric.SKIN, 4)
    dark = tone.sum() < 330
    hair_colour = fabric.pick(random, fabric.HAIR[:3] if dark else fabric.HAIR, 5)
    textures: list[Texture] = []

    def use(texture: Texture) -> int:
        textures.append(texture)
        return len(textures) - 1

    def colour() -> NDArray[np.float32]:
        return fabric.pick(random, palette if random.random() < 0.3 else fabric.CLOTH)

    skin = use(fabric.skin(random, tone))
    pieces = clothes.skin(anatomy, outfit, skin)
    top = use(fabric.cloth(random, colour()))
    pieces += clothes.shirt(anatomy, random, outfit, top)
    if outfit.legs is not None:
        jeans = outfit.legs < 0.25 and random.random() < 0.4
        bottom = use(fabric.denim(random) if jeans else fabric.cloth(random, colour(), calm=random.random() < 0.8))
        pieces += clothes.trousers(anatomy, random, outfit, bottom)
        if random.random() < 0.4:
            pieces += clothes.belt(anatomy, outfit, use(fabric.leather(random, fabric.pick(random, fabric.HAIR[:4]))))
    if outfit.skirt is not None:
        pieces += clothes.skirt(anatomy, random, outfit, top if random.random() < 0.5 else use(fabric.cloth(random, colour())))

    shoe = skin if outfit.shoes is None else use(fabric.leather(random, colour()))
    sole = None if outfit.shoes is None else use(fabric.leather(random, fabric.pick(random, ((235, 235, 230), (30, 30, 32), (170, 140, 100)))))
    for side in SIDES:
        pieces += body.foot(anatomy, side, shoe, thick=outfit.shoes or 0.0, sole=sole)

    bald = not feminine and random.random() < 0.1
    beard = 0.0 if feminine or anatomy.height < 1.5 else float(random.choice([0, 0.25, 0.9], p=[0.5, 0.3, 0.2]))
    paint = head.face(random, tone, hair_colour, beard=beard, bald=bald, feminine=feminine, shades=bool(random.random() < 0.1))
    pieces += head.skull(anatomy, random, use(paint))
    capped = bool(random.random() < 0.16)
    if not bald:
        styles = ["long", "bob", "tail", "bun"] if feminine else ["short", "crop", "short", "bob"]
        style = str(random.choice(styles, p=[0.4, 0.25, 0.2, 0.15] if feminine else [0.55, 0.3, 0.1, 0.05]))
        pieces += head.hair(anatomy, random, use(fabric.strands(random, hair_colour)), style, flat=capped)
    if capped:
        pieces += head.cap(anatomy, random, use(fabric.cloth(random, colour(), calm=True)), brim=bool(random.random() < 0.7))
    return pieces, textures
