"""How easily a pasted body's outline is told from a real one: bodies stand beside themselves in their own pictures.

    python -m scripts.bench_outline --data data/mpii --pool data/pool.h5 --weights resnet50.pth

Light, sharpness and grain are those of the picture, so that the seam alone can tell. A body of the pool is pasted to
one side of itself on the same ground, and the picture is encoded as its source was, with the body and without. Six
patches of 48 pixels along an outline go through the first two stages of an ImageNet ResNet-50 (a file with
torchvision's names); means and deviations of what comes out, on 64 principal components, through a logistic
regression. The figure is the area under its ROC curve over five folds by body: .5 is an outline like any other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from noda_synth.formats import find_layout
from noda_synth.imaging.compositing import COVERING, Overlay, overlap, paste, rim_colours
from noda_synth.imaging.encoding import SOURCE, encode_copy
from noda_synth.imaging.images import BGRImage, decode_image, image_path, read_image
from noda_synth.methods import Sources
from noda_synth.methods.ground import GroundBodies
from noda_synth.methods.noda import Noda
from noda_synth.methods.placement import Placement
from noda_synth.methods.placement_settings import PRESETS
from noda_synth.seeding import item_generator
from noda_train.models.files import read_content
from noda_train.models.pose_resnet import PoseResNet, pose_resnet

WAYS = {"paper": "paper", "best with the rim's colours from within": "best", "best": "best"}
"""Name -> preset. The second is how `best` coloured its edge before blur fusion."""
_PATCHES, _SIDE, _LEAST_POINTS = 6, 48, 40
_FOLDS, _COMPONENTS, _PENALTY, _STEPS = 5, 64, 20.0, 25
_MEAN, _STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outlines:
    """What outlines look like.

    Attributes:
        bodies: (N,) rows of the pool.
        features: (N, 1536) float64.
    """

    bodies: NDArray[np.int64]
    features: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--data", "--pool", "--weights"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--number", type=int, default=300, help="bodies at most")
    arguments = parser.parse_args()
    trunk = trunk_of(arguments.weights)
    images = find_layout(arguments.data).images
    best = Noda(PRESETS["best"], Sources(pool=arguments.pool))
    rows = beside_themselves(best, arguments.number)
    real = outlines(trunk, ((row, *own_outline(best, row, images)) for row, _ in rows))
    for name, preset in WAYS.items():
        method = Noda(PRESETS[preset], Sources(pool=arguments.pool))
        if method.settings.mask not in method.pool.levels:
            continue
        fused = name == preset
        pasted = outlines(trunk, ((row, *beside(method, row, shift, images, fused=fused)) for row, shift in rows))
        area, error = told_apart(real, pasted)
        print(f"{name:<42} AUC {area:.3f} (standard error {error:.3f}, {len(pasted.bodies)} bodies)", flush=True)


def beside_themselves(method: Noda, number: int) -> list[tuple[int, int]]:
    """Complete bodies with a shift in pixels to a place beside themselves in their own pictures, at most `number`."""
    found: list[tuple[int, int]] = []
    pool = method.pool
    for row in (int(row) for row in GroundBodies(method.occluders).rows):
        width = round(pool.size[row, 0] / pool.factor[row, 0])
        left = round(pool.origin[row][0])
        start, _, end, _ = method.frames[row]
        # A little of it may lie under the frame, as it may in renders.
        free = [side for side, room in ((-1, left - start), (1, end - left - width)) if room >= 0.9 * width]
        if free and len(found) < number:
            rng = item_generator(0, "beside", pool.persons[row])
            found.append((row, int(rng.choice(free)) * round(width * float(rng.uniform(0.9, 1.2)))))
    return found


def at_home(method: Noda, row: int) -> Placement:
    """The body where it comes from, at the size that it has there."""
    pool, level = method.pool, method.occluders.levels[-1]
    width, height = (max(1, round(float(side))) for side in pool.size[row] / pool.factor[row])
    left, top = (round(float(corner)) for corner in pool.origin[row])
    return Placement(row, level, 1 / float(pool.factor[row].mean()), 1.0, 0.0, 0.0, left, top, width, height)


def own_outline(method: Noda, row: int, images: Path) -> tuple[BGRImage, Overlay]:
    """The picture, encoded once more, with the body as it stands in it."""
    path = image_path(images, method.pool.images[row])
    return encoded(read_image(path), path), method.overlay(at_home(method, row))


def beside(method: Noda, row: int, shift: int, images: Path, *, fused: bool) -> tuple[BGRImage, Overlay]:
    """The picture with the body pasted beside itself."""
    home = at_home(method, row)
    placement = replace(home, left=home.left + shift)
    path = image_path(images, method.pool.images[row])
    picture, overlay = read_image(path), method.overlay(placement)
    if fused:
        colours = method.colours(placement, overlay, picture)
    else:
        settings = replace(method.settings, smooth="ring")
        plain = Noda(settings, method.sources).colours(placement, overlay, picture)
        colours = rim_colours(plain, overlay.alpha)
    paste(picture, colours, overlay.alpha, overlay.left, overlay.top)
    return encoded(picture, path), overlay


def encoded(picture: BGRImage, path: Path) -> BGRImage:
    return decode_image(encode_copy(picture, path.read_bytes(), "jpg", SOURCE), path.name)


def patches(picture: BGRImage, overlay: Overlay, seed: int) -> list[BGRImage]:
    """Patches (48, 48, 3) at even steps along the outline; none where too little of it lies in the picture."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    window = overlap(overlay.alpha.shape, mask.shape, overlay.left, overlay.top)
    if window is None:
        return []
    mask[window[0]] = overlay.alpha[window[1]] >= COVERING
    contours = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    if not contours:
        return []
    points, half = max(contours, key=len)[:, 0], _SIDE // 2
    points = points[((points > half) & (points < np.array(mask.shape[::-1]) - half - 1)).all(axis=1)]
    if len(points) < _LEAST_POINTS:
        return []
    first = int(np.random.default_rng(seed).integers(len(points)))
    chosen = (first + np.arange(_PATCHES) * len(points) // _PATCHES) % len(points)
    return [picture[y - half : y + half, x - half : x + half] for x, y in points[chosen]]


def trunk_of(weights: Path) -> PoseResNet:
    """A ResNet-50 with the weights of a file that has torchvision's names."""
    network = pose_resnet(50, 16)
    state = {key: value.float() for key, value in read_content(weights).items() if isinstance(value, Tensor)}
    missing = network.load_state_dict(state, strict=False).missing_keys
    if any(key.startswith(("conv1", "layer1", "layer2")) for key in missing):
        raise SystemExit(f"{weights} has no ResNet-50 with torchvision's names")
    return network.eval()


@torch.no_grad()
def outlines(trunk: PoseResNet, pictures: Iterator[tuple[int, BGRImage, Overlay]]) -> Outlines:
    bodies, features = [], []
    for row, picture, overlay in pictures:
        cut = patches(picture, overlay, row)
        if not cut:
            continue
        values = torch.from_numpy(np.stack(cut)[..., ::-1].astype(np.float32) / 255)
        x = ((values - torch.tensor(_MEAN)) / torch.tensor(_STD)).permute(0, 3, 1, 2)
        first = trunk.layer1(trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x)))))
        seen = torch.cat([first.mean((2, 3)), trunk.layer2(first).mean((2, 3))], 1)
        bodies.append(row)
        features.append(torch.cat([seen.mean(0), seen.std(0)]).double().numpy())
    return Outlines(np.array(bodies, np.int64), np.array(features))


def told_apart(real: Outlines, pasted: Outlines) -> tuple[float, float]:
    """Area under the ROC curve over folds by body, and its standard error by the bootstrap over bodies."""
    bodies = np.concatenate([real.bodies, pasted.bodies])
    features = np.concatenate([real.features, pasted.features])
    truth = np.arange(len(bodies)) >= len(real.bodies)
    names, number = np.unique(bodies, return_inverse=True)
    rng = np.random.default_rng(0)
    folds = rng.permutation(np.arange(len(names)) % _FOLDS)[number]
    scores = np.zeros(len(bodies))
    for fold in range(_FOLDS):
        held = folds == fold
        scores[held] = regressed(features[~held], truth[~held], features[held])
    areas = []
    for _ in range(200):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[number]
        areas.append(area_under(np.repeat(scores, times), np.repeat(truth, times)))
    return area_under(scores, truth), float(np.std(areas))


def regressed(features: Floats, truth: NDArray[np.bool_], asked: Floats) -> Floats:
    """Log-odds (M,) for `asked` (M, F) of a logistic regression on principal components of `features` (N, F)."""
    features, asked = standardised(features, asked)
    axes = np.linalg.svd(features, full_matrices=False)[2][:_COMPONENTS].T
    features, asked = standardised(features @ axes, asked @ axes)
    features, asked = (np.column_stack([values, np.ones(len(values))]) for values in (features, asked))
    weight = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    penalty = np.diag([_PENALTY] * (features.shape[1] - 1) + [0.0])
    found = np.zeros(features.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-features @ found))
        slope = features.T @ (weight * (chance - truth)) + penalty @ found
        bend = (features * (weight * chance * (1 - chance))[:, None]).T @ features + penalty
        found -= np.linalg.solve(bend, slope)
    return np.asarray(asked @ found)


def standardised(features: Floats, asked: Floats) -> tuple[Floats, Floats]:
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    return (features - mean) / deviation, (asked - mean) / deviation


def area_under(scores: Floats, truth: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; equal scores share their ranks."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = int(truth.sum())
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


if __name__ == "__main__":
    main()
