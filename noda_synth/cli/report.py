"""noda-synth report"""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.errors import echo_problems, exit_with, exits
from noda_synth.cli.options import (
    ObjectsOptions,
    jobs_option,
    objects_options,
    overwrite_option,
    path_option,
    quiet_option,
    seed_option,
    verbose_option,
    workers,
)


@click.command("report")
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@path_option("--page", help="The page to write.  [default: OUT/report.html]")
@path_option("--pool", default=Path("data/pool.h5"), show_default=True, help="The pool that OUT was rendered with.")
@objects_options
@path_option("--images", help="The original images, if OUT has none of them (`--originals none`).")
@click.option("--number", type=click.IntRange(1), help="Show so many renders, drawn at random.  [default: all]")
@click.option("--side", type=click.IntRange(48, 1024), help="Pixels per picture.  [default: 480, of many less]")
@seed_option
@jobs_option
@overwrite_option
@verbose_option
@quiet_option
@exits
def command(
    folder: Path,
    page: Path | None,
    pool: Path,
    objects: ObjectsOptions,
    images: Path | None,
    number: int | None,
    side: int | None,
    seed: int,
    jobs: int | None,
    overwrite: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Write one HTML page about OUT, a rendered data set: pictures, charts, who was left out, and all renders.

    \b
    The page has a gallery with filters (covered joints, quality of the mask, level, text) and is a
    single file that needs no network. Masks and their quality come from the pool; without it they
    are left out.

    \b
    Examples:
      noda-synth report data/mpii_noda
      noda-synth report data/mpii_noda --page sample.html --number 500 --side 240
    """
    from noda_synth.report.write import ReportOptions, write_report
    from noda_synth.runs.ownership import check_free, list_also, parts_of
    from noda_synth.stats.charts import draw_joints_of

    page = page or folder / "report.html"
    read = [*parts_of(folder), pool, objects.objects, objects.objects_images, images]
    check_free(page, read, overwrite=overwrite)
    options = ReportOptions(objects.sources(pool), images, number, seed, side, draw_joints_of)
    written = write_report(folder, page, options, workers=workers(jobs), quiet=quiet)
    list_also(folder, page)
    if not quiet:
        click.echo(f"{written.renders:,} renders in {page} ({written.size / 1e6:.1f} MB)")
        for note in written.notes:
            click.echo(f"  {note}")
    echo_problems(written.problems, verbose, page)
    exit_with(written.problems)
