"""Heads: the skull with nose, brow and chin, the face that is painted on it, and hair or a cap."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.demo.anatomy import BONE, BONES, Anatomy
from noda_synth.demo.body import Piece
from noda_synth.demo.fabric import SIDE, Texture, noise, shifted_noise
from noda_synth.demo.mesh import Mesh, loft, outline

Floats: TypeAlias = NDArray[np.float64]

# Rows of height above the chin, half width, depth to the front and to the back, in head heights.
_SKULL = np.array([
    [1.000, 0.030, 0.030, 0.060], [0.985, 0.120, 0.120, 0.170], [0.950, 0.205, 0.220, 0.290], [0.880, 0.285, 0.325, 0.400],
    [0.780, 0.330, 0.390, 0.465], [0.670, 0.343, 0.420, 0.480], [0.560, 0.338, 0.415, 0.470], [0.460, 0.325, 0.415, 0.430],
    [0.350, 0.305, 0.420, 0.350], [0.240, 0.280, 0.420, 0.250], [0.130, 0.235, 0.410, 0.150], [0.050, 0.170, 0.390, 0.060],
    [0.005, 0.095, 0.330, 0.000], [-0.015, 0.030, 0.260, -0.050],
])  # fmt: skip
_RINGS, _AROUND = 34, 40


def skull(anatomy: Anatomy, random: np.random.Generator, material: int) -> list[Piece]:
    """The bare head with its face, and the ears."""
    table = _SKULL.copy()
    table[:, 1] *= 1 - 0.04 * anatomy.curve + random.normal(0, 0.02)
    table[:, 1] *= 1 - np.interp(table[:, 0], [0.0, 0.4], [0.08 * anatomy.curve, 0])
    mesh = loft(outline(table, 1.0, -0.015, _RINGS), _AROUND, squareness=2.15)
    points = mesh.points.astype(float)
    x, y, z = points.T

    def bump(cx: float, cy: float, rx: float, ry: float) -> Floats:
        return np.where(z > 0, np.exp(-(((np.abs(x) - cx) / rx) ** 2) - ((y - cy) / ry) ** 2), 0)

    nose = random.uniform(0.085, 0.12)
    z = z + nose * bump(0, 0.385, 0.055, 0.06) + 0.5 * nose * bump(0, 0.46, 0.04, 0.07)
    z = z - 0.035 * bump(0.14, 0.52, 0.075, 0.05) + 0.018 * bump(0.11, 0.61, 0.12, 0.035)
    z = z + 0.02 * bump(0, 0.20, 0.09, 0.035) - 0.02 * bump(0, 0.135, 0.1, 0.03) + 0.02 * bump(0, 0.06, 0.08, 0.05)
    mesh = _with_face_coordinates(mesh.moved(_to_body(np.stack([x, y, z], 1), anatomy)), y).of(material)
    return [_on_head(mesh), *(_on_head(_ear(anatomy, sign).of(material)) for sign in (1, -1))]


def _to_body(points: Floats, anatomy: Anatomy) -> NDArray[np.float32]:
    """From head heights above the chin, the ears at z = 0, to metres in the standing body."""
    size = anatomy.head * anatomy.height
    chin = anatomy.height - size
    return np.asarray(points * size + [0, chin, 0.004 * anatomy.height], np.float32)


def _with_face_coordinates(mesh: Mesh, y: Floats) -> Mesh:
    """Texture coordinates for the face: u around from the back, the nose at 0.5; v from the crown down to the chin."""
    turn = np.linspace(0, 1, _AROUND + 1)
    u = np.concatenate([np.tile(turn, _RINGS), [0.0, 0.5]])
    v = np.clip(1 - y, 0.004, 0.996)
    return Mesh(mesh.points, mesh.faces, np.stack([u, v], 1).astype(np.float32), mesh.material, mesh.part)


def _ear(anatomy: Anatomy, sign: int) -> Mesh:
    rows = np.array([[0.60, 0.01, 0.02, 0.03], [0.575, 0.035, 0.05, 0.06], [0.50, 0.04, 0.055, 0.06], [0.42, 0.025, 0.04, 0.03], [0.39, 0.01, 0.01, 0.01]])
    table = np.column_stack([rows, np.full(5, sign * 0.335), np.full(5, -0.03)])
    mesh = loft(outline(table, 0.60, 0.39, 7), 8)
    uv = np.tile(np.float32([[0.5 + sign * 0.2, 0.62]]), (len(mesh.points), 1))
    return Mesh(_to_body(mesh.points.astype(float), anatomy), mesh.faces, uv, mesh.material, mesh.part)


def _on_head(mesh: Mesh) -> Piece:
    weights = np.zeros((len(mesh.points), len(BONES)))
    weights[:, BONE["head"]] = 1
    return Piece(mesh, weights)


def hairline(turn: Floats, fringe: float, sides: float) -> Floats:
    """Height in head heights where hair begins, by the angle from the front in radians."""
    return np.interp(np.abs(turn), [0, 0.7, 1.05, 1.45, 1.8, 2.2, np.pi], [fringe, fringe - 0.03, 0.66, sides, sides * 0.8, 0.12, 0.08])


def hair(anatomy: Anatomy, random: np.random.Generator, material: int, style: str, *, flat: bool) -> list[Piece]:
    """Hair as a shell over the skull, and what hangs down from it.

    Args:
        style: short, crop, bob, long, tail or bun.
        flat: pressed down by a cap.
    """
    thick = {"crop": 0.02, "short": random.uniform(0.035, 0.075), "bob": 0.07, "long": 0.06}.get(style, 0.035)
    thick = 0.02 if flat else thick
    pieces = [_on_head(_shell(anatomy, random, thick, random.uniform(0.76, 0.86), 0.42 if style != "crop" else 0.5).of(material))]
    if style in ("bob", "long"):
        pieces.append(_curtain(anatomy, random, material, random.uniform(0.0, 0.16) if style == "bob" else -random.uniform(0.35, 0.9)))
    if style == "tail":
        pieces.append(_tail(anatomy, random, material))
    if style == "bun" and not flat:
        rows = np.array([[0.16, 0.02, 0.02, 0.02], [0.12, 0.11, 0.11, 0.11], [0, 0.16, 0.15, 0.15], [-0.12, 0.11, 0.11, 0.11], [-0.16, 0.02, 0.02, 0.02]])
        mesh = loft(outline(rows, 0.16, -0.16, 9), 14).of(material)
        place = random.choice([np.array([0, 1.0, -0.2]), np.array([0, 0.72, -0.56])])
        pieces.append(_on_head(mesh.moved(_to_body(mesh.points + place, anatomy))))
    return pieces


def _shell(anatomy: Anatomy, random: np.random.Generator, thick: float, fringe: float, sides: float) -> Mesh:
    sections = outline(_SKULL, 1.0, 0.02, _RINGS)
    turn = np.linspace(-np.pi, np.pi, _AROUND + 1)[:-1]
    above = np.clip((sections[:, :1] - hairline(turn, fringe, sides)) / 0.05, -1, 1)
    rough = noise(random, (_AROUND, _RINGS), (9, 7), 2).astype(float)
    # Where there is no hair the shell hides inside the head.
    swell = 1 + np.where(above > 0, (thick / 0.38) * (0.5 + 0.5 * above) * (1 + 0.22 * rough), -0.06 + 0.06 * np.maximum(above + 1, 0) * 0.5)
    mesh = loft(sections, _AROUND, squareness=2.15, bumps=swell)
    points = mesh.points.astype(float)
    points[:, 1] += thick * 0.9 * np.clip((points[:, 1] - 0.7) / 0.3, 0, 1) * (1 + 0.2 * noise(random, (len(points), 1), (12, 1))[0])
    return mesh.moved(_to_body(points, anatomy))


def _curtain(anatomy: Anatomy, random: np.random.Generator, material: int, end: float) -> Piece:
    """Hair that falls behind the face, down to `end` (head heights above the chin)."""
    y = np.array([0.90, 0.7, 0.45, 0.2, 0.0, -0.3, -0.6, -0.9])
    rows = np.column_stack([
        y,
        [0.20, 0.385, 0.40, 0.395, 0.38, 0.36, 0.34, 0.28],
        [0.10, 0.13, 0.14, 0.12, 0.08, 0.03, 0.02, 0.0],
        [0.42, 0.50, 0.46, 0.36, 0.26, 0.22, 0.20, 0.14],
        np.zeros(8),
        [-0.06, -0.04, -0.06, -0.10, -0.14, -0.20, -0.24, -0.26],
    ])  # fmt: skip
    sections = outline(rows, 0.88, end, 16)
    bumps = 1 + 0.05 * noise(random, (24, 16), (11, 3)).astype(float)
    mesh = loft(sections, 24, bumps=bumps).of(material)
    y_head = mesh.points[:, 1].astype(float)
    mesh = mesh.moved(_to_body(mesh.points.astype(float), anatomy))
    weights = np.zeros((len(y_head), len(BONES)))
    weights[:, BONE["head"]] = np.interp(y_head, [-0.35, 0.15], [0, 1])
    weights[:, BONE["chest"]] = 1 - weights[:, BONE["head"]]
    return Piece(mesh, weights)


def _tail(anatomy: Anatomy, random: np.random.Generator, material: int) -> Piece:
    length = random.uniform(0.7, 1.3)
    along = np.array([0.0, 0.05, 0.2, 0.5, 0.8, 1.0])
    thick = np.array([0.03, 0.07, 0.11, 0.10, 0.07, 0.02])
    rows = np.column_stack([0.80 - length * along, thick, thick, thick, np.zeros(6), -0.50 - 0.18 * np.sin(np.pi * along**0.7)])
    mesh = loft(outline(rows, 0.80, 0.80 - length, 14), 12).of(material)
    return _on_head(mesh.moved(_to_body(mesh.points.astype(float), anatomy)))


def cap(anatomy: Anatomy, random: np.random.Generator, material: int, *, brim: bool) -> list[Piece]:
    """A baseball cap, or a woollen one without brim, over whatever hair there is."""
    mesh = _shell(anatomy, random, 0.065 if brim else 0.08, 0.70, 0.62)
    points = mesh.points
    pieces = [_on_head(mesh.moved(points).of(material))]
    if brim:
        rows = np.array([[-0.02, 0.10, 0.03, 0.02], [-0.2, 0.30, 0.022, 0.015], [-0.38, 0.29, 0.012, 0.01], [-0.55, 0.20, -0.01, 0.03], [-0.62, 0.06, -0.03, 0.04]])
        flat = loft(outline(rows, -0.02, -0.62, 9), 16)
        x, back, up = flat.points.T
        turned = np.stack([x, 0.735 + up - 0.12 * (x**2) / 0.09 * 0.5, 0.17 - back], 1).astype(float)
        pieces.append(_on_head(flat.moved(_to_body(turned, anatomy)).of(material)))
    return pieces


def face(random: np.random.Generator, tone: NDArray[np.float32], hair_colour: NDArray[np.float32], *, beard: float, bald: bool, feminine: bool, shades: bool) -> Texture:
    """The texture of a head: skin with eyes, brows, lips, stubble or beard, and the scalp under the hair.

    Args:
        tone: (3,) RGB of the skin.
        hair_colour: (3,) RGB.
        beard: 0 none to 1 full.
    """
    grain = shifted_noise(random, (5, 5), 3)[..., None]
    image = np.asarray(tone * (1 + 0.02 * grain), np.float32)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    height, turn = 1 - rows / SIDE, (columns / SIDE - 0.5) * 2 * np.pi

    def blend(colour: NDArray[np.float32], amount: NDArray[np.float32]) -> None:
        np.copyto(image, image * (1 - amount[..., None]) + colour * amount[..., None])

    def spot(at_turn: float, at_height: float, wide: float, high: float) -> NDArray[np.float32]:
        return np.exp(-(((np.abs(turn) - at_turn) / wide) ** 2) - ((height - at_height) / high) ** 2).astype(np.float32)

    red = tone * np.float32([1.04, 0.80, 0.78])
    blend(red, 0.35 * spot(0.62, 0.36, 0.28, 0.09))
    blend(red, 0.4 * spot(0, 0.39, 0.12, 0.05))
    blend(tone * 0.72, 0.55 * spot(0.42, 0.53, 0.24, 0.045))
    blend(tone * 0.6, 0.6 * spot(0, 0.335, 0.16, 0.014))
    blend(tone * 0.8, 0.4 * spot(0, 0.13, 0.25, 0.02))

    if beard > 0:
        cheek = np.interp(np.abs(turn), [0, 0.3, 0.9, 1.5, 1.7], [0.30, 0.29, 0.22, 0.42, 0.0])
        where = np.clip((cheek - height) / 0.05, 0, 1) * np.clip((1.65 - np.abs(turn)) / 0.1, 0, 1)
        where *= 1 - 0.9 * spot(0, 0.205, 0.2, 0.03)
        rough = np.clip(1 + 0.25 * shifted_noise(random, (60, 60), 1), 0, 1.2)
        blend(hair_colour, np.clip(beard * where * rough, 0, 1).astype(np.float32))
    lips = tone * np.float32([0.92, 0.58, 0.58]) if not feminine else tone * np.float32([0.95, 0.45, 0.48])
    blend(lips, 0.85 * np.clip(spot(0, 0.205, 0.22, 0.028) * 1.4, 0, 1))
    blend(tone * 0.35, np.clip(1.2 * spot(0, 0.207, 0.21, 0.007), 0, 0.9))

    brow = 0.605 + 0.02 * np.cos((np.abs(turn) - 0.42) * 5)
    arch = np.exp(-(((height - brow) / (0.012 if feminine else 0.018)) ** 2)) * (np.abs(np.abs(turn) - 0.42) < 0.24)
    blend(hair_colour * 0.7, (0.8 * arch).astype(np.float32))
    for side in (-1, 1):
        centre = (int(SIDE / 2 + side * 0.42 / (2 * np.pi) * SIDE), int((1 - 0.525) * SIDE))
        cv2.ellipse(image, centre, (9, 6), 0, 180, 360, _rgb(tone * 0.4), 2, cv2.LINE_AA)
        cv2.ellipse(image, centre, (8, 4), 0, 0, 360, (225, 220, 215), -1, cv2.LINE_AA)
        cv2.circle(image, (centre[0] + int(random.integers(-1, 2)), centre[1]), 4, _rgb(np.float32(random.uniform([40, 30, 20], [110, 100, 120]))), -1, cv2.LINE_AA)
        cv2.circle(image, centre, 2, (12, 10, 10), -1, cv2.LINE_AA)
        if shades:
            cv2.ellipse(image, centre, (15, 13), 0, 0, 360, (22, 22, 26), -1, cv2.LINE_AA)
    if shades:
        cv2.line(image, (60, 118), (196, 118), (22, 22, 26), 4, cv2.LINE_AA)
    if not bald:
        scalp = np.clip((height - hairline(turn.astype(float), 0.83, 0.45)) / 0.03, 0, 1).astype(np.float32)
        blend(hair_colour, scalp)
    return np.clip(image, 0, 255).astype(np.uint8)


def _rgb(colour: NDArray[np.float32]) -> tuple[float, float, float]:
    return float(colour[0]), float(colour[1]), float(colour[2])
