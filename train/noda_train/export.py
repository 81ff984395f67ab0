"""Trained networks for use elsewhere: slim weight files, and ONNX."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from noda_synth.data.skeleton import definition
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import atomic_path
from noda_train import checkpoint
from noda_train.runs import Trained

TOLERANCE = 1e-3
"""How far ONNX may be from torch, relative to the largest heatmap value."""


def write_slim(path: Path, trained: Trained) -> None:
    """Weights and settings, nothing else: `eval --run FILE` reads it, and `fit --weights FILE` starts from it."""
    checkpoint.save(
        path,
        {
            "settings": trained.settings.as_dict(),
            "skeleton": definition(trained.skeleton),
            "network": {key: value.contiguous() for key, value in trained.network.state_dict().items()},
            "data": str(trained.data) if trained.data else None,
            "epoch": trained.epoch,
        },
    )


def write_onnx(path: Path, trained: Trained) -> float:
    """Write `images` (N, 3, S, S) -> `heatmaps` (N, J, S/4, S/4), N free; the largest difference from torch.

    How inputs are made of images, and joints of heatmaps, stands in the file's metadata (`noda`).
    """
    onnx, runtime = _import_package("onnx"), _import_package("onnxruntime")
    network, size = trained.network.eval(), trained.settings.size
    example = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with atomic_path(path) as part:
        with warnings.catch_warnings():
            # The exporter that needs no further package is deprecated, and says so at length.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (example,),
                str(part),
                input_names=["images"],
                output_names=["heatmaps"],
                dynamic_axes={"images": {0: "persons"}, "heatmaps": {0: "persons"}},
                dynamo=False,
            )
        model = onnx.load(str(part))
        entry = model.metadata_props.add()
        entry.key, entry.value = "noda", json.dumps(_recipe(trained))
        onnx.save(model, str(part))
        # Another number of persons than it was exported with, so that a fixed batch would show.
        difference, largest = _difference(runtime, part, network, torch.cat([example, example[:1]]))
        if difference > TOLERANCE * largest:
            raise NodaError(f"{path}: onnxruntime differs from torch by {difference:.1e} (largest value {largest:.1e})")
    return difference


def _recipe(trained: Trained) -> dict[str, Any]:
    """All that it takes to make inputs and to read joints off heatmaps, without this program."""
    from noda_train.data import MARGIN
    from noda_train.geometry import flip_order
    from noda_train.targets import STRIDE
    from noda_train.warp import MEAN, STD

    s = trained.settings
    return {
        "model": s.model,
        "skeleton": trained.skeleton.name,
        "joints": trained.skeleton.joints,
        "size": s.size,
        "channels": s.channels,
        "mean": MEAN,
        "std": STD,
        "margin": MARGIN,
        "stride": STRIDE,
        "sigma": s.sigma,
        "decode": s.decode,
        "flip_test": s.flip_test,
        "flip_order": flip_order(trained.skeleton).tolist(),
        "how": {
            "pixels": "0-based, pixel centres at whole numbers, x before y; MPII's files count from 1",
            "center": "MPII: center + (0, 15 * scale); COCO: x + (w - 1) / 2, y + (h - 1) / 2",
            "side": "MPII: 200 * scale * margin; COCO: (longer side of the box - 1) * margin",
            "input": "bilinear crop, black outside of the image: its pixel p lies at center + (p - size / 2) * side /"
            " size; value / 255, minus mean, divided by std, channels in this order",
            "flip_test": "mean of the heatmaps and those of the mirrored input: mirrored back, joints in flip_order,"
            " moved one cell to the right (column 0 stays)",
            "cell": "of the largest value, which is the score; not found where that is not above 0",
            "quarter": "where 1 < x < width - 1 and 1 < y < height - 1: + 0.25 along x and along y, each towards its"
            " higher neighbour",
            "dark": "where 1 < x < width - 2 and 1 < y < height - 2: - inverse(H) g of v, the logarithm of the heatmap"
            " after smoothing, scaled back to its maximum, at least 1e-10; smoothed with r = max(1, round(2.5 * sigma))"
            " by a Gaussian of 2 r + 1 cells and sigma 0.3 * (r - 1) + 0.8, zeros outside; g = (v(x + 1) - v(x - 1)) /"
            " 2 along x and y, Hxx = (v(x + 2) - 2 v + v(x - 2)) / 4 and Hyy alike, Hxy = (v(x + 1, y + 1) - v(x + 1,"
            " y - 1) - v(x - 1, y + 1) + v(x - 1, y - 1)) / 4; nothing where |det H| is below 1e-12",
            "joint": "center + (cell - size / stride / 2) * side * stride / size",
        },
    }


@torch.no_grad()
def _difference(runtime: Any, path: Path, network: nn.Module, images: Tensor) -> tuple[float, float]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (by_onnx,) = session.run(["heatmaps"], {"images": images.numpy()})
    by_torch = network(images).numpy()
    return float(np.abs(by_onnx - by_torch).max()), float(np.abs(by_torch).max())


def _import_package(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise NodaError(f"ONNX export needs {package}: pip install onnx onnxruntime") from error
