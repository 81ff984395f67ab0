"""`noda-train fit`: training by a preset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
    from noda_train.distributed import World
    from noda_train.settings import Settings


@click.command("fit")
@click.argument("preset", required=False)
@data_option
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder [default: a new one in --runs].")
@runs_option
@click.option("--weights", help="imagenet, none, auto, or a file: short for --set weights=...")
@click.option("--resume", is_flag=True, help="Go on with --run [default: the newest] from its last checkpoint.")
@set_option
def command(
    preset: str | None,
    data: Path | None,
    run: Path | None,
    runs: Path,
    weights: str | None,
    resume: bool,
    overrides: tuple[str, ...],
) -> None:
    """Train a network by a preset (simple, hrnet, simple_r18, ..., demo, overfit, or a TOML file).

    \b
    Example:
      noda-train fit hrnet --data data/mpii_noda

    With several GPUs or machines: torchrun --nproc-per-node 4 -m noda_train fit hrnet --run-dir runs/big
    (torchrun takes --run for an abbreviation of an option of its own.)
    """
    from noda_train import distributed, evaluate
    from noda_train import settings as config
    from noda_train.data import load
    from noda_train.fit import fit as train
    from noda_train.runs import in_order_of_channels

    note = ""
    if resume:
        run, settings, trained_on = _resumed(run, runs, overrides)
        data = data or trained_on
    elif preset is None:
        raise NodaError(f"which preset? {', '.join([*config.ALIASES, *config.presets()])}; or --resume")
    else:
        settings = config.load(preset, [*overrides, *([f"weights={weights}"] if weights else [])])
        settings, note = in_order_of_channels(settings, Path(settings.weights), overrides)
    parts = load(data or DEFAULT_DATA)
    with distributed.init_distributed(settings.device) as world:
        run = _run_folder(run, runs, settings, data or DEFAULT_DATA, resume, world)
        echo = speaker(world)
        echo(f"{settings.model} on {parts.layout.annotations} -> {run}")
        if note:
            echo(note)
        for problem in parts.problems[:5]:
            echo(f"note: {problem}")
        try:
            state = train(parts, settings, run, world, echo, resume)
        except KeyboardInterrupt:
            echo(f"interrupted; go on with: noda-train fit --resume --run {run}")
            raise
        if settings.validate_every:
            validation = evaluate.evaluation_set(parts, settings)
            origin = {"checkpoint": "last", "epoch": str(state.epoch), "run": run.name}
            origin["data"] = str(parts.data)
            prediction, result = evaluate.evaluate_network(state.evaluated, validation, settings, world, run, origin)
            report(validation, prediction.joints, result, settings, run, echo, world)
            echo(
                f"best epoch on the validation set: {state.best[1]} with {state.best[0]:.1f}; the table is of the last"
            )


def _resumed(run: Path | None, runs: Path, overrides: tuple[str, ...]) -> tuple[Path, Settings, Path | None]:
    from noda_train import checkpoint
    from noda_train import settings as config
    from noda_train.runs import newest_run

    run = run or newest_run(runs)
    path = run / "last.pt"
    content = checkpoint.load(path)
    data = content.get("data")
    return run, config.override(checkpoint.settings_of(content, path), overrides), Path(data) if data else None


def _run_folder(run: Path | None, runs: Path, settings: Settings, data: Path, resume: bool, world: World) -> Path:
    """The run folder, the same in all processes; one that was used is only for --resume."""
    from noda_train.runs import new_run

    if world.is_first and not resume:
        run = run or new_run(runs, settings.preset, data)
        if (run / "last.pt").exists():
            raise NodaError(f"{run}: has a checkpoint; go on with --resume, or choose another --run")
        run.mkdir(parents=True, exist_ok=True)
    first: Path | None = world.gather(run)[0]
    assert first is not None
    return first
