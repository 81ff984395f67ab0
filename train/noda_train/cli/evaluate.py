"""`noda-train eval`: numbers of a run, of public weights, or of anybody's predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noda_synth.errors import NodaError
from noda_train.cli.shared import (
    DEFAULT_DATA,
    PATH,
    data_option,
    report,
    runs_option,
    set_option,
    speaker,
)

if TYPE_CHECKING:
    from noda_synth.data.skeleton import Skeleton
    from noda_train.distributed import World
    from noda_train.runs import Trained


@click.command("eval")
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder or slim weight file [default: the newest run].")
@runs_option
@data_option
@click.option("--checkpoint", "which", type=click.Choice(["last", "best"]), default="last", show_default=True)
@click.option(
    "--weights",
    type=PATH,
    help="Evaluate a public weight file for the joints of --data instead of a run; needs --preset.",
)
@click.option("--preset", help="The network that --weights belongs to.")
@click.option("--predictions", type=PATH, help="Score this file (h5 or mat with `preds`, COCO results); needs --truth.")
@click.option("--truth", type=PATH, help="gt_valid.mat, an MPII valid.json, a COCO file, or a benchmark.")
@click.option("--visible", type=PATH, help="Visibility, where --truth has none: h5, mat or json.")
@click.option("--against", type=PATH, help="Compare with another run, or a file of predictions.")
@click.option("--json", "out", type=PATH, help="Write the numbers here, too.")
@click.option("--decode", type=click.Choice(["quarter", "dark"]), help="How joints are read off heatmaps.")
@click.option("--mean-pose", is_flag=True, help="Score the training set's mean pose beside it.")
@set_option
def command(
    run: Path | None,
    runs: Path,
    data: Path | None,
    which: str,
    weights: Path | None,
    preset: str | None,
    predictions: Path | None,
    truth: Path | None,
    visible: Path | None,
    against: Path | None,
    out: Path | None,
    decode: str | None,
    mean_pose: bool,
    overrides: tuple[str, ...],
) -> None:
    """Evaluate a run, public weights, or anybody's predictions: visible and occluded joints apart.

    PCKh for MPII; for sets in COCO's form PCK in box sizes, OKS, and AP by pycocotools. On a
    benchmark that `noda-synth benchmark` wrote (as --data, or as --truth of a folder of
    predictions): the scores on its clean images and its twins, and how far they drop.

    \b
    Settings that matter here: decode (quarter, dark), flip_test, channels (rgb, bgr), batch, device, pictures.
    """
    from noda_synth.benchmark.folder import is_benchmark

    if predictions is not None:
        if truth is None:
            raise NodaError(
                "--predictions needs --truth: gt_valid.mat, an MPII valid.json, a COCO file, or a benchmark"
            )
        if is_benchmark(truth):
            _refuse(visible=visible, against=against)
            _score_twins(predictions, truth, out)
        else:
            _score_file(predictions, truth, visible, against, out)
        return
    for name, value in (("truth", truth), ("visible", visible)):
        if value is not None:
            raise NodaError(f"--{name} is for --predictions; the data set of a run or of weights is named by --data")
    overrides = (*overrides, f"decode={decode}") if decode else overrides
    if data is not None and is_benchmark(data):
        _refuse(against=against, mean_pose=mean_pose)
        _evaluate_twins(run, runs, data, which, weights, preset, out, overrides)
        return
    _evaluate_network(run, runs, data, which, weights, preset, against, out, mean_pose, overrides)


def _refuse(**options: object) -> None:
    """Options that say nothing on a benchmark."""
    for name, value in options.items():
        if value:
            raise NodaError(f"--{name.replace('_', '-')} is not for a benchmark; leave it out")


def _score_twins(predictions: Path, data: Path, out: Path | None) -> None:
    from noda_train import occlusion_benchmark as benchmark

    _tell_benchmark(benchmark.score(predictions, benchmark.read(data)), out)


def _tell_benchmark(result: dict[str, Any], out: Path | None) -> None:
    from noda_train import evaluate
    from noda_train import occlusion_benchmark as benchmark

    click.echo(benchmark.format_table(result))
    if out is not None:
        evaluate.write_json(out, result)


def _evaluate_twins(
    run: Path | None,
    runs: Path,
    data: Path,
    which: str,
    weights: Path | None,
    preset: str | None,
    out: Path | None,
    overrides: tuple[str, ...],
) -> None:
    from noda_train import checkpoint, distributed
    from noda_train import occlusion_benchmark as benchmark

    device = next((o.partition("=")[2] for o in overrides if o.startswith("device=")), "auto")
    twins = benchmark.read(data)
    with distributed.joined(device) as world:
        say = speaker(world)
        skeleton = twins.clean.samples.skeleton
        if weights is None:
            subject, folder = _of_run(run, runs, which, overrides, world)
            checkpoint.refuse_other_joints(subject.skeleton, subject.source, skeleton, data)
        else:
            subject, folder = _of_weights(weights, preset, runs, skeleton, overrides, world, say)
        result = benchmark.evaluate_network(subject.network, twins, subject.settings, world, folder, data)
        if world.is_first:
            say(f"{subject.source}, {subject.settings.model}, on {data}\n")
            _tell_benchmark(result, out)


def _score_file(predictions: Path, truth: Path, visible: Path | None, against: Path | None, out: Path | None) -> None:
    from noda_train import evaluate
    from noda_train.metrics import scoring

    result = scoring.score_file(predictions, truth, visible, against)
    click.echo(scoring.format_numbers(result))
    if against is not None:
        click.echo("\n" + scoring.format_comparison(result["against"]))
    if out is not None:
        evaluate.write_json(out, result)


def _evaluate_network(
    run: Path | None,
    runs: Path,
    data: Path | None,
    which: str,
    weights: Path | None,
    preset: str | None,
    against: Path | None,
    out: Path | None,
    mean_pose: bool,
    overrides: tuple[str, ...],
) -> None:
    from noda_train import checkpoint, distributed, evaluate, pictures
    from noda_train.data import load
    from noda_train.metrics import pck, scoring

    device = next((o.partition("=")[2] for o in overrides if o.startswith("device=")), "auto")
    with distributed.joined(device) as world:
        say = speaker(world)
        if weights is None:
            subject, folder = _of_run(run, runs, which, overrides, world)
            parts = load(data or subject.data or DEFAULT_DATA)
            checkpoint.refuse_other_joints(
                subject.skeleton, subject.source, parts.train.skeleton, parts.layout.annotations
            )
        else:
            parts = load(data or DEFAULT_DATA)
            subject, folder = _of_weights(weights, preset, runs, parts.train.skeleton, overrides, world, say)
        settings = subject.settings
        who = evaluate.subject(parts, settings)
        origin = {"checkpoint": subject.source.name, "epoch": str(subject.epoch), "run": folder.name}
        origin["data"] = str(parts.data)
        prediction, result = evaluate.evaluate_network(subject.network, who, settings, world, folder, origin)
        say(f"{subject.source}, {settings.model}, on {parts.layout.valid}")
        report(who, prediction.joints, result, settings, folder, say, world)
        if mean_pose:
            base = pck.evaluate(evaluate.mean_pose(parts.train, who.samples), who.truth)
            result["mean_pose"] = base["thresholds"]
            ours, least = (r["thresholds"][f"{who.truth.followed:g}"]["all"]["mean"] for r in (result, base))
            say(f"the training set's mean pose: {least:.1f}; this network: {ours:.1f} ({ours - least:+z.1f} points)")
        if against is not None:
            other = scoring.found_in(against, who.judge)
            result["against"] = scoring.compare(scoring.found_by(prediction, who.judge), other, who.judge)
            say("\n" + scoring.format_comparison(result["against"]))
            both = {against.name: other.joints, folder.name: prediction.joints}
            rows = pictures.most_different(who.truth, other.joints, prediction.joints, settings.pictures)
            if world.is_first and len(rows):
                pictures.write_sheet(folder / "comparison.png", who.samples, who.truth, both, rows)
                say(f"\npictures of both: {folder / 'comparison.png'}")
        if out is not None and world.is_first:
            evaluate.write_json(out, result)


def _of_run(run: Path | None, runs: Path, which: str, overrides: tuple[str, ...], world: World) -> tuple[Trained, Path]:
    """The network of a run or a slim file, and the folder that its results go to."""
    from noda_train import settings as config
    from noda_train.runs import newest_run, trained

    place = run or newest_run(runs)
    subject = trained(place, which, world.device)
    settings = config.for_evaluation(subject.settings, overrides)
    folder = place if place.is_dir() else place.parent
    # A checkpoint that is named as a file lies in its run; a slim file may lie anywhere: nothing is left beside it.
    of_a_run = folder == place or (folder / "settings.json").is_file()
    return replace(subject, settings=settings), folder if of_a_run else _result_folder(runs, place)


def _result_folder(runs: Path, weights: Path) -> Path:
    """Where the results of a weight file go, which has no run folder."""
    folder = runs / f"eval-{weights.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _of_weights(
    weights: Path,
    preset: str | None,
    runs: Path,
    skeleton: Skeleton,
    overrides: tuple[str, ...],
    world: World,
    say: Any,
) -> tuple[Trained, Path]:
    """A network with somebody's weights, and the folder that its results go to."""
    from noda_train import settings as config
    from noda_train.models.weights import own_channels
    from noda_train.runs import from_weights

    if preset is None:
        raise NodaError("--weights needs --preset, the network that the file belongs to (simple_r50, hrnet_w32, ...)")
    channels = own_channels(weights.name)
    if channels and not any(o.startswith("channels=") for o in overrides):
        say(f"{weights.name}: an official pose_resnet file, trained on BGR: channels={channels}")
        overrides = (*overrides, f"channels={channels}")
    subject, report = from_weights(weights, config.load(preset, overrides), skeleton, world.device)
    say(str(report))
    return subject, _result_folder(runs, weights)
