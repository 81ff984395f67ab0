"""How much faster more workers are: build-pool, the plan, and render, each with one worker and with several.

    python scripts/bench_workers.py --data data/mpii --workers 2

Wall time, after a first turn that starts the workers; the median of three. Give it an idle machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from noda_synth.formats import find_layout, read_dataset
from noda_synth.methods import Sources
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.build import PoolSettings, build_pool
from noda_synth.render.occluded_copies import draw_copies
from noda_synth.render.plan import draw_plan
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs.jobs import Execution

TURNS, COPIES = 3, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    layout = find_layout(arguments.data)
    dataset = read_dataset(layout)
    levels = PoolSettings(levels=("box", "cardboard", "posecut"))
    settings = RenderSettings(ratio=1.0, copies=COPIES, placement=PlacementSettings(mask="posecut"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def build(workers: int) -> None:
            execution = Execution(workers, overwrite=True, quiet=True)
            build_pool(dataset, layout.images, folder / "pool.h5", levels, {}, execution)

        def run(workers: int) -> RenderRun:
            sources, execution = Sources(pool=folder / "pool.h5"), Execution(workers, quiet=True)
            return RenderRun(dataset, layout, sources, folder / "set", settings, {}, execution)

        def plan(workers: int) -> None:
            draw_plan(run(workers))

        def render(workers: int) -> None:
            with run(workers).staging.hold({}):
                draw_copies(run(workers), drawn)
            shutil.rmtree(run(workers).staging.folder)

        compare(f"build-pool, {len(dataset.images)} images", build, arguments.workers)
        drawn = draw_plan(run(1))
        number = COPIES * len(drawn.chosen)
        compare(f"plan, {number} placements", plan, arguments.workers)
        compare(f"render, {number} copies", render, arguments.workers)


def compare(what: str, work: Callable[[int], None], workers: int) -> None:
    """Time work(workers) and work(1), and print both."""
    work(workers)
    many, one = (median(seconds(work, count) for _ in range(TURNS)) for count in (workers, 1))
    print(
        f"{what}: {one:.2f} s with one worker, {many:.2f} s with {workers}: {one / many:.2f} times as fast", flush=True
    )


def seconds(work: Callable[[int], None], workers: int) -> float:
    start = time.perf_counter()
    work(workers)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
