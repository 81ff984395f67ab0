"""noda-synth levels"""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.errors import echo_problems, exit_with, exits
from noda_synth.cli.options import overwrite_option, path_option


@click.command("levels")
@click.argument("pool", type=click.Path(path_type=Path))
@path_option("--out", required=True, help="The figure to write: .png, .pdf or .svg.")
@click.option("--number", type=click.IntRange(1), default=4, show_default=True, help="How many people.")
@click.option(
    "--side", type=click.IntRange(32, 2048), default=360, show_default=True, help="Height of a picture, pixels."
)
@click.option("--id", "wanted", multiple=True, help="Show these person ids instead of those with the best masks.")
@overwrite_option
@exits
def command(pool: Path, out: Path, number: int, side: int, wanted: tuple[str, ...], overwrite: bool) -> None:
    """Draw people of POOL and what each mask level leaves of them, side by side with captions: the paper's Fig. 3.

    \b
    Examples:
      noda-synth levels data/pool.h5 --out levels.png
      noda-synth levels data/pool.h5 --out levels.pdf --number 2 --side 720
    """
    from noda_synth.figures.levels import levels_figure
    from noda_synth.figures.style import figure_format
    from noda_synth.formats.files.atomic import write_bytes
    from noda_synth.runs.ownership import check_free

    kind = figure_format(out)
    check_free(out, [pool], overwrite=overwrite)
    figure, shown, problems = levels_figure(pool, number=number, side=side, wanted=wanted, file_format=kind)
    write_bytes(out, figure)
    click.echo(f"{shown} people of {pool} in {out}")
    echo_problems(problems)
    exit_with(problems)
