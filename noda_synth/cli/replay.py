"""noda-synth replay"""

from __future__ import annotations

from pathlib import Path

import click

from noda_synth.cli.errors import exits
from noda_synth.cli.options import ObjectsOptions, objects_options, overwrite_option, path_option


@click.command("replay")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--id", "wanted", required=True, help="The image: its id or file name in the manifest.")
@path_option("--images", required=True, help="The folder of the original images.")
@path_option("--pool", help="The pool that the data set was rendered with, if its method needs one.")
@objects_options
@path_option("--out", required=True, help="The file to write.")
@overwrite_option
@exits
def command(
    manifest: Path, wanted: str, images: Path, pool: Path | None, objects: ObjectsOptions, out: Path, overwrite: bool
) -> None:
    """Render one image again from its line in MANIFEST, or in that of the data set MANIFEST, byte for byte.

    \b
    Example:
      noda-synth replay data/mpii_noda/manifest.jsonl --id 015601864_000004 \\
        --images data/mpii/images --pool data/pool.h5 --out again.jpg
    """
    from noda_synth.render.replay import find_line, replay

    replay(find_line(manifest, wanted), images, objects.sources(pool), out, overwrite=overwrite)
    click.echo(f"{out} written")
