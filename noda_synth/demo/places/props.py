"""Things that stand around: furniture, plants, posts, balls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from noda_synth.demo.primitives import fabric
from noda_synth.demo.primitives.chance import Random, likely, whole
from noda_synth.demo.primitives.colours import BARK, CLAY, CLOTH, METAL, WOOD, muted, pick
from noda_synth.demo.primitives.fabric import Texture
from noda_synth.demo.primitives.mesh import Mesh, box, join, loft
from noda_synth.demo.primitives.noise import noise


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing at the origin that stands on the floor: a surface, and the textures its materials count through."""

    mesh: Mesh
    textures: list[Texture]


def post(radius: float, bottom: float, top: float, material: int, *, x: float = 0.0, taper: float = 1.0) -> Mesh:
    """A round post; `taper` is its upper radius over the lower."""
    y = np.array([top, top - 0.002, (top + bottom) / 2, bottom + 0.002, bottom])
    r = radius * np.array([0.98 * taper, taper, (1 + taper) / 2, 1.0, 0.98])
    return loft(np.column_stack([y, r, r, r, np.full(5, x)]), 14).of(material)


def blob(random: Random, width: float, height: float, center: tuple[float, float, float], material: int) -> Mesh:
    """A lumpy ball of so many metres across: foliage."""
    turn = np.linspace(0.06, np.pi - 0.06, 16)
    r = width / 2 * np.sin(turn)
    lumps = 1 + 0.16 * noise(random, (24, 16), (7, 5), 2).astype(float)
    x, y, z = np.full(16, center[0]), center[1] + height / 2 * np.cos(turn), np.full(16, center[2])
    return loft(np.column_stack([y, r, r, r, x, z]), 24, bumps=lumps).of(material)


def painted(random: Random) -> Texture:
    return fabric.leather(random, muted(random, pick(random, CLOTH)))


def wooden(random: Random) -> Texture:
    return fabric.wood(random, pick(random, WOOD))


def seat(random: Random, height: float) -> Prop:
    """A crate, a bench, a stool or a chair whose upper side is `height` metres high."""
    frame = wooden(random) if likely(random, 0.6) else painted(random)
    cushion = fabric.cloth(random) if likely(random, 0.5) else frame
    kind = whole(random, 0, 4)
    if kind == 0:
        return Prop(box((0.5, height, 0.45), (0, height / 2, -0.02), 0), [frame])
    width = 1.5 if kind == 1 else 0.46
    parts = [box((width, 0.05, 0.44), (0, height - 0.025, -0.02), 1)]
    for x in (-width / 2 + 0.03, width / 2 - 0.03):
        parts += [box((0.045, height - 0.04, 0.045), (x, (height - 0.05) / 2, z), 0) for z in (-0.2, 0.17)]
    if kind == 3:
        parts.append(box((width, 0.2, 0.03), (0, height + 0.38, -0.24), 1))
        parts += [box((0.04, 0.5, 0.03), (x, height + 0.23, -0.24), 0) for x in (-0.2, 0.2)]
    return Prop(join(parts), [frame, cushion])


def table(random: Random) -> Prop:
    """A table with some things on it."""
    u = random.uniform
    width, depth, height = u(0.8, 1.6), u(0.5, 0.8), u(0.6, 0.95)
    parts = [box((width, 0.045, depth), (0, height, 0), 0)]
    for x in (-width / 2 + 0.06, width / 2 - 0.06):
        parts += [box((0.06, height, 0.06), (x, height / 2, z), 0) for z in (-depth / 2 + 0.06, depth / 2 - 0.06)]
    for _ in range(whole(random, 0, 4)):
        tall, x = u(0.08, 0.28), u(-0.4, 0.4) * width
        if likely(random, 0.5):
            parts.append(post(u(0.03, 0.06), height + 0.02, height + 0.02 + tall, 1, x=x, taper=0.8))
        else:
            parts.append(box((u(0.1, 0.3), tall, 0.15), (x, height + 0.02 + tall / 2, 0), 1))
    return Prop(join(parts), [wooden(random) if likely(random, 0.7) else fabric.cloth(random), painted(random)])


def crates(random: Random) -> Prop:
    u = random.uniform
    parts: list[Mesh] = []
    floor = 0.0
    for number in range(whole(random, 1, 4)):
        tall = u(0.25, 0.5)
        parts.append(box((u(0.35, 0.7), tall, u(0.3, 0.5)), (u(-0.06, 0.06), floor + tall / 2, 0), number))
        floor += tall
    return Prop(join(parts), [wooden(random) if likely(random, 0.6) else painted(random) for _ in parts])


def bush(random: Random) -> Prop:
    u = random.uniform
    wide, tall = u(0.5, 1.2), u(0.5, 1.2)
    sizes = u(0.5, 1, 4)
    parts = [blob(random, wide * s, tall * s, (u(-0.3, 0.3), tall * s / 2, u(-0.2, 0.2)), 0) for s in sizes]
    return Prop(join(parts), [fabric.leaves(random)])


def potted_plant(random: Random) -> Prop:
    u = random.uniform
    pot, stem = u(0.3, 0.5), u(0.2, 0.5)
    parts = [post(0.14, 0, pot, 0, taper=1.35), post(0.02, pot, pot + stem + 0.2, 1)]
    for size in u(0.5, 1, 5):
        center = (u(-0.2, 0.2), pot + stem + u(-0.1, 0.3), u(-0.15, 0.15))
        parts.append(blob(random, 0.52 * size, 0.48 * size, center, 2))
    return Prop(join(parts), [fabric.leather(random, pick(random, CLAY)), wooden(random), fabric.leaves(random)])


def tree(random: Random) -> Prop:
    u = random.uniform
    parts = [post(u(0.09, 0.2), 0, 3.2, 0, taper=0.7)]
    for size in u(0.6, 1.1, 6):
        parts.append(blob(random, 1.8 * size, 1.4 * size, (u(-0.9, 0.9), u(2.7, 4.0), u(-0.5, 0.5)), 1))
    return Prop(join(parts), [fabric.strands(random, pick(random, BARK), (24, 5)), fabric.leaves(random)])


def pole(random: Random) -> Prop:
    """A pole, often with a sign."""
    u = random.uniform
    tall = u(2.0, 3.6)
    parts = [post(u(0.025, 0.06), 0, tall, 0)]
    if likely(random, 0.6):
        parts.append(box((u(0.35, 0.8), u(0.3, 0.6), 0.02), (0, tall - 0.35, 0.06), 1))
    return Prop(join(parts), [fabric.leather(random, pick(random, METAL)), fabric.cloth(random)])


def barrel(random: Random) -> Prop:
    u = random.uniform
    return Prop(post(u(0.18, 0.3), 0, u(0.5, 0.95), 0, taper=1.15), [painted(random)])


def ball(random: Random) -> Prop:
    radius = random.uniform(0.1, 0.35)
    turn = np.linspace(0.05, np.pi - 0.05, 14)
    r = radius * np.sin(turn)
    return Prop(loft(np.column_stack([radius + radius * np.cos(turn), r, r, r]), 20).of(0), [fabric.cloth(random)])


def board(random: Random) -> Prop:
    """A board on two feet: an advertisement, a partition."""
    width, tall = random.uniform(0.6, 1.3), random.uniform(0.8, 1.7)
    feet = [box((0.05, 0.1, 0.4), (x, 0.05, 0), 1) for x in (-width / 3, width / 3)]
    face = box((width, tall, 0.04), (0, tall / 2 + 0.08, 0), 0)
    return Prop(join([face, *feet]), [fabric.cloth(random), fabric.leather(random, pick(random, METAL))])


def shelf(random: Random) -> Prop:
    """A shelf with rows of books and boxes."""
    u = random.uniform
    width, tall = u(0.8, 1.4), u(1.0, 2.0)
    parts = [box((0.03, tall, 0.3), (x, tall / 2, 0), 0) for x in (-width / 2, width / 2)]
    parts.append(box((width, tall, 0.02), (0, tall / 2, -0.14), 0))
    levels = int(tall / 0.36)
    for level in range(levels + 1):
        y, x = 0.04 + level * (tall - 0.08) / levels, -width / 2 + 0.05
        parts.append(box((width, 0.025, 0.3), (0, y, 0), 0))
        while level < levels and x < width / 2 - 0.12:
            wide, high = u(0.03, 0.16), u(0.12, 0.3)
            parts.append(box((wide * 0.92, high, 0.2), (x + wide / 2, y + high / 2, 0.02), whole(random, 1, 5)))
            x += wide + (u(0, 0.12) if likely(random, 0.2) else 0)
    return Prop(join(parts), [wooden(random), *(fabric.cloth(random) for _ in range(4))])


OUTDOORS: tuple[Callable[[Random], Prop], ...] = (bush, tree, pole, barrel, board, crates, ball, table)
INDOORS: tuple[Callable[[Random], Prop], ...] = (potted_plant, shelf, table, crates, barrel, ball, board)
LOW: tuple[Callable[[Random], Prop], ...] = (bush, crates, table, barrel, potted_plant)
"""Things that hide legs when they stand in front."""
