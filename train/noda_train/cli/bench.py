"""`noda-train bench`: how fast."""

from __future__ import annotations

from pathlib import Path

import click

from noda_train.cli.shared import PATH, json_option, set_option


@click.command("bench")
@click.option("--data", type=PATH, required=True, help="Data set in MPII's layout, full-size images.")
@click.option("--preset", default="simple_r18", show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--persons", type=click.IntRange(1), default=512, show_default=True, help="At most so many.")
@click.option("--training/--no-training", default=True, help="Measure training as well [default: yes].")
@json_option
@set_option
def command(
    data: Path, preset: str, repeats: int, persons: int, training: bool, out: Path | None, overrides: tuple[str, ...]
) -> None:
    """Samples/s of the data path per core, of the network on ready tensors, and of training end to end."""
    from noda_train import distributed
    from noda_train import settings as config
    from noda_train.outputs import check_writable, write_json
    from noda_train.speed import bench as measure
    from noda_train.speed import format_bench

    check_writable(out)
    settings = config.load(preset, overrides)
    with distributed.init_distributed(settings.device):  # cuDNN as a run has it
        result = measure(data, settings, persons, repeats, training)
    click.echo(format_bench(result))
    if out is not None:
        write_json(out, result)
