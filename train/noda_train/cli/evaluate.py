"""`noda-train eval`: numbers of a run, of public weights, or of anybody's predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from noda_synth.errors import NodaError
from noda_train.cli.shared import PATH, checkpoint_option, data_option, json_option, runs_option, set_option


@click.command("eval")
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder or slim weight file [default: the newest run].")
@runs_option
@data_option
@checkpoint_option
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
@json_option
@click.option("--results", type=PATH, help="Folder for predictions and scores [default: the run's].")
@click.option("--decode", type=click.Choice(["quarter", "dark"]), help="How joints are read off heatmaps.")
@click.option(
    "--off-centre",
    is_flag=False,
    flag_value="table",
    metavar="ERROR",
    help="Crops that are off, by so much of their side at most (0.1); without a number a table of 0, .05, .1, .2.",
)
@click.option("--boxes", "detections", type=PATH, help="Crops by a detector's boxes: COCO results with `bbox`.")
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
    results: Path | None,
    decode: str | None,
    off_centre: str | None,
    detections: Path | None,
    mean_pose: bool,
    overrides: tuple[str, ...],
) -> None:
    """Evaluate a run, public weights, or anybody's predictions: visible and occluded joints apart.

    PCKh for MPII; for sets in COCO's form PCK in box sizes, OKS, and AP by pycocotools. On a
    benchmark that `noda-synth benchmark` wrote (as --data, or as --truth of a folder of
    predictions): the scores on its clean images and its twins, and how far they drop. Where
    the data set marks other joints than the run's, those of the same name are judged.

    \b
    Settings that matter here: decode (quarter, dark), flip_test, channels (rgb, bgr), batch, device, pictures.
    """
    from noda_synth.benchmark.folder import is_benchmark
    from noda_train.outputs import check_writable

    check_writable(out)
    errors = _errors(off_centre)
    if predictions is not None:
        _check_unused("is for networks; leave it out", off_centre=off_centre, boxes=detections, results=results)
        if truth is None:
            raise NodaError(
                "--predictions needs --truth: gt_valid.mat, an MPII valid.json, a COCO file, or a benchmark"
            )
        if is_benchmark(truth):
            _check_unused("is not for a benchmark; leave it out", visible=visible, against=against)
            _score_benchmark(predictions, truth, out)
        else:
            _score_file(predictions, truth, visible, against, out)
        return
    _check_unused(
        "is for --predictions; the data set of a run or of weights is named by --data", truth=truth, visible=visible
    )
    from noda_train.cli.networks import Choice, Crops, evaluate, evaluate_off_centre, evaluate_on_benchmark

    choice = Choice(
        run, runs, which, weights, preset, (*overrides, f"decode={decode}") if decode else overrides, results
    )
    if data is not None and is_benchmark(data):
        _check_unused("is not for a benchmark; leave it out", against=against, mean_pose=mean_pose)
        _check_unused("is not for a benchmark; leave it out", off_centre=off_centre, boxes=detections)
        evaluate_on_benchmark(choice, data, out)
    elif len(errors) > 1:
        _check_unused("goes with one number of --off-centre, not with its table", against=against, mean_pose=mean_pose)
        evaluate_off_centre(choice, data, out, Crops(errors, detections))
    else:
        evaluate(choice, data, against, out, mean_pose, Crops(errors, detections))


def _errors(text: str | None) -> tuple[float, ...]:
    """The errors of the crops: one, or those of the table."""
    if text == "table":
        from noda_train.boxes import ERRORS

        return ERRORS
    try:
        error = 0.0 if text is None else float(text)
    except ValueError:
        error = -1.0
    if not 0 <= error < 1:
        raise NodaError(f"--off-centre {text}: a share of the crop's side, 0 or more and below 1, or `table`")
    return (error,)


def _check_unused(reason: str, **options: object) -> None:
    """NodaError for the first option that is given though it says nothing here."""
    for name, value in options.items():
        if value:
            raise NodaError(f"--{name.replace('_', '-')} {reason}")


def _score_benchmark(predictions: Path, data: Path, out: Path | None) -> None:
    from noda_train import occlusion_benchmark

    result = occlusion_benchmark.score(predictions, occlusion_benchmark.read(data))
    click.echo(occlusion_benchmark.format_table(result))
    _write(out, result)


def _score_file(predictions: Path, truth: Path, visible: Path | None, against: Path | None, out: Path | None) -> None:
    from noda_train.metrics import scoring, tables

    result = scoring.score_file(predictions, truth, visible, against)
    click.echo(tables.format_numbers(result))
    if against is not None:
        click.echo("\n" + tables.format_comparison(result["against"]))
    _write(out, result)


def _write(out: Path | None, result: dict[str, Any]) -> None:
    from noda_train.outputs import write_json

    if out is not None:
        write_json(out, result)
