"""How a command ends: exit codes, and the last words on stderr. It imports nothing heavy."""

from __future__ import annotations

import errno
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from noda_synth.errors import NodaError, Problem

FAILED_SOME, UNUSABLE, INTERRUPTED = 1, 2, 130
_OF_THE_WHOLE = ("leak", "scale")
"""Stages of problems that are about a whole data set, and that a user should not miss among others."""
P = ParamSpec("P")
R = TypeVar("R")


def exits(function: Callable[P, R]) -> Callable[P, R]:
    """Turn a NodaError, and what the system or the memory refuses, into "Error: ..." and exit code 2, and Ctrl-C or
    SIGTERM into 130.

    Put it right above the function.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            # Without, what a command was writing would stay behind under a passing name.
            with first_as_interrupt(signal.SIGTERM):
                return function(*args, **kwargs)
        except NodaError as error:
            click.echo("\n".join(map(_printable, f"Error: {error}".split("\n"))), err=True)
            sys.exit(UNUSABLE)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read what is printed has gone, which click answers
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            click.echo(_printable(f"Error: {where}{error.strerror or error}"), err=True)
            sys.exit(UNUSABLE)
        except MemoryError as error:
            what = f" ({error})" if str(error) else ""
            click.echo(
                f"Error: the memory does not suffice{what}; lower --jobs, or raise the limit (ulimit -v)", err=True
            )
            sys.exit(UNUSABLE)
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)

    return guarded


@contextmanager
def first_as_interrupt(number: signal.Signals, *, ignored_after: bool = False) -> Iterator[None]:
    """Answer the first signal of a number as Ctrl-C, and ignore those after it, which would cut off the tidying up;
    with `ignored_after` also when the block has ended."""

    def interrupt(_signal: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(number, interrupt)
    try:
        yield
    finally:
        if not ignored_after or signal.getsignal(number) is interrupt:
            signal.signal(number, usual)


def exit_with(problems: Sequence[Problem]) -> None:
    """Exit code 1 if some items failed."""
    if any(problem.failed for problem in problems):
        sys.exit(FAILED_SOME)


def echo_warnings(problems: Sequence[Problem], quiet: bool) -> None:
    """The first lines of a summary: what is doubtful about the whole data set. On stderr where there is no summary."""
    for problem in problems:
        if problem.stage in _OF_THE_WHOLE:
            click.echo(f"warning: {problem.item}: {problem.reason}", err=quiet)


def echo_problems(problems: Sequence[Problem], verbose: bool = True, where: Path | None = None) -> None:
    """Name the first problems (all if verbose) on stderr, but for `echo_warnings`, and the file that has them all."""
    count = sum(problem.stage not in _OF_THE_WHOLE for problem in problems)
    rest = (problem for problem in problems if problem.stage not in _OF_THE_WHOLE)
    shown = islice(rest, count if verbose else 5)
    lines = [f"{'failed' if problem.failed else 'note'}: {problem.item}: {problem.reason}" for problem in shown]
    echo_some(lines, count, f"all in {where}", err=True)


def echo_some(lines: Sequence[str], count: int, hint: str = "-v names all", *, err: bool = False) -> None:
    """Print the lines, which are the first of so many, and how many more there are."""
    for line in lines:
        click.echo(_printable(line), err=err)
    if count > len(lines):
        indent = " " * (len(lines[0]) - len(lines[0].lstrip())) if lines else ""
        click.echo(f"{indent}... and {count - len(lines)} more; {hint}", err=err)


def _printable(line: str) -> str:
    """A line in which names show what else a terminal would act upon, or could not show: line ends, escape sequences,
    half a surrogate pair."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)


def echo_unchanged(out: Path, quiet: bool) -> None:
    """Say that there is nothing to do."""
    if not quiet:
        click.echo(f"{out} is there already, made with the same settings; nothing to do.")
