"""The command line. Each command is a thin module of this package, imported only when it is called for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from io import TextIOWrapper
from typing import Any

import click

from noda_synth.cli.errors import UNUSABLE, exits
from noda_synth.version import __version__

COMMANDS = {
    "demo-data": "Draw a demo data set of articulated people, with exact truth.",
    "build-pool": "Cut the people of a data set out into a pool of bodies.",
    "render": "Write an occluded copy of a data set.",
    "benchmark": "Write the occluded benchmark of the validation part, or verify one.",
    "merge": "Put together what `--shard` runs of build-pool or render have done.",
    "convert": "Convert annotations: MPII .mat, MPII JSON, COCO keypoints.",
    "preview": "Draw contact sheets of a pool or of a rendered data set.",
    "levels": "Draw people of a pool at all mask levels, for print (the paper's Fig. 3).",
    "stats": "Count joints by kind and state, and what renders cover.",
    "report": "Write one HTML page about a rendered data set: figures and all renders.",
    "validate": "Check a data set for what a trainer would trip over.",
    "replay": "Render one image again from its line in the manifest.",
}


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class LazyGroup(click.Group):
    """Lists its commands without importing them, so that --help answers at once, and ends as `exits` has it.

    `summaries` has a line about each command. Its module in `package` has the same name, with underscores, or the one
    that `modules` says.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        summaries: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.package, self.summaries, self.modules = package, summaries, modules or {}

    def invoke(self, ctx: click.Context) -> Any:
        return exits(super().invoke)(ctx)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """On Windows say how to run it: locks of files, and reads at an offset, are those of Linux and macOS.

        What an output cannot show, because of its encoding or for a name that is no text, is escaped there.
        """
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        if os.name == "nt":
            click.echo("Error: noda-synth runs on Linux and macOS; on Windows install and run it in WSL.", err=True)
            sys.exit(UNUSABLE)
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.summaries:
            return None
        name = self.modules.get(cmd_name, cmd_name.replace("-", "_"))
        module = importlib.import_module(f"{self.package}.{name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not (near := get_close_matches(args[0], self.summaries, n=1)):
                raise
            raise click.UsageError(f"{error.format_message()} Did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))


@click.group(cls=LazyGroup, package=__name__, summaries=COMMANDS, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="noda-synth")
def main() -> None:
    """Occlusion-augmented copies of human pose data sets, made from their own people (NODA).

    \b
    Examples:
      noda-synth demo-data data/demo
      noda-synth build-pool --data data/demo --out data/demo_pool.h5
      noda-synth render --data data/demo --pool data/demo_pool.h5 --out data/demo_noda --ratio 0.5
    """
