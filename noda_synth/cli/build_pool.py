"""noda-synth build-pool"""

from __future__ import annotations

import time
from pathlib import Path

import click

from noda_synth.cli.errors import echo_problems, echo_unchanged, echo_warnings, exit_with, exits
from noda_synth.cli.merge import end_part
from noda_synth.cli.options import (
    DataOptions,
    NumberRange,
    RunOptions,
    data_options,
    path_option,
    resumable,
    run_options,
    seed_option,
)
from noda_synth.errors import NodaError

LEVELS = ("box", "cardboard", "grabcut", "posecut", "given")

# Level -> the one that stands in for it, and why it does; cardboard for all others.
_STAND_INS = {"given": ("posecut", "for there is none, or it was refused")}


@click.command("build-pool")
@data_options
@path_option("--out", default=Path("data/pool.h5"), show_default=True, help="The pool.")
@click.option(
    "--levels",
    default=",".join(LEVELS[:-1]),
    show_default=True,
    metavar="NAMES",
    help="Mask levels, comma-separated; posecut alone is the quick one, given takes masks that you have.",
)
@path_option(
    "--masks",
    help="For given: COCO results (JSON with RLE), or a folder of PNGs by person id or image.  "
    "[default: the outlines in the annotations]",
)
@click.option(
    "--min-joints", type=click.IntRange(2), help="Labelled joints needed.  [default: 12 of 16, in proportion]"
)
@click.option(
    "--min-height",
    type=NumberRange(0),
    default=64,
    show_default=True,
    help="Pixels needed on the longer side of the joint box.",
)
@click.option("--truncated", is_flag=True, help="Let in people who are cut off by the frame.")
@click.option(
    "--min-visible",
    type=NumberRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the joints of known visibility that has to be visible.",
)
@click.option(
    "--max-shared",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Joints that may lie on this and on another body at once.",
)
@click.option(
    "--max-border",
    type=NumberRange(0),
    default=0.5,
    show_default=True,
    help="Length of the mask along the image's borders, in body sizes.",
)
@click.option("--everyone", is_flag=True, help="Drop these rules: all training samples, as in the paper.")
@click.option(
    "--box-expand",
    type=NumberRange(0, 1),
    default=0.15,
    show_default=True,
    help="The box grows on every side by this times its longer side.",
)
@click.option(
    "--grabcut-size",
    type=click.IntRange(32),
    default=160,
    show_default=True,
    help="Working size of GrabCut, pixels on the longer side.",
)
@click.option("--grabcut-iterations", type=click.IntRange(1), default=2, show_default=True, help="Rounds of GrabCut.")
@click.option(
    "--max-side",
    type=click.IntRange(64),
    default=768,
    show_default=True,
    help="Crops are reduced to at most this many pixels on the longer side.",
)
@seed_option
@run_options
@exits
def command(
    data: DataOptions,
    out: Path,
    levels: str,
    masks: Path | None,
    min_joints: int | None,
    min_height: float,
    truncated: bool,
    min_visible: float,
    max_shared: int,
    max_border: float,
    everyone: bool,
    box_expand: float,
    grabcut_size: int,
    grabcut_iterations: int,
    max_side: int,
    seed: int,
    run: RunOptions,
) -> None:
    """Cut the people of a data set out into a pool of bodies, each with its masks.

    \b
    Examples:
      noda-synth build-pool
      noda-synth build-pool --data data/demo --out data/demo_pool.h5
      noda-synth build-pool --levels posecut --out data/quick_pool.h5
      noda-synth build-pool --data data/coco --levels given --out data/coco_pool.h5
      noda-synth build-pool --levels given,posecut --masks sam_results.json
      noda-synth build-pool --images pictures --annotations annot/train.json --everyone
    """
    from noda_synth.masks import MaskSettings
    from noda_synth.pool.build import BodyRules, PoolSettings, build_pool
    from noda_synth.pool.given_masks import masks_for
    from noda_synth.pool.notes import write_notes

    start = time.perf_counter()
    layout, dataset, inputs = data.open()
    data.check_apart(out, layout, dataset, masks)
    inputs.pop("gt_valid", None)  # it decides on nobody in the training part, and should not make it another pool
    rules = (
        BodyRules.everyone()
        if everyone
        else BodyRules(min_joints, min_height, truncated, min_visible, max_shared, max_border)
    )
    chosen = tuple(level for level in LEVELS if level in {name.strip() for name in levels.split(",")})
    if not chosen or len(chosen) < len(levels.split(",")):
        raise NodaError(f"--levels {levels}: each has to be one of {', '.join(LEVELS)}")
    settings = PoolSettings(
        levels=chosen,
        rules=rules,
        masks=MaskSettings(box_expand, grabcut_size, grabcut_iterations),
        max_side=max_side,
        max_pixels=run.max_pixels,
        seed=seed,
    )
    given, hashed = masks_for(chosen, masks)
    with resumable(out), run.execution() as execution:
        out.parent.mkdir(parents=True, exist_ok=True)
        report = build_pool(dataset, layout.images, out, settings, inputs | hashed, execution, given)
        if report is None:
            echo_unchanged(out, run.quiet)
            return
        if run.part:
            end_part(out, run.part, report.problems, run)
            return
        elapsed = time.perf_counter() - start
        errors = write_notes(out, report, workers=execution.workers, elapsed=elapsed)
    echo_warnings(report.problems, run.quiet)
    if not run.quiet:
        size = out.stat().st_size / 1e6
        click.echo(f"{report.bodies} of {report.people} people in {out} ({size:.1f} MB, {elapsed:.1f} s)")
        for reason, count in report.left_out.items():
            click.echo(f"  {count:>6} left out: {reason}")
        for level, count in report.fallbacks.items():
            if count:
                other, why = _STAND_INS.get(level, ("cardboard", "which could not be made"))
                click.echo(f"  {count:>6} have the {other} mask for their {level} mask, {why}")
    echo_problems(report.problems, run.verbose, errors)
    exit_with(report.problems)
