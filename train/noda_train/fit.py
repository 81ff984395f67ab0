"""Training, from settings to a run folder.

    noda-train fit hrnet --data data/mpii_noda          # on the GPU, or the CPU where there is none
    noda-train fit --resume --run runs/hrnet_w32-1      # from its last checkpoint
    torchrun --nproc-per-node 4 -m noda_train fit hrnet --run-dir runs/big

A run folder holds `settings.json`, `last.pt` and `best.pt` (checkpoints), `metrics.jsonl` (a line per epoch),
`predictions.h5` and `scores.json` (of the last checkpoint, once training is over) and `predictions.png`.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from noda_synth.data.skeleton import Skeleton, definition
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import copy_file
from noda_train import cache, checkpoint, evaluate
from noda_train.data import Parts, Samples
from noda_train.distributed import World, has_bf16
from noda_train.journal import Journal
from noda_train.models import build, on_device, weights
from noda_train.outputs import write_json
from noda_train.pipeline import Batch, Pipeline
from noda_train.predict import own_crops
from noda_train.settings import Settings
from noda_train.targets import heatmap_loss
from noda_train.turns import training_samples

CHECK_EVERY = 50
"""Steps between checks that the loss is finite: each one waits for the device."""


@dataclass
class State:
    """What changes while a run goes on. `best` is (score, epoch) on the validation set, `kept` the epoch of last.pt."""

    network: nn.Module
    average: nn.Module | None
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    best: tuple[float, int] = (-1.0, 0)
    kept: int = 0

    @property
    def evaluated(self) -> nn.Module:
        """The moving average where there is one."""
        return self.average or self.network


def fit(parts: Parts, settings: Settings, run: Path, world: World, echo: Callable[[str], None], resume: bool) -> State:
    """Train to the last epoch. Raises NodaError where it cannot go on; `last.pt` then is as it was.

    `echo` gets what is to be printed, line by line.
    """
    torch.manual_seed(settings.seed)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    samples, turns = training_samples(parts, settings)
    validation = evaluate.evaluation_set(parts, settings) if settings.validate_every else None
    state = _new_state(settings, parts.train.skeleton, world)
    if resume:
        if not _is_left(state, settings, run, parts, echo):
            return state
    else:
        _load_first_weights(state.network, settings, parts.train.skeleton, echo)
        if state.average is not None:
            state.average.load_state_dict(state.network.state_dict())
    if world.is_first:
        write_json(run / "settings.json", settings.as_dict())
    pipeline = Pipeline(samples, _cut_crops(samples, settings, world), settings, world, turns)
    crops = own_crops(validation.samples, settings, world) if validation else None
    network = _wrap(state.network, settings, world)
    in_turn = f" of each of {len(turns)} lists in turn" if len(turns) > 1 else ""
    echo(f"{pipeline.persons} persons{in_turn}, {pipeline.steps} steps per epoch, {world.size} x {world.device}")
    if pipeline.smallest == 1:
        echo(
            f"note: {pipeline.persons} persons in batches of {settings.batch} leave one person for the network at the"
            " end of an epoch, and batch normalisation goes by that one alone; another --set batch=N avoids it"
        )
    began, first = time.perf_counter(), state.epoch
    with Journal(run, state.epoch, world) as journal:
        for steps in pipeline.epochs(state.epoch, settings.epochs):
            start = time.perf_counter()
            with _advice(settings, world):
                loss = _epoch(network, state, steps, pipeline.steps, settings, world)
            seconds = time.perf_counter() - start
            world.same_buffers(state.evaluated)
            state.epoch += 1
            line: dict[str, Any] = {
                "epoch": state.epoch,
                "loss": loss,
                "lr": state.optimiser.param_groups[0]["lr"],
                "seconds": round(seconds, 2),
                "samples_per_s": round(pipeline.persons / seconds, 1),
            }
            last = state.epoch == settings.epochs
            is_best = False
            if validation and (last or state.epoch % settings.validate_every == 0):
                scores = evaluate.score(state.evaluated, validation, settings, world, crops)
                line[validation.truth.followed_name.lower()] = scores
                is_best = _update_best(state, scores["all"])
            if is_best or last or state.epoch % settings.checkpoint_every == 0:
                state.kept = state.epoch
                if world.is_first:
                    _save(state, settings, parts, run, is_best)
            journal.write(line)
            left = (time.perf_counter() - began) / (state.epoch - first) * (settings.epochs - state.epoch)
            echo(_progress(line, settings, left))
    return state


def _new_state(settings: Settings, skeleton: Skeleton, world: World) -> State:
    """A network of random weights on the device, and its optimiser."""
    network = on_device(build(settings.model, len(skeleton)), world.device)
    average = copy.deepcopy(network).requires_grad_(False) if settings.ema else None
    optimiser = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer](
        network.parameters(),
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        fused=True if world.device.type == "cuda" else None,
    )
    return State(network, average, optimiser)


def _load_first_weights(
    network: nn.Module, settings: Settings, skeleton: Skeleton, echo: Callable[[str], None]
) -> None:
    """The weights that a new run starts from. Of "auto" there may be none, which is said."""
    try:
        report = weights.initialise(network, settings.model, settings.weights, Path(settings.weights_dir), skeleton)
        echo(str(report) if report else "no weights: the network starts fresh")
    except NodaError as error:
        if settings.weights != "auto":
            raise
        echo(f"WARNING: no ImageNet weights, the network starts fresh and will end lower ({error})")


def _is_left(state: State, settings: Settings, run: Path, parts: Parts, echo: Callable[[str], None]) -> bool:
    """Take the state of a run's last checkpoint; whether there are epochs to go on with."""
    content = checkpoint.load(run / "last.pt")
    _restore(state, content, settings, run, parts)
    before = Path(content.get("data") or parts.data)
    elsewhere = before.resolve() != parts.data.resolve()
    if state.epoch >= settings.epochs:
        done = f"nothing is left to train: last.pt has {state.epoch} epochs, and epochs={settings.epochs}"
        if elsewhere:  # its results are of the data that it was trained on
            raise NodaError(
                f"{run}: {done}; noda-train eval --run {run} --data {parts.data} evaluates it on other data, and"
                " --set epochs=N goes on with them"
            )
        echo(f"{done}; a larger number goes on, --set epochs=N")
        return False
    echo(f"going on after epoch {state.epoch} of {settings.epochs}")
    if elsewhere:
        echo(
            f"note: epochs 1 to {state.epoch} were trained on {before}, the next are on {parts.data}; best.pt goes"
            " by the scores on both, which compare only where the validation part is the same"
        )
    return True


def _restore(state: State, content: dict[str, Any], settings: Settings, run: Path, parts: Parts) -> None:
    """Put what a checkpoint holds into the state. NodaError where it is another network's, or of other joints."""
    path = run / "last.pt"
    skeleton = checkpoint.skeleton_of(content, path)
    checkpoint.check_joints(skeleton, path, parts.train.skeleton, parts.layout.annotations)
    model = checkpoint.settings_of(content, path).model
    if model != settings.model:
        raise NodaError(f"{path}: a checkpoint of {model}, not of {settings.model}")
    state.network.load_state_dict(content["network"])
    if state.average is not None:
        state.average.load_state_dict(content["average"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.epoch, state.best = content["epoch"], tuple(content["best"])
    state.kept = state.epoch
    checkpoint.restore_random_states(content["random"])


def _cut_crops(samples: Samples, settings: Settings, world: World) -> Path:
    """The cache: cut by the first process, then, where machines do not share a disk, by the first of each."""
    if world.is_first:
        cache.crops_of(samples, settings)
    world.barrier()
    if world.local_rank == 0:
        cache.crops_of(samples, settings)
    world.barrier()
    return cache.crops_of(samples, settings)


def _wrap(network: nn.Module, settings: Settings, world: World) -> nn.Module:
    """The network as it is called in training; its weights stay those of `network`."""
    if world.size > 1:
        ids = [world.device.index] if world.device.type == "cuda" else None
        network = DistributedDataParallel(network, device_ids=ids)
    if settings.compile:
        network.compile()
    return network


def learning_rate(settings: Settings, epoch: int, step: int, steps: int) -> float:
    """The rate for a step (0-based) of an epoch (0-based): stepped down after whole epochs, after a linear warm-up."""
    rate = settings.lr * settings.decay ** sum(epoch >= milestone for milestone in settings.steps)
    done = epoch * steps + step + 1
    return rate * min(1.0, done / (settings.warmup * steps)) if settings.warmup else rate


def autocast(settings: Settings, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 for the network on a device that has it; nothing elsewhere."""
    if settings.precision == "bf16" and has_bf16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def train_step(
    network: nn.Module, batches: list[Batch], optimiser: torch.optim.Optimizer, settings: Settings, device: torch.device
) -> Tensor:
    """One optimiser step over the batches whose gradients are accumulated; the mean loss, still on the device."""
    total = torch.zeros((), device=device)
    for number, batch in enumerate(batches):
        last = number == len(batches) - 1
        waits = isinstance(network, DistributedDataParallel) and not last
        with network.no_sync() if waits else nullcontext():  # type: ignore[operator]
            with autocast(settings, device):
                predicted = network(batch.images)
            loss = heatmap_loss(predicted, batch.heatmaps, batch.weights) / len(batches)
            torch.autograd.backward(loss)
        total += loss.detach()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return total


def _epoch(
    network: nn.Module, state: State, steps: Iterator[list[Batch]], count: int, settings: Settings, world: World
) -> float:
    """Train through the data once, in `count` steps; the mean loss over them and all processes."""
    network.train()
    total = torch.zeros((), device=world.device)
    name = f"epoch {state.epoch + 1}/{settings.epochs}"
    for step, batches in enumerate(tqdm(steps, name, count, leave=False, disable=None if world.is_first else True)):
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(settings, state.epoch, step, count)
        total += train_step(network, batches, state.optimiser, settings, world.device)
        if state.average is not None:
            _update_average(state.average, state.network, settings.ema)
        if step % CHECK_EVERY == CHECK_EVERY - 1 and not math.isfinite(float(total)):
            break
    losses = world.gather(float(total) / count)
    if not all(map(math.isfinite, losses)):
        way_out = (
            f"last.pt holds epoch {state.kept}: go on from there" if state.kept else "nothing is kept yet: start anew"
        )
        other = f"{'--resume ' if state.kept else ''}--set lr={settings.lr / 10:g}"
        raise NodaError(
            f"the loss is no longer finite in epoch {state.epoch + 1}; {way_out} with another learning rate or"
            f" precision, {other}"
        )
    return float(sum(losses)) / len(losses)


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the average a little towards the network; counters of batch norms are copied."""
    averaged, current = average.state_dict(), network.state_dict()
    floats = [key for key, value in averaged.items() if value.is_floating_point()]
    torch._foreach_lerp_([averaged[key] for key in floats], [current[key] for key in floats], 1 - decay)
    for key in averaged.keys() - set(floats):
        averaged[key].copy_(current[key])


def _update_best(state: State, score: float | None) -> bool:
    """Whether this epoch is the best so far on the validation set, which the state then knows."""
    if score is None or score <= state.best[0]:
        return False
    state.best = (score, state.epoch)
    return True


def _save(state: State, settings: Settings, parts: Parts, run: Path, is_best: bool) -> None:
    """Write last.pt, and best.pt where this epoch is the best so far."""
    content = {
        "settings": settings.as_dict(),
        "skeleton": definition(parts.train.skeleton),
        "data": str(parts.data),
        "network": state.network.state_dict(),
        "average": state.average.state_dict() if state.average is not None else None,
        "optimiser": state.optimiser.state_dict(),
        "epoch": state.epoch,
        "best": list(state.best),
        "random": checkpoint.random_states(),
    }
    checkpoint.save(run / "last.pt", content)
    if is_best:
        copy_file(run / "last.pt", run / "best.pt")


def _progress(line: dict[str, Any], settings: Settings, left: float) -> str:
    text = f"epoch {line['epoch']}/{settings.epochs}  loss {line['loss']:.6f}  lr {line['lr']:.1e}"
    text += f"  {line['samples_per_s']:.0f} samples/s"
    for metric, values in line.items():
        if isinstance(values, dict):
            shown = ["n/a" if value is None else f"{value:.1f}" for value in values.values()]
            text += f"  {metric.replace('pck', 'PCK')} {shown[0]} ({shown[1]}, {shown[2]})"
    return text + (f"  {left / 3600:.1f} h left" if left >= 360 else f"  {left:.0f} s left")


@contextmanager
def _advice(settings: Settings, world: World) -> Iterator[None]:
    """Turns an allocation that fails, and a batch too small for batch normalisation, into advice."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise NodaError(
            f"one person at {settings.size} px is too little for batch normalisation, and that is what batches of"
            f" {settings.batch} leave for the end of an epoch: choose another --set batch=N, or a larger size"
        ) from error
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "can't allocate memory" not in str(error):
            raise
        raise NodaError(
            f"batch={settings.batch} at {settings.size} px does not fit the memory of {world.device}: try the same in"
            f" parts with --set accumulate={2 * settings.accumulate}, or a smaller batch"
        ) from error
