"""What the commands share: options, and what is printed when there are numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from noda_train.arrays import Floats
    from noda_train.distributed import World
    from noda_train.evaluate import EvaluationSet
    from noda_train.settings import Settings

PATH = click.Path(path_type=Path)
data_option = click.option("--data", type=PATH, help="Data set in MPII's or COCO's layout [default: data/mpii_noda].")
set_option = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
runs_option = click.option("--runs", type=PATH, default=Path("runs"), show_default=True, help="Where runs live.")
checkpoint_option = click.option(
    "--checkpoint", "which", type=click.Choice(["last", "best"]), default="last", show_default=True
)
json_option = click.option("--json", "out", type=PATH, help="Write the numbers here, too.")
DEFAULT_DATA = Path("data/mpii_noda")


def speaker(world: World) -> Callable[[str], None]:
    """Prints lines, in the first process only."""
    return click.echo if world.is_first else (lambda _text: None)


def report(
    evaluated: EvaluationSet,
    joints: Floats,
    result: dict[str, Any],
    settings: Settings,
    run: Path,
    echo: Callable[[str], None],
    world: World,
) -> None:
    """Print the numbers, and leave pictures of some persons, spread over the file, in the run's folder.

    `joints` (N, J, 2) are the predictions, 1-based.
    """
    from noda_train import pictures
    from noda_train.metrics.tables import format_numbers

    echo("\n" + format_numbers(result) + "\n")
    if settings.pictures and world.is_first:
        rows = pictures.spread_out(evaluated.truth, settings.pictures)
        pictures.write_sheet(run / "predictions.png", evaluated.samples, evaluated.truth, {run.name: joints}, rows)
        echo(f"pictures of {len(rows)} persons, spread over the file: {run / 'predictions.png'}")
