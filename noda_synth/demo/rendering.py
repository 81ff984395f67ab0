"""From a scene to a picture, and to what is known about each of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.light import cast, footing, linear, openness
from noda_synth.demo.fabric import SIDE
from noda_synth.demo.mesh import Mesh, join
from noda_synth.demo.raster import nearest, scan
from noda_synth.demo.scene import Scene
from noda_synth.demo.scenery import paint

Pixels: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

FINE = 2
"""Samples a pixel, across and down."""

NOBODY, THING = -1, -2
"""Owners of samples that show the background, or a thing."""


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture and its truth.

    Attributes:
        light: (H, W, 3) float32 RGB amounts of light.
        owner: (FINE*H, FINE*W) int16, who is seen at each sample: index of the person, NOBODY or THING.
        bone: (FINE*H, FINE*W) int16, the bone that the seen surface belongs to, or -1.
        near: (FINE*H, FINE*W) float32, one over the depth in metres of what is seen, 0 for the background.
        whole: (P, FINE*H, FINE*W) bool, all that each person would show if nothing stood in front.
    """

    light: Pixels
    owner: NDArray[np.int16]
    bone: NDArray[np.int16]
    near: Pixels
    whole: Mask


def render(scene: Scene, random: np.random.Generator) -> Rendering:
    camera = scene.camera
    size = (camera.size[0] * FINE, camera.size[1] * FINE)
    mesh, owners, textures = _assembled(scene)
    screen = camera.project(mesh.points.astype(float))
    # Sample i lies at pixel (i + 0.5) / FINE - 0.5.
    screen[:, :2] = (screen[:, :2] + 0.5) * FINE - 0.5
    samples = scan(screen, mesh.faces, size)
    face, near = nearest(samples, size)

    whole = np.zeros((len(scene.people), size[1] * size[0]), bool)
    whose = owners[samples.face]
    for person in range(len(scene.people)):
        whole[person, samples.place[whose == person]] = True

    shadows = cast(mesh, scene.scenery.light.direction, 900)
    background = paint(scene.scenery, camera, shadows, footing(mesh), random)
    if camera.softness:
        background = cv2.GaussianBlur(background, (0, 0), camera.softness)
    light = np.zeros((size[1], size[0], 4), np.float32)
    seen = np.flatnonzero(face >= 0)
    surface = _at_samples(mesh, screen, face.ravel()[seen], seen % size[0], seen // size[0])
    open_ = openness(near[::FINE, ::FINE], camera.focal)[seen // size[0] // FINE, seen % size[0] // FINE]
    lit = shadows.lit(surface.points + surface.normals * np.float32(1.5 * shadows.step))
    colours = linear(surface.looked_up(textures))
    light.reshape(-1, 4)[seen, :3] = colours * scene.scenery.light.on(surface.normals, lit, open_)
    light.reshape(-1, 4)[seen, 3] = 1
    coarse = cv2.resize(light, camera.size, interpolation=cv2.INTER_AREA)

    none = face < 0
    return Rendering(
        light=background * (1 - coarse[..., 3:]) + coarse[..., :3],
        owner=np.where(none, NOBODY, owners[face]).astype(np.int16),
        bone=np.where(none, -1, mesh.part[face]).astype(np.int16),
        near=near,
        whole=whole.reshape(-1, size[1], size[0]),
    )


def _assembled(scene: Scene) -> tuple[Mesh, NDArray[np.int64], NDArray[np.uint8]]:
    """All surfaces as one mesh, (F,) whose each face is, and (M, S, S, 3) all textures."""
    bodies = [*scene.people, *scene.things]
    whose = [*range(len(scene.people)), *(THING for _ in scene.things)]
    first = np.cumsum([0, *(len(body.textures) for body in bodies)])
    mesh = join([replace(body.mesh, material=body.mesh.material + start) for body, start in zip(bodies, first, strict=False)])
    owners = np.repeat(whose, [len(body.mesh.faces) for body in bodies])
    return mesh, owners, np.stack([texture for body in bodies for texture in body.textures])


@dataclass(frozen=True, eq=False)
class _Surface:
    """Places on surfaces: (N, 3) points in metres, (N, 3) unit normals, (N, 2) texture coordinates, (N,) materials."""

    points: Pixels
    normals: Pixels
    uv: Pixels
    material: NDArray[np.int32]

    def looked_up(self, textures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        place = np.floor(self.uv * SIDE).astype(np.int64) % SIDE
        return np.asarray(textures[self.material, place[:, 1], place[:, 0]])


def _at_samples(mesh: Mesh, screen: NDArray[np.float64], face: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]) -> _Surface:
    """What lies on the faces (N,) at the samples x, y (N,)."""
    flat = screen.astype(np.float32)
    a, b, c = (mesh.faces[:, corner][face] for corner in range(3))
    ax, ay = flat[a, 0], flat[a, 1]
    bx, by, cx, cy, px, py = flat[b, 0] - ax, flat[b, 1] - ay, flat[c, 0] - ax, flat[c, 1] - ay, x - ax, y - ay
    area = bx * cy - cx * by
    wb, wc = (px * cy - cx * py) / area, (bx * py - px * by) / area
    # Shares on the screen become shares on the surface by nearness.
    wa, wb, wc = (1 - wb - wc) * flat[a, 2], wb * flat[b, 2], wc * flat[c, 2]
    total = wa + wb + wc
    attributes = np.concatenate([mesh.points, mesh.normals, mesh.uv], axis=1)
    mixed = sum((w / total)[:, None].astype(np.float32) * attributes[corner] for w, corner in ((wa, a), (wb, b), (wc, c)))
    assert isinstance(mixed, np.ndarray)
    normals = mixed[:, 3:6]
    length = np.sqrt((normals**2).sum(axis=1, keepdims=True))
    return _Surface(mixed[:, :3], normals / np.maximum(length, 1e-6), mixed[:, 6:], mesh.material[face])
