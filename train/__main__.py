"""The command line: `python -m train fit|eval|export|bench|models`. Each command is a thin function over a module."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noda_synth.errors import NodaError

if TYPE_CHECKING:
    from train.config import Settings
    from train.data import Parts
    from train.distributed import World
    from train.runs import Trained

PATH = click.Path(path_type=Path)
data_option = click.option("--data", type=PATH, help="Data set in MPII's layout [default: data/mpii_noda].")
set_option = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting.")
runs_option = click.option("--runs", type=PATH, default=Path("runs"), show_default=True, help="Where runs live.")
DEFAULT_DATA = Path("data/mpii_noda")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Train and evaluate pose networks on MPII and on sets that `noda-synth render` wrote.

    \b
    Examples:
      python -m train fit hrnet --data data/mpii_noda
      python -m train fit simple --data data/mpii --set augment=mpii --set seed=1
      python -m train fit --resume --run runs/hrnet_w32-mpii_noda-1
      python -m train eval --against runs/hrnet_w32-mpii-1
      python -m train eval --predictions pred.mat --truth data/mpii/annot/gt_valid.mat
    """


@cli.command()
@click.argument("preset", required=False)
@data_option
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder [default: a new one in --runs].")
@runs_option
@click.option("--weights", help="imagenet, none, auto, or a file: short for --set weights=...")
@click.option("--resume", is_flag=True, help="Go on with --run [default: the newest] from its last checkpoint.")
@set_option
def fit(
    preset: str | None,
    data: Path | None,
    run: Path | None,
    runs: Path,
    weights: str | None,
    resume: bool,
    overrides: tuple[str, ...],
) -> None:
    """Train a network by a preset (simple, hrnet, simple_r18, ..., demo, overfit, or a TOML file).

    With several GPUs or machines: torchrun --nproc-per-node 4 -m train fit hrnet --run-dir runs/big
    (torchrun takes --run for an abbreviation of an option of its own.)
    """
    from train import config, distributed, evaluate
    from train.data import load
    from train.fit import fit as train

    if resume:
        run, settings, trained_on = _resumed(run, runs, overrides)
        data = data or trained_on
    elif preset is None:
        raise NodaError(f"which preset? {', '.join([*config.ALIASES, *config.presets()])}; or --resume")
    else:
        settings = config.load(preset, [*overrides, *([f"weights={weights}"] if weights else [])])
    parts = load(data or DEFAULT_DATA)
    with distributed.joined(settings.device) as world:
        run = _claimed(run, runs, settings, data or DEFAULT_DATA, resume, world)
        say = _speaker(world)
        say(f"{settings.model} on {parts.layout.annotations} -> {run}")
        for problem in parts.problems[:5]:
            say(f"note: {problem}")
        try:
            state = train(parts, settings, run, world, say, resume)
        except KeyboardInterrupt:
            say(f"interrupted; go on with: python -m train fit --resume --run {run}")
            raise
        if settings.validate_every:
            who = evaluate.subject(parts, settings)
            origin = {"checkpoint": "last", "epoch": str(state.epoch), "run": run.name}
            prediction, result = evaluate.evaluate_network(state.evaluated, who, settings, world, run, origin)
            _report(who, prediction.joints, result, settings, run, say, world)
            say(f"best epoch on the validation set: {state.best[1]} with {state.best[0]:.1f}; the table is of the last")


def _resumed(run: Path | None, runs: Path, overrides: tuple[str, ...]) -> tuple[Path, Settings, Path | None]:
    from train import checkpoint, config
    from train.runs import newest_run

    run = run or newest_run(runs)
    path = run / "last.pt"
    content = checkpoint.load(path)
    data = content.get("data")
    return run, config.override(checkpoint.settings_of(content, path), overrides), Path(data) if data else None


def _claimed(run: Path | None, runs: Path, settings: Settings, data: Path, resume: bool, world: World) -> Path:
    """The run folder, the same in all processes; one that was used is only for --resume."""
    from train.runs import new_run

    if world.is_first and not resume:
        run = run or new_run(runs, settings.preset, data)
        if (run / "last.pt").exists():
            raise NodaError(f"{run}: has a checkpoint; go on with --resume, or choose another --run")
        run.mkdir(parents=True, exist_ok=True)
    first: Path | None = world.gather(run)[0]
    assert first is not None
    return first


def _speaker(world: World) -> Any:
    return click.echo if world.is_first else (lambda _text: None)


def _report(who: Any, joints: Any, result: Any, settings: Settings, run: Path, say: Any, world: World) -> None:
    from train import pckh, pictures

    say("\n" + pckh.format_table(result) + "\n")
    if settings.pictures and world.is_first:
        rows = pictures.most_occluded(who.truth, settings.pictures)
        picture = pictures.sheet(who.samples, who.truth, {run.name: joints}, rows)
        pictures.write(run / "predictions.png", picture)
        say(f"pictures of the {len(rows)} most occluded persons: {run / 'predictions.png'}")


@cli.command("eval")
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder or slim weight file [default: the newest run].")
@runs_option
@data_option
@click.option("--checkpoint", "which", type=click.Choice(["last", "best"]), default="last", show_default=True)
@click.option("--weights", type=PATH, help="Evaluate a public MPII weight file instead of a run; needs --preset.")
@click.option("--preset", help="The network that --weights belongs to.")
@click.option("--predictions", type=PATH, help="Score this file (h5 or mat with `preds`); needs --truth.")
@click.option("--truth", type=PATH, help="gt_valid.mat, or an MPII valid.json.")
@click.option("--visible", type=PATH, help="Visibility, where --truth has none: h5, mat or json.")
@click.option("--against", type=PATH, help="Compare with another run, or a file of predictions.")
@click.option("--json", "out", type=PATH, help="Write the numbers here, too.")
@click.option("--decode", type=click.Choice(["quarter", "dark"]), help="How joints are read off heatmaps.")
@click.option("--mean-pose", is_flag=True, help="Score the training set's mean pose beside it.")
@set_option
def evaluate_command(
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
    """Evaluate a run, public weights, or anybody's predictions: PCKh with visible and occluded joints apart.

    \b
    Settings that matter here: decode (quarter, dark), flip_test, channels (rgb, bgr), batch, device, pictures.
    """
    from train import evaluate, pckh
    from train.truth import read_truth

    if predictions is not None:
        if truth is None:
            raise NodaError("--predictions needs --truth: gt_valid.mat, or an MPII valid.json")
        result = evaluate.score_file(predictions, truth, visible)
        click.echo(pckh.format_table(result))
        if against is not None:
            known = read_truth(truth, visible)
            difference = evaluate.compare(evaluate.predictions_of(predictions), against, known)
            click.echo("\n" + pckh.format_comparison(difference))
            result["against"] = difference
        if out is not None:
            evaluate.write_json(out, result)
        return
    overrides = (*overrides, f"decode={decode}") if decode else overrides
    _evaluate_network(run, runs, data, which, weights, preset, against, out, mean_pose, overrides)


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
    from train import distributed, evaluate, pckh, pictures
    from train.data import load

    device = next((o.partition("=")[2] for o in overrides if o.startswith("device=")), "auto")
    with distributed.joined(device) as world:
        say = _speaker(world)
        subject, folder = _network(run, runs, which, weights, preset, overrides, world, say)
        settings = subject.settings
        parts: Parts = load(data or subject.data or DEFAULT_DATA)
        who = evaluate.subject(parts, settings)
        origin = {"checkpoint": subject.source.name, "epoch": str(subject.epoch), "run": folder.name}
        prediction, result = evaluate.evaluate_network(subject.network, who, settings, world, folder, origin)
        say(f"{subject.source}, {settings.model}, on {parts.layout.valid}")
        _report(who, prediction.joints, result, settings, folder, say, world)
        if mean_pose:
            base = pckh.evaluate(evaluate.mean_pose(parts.train, who.samples), who.truth)
            result["mean_pose"] = base["thresholds"]
            ours, least = (r["thresholds"]["0.5"]["all"]["mean"] for r in (result, base))
            say(f"the training set's mean pose: {least:.1f}; this network: {ours:.1f} ({ours - least:+.1f} points)")
        if against is not None:
            result["against"] = evaluate.compare(prediction.joints, against, who.truth)
            say("\n" + pckh.format_comparison(result["against"]))
            if world.is_first and settings.pictures:
                both = {against.name: evaluate.predictions_of(against), folder.name: prediction.joints}
                rows = pictures.most_different(who.truth, both, settings.pictures)
                pictures.write(folder / "comparison.png", pictures.sheet(who.samples, who.truth, both, rows))
                say(f"\npictures of both: {folder / 'comparison.png'}")
        if out is not None and world.is_first:
            evaluate.write_json(out, result)


def _network(
    run: Path | None,
    runs: Path,
    which: str,
    weights: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    world: World,
    say: Any,
) -> tuple[Trained, Path]:
    """The network to evaluate, and the folder that its results go to."""
    from train import config
    from train.models.weights import own_channels
    from train.runs import from_weights, newest_run, trained

    if weights is None:
        place = run or newest_run(runs)
        subject = trained(place, which, world.device)
        settings = config.for_evaluation(subject.settings, overrides)
        return replace(subject, settings=settings), place if place.is_dir() else place.parent
    if preset is None:
        raise NodaError("--weights needs --preset, the network that the file belongs to (simple_r50, hrnet_w32, ...)")
    channels = own_channels(weights.name)
    if channels and not any(o.startswith("channels=") for o in overrides):
        say(f"{weights.name}: an official pose_resnet file, trained on BGR: channels={channels}")
        overrides = (*overrides, f"channels={channels}")
    subject, report = from_weights(weights, config.load(preset, overrides), world.device)
    say(str(report))
    folder = runs / f"eval-{weights.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    return subject, folder


@cli.command()
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder [default: the newest run].")
@runs_option
@click.option("--checkpoint", "which", type=click.Choice(["last", "best"]), default="last", show_default=True)
@click.option("--onnx", type=PATH, help="Write an ONNX file, checked against torch with onnxruntime.")
@click.option("--slim", type=PATH, help="Write a weight file without optimiser, with the settings in it.")
def export(run: Path | None, runs: Path, which: str, onnx: Path | None, slim: Path | None) -> None:
    """Write a trained network for use elsewhere.

    \b
    Example:
      python -m train export --onnx hrnet.onnx --slim hrnet.pt
    """
    import torch

    from train import export as exporting
    from train.runs import newest_run, trained

    if onnx is None and slim is None:
        raise NodaError("nothing to write: name --onnx FILE, --slim FILE, or both")
    subject = trained(run or newest_run(runs), which, torch.device("cpu"))
    if slim is not None:
        exporting.write_slim(slim, subject)
        click.echo(f"{slim}: {slim.stat().st_size / 1e6:.1f} MB; `python -m train eval --run {slim}` evaluates it")
    if onnx is not None:
        difference = exporting.write_onnx(onnx, subject)
        click.echo(f"{onnx}: {onnx.stat().st_size / 1e6:.1f} MB; differs from torch by {difference:.1e} at most")


@cli.command()
@click.option("--data", type=PATH, required=True, help="Data set in MPII's layout, full-size images.")
@click.option("--preset", default="simple_r18", show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--persons", type=click.IntRange(1), default=512, show_default=True, help="At most so many.")
@click.option("--training/--no-training", default=True, help="Measure training as well [default: yes].")
@click.option("--json", "out", type=PATH, help="Write the numbers here, too.")
@set_option
def bench(
    data: Path, preset: str, repeats: int, persons: int, training: bool, out: Path | None, overrides: tuple[str, ...]
) -> None:
    """Samples/s of the data path per core, of the network on ready tensors, and of training end to end."""
    from train import config, evaluate
    from train.bench import bench as measure
    from train.bench import format_bench

    result = measure(data, config.load(preset, overrides), persons, repeats, training)
    click.echo(format_bench(result))
    if out is not None:
        evaluate.write_json(out, result)


@cli.command()
@click.option("--keys", metavar="MODEL", help="List the state-dict keys and shapes of one network.")
def models(keys: str | None) -> None:
    """The networks: parameters and state-dict entries, with 16 joints."""
    from train.config import CHOICES
    from train.models import build, parameter_count

    if keys is not None:
        if keys not in CHOICES["model"]:
            raise NodaError(f"no network {keys}; there are {', '.join(CHOICES['model'])}")
        for key, value in build(keys).state_dict().items():
            click.echo(f"{key} {tuple(value.shape)}")
        return
    for name in CHOICES["model"]:
        network = build(name)
        click.echo(f"{name:12} {parameter_count(network):>12,} parameters {len(network.state_dict()):>5} entries")


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


if __name__ == "__main__":
    main()
