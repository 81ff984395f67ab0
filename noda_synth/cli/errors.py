"""How a command ends: exit codes and the last word on stderr."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from noda_synth.errors import NodaError

UNUSABLE, INTERRUPTED = 2, 130
P = ParamSpec("P")
R = TypeVar("R")


def exits(function: Callable[P, R]) -> Callable[P, R]:
    """Turn a NodaError into "Error: ..." and exit code 2, and Ctrl-C into 130. Put it right above the function."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except NodaError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(UNUSABLE)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)

    return guarded
