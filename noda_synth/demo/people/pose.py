"""Poses: how each bone is turned against its parent, and where that brings the bones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.people.anatomy import BONES, PARENT, Anatomy, pivots

Floats: TypeAlias = NDArray[np.float64]
Turns: TypeAlias = dict[str, Floats]
"""Bone -> (3, 3) rotation against its parent; a bone that is not named is straight."""


@dataclass(frozen=True)
class BonePose:
    """Turns of the bones, how high above the floor the lowest point is (metres), and whether a seat is needed."""

    turns: Turns
    lift: float = 0.0
    seated: bool = False


def turned(x: float = 0, y: float = 0, z: float = 0) -> Floats:
    """(3, 3) rotation by degrees around y (up), then z (front), then x (left)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians([x, y, z])), np.sin(np.radians([x, y, z]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_z @ about_y)


def trunk(lean: float = 0, side: float = 0, twist: float = 0, *, tilt: float = 0, roll: float = 0) -> Turns:
    """A trunk that leans forward and left and turns left; `tilt` and `roll` lean the pelvis with the legs."""
    return {
        "pelvis": turned(tilt, 0, -roll),
        "lumbar": turned(lean * 0.45, twist * 0.35, -side * 0.5),
        "chest": turned(lean * 0.55, twist * 0.65, -side * 0.5),
    }


def head(nod: float = 0, turn: float = 0, side: float = 0) -> Turns:
    """A head that nods forward, turns to its left and leans to its left."""
    return {"neck": turned(nod * 0.4, turn * 0.35, -side * 0.5), "head": turned(nod * 0.6, turn * 0.65, -side * 0.5)}


def arm(side: str, swing: float = 0, out: float = 6, turn: float = 0, elbow: float = 15, wrist: float = 0) -> Turns:
    """An arm: turned inward around its own axis, lifted sideways, swung forward, bent at the elbow and the wrist.

    The collarbone rises with an arm that is lifted high.
    """
    sign = 1 if side == "left" else -1
    lifted = np.degrees(np.arccos(np.cos(np.radians(swing)) * np.cos(np.radians(out))))
    shrug = sign * float(np.clip((lifted - 45) * 0.25, 0, 30))
    return {
        f"{side}_clavicle": turned(z=shrug),
        f"{side}_upper_arm": turned(z=-shrug) @ turned(-swing, -sign * turn, sign * out),
        f"{side}_forearm": turned(-elbow),
        f"{side}_hand": turned(z=-sign * wrist),
    }


def leg(
    side: str,
    swing: float = 0,
    out: float = 4,
    turn: float = 8,
    knee: float = 5,
    ankle: float | None = None,
    *,
    tilt: float = 0,
) -> Turns:
    """A leg: turned outward, spread, swung forward, bent at the knee.

    Without an `ankle` the foot lies level if it can, on a pelvis that leans forward by `tilt`.
    """
    sign = 1 if side == "left" else -1
    level = float(np.clip(swing - knee - tilt, -30, 40))
    return {
        f"{side}_thigh": turned(-swing, sign * turn, sign * out),
        f"{side}_shin": turned(knee),
        f"{side}_foot": turned(level if ankle is None else ankle, 0, -sign * out * 0.8),
    }


def mirrored(pose: BonePose) -> BonePose:
    """The same pose with left and right exchanged."""
    flip = np.diag([-1.0, 1.0, 1.0])
    other = {"left": "right", "right": "left"}

    def swap(bone: str) -> str:
        side, _, rest = bone.partition("_")
        return f"{other[side]}_{rest}" if side in other else bone

    return BonePose({swap(bone): flip @ turn @ flip for bone, turn in pose.turns.items()}, pose.lift, pose.seated)


def placed_bones(anatomy: Anatomy, pose: BonePose) -> tuple[Floats, Floats]:
    """Where the pose brings the bones, with the pelvis where it is in the standing body.

    Returns:
        (B, 3, 3) float64 rotations and (B, 3) float64 shifts in metres: a point p of the standing body that belongs to
        bone b goes to rotation[b] @ p + shift[b].
    """
    pivot = pivots(anatomy)
    rotations: dict[str, Floats] = {}
    origins: dict[str, Floats] = {}
    for bone in BONES:
        parent, turn = PARENT[bone], pose.turns.get(bone, np.eye(3))
        if parent is None:
            rotations[bone], origins[bone] = turn, pivot[bone]
        else:
            rotations[bone] = rotations[parent] @ turn
            origins[bone] = origins[parent] + rotations[parent] @ (pivot[bone] - pivot[parent])
    shifts = [origins[bone] - rotations[bone] @ pivot[bone] for bone in BONES]
    return np.stack([rotations[bone] for bone in BONES]), np.stack(shifts)
