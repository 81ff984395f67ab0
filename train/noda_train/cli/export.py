"""`noda-train export`: a trained network for use elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.options import overwrite_option
from noda_synth.errors import NodaError
from noda_train.cli.shared import PATH, checkpoint_option, runs_option


@click.command("export")
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder [default: the newest run].")
@runs_option
@checkpoint_option
@click.option("--onnx", type=PATH, help="Write an ONNX file, checked against torch with onnxruntime.")
@click.option("--slim", type=PATH, help="Write a weight file without optimiser, with the settings in it.")
@overwrite_option
def command(run: Path | None, runs: Path, which: str, onnx: Path | None, slim: Path | None, overwrite: bool) -> None:
    """Write a trained network for use elsewhere.

    \b
    Example:
      noda-train export --onnx hrnet.onnx --slim hrnet.pt
    """
    import torch

    from noda_synth.runs.ownership import check_free
    from noda_train import export as exporting
    from noda_train.runs import load_run, newest_run

    if onnx is None and slim is None:
        raise NodaError("nothing to write: name --onnx FILE, --slim FILE, or both")
    run = run or newest_run(runs)
    for out in (slim, onnx):
        if out is not None:
            check_free(out, [run if run.is_file() else run / f"{which}.pt"], overwrite=overwrite)
    trained = load_run(run, which, torch.device("cpu"))
    if slim is not None:
        exporting.write_slim(slim, trained)
        click.echo(f"{slim}: {slim.stat().st_size / 1e6:.1f} MB; `noda-train eval --run {slim}` evaluates it")
    if onnx is not None:
        difference = exporting.write_onnx(onnx, trained)
        click.echo(f"{onnx}: {onnx.stat().st_size / 1e6:.1f} MB; differs from torch by {difference:.1e} at most")
