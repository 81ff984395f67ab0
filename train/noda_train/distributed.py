"""Where this process runs: its device, and its rank among the processes that `torchrun` started (one by default)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from noda_synth.errors import NodaError


@dataclass(frozen=True)
class World:
    """One process of `size`.

    Attributes:
        rank: number among all processes.
        local_rank: number among those of this machine.
        local_size: processes on this machine.
    """

    device: torch.device
    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def workers(self, wanted: int) -> int:
        """Decoding processes for this process: as set, else its share of the cores, at most 8, with a GPU, and none
        where the network runs on the same cores."""
        if wanted >= 0:
            return wanted
        if self.device.type == "cpu":
            return 0
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(8, cores // self.local_size))

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def same_buffers(self, network: nn.Module) -> None:
        """The first process's batch-norm statistics for all: each collects others, but all evaluate one network."""
        if self.size > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, 0)

    def gather(self, value: Any) -> list[Any]:
        """The value of every process, in order of rank, in all of them."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


@contextmanager
def init_distributed(device: str) -> Iterator[World]:
    """This process among the others, as torchrun's environment has it. NCCL between GPUs, gloo between CPUs."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = choose_device(device, local_rank)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        torch.backends.cudnn.benchmark = True  # shapes stay the same from step to step
    if size == 1:
        yield World(chosen)
        return
    # The first process may be cutting crops for a while before the others hear from it.
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield World(chosen, dist.get_rank(), size, local_rank, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    finally:
        dist.destroy_process_group()


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The named device; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise NodaError(f"device={name}: {str(error).splitlines()[0]}") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise NodaError(f"device={name}: torch {torch.__version__} sees no CUDA device here; use device=cpu")
        if device.index is None:
            if local_rank >= torch.cuda.device_count():
                raise NodaError(f"process {local_rank} of this machine has no GPU: it has {torch.cuda.device_count()}")
            device = torch.device("cuda", local_rank)
    return device


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16. CPUs that only convert from it and to it, by way of float32, are no
    faster with it and count as without."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # not in every version of torch
    return device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)
