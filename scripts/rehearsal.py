"""A rehearsal at full size: MPII's 14,679 training images and 22,246 persons, made of links to a few images.

    python scripts/rehearsal.py --data data/mpii-mini --out rehearsal
    nohup python scripts/rehearsal.py --data data/mpii-mini --out rehearsal --multiple 2 > rehearsal.log 2>&1 &

build-pool and render run over it as a user would run them. Reported are wall time, the rate at the start, in the middle
and at the end, and the peak memory of every process. The rate is also given by the processor time of all processes,
which does not depend on who else uses the machine. The paper's GrabCut runs on a twentieth of the images.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

IMAGES, PERSONS = 14_679, 22_246
SAMPLE_SECONDS = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a set in MPII's layout, with annot/train.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for the set and all that is made of it")
    parser.add_argument("--multiple", type=float, default=1.0, help="of MPII's size")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    out, jobs = arguments.out, str(arguments.jobs)
    images, persons = round(IMAGES * arguments.multiple), round(PERSONS * arguments.multiple)
    make_set(arguments.data, out / "set", images, persons)
    make_set(arguments.data, out / "twentieth", images // 20, persons // 20)
    options = ("--jobs", jobs, "--overwrite")
    pool, data = out / "pool.h5", out / "set"
    levels = ("--levels", "box,cardboard,posecut")
    figures = {"images": images, "persons": persons}
    figures["build-pool"] = watched(pool, images, "build-pool", "--data", data, "--out", pool, *levels, *options)
    twentieth = ("--data", out / "twentieth", "--out", out / "grabcut.h5", "--levels", "grabcut", *options)
    figures["build-pool, grabcut, a twentieth"] = watched(out / "grabcut.h5", images // 20, "build-pool", *twentieth)
    rendered = ("--data", data, "--pool", pool, "--mask", "posecut", "--out", out / "noda", *options)
    figures["render"] = watched(out / "noda", round(persons / 2), "render", *rendered)
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def make_set(source: Path, folder: Path, images: int, persons: int) -> None:
    """A set of so many images and persons, made of links to those of `source`, again and again."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in json.loads((source / "annot" / "train.json").read_text()):
        groups.setdefault(record["image"], []).append(record)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annot").mkdir(exist_ok=True)
    records: list[dict[str, Any]] = []
    for number, (name, people) in enumerate(islice(cycle(groups.items()), images)):
        copy = f"{number:07d}_{name}"
        link(source / "images" / name, folder / "images" / copy, folder / f"original_{name}")
        wanted = max(1, (number + 1) * persons // images - len(records))
        records += [{**person, "image": copy} for person in people[:wanted]]
    (folder / "annot" / "train.json").write_text(json.dumps(records))
    print(f"{folder}: {images} images, {len(records)} persons", flush=True)


def link(source: Path, target: Path, copy: Path) -> None:
    """A hard link, by way of one copy where the source is on another file system."""
    if target.exists():
        return
    try:
        target.hardlink_to(source)
    except OSError:
        if not copy.exists():
            copy.write_bytes(source.read_bytes())
        target.hardlink_to(copy)


def watched(out: Path, items: int, *argv: object) -> dict[str, Any]:
    """Run a command of noda-synth; its time, its rate along the way, and the peak memory of its processes."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "noda_synth", *map(str, argv)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watch = Watch(process.pid, out.with_name(out.name + ".partial") / "shards")
    watch.start()
    said = process.communicate()[0]
    seconds = time.perf_counter() - start
    watch.stop()
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    figures = {"seconds": round(seconds, 1), "items_per_second": round(items / seconds, 2), **watch.figures()}
    print(said + json.dumps(figures), flush=True)
    return figures


class Watch(threading.Thread):
    """Looks at the processes of a command, and at its finished shards, a few times a second."""

    def __init__(self, pid: int, shards: Path) -> None:
        super().__init__(daemon=True)
        self.pid, self.shards = pid, shards
        self.peaks: dict[int, int] = {}
        self.early: dict[int, int] = {}
        self.finished: list[tuple[float, float, int]] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            processes = family(self.pid)
            for pid in processes:
                self.peaks[pid] = max(self.peaks.get(pid, 0), peak_kilobytes(pid))
            done = sum(1 for _ in self.shards.glob("*.json")) if self.shards.exists() else 0
            if done and (not self.finished or done > self.finished[-1][2]):
                spent = sum(processor_seconds(pid) for pid in processes)
                self.finished.append((time.perf_counter(), spent, done))
            if done <= 50:
                self.early = dict(self.peaks)

    def stop(self) -> None:
        self._over.set()
        self.join()

    def figures(self) -> dict[str, Any]:
        """Shards a second around 1, 50 and 100 % of them, and peak memory: the parent's and the largest workers'."""
        total = self.finished[-1][2] if self.finished else 0
        workers = sorted((peak for pid, peak in self.peaks.items() if pid != self.pid), reverse=True)
        return {
            "shards": total,
            "shards_per_second": {f"{part} %": self._rate(total * part / 100, total, 0) for part in (1, 50, 100)},
            "shards_per_cpu_second": {f"{part} %": self._rate(total * part / 100, total, 1) for part in (1, 50, 100)},
            "parent_peak_mb": round(self.peaks.get(self.pid, 0) / 1024),
            "parent_mb_after_50_shards": round(self.early.get(self.pid, 0) / 1024),
            "worker_peaks_mb": [round(peak / 1024) for peak in workers[:4]],
            "worker_mb_after_50_shards": [round(peak / 1024) for pid, peak in self.early.items() if pid != self.pid],
        }

    def _rate(self, position: float, total: int, clock: int) -> float:
        """Over the twentieth of the shards around a position, by the wall clock (0) or the processor's (1)."""
        if total < 2:
            return float("nan")
        first = min(max(position - total / 40, 1), 0.95 * total)
        within = [sample for sample in self.finished if first <= sample[2] <= first + max(total / 20, 8)]
        start, end = within[0], within[-1]
        return round((end[2] - start[2]) / max(end[clock] - start[clock], 1e-9), 2)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return [pid, *(one for child in children for one in family(child))]


def peak_kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
