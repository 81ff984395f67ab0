"""From a scene to a picture, and to what is known about each of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.backdrop import paint
from noda_synth.demo.optics.light import Shadows, cast, footing, linear, openness
from noda_synth.demo.optics.raster import nearest, scan
from noda_synth.demo.people.figure import Figure
from noda_synth.demo.places.props import Prop
from noda_synth.demo.primitives.chance import Random
from noda_synth.demo.primitives.mesh import Mesh, join
from noda_synth.demo.primitives.noise import SIDE
from noda_synth.demo.scene import Scene

Pixels: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]

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


def render(scene: Scene, random: Random) -> Rendering:
    """Draw a scene; the generator is for clouds alone."""
    camera, model = scene.camera, _assembled(scene)
    size = (camera.size[0] * FINE, camera.size[1] * FINE)
    samples = scan(model.screen, model.mesh.faces, size)
    face, near = nearest(samples, size)
    whole = np.zeros((len(scene.people), size[1] * size[0]), bool)
    whose = model.owners[samples.face]
    for person in range(len(scene.people)):
        whole[person, samples.pixel[whose == person]] = True

    shadows = cast(model.mesh, scene.scenery.light.direction, 900)
    background = paint(scene.scenery, camera, shadows, footing(model.mesh), random)
    if camera.softness:
        background = np.asarray(cv2.GaussianBlur(background, (0, 0), camera.softness), np.float32)
    light = _lit_pixels(scene, model, face, near, shadows)
    return Rendering(
        light=background * (1 - light[..., 3:]) + light[..., :3],
        owner=_of_faces(model.owners, face, NOBODY),
        bone=_of_faces(model.mesh.part, face, -1),
        near=near,
        whole=whole.reshape(-1, size[1], size[0]),
    )


def _of_faces(values: NDArray[np.integer], face: NDArray[np.int32], nothing: int) -> NDArray[np.int16]:
    """(H, W) int16: the value that each face (H, W) has, and `nothing` where the face is -1."""
    table: NDArray[np.int16] = np.append(values, nothing).astype(np.int16)
    return table[face]


@dataclass(frozen=True, eq=False)
class _Model:
    """Everything in a scene as one surface.

    Attributes:
        owners: (F,) int64, whose each face is: index of the person, or THING.
        textures: (M, SIDE, SIDE, 3) uint8.
        screen: (V, 3) float64, where the points are seen: x and y in samples, 0-based, and nearness.
    """

    mesh: Mesh
    owners: NDArray[np.int64]
    textures: NDArray[np.uint8]
    screen: NDArray[np.float64]


def _assembled(scene: Scene) -> _Model:
    bodies: list[Figure | Prop] = [*scene.people, *scene.things]
    whose = [*range(len(scene.people)), *(THING for _ in scene.things)]
    meshes, first = [], 0
    for body in bodies:
        meshes.append(replace(body.mesh, material=body.mesh.material + first))
        first += len(body.textures)
    mesh = join(meshes)
    screen = scene.camera.project(mesh.points.astype(float))
    # Sample i lies at pixel (i + 0.5) / FINE - 0.5.
    screen[:, :2] = (screen[:, :2] + 0.5) * FINE - 0.5
    owners = np.repeat(whose, [len(body.mesh.faces) for body in bodies])
    return _Model(mesh, owners, np.stack([texture for body in bodies for texture in body.textures]), screen)


def _lit_pixels(scene: Scene, model: _Model, face: NDArray[np.int32], near: Pixels, shadows: Shadows) -> Pixels:
    """(H, W, 4) float32 light of people and things, and the share of each pixel that they cover.

    A pixel whose samples all show the same material takes its light from the first, others from all of them.
    """
    material = _of_faces(model.mesh.material, face, -1)
    blocks = [(row, column) for row in range(FINE) for column in range(FINE)]
    first = material[::FINE, ::FINE]
    plain = np.logical_and.reduce([material[row::FINE, column::FINE] == first for row, column in blocks])
    open_ = openness(near[::FINE, ::FINE], scene.camera.focal)
    attributes = np.concatenate([model.mesh.points, model.mesh.normals, model.mesh.uv], axis=1)
    light = np.zeros((*plain.shape, 4), np.float32)
    for row, column in blocks:
        shown = face[row::FINE, column::FINE]
        y, x = np.nonzero((shown >= 0) & ((not row and not column) | ~plain))
        seen = shown[y, x]
        values = _interpolated(model, attributes, seen, x * FINE + column, y * FINE + row)
        points, normals, uv = values[:, :3], values[:, 3:6], values[:, 6:]
        normals /= np.maximum(np.sqrt((normals**2).sum(axis=1, keepdims=True)), 1e-6)
        lit = shadows.lit(points + normals * np.float32(1.5 * shadows.step))
        texel = np.floor(uv * SIDE).astype(np.int64) % SIDE
        colours = linear(model.textures[model.mesh.material[seen], texel[:, 1], texel[:, 0]])
        share = np.where(plain[y, x], 1, 1 / FINE**2).astype(np.float32)[:, None]
        light[y, x, :3] += share * colours * scene.scenery.light.on(normals, lit, open_[y, x])
        light[y, x, 3:] += share
    return light


def _interpolated(model: _Model, attributes: Pixels, face: NDArray[np.int32], x: Ints, y: Ints) -> Pixels:
    """(N, C) float32: what points have, (V, C), mixed for points on faces (N,) that are seen at samples x, y (N,)."""
    flat = model.screen.astype(np.float32)
    a, b, c = (model.mesh.faces[:, corner][face] for corner in range(3))
    ax, ay = flat[a, 0], flat[a, 1]
    bx, by, cx, cy, px, py = flat[b, 0] - ax, flat[b, 1] - ay, flat[c, 0] - ax, flat[c, 1] - ay, x - ax, y - ay
    area = bx * cy - cx * by
    to_b, to_c = (px * cy - cx * py) / area, (bx * py - px * by) / area
    # Shares on the screen become shares on the surface by nearness.
    shares = ((1 - to_b - to_c) * flat[a, 2], to_b * flat[b, 2], to_c * flat[c, 2])
    total = shares[0] + shares[1] + shares[2]
    mixed = np.zeros((len(face), attributes.shape[1]), np.float32)
    for share, corner in zip(shares, (a, b, c), strict=True):
        mixed += (share / total).astype(np.float32)[:, None] * attributes[corner]
    return mixed
