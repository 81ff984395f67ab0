"""noda-synth benchmark"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from noda_synth.cli.errors import FAILED_SOME, echo_problems, echo_some, echo_unchanged, echo_warnings, exit_with, exits
from noda_synth.cli.options import (
    DataOptions,
    anew_option,
    follow_links_option,
    images_option,
    jobs_option,
    max_pixels_option,
    originals_option,
    path_option,
    quiet_option,
    resumable,
    scale_option,
    seed_option,
    split_option,
    verbose_option,
    workers,
)
from noda_synth.errors import NodaError


@click.command("benchmark")
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option("--verify", is_flag=True, help="Compare OUT with its hashes; with DATA, make it again, too.")
@images_option
@path_option("--annotations", help="The annotation file, if it lies elsewhere.")
@split_option
@follow_links_option
@scale_option
@path_option("--pool", help="Bodies of a pool instead of the training part's: twins by another generator.")
@click.option("--mask", help="Level of the pool that they are pasted by.  [default: given, else its best]")
@click.option(
    "--place",
    type=click.Choice(["ring", "ground"]),
    default="ring",
    show_default=True,
    help="Where the bodies of the pool are put: ground lets them stand, in a tone that fits.",
)
@originals_option("How the clean images get there.")
@seed_option
@click.option(
    "--tries", type=click.IntRange(64), default=32_000, show_default=True, help="Placements tried for each twin."
)
@jobs_option
@max_pixels_option
@anew_option
@verbose_option
@quiet_option
@exits
def command(
    data: Path,
    out: Path | None,
    verify: bool,
    images: Path | None,
    annotations: Path | None,
    split: Path | None,
    follow_links: bool,
    scale: str,
    pool: Path | None,
    mask: str | None,
    place: str,
    originals: str,
    seed: int,
    tries: int,
    jobs: int | None,
    max_pixels: int,
    overwrite: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write the occluded benchmark of the validation part of DATA into OUT: twins at three severities.

    \b
    Every validation person stands in OUT/clean, and with 1, 2 to 3, and 4 or more joints newly
    hidden in OUT/light, OUT/medium and OUT/heavy. Bodies come from the training part. The same
    data gives the same labels on every machine; another seed, number of tries or generator of
    bodies is another benchmark, and is named so.

    \b
    Examples:
      noda-synth benchmark data/mpii data/mpii_twins
      noda-synth benchmark data/mpii_twins --verify
      noda-synth benchmark data/mpii coco_twins --pool coco_pool.h5 --mask given --place ground
      noda-synth benchmark data/mpii data/mpii_twins --verify
      noda-train eval --data data/mpii_twins
    """
    from noda_synth.benchmark.generators import generator_of
    from noda_synth.benchmark.protocol import Settings
    from noda_synth.benchmark.shards import BenchmarkRun
    from noda_synth.benchmark.verify import verify_again, verify_stored
    from noda_synth.benchmark.write import write_benchmark
    from noda_synth.pool.reader import Pool

    if out is None:
        if not verify:
            raise NodaError("name the folder to write: noda-synth benchmark DATA OUT")
        _tell_differences(verify_stored(data), verbose)
        return
    options = DataOptions(data, images, annotations, split=split, follow_links=follow_links, scale=scale)
    layout, dataset, inputs = options.open()
    if pool is None and (mask is not None or place != "ring"):
        raise NodaError("--mask and --place are for the bodies of a pool; name it with --pool")
    generator = None if pool is None else generator_of(Pool(pool), mask, place)
    settings = Settings(seed, tries, generator)
    run = BenchmarkRun(dataset, layout, out, settings, inputs, originals, max_pixels, workers(jobs), quiet, pool)
    if verify:
        stored = verify_stored(out)
        again = verify_again(run)
        _tell_differences({kind: [*stored[kind], *again[kind]] for kind in stored}, verbose)
        return
    options.check_apart(out, layout, dataset, data)
    with resumable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        report = write_benchmark(run, overwrite=overwrite)
    if report is None:
        echo_unchanged(out, quiet)
        return
    echo_warnings(report.problems, quiet)
    if not quiet:
        _tell(report.content, out)
    echo_problems(report.problems, verbose, out / "errors.jsonl")
    exit_with(report.problems)


def _tell(content: dict[str, Any], out: Path) -> None:
    click.echo(f"{content['name']} in {out}: {content['people']} people, {content['bodies']} bodies to draw from")
    for name, found in content["severities"].items():
        joints = f"{found['joints']} joints newly hidden ({found['newly_hidden']} each)"
        click.echo(f"  {name:<7} {found['people']:>6} twins, {joints}")
        for reason, count in found["passed_over"].items():
            click.echo(f"          {count:>6} passed over: {reason}")
    click.echo(f"  inputs {content['inputs']}\n  labels {content['labels']}")


def _tell_differences(found: dict[str, list[str]], verbose: bool) -> None:
    words = {"labels": "labels", "bytes": "pictures"}
    for kind, names in found.items():
        click.echo(f"{words[kind]}: {f'{len(names)} differ' if names else 'as they should be'}")
        echo_some([f"  {name}" for name in (names if verbose else names[:5])], len(names))
    if any(found.values()):
        sys.exit(FAILED_SOME)
