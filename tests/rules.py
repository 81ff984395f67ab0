"""The placement rules, checked on a written data set from the outside.

Nothing of noda_synth is imported: annotations, manifest, images and pool are read as any other program would, and the
rules are stated here a second time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from tests.drawn_set import COCO_JOINTS, JOINTS

LIMBS = {f"{side}_{joint}" for side in ("right", "left") for joint in ("elbow", "wrist", "knee", "ankle")}


@dataclass(frozen=True)
class Copy:
    """A rendered image with all that is written about it.

    Attributes:
        line: of manifest.jsonl.
        names: of the joints.
        joints: (J, 2) 0-based pixels; labelled: (J,) bool; inside: (J,) bool, labelled and on the picture.
        before, after: (J,) 1 visible, 0 occluded, -1 unknown: of the input's record, and of the copy's.
        scale: MPII's; not above 0 where there is none.
        original, picture: (H, W, 3) uint8.
        alpha: (H, W) uint8, the opacity of all bodies on the whole picture.
        colours: (H, W, 3) uint8, the colours on the whole picture of the topmost body.
        solid: (H, W) bool, where the topmost body lets nothing through.
        bodies: the placement of each body, with its columns of the pool.
    """

    line: dict[str, Any]
    names: tuple[str, ...]
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    scale: float
    original: NDArray[np.uint8]
    picture: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    colours: NDArray[np.uint8]
    solid: NDArray[np.bool_]
    bodies: list[tuple[dict[str, Any], dict[str, Any]]]

    def opacity(self, points: NDArray[np.float64]) -> NDArray[np.uint8]:
        """(P,) uint8 under points (P, 2) on the picture."""
        x, y = np.floor(points + 0.5).astype(int).T
        return self.alpha[y, x]

    def free_points(self, segment: bool) -> NDArray[np.float64]:
        """Points (P, 2) on the picture that have to stay free: joints of the head, and with `segment` its lines."""
        place = {name: self.joints[joint] for joint, name in enumerate(self.names) if self.labelled[joint]}
        kept = HEADS[self.names]
        points = [place[name] for name in kept.joints if name in place]
        assert len(points) >= kept.needed, self.line["id"]
        for ends in kept.lines if segment else ():
            found = [[place[name] for name in end if name in place] for end in ends]
            if all(found):
                a, b = (np.mean(end, axis=0) for end in found)
                points += list(np.linspace(a, b, 10 * int(np.abs(a - b).max() + 1)))
        free = np.array(points)
        return free[on_picture(free, self.alpha.shape)]


@dataclass(frozen=True)
class Head:
    """What of a head stays free: its joints, of which so many are needed, and lines between means of joints."""

    joints: tuple[str, ...]
    needed: int
    lines: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
HEADS = {
    JOINTS: Head(("head_top", "upper_neck"), 2, ((("head_top",), ("upper_neck",)),)),
    COCO_JOINTS: Head(_FACE, 1, ((("left_shoulder", "right_shoulder"), _FACE), (("left_ear",), ("right_ear",)))),
}


def on_picture(points: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(P,) bool: points (P, 2) in pixels of a picture of (height, width, ...)."""
    pixel = np.floor(points + 0.5)
    return np.asarray(((pixel >= 0) & (pixel < shape[1::-1])).all(axis=1))


def copies(out: Path, data: Path, pool: Path) -> Iterator[Copy]:
    """The rendered images of a written set in MPII's layout."""
    records = json.loads((out / "annot" / "train.json").read_text())
    inputs = json.loads((data / "annot" / "train.json").read_text())
    with h5py.File(pool, "r") as file:
        for text in (out / "manifest.jsonl").read_text().splitlines():
            line = json.loads(text)
            record, before = next(r for r in records if r["image"] == line["file"]), inputs[line["row"]]
            yield copy_of(
                file, (out, data), line, JOINTS, joints=np.array(record["joints"], float) - 1,
                labelled=np.array(record["joints_vis"]) > 0, before=np.array(before.get("joints_visible", [-1] * 16)),
                after=np.array(record["joints_visible"]), scale=record["scale"],
            )  # fmt: skip


def copy_of(
    pool: h5py.File, folders: tuple[Path, Path], line: dict[str, Any], names: tuple[str, ...], **person: Any
) -> Copy:
    """The image of a manifest line; folders are those of the written set and of the input."""
    out, data = folders
    original, picture = read(data / "images" / line["source"]), read(out / "images" / line["file"])
    placements = [line["placement"], *line["placement"]["more"]]
    alpha, colours, solid = all_bodies_on(pool, line, placements, original.shape)
    bodies = [(one, {name: values[one["body"]] for name, values in pool["bodies"].items()}) for one in placements]
    inside = person["labelled"] & on_picture(person["joints"], original.shape)
    return Copy(
        line=line, names=names, inside=inside, original=original, picture=picture, alpha=alpha, colours=colours,
        solid=solid, bodies=bodies, **person,
    )  # fmt: skip


def read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def all_bodies_on(
    pool: h5py.File, line: dict[str, Any], placements: list[dict[str, Any]], shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Opacity of all pasted bodies; the colours of the topmost one, and where it lets nothing through."""
    through = np.ones(shape[:2])
    colours, solid = np.zeros(shape, np.uint8), np.zeros(shape[:2], bool)
    for placement in placements:
        alpha, own = body_on(pool, line, placement, shape)
        x, y, width, height = cv2.boundingRect(alpha)
        box = slice(y, y + height), slice(x, x + width)
        alpha, own = alpha[box], own[box]
        through[box] *= 1 - alpha / 255
        colours[box][alpha > 0], solid[box][alpha > 0] = own[alpha > 0], alpha[alpha > 0] == 255
    return np.rint(255 * (1 - through)).astype(np.uint8), colours, solid


def body_on(
    pool: h5py.File, line: dict[str, Any], placement: dict[str, Any], shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Opacity and colours of a pasted body on a picture of (height, width, ...)."""
    size = (placement["width"], placement["height"])
    mask = blob(pool, f"masks/{placement['level']}", placement["body"], cv2.IMREAD_GRAYSCALE)
    crop = blob(pool, "crops", placement["body"], cv2.IMREAD_COLOR)
    how = cv2.INTER_AREA if 2 * size[0] < mask.shape[1] else cv2.INTER_LINEAR
    if line["smooth"] == "ring":
        rim = cv2.copyMakeBorder(mask, 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=0)
        core = cv2.erode(rim, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (8, 8)))[8:-8, 8:-8]
        mask = np.where((mask > 0) & (core == 0), 192, mask).astype(np.uint8)
    elif line["smooth"] == "feather":
        rim = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = np.minimum(cv2.distanceTransform(rim, cv2.DIST_L2, 3)[1:-1, 1:-1] / 6, 1)
        mask = (255 * depth + 0.5).astype(np.uint8)
    stamp = cv2.resize(mask, size, interpolation=how)
    if line["smooth"] == "none":
        stamp = np.where(stamp >= 128, 255, 0).astype(np.uint8)
    crop = cv2.resize(crop, size, interpolation=how)
    if placement["grey"]:
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if placement["mirrored"]:
        stamp, crop = stamp[:, ::-1], crop[:, ::-1]
    alpha, colours = np.zeros(shape[:2], np.uint8), np.zeros(shape, np.uint8)
    top, left = placement["top"], placement["left"]
    y, x = max(top, 0), max(left, 0)
    rows, columns = slice(y - top, max(shape[0] - top, 0)), slice(x - left, max(shape[1] - left, 0))
    part = stamp[rows, columns]
    alpha[y : y + part.shape[0], x : x + part.shape[1]] = part
    if placement.get("frame"):
        x1, y1, x2, y2 = placement["frame"]
        shown = alpha[y1:y2, x1:x2].copy()
        alpha[:] = 0
        alpha[y1:y2, x1:x2] = shown
    colours[y : y + part.shape[0], x : x + part.shape[1]] = crop[rows, columns]
    return alpha, colours


def blob(pool: h5py.File, group: str, row: int, flags: int) -> Any:
    start, end = pool[f"{group}/offsets"][row : row + 2]
    return cv2.imdecode(pool[f"{group}/bytes"][int(start) : int(end)], flags)


def check(
    copy: Copy,
    radius: tuple[float, float] = (1 / 3, 1.0),
    rescale: tuple[float, float] = (0.8, 1.2),
    max_enlarge: float = 2.0,
    segment: bool = True,
    exact: bool = True,
) -> None:
    """Every rule of the overlay strategy, and that nothing but the pasted body changed (`exact`, for PNG)."""
    what = copy.line["id"]

    # Rule 1: the protected joints, and the lines between them, stay free.
    assert (copy.opacity(copy.free_points(segment)) < 128).all(), f"{what}: head or neck covered"

    # Rule 2: a limb joint on the picture is covered that was not known to be occluded.
    covered = np.zeros(len(copy.names), bool)
    covered[copy.inside] = copy.opacity(copy.joints[copy.inside]) >= 128
    limb = np.array([name in LIMBS for name in copy.names])
    assert (covered & limb & (copy.before != 0)).any(), f"{what}: no limb joint covered"
    assert copy.line["covered"] == [name for name, hit in zip(copy.names, covered, strict=True) if hit], what
    assert (copy.after[covered] == 0).all(), f"{what}: a joint under the body is not occluded"

    occluder = copy.line["occluder"]
    assert len({placement["body"] for placement, _ in copy.bodies}) == len(copy.bodies), f"{what}: one body twice"
    for (placement, body), source in zip(copy.bodies, [occluder, *occluder.get("more", [])], strict=True):
        _check_body(copy, placement, body, source, radius=radius, rescale=rescale, max_enlarge=max_enlarge)
    assert copy.picture.shape == copy.original.shape, what
    if exact:
        _check_pixels(copy)


def _check_body(
    copy: Copy,
    placement: dict[str, Any],
    body: dict[str, Any],
    source: dict[str, Any],
    *,
    radius: tuple[float, float],
    rescale: tuple[float, float],
    max_enlarge: float,
) -> None:
    """What each body has to keep for itself: place, size and where it comes from."""
    what = copy.line["id"]
    # The distance of the two box centres.
    points = copy.joints[copy.inside]
    half = np.hypot(*np.ptp(points, axis=0)) / 2
    assert radius[0] * half <= placement["radius"] <= radius[1] * half, what
    crop = body["size"]
    factor = np.array([placement["width"], placement["height"]]) / crop
    middle = ((body["box"][:2] + body["box"][2:]) / 2 + 0.5) * factor - 0.5
    if placement["mirrored"]:
        middle[0] = placement["width"] - 1 - middle[0]
    middle += np.array([placement["left"], placement["top"]])
    target = (points.min(axis=0) + points.max(axis=0)) / 2
    turn = np.deg2rad(placement["angle"])
    drawn = target + placement["radius"] * np.array([np.cos(turn), np.sin(turn)])
    assert np.abs(middle - drawn).max() <= 0.5 + 1e-6, f"{what}: the body is not where it was drawn to be"

    # Where it comes from, and its size: beside the target as the paper has it, and the ground's where it stands on one.
    assert body["image"].decode() == source["source"] != copy.line["source"], what
    assert body["person"].decode() == source["person"], what
    assert np.abs(crop * placement["scale"] - (placement["width"], placement["height"])).max() <= 0.5 + 1e-6, what
    if placement["ground"] in (None, "none"):
        assert rescale[0] <= placement["rescale"] <= rescale[1], what
        assert placement["scale"] <= max_enlarge * (1 + 1e-9), what
        body_scale = body["scale"] * body["factor"].mean()
        if copy.scale > 0 and np.isfinite(body_scale):
            expected = copy.scale / body_scale * placement["rescale"]
        else:
            expected = 2 * half / np.hypot(*(body["box"][2:] - body["box"][:2])) * placement["rescale"]
        assert abs(placement["scale"] / expected - 1) < 1e-9, f"{what}: not of the target's size"


def _check_pixels(copy: Copy) -> None:
    """Nothing changed outside of the body's own window and under alpha 0, and the body is the pool's."""
    what = copy.line["id"]
    ys, xs = (np.flatnonzero(copy.alpha.any(axis=axis)) for axis in (1, 0))
    window = slice(ys[0], ys[-1] + 1), slice(xs[0], xs[-1] + 1)
    picture, original, alpha, colours = (
        part[window] for part in (copy.picture, copy.original, copy.alpha, copy.colours)
    )
    put_back = copy.picture.copy()
    put_back[window] = original
    assert (put_back == copy.original).all(), f"{what}: pixels beside the body changed"
    assert (picture[alpha == 0] == original[alpha == 0]).all(), f"{what}: pixels beside the body changed"
    solid = copy.solid[window]
    assert (picture[solid] == colours[solid]).all(), f"{what}: the body is not the pool's"
    # Whatever colour the rim takes, it is mixed with what was there in proportion to its opacity.
    rim = (alpha > 0) & (alpha < 255)
    weight = alpha[rim][:, None].astype(float)
    rest = original[rim] * (255 - weight) / 255
    assert (picture[rim] >= rest - 1).all(), what
    assert (picture[rim] <= rest + weight + 1).all(), what
