"""The command line. Each command is a thin module of this package, imported only when it is called for."""

from __future__ import annotations

import click

from noda_synth.cli import CONTEXT, LazyGroup
from noda_synth.version import __version__

COMMANDS = {
    "fit": "Train a network by a preset.",
    "eval": "Evaluate a run, public weights, or anybody's predictions.",
    "predict": "Predict the joints of people in a list without truth, for MPII's server.",
    "figure": "Draw two runs side by side on the people where they differ most.",
    "export": "Write a trained network for use elsewhere: ONNX, slim weights.",
    "bench": "Measure samples/s of the data path, of the network, and of both.",
    "models": "List the networks: parameters and state-dict entries.",
    "table": "Run a table of the paper: render, train, evaluate, compare.",
}
MODULES = {"eval": "evaluate"}


@click.group(cls=LazyGroup, package=__name__, summaries=COMMANDS, modules=MODULES, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="noda-train")
def main() -> None:
    """Train and evaluate pose networks on MPII, on COCO's sets, and on what `noda-synth render` made of them.

    \b
    Examples:
      noda-train fit hrnet --data data/mpii_noda
      noda-train fit simple --data data/mpii --set augment=mpii --set seed=1
      noda-train fit --resume --run runs/hrnet_w32-mpii_noda-1
      noda-train eval --against runs/hrnet_w32-mpii-1
      noda-train eval --predictions pred.mat --truth data/mpii/annot/gt_valid.mat
      noda-train eval --predictions results.json --truth person_keypoints_val2017.json
    """
