"""noda-synth render"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from noda_synth.cli.errors import echo_problems, echo_unchanged, echo_warnings, exit_with, exits
from noda_synth.cli.merge import end_part
from noda_synth.cli.options import (
    DataOptions,
    NumberRange,
    ObjectsOptions,
    Quality,
    RunOptions,
    data_options,
    objects_options,
    originals_option,
    path_option,
    resumable,
    run_options,
    seed_option,
)
from noda_synth.errors import NodaError
from noda_synth.methods import METHODS, method_class
from noda_synth.methods.choices import check_joints, levels_in
from noda_synth.methods.placement_settings import (
    MASKS,
    NO_GROUND,
    PLACES,
    PRESETS,
    PROTECTIONS,
    SMOOTHINGS,
    PlacementSettings,
    preset_for,
)
from noda_synth.settings import apply_overrides

if TYPE_CHECKING:
    from noda_synth.render.settings import RenderRun

Command = TypeVar("Command", bound=Callable[..., Any])


def noda_option(name: str, *, default: str = "", help: str, **kwargs: Any) -> Callable[[Command], Command]:
    """An option for a field of PlacementSettings; one that is not given leaves the field as the preset has it."""
    values = [getattr(preset, name.removeprefix("--").replace("-", "_")) for preset in PRESETS.values()]
    if len(set(values)) > 1:
        default = "the preset's"
    elif not default:
        numbers = values[0] if isinstance(values[0], tuple) else values[:1]
        default = " ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in numbers)
    return click.option(name, help=f"{help}  [default: {default}]", **kwargs)


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
    help="A parameter of the method; again for more. Those of noda have options, too.",
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
    type=click.Choice(list(PRESETS)),
    default="paper",
    show_default=True,
    help="paper: its NODA (grabcut, ring); best: given where the pool has it, else posecut; matte, the better half of "
    "the bodies, on the ground.",
)
@noda_option(
    "--mask", type=click.Choice(MASKS), help="Mask of the pasted bodies; mixed draws one of the paper's three."
)
@noda_option("--smooth", type=click.Choice(SMOOTHINGS), help="Edge smoothing; matte is that of posecut and given.")
@noda_option(
    "--body-quality",
    type=NumberRange(0, 1, min_open=True),
    help="Share of the bodies to draw from, those with the best masks.",
)
@noda_option(
    "--place",
    type=click.Choice(PLACES),
    help="Where bodies go: anywhere around the target, or standing on the target's ground, complete and of its tone.",
)
@noda_option(
    "--no-ground",
    type=click.Choice(NO_GROUND),
    help="With --place ground: targets that stand on no ground get the ring, or are passed over.",
)
@noda_option(
    "--candidates",
    type=click.IntRange(1),
    help="With --place ground: bodies drawn at a time; the one whose tone fits best is tried first.",
)
@noda_option("--reuse", type=click.IntRange(1), help="A body is pasted at most so often in the set.")
@noda_option(
    "--bodies",
    type=click.IntRange(1),
    nargs=2,
    help="Bodies over one target: a number between these is drawn, and each keeps all rules.",
)
@noda_option(
    "--objects-share",
    type=NumberRange(0, 1),
    help="Share of the copies that get objects (--objects) in the place of bodies, by the same rules.",
)
@noda_option("--mirror", is_flag=True, default="off", help="Every second body, by chance, is pasted mirrored.")
@noda_option(
    "--radius", type=NumberRange(0), nargs=2, help="Distance of the box centres, in half diagonals of the target's box."
)
@noda_option(
    "--rescale",
    type=NumberRange(0, min_open=True),
    nargs=2,
    help="Rescaling of the body, once it has the target's size.",
)
@noda_option(
    "--protect",
    type=click.Choice(PROTECTIONS),
    help="Keep the whole line between the protected joints free, or only the joints.",
)
@noda_option("--protect-joints", metavar="NAMES", default="head and neck", help="Protected joints, comma-separated.")
@noda_option("--min-covered", type=click.IntRange(0), help="Limb joints that have to be covered.")
@noda_option("--max-covered", type=click.IntRange(0), default="any number", help="Joints that may be covered at most.")
@noda_option("--tries", type=click.IntRange(1), help="Placements tried before a person is passed over.")
@noda_option("--max-enlarge", type=NumberRange(0, min_open=True), help="Bodies are not enlarged more than this.")
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
    type=click.Choice(["source", "jpg", "png"]),
    default="source",
    show_default=True,
    help="Format of the copies: JPEG, exact pixels, or source: each what its source is.",
)
@click.option(
    "--quality",
    type=Quality(),
    default="source",
    show_default=True,
    help="Of the JPEGs, 1 to 100; source: each as its source was encoded, so that little changes beside the body; "
    "exact: nothing does (needs pyjpegio).",
)
@originals_option("How the original images get beside the copies.")
@click.option("--coco", is_flag=True, help="Write COCO files too: whole scenes, and one record per sample.")
@click.option("--yolo", is_flag=True, help="Write YOLO-pose labels and data.yaml too, and the COCO files with them.")
@click.option(
    "--train-pasted",
    is_flag=True,
    help="List the pasted people as training samples too, those with half of their joints on the picture.",
)
@click.option("--limit", type=click.IntRange(1), help="Render at most so many people, to have a look.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and the disk it needs, and do nothing.")
@seed_option
@run_options
@exits
def command(
    data: DataOptions,
    method: str,
    changes: tuple[str, ...],
    pool: Path,
    objects: ObjectsOptions,
    out: Path,
    ratio: float,
    preset: str,
    copies: int,
    append: bool,
    suffix: str,
    quality: int | str,
    originals: str,
    coco: bool,
    yolo: bool,
    train_pasted: bool,
    limit: int | None,
    dry_run: bool,
    seed: int,
    run: RunOptions,
    **placement: Any,
) -> None:
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
    from noda_synth.methods.real_pairs import with_measured_drops
    from noda_synth.render.run import render
    from noda_synth.render.settings import RenderRun, RenderSettings

    start = time.perf_counter()
    _check_options(method)
    chosen = (
        _noda_settings(preset_for(preset, levels_in(pool, preset)), placement, changes)
        if method == "noda"
        else apply_overrides(method_class(method).settings_type(), changes, f"--method {method} --set")
    )
    layout, dataset, inputs = data.open()
    if method == "noda":
        check_joints(chosen, dataset.skeleton, "--protect-joints")
        chosen = with_measured_drops(chosen, dataset)
    data.check_apart(out, layout, dataset, data.folder, objects.objects, objects.objects_images)
    settings = RenderSettings(
        ratio=ratio,
        method=method,
        placement=chosen,
        copies=copies,
        append=append,
        format=suffix,
        quality=quality,
        originals=originals,
        coco=coco,
        yolo=yolo,
        train_pasted=train_pasted,
        limit=limit,
        max_pixels=run.max_pixels,
        seed=seed,
    )
    sources = objects.sources(pool)
    if dry_run:
        with run.execution() as execution:
            _echo_plan(RenderRun(dataset, layout, sources, out, settings, inputs, execution))
        return
    with resumable(out), run.execution() as execution:
        out.parent.mkdir(parents=True, exist_ok=True)
        report = render(RenderRun(dataset, layout, sources, out, settings, inputs, execution))
    if report is None:
        echo_unchanged(out, run.quiet)
        return
    if run.part:
        end_part(out, run.part, report.problems, run)
        return
    echo_warnings(report.problems, run.quiet)
    if not run.quiet:
        _echo_report(report.content, out, time.perf_counter() - start)
    echo_problems(report.problems, run.verbose, out / "errors.jsonl")
    exit_with(report.problems)


_FIELDS = [field.name for field in fields(PlacementSettings)]


def _given() -> dict[str, str]:
    """The options for noda alone that are on the command line: parameter -> how the option is written."""
    context = click.get_current_context()
    return {
        option.name: option.opts[0]
        for option in context.command.params
        if option.name in ("preset", *_FIELDS)
        and context.get_parameter_source(option.name) == click.core.ParameterSource.COMMANDLINE
    }


def _check_options(method: str) -> None:
    """Raises NodaError for options of another method, which would decide nothing."""
    if method != "noda" and (given := list(_given().values())):
        raise NodaError(f"{given[0]} is for --method noda; the parameters of {method} are changed with --set KEY=VALUE")


def _noda_settings(preset: PlacementSettings, options: dict[str, Any], changes: tuple[str, ...]) -> PlacementSettings:
    """The preset, changed by the options and by --set. Raises NodaError where an option and --set disagree."""
    names = options["protect_joints"]
    options["protect_joints"] = names and tuple(name.strip() for name in names.split(",") if name.strip())
    given = _given()
    settings = apply_overrides(preset, changes, "--method noda --set")
    for word in changes:
        key = word.partition("=")[0].strip().replace("-", "_")
        if key in given and getattr(settings, key) != options[key]:
            raise NodaError(f"{given[key]} and --set {word} contradict each other; give one of them")
    try:
        return replace(settings, **{key: options[key] for key in _FIELDS if key in given})
    except ValueError as error:
        raise NodaError(f"{', '.join(given[key] for key in _FIELDS if key in given)}: {error}") from error


def _echo_plan(run: RenderRun) -> None:
    """What --dry-run is for."""
    from noda_synth.render.plan import draw_plan
    from noda_synth.render.run import disk_needed

    plan = draw_plan(run)
    size, copies, people = disk_needed(run, plan) / 1e6, run.settings.copies, len(run.dataset.samples)
    click.echo(f"{len(plan.chosen)} of {people} people would be covered, {copies} time(s) each")
    click.echo(f"about {size:.1f} MB of copies would be written to {run.out}; originals: {run.settings.originals}")
    _echo_passed_over(plan.passed_over)


def _echo_report(content: dict[str, Any], out: Path, elapsed: float) -> None:
    counts, joints = content["counts"], content["joints"]
    click.echo(
        f"{counts['covered_people']} of {counts['people']} people {_verb(content)}, {counts['copies']} images in {out} "
        f"({elapsed:.1f} s)"
    )
    if counts["covered_people"] < counts["wanted"]:
        click.echo(f"  {counts['wanted']} were asked for, but no more admit a placement or could be rendered")
    if (pasted := counts.get("pasted_samples")) is not None:
        click.echo(f"  {pasted} pasted people are training samples, too")
    _echo_passed_over(content["passed_over"])
    before, after = (_share(joints[when], when) for when in ("before", "after"))
    if (quality := content["settings"]["placement"].get("body_quality", 1)) < 1:
        click.echo(
            f"  {counts['bodies']} bodies, the best {100 * quality:g} % of {counts['pool_bodies']}, to draw from"
        )
    click.echo(f"  joints known to be occluded: {before}, {after}")


def _share(states: dict[str, Any], when: str) -> str:
    """`4.3 % after (95.7 % unknown)`."""
    share, labelled = states["occluded_share"], sum(states[name] for name in ("visible", "occluded", "unknown"))
    if share is None:
        return f"unknown {when}"
    unknown = f" ({100 * states['unknown'] / labelled:.1f} % unknown)" if states["unknown"] else ""
    return f"{100 * share:.1f} % {when}{unknown}"


def _verb(content: dict[str, Any]) -> str:
    return "covered" if content["settings"]["method"] != "recompress" else "encoded again"


def _echo_passed_over(reasons: dict[str, int]) -> None:
    for reason, count in reasons.items():
        click.echo(f"  {count:>6} passed over: {reason}")
