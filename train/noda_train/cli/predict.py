"""`noda-train predict`: the joints of people in a list without truth."""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.options import overwrite_option
from noda_train.cli.shared import PATH, checkpoint_option, runs_option, set_option


@click.command("predict")
@click.argument("people", type=PATH)
@click.option("--run", "--run-dir", "run", type=PATH, help="Run folder or slim weight file [default: the newest run].")
@runs_option
@checkpoint_option
@click.option("--images", type=PATH, help="Where the images lie [default: the images folder near the list].")
@click.option("--out", type=PATH, required=True, help=".mat in the form that MPII's server takes, or .h5.")
@overwrite_option
@set_option
def command(
    people: Path,
    run: Path | None,
    runs: Path,
    which: str,
    images: Path | None,
    out: Path,
    overwrite: bool,
    overrides: tuple[str, ...],
) -> None:
    """Predict the joints of the PEOPLE in a JSON list without truth, such as MPII's test.json.

    Each record has image, center and scale; joints are not looked at. OUT is a .mat with `pred`, a
    struct array as MPII's evaluation kit has it: one element an image in the order of the list, with
    image.name and annorect(i).annopoints.point(j).x, .y (1-based) and .id (0 to 15); or a .h5 with
    `preds` (N, 16, 2), 1-based, in the order of the list.

    \b
    Example:
      noda-train predict data/mpii/annot/test.json --run runs/hrnet_w32-mpii-1 --out pred_keypoints_mpii.mat
    """
    from noda_synth.runs.ownership import check_free
    from noda_train import distributed
    from noda_train.cli.networks import Choice, predict_list

    check_free(out, [people, images], overwrite=overwrite)
    choice = Choice(run, runs, which, None, None, overrides)
    with distributed.init_distributed(choice.device) as world:
        count, pictures = predict_list(choice, people, images, out, world)
        if world.is_first:
            click.echo(f"{out}: {count} people on {pictures} images")
