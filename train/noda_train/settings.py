"""Settings: every number of a training, from a preset (a TOML file) and `key=value` overrides.

A preset states the protocol in full. What belongs to the machine (workers, device, ...) has its default here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError
from noda_synth.settings import build, one_of, parse, require, split_pairs, suggest

PRESETS = Path(__file__).parent / "presets"
ALIASES = {"simple": "simple_r50", "hrnet": "hrnet_w32"}
CHOICES = {
    "model": ("simple_r18", "simple_r50", "simple_r101", "simple_r152", "hrnet_w32", "hrnet_w48"),
    "channels": ("rgb", "bgr"),
    "optimizer": ("adam", "adamw"),
    "decode": ("quarter", "dark"),
    "precision": ("bf16", "fp32"),
    "validate_on": ("valid", "train"),
    "copies": ("first", "in_turn", "all"),
}


@dataclass(frozen=True)
class Settings:
    """One training, the protocol first. Every field can be set with `--set name=value`."""

    preset: str
    model: str
    weights: str  # "auto", "imagenet", "none" or a file
    channels: str  # order of the input's channels; the official pose_resnet MPII files want bgr
    size: int  # side of the network's input, px; heatmaps are a quarter of it
    sigma: float  # of the heatmaps' Gaussians, in cells
    batch: int  # over all processes
    epochs: int
    optimizer: str
    lr: float
    weight_decay: float
    steps: tuple[int, ...]  # after these epochs the learning rate is multiplied by `decay`
    decay: float
    warmup: float  # epochs of linear warm-up
    augment: str  # which of the preset's augmentations the next four numbers, `shift` and `half_body` come from
    scale_jitter: float  # scale x clip(1 + s N(0, 1), 1 - s, 1 + s)
    rotation: float  # degrees; clip(r N(0, 1), -2 r, 2 r)
    rotation_probability: float
    flip_probability: float
    flip_test: bool
    decode: str
    shift: float = 0.0  # of the crop, along x and y: its side x shift x N(0, 1) drawn within -1..1
    half_body: float = 0.0  # share of the crops that show the upper or lower half of a body alone
    copies: str = "first"  # of those that the set has of each person: of one list, of one an epoch, or all in one list
    hidden_weight: float = 1.0  # of joints that the render covered, in the loss; 0 leaves them out
    seed: int = 0
    precision: str = "bf16"  # where the device has it, else fp32; the loss is float32 in any case
    ema: float = 0.0  # decay of the moving average of weights that is evaluated; 0 is off
    accumulate: int = 1  # the batch goes through the network in so many parts
    compile: bool = False
    validate_every: int = 1  # epochs; 0 trains without validation
    checkpoint_every: int = 1  # epochs; the last one, and the best so far, are kept in any case
    validate_on: str = "valid"  # "train" shows over-fitting
    limit: int = 0  # train on the first persons only; 0 is all
    pictures: int = 12  # predictions drawn at the end
    device: str = "auto"
    threads: int = 0  # of torch on the CPU; 0 is one per core
    workers: int = -1  # processes that decode crops; -1 is one per core (at most 8) with a GPU, none on a CPU
    cache_dir: str = "runs/cache"
    cache_detail: float = 1.1  # px of a cached crop per px of the network's input, at scale 1
    cache_quality: int = 90  # JPEG quality of cached crops
    weights_dir: str = "data/weights"  # where weights=auto looks first

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            one_of(name, getattr(self, name), choices)
        require(
            self,
            {
                "size": (self.size >= 32 and self.size % 32 == 0, "a multiple of 32"),
                "sigma": (self.sigma > 0, "above 0"),
                "batch": (self.batch > 0, "above 0"),
                "epochs": (self.epochs > 0, "above 0"),
                "lr": (self.lr > 0, "above 0"),
                "accumulate": (1 <= self.accumulate <= self.batch, "between 1 and the batch"),
                "scale_jitter": (0 <= self.scale_jitter < 1, "in 0..1"),
                "rotation": (0 <= self.rotation <= 180, "in 0..180 degrees"),
                "rotation_probability": (0 <= self.rotation_probability <= 1, "in 0..1"),
                "flip_probability": (0 <= self.flip_probability <= 1, "in 0..1"),
                "shift": (0 <= self.shift < 1, "in 0..1"),
                "half_body": (0 <= self.half_body <= 1, "in 0..1"),
                "hidden_weight": (0 <= self.hidden_weight <= 1, "in 0..1"),
                "ema": (0 <= self.ema < 1, "in 0..1"),
                "steps": (list(self.steps) == sorted(self.steps), "in ascending order"),
                "cache_detail": (self.cache_detail > 0, "above 0"),
                "cache_quality": (1 <= self.cache_quality <= 100, "in 1..100"),
                "validate_every": (self.validate_every >= 0, "0 or more"),
                "checkpoint_every": (self.checkpoint_every > 0, "above 0"),
                "threads": (self.threads >= 0, "0 or more"),
                "limit": (self.limit >= 0, "0 or more"),
            },
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them, and `from_dict` reads them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


MACHINE = (
    "device",
    "threads",
    "workers",
    "compile",
    "cache_dir",
    "accumulate",
    "precision",
    "pictures",
    "checkpoint_every",
    "epochs",
    "lr",
)
"""What may change when a run is resumed."""
EVALUATION = ("decode", "flip_test", "channels", "batch", "device", "pictures", "validate_on", "weights")
"""What may change when a trained network is evaluated."""


def presets() -> list[str]:
    """The names of the shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load(preset: str, overrides: Iterable[str] = ()) -> Settings:
    """The settings of a preset (a name, or a TOML file) with KEY=VALUE overrides. Raises NodaError."""
    path = Path(preset) if preset.endswith(".toml") else PRESETS / f"{ALIASES.get(preset, preset)}.toml"
    if not path.is_file():
        raise NodaError(f"no preset {preset!r}; {suggest(preset, [*presets(), *ALIASES])}")
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise NodaError(f"{path}: {error}") from error
    pairs = split_pairs(overrides)
    augmentations = values.pop("augmentations", {})
    name = pairs.get("augment", values.get("augment", ""))
    if name not in augmentations:
        raise NodaError(f"augment={name}: {path} has no such augmentation; {suggest(name, augmentations)}")
    of_file = parse(Settings, {"preset": path.stem, **values, **augmentations[name]}, str(path))
    source = f"{path} with --set" if pairs else str(path)
    return build(Settings, {**of_file, **parse(Settings, pairs, "--set")}, source)


def override(settings: Settings, overrides: Iterable[str]) -> Settings:
    """Settings of a run that is resumed: only what belongs to the machine, and how long to train, may change."""
    return _override_some(settings, overrides, MACHINE, "cannot change in the middle of a run; these can:")


def for_evaluation(settings: Settings, overrides: Iterable[str]) -> Settings:
    """Settings of a trained network, with what an evaluation may change."""
    return _override_some(settings, overrides, EVALUATION, "was decided in training; an evaluation can change")


def from_dict(values: Mapping[str, Any], source: str) -> Settings:
    """Settings as a checkpoint or a slim weight file holds them."""
    return build(Settings, parse(Settings, values, source), source)


def _override_some(settings: Settings, overrides: Iterable[str], allowed: tuple[str, ...], why_not: str) -> Settings:
    typed = parse(Settings, split_pairs(overrides), "--set")
    for name in typed:
        if name not in allowed:
            raise NodaError(f"{name} {why_not} {', '.join(allowed)}")
    return build(Settings, {**asdict(settings), **typed}, "--set")
