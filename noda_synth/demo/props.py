"""Things that stand around: furniture, plants, posts, balls. Each is a mesh, and the textures it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo import fabric
from noda_synth.demo.fabric import SIDE, Texture
from noda_synth.demo.mesh import TILE, Mesh, join, loft

Floats: TypeAlias = NDArray[np.float64]
Random: TypeAlias = np.random.Generator


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing at the origin, standing on the floor."""

    mesh: Mesh
    textures: list[Texture]


def box(size: tuple[float, float, float], at: tuple[float, float, float], material: int) -> Mesh:
    """A box of width, height and depth in metres, its middle at `at`."""
    half = np.array(size) / 2
    points, faces, uv = [], [], []
    for axis in range(3):
        for sign in (-1, 1):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            for corner_a, corner_b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[axis], corner[a], corner[b] = sign, corner_a, corner_b
                points.append(corner * half + at)
                flat = [corner_a * half[a], corner_b * half[b]] if axis != 0 else [corner_b * half[b], corner_a * half[a]]
                uv.append(np.array(flat) / TILE + 0.37 * axis)
            first = len(points) - 4
            ring = [first, first + 1, first + 2, first + 3][::sign]
            faces += [[ring[0], ring[1], ring[2]], [ring[0], ring[2], ring[3]]]
    none = np.full(len(faces), -1, np.int32)
    return Mesh(np.array(points, np.float32), np.array(faces, np.int32), np.array(uv, np.float32), none, none).of(material)


def post(radius: float, bottom: float, top: float, material: int, at: tuple[float, float] = (0.0, 0.0), taper: float = 1.0) -> Mesh:
    """A round post; `taper` is its upper radius over the lower."""
    y = np.array([top, top - 0.002, (top + bottom) / 2, bottom + 0.002, bottom])
    r = radius * np.array([0.98 * taper, taper, (1 + taper) / 2, 1.0, 0.98])
    return loft(np.column_stack([y, r, r, r, np.full(5, at[0]), np.full(5, at[1])]), 14).of(material)


def blob(random: Random, radius: tuple[float, float], at: tuple[float, float, float], material: int) -> Mesh:
    """A lumpy ball of (width, height) radius: foliage, a bag, a bush."""
    turn = np.linspace(0.06, np.pi - 0.06, 16)
    r = radius[0] * np.sin(turn)
    bumps = 1 + 0.16 * fabric.noise(random, (24, 16), (7, 5), 2).astype(float)
    rows = np.column_stack([at[1] + radius[1] * np.cos(turn), r, r, r, np.full(16, at[0]), np.full(16, at[2])])
    return loft(rows, 24, bumps=bumps).of(material)


def seat(random: Random, height: float) -> Prop:
    """A chair, a stool, a bench or a crate to sit on, its upper side at `height` metres."""
    frame = fabric.wood(random, fabric.pick(random, WOOD)) if random.random() < 0.6 else fabric.leather(random, fabric.pick(random, fabric.CLOTH))
    cushion = fabric.cloth(random) if random.random() < 0.5 else frame
    kind = random.integers(4)
    if kind == 0:
        return Prop(box((0.5, height, 0.45), (0, height / 2, -0.02), 0), [frame])
    width = 1.5 if kind == 1 else 0.46
    parts = [box((width, 0.05, 0.44), (0, height - 0.025, -0.02), 1)]
    for x in (-width / 2 + 0.03, width / 2 - 0.03):
        parts += [box((0.045, height - 0.04, 0.045), (x, (height - 0.05) / 2, z), 0) for z in (-0.2, 0.17)]
    if kind == 3:
        parts += [box((width, 0.2, 0.03), (0, height + 0.38, -0.24), 1), *(box((0.04, 0.5, 0.03), (x, height + 0.23, -0.24), 0) for x in (-0.2, 0.2))]
    return Prop(join(parts), [frame, cushion])


def table(random: Random) -> Prop:
    width, depth, height = random.uniform(0.8, 1.6), random.uniform(0.5, 0.8), random.uniform(0.6, 0.95)
    top = fabric.wood(random, fabric.pick(random, WOOD)) if random.random() < 0.7 else fabric.cloth(random)
    parts = [box((width, 0.045, depth), (0, height, 0), 0)]
    parts += [box((0.06, height, 0.06), (x, height / 2, z), 0) for x in (-width / 2 + 0.06, width / 2 - 0.06) for z in (-depth / 2 + 0.06, depth / 2 - 0.06)]
    for _ in range(int(random.integers(0, 4))):
        tall, x = random.uniform(0.08, 0.28), random.uniform(-0.4, 0.4) * width
        if random.random() < 0.5:
            parts.append(post(random.uniform(0.03, 0.06), height + 0.02, height + 0.02 + tall, 1, (x, random.uniform(-0.15, 0.15)), 0.8))
        else:
            parts.append(box((random.uniform(0.1, 0.3), tall, 0.15), (x, height + 0.02 + tall / 2, 0), 1))
    return Prop(join(parts), [top, fabric.cloth(random)])


def crates(random: Random) -> Prop:
    parts, floor = [], 0.0
    for _ in range(int(random.integers(1, 4))):
        tall = random.uniform(0.25, 0.5)
        parts.append(box((random.uniform(0.35, 0.7), tall, random.uniform(0.3, 0.5)), (random.uniform(-0.06, 0.06), floor + tall / 2, 0), len(parts)))
        floor += tall
    textures = [fabric.wood(random, fabric.pick(random, WOOD)) if random.random() < 0.5 else fabric.cloth(random) for _ in parts]
    return Prop(join(parts), textures)


def bush(random: Random) -> Prop:
    wide, tall = random.uniform(0.25, 0.6), random.uniform(0.25, 0.6)
    parts = [blob(random, (wide * u, tall * u), (random.uniform(-0.3, 0.3), tall * u, random.uniform(-0.2, 0.2)), 0) for u in random.uniform(0.5, 1, 4)]
    return Prop(join(parts), [leaves(random)])


def potted_plant(random: Random) -> Prop:
    pot, stem = random.uniform(0.3, 0.5), random.uniform(0.2, 0.5)
    parts = [post(0.14, 0, pot, 0, taper=1.35), post(0.02, pot, pot + stem + 0.2, 1)]
    for u in random.uniform(0.5, 1, 5):
        parts.append(blob(random, (0.26 * u, 0.24 * u), (random.uniform(-0.2, 0.2), pot + stem + random.uniform(-0.1, 0.3), random.uniform(-0.15, 0.15)), 2))
    return Prop(join(parts), [fabric.leather(random, fabric.pick(random, CLAY)), fabric.wood(random, fabric.pick(random, WOOD)), leaves(random)])


def tree(random: Random) -> Prop:
    trunk = random.uniform(0.09, 0.2)
    parts = [post(trunk, 0, 3.2, 0, taper=0.7)]
    for u in random.uniform(0.6, 1.1, 6):
        parts.append(blob(random, (0.9 * u, 0.7 * u), (random.uniform(-0.9, 0.9), random.uniform(2.7, 4.0), random.uniform(-0.5, 0.5)), 1))
    bark = fabric.strands(random, fabric.pick(random, ((92, 74, 58), (120, 108, 92), (66, 52, 42))), (24, 5))
    return Prop(join(parts), [bark, leaves(random)])


def pole(random: Random) -> Prop:
    tall = random.uniform(2.0, 3.6)
    parts = [post(random.uniform(0.025, 0.06), 0, tall, 0)]
    if random.random() < 0.6:
        parts.append(box((random.uniform(0.35, 0.8), random.uniform(0.3, 0.6), 0.02), (0, tall - 0.35, 0.06), 1))
    return Prop(join(parts), [fabric.leather(random, fabric.pick(random, METAL)), fabric.cloth(random)])


def bin_(random: Random) -> Prop:
    return Prop(post(random.uniform(0.18, 0.3), 0, random.uniform(0.5, 0.95), 0, taper=1.15), [fabric.cloth(random)])


def ball(random: Random) -> Prop:
    radius = random.uniform(0.1, 0.35)
    turn = np.linspace(0.05, np.pi - 0.05, 14)
    r = radius * np.sin(turn)
    return Prop(loft(np.column_stack([radius + radius * np.cos(turn), r, r, r]), 20).of(0), [fabric.cloth(random)])


def board(random: Random) -> Prop:
    """A board on two feet: an advertisement, a partition."""
    width, tall = random.uniform(0.6, 1.3), random.uniform(0.8, 1.7)
    parts = [box((width, tall, 0.04), (0, tall / 2 + 0.08, 0), 0), *(box((0.05, 0.1, 0.4), (x, 0.05, 0), 1) for x in (-width / 3, width / 3))]
    return Prop(join(parts), [fabric.cloth(random), fabric.leather(random, fabric.pick(random, METAL))])


def shelf(random: Random) -> Prop:
    width, tall = random.uniform(0.8, 1.4), random.uniform(1.0, 2.0)
    parts = [box((0.03, tall, 0.3), (x, tall / 2, 0), 0) for x in (-width / 2, width / 2)]
    parts.append(box((width, tall, 0.02), (0, tall / 2, -0.14), 0))
    levels = int(tall / 0.36)
    for level in range(levels + 1):
        y = 0.04 + level * (tall - 0.08) / levels
        parts.append(box((width, 0.025, 0.3), (0, y, 0), 0))
        x = -width / 2 + 0.05
        while level < levels and x < width / 2 - 0.12:
            wide, high = random.uniform(0.03, 0.16), random.uniform(0.12, 0.3)
            parts.append(box((wide * 0.92, high, 0.2), (x + wide / 2, y + high / 2, 0.02), int(random.integers(1, 5))))
            x += wide + (random.uniform(0, 0.12) if random.random() < 0.2 else 0)
    return Prop(join(parts), [fabric.wood(random, fabric.pick(random, WOOD)), *(fabric.cloth(random) for _ in range(4))])


WOOD: tuple[fabric.Colour, ...] = ((150, 108, 68), (186, 146, 98), (112, 74, 46), (84, 58, 42), (206, 178, 138), (196, 190, 182))
CLAY: tuple[fabric.Colour, ...] = ((172, 96, 66), (220, 216, 206), (70, 76, 84), (60, 110, 120))
METAL: tuple[fabric.Colour, ...] = ((120, 124, 128), (60, 64, 68), (190, 192, 194), (46, 90, 70))
GREEN: tuple[fabric.Colour, ...] = ((70, 104, 44), (52, 84, 44), (104, 130, 60), (86, 110, 70), (134, 140, 66), (44, 70, 40))


def leaves(random: Random, colour: NDArray[np.float32] | None = None, side: int = SIDE, count: int = 900) -> Texture:
    """Foliage: leaves over leaves, the upper ones lighter."""
    colour = fabric.pick(random, GREEN) if colour is None else colour
    image = np.zeros((side, side, 3), np.uint8) + (colour * 0.35).astype(np.uint8)
    places, turns = random.integers(-8, side + 8, (count, 2)), random.uniform(0, 180, count)
    sizes, tones = random.uniform(5, 15, count), random.normal(0, 0.14, (count, 1)) + random.normal(0, 0.05, (count, 3))
    for step in range(count):
        light = 0.45 + 0.7 * step / count
        tone = np.clip(colour * (light + tones[step]), 0, 255)
        cv2.ellipse(image, ((int(places[step, 0]), int(places[step, 1])), (sizes[step] * 1.5, sizes[step] * 0.7), turns[step]), tone.tolist(), -1)
    return image


OUTDOORS: tuple[Callable[[Random], Prop], ...] = (bush, tree, pole, bin_, board, crates, ball, table)
INDOORS: tuple[Callable[[Random], Prop], ...] = (potted_plant, shelf, table, crates, bin_, ball, board)
LOW: tuple[Callable[[Random], Prop], ...] = (bush, crates, table, bin_, potted_plant)
"""Things that hide legs when they stand in front."""
