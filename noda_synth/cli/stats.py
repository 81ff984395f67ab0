"""noda-synth stats"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noda_synth.cli.errors import exits
from noda_synth.cli.options import overwrite_option, path_option, skeleton_option, split_option
from noda_synth.figures.style import FORMATS

if TYPE_CHECKING:
    from noda_synth.data.dataset import Dataset


@click.command("stats")
@click.argument("data", type=click.Path(path_type=Path))
@path_option("--against", metavar="DATA2", help="Compare with another set, for instance the one that was rendered.")
@path_option("--scores", help="Accuracy beside the counts: the JSON of `noda-train eval --json`.")
@path_option("--pool", help="The pool DATA was rendered from: bodies are measured by their joints, not their crops.")
@path_option("--out", help="A folder for figures and numbers (stats.json); or FILE.png, .pdf, .svg: Fig. 1 alone.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    default="png",
    show_default=True,
    help="Format of the figures in a folder.",
)
@skeleton_option
@split_option
@overwrite_option
@exits
def command(
    data: Path,
    against: Path | None,
    scores: Path | None,
    pool: Path | None,
    out: Path | None,
    file_format: str,
    skeleton: str | None,
    split: Path | None,
    overwrite: bool,
) -> None:
    """Count the joints of DATA, plain or rendered, a folder or an annotation file, and what its renders cover.

    \b
    Visible, occluded and unknown joints of each kind (before and after, for a rendered set) and how
    that compares with real validation sets; how many joints the renders cover, and where and how large
    what they paste is. docs/data.md explains the figures.

    \b
    Examples:
      noda-synth stats data/mpii
      noda-synth stats data/mpii_noda --out stats --format pdf
      noda-synth stats data/mpii_noda --against data/mpii --out stats
      noda-synth stats data/mpii --scores eval.json --out fig1.pdf
    """

    from noda_synth.data.joint_counts import kinds
    from noda_synth.formats.files.atomic import write_bytes, write_json
    from noda_synth.pool.reader import Pool
    from noda_synth.runs.ownership import check_free, parts_of
    from noda_synth.stats.charts import FIGURES, draw_all, draw_joints
    from noda_synth.stats.scores import read_scores
    from noda_synth.stats.summary import as_json, describe, summarise

    alone = None if out is None else _format_of_file(out)
    names = [f"{name}.{file_format}" for name in FIGURES] + ["stats.json"]
    outputs = [] if out is None else [out] if alone is not None else [out / name for name in names]
    read = [*parts_of(data), *(parts_of(against) if against else []), scores, pool, split]
    for output in outputs:
        check_free(output, read, overwrite=overwrite)
    dataset = _read(data, skeleton, split)
    summary = summarise(
        data,
        dataset,
        None if against is None else (against, _read(against, skeleton, split)),
        None if scores is None else read_scores(scores, kinds(dataset.skeleton)),
        None if pool is None else Pool(pool),
    )
    for line in describe(summary):
        click.echo(line)
    if out is None:
        return
    if alone is not None:
        write_bytes(out, draw_joints(summary, alone))
        click.echo(f"the joints by kind in {out}")
        return
    figures = draw_all(summary, file_format)
    for name, figure in figures.items():
        write_bytes(out / name, figure)
    write_json(out / "stats.json", as_json(summary))
    click.echo(f"{', '.join(figures)} and stats.json in {out}")


def _format_of_file(out: Path) -> str | None:
    """The format of a single figure; None where --out is a folder, whose name may end in .5 or .v2, but not in .jpg."""
    from noda_synth.figures.style import figure_format

    return figure_format(out) if out.suffix[1:].isalpha() and not out.is_dir() else None


def _read(data: Path, skeleton: str | None, split: Path | None) -> Dataset:
    """The annotations of a folder or a file. Of a .mat without split everyone counts as training part."""
    from noda_synth.data.skeleton import skeleton_file
    from noda_synth.formats.layout import find_annotations
    from noda_synth.formats.read import read_dataset

    layout = find_annotations(data) if data.is_dir() else find_annotations(None, data)
    if skeleton is not None:
        layout = replace(layout, skeleton=skeleton_file(skeleton))
    alone = layout.kind == "mpii_mat"
    everyone = alone and split is None and layout.valid is None
    return read_dataset(layout, split=split if alone else None, all_train=everyone)
