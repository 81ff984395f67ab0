"""The figures that need a GPU: speed and memory of training, and a baseline against an occluded set, in one go.

    python scripts/gpu_report.py pack --data MPII --noda RENDERED --weights resnet50.pth --out packs
    python scripts/gpu_report.py run --packs packs --work work --out report [--minutes 25]

`pack` makes files of under 60 MB (--piece-mb) that can be carried one by one to a machine without network. `run`
unpacks them, measures, trains both runs, compares them, and writes report.json and report.md. What is done is not done
again: a run that was cut off, or that --minutes ended, goes on when it is started again on the same --work folder.
`--small` is the same on a CPU within minutes, at a size where the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from noda_synth.errors import NodaError
from noda_synth.formats import find_layout
from noda_train import evaluate, geometry, pictures
from noda_train.data import Samples
from noda_train.data import load as load_data
from noda_train.distributed import World, choose_device, init_distributed
from noda_train.fit import fit
from noda_train.metrics import scoring
from noda_train.metrics.tables import format_comparison, format_numbers
from noda_train.models import build
from noda_train.outputs import write_json
from noda_train.runs import load_run
from noda_train.settings import Settings, load
from noda_train.speed import hardware, plain_sample, training_rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("--data", type=Path, required=True)
    packing.add_argument("--noda", type=Path, required=True)
    packing.add_argument("--weights", type=Path)
    packing.add_argument("--out", type=Path, default=Path("packs"))
    packing.add_argument("--piece-mb", type=float, default=58)
    packing.set_defaults(run=lambda a: pack(a.data, a.noda, a.weights, a.out, a.piece_mb))
    running = commands.add_parser("run")
    running.add_argument("--packs", type=Path, required=True)
    running.add_argument("--work", type=Path, default=Path("work"))
    running.add_argument("--out", type=Path, default=Path("report"))
    running.add_argument("--minutes", type=float, default=25)
    running.add_argument("--small", action="store_true")
    running.set_defaults(run=lambda a: report(a.packs, a.work, a.out, a.minutes, a.small))
    arguments = parser.parse_args()
    arguments.run(arguments)


# Packing


def pack(data: Path, noda: Path, weights: Path | None, out: Path, piece_mb: float) -> None:
    """Tar files data-1.tar, data-2.tar, ... with both data sets and the weights. An image that both have goes once."""
    out.mkdir(parents=True, exist_ok=True)
    pieces: list[list[tuple[str, Path]]] = []
    size = float("inf")
    for name, file in _members(data, noda, weights):
        bytes_in_tar = file.stat().st_size + 2048  # a header, and what fills the last block
        if size + bytes_in_tar > piece_mb * 1e6:
            pieces.append([])
            size = 0.0
        pieces[-1].append((name, file))
        size += bytes_in_tar
    for number, members in enumerate(pieces, start=1):
        piece = out / f"data-{number}.tar"
        with tarfile.open(piece, "w") as archive:
            for name, file in members:
                archive.add(file.resolve(), name)
        print(f"{piece}: {piece.stat().st_size / 1e6:.0f} MB")


def _members(data: Path, noda: Path, weights: Path | None) -> Iterator[tuple[str, Path]]:
    if weights is not None:
        yield f"weights/{weights.name}", weights
    sizes: dict[str, int] = {}
    for part, folder in (("base", data), ("noda", noda)):
        layout = find_layout(folder)
        for file in (layout.annotations, layout.valid, layout.gt_valid):
            if file is not None:
                yield f"{part}/annot/{file.name}", file
        parts = load_data(folder)
        for path in dict.fromkeys([*parts.train.paths, *parts.valid.paths]):
            # Originals have one name in both sets, and occluded copies have their own.
            name = f"images/{path.relative_to(layout.images).as_posix()}"
            if name not in sizes:
                sizes[name] = path.stat().st_size
                yield name, path
            elif sizes[name] != path.stat().st_size:
                raise NodaError(f"{path}: {data} has another image of this name")


def unpack(packs: Path, work: Path) -> None:
    for piece in sorted(packs.glob("data-*.tar")):
        done = work / f"{piece.stem}.done"
        if not done.exists():
            with tarfile.open(piece) as archive:
                archive.extractall(work, filter="data")
            done.touch()
    for part in ("base", "noda"):
        if not (work / part / "images").exists():
            (work / part / "images").symlink_to((work / "images").resolve())


# Speed


class PlainLoader(Dataset[Any]):
    """The originals' loader: whole frames, one sample at a time, everything in numpy."""

    def __init__(self, samples: Samples, settings: Settings) -> None:
        self.samples, self.settings = samples, settings
        self.draw = geometry.draw(len(samples), settings, np.random.default_rng(0))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Any:
        return plain_sample(self.samples, row, self.draw, self.settings)


def plain_rate(samples: Samples, settings: Settings, device: torch.device, seconds: float) -> float:
    """Samples/s of a plain float32 loop: the loader above, loss joint by joint, a look at the loss in every step."""
    network = build(settings.model).to(device).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr)
    workers = World(device).workers(settings.workers)
    pinned = device.type == "cuda"
    loader = DataLoader(PlainLoader(samples, settings), settings.batch, True, num_workers=workers, pin_memory=pinned)
    mse, done, start = torch.nn.MSELoss(), 0, 0.0
    for number, (images, heatmaps, weights) in enumerate(_endless(loader)):
        if number == 10 or (number == 1 and device.type == "cpu"):
            start = time.perf_counter()
            done = 0
        predicted = network(images.to(device, non_blocking=True))
        heatmaps, weights = heatmaps.to(device, non_blocking=True), weights.to(device, non_blocking=True)
        loss = torch.zeros((), device=device)
        for joint in range(predicted.shape[1]):
            p, t = (h[:, joint].flatten(1) * weights[:, joint] for h in (predicted, heatmaps))
            loss = loss + 0.5 * mse(p, t)
        optimiser.zero_grad()
        (loss / predicted.shape[1]).backward()
        optimiser.step()
        loss.item()
        done += len(images)
        if start and time.perf_counter() - start > seconds:
            break
    return done / (time.perf_counter() - start)


def _endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def speed(work: Path, preset: str, small: bool) -> dict[str, Any]:
    settings = _settings(preset, work, small)
    device = choose_device(settings.device)
    samples = load_data(work / "base").train
    samples = samples.take(np.arange(min(32, len(samples)))) if small else samples
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rates = training_rates(samples, settings, device, windows=2 if small else 7, steps=2 if small else 60)
    result: dict[str, Any] = dict(rates)
    result["end to end / ready tensors"] = rates["end to end"] / rates["ready tensors"]
    if device.type == "cuda":
        result["memory GB"] = torch.cuda.max_memory_allocated() / 1e9
    result["plain float32"] = plain_rate(samples, settings, device, 3 if small else 25)
    result["end to end / plain float32"] = rates["end to end"] / result["plain float32"]
    return result


def _settings(preset: str, work: Path, small: bool, *more: str) -> Settings:
    sets = [f"cache_dir={work / 'cache'}", f"weights_dir={work / 'weights'}", *more]
    return load(preset, [*sets, "size=64", "batch=8", "sigma=1", "workers=0"] if small else sets)


# Training


def train(work: Path, name: str, small: bool) -> dict[str, Any]:
    """simple_r50 from ImageNet weights: 140 epochs, validation every tenth, the last epoch counts."""
    more = ["epochs=2", "limit=32", "model=simple_r18", "weights=none", "steps=1", "validate_every=1"]
    settings = _settings("simple_r50", work, small, *(more if small else ["validate_every=10", "seed=0"]))
    parts, run, world = load_data(work / name), work / f"run-{name}", World(choose_device(settings.device))
    run.mkdir(exist_ok=True)
    start = time.perf_counter()
    state = fit(parts, settings, run, world, print, resume=(run / "last.pt").exists())
    minutes = (time.perf_counter() - start) / 60
    who = evaluate.evaluation_set(parts, settings)
    origin = {"run": run.name, "checkpoint": "last", "epoch": str(state.epoch)}
    prediction, result = evaluate.evaluate_network(state.evaluated, who, settings, world, run, origin)
    print(format_numbers(result))
    rows = pictures.spread_out(who.truth, 8)
    pictures.write_sheet(run / "predictions.png", who.samples, who.truth, {name: prediction.joints}, rows)
    return {"minutes": minutes, "epochs": settings.epochs, "best": list(state.best), **result}


def comparison(work: Path) -> dict[str, Any]:
    parts = load_data(work / "base")
    settings = load_run(work / "run-base", "last", torch.device("cpu")).settings
    evaluator = evaluate.evaluation_set(parts, settings).evaluator
    ours, other = (scoring.read(work / run, evaluator) for run in ("run-noda", "run-base"))
    return scoring.compare(ours, other, evaluator)


# All of it


def report(packs: Path, work: Path, out: Path, minutes: float, small: bool) -> None:
    """Every step whose result is not in `work` yet, as long as the minutes last; then the report of what there is."""
    began = time.perf_counter()
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    unpack(packs, work)
    steps: dict[str, Callable[[], dict[str, Any]]] = {
        "speed simple_r50": lambda: speed(work, "simple_r18" if small else "simple_r50", small),
        "speed hrnet_w32": lambda: speed(work, "hrnet_w32", small),
        "training base": lambda: train(work, "base", small),
        "training noda": lambda: train(work, "noda", small),
        "noda less base": lambda: comparison(work),
    }
    results: dict[str, Any] = {"hardware": hardware(choose_device("auto")), "small": small}
    for name, step in steps.items():
        kept = work / f"{name.replace(' ', '-')}.json"
        if not kept.exists():
            if (time.perf_counter() - began) / 60 > minutes:
                print(f"{minutes} minutes are over before: {name}; start again to go on")
                break
            print(f"== {name}", flush=True)
            with init_distributed("auto"):  # cuDNN as a run has it
                write_json(kept, step())
        results[name] = json.loads(kept.read_text())
        write_json(out / "report.json", results)
        (out / "report.md").write_text(_markdown(results))
    for name in ("base", "noda"):
        picture = work / f"run-{name}" / "predictions.png"
        if picture.exists():
            shutil.copy(picture, out / f"predictions-{name}.png")
    print(_markdown(results))


def _markdown(results: dict[str, Any]) -> str:
    lines = [", ".join(f"{key} {value}" for key, value in results["hardware"].items()), ""]
    if results["small"]:
        lines += ["A trial in small: these numbers mean nothing.", ""]
    for name, result in results.items():
        if name.startswith("speed"):
            lines += [f"## {name}, samples/s", *(f"- {key}: {value:.2f}" for key, value in result.items()), ""]
        if name.startswith("training"):
            lines += [f"## {name}: {result['epochs']} epochs, {result['minutes']:.1f} minutes", "```"]
            lines += [format_numbers(result), "```", ""]
        if name == "noda less base":
            lines += [f"## {name}", "```", format_comparison(result), "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
