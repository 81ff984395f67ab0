"""The metadata of an ONNX file are enough to use it: here with numpy and OpenCV, by what stands in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from noda_synth.data.skeleton import MPII
from noda_train.data import load
from noda_train.distributed import World
from noda_train.export import write_onnx
from noda_train.models import build
from noda_train.predict import predict
from noda_train.runs import Trained
from noda_train.settings import Settings
from noda_train.targets import decode

pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytestmark = pytest.mark.usefixtures("tiny")


@pytest.mark.parametrize("flip_test", ["true", "false"])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_joints_are_found_by_the_metadata_alone(
    drawn: Path, quick: Callable[..., Settings], tmp_path: Path, flip_test: str, channels: str
) -> None:
    torch.manual_seed(1)
    settings = quick("size=64", f"channels={channels}", "decode=quarter", f"flip_test={flip_test}")
    trained = Trained(build(settings.model, 16).eval(), MPII, settings, None, None, tmp_path)
    write_onnx(tmp_path / "net.onnx", trained)
    samples = load(drawn).valid
    expected = predict(trained.network, samples, settings, World(torch.device("cpu"))).joints
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    recipe = json.loads(session.get_modelmeta().custom_metadata_map["noda"])
    assert recipe["joints"] == list(MPII.joints) and recipe["channels"] == channels
    for record, joints in zip(json.loads((drawn / "annot" / "valid.json").read_text()), expected, strict=True):
        image = cv2.imread(str(drawn / "images" / record["image"]))
        assert image is not None
        found = joints_on(np.asarray(image), record, recipe, lambda inputs: session.run(None, {"images": inputs})[0])
        assert np.abs(found + 1 - joints).max() < 0.02


@pytest.mark.parametrize("method", ["quarter", "dark"])
def test_a_heatmap_is_decoded_as_the_metadata_say(method: str) -> None:
    """Round peaks between cells, some near the border; of a network without training DARK's step means nothing."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16]
    places = random.uniform(1, 14, (40, 2))
    maps = np.stack([0.8 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in places]).astype(np.float32)
    maps += random.uniform(0, 0.02, maps.shape).astype(np.float32)
    expected, _ = decode(torch.from_numpy(maps)[None], method, 2.0)
    found = [cell_of(heatmap, {"decode": method, "sigma": 2.0}) for heatmap in maps]
    assert np.abs(np.array(found) - expected[0].numpy()).max() < 1e-3


def joints_on(image: NDArray[np.uint8], record: Any, recipe: Any, network: Callable[[Any], Any]) -> Any:
    """(J, 2), 0-based."""
    size, width = recipe["size"], recipe["size"] // recipe["stride"]
    center = np.array(record["center"]) - 1 + (0, 15 * record["scale"])
    side = 200 * record["scale"] * recipe["margin"]
    to_image = np.column_stack([np.eye(2) * side / size, center - side / 2])
    ordered = np.ascontiguousarray(image[..., ::-1]) if recipe["channels"] == "rgb" else image
    crop = cv2.warpAffine(ordered, to_image, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inputs = ((crop / 255 - recipe["mean"]) / recipe["std"]).astype(np.float32).transpose(2, 0, 1)
    maps, mirrored = network(np.stack([inputs, inputs[..., ::-1]]))
    if recipe["flip_test"]:
        back = mirrored[..., ::-1][recipe["flip_order"]]
        maps = (maps + np.concatenate([back[..., :1], back[..., :-1]], axis=2)) / 2
    cells = [cell_of(heatmap, recipe) for heatmap in maps]
    return center + (np.array(cells) - width / 2) * side / width


def cell_of(heatmap: Any, recipe: Any) -> Any:
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    width = len(heatmap)
    if heatmap[y, x] <= 0:
        return np.zeros(2)
    border = 1 if recipe["decode"] == "quarter" else 2
    if not all(1 < v < width - border for v in (x, y)):
        return np.array([x, y], float)
    if recipe["decode"] == "quarter":
        higher = [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
        return np.array([x, y]) + 0.25 * np.sign(higher)
    radius = max(1, round(2.5 * recipe["sigma"]))
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * (0.3 * (radius - 1) + 0.8) ** 2))
    kernel /= kernel.sum()
    smooth = cv2.sepFilter2D(heatmap.astype(np.float64), -1, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    v = np.log(np.maximum(smooth * heatmap.max() / max(smooth.max(), 1e-10), 1e-10))
    gradient = np.array([v[y, x + 1] - v[y, x - 1], v[y + 1, x] - v[y - 1, x]]) / 2
    xx, yy = v[y, x + 2] - 2 * v[y, x] + v[y, x - 2], v[y + 2, x] - 2 * v[y, x] + v[y - 2, x]
    xy = v[y + 1, x + 1] - v[y - 1, x + 1] - v[y + 1, x - 1] + v[y - 1, x - 1]
    hessian = np.array([[xx, xy], [xy, yy]]) / 4
    return np.array([x, y]) + (-np.linalg.solve(hessian, gradient) if abs(np.linalg.det(hessian)) > 1e-12 else 0)
