"""From a scene to a picture, and to what is known about each of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.light import Shadows, cast, footing, linear, openness
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
    light = _lit_pixels(scene, mesh, textures, screen, face, near, shadows)

    none = face < 0
    return Rendering(
        light=background * (1 - light[..., 3:]) + light[..., :3],
        owner=np.where(none, NOBODY, owners[face]).astype(np.int16),
        bone=np.where(none, -1, mesh.part[face]).astype(np.int16),
        near=near,
        whole=whole.reshape(-1, size[1], size[0]),
    )


def _lit_pixels(
    scene: Scene,
    mesh: Mesh,
    textures: NDArray[np.uint8],
    screen: NDArray[np.float64],
    face: NDArray[np.int64],
    near: Pixels,
    shadows: Shadows,
) -> Pixels:
    """(H, W, 4) float32 light of people and things, and the share of each pixel that they cover.

    A pixel whose samples all show the same material takes its light from the first, others from all of them.
    """
    material = np.where(face < 0, -1, mesh.material[face])
    blocks = [(row, column) for row in range(FINE) for column in range(FINE)]
    first = material[::FINE, ::FINE]
    plain = np.logical_and.reduce([material[row::FINE, column::FINE] == first for row, column in blocks])
    open_ = openness(near[::FINE, ::FINE], scene.camera.focal)
    light = np.zeros((*plain.shape, 4), np.float32)
    for row, column in blocks:
        shown = face[row::FINE, column::FINE]
        y, x = np.nonzero((shown >= 0) & ((not row and not column) | ~plain))
        surface = _at_samples(mesh, screen, shown[y, x], x * FINE + column, y * FINE + row)
        lit = shadows.lit(surface.points + surface.normals * np.float32(1.5 * shadows.step))
        colours = linear(surface.looked_up(textures)) * scene.scenery.light.on(surface.normals, lit, open_[y, x])
        share = np.where(plain[y, x], 1, 1 / FINE**2).astype(np.float32)[:, None]
        light[y, x] += share * np.concatenate([colours, np.ones_like(share)], axis=1)
    return light


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
