"""Is a benchmark what it should be? By its own list of hashes, and by making it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from noda_synth.benchmark.folder import BENCHMARK, read_benchmark
from noda_synth.benchmark.hashes import differences, digest, hashes_of, read_hashes
from noda_synth.benchmark.protocol import Settings
from noda_synth.benchmark.write import write_benchmark
from noda_synth.data.dataset import Dataset
from noda_synth.formats import Layout

Differences = dict[str, list[str]]


def verify_stored(out: Path) -> Differences:
    """The files of a benchmark that are not as its hashes say, labels and pictures apart.

    The hashes of the labels have to be those of the digest in benchmark.json, which is what people compare.
    """
    content = read_benchmark(out)
    stated = read_hashes(out)
    found = differences(stated, hashes_of(out))
    if digest(stated["labels"]) != content["labels"]:
        found["labels"].append(f"{BENCHMARK}: its digest of the labels is not that of hashes.json")
    return found


def verify_again(
    dataset: Dataset,
    layout: Layout,
    out: Path,
    inputs: Mapping[str, str],
    *,
    workers: int,
    max_pixels: int,
    quiet: bool,
) -> Differences:
    """Make the benchmark again, with the settings of the one that is there, and compare the two.

    Pictures differ where OpenCV's version is another; labels never do, unless the inputs do.
    """
    content = read_benchmark(out)
    settings = Settings(content["settings"]["seed"], content["settings"]["tries"])
    originals = "none" if content["settings"]["originals"] == "none" else "symlink"
    with TemporaryDirectory(dir=out.resolve().parent, prefix=f".{out.name}.verify") as folder:
        again = Path(folder) / "again"
        report = write_benchmark(
            dataset, layout, again, settings, inputs, workers=workers, originals=originals, max_pixels=max_pixels,
            quiet=quiet,
        )  # fmt: skip
        assert report is not None
        found = differences(hashes_of(again), hashes_of(out))
    if report.content["inputs"] != content["inputs"]:
        found["labels"].append("the annotations or image sizes are others than those it was made from")
    theirs = content["versions"]["opencv"]
    if found["bytes"] and report.content["versions"]["opencv"] != theirs:
        found["bytes"].append(f"made with OpenCV {theirs}, compared with {report.content['versions']['opencv']}")
    return found
