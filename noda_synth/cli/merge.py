"""noda-synth merge, and the note that a run with --shard writes for it"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noda_synth.cli.errors import echo_problems, echo_warnings, exit_with, exits
from noda_synth.cli.options import RunOptions, jobs_option, quiet_option
from noda_synth.errors import NodaError, Problem

if TYPE_CHECKING:
    from noda_synth.runs.staging import Part

_COMMAND = "command.json"


@click.command("merge")
@click.argument("out", type=click.Path(path_type=Path))
@jobs_option
@quiet_option
@exits
def command(out: Path, jobs: int | None, quiet: bool) -> None:
    """Put together what runs of build-pool or render with --shard have done for OUT.

    The folders OUT.shard-I-of-N have to lie beside OUT, all of them; the data set has to be where the runs found it.

    \b
    Examples:
      noda-synth build-pool --shard 1/2 && noda-synth build-pool --shard 2/2 && noda-synth merge data/pool.h5
      noda-synth merge data/mpii_noda
    """
    name, argv = _command_of(out)
    if jobs:
        argv += ["--jobs", str(jobs)]
    if quiet:
        argv += ["--quiet"]
    module = import_module(f"noda_synth.cli.{name.replace('-', '_')}")
    module.command.main(argv, prog_name=f"noda-synth {name}")


def end_part(out: Path, part: Part, problems: Sequence[Problem], run: RunOptions) -> None:
    """Note that a part is done, so that it can be merged, and say how to go on."""
    from noda_synth.formats.files.atomic import write_atomically
    from noda_synth.runs.staging import Staging

    folder = Staging(out, part).folder
    context = click.get_current_context()
    note = {"command": context.command.name, "words": list(_argv(context))}
    write_atomically(folder / _COMMAND, json.dumps(note))
    echo_warnings(problems, run.quiet)
    if not run.quiet:
        click.echo(f"part {part.number} of {part.of} is done, in {folder}; with all of them: noda-synth merge {out}")
    echo_problems(problems, run.verbose, folder)
    exit_with(problems)


def _argv(context: click.Context) -> Iterator[str]:
    """The words of the command line that decide what is made."""
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if not given or name in ("part", "jobs", "backend", "scheduler", "overwrite", "verbose", "quiet"):
            continue
        value = context.params[name]
        times = value if getattr(parameter, "multiple", False) else [value]
        for each in times:
            yield parameter.opts[0]
            if not getattr(parameter, "is_flag", False):
                yield from map(str, each if isinstance(each, tuple) else [each])


def _command_of(out: Path) -> tuple[str, list[str]]:
    """The command whose parts lie beside `out`, with its arguments. Raises NodaError if they are not all there."""
    from noda_synth.runs.staging import part_folders

    folders = part_folders(out)
    if not folders:
        raise NodaError(f"nothing to merge beside {out}; run build-pool or render with --shard 1/N, 2/N, ... first")
    counts = sorted({part.of for part in folders})
    if len(counts) > 1:
        raise NodaError(f"beside {out} there are parts of {counts[0]} and of {counts[1]}; remove those not wanted")
    done: dict[int, Any] = {}
    for part, folder in folders.items():
        try:
            done[part.number] = json.loads((folder / _COMMAND).read_text())
        except FileNotFoundError:
            continue
    missing = [f"{number}/{counts[0]}" for number in range(1, counts[0] + 1) if number not in done]
    if missing:
        raise NodaError(
            f"{', '.join(missing)} of {out} is not done yet; run the same command with --shard {missing[0]}"
        )
    if any(other != done[1] for other in done.values()):
        raise NodaError(f"the parts of {out} were not run with the same options; run them again with the same")
    return str(done[1]["command"]), list(done[1]["words"])
