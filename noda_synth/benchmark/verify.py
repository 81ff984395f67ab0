"""Is a benchmark what it should be? By its own list of hashes, and by making it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from noda_synth.benchmark.folder import BENCHMARK, read_benchmark
from noda_synth.benchmark.hashes import differences, digest, hashes_of, read_hashes
from noda_synth.benchmark.protocol import Generator, Settings
from noda_synth.benchmark.shards import BenchmarkRun
from noda_synth.benchmark.write import write_benchmark

Differences = dict[str, list[str]]


def verify_stored(out: Path) -> Differences:
    """The files of a benchmark that differ from its hashes, labels and pictures apart.

    The hashes of the labels have to be those of the digest in benchmark.json, which is what people compare.
    """
    content = read_benchmark(out)
    stated = read_hashes(out)
    found = differences(stated, hashes_of(out))
    if digest(stated["labels"]) != content["labels"]:
        found["labels"].append(f"{BENCHMARK}: its digest of the labels is not that of hashes.json")
    return found


def verify_again(run: BenchmarkRun) -> Differences:
    """Make the benchmark in `run.out` again, with its own settings and not the run's, and compare the two.

    Pictures differ where OpenCV's version is another; labels never do, unless the inputs do.
    """
    content = read_benchmark(run.out)
    stored = content["settings"]
    generator = Generator(**stored["generator"]) if "generator" in stored else None
    settings = Settings(stored["seed"], stored["tries"], generator)
    originals = "none" if content["settings"]["originals"] == "none" else "symlink"
    with TemporaryDirectory(dir=run.out.resolve().parent, prefix=f".{run.out.name}.verify") as folder:
        again = Path(folder) / "again"
        report = write_benchmark(replace(run, out=again, settings=settings, originals=originals))
        assert report is not None
        found = differences(hashes_of(again), hashes_of(run.out))
    if report.content["inputs"] != content["inputs"]:
        found["labels"].append("the annotations or image sizes are others than those it was made from")
    theirs = content["versions"]["opencv"]
    if found["bytes"] and report.content["versions"]["opencv"] != theirs:
        found["bytes"].append(f"made with OpenCV {theirs}, compared with {report.content['versions']['opencv']}")
    return found
