"""Options that several commands share, and what they lead to."""

from __future__ import annotations

import errno
import math
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from noda_synth.errors import NodaError, Problem

if TYPE_CHECKING:
    from noda_synth.data.dataset import Dataset
    from noda_synth.formats import Layout
    from noda_synth.runs.staging import Part

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DATA = Path("data/mpii")
_SKELETON = "noda_synth.data.skeleton"
FAILED_SOME = 1


def _part(_context: click.Context, _option: click.Parameter, value: str | None) -> Part | None:
    """`2/4`: the second of four runs that share the work."""
    from noda_synth.runs.staging import Part

    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"{value!r} is no part such as 1/4, 2/4, 3/4 or 4/4")
    return Part(int(match[1]), int(match[2]))


class NumberRange(click.FloatRange):
    """A range of finite numbers: NaN is neither below nor above anything, and would pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def path_option(*names: str, **kwargs: Any) -> Callable[[Command], Command]:
    return click.option(*names, type=click.Path(path_type=Path), **kwargs)


def _keep_skeleton(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    """Keep it where `open_data` finds it: the commands themselves have no use for it."""
    context.meta[_SKELETON] = value


def skeleton_option(**kwargs: Any) -> Callable[[Command], Command]:
    return click.option(
        "--skeleton", metavar="FILE", **kwargs,
        help="The joints: a TOML file, or mpii16, coco17, crowdpose14, lsp14.  [default: told by their names]",
    )  # fmt: skip


def data_options(command: Command) -> Command:
    """--data, --images, --annotations, --skeleton, --split, --all-train, --follow-links."""
    for option in reversed((
        path_option("--data", default=DEFAULT_DATA, show_default=True, help="Data set in the usual layout."),
        path_option("--images", help="The images folder, if it lies elsewhere."),
        path_option("--annotations", help="The annotation file, if it lies elsewhere: MPII JSON or .mat, or COCO."),
        skeleton_option(callback=_keep_skeleton, expose_value=False),
        path_option("--split", help="For the .mat: who is for validation (valid.json, valid.h5, list of image names)."),
        click.option("--all-train", is_flag=True, help="For the .mat: everyone is for training."),
        click.option("--follow-links", is_flag=True, help="Images may be symbolic links out of their folder."),
    )):  # fmt: skip
        command = option(command)
    return command


def objects_options(command: Command) -> Command:
    """--objects, --objects-images."""
    for option in reversed((
        path_option("--objects", help="For --method objects: a folder of PNG cut-outs, or a COCO instances file."),
        path_option("--objects-images", help="The images of that COCO file."),
    )):  # fmt: skip
        command = option(command)
    return command


def seed_option(command: Command) -> Command:
    return click.option("--seed", type=int, default=0, show_default=True, help="Seed of all that is drawn.")(command)


def run_options(command: Command) -> Command:
    """--jobs, --backend, --scheduler, --shard, --overwrite, --max-pixels, -v, -q."""
    for option in reversed((
        click.option("--jobs", type=click.IntRange(1), help="Worker processes.  [default: all cores]"),
        click.option("--backend", type=click.Choice(["local", "dask"]), default="local", show_default=True,
                     help="Work on this machine, or on a Dask cluster that is there."),
        click.option("--scheduler", metavar="ADDRESS", help="The Dask cluster's scheduler: tcp://HOST:8786."),
        click.option("--shard", "part", metavar="I/N", callback=_part,
                     help="Do part I of N; `noda-synth merge` ends the work."),
        click.option("--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True,
                     help="Refuse images whose header claims more pixels."),
        click.option("--overwrite", is_flag=True, help="Replace what is there; start anew after an interruption."),
        click.option("-v", "--verbose", is_flag=True, help="Name every problem, not only the first few."),
        click.option("-q", "--quiet", is_flag=True, help="No progress and no summary, only errors."),
    )):  # fmt: skip
        command = option(command)
    return command


def workers(jobs: int | None) -> int:
    from noda_synth.runs.jobs import default_jobs

    return jobs or default_jobs()


@contextmanager
def crew(jobs: int | None, backend: str, scheduler: str | None) -> Iterator[int]:
    """The number of workers to ask for, on this machine or on the cluster that stands ready meanwhile."""
    if backend == "local":
        if scheduler is not None:
            raise NodaError("--scheduler is for --backend dask; name both or neither")
        yield workers(jobs)
        return
    if scheduler is None:
        raise NodaError("--backend dask needs --scheduler ADDRESS, the tcp://HOST:PORT that dask-scheduler prints")
    if jobs is not None:
        raise NodaError("--jobs is for this machine alone; how many work on a cluster is for its workers to say")
    from noda_synth.runs.jobs import CLUSTER, dask_cluster

    with dask_cluster(scheduler):
        yield CLUSTER


def open_data(
    data: Path,
    images: Path | None,
    annotations: Path | None,
    split: Path | None,
    all_train: bool,
    follow_links: bool,
) -> tuple[Layout, Dataset, dict[str, str]]:
    """The data set that the options name, and the hashes of its annotation files."""
    from noda_synth.data.skeleton import skeleton_file
    from noda_synth.formats import find_layout, read_dataset
    from noda_synth.formats.files.detect import detect
    from noda_synth.runs.staging import fingerprint

    # With a file named and no folder, the default folder has no say in where its neighbours are.
    context = click.get_current_context()
    named = context.get_parameter_source("data") != click.core.ParameterSource.DEFAULT
    layout = find_layout(data if named or annotations is None else None, images, annotations)
    if (skeleton := context.meta.get(_SKELETON)) is not None:
        layout = replace(layout, skeleton=skeleton_file(skeleton))
    if split is not None and layout.valid != split and detect(split) == "mpii_json":
        # The list that splits is also the validation list that the written set carries along.
        layout = replace(layout, valid=split, gt_valid=None)
    dataset = read_dataset(layout, split=split, all_train=all_train)
    if not follow_links:
        _refuse_links(layout, dataset)
    files = {
        "annotations": layout.annotations, "mat": layout.mat, "valid": layout.valid, "split": split,
        "skeleton": layout.skeleton,
    }  # fmt: skip
    inputs = {role: fingerprint(file)[:16] for role, file in files.items() if file}
    return layout, dataset, {**inputs, "all_train": str(all_train)}


def _refuse_links(layout: Layout, dataset: Dataset) -> None:
    """A data set from a stranger could have any picture of this machine copied into the output."""
    from noda_synth.imaging.images import links_out

    valid = (layout.valid_images or layout.images, (person.image for person in dataset.valid))
    for folder, names in ((layout.images, dataset.images), valid):
        found = links_out(folder, names)
        if first := next(found, None):
            raise NodaError(
                f"{1 + sum(1 for _ in found)} images in {folder} are symbolic links that lead out of it, "
                f"{first} for one; "
                "if they are yours, as in a set that render wrote, say --follow-links"
            )


@contextmanager
def going_on(out: Path) -> Iterator[None]:
    """Turn an interruption or a full disk into a word on how to go on."""
    hint = "what is finished is kept: run the same command again to go on"
    try:
        with _first_interrupt():
            yield
    except KeyboardInterrupt:
        from noda_synth.runs.jobs import stop_workers

        stop_workers()
        click.echo(f"\nInterrupted; {hint}.", err=True)
        sys.exit(130)
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise NodaError(f"{out} cannot be written: {why}; {hint}, with that mended") from error


@contextmanager
def _first_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C through and ignore those after it: a second one would cut off the clearing up."""

    def interrupt(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:
            signal.signal(signal.SIGINT, usual)


def tell_problems(problems: Sequence[Problem], verbose: bool, where: Path) -> None:
    """Name the first problems (all if verbose) on stderr, and the file that has them all."""
    shown = problems if verbose else problems[:5]
    for problem in shown:
        click.echo(f"{'failed' if problem.failed else 'note'}: {problem.item}: {problem.reason}", err=True)
    if len(problems) > len(shown):
        click.echo(f"... and {len(problems) - len(shown)} more, all in {where}", err=True)


def leave(problems: Sequence[Problem]) -> None:
    """Exit code 1 if some items failed."""
    if any(problem.failed for problem in problems):
        sys.exit(FAILED_SOME)
