"""What build-pool costs a person, stage by stage, on one core, in one run.

    python scripts/bench_pool.py --data data/mpii --json pool.json

Three pools are built from the same images: the quick one (posecut alone), the default one (all four levels), and one of
the paper's GrabCut at 256 pixels and five iterations, which posecut's time is compared with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2

from noda_synth.formats import find_layout, read_dataset
from noda_synth.masks import LEVELS, MaskSettings
from noda_synth.pool.build import PoolSettings, build_pool

POOLS = {
    "posecut": PoolSettings(levels=("posecut",)),
    "all": PoolSettings(),
    "paper": PoolSettings(levels=("grabcut",), masks=MaskSettings(grabcut_size=256, grabcut_iterations=5)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    layout = find_layout(arguments.data)
    dataset = read_dataset(layout)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in POOLS.items():
            start = time.perf_counter()
            report = build_pool(dataset, layout.images, Path(folder) / name, settings, {})
            total = time.perf_counter() - start
            assert report is not None
            levels = {level: report.seconds[level] for level in LEVELS if level in report.seconds}
            stages = {
                "rules": report.seconds["rules"],
                "read": report.seconds["read"],
                **levels,
                "crop, quality": report.seconds["cut"] - sum(levels.values()),
                "encode, write": report.seconds["write"],
                "all": total,
            }
            figures[name] = {
                "persons": report.bodies,
                "ms": {stage: round(1000 * value / report.bodies, 2) for stage, value in stages.items()},
            }
            print(f"{name}: {report.bodies} people, ms per person")
            for stage, value in figures[name]["ms"].items():
                print(f"  {stage:<14}{value:8.2f}")
    ratio = figures["paper"]["ms"]["grabcut"] / figures["posecut"]["ms"]["posecut"]
    figures["paper_over_posecut"] = round(ratio, 2)
    print(f"the paper's GrabCut (256 px, 5 iterations) takes {ratio:.1f} times as long as posecut")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
