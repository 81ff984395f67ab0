"""noda-synth render"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noda_synth.cli.errors import exits
from noda_synth.cli.merge import end_part
from noda_synth.cli.options import (
    NumberRange,
    crew,
    data_options,
    going_on,
    leave,
    objects_options,
    open_data,
    path_option,
    run_options,
    seed_option,
    tell_problems,
)
from noda_synth.errors import NodaError
from noda_synth.methods import METHODS

if TYPE_CHECKING:
    from noda_synth.runs.staging import Part


@click.command("render")
@data_options
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="noda",
    show_default=True,
    help="How people are occluded: docs/methods.md.",
)
@click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="A parameter of a method other than noda; again for more.",
)
@path_option(
    "--pool", default=Path("data/pool.h5"), show_default=True, help="The pool of bodies; not for every method."
)
@objects_options
@path_option("--out", default=Path("data/mpii_noda"), show_default=True, help="The written data set.")
@click.option(
    "--ratio",
    type=NumberRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the training samples that gets covered.",
)
@click.option(
    "--preset",
    type=click.Choice(["paper", "best", "ground"]),
    default="paper",
    show_default=True,
    help="paper: its NODA (grabcut, ring); best: posecut, matte, the better half of the bodies.",
)
@click.option(
    "--mask",
    type=click.Choice(["box", "cardboard", "grabcut", "posecut", "mixed"]),
    help="Mask of the pasted bodies; mixed draws one of the paper's three.  [default: the preset's]",
)
@click.option(
    "--smooth",
    type=click.Choice(["ring", "feather", "matte", "none"]),
    help="Edge smoothing; matte is posecut's own.  [default: the preset's]",
)
@click.option(
    "--body-quality",
    type=NumberRange(0, 1, min_open=True),
    help="Share of the bodies to draw from, those with the best masks.  [default: the preset's]",
)
@click.option(
    "--radius",
    type=NumberRange(0),
    nargs=2,
    default=(1 / 3, 1.0),
    show_default="0.333 1",
    help="Distance of the box centres, in half diagonals of the target's box.",
)
@click.option(
    "--rescale",
    type=NumberRange(0, min_open=True),
    nargs=2,
    default=(0.8, 1.2),
    show_default="0.8 1.2",
    help="Rescaling of the body, once it has the target's size.",
)
@click.option(
    "--protect",
    type=click.Choice(["segment", "points"]),
    default="segment",
    show_default=True,
    help="Keep the whole line between the protected joints free, or only the joints.",
)
@click.option("--protect-joints", metavar="NAMES", help="Protected joints, comma-separated.  [default: head and neck]")
@click.option(
    "--min-covered", type=click.IntRange(0), default=1, show_default=True, help="Limb joints that have to be covered."
)
@click.option(
    "--max-covered", type=click.IntRange(0), help="Joints that may be covered at most.  [default: any number]"
)
@click.option(
    "--tries",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Placements tried before a person is passed over.",
)
@click.option(
    "--max-enlarge",
    type=NumberRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Bodies are not enlarged more than this.",
)
@click.option(
    "--copies",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Differently occluded copies of each chosen person: train_1.json, train_2.json, ...",
)
@click.option("--append", is_flag=True, help="Add the copies to the training list, and keep the originals in it.")
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["jpg", "png"]),
    default="jpg",
    show_default=True,
    help="Format of the copies: JPEG of quality 95, or exact pixels.",
)
@click.option(
    "--originals",
    type=click.Choice(["symlink", "hardlink", "copy", "none"]),
    default="symlink",
    show_default=True,
    help="How the original images get beside the copies.",
)
@click.option("--coco", is_flag=True, help="Write COCO files too: whole scenes, and one record a sample.")
@click.option("--limit", type=click.IntRange(1), help="Render at most so many people, to have a look.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and the disk it needs, and do nothing.")
@seed_option
@run_options
@exits
def command(
    data: Path, images: Path | None, annotations: Path | None, split: Path | None, all_train: bool,
    follow_links: bool, method: str, changes: tuple[str, ...], pool: Path,
    objects: Path | None, objects_images: Path | None,
    out: Path, ratio: float, preset: str, mask: str | None, smooth: str | None, body_quality: float | None,
    radius: tuple[float, float], rescale: tuple[float, float],
    protect: str, protect_joints: str | None, min_covered: int, max_covered: int | None, tries: int,
    max_enlarge: float, copies: int, append: bool, suffix: str, originals: str, coco: bool, limit: int | None,
    dry_run: bool, seed: int, jobs: int | None, backend: str, scheduler: str | None, part: Part | None,
    max_pixels: int, overwrite: bool, verbose: bool, quiet: bool,
) -> None:  # fmt: skip
    """Write an occluded copy of a data set: bodies of the pool pasted over the limbs of other people, or what else
    --method says.

    \b
    Examples:
      noda-synth render --ratio 0.5
      noda-synth render --preset best --out data/mpii_best
      noda-synth render --data data/demo --pool data/demo_pool.h5 --out data/demo_noda
      noda-synth render --mask box --smooth none --rescale 1 1 --out data/mpii_box
      noda-synth render --method cutout --set side=0.4 --out data/mpii_cutout
    """
    from noda_synth.methods import Sources, method_class
    from noda_synth.methods.options import changed
    from noda_synth.methods.placement import PRESETS
    from noda_synth.render.occluded_copies import RenderSettings
    from noda_synth.render.run import disk_needed, plan_copies, recipe_of, render

    start = time.perf_counter()
    for name, (low, high) in (("--radius", radius), ("--rescale", rescale)):
        if low > high:
            raise click.BadParameter(f"{low:g} is larger than {high:g}", param_hint=name)
    _check_options(method, changes)
    layout, dataset, inputs = open_data(data, images, annotations, split, all_train, follow_links)
    sources = Sources(pool, objects, objects_images)
    placement: Any
    if method == "noda":
        basis = PRESETS[preset]
        placement = replace(
            basis, mask=mask or basis.mask, smooth=smooth or basis.smooth,
            body_quality=body_quality or basis.body_quality, radius=radius, rescale=rescale, protect=protect,
            protect_joints=_joints(protect_joints, dataset.skeleton), min_covered=min_covered,
            max_covered=max_covered, tries=tries, max_enlarge=max_enlarge,
        )  # fmt: skip
    else:
        placement = changed(method_class(method).settings_type(), changes, method)
    settings = RenderSettings(
        ratio=ratio, method=method, placement=placement, copies=copies, append=append, format=suffix,
        originals=originals, coco=coco, limit=limit, max_pixels=max_pixels, seed=seed,
    )  # fmt: skip
    if dry_run:
        with crew(jobs, backend, scheduler) as workers:
            recipe = recipe_of(settings, sources, dataset)
            plan = plan_copies(dataset, layout.images, recipe, settings, workers=workers, quiet=quiet)
        size = disk_needed(dataset, layout.images, plan, settings) / 1e6
        click.echo(f"{len(plan.chosen)} of {len(dataset.samples)} people would be covered, {copies} time(s) each")
        click.echo(f"about {size:.1f} MB of copies would be written to {out}; originals: {originals}")
        _tell_passed_over(plan.passed_over)
        return
    with going_on(out), crew(jobs, backend, scheduler) as workers:
        out.parent.mkdir(parents=True, exist_ok=True)
        report = render(
            dataset, layout, sources, out, settings, inputs,
            workers=workers, part=part, overwrite=overwrite, quiet=quiet,
        )  # fmt: skip
    if report is None:
        if not quiet:
            click.echo(f"{out} is there already, made with the same settings; nothing to do.")
        return
    if part:
        end_part(out, part, report.problems, verbose, quiet)
        return
    if not quiet:
        _tell(report.content, out, time.perf_counter() - start)
    tell_problems(report.problems, verbose, out / "errors.jsonl")
    leave(report.problems)


_NODA_ONLY = (
    "preset", "mask", "smooth", "body_quality", "radius", "rescale", "protect", "protect_joints", "min_covered",
    "max_covered", "tries", "max_enlarge",
)  # fmt: skip


def _check_options(method: str, changes: tuple[str, ...]) -> None:
    """Raises NodaError for options of another method, which would decide nothing."""
    context = click.get_current_context()
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name in _NODA_ONLY
        and context.get_parameter_source(option.name) == click.core.ParameterSource.COMMANDLINE
    ]
    if method != "noda" and given:
        raise NodaError(f"{given[0]} is for --method noda; the parameters of {method} are changed with --set KEY=VALUE")
    if method == "noda" and changes:
        raise NodaError(f"--set {changes[0]}: the parameters of noda have options of their own, see --help")


def _joints(names: str | None, skeleton: Any) -> tuple[str, ...] | None:
    """The joints named by --protect-joints."""
    if names is None:
        return None
    chosen = tuple(name.strip() for name in names.split(",") if name.strip())
    if unknown := [name for name in chosen if name not in skeleton.index]:
        raise NodaError(f"--protect-joints: no joint {unknown[0]!r}; there are {', '.join(skeleton.joints)}")
    return chosen


def _tell(content: dict[str, Any], out: Path, elapsed: float) -> None:
    counts, joints = content["counts"], content["joints"]
    click.echo(
        f"{counts['covered_people']} of {counts['people']} people {_done(content)}, {counts['copies']} images in {out} "
        f"({elapsed:.1f} s)"
    )
    if counts["covered_people"] < counts["wanted"]:
        click.echo(f"  {counts['wanted']} were asked for, but no more admit a placement or could be rendered")
    _tell_passed_over(content["passed_over"])
    before, after = (100 * joints[when]["occluded_share"] for when in ("before", "after"))
    if (quality := content["settings"]["placement"].get("body_quality", 1)) < 1:
        click.echo(
            f"  {counts['bodies']} bodies, the best {100 * quality:g} % of {counts['pool_bodies']}, to draw from"
        )
    click.echo(f"  joints known to be occluded: {before:.1f} % before, {after:.1f} % after")


def _done(content: dict[str, Any]) -> str:
    return "covered" if content["settings"]["method"] != "recompress" else "encoded again"


def _tell_passed_over(reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        click.echo(f"  {count:>6} passed over: {reason}")
