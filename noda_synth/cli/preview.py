"""noda-synth preview"""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.errors import echo_problems, exit_with, exits
from noda_synth.cli.options import overwrite_option, path_option, seed_option


@click.command("preview")
@click.argument("source", type=click.Path(path_type=Path))
@path_option("--out", required=True, help="The sheet to write: .png or .jpg.")
@click.option("--number", type=click.IntRange(1), default=24, show_default=True, help="How many bodies or renders.")
@click.option("--side", type=click.IntRange(32, 2048), default=260, show_default=True, help="Height of a picture.")
@click.option("--columns", type=click.IntRange(1), help="Columns.  [default: of a pool what fits, of a data set 2]")
@click.option("--id", "wanted", multiple=True, help="Show these: person ids of a pool, ids or files of a manifest.")
@seed_option
@overwrite_option
@exits
def command(
    source: Path,
    out: Path,
    number: int,
    side: int,
    columns: int | None,
    wanted: tuple[str, ...],
    seed: int,
    overwrite: bool,
) -> None:
    """Draw a contact sheet of SOURCE, a pool or a rendered data set.

    \b
    Of a pool: joints and mask levels side by side, with the quality Q of each mask. Of a data set:
    people before and after, with skeletons: green dots, red crosses for joints that are covered,
    blue rings for joints that were occluded before.

    \b
    Examples:
      noda-synth preview data/pool.h5 --out bodies.png
      noda-synth preview data/mpii_noda --out renders.png --number 40 --seed 1
    """
    from noda_synth.figures.contact_sheet import preview
    from noda_synth.runs.ownership import check_free, parts_of

    check_free(out, parts_of(source), overwrite=overwrite)
    shown, problems = preview(source, out, number=number, side=side, columns=columns, wanted=wanted, seed=seed)
    click.echo(f"{shown} in {out}")
    echo_problems(problems)
    exit_with(problems)
