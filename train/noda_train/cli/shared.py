"""What the commands share: options, and what is printed when there are numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from noda_train.distributed import World
    from noda_train.settings import Settings

PATH = click.Path(path_type=Path)
data_option = click.option("--data", type=PATH, help="Data set in MPII's or COCO's layout [default: data/mpii_noda].")
set_option = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
runs_option = click.option("--runs", type=PATH, default=Path("runs"), show_default=True, help="Where runs live.")
DEFAULT_DATA = Path("data/mpii_noda")


def speaker(world: World) -> Any:
    return click.echo if world.is_first else (lambda _text: None)


def report(who: Any, joints: Any, result: Any, settings: Settings, run: Path, say: Any, world: World) -> None:
    from noda_train import pictures
    from noda_train.metrics import scoring

    say("\n" + scoring.format_numbers(result) + "\n")
    if settings.pictures and world.is_first:
        rows = pictures.most_occluded(who.truth, settings.pictures)
        pictures.write_sheet(run / "predictions.png", who.samples, who.truth, {run.name: joints}, rows)
        say(f"pictures of the {len(rows)} most occluded persons: {run / 'predictions.png'}")
