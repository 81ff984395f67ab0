"""What people do: each function draws one pose of its kind. Angles are in degrees, see `pose`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from noda_synth.demo.people.anatomy import SIDES
from noda_synth.demo.people.pose import BonePose, Turns, arm, head, leg, mirrored, trunk
from noda_synth.demo.primitives.chance import Random, likely, weighted


def draw_pose(random: Random) -> BonePose:
    """Something that people do, either way round, never twice the same."""
    pose = weighted(random, POSES)(random)
    if "head" not in pose.turns:
        u = random.uniform
        pose = replace(pose, turns=pose.turns | head(u(-10, 15), u(-30, 30), u(-8, 8)))
    return mirrored(pose) if likely(random, 0.5) else pose


def standing(random: Random) -> BonePose:
    """On both legs, the weight more on one of them."""
    u = random.uniform
    weight, stance = u(-1, 1), u(2, 9)
    turns = trunk(u(-4, 6), 4 * weight, u(-12, 12), roll=-2.5 * weight)
    for side, free in (("left", max(0.0, -weight)), ("right", max(0.0, weight))):
        turns |= leg(side, 3 * free, stance, u(4, 25), 4 + 14 * free) | resting_arm(random, side)
    return BonePose(turns)


def resting_arm(random: Random, side: str) -> Turns:
    """What an arm does on someone who stands or sits."""
    u = random.uniform
    match weighted(random, {"hang": 8, "hip": 3, "fold": 2, "hold": 2.4, "point": 1.6, "wave": 2, "behind": 1}):
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


def walking(random: Random) -> BonePose:
    u = random.uniform
    phase, stride = u(0, 2 * np.pi), u(22, 32)
    turns = trunk(u(0, 8), 0, 9 * np.sin(phase)) | head(u(-5, 12), u(-25, 25))
    for side, shift in (("left", 0.0), ("right", np.pi)):
        swing, passing = np.sin(phase + shift), max(0.0, np.cos(phase + shift))
        behind = max(0.0, -swing)
        turns |= leg(side, stride * swing + 5 + 8 * passing, 2, 6, 8 + 48 * passing**1.5 + 8 * behind)
        turns |= arm(side, -stride * swing, u(6, 12), 10, u(10, 30) + 10 * behind)
    return BonePose(turns)


def running(random: Random) -> BonePose:
    u = random.uniform
    phase, stride = u(0, 2 * np.pi), u(34, 52)
    turns = trunk(u(5, 14), 0, 14 * np.sin(phase), tilt=5) | head(-6, u(-15, 15))
    for side, shift in (("left", 0.0), ("right", np.pi)):
        swing, passing = np.sin(phase + shift), max(0.0, np.cos(phase + shift))
        turns |= leg(side, stride * swing + 18 + 10 * passing, 2, 3, 18 + 80 * passing + 12 * max(0.0, -swing))
        turns |= arm(side, -1.1 * stride * swing, u(8, 18), 20, u(75, 105))
    return BonePose(turns, lift=u(0, 0.12))


def cheering(random: Random) -> BonePose:
    """Arms high, sometimes in the air."""
    u = random.uniform
    turns, spread = trunk(u(-10, 3), u(-6, 6), u(-10, 10)) | head(u(-20, 0), u(-25, 25)), u(3, 16)
    for side in SIDES:
        turns |= leg(side, u(-4, 12), spread, u(5, 25), u(3, 20)) | arm(
            side, u(130, 175), u(5, 30), u(-20, 30), u(5, 60)
        )
    if likely(random, 0.3):
        turns |= resting_arm(random, "right")
    return BonePose(turns, lift=u(0.05, 0.35) if likely(random, 0.25) else 0.0)


def throwing(random: Random) -> BonePose:
    u = random.uniform
    turns = trunk(u(-8, 8), u(-12, 4), u(-40, -15)) | head(u(-10, 10), u(10, 35))
    turns |= arm("right", u(-20, 20), u(80, 115), u(-110, -60), u(40, 100))
    turns |= arm("left", u(55, 110), u(10, 45), u(-10, 20), u(5, 40))
    turns |= leg("left", u(15, 40), u(4, 12), 5, u(15, 40))
    turns |= leg("right", u(-28, -8), u(6, 14), u(15, 40), u(5, 30))
    return BonePose(turns)


def swinging(random: Random) -> BonePose:
    """Both hands at a club or a bat."""
    u = random.uniform
    twist, swing, across = u(-45, 45), u(35, 85), u(25, 45)
    turns = trunk(u(12, 32), u(-8, 8), twist) | head(u(5, 25), -0.7 * twist)
    for side in SIDES:
        turns |= arm(side, swing, 5 - 0.35 * across, across, u(5, 30))
        turns |= leg(side, u(12, 25), u(10, 18), u(5, 20), u(15, 35))
    return BonePose(turns)


def kicking(random: Random) -> BonePose:
    u = random.uniform
    turns = trunk(u(-18, 4), u(-10, 5), u(-20, 25), tilt=u(-10, 2)) | head(u(5, 25), u(-15, 15))
    turns |= leg("left", u(-8, 8), u(2, 8), u(5, 20), u(8, 30))
    turns |= leg("right", u(35, 85), u(0, 20), u(0, 20), u(5, 45), u(10, 35))
    turns |= arm("left", u(10, 60), u(30, 75), u(-20, 20), u(15, 50))
    turns |= arm("right", u(-40, -5), u(25, 65), u(-20, 20), u(15, 50))
    return BonePose(turns)


def lunging(random: Random) -> BonePose:
    u = random.uniform
    deep = u(0.4, 1)
    turns = trunk(u(0, 20), u(-8, 8), u(-20, 20)) | head(u(-10, 10), u(-30, 30))
    turns |= leg("left", 25 + 45 * deep, u(0, 8), 5, 25 + 55 * deep)
    turns |= leg("right", -12 - 22 * deep, u(0, 8), 5, 8 + 20 * deep)
    for side in SIDES:
        turns |= arm(side, u(-30, 95), u(8, 80), u(-40, 30), u(5, 90))
    return BonePose(turns)


def squatting(random: Random) -> BonePose:
    u = random.uniform
    deep = u(0.5, 1)
    turns = trunk(u(10, 25), u(-4, 4), u(-8, 8), tilt=22 * deep) | head(-20 * deep, u(-20, 20))
    for side in SIDES:
        turns |= leg(side, 118 * deep, u(10, 22), u(12, 25), 118 * deep, tilt=22 * deep)
        turns |= arm(side, u(50, 95), u(0, 15), u(-10, 30), u(5, 80))
    return BonePose(turns)


def bending(random: Random) -> BonePose:
    """Reaching for the floor."""
    u = random.uniform
    tilt, knee = u(25, 50), u(8, 45)
    turns = trunk(u(25, 45), u(-8, 8), u(-15, 15), tilt=tilt) | head(u(-25, 0), u(-20, 20))
    for side in SIDES:
        turns |= leg(side, tilt + knee * 0.55 + u(-8, 8), u(4, 14), u(5, 15), knee, tilt=tilt)
        turns |= arm(side, u(60, 105), u(-5, 20), u(-10, 20), u(5, 40))
    return BonePose(turns)


def sitting(random: Random) -> BonePose:
    u = random.uniform
    turns = trunk(u(-4, 22), u(-6, 6), u(-15, 15), tilt=u(-8, 0)) | head(u(-8, 20), u(-35, 35))
    for side in SIDES:
        turns |= leg(side, u(80, 92), u(3, 16), u(0, 12), u(72, 100))
        hand_on_thigh = arm(side, u(18, 40), u(4, 14), u(5, 30), u(40, 75))
        turns |= hand_on_thigh if likely(random, 0.65) else resting_arm(random, side)
    return BonePose(turns, seated=True)


def cross_legged(random: Random) -> BonePose:
    u = random.uniform
    turns = trunk(u(5, 25), u(-6, 6), u(-10, 10), tilt=-8) | head(u(-8, 20), u(-30, 30))
    for side, fold in (("left", u(118, 128)), ("right", u(108, 118))):
        turns |= leg(side, u(72, 80), u(38, 46), u(48, 62), fold, 20)
        turns |= arm(side, u(15, 35), u(12, 28), u(5, 35), u(35, 75))
    return BonePose(turns)


def kneeling(random: Random) -> BonePose:
    """On one knee."""
    u = random.uniform
    turns = trunk(u(0, 18), u(-6, 6), u(-15, 15)) | head(u(-10, 20), u(-30, 30))
    turns |= leg("left", u(82, 95), u(4, 14), u(2, 12), u(82, 95))
    turns |= leg("right", u(-10, 2), u(2, 8), 3, u(84, 95), 25)
    for side in SIDES:
        turns |= arm(side, u(15, 70), u(5, 30), u(0, 35), u(15, 85))
    return BonePose(turns)


def perching(random: Random) -> BonePose:
    """On one leg, the other foot at the knee."""
    u = random.uniform
    turns = trunk(0, u(-5, 5), 0) | leg("left", u(-4, 4), 1, u(5, 20), u(2, 10))
    return BonePose(turns | leg("right", u(45, 60), u(40, 55), u(50, 70), u(105, 122), 30) | _wings(random))


def leaning(random: Random) -> BonePose:
    """On one leg, the other stretched to the back."""
    u = random.uniform
    tilt = u(20, 50)
    turns = trunk(u(-15, 5), 0, 0, tilt=tilt) | leg("left", tilt + 4, 1, 10, 8, tilt=tilt)
    return BonePose(turns | leg("right", -u(15, 35), 4, 15, u(2, 30), 35) | _wings(random))


def _wings(random: Random) -> Turns:
    u = random.uniform
    turns = head(u(-15, 5), u(-20, 20))
    for side in SIDES:
        turns |= arm(side, u(-10, 20), u(65, 165), u(-30, 10), u(5, 40))
    return turns


POSES: dict[Callable[[Random], BonePose], float] = {
    standing: 24, walking: 14, running: 11, cheering: 8, throwing: 7, swinging: 5, kicking: 6, lunging: 5, squatting: 4,
    bending: 4, sitting: 6, cross_legged: 2, kneeling: 2, perching: 2, leaning: 2,
}  # fmt: skip
"""What people do, and how often."""
