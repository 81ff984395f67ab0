"""A scene: a place, a camera, the people who are there and the things that stand around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noda_synth.demo import props
from noda_synth.demo.camera import Camera
from noda_synth.demo.figure import Figure, draw_figure
from noda_synth.demo.mesh import Mesh
from noda_synth.demo.props import Prop
from noda_synth.demo.scenery import Scenery, draw_scenery

Floats: TypeAlias = NDArray[np.float64]
Random: TypeAlias = np.random.Generator

HOW_MANY = (0.36, 0.32, 0.18, 0.09, 0.05)
"""Shares of images with 1, 2, .. 5 people."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything in its place; meshes and joints in metres in the world."""

    scenery: Scenery
    camera: Camera
    people: list[Figure]
    things: list[Prop]


def draw_scene(random: Random, size: tuple[int, int]) -> Scene:
    """A scene for a picture of (width, height)."""
    scenery = draw_scenery(random)
    main = draw_figure(random, scenery.palette)
    camera, depth = _camera(random, size, main, scenery)
    middle = size[0] * random.uniform(0.3, 0.7) if random.random() < 0.85 else size[0] * random.uniform(0.08, 0.92)
    places = [_on_floor(camera, middle, depth)]
    people = [_placed(main, places[0], _heading(random))]
    for _ in range(int(random.choice(len(HOW_MANY), p=HOW_MANY))):
        place = _beside(random, places, scenery, camera)
        if place is not None:
            places.append(place)
            people.append(_placed(draw_figure(random, scenery.palette), place, _heading(random)))
    return Scene(scenery, camera, people, _things(random, scenery, camera, people, places))


def _camera(random: Random, size: tuple[int, int], main: Figure, scenery: Scenery) -> tuple[Camera, float]:
    """A camera that shows a person at the wanted size, and how far off that person stands, in metres."""
    focal = random.uniform(0.95, 1.5) * max(size)
    tall = float(main.mesh.points[:, 1].max())
    share = random.uniform(0.42, 0.92) if random.random() < 0.82 else random.uniform(0.92, 1.35)
    depth = float(np.clip(focal * max(tall, 1.2) / (share * size[1]), 1.9, scenery.distance - 1.2))
    height = random.uniform(0.8, 2.1)
    pitch = float(np.arctan2(height - tall * random.uniform(0.46, 0.56), depth))
    if share > 0.92:
        pitch = float(np.arctan2(height - tall * random.uniform(0.45, 0.75), depth))
    softness = float(max(random.uniform(-1.5, 2.2), 0)) * max(size) / 1280
    return Camera(size, focal, height, pitch, float(np.radians(random.normal(0, 1.2))), softness), depth


def _heading(random: Random) -> float:
    """Radians by which a person is turned away from the camera; most people show their front or a side."""
    return float(random.normal(0, 0.95) if random.random() < 0.72 else random.uniform(-np.pi, np.pi))


def _on_floor(camera: Camera, x: float, depth: float) -> Floats:
    """(2,) x and z on the floor, under the pixel column x, `depth` metres away."""
    return np.array([(x - camera.size[0] / 2) / camera.focal * depth, -depth])


def _beside(random: Random, places: list[Floats], scenery: Scenery, camera: Camera) -> Floats | None:
    """A place for one more: close to someone who is there, so that one hides the other, or further off."""
    for _ in range(30):
        near = places[int(random.integers(len(places)))]
        if random.random() < 0.7:
            shift = np.array([random.normal(0, 0.4), random.choice([-1, 1]) * random.uniform(0.45, 1.3)])
        else:
            shift = np.array([random.normal(0, 1.5), random.normal(0, 1.6)])
        place = near + shift
        # Going away from the camera means to go outward too, if the offset on the picture is to stay.
        place[0] += near[0] * (place[1] / near[1] - 1)
        apart = min(float(np.hypot(*(place - other))) for other in places)
        column = camera.size[0] / 2 + camera.focal * place[0] / -place[1]
        room = -place[1] < scenery.wall_depth(float(place[0])) - 0.7
        if apart > 0.55 and -place[1] > 1.7 and room and 0.03 < column / camera.size[0] < 0.97:
            return place
    return None


def _placed(figure: Figure, place: Floats, heading: float) -> Figure:
    """The figure turned and brought to (x, z), over that place with the middle of its joints."""
    joints = _turned(figure.joints, heading)
    shift = np.array([place[0] - joints[:, 0].mean(), 0, place[1] - joints[:, 2].mean()])
    points = _turned(figure.mesh.points.astype(float), heading) + shift
    return replace(figure, mesh=figure.mesh.moved(points.astype(np.float32)), joints=joints + shift, heading=heading)


def _turned(points: Floats, heading: float) -> Floats:
    c, s = np.cos(heading), np.sin(heading)
    x, y, z = points.T
    return np.stack([c * x + s * z, y, c * z - s * x], axis=1)


def _moved(mesh: Mesh, place: Floats, heading: float) -> Mesh:
    points = _turned(mesh.points.astype(float), heading) + np.array([place[0], 0, place[1]])
    return mesh.moved(points.astype(np.float32))


def _things(random: Random, scenery: Scenery, camera: Camera, people: list[Figure], places: list[Floats]) -> list[Prop]:
    """Seats under those who sit, things around, and sometimes one in front."""
    things = []
    for figure, _ in zip(people, places, strict=True):
        if figure.seat is not None:
            pelvis = figure.joints[6]
            seat = props.seat(random, figure.seat)
            things.append(Prop(_moved(seat.mesh, pelvis[[0, 2]], figure.heading), seat.textures))
    for _ in range(int(random.integers(3, 9))):
        prop = scenery.props[int(random.integers(len(scenery.props)))](random)
        depth = random.uniform(2.5, max(scenery.distance - 0.5, 3.0))
        place = _on_floor(camera, random.uniform(-0.1, 1.1) * camera.size[0], depth)
        _add(things, prop, place, random.uniform(-0.6, 0.6), places, scenery)
    if random.random() < 0.3:
        prop = props.LOW[int(random.integers(len(props.LOW)))](random)
        target = places[int(random.integers(len(places)))]
        place = target * (1 - random.uniform(0.75, 1.2) / -target[1]) + [random.normal(0, 0.35), 0]
        _add(things, prop, place, random.uniform(-0.5, 0.5), places, scenery)
    return things


def _add(things: list[Prop], prop: Prop, place: Floats, heading: float, places: list[Floats], scenery: Scenery) -> None:
    """Put a thing in its place unless it would stand in a person, in the camera or in the wall."""
    wide = float(np.abs(prop.mesh.points[:, [0, 2]]).max())
    apart = min(float(np.hypot(*(place - other))) for other in places)
    in_front = place[1] > max(other[1] for other in places) + 0.5 and abs(place[0] / place[1]) < 0.25
    hides = in_front and float(prop.mesh.points[:, 1].max()) > 1.15
    if apart > 0.45 + min(wide, 0.6) and -place[1] > 1.3 and -place[1] < scenery.wall_depth(float(place[0])) - wide and not hides:
        things.append(Prop(_moved(prop.mesh, place, heading), prop.textures))
