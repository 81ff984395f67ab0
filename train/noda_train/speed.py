"""How fast: the data path on a core, the network on ready tensors, training end to end; and a plain loader beside them.

The plain loader does per sample what the HRNet repository's does: read and decode the whole frame, warpAffine, ToTensor
and Normalize, a heatmap a joint in numpy. All are measured in one run, in turns, and compared by their medians.
"""

from __future__ import annotations

import collections
import itertools
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from noda_synth.errors import ItemError, NodaError
from noda_synth.imaging.images import image_size
from noda_train import cache, geometry
from noda_train.arrays import Floats
from noda_train.data import Samples, load, unusable
from noda_train.distributed import World, choose_device
from noda_train.fit import train_step
from noda_train.models import build, on_device
from noda_train.pipeline import PREFETCH, Pipeline
from noda_train.settings import Settings
from noda_train.targets import STRIDE
from noda_train.warp import MEAN, STD


def plain_sample(
    samples: Samples, row: int, draw: geometry.Augmentation, settings: Settings
) -> tuple[torch.Tensor, NDArray[np.float32], NDArray[np.float32]]:
    """One training sample as the originals make it: input (3, S, S), heatmaps (J, S/4, S/4), weights (J, 1)."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image: NDArray[Any] | None = cv2.imread(str(samples.paths[row]), flags)
    if image is None:
        raise NodaError(f"{samples.paths[row]}: cannot be read")
    if settings.channels == "rgb":
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    joints, labelled = samples.joints[row].copy(), samples.labelled[row].astype(np.float32)
    center, width = samples.center[row].copy(), image.shape[1]
    if draw.flip[row]:
        image = image[:, ::-1, :]
        joints[:, 0] = width - joints[:, 0] - 1
        order = geometry.flip_order(samples.skeleton)
        joints, labelled = joints[order], labelled[order]
        center[0] = width - center[0] - 1
    to_crop = _plain_map(center, samples.box[row] * draw.scale[row], draw.rotation[row], settings.size)
    crop = cv2.warpAffine(image, to_crop, (settings.size, settings.size), flags=cv2.INTER_LINEAR)
    tensor = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1).contiguous().float().div(255)
    tensor.sub_(torch.tensor(MEAN)[:, None, None]).div_(torch.tensor(STD)[:, None, None])
    for joint in range(len(joints)):
        if labelled[joint] > 0:
            joints[joint] = to_crop @ np.array([joints[joint][0], joints[joint][1], 1.0])
    return tensor, *plain_heatmaps(joints, labelled, settings.size // STRIDE, settings.sigma)


def _plain_map(center: Floats, box: float, rotation: float, size: int) -> Floats:
    """The originals' get_affine_transform: three points in float32."""
    angle = np.pi * rotation / 180
    sn, cs = np.sin(angle), np.cos(angle)
    source, target = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    source[0], target[0] = center, (size * 0.5, size * 0.5)
    source[1] = center + np.array([box * 0.5 * sn, -box * 0.5 * cs])
    target[1] = target[0] + np.array([0, -size * 0.5])
    for points in (source, target):
        direction = points[0] - points[1]
        points[2] = points[1] + np.array([-direction[1], direction[0]])
    return np.asarray(cv2.getAffineTransform(source, target))


def plain_heatmaps(
    joints_px: Floats, labelled: NDArray[np.float32], size: int, sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps (J, size, size) and weights (J, 1), joint by joint."""
    count, radius = len(joints_px), int(3 * sigma)
    heatmaps, weights = np.zeros((count, size, size), np.float32), labelled.reshape(-1, 1).astype(np.float32).copy()
    for joint in range(count):
        x, y = (int(value / STRIDE + 0.5) for value in joints_px[joint])
        if x - radius >= size or y - radius >= size or x + radius < 0 or y + radius < 0:
            weights[joint] = 0
        if weights[joint] > 0.5:
            steps = np.arange(2 * radius + 1, dtype=np.float32)
            patch = np.exp(-((steps - radius) ** 2 + (steps[:, None] - radius) ** 2) / (2 * sigma**2))
            left, top = x - radius, y - radius
            x1, x2, y1, y2 = max(0, left), min(x + radius + 1, size), max(0, top), min(y + radius + 1, size)
            heatmaps[joint][y1:y2, x1:x2] = patch[y1 - top : y2 - top, x1 - left : x2 - left]
    return heatmaps, weights


def bench(data: Path, settings: Settings, persons: int, repeats: int, training: bool = True) -> dict[str, Any]:
    """All measurements; seconds per sample as medians over `repeats`, taken in turns."""
    parts = load(data)
    samples = parts.train.first(settings.limit)
    samples = samples.take(np.arange(min(persons, len(samples))))
    _check_images(samples)
    device = choose_device(settings.device)
    result: dict[str, Any] = {
        "hardware": hardware(device),
        "preset": settings.preset,
        "size": settings.size,
        "batch": settings.batch,
        "persons": len(samples),
        "repeats": repeats,
        "data": data.name,
        "loading_ms": _loading(samples, settings, repeats),
    }
    loading = result["loading_ms"]
    ratios = result["ratios"] = {
        "plain / decode": loading["plain"] / loading["decode"],
        "plain / decode and tensors on a core": loading["plain"] / loading["decode and tensors on a core"],
    }
    if training:
        steps = 2 if device.type == "cpu" else 60
        rates = result["training_samples_per_s"] = training_rates(samples, settings, device, repeats, steps)
        ratios["end to end / ready tensors"] = rates["end to end"] / rates["ready tensors"]
    return result


def _check_images(samples: Samples) -> None:
    """NodaError for images that cannot be read: the plain loader would take a FIFO, and any size."""
    errors = []
    for path in dict.fromkeys(samples.paths):
        try:
            image_size(path)
        except ItemError as error:
            errors.append(NodaError(str(error)))
    if errors:
        raise unusable(errors)


def hardware(device: torch.device) -> dict[str, str]:
    """What was measured on: the device, and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": name,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }


def _loading(samples: Samples, settings: Settings, repeats: int) -> dict[str, float]:
    """Milliseconds per sample on one core, batch by batch, with files that have been read before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    crops = cache.crops_of(samples, settings)
    pipeline = Pipeline(samples, crops, settings, World(torch.device("cpu")))
    batches, draw = pipeline.plan(0)

    def plain() -> None:
        for batch in batches:
            made = [plain_sample(samples, int(row), draw, settings) for row in batch]
            torch.stack([tensor for tensor, _, _ in made])
            torch.from_numpy(np.stack([heatmaps for _, heatmaps, _ in made]))

    def decode() -> None:
        for batch in batches:
            torch.from_numpy(pipeline.reader[batch][0])

    def everything() -> None:
        for _ in pipeline.epoch(0):
            pass

    kinds = {"plain": plain, "decode": decode, "decode and tensors on a core": everything}
    medians = in_turns(kinds, repeats)
    torch.set_num_threads(threads)
    return {name: 1000 * seconds / sum(map(len, batches)) for name, seconds in medians.items()}


def in_turns(kinds: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, after one round for warming up; in turns, so that a busy moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(repeats + 1):
        for name, run in kinds.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def training_rates(
    samples: Samples, settings: Settings, device: torch.device, windows: int, steps: int
) -> dict[str, float]:
    """Samples/s of training, on tensors that are there already and end to end from the cache.

    Medians over windows of so many steps, taken in turns; the first one warms up. Training reads from one stream
    throughout, as a run does; what workers decoded ahead during the other's turn is thrown away before a window.
    """
    pipeline = Pipeline(samples, cache.crops_of(samples, settings), settings, World(device))
    network = on_device(build(settings.model, len(samples.skeleton)), device)
    network.train()
    if settings.compile:
        network.compile()
    fused = True if device.type == "cuda" else None
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr, fused=fused)
    ahead = PREFETCH * pipeline.world.workers(settings.workers)
    epochs = 1 + -(-(windows + 1) * (steps + ahead) // pipeline.steps)
    stream = itertools.chain.from_iterable(pipeline.epochs(0, epochs))
    ready = next(stream)
    counts = {"ready tensors": len(ready[0].images) * len(ready) * steps, "end to end": 0}

    def on_ready() -> None:
        for _ in range(steps):
            loss = train_step(network, ready, optimiser, settings, device)
        float(loss)

    def end_to_end() -> None:
        counts["end to end"] = 0
        for batches in itertools.islice(stream, steps):
            counts["end to end"] += sum(len(batch.images) for batch in batches)
            loss = train_step(network, batches, optimiser, settings, device)
        float(loss)

    rates: dict[str, list[float]] = {"ready tensors": [], "end to end": []}
    for window in range(windows + 1):
        for name, run in (("ready tensors", on_ready), ("end to end", end_to_end)):
            if run is end_to_end:
                collections.deque(itertools.islice(stream, ahead), maxlen=0)
            start = time.perf_counter()
            run()
            if window:
                rates[name].append(counts[name] / (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in rates.items()}


def format_bench(result: dict[str, Any]) -> str:
    """The measurements as lines of text."""
    title = ", ".join(f"{key} {value}" for key, value in result["hardware"].items())
    lines = [
        title,
        f"{result['preset']} at {result['size']} px, batch {result['batch']}; {result['persons']} persons of"
        f" {result['data']}; medians of {result['repeats']}",
        "",
        "data path, one core                         ms/sample   samples/s",
    ]
    for name, ms in result["loading_ms"].items():
        lines.append(f"  {name:40}  {ms:9.2f}   {1000 / ms:9.1f}")
    rates = result.get("training_samples_per_s", {})
    if rates:
        lines += ["", "training                                                samples/s"]
    for name, rate in rates.items():
        lines.append(f"  {name:40}              {rate:9.1f}")
    lines += ["", "ratios"]
    for name, ratio in result["ratios"].items():
        lines.append(f"  {name:40}  {ratio:9.2f}")
    return "\n".join(lines)
