"""A scene: a place, a camera, the people who are there and the things that stand around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.skeleton import MPII
from noda_synth.demo.optics.camera import Camera
from noda_synth.demo.people.figure import Figure, draw_figure
from noda_synth.demo.places import props
from noda_synth.demo.places.props import Prop
from noda_synth.demo.places.scenery import Scenery, draw_scenery
from noda_synth.demo.primitives.chance import Random, likely, one_of, weighted, whole
from noda_synth.demo.primitives.mesh import Mesh

Floats: TypeAlias = NDArray[np.float64]

HOW_MANY = {1: 0.36, 2: 0.32, 3: 0.18, 4: 0.09, 5: 0.05}
"""People in an image, and how often."""

_APART = 0.55
"""Metres between the middles of two people, at least."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything where it stands; meshes and joints in metres in the world."""

    scenery: Scenery
    camera: Camera
    people: list[Figure]
    things: list[Prop]


def draw_scene(random: Random, size: tuple[int, int]) -> Scene:
    """A scene for a picture of (width, height): someone in the middle of interest, others beside, things around."""
    scenery = draw_scenery(random)
    main = draw_figure(random, scenery.palette)
    camera, depth = _camera(random, size, main, scenery)
    column = random.uniform(0.3, 0.7) if likely(random, 0.85) else random.uniform(0.08, 0.92)
    positions = [_on_floor(camera, column, depth)]
    people = [_placed(main, positions[0], _heading(random))]
    for _ in range(weighted(random, HOW_MANY) - 1):
        position = _beside(random, positions, scenery, camera)
        if position is not None:
            positions.append(position)
            people.append(_placed(draw_figure(random, scenery.palette), position, _heading(random)))
    things = [*_seats(random, people), *_things(random, scenery, camera, positions)]
    return Scene(scenery, camera, people, things)


def _camera(random: Random, size: tuple[int, int], main: Figure, scenery: Scenery) -> tuple[Camera, float]:
    """A camera that shows someone at the wanted size, and how far off that person is to stand, in metres."""
    u = random.uniform
    focal, tall = u(0.95, 1.5) * max(size), float(main.mesh.points[:, 1].max())
    # Sometimes so near that legs or head are cut off.
    share, aim = (u(0.42, 0.92), u(0.46, 0.56)) if likely(random, 0.82) else (u(0.92, 1.35), u(0.45, 0.75))
    depth = float(np.clip(focal * max(tall, 1.2) / (share * size[1]), 1.9, scenery.wall.distance - 1.2))
    height = u(0.8, 2.1)
    return Camera(
        size=size,
        focal=focal,
        height=height,
        pitch=float(np.arctan2(height - tall * aim, depth)),
        roll=float(np.radians(random.normal(0, 1.2))),
        softness=max(u(-1.5, 2.2), 0.0) * max(size) / 1280,
    ), depth


def _heading(random: Random) -> float:
    """Radians by which a person is turned away from the camera; most show their front or a side."""
    return random.normal(0, 0.95) if likely(random, 0.72) else random.uniform(-np.pi, np.pi)


def _on_floor(camera: Camera, column: float, depth: float) -> Floats:
    """(2,) x and z on the floor, `depth` metres away, at a column as a fraction of the picture's width."""
    return np.array([(column - 0.5) * camera.size[0] / camera.focal * depth, -depth])


def _beside(random: Random, positions: list[Floats], scenery: Scenery, camera: Camera) -> Floats | None:
    """A position for one more: mostly behind or before someone, so that one hides some of the other."""
    for _ in range(30):
        near = one_of(random, positions)
        across, away = random.normal(0, 1.5), random.normal(0, 1.6)
        if likely(random, 0.7):
            across = one_of(random, (-1, 1)) * random.uniform(0.1, 0.6)
            away = one_of(random, (-1, 1)) * random.uniform(0.45, 1.3)
        # What is further off has to stand further out to keep its distance in the picture.
        position = np.array([near[0] * (1 + away / near[1]) + across, near[1] + away])
        x, depth = float(position[0]), -float(position[1])
        column = 0.5 + camera.focal * x / depth / camera.size[0]
        fits = 1.7 < depth < scenery.wall.depth(x) - 0.7 and 0.03 < column < 0.97
        if fits and _distance(position, positions) > _APART:
            return position
    return None


def _distance(position: Floats, positions: list[Floats]) -> float:
    """Metres to the nearest of some positions."""
    return min(float(np.hypot(*(position - other))) for other in positions)


def _seats(random: Random, people: list[Figure]) -> list[Prop]:
    """Something under everyone who sits."""
    seats = []
    for figure in people:
        if figure.seat is not None:
            seat = props.seat(random, figure.seat)
            position = figure.joints[MPII.index["pelvis"], [0, 2]]
            seats.append(replace(seat, mesh=_moved_mesh(seat.mesh, position, figure.heading)))
    return seats


def _things(random: Random, scenery: Scenery, camera: Camera, positions: list[Floats]) -> list[Prop]:
    """Things around, and sometimes one before someone's legs."""
    u = random.uniform
    wanted = []
    for _ in range(whole(random, 3, 9)):
        position = _on_floor(camera, u(-0.1, 1.1), u(2.5, max(scenery.wall.distance - 0.5, 3.0)))
        wanted.append((one_of(random, scenery.props)(random), position))
    if likely(random, 0.3):
        position = one_of(random, positions)
        nearer = position * (1 + u(0.75, 1.2) / position[1]) + [random.normal(0, 0.35), 0]
        wanted.append((one_of(random, props.LOW)(random), nearer))
    kept = [(prop, position) for prop, position in wanted if _fits(prop, position, positions, scenery)]
    return [replace(prop, mesh=_moved_mesh(prop.mesh, position, u(-0.6, 0.6))) for prop, position in kept]


def _fits(prop: Prop, position: Floats, positions: list[Floats], scenery: Scenery) -> bool:
    """Whether a thing stands in nobody, not in the camera, not in the wall, and hides no one altogether."""
    wide, tall = float(np.abs(prop.mesh.points[:, [0, 2]]).max()), float(prop.mesh.points[:, 1].max())
    depth = -float(position[1])
    before = depth < min(-other[1] for other in positions) - 0.5 and abs(position[0]) < 0.25 * depth
    free = _distance(position, positions) > 0.45 + min(wide, 0.6)
    return free and 1.3 < depth < scenery.wall.depth(float(position[0])) - wide and not (before and tall > 1.15)


def _placed(figure: Figure, position: Floats, heading: float) -> Figure:
    """The figure turned and brought to (x, z), over that position with the middle of its joints."""
    x, z = position - _moved(figure.joints, np.zeros(2), heading)[:, [0, 2]].mean(axis=0)
    to = np.array([x, z])
    mesh = _moved_mesh(figure.mesh, to, heading)
    return replace(figure, mesh=mesh, joints=_moved(figure.joints, to, heading), heading=heading)


def _moved_mesh(mesh: Mesh, to: Floats, heading: float) -> Mesh:
    return mesh.moved(_moved(mesh.points.astype(float), to, heading))


def _moved(points: Floats, to: Floats, heading: float) -> Floats:
    """Points (N, 3) turned around the y axis by radians, then shifted by x and z."""
    c, s = np.cos(heading), np.sin(heading)
    x, y, z = points.T
    return np.stack([c * x + s * z + to[0], y, c * z - s * x + to[1]], axis=1)
