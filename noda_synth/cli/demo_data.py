"""`noda-synth demo-data`: draw a data set to try things on."""

from __future__ import annotations

import re
from pathlib import Path

import click

from noda_synth.cli.errors import echo_unchanged, exits
from noda_synth.cli.options import jobs_option, quiet_option, workers


def _size(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", value)
    if not match or not all(64 <= int(side) <= 4096 for side in match.groups()):
        raise click.BadParameter(f"{value!r} is not WIDTHxHEIGHT with sides of 64 to 4096 pixels, for example 960x720.")
    return int(match[1]), int(match[2])


@click.command("demo-data")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--images", type=click.IntRange(1), default=48, show_default=True, help="Training images.")
@click.option("--valid-images", type=click.IntRange(1), default=12, show_default=True, help="Validation images.")
@click.option(
    "--size", metavar="WxH", callback=_size, help="Of all images.  [default: a mix of 1280x720, 960x720, 720x960]"
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same files.")
@jobs_option
@click.option("--overwrite", is_flag=True, help="Replace a demo data set that is there.")
@quiet_option
@exits
def command(
    out: Path,
    images: int,
    valid_images: int,
    size: tuple[int, int] | None,
    seed: int,
    jobs: int | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Draw a demo data set of articulated people into the folder OUT, in MPII's layout.

    No network, no foreign pictures. Joints, visibility and outlines are exact. OUT/annot has train.json, valid.json
    and gt_valid.mat as MPII has them, and outlines.json, a COCO file: everyone's visible outline as segmentation, and
    the whole one, as if nothing stood in front, as noda.amodal.

    \b
    Examples:
      noda-synth demo-data data/demo
      noda-synth demo-data data/few --images 6 --valid-images 2 --size 640x480 --seed 7
    """
    from noda_synth.demo.dataset import DemoSettings, write_demo
    from noda_synth.runs.progress import Progress

    settings = DemoSettings(images, valid_images, size, seed)
    with Progress(images + valid_images, "demo-data", "image", quiet=quiet) as progress:
        people = write_demo(out, settings, workers=workers(jobs), overwrite=overwrite, on_image=progress.add)
    if people is None:
        echo_unchanged(out, quiet)
        return
    train, valid = people
    if not quiet:
        click.echo(f"{out}: {train} people in {images} training images, {valid} in {valid_images} validation images.")
