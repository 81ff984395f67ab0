"""What a training step costs on a CPU, in fp32 and, where the CPU has it, in bf16: processor time and memory.

    python -m scripts.bench_cpu_training --models simple_r18,simple_r50 --sizes 128,256 --batch 8

One thread and one process for each model, size and precision. Processor time is the processors' own, not the wall
clock's, so that what else they do matters less; it still rises on a busy machine, where caches and cores are shared.
Memory is the most that the process had, with torch itself in it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from itertools import product

WARMING = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="simple_r18,simple_r50,hrnet_w32")
    parser.add_argument("--sizes", default="128,256")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3, help="that are measured, after one for warming up")
    arguments = parser.parse_args()
    print("model        size  precision  samples/s of a core  memory GB   (median of", arguments.steps, "steps)")
    for model, size in product(arguments.models.split(","), map(int, arguments.sizes.split(","))):
        for precision in ("fp32", "bf16"):
            # A process of its own, for its own peak of memory.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (model, size, precision, arguments.batch, arguments.steps))
            if found is not None:
                print(f"{model:12} {size:4}  {precision:9}  {found[0]:19.2f}  {found[1]:9.2f}", flush=True)


def measure(model: str, size: int, precision: str, batch: int, steps: int) -> tuple[float, float] | None:
    """Samples per second of one core, and gigabytes; None where the CPU does not have the precision."""
    import torch

    from noda_train import settings as config
    from noda_train.distributed import has_bf16
    from noda_train.fit import train_step
    from noda_train.models import build
    from noda_train.pipeline import Batch

    torch.set_num_threads(1)
    device = torch.device("cpu")
    if precision == "bf16" and not has_bf16(device):
        return None
    settings = config.load("simple_r18", [f"precision={precision}", f"size={size}", f"batch={batch}"])
    network = build(model)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr)
    ready = [
        Batch(torch.randn(batch, 3, size, size), torch.rand(batch, 16, size // 4, size // 4), torch.ones(batch, 16))
    ]
    times = []
    for step in range(WARMING + steps):
        start = time.process_time()
        float(train_step(network, ready, optimiser, settings, device))
        if step >= WARMING:
            times.append(time.process_time() - start)
    return batch / statistics.median(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
