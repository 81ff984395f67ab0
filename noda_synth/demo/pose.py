"""Poses: how each bone is turned against its parent, drawn for what people do; and where that brings the bones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.anatomy import BONES, PARENT, Anatomy, pivots

Floats: TypeAlias = NDArray[np.float64]
Turns: TypeAlias = dict[str, Floats]
"""Bone -> (3, 3) rotation against its parent; a bone that is not named is straight."""

Random: TypeAlias = np.random.Generator


@dataclass(frozen=True)
class Pose:
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
    """A trunk that leans forward, to its left and turns to its left; `tilt` and `roll` lean the pelvis with the legs."""
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


def leg(side: str, swing: float = 0, out: float = 4, turn: float = 8, knee: float = 5, ankle: float | None = None) -> Turns:
    """A leg: turned outward, spread, swung forward, bent at the knee; the foot lies level if it can."""
    sign = 1 if side == "left" else -1
    level = float(np.clip(swing - knee, -24, 40))
    return {
        f"{side}_thigh": turned(-swing, sign * turn, sign * out),
        f"{side}_shin": turned(knee),
        f"{side}_foot": turned(level if ankle is None else ankle, 0, -sign * out * 0.8),
    }


def standing(random: Random) -> Pose:
    weight = random.uniform(-1, 1)
    stance = random.uniform(2, 9)
    turns = trunk(random.uniform(-4, 6), 4 * weight, random.uniform(-12, 12), roll=-2.5 * weight)
    turns |= leg("left", 3 * max(0, -weight), stance, random.uniform(4, 25), 4 + 14 * max(0, -weight))
    turns |= leg("right", 3 * max(0, weight), stance, random.uniform(4, 25), 4 + 14 * max(0, weight))
    for side in ("left", "right"):
        turns |= resting_arm(side, random)
    return Pose(turns)


def resting_arm(side: str, random: Random) -> Turns:
    """What an arm does on someone who stands or sits: hang, rest on the hip, fold, hold a phone, point, wave."""
    u = random.uniform
    choice = random.choice(["hang", "hip", "fold", "hold", "point", "wave", "behind"], p=[0.4, 0.15, 0.1, 0.12, 0.08, 0.1, 0.05])
    match choice:
        case "hip":
            return arm(side, u(-25, -10), u(38, 50), u(50, 70), u(85, 105), 20)
        case "fold":
            return arm(side, u(15, 25), u(2, 10), u(50, 70), u(90, 110))
        case "hold":
            return arm(side, u(25, 50), u(5, 20), u(15, 40), u(95, 130))
        case "point":
            return arm(side, u(60, 100), u(0, 40), u(-10, 10), u(5, 25))
        case "wave":
            return arm(side, u(0, 20), u(80, 120), u(-100, -70), u(40, 100))
        case "behind":
            return arm(side, u(-35, -25), u(10, 18), u(60, 80), u(50, 70))
    return arm(side, u(-12, 14), u(5, 14), u(0, 35), u(8, 35))


def walking(random: Random) -> Pose:
    phase, stride = random.uniform(0, 2 * np.pi), random.uniform(22, 32)
    turns = trunk(random.uniform(0, 8), 0, 9 * np.sin(phase)) | head(random.uniform(-5, 12), random.uniform(-25, 25))
    for side, shift in (("left", 0.0), ("right", np.pi)):
        swing, passing = np.sin(phase + shift), max(0.0, np.cos(phase + shift))
        turns |= leg(side, stride * swing + 5 + 8 * passing, 2, 6, 8 + 48 * passing**1.5 + 8 * max(0, -swing))
        turns |= arm(side, -stride * swing, random.uniform(6, 12), 10, random.uniform(10, 30) + 10 * max(0, -swing))
    return Pose(turns)


def running(random: Random) -> Pose:
    phase, stride = random.uniform(0, 2 * np.pi), random.uniform(34, 52)
    turns = trunk(random.uniform(5, 14), 0, 14 * np.sin(phase), tilt=5) | head(-6, random.uniform(-15, 15))
    for side, shift in (("left", 0.0), ("right", np.pi)):
        swing, passing = np.sin(phase + shift), max(0.0, np.cos(phase + shift))
        turns |= leg(side, stride * swing + 18 + 10 * passing, 2, 3, 18 + 80 * passing + 12 * max(0, -swing))
        turns |= arm(side, -1.1 * stride * swing, random.uniform(8, 18), 20, random.uniform(75, 105))
    return Pose(turns, lift=random.uniform(0, 0.12))


def cheering(random: Random) -> Pose:
    u = random.uniform
    turns = trunk(u(-10, 3), u(-6, 6), u(-10, 10)) | head(u(-20, 0), u(-25, 25))
    spread = u(3, 16)
    turns |= leg("left", u(-4, 12), spread, u(5, 25), u(3, 20)) | leg("right", u(-4, 12), spread, u(5, 25), u(3, 20))
    turns |= arm("left", u(130, 175), u(5, 30), u(-20, 30), u(5, 60))
    turns |= arm("right", u(130, 175), u(5, 30), u(-20, 30), u(5, 60)) if random.random() < 0.7 else resting_arm("right", random)
    return Pose(turns, lift=float(random.choice([0.0, u(0.05, 0.35)], p=[0.75, 0.25])))


def throwing(random: Random) -> Pose:
    u = random.uniform
    turns = trunk(u(-8, 8), u(-12, 4), u(-40, -15)) | head(u(-10, 10), u(10, 35))
    turns |= arm("right", u(-20, 20), u(80, 115), u(-110, -60), u(40, 100))
    turns |= arm("left", u(55, 110), u(10, 45), u(-10, 20), u(5, 40))
    turns |= leg("left", u(15, 40), u(4, 12), 5, u(15, 40)) | leg("right", u(-28, -8), u(6, 14), u(15, 40), u(5, 30))
    return Pose(turns)


def swinging(random: Random) -> Pose:
    """Both hands at a club or a bat."""
    u = random.uniform
    twist, swing, across = u(-45, 45), u(35, 85), u(25, 45)
    turns = trunk(u(12, 32), u(-8, 8), twist) | head(u(5, 25), -0.7 * twist)
    turns |= arm("left", swing, 5 - across * 0.35, across, u(5, 30)) | arm("right", swing, 5 - across * 0.35, across, u(5, 30))
    turns |= leg("left", u(12, 25), u(10, 18), u(5, 20), u(15, 35)) | leg("right", u(12, 25), u(10, 18), u(5, 20), u(15, 35))
    return Pose(turns)


def kicking(random: Random) -> Pose:
    u = random.uniform
    turns = trunk(u(-18, 4), u(-10, 5), u(-20, 25), tilt=u(-10, 2)) | head(u(5, 25), u(-15, 15))
    turns |= leg("left", u(-8, 8), u(2, 8), u(5, 20), u(8, 30))
    turns |= leg("right", u(35, 85), u(0, 20), u(0, 20), u(5, 45), u(10, 35))
    turns |= arm("left", u(10, 60), u(30, 75), u(-20, 20), u(15, 50)) | arm("right", u(-40, -5), u(25, 65), u(-20, 20), u(15, 50))
    return Pose(turns)


def lunging(random: Random) -> Pose:
    u = random.uniform
    deep = u(0.4, 1)
    turns = trunk(u(0, 20), u(-8, 8), u(-20, 20)) | head(u(-10, 10), u(-30, 30))
    turns |= leg("left", 25 + 45 * deep, u(0, 8), 5, 25 + 55 * deep) | leg("right", -12 - 22 * deep, u(0, 8), 5, 8 + 20 * deep)
    for side in ("left", "right"):
        turns |= arm(side, u(-30, 95), u(8, 80), u(-40, 30), u(5, 90))
    return Pose(turns)


def squatting(random: Random) -> Pose:
    u = random.uniform
    deep = u(0.5, 1)
    tilt, swing, knee = 22 * deep, 105 * deep, 118 * deep
    turns = trunk(u(10, 25), u(-4, 4), u(-8, 8), tilt=tilt) | head(-20 * deep, u(-20, 20))
    for side in ("left", "right"):
        turns |= leg(side, swing + 0.6 * tilt, u(10, 22), u(12, 25), knee, None)
        turns |= arm(side, u(50, 95), u(0, 15), u(-10, 30), u(5, 80))
    return Pose(turns)


def bending(random: Random) -> Pose:
    """Reaching for the floor."""
    u = random.uniform
    tilt, knee = u(25, 50), u(8, 45)
    turns = trunk(u(25, 45), u(-8, 8), u(-15, 15), tilt=tilt) | head(u(-25, 0), u(-20, 20))
    for side in ("left", "right"):
        turns |= leg(side, tilt + knee * 0.55 + u(-8, 8), u(4, 14), u(5, 15), knee)
        turns |= arm(side, u(60, 105), u(-5, 20), u(-10, 20), u(5, 40))
    return Pose(turns)


def sitting(random: Random) -> Pose:
    u = random.uniform
    turns = trunk(u(-4, 22), u(-6, 6), u(-15, 15), tilt=u(-8, 0)) | head(u(-8, 20), u(-35, 35))
    for side in ("left", "right"):
        turns |= leg(side, u(80, 92), u(3, 16), u(0, 12), u(72, 100))
        if random.random() < 0.65:
            turns |= arm(side, u(18, 40), u(4, 14), u(5, 30), u(40, 75))
        else:
            turns |= resting_arm(side, random)
    return Pose(turns, seated=True)


def cross_legged(random: Random) -> Pose:
    u = random.uniform
    turns = trunk(u(5, 25), u(-6, 6), u(-10, 10), tilt=-8) | head(u(-8, 20), u(-30, 30))
    for side, fold in (("left", u(118, 128)), ("right", u(108, 118))):
        turns |= leg(side, u(72, 80), u(38, 46), u(48, 62), fold, 20)
        turns |= arm(side, u(15, 35), u(12, 28), u(5, 35), u(35, 75))
    return Pose(turns)


def kneeling(random: Random) -> Pose:
    u = random.uniform
    turns = trunk(u(0, 18), u(-6, 6), u(-15, 15)) | head(u(-10, 20), u(-30, 30))
    turns |= leg("left", u(82, 95), u(4, 14), u(2, 12), u(82, 95)) | leg("right", u(-10, 2), u(2, 8), 3, u(84, 95), 25)
    for side in ("left", "right"):
        turns |= arm(side, u(15, 70), u(5, 30), u(0, 35), u(15, 85))
    return Pose(turns)


def balancing(random: Random) -> Pose:
    """On one leg, as dancers and yogis do."""
    u = random.uniform
    turns = leg("left", u(-4, 4), 1, u(5, 20), u(2, 10))
    if random.random() < 0.5:
        turns |= trunk(0, u(-5, 5), 0) | leg("right", u(45, 60), u(40, 55), u(50, 70), u(105, 122), 30)
    else:
        tilt = u(20, 50)
        turns |= trunk(u(-15, 5), 0, 0, tilt=tilt) | leg("left", tilt + 4, 1, 10, 8) | leg("right", -u(15, 35), 4, 15, u(2, 30), 35)
    turns |= head(u(-15, 5), u(-20, 20))
    lift = u(70, 165)
    turns |= arm("left", u(-10, 20), lift, u(-30, 10), u(5, 40)) | arm("right", u(-10, 20), u(65, 165), u(-30, 10), u(5, 40))
    return Pose(turns)


POSES: dict[Callable[[Random], Pose], float] = {
    standing: 0.24, walking: 0.14, running: 0.11, cheering: 0.08, throwing: 0.07, swinging: 0.05, kicking: 0.06,
    lunging: 0.05, squatting: 0.04, bending: 0.04, sitting: 0.06, cross_legged: 0.02, kneeling: 0.02, balancing: 0.04,
}  # fmt: skip


def draw_pose(random: Random) -> Pose:
    """Something that people do, either way round, never twice the same."""
    chosen = list(POSES)[int(random.choice(len(POSES), p=np.array(list(POSES.values())) / sum(POSES.values())))]
    pose = chosen(random)
    if "head" not in pose.turns:
        pose = Pose(pose.turns | head(random.uniform(-10, 15), random.uniform(-30, 30), random.uniform(-8, 8)), pose.lift, pose.seated)
    return mirrored(pose) if random.random() < 0.5 else pose


def mirrored(pose: Pose) -> Pose:
    """The same pose with left and right exchanged."""
    flip = np.diag([-1.0, 1.0, 1.0])
    other = {"left": "right", "right": "left"}

    def swap(bone: str) -> str:
        side, _, rest = bone.partition("_")
        return f"{other[side]}_{rest}" if side in other else bone

    return Pose({swap(bone): flip @ turn @ flip for bone, turn in pose.turns.items()}, pose.lift, pose.seated)


def placed_bones(anatomy: Anatomy, pose: Pose) -> tuple[Floats, Floats]:
    """Where the pose brings the bones, with the pelvis where it is in the standing body.

    Returns:
        (B, 3, 3) float64 rotations and (B, 3) float64 shifts in metres: a point p of the standing body that belongs to
        bone b goes to rotation[b] @ p + shift[b].
    """
    at = pivots(anatomy)
    rotations: dict[str, Floats] = {}
    origins: dict[str, Floats] = {}
    for bone in BONES:
        parent, turn = PARENT[bone], pose.turns.get(bone, np.eye(3))
        if parent is None:
            rotations[bone], origins[bone] = turn, at[bone]
        else:
            rotations[bone] = rotations[parent] @ turn
            origins[bone] = origins[parent] + rotations[parent] @ (at[bone] - at[parent])
    shifts = [origins[bone] - rotations[bone] @ at[bone] for bone in BONES]
    return np.stack([rotations[bone] for bone in BONES]), np.stack(shifts)
