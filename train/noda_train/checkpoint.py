"""Checkpoints: everything that a run needs to go on, in one file that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from noda_synth.data import skeleton
from noda_synth.data.skeleton import MPII, Skeleton
from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import atomic_path
from noda_train import settings as config
from noda_train.models import weights
from noda_train.settings import Settings

FORMAT = 1


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint or a slim weight file, whole or not at all. Raises NodaError where it cannot be written."""
    with atomic_path(path) as part, part.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)


def load(path: Path) -> dict[str, Any]:
    """A checkpoint or a slim weight file of this project, tensors on the CPU."""
    content = weights.read(path)
    if content.get("format") != FORMAT or "settings" not in content:
        raise NodaError(f"{path}: not a checkpoint of this program; weights of others go in with --weights")
    return content


def skeleton_of(content: Mapping[str, Any], path: Path) -> Skeleton:
    """The joints of a checkpoint; of one that is older than other skeletons, MPII's."""
    stored = content.get("skeleton")
    return skeleton.skeleton_of(stored, str(path)) if stored else MPII


def check_joints(network: Skeleton, path: Path, marked: Skeleton, data: Path) -> None:
    """Raises NodaError if a data set marks other joints than a network finds, or in another order."""
    if network.joints != marked.joints:
        raise NodaError(
            f"{path}: its network finds the {len(network)} joints of {network.name}, but {data} marks the"
            f" {len(marked)} of {marked.name}, or marks them in another order; choose a data set or a run with the"
            " same joints"
        )


def settings_of(content: Mapping[str, Any], path: Path) -> Settings:
    """The settings in a checkpoint. NodaError, which names the file, where they are not of this program."""
    return config.from_dict(content["settings"], str(path))


def random_states() -> dict[str, Any]:
    """The states of torch's generators. What is drawn for samples needs none: it follows from seed and epoch."""
    states: dict[str, Any] = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Set torch's generators to what `random_states` gave; that of a GPU only where there is one."""
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
