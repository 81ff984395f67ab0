"""`noda-synth convert`: annotations from one format into another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from noda_synth.cli.errors import echo_some, exit_with, exits
from noda_synth.cli.options import (
    originals_option,
    path_option,
    scale_option,
    seed_option,
    skeleton_option,
    verbose_option,
)
from noda_synth.errors import NodaError, Problem

TARGETS = ("mpii-json", "gt-valid", "coco", "yolo")
_SHOWN = 5


@click.command("convert")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option("--to", type=click.Choice(TARGETS), help="Default: mpii-json; gt-valid for an OUTPUT.mat.")
@path_option("--split", help="Who is for validation, see above.")
@click.option("--holdout", type=float, help="Hold out this share of the people, whole videos at a time (e.g. 0.1).")
@seed_option
@click.option("--all-train", is_flag=True, help="Hold out nobody.")
@path_option("--visibility-from", metavar="MAT", help="The .mat for JSON records.")
@path_option("--images", help="Images folder: COCO needs the sizes, YOLO-pose the pictures.")
@originals_option("How pictures get into images/ of YOLO-pose.")
@skeleton_option
@scale_option
@click.option("--overwrite", is_flag=True, help="Replace files that exist. Those of INPUT are never replaced.")
@verbose_option
@click.option("-q", "--quiet", is_flag=True, help="No summary, only failures.")
@exits
def command(
    source: Path,
    output: Path,
    to: str | None,
    split: Path | None,
    holdout: float | None,
    seed: int,
    all_train: bool,
    visibility_from: Path | None,
    images: Path | None,
    originals: str,
    skeleton: str | None,
    scale: str,
    overwrite: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Convert annotations: the original MPII .mat, MPII JSON, COCO keypoints and YOLO-pose, told by content.

    INPUT is a data set's folder or one file, OUTPUT a folder or one file. The folder gets train.json, valid.json and
    gt_valid.mat (mpii-json), or person_keypoints_train.json and _val.json (coco), or images/, labels/ and data.yaml
    (yolo). Visibility goes along.

    The .mat does not say who is for validation. --split names a valid.json, an hourglass valid.h5 or a list of image
    names, or is the word test for its own test part, where that has joints; without it, a valid.json beside the .mat or
    in annot/ is taken; --holdout draws; --all-train does without.
    Of a COCO file without validation part --holdout makes two.

    \b
    Examples:
      noda-synth convert mpii_human_pose_v1_u12_1.mat data/mpii/annot --split valid.h5
      noda-synth convert mpii_human_pose_v1_u12_1.mat data/mine --holdout 0.1 --seed 0
      noda-synth convert train.json seen.json --visibility-from mpii_human_pose_v1_u12_1.mat
      noda-synth convert data/mpii data/mpii_coco --to coco
      noda-synth convert data/mpii data/mpii_yolo --to yolo
      noda-synth convert data/mpii_yolo/data.yaml data/back
      noda-synth convert person_keypoints.json data/coco/annotations --to coco --holdout 0.2
      noda-synth convert valid.json gt_valid.mat
    """
    from noda_synth.data.skeleton import skeleton_file
    from noda_synth.formats import convert as conversion
    from noda_synth.formats.scales import with_measured_scales

    if sum((split is not None, holdout is not None, all_train)) > 1:
        raise NodaError("--split, --holdout and --all-train exclude each other; give one of them.")
    target = to or ("gt-valid" if output.suffix == ".mat" else "mpii-json")
    read = conversion.read_source(
        source,
        split=split,
        holdout=holdout,
        seed=seed,
        all_train=all_train,
        visibility_from=visibility_from,
        skeleton=None if skeleton is None else skeleton_file(skeleton),
    )
    if scale == "from-joints":
        read = replace(read, dataset=with_measured_scales(read.dataset))
    result = conversion.convert(read, output, target, images=images, originals=originals, overwrite=overwrite)
    if not quiet:
        for file, summary in result.written:
            click.echo(f"{file}: {summary}")
        for what in result.lost:
            click.echo(f"Lost: {what}")
    _print_problems(result.problems, verbose, quiet, None if output.suffix in (".json", ".mat") else output)
    exit_with(result.problems)


def _print_problems(problems: Sequence[Problem], verbose: bool, quiet: bool, folder: Path | None) -> None:
    """Failures before notes, the first few of each or all; every failure goes to errors.jsonl if there is a folder."""
    failed = [problem for problem in problems if problem.failed]
    notes = [problem for problem in problems if not problem.failed and not quiet]
    for word, items in (("failed", failed), ("note", notes)):
        lines = [f"{word}: {problem.item}: {problem.reason}" for problem in (items if verbose else items[:_SHOWN])]
        echo_some(lines, len(items), err=True)
    if failed and folder is not None:
        from noda_synth.formats.files.atomic import write_problems

        write_problems(folder / "errors.jsonl", failed)
        click.echo(f"All failures: {folder / 'errors.jsonl'}", err=True)
