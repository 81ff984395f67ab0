"""Settings: every number of a training, from a preset (a TOML file) and `key=value` overrides.

A preset states the protocol in full. What belongs to the machine (workers, device, ...) has its default here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from noda_synth.errors import NodaError

PRESETS = Path(__file__).parent / "presets"
ALIASES = {"simple": "simple_r50", "hrnet": "hrnet_w32"}
CHOICES = {
    "model": ("simple_r18", "simple_r50", "simple_r101", "simple_r152", "hrnet_w32", "hrnet_w48"),
    "channels": ("rgb", "bgr"),
    "optimizer": ("adam", "adamw"),
    "decode": ("quarter", "dark"),
    "precision": ("bf16", "fp32"),
    "validate_on": ("valid", "train"),
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
    augment: str  # which of the preset's augmentations the next four numbers come from
    scale_jitter: float  # scale x clip(1 + s N(0, 1), 1 - s, 1 + s)
    rotation: float  # degrees; clip(r N(0, 1), -2 r, 2 r)
    rotation_probability: float
    flip_probability: float
    flip_test: bool
    decode: str
    seed: int = 0
    precision: str = "bf16"  # bf16 where the device has it (CUDA); the loss is float32 in any case
    ema: float = 0.0  # decay of the moving average of weights that is evaluated; 0 is off
    accumulate: int = 1  # the batch goes through the network in so many parts
    compile: bool = False
    validate_every: int = 1  # epochs; 0 trains without validation
    checkpoint_every: int = 1  # epochs; the last one, and the best so far, are kept in any case
    validate_on: str = "valid"  # "train" shows over-fitting
    limit: int = 0  # train on the first persons only; 0 is all
    pictures: int = 12  # predictions drawn at the end
    device: str = "auto"
    threads: int = 0  # of torch on the CPU; 0 is one a core
    workers: int = -1  # processes that decode crops; -1 is one a core (at most 8) beside a GPU, none on a CPU
    cache_dir: str = "runs/cache"
    cache_detail: float = 1.1  # px of a cached crop per px of the network's input, at scale 1
    cache_quality: int = 90  # JPEG quality of cached crops
    weights_dir: str = "data/weights"  # where weights=auto looks first

    def as_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


TYPES: Mapping[str, Any] = get_type_hints(Settings)
EXPECTED: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple[int, ...]: "whole numbers such as 90,120",
}
MACHINE = (
    "device", "threads", "workers", "compile", "cache_dir", "accumulate", "precision", "pictures", "checkpoint_every",
    "epochs", "lr",
)  # fmt: skip
"""What may change when a run is resumed."""
EVALUATION = ("decode", "flip_test", "channels", "batch", "device", "pictures", "validate_on", "weights")
"""What may change when a trained network is evaluated."""


def presets() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load(preset: str, overrides: Iterable[str] = ()) -> Settings:
    """The settings of a preset (a name, or a TOML file) with `key=value` overrides."""
    path = Path(preset) if preset.endswith(".toml") else PRESETS / f"{ALIASES.get(preset, preset)}.toml"
    if not path.is_file():
        near = _near(preset, [*presets(), *ALIASES])
        raise NodaError(f"no preset {preset!r}{near}; there are {', '.join(presets())}")
    try:
        values = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise NodaError(f"{path}: {error}") from error
    given = dict(_split(override) for override in overrides)
    augmentations = values.pop("augmentations", {})
    name = given.get("augment", values.get("augment"))
    if name not in augmentations:
        raise NodaError(f"augment={name}: {path.name} has {', '.join(augmentations)}")
    return _checked({"preset": path.stem, **values, **augmentations[name], **given}, str(path))


def override(settings: Settings, overrides: Iterable[str]) -> Settings:
    """Settings of a run that is resumed: only what belongs to the machine, and how long to train, may change."""
    given = dict(_split(item) for item in overrides)
    for key in given:
        _known(key)
        if key not in MACHINE:
            raise NodaError(f"{key} cannot change in the middle of a run; these can: {', '.join(MACHINE)}")
    return _checked({**settings.as_dict(), **given}, "--set")


def for_evaluation(settings: Settings, overrides: Iterable[str]) -> Settings:
    """Settings of a trained network, with what an evaluation may change."""
    given = dict(_split(item) for item in overrides)
    for key in given:
        _known(key)
        if key not in EVALUATION:
            raise NodaError(f"{key} was decided in training; an evaluation can change {', '.join(EVALUATION)}")
    return _checked({**settings.as_dict(), **given}, "--set")


def from_dict(values: Mapping[str, Any], source: str) -> Settings:
    """Settings as a checkpoint or a slim weight file holds them."""
    return _checked(values, source)


def _split(override: str) -> tuple[str, str]:
    key, equals, value = override.partition("=")
    if not equals:
        raise NodaError(f"--set {override}: write key=value")
    return key.strip(), value.strip()


def _near(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, list(words), n=3)
    return f", did you mean {' or '.join(near)}?" if near else ""


def _known(key: str) -> None:
    if key not in TYPES:
        raise NodaError(f"unknown setting {key!r}{_near(key, TYPES)}")


def _checked(values: Mapping[str, Any], source: str) -> Settings:
    for key in values:
        _known(key)
    missing = [f.name for f in fields(Settings) if f.name not in values and f.default is MISSING]
    if missing:
        raise NodaError(f"{source}: {', '.join(missing)} missing; a preset states the whole protocol")
    settings = Settings(**{key: _typed(key, value) for key, value in values.items()})
    _check(settings)
    return settings


def _typed(key: str, value: Any) -> Any:
    """A value from TOML (typed) or from the command line (text) as the type of its field."""
    kind = TYPES[key]
    try:
        if kind is str:
            if isinstance(value, str):
                return value
        elif kind is bool:
            if isinstance(value, bool):
                return value
            if isinstance(value, str):
                return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[value.lower()]
        elif kind in (int, float):
            if not isinstance(value, bool) and (isinstance(value, str | int) or kind is float):
                return kind(value)
        elif isinstance(value, str):  # tuple[int, ...] as 90,120
            return tuple(int(part) for part in value.strip("[]() ").split(",") if part.strip())
        elif all(isinstance(part, int) for part in value):
            return tuple(value)
    except (ValueError, KeyError, TypeError):
        pass
    raise NodaError(f"{key}={value}: expected {EXPECTED[kind]}")


def _check(s: Settings) -> None:
    for key, choices in CHOICES.items():
        value = getattr(s, key)
        if value not in choices:
            raise NodaError(f"{key}={value}{_near(value, choices)}: choose from {', '.join(choices)}")
    rules = {
        "size": (s.size >= 32 and s.size % 32 == 0, "a multiple of 32"),
        "sigma": (s.sigma > 0, "above 0"),
        "batch": (s.batch > 0, "above 0"),
        "epochs": (s.epochs > 0, "above 0"),
        "lr": (s.lr > 0, "above 0"),
        "accumulate": (1 <= s.accumulate <= s.batch, "between 1 and the batch"),
        "scale_jitter": (0 <= s.scale_jitter < 1, "in 0..1"),
        "rotation": (0 <= s.rotation <= 180, "in 0..180 degrees"),
        "rotation_probability": (0 <= s.rotation_probability <= 1, "in 0..1"),
        "flip_probability": (0 <= s.flip_probability <= 1, "in 0..1"),
        "ema": (0 <= s.ema < 1, "in 0..1"),
        "steps": (list(s.steps) == sorted(s.steps), "in ascending order"),
        "cache_detail": (s.cache_detail > 0, "above 0"),
        "cache_quality": (1 <= s.cache_quality <= 100, "in 1..100"),
        "validate_every": (s.validate_every >= 0, "0 or more"),
        "checkpoint_every": (s.checkpoint_every > 0, "above 0"),
        "threads": (s.threads >= 0, "0 or more"),
        "limit": (s.limit >= 0, "0 or more"),
    }
    for key, (holds, wanted) in rules.items():
        if not holds:
            raise NodaError(f"{key}={getattr(s, key)}: must be {wanted}")
