"""`noda-train figure`: the paper's Fig. 4, from predictions that are there already."""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.options import overwrite_option
from noda_synth.errors import NodaError
from noda_train.cli.shared import PATH, runs_option


@click.command("figure")
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder, or predictions [default: the newest].")
@runs_option
@click.option("--against", type=PATH, required=True, help="The baseline: a run folder or a file of predictions.")
@click.option("--data", type=PATH, help="Data set whose validation part is shown [default: the run's own].")
@click.option("--out", type=PATH, default=Path("fig4.png"), show_default=True, help="The figure: .png, .pdf or .svg.")
@click.option("--persons", type=click.IntRange(1), default=6, show_default=True, help="How many people are shown.")
@click.option("--person", "ids", multiple=True, metavar="ID", help="Show this one; again for more.")
@click.option(
    "--choose",
    type=click.Choice(["different", "better", "worse"]),
    default="different",
    show_default=True,
    help="Those on whom the numbers of wrong joints differ most; or the run has fewer, or more, than the baseline.",
)
@click.option("--captions", nargs=2, metavar="BASELINE RUN", help="Above the columns [default: the folders' names].")
@click.option("--across", type=click.IntRange(1), default=1, show_default=True, help="People beside one another.")
@click.option("--side", type=click.IntRange(64), default=480, show_default=True, help="Pixels of a panel.")
@overwrite_option
def command(
    run: Path | None,
    runs: Path,
    against: Path,
    data: Path | None,
    out: Path,
    persons: int,
    ids: tuple[str, ...],
    choose: str,
    captions: tuple[str, str] | None,
    across: int,
    side: int,
    overwrite: bool,
) -> None:
    """Draw truth, baseline and run side by side, wrong joints circled in yellow, as the paper's Fig. 4 does.

    Predictions are read from predictions.h5, which `fit` and `eval` leave in a run's folder: no network is needed.

    \b
    Example:
      noda-train figure --run runs/hrnet_w32-mpii_noda-1 --against runs/hrnet_w32-mpii-1 \\
          --captions HRNet-W32 "HRNet-W32 + NODA" --out fig4.png
    """
    import numpy as np

    from noda_synth.figures.style import figure_format
    from noda_synth.runs.ownership import check_free
    from noda_train import evaluate, pictures
    from noda_train import settings as config
    from noda_train.data import load
    from noda_train.metrics import scoring
    from noda_train.runs import newest_run

    figure_format(out)
    run = run or newest_run(runs)
    check_free(out, [*(path for path in (run, against) if path.is_file())], overwrite=overwrite)
    data = data or scoring.data_of(run)
    if data is None:
        raise NodaError(f"{run}: the data set that it was evaluated on is not known, or gone; name one with --data")
    who = evaluate.evaluation_set(load(data), config.load("demo"))
    other, ours = (scoring.read(path, who.evaluator).joints for path in (against, run))
    if unknown := [name for name in ids if name not in who.samples.ids]:
        raise NodaError(f"--person {unknown[0]}: not in the validation part; ids look like {who.samples.ids[0]}")
    rows = (
        np.array([who.samples.ids.index(name) for name in ids], dtype=np.int64)
        if ids
        else pictures.most_different(who.truth, other, ours, persons, choose)
    )
    if not len(rows):
        raise NodaError(f"{run} and {against}: nobody on whom the run is {choose} at {who.truth.followed:g}")
    names = captions or (against.name, run.name)
    if names[0] == names[1]:
        names = (f"{names[0]} (baseline)", names[1])
    shown = dict(zip(names, (other, ours), strict=True))
    pictures.write_sheet(out, who.samples, who.truth, shown, rows, side, min(across, len(rows)))
    wrong = [pictures.wrong_joints(joints, who.truth).sum(1) for joints in (other, ours)]
    for row in rows.tolist():
        click.echo(f"{who.samples.ids[row]}: wrong joints {wrong[0][row]} against {wrong[1][row]} with {names[1]}")
    click.echo(f"{out}: {len(rows)} person{'s' if len(rows) > 1 else ''}")
