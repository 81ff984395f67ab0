"""The command line: `noda-train fit|eval|figure|export|bench|models|table`. Each command is a thin module."""

from __future__ import annotations

import sys

import click

from noda_synth.errors import NodaError
from noda_train.cli import bench, evaluate, export, figure, fit, models, table


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Train and evaluate pose networks on MPII, on COCO's sets, and on what `noda-synth render` made of them.

    \b
    Examples:
      noda-train fit hrnet --data data/mpii_noda
      noda-train fit simple --data data/mpii --set augment=mpii --set seed=1
      noda-train fit --resume --run runs/hrnet_w32-mpii_noda-1
      noda-train eval --against runs/hrnet_w32-mpii-1
      noda-train eval --predictions pred.mat --truth data/mpii/annot/gt_valid.mat
      noda-train eval --predictions results.json --truth person_keypoints_val2017.json
    """


for module in (fit, evaluate, figure, export, bench, models, table):
    cli.add_command(module.command)


def main() -> None:
    """Exit codes: 0 done, 2 usage or unusable input, 130 interrupted."""
    try:
        cli(standalone_mode=False)
    except NodaError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
