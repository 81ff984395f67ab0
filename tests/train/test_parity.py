"""Crops, heatmaps, weights, decoding and flip test against direct statements of the originals' arithmetic."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from noda_train import cache, geometry
from noda_train.data import load as load_data
from noda_train.distributed import World
from noda_train.pipeline import Pipeline
from noda_train.predict import exact_crops, original_map, to_image
from noda_train.settings import load
from noda_train.speed import plain_heatmaps, plain_sample
from noda_train.targets import decode, draw_heatmaps, flip_back, heatmap_loss
from noda_train.warp import network_inputs, normalise, warp_all


def test_the_warp_is_opencvs() -> None:
    rng = np.random.default_rng(0)
    images = [
        cv2.GaussianBlur(rng.integers(0, 255, s).astype(np.uint8), (5, 5), 0) for s in ((90, 70, 3), (60, 120, 3))
    ]
    pixels = torch.from_numpy(np.concatenate([i.reshape(-1, 3) for i in images]))
    sizes = torch.tensor([i.shape[:2] for i in images])
    draw = geometry.Augmentation(np.array([0.8, 1.2]), np.array([35.0, -70.0]), np.array([False, True]))
    maps = geometry.crop_to_image(np.array([[40.0, 30.0], [70, 31]]), np.array([80.0, 60.0]), 64, draw)
    expected = np.stack(
        [
            cv2.warpAffine(i.astype(np.float32), m, (64, 64), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            for i, m in zip(images, maps, strict=True)
        ]
    )
    tensors = torch.from_numpy(maps).float()
    decoded = [torch.from_numpy(image) for image in images]
    each = torch.cat([warp_all([image], m[None], 64) for image, m in zip(decoded, tensors, strict=True)])
    everything = warp_all(decoded, tensors, 64)
    np.testing.assert_allclose(everything.numpy(), each.numpy(), atol=0.02)
    # OpenCV rounds its interpolation weights to 1/32 px.
    assert np.abs(each.permute(0, 2, 3, 1).numpy() - expected).mean() < 1
    inputs = network_inputs(pixels, sizes, tensors, 64, "rgb")
    np.testing.assert_allclose(inputs.numpy(), normalise(everything, "rgb").numpy(), atol=1e-3)
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_channels_are_in_the_order_that_is_asked_for() -> None:
    blue = torch.zeros(1, 3, 2, 2)
    blue[:, 0] = 255
    rgb, bgr = normalise(blue, "rgb"), normalise(blue, "bgr")
    assert rgb[0, 2, 0, 0] == pytest.approx((1 - 0.406) / 0.225, abs=1e-5)
    assert bgr[0, 0, 0, 0] == pytest.approx((1 - 0.485) / 0.229, abs=1e-5)


def test_heatmaps_and_weights_are_the_originals() -> None:
    rng = np.random.default_rng(1)
    joints = rng.uniform(-60, 320, (40, 16, 2))
    joints[0, :4] = [(-1.9, 5), (-3, 5), (258, 100), (-30, 300)]
    labelled = rng.random((40, 16)) < 0.8
    heatmaps, weights = draw_heatmaps(torch.from_numpy(joints), torch.from_numpy(labelled), 64, 2.0)
    for person in range(40):
        expected, weight = plain_heatmaps(joints[person], labelled[person].astype(np.float32), 64, 2.0)
        np.testing.assert_allclose(heatmaps[person].numpy(), expected, atol=1e-6)
        np.testing.assert_array_equal(weights[person].numpy(), weight[:, 0])


def test_a_joint_less_than_a_patch_outside_is_supervised() -> None:
    joints = torch.tensor([[[-20.0, 100], [-40.0, 100], [100, 275], [100, 290]]])
    _, weights = draw_heatmaps(joints, torch.ones(1, 4, dtype=torch.bool), 64, 2.0)
    assert weights.tolist() == [[1, 0, 1, 0]]


def test_the_loss_is_the_originals() -> None:
    torch.manual_seed(0)
    predicted, target, weight = torch.rand(3, 16, 8, 8), torch.rand(3, 16, 8, 8), (torch.rand(3, 16) < 0.7).float()
    expected = 0.0
    for joint in range(16):
        p, t = (h[:, joint].reshape(3, -1) * weight[:, joint, None] for h in (predicted, target))
        expected += 0.5 * torch.nn.functional.mse_loss(p, t)
    assert heatmap_loss(predicted.bfloat16().float(), predicted.bfloat16().float(), weight) == 0
    torch.testing.assert_close(heatmap_loss(predicted, target, weight), expected / 16)


def plain_decode(heatmap: np.ndarray) -> tuple[float, float]:
    height, width = heatmap.shape
    best = int(heatmap.argmax())
    x, y = best % width, best // width
    if heatmap[y, x] <= 0:
        return 0.0, 0.0
    if 1 < x < width - 1 and 1 < y < height - 1:
        right, down = heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]
        return x + 0.25 * np.sign(right), y + 0.25 * np.sign(down)
    return float(x), float(y)


def test_decoding_is_the_originals() -> None:
    rng = np.random.default_rng(2)
    heatmaps = rng.normal(0, 1, (30, 16, 12, 12)).astype(np.float32)
    heatmaps[0, 0] = -1
    joints, scores = decode(torch.from_numpy(heatmaps))
    expected = [[plain_decode(h) for h in person] for person in heatmaps]
    np.testing.assert_array_equal(joints.numpy(), expected)
    np.testing.assert_array_equal(scores.numpy(), heatmaps.max((2, 3)))


def test_dark_finds_the_peak_between_cells() -> None:
    steps = torch.arange(48.0)
    x, y = 20.3, 17.6
    bell = torch.exp(-((steps[None] - x) ** 2 + (steps[:, None] - y) ** 2) / 8)[None, None]
    dark, quarter = (decode(bell, method, 2.0)[0][0, 0] for method in ("dark", "quarter"))
    np.testing.assert_allclose(dark.numpy(), (x, y), atol=0.03)
    assert (dark - torch.tensor([x, y])).norm() < (quarter - torch.tensor([x, y])).norm()


def test_flipping_back_swaps_pairs_and_shifts_one_cell() -> None:
    rng = np.random.default_rng(3)
    heatmaps = rng.random((2, 16, 6, 6)).astype(np.float32)
    order = torch.from_numpy(geometry.flip_order())
    expected = heatmaps[:, :, :, ::-1].copy()
    for a, b in ((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)):
        expected[:, [a, b]] = expected[:, [b, a]]
    expected[:, :, :, 1:] = expected[:, :, :, :-1].copy()
    np.testing.assert_array_equal(flip_back(torch.from_numpy(heatmaps), order).numpy(), expected)


def test_the_exact_crop_and_the_way_back() -> None:
    center, box = np.array([311.25, 97.5]), 420.0
    to_crop = original_map(center, box, 256)
    np.testing.assert_allclose(to_crop @ [*center, 1], (128, 128), atol=1e-4)
    np.testing.assert_allclose(to_crop[:, :2], np.eye(2) * 256 / box, atol=1e-6)
    maps = geometry.crop_to_image(center[None], np.array([box]), 256)
    np.testing.assert_allclose(geometry.invert(maps)[0], to_crop, atol=1e-3)


def test_cells_return_to_the_image(drawn: Path) -> None:
    samples = load_data(drawn).valid
    maps = geometry.invert(geometry.crop_to_image(samples.center, samples.box, 256))
    cells = (geometry.apply(maps, samples.joints) / 4).astype(np.float32)
    np.testing.assert_allclose(to_image(cells, samples, 256), samples.joints, atol=1e-3)


def test_the_pipeline_makes_what_the_plain_loader_makes(drawn: Path, tmp_path: Path) -> None:
    """Input, heatmaps and weights of every person under one and the same draw of scale, rotation and flip."""
    settings = load(
        "simple_r18", [f"cache_dir={tmp_path}", "size=128", "batch=32", "cache_detail=2", "cache_quality=100"]
    )
    samples = load_data(drawn).train
    pipeline = Pipeline(samples, cache.crops_of(samples, settings), settings, World(torch.device("cpu")))
    rows, draw = pipeline.plan(3)
    assert draw.flip.any() and not draw.flip.all() and (np.abs(draw.rotation) > 10).any()
    (batch,) = next(iter(pipeline.epoch(3)))
    for place, row in enumerate(rows[0]):
        tensor, heatmaps, weights = plain_sample(samples, int(row), draw, settings)
        np.testing.assert_allclose(batch.heatmaps[place].numpy(), heatmaps, atol=2e-3)
        np.testing.assert_array_equal(batch.weights[place].numpy(), weights[:, 0])
        ours, shifted = batch.images[place].numpy(), np.roll(batch.images[place].numpy(), 1, axis=2)
        assert np.abs(ours - tensor.numpy()).mean() < 0.4 * np.abs(shifted - tensor.numpy()).mean()


def test_evaluation_crops_are_cut_from_the_original_image(drawn: Path) -> None:
    samples = load_data(drawn).valid
    crops = exact_crops(samples, 64)
    image = cv2.imread(str(samples.paths[2]), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    expected = cv2.warpAffine(
        image, original_map(samples.center[2], samples.box[2], 64), (64, 64), flags=cv2.INTER_LINEAR
    )
    np.testing.assert_array_equal(crops[2], expected)


def test_centre_and_box_are_adjusted_as_trainers_do(drawn: Path) -> None:
    import json

    record = json.loads((drawn / "annot" / "valid.json").read_text())[0]
    samples = load_data(drawn).valid
    expected = np.array(record["center"]) + np.array([0, 15 * record["scale"]]) - 1
    np.testing.assert_allclose(samples.center[0], expected)
    assert samples.box[0] == pytest.approx(200 * record["scale"] * 1.25)
