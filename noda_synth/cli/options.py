"""Options that several commands share, and what they lead to."""

from __future__ import annotations

import errno
import functools
import math
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from noda_synth.cli.errors import INTERRUPTED, first_as_interrupt
from noda_synth.errors import NodaError

if TYPE_CHECKING:
    from noda_synth.data.dataset import Dataset
    from noda_synth.formats import Layout
    from noda_synth.methods import Sources
    from noda_synth.runs.jobs import Execution
    from noda_synth.runs.staging import Part

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_DATA = Path("data/mpii")


def _part(_context: click.Context, _option: click.Parameter, value: str | None) -> Part | None:
    """`2/4`: the second of four runs that share the work."""
    from noda_synth.runs.staging import Part

    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"{value!r} is no part; write I/N, for example 2/4")
    return Part(int(match[1]), int(match[2]))


class NumberRange(click.FloatRange):
    """A range of finite numbers: NaN is neither below nor above anything, and would pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Quality(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click alone
    """The quality of JPEGs: a whole number from 1 to 100, "source" or "exact"."""

    name = "1-100|source|exact"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value in ("source", "exact"):
            return str(value)
        number: int = click.IntRange(1, 100).convert(value, param, ctx)
        return number


def path_option(*names: str, **kwargs: Any) -> Callable[[Command], Command]:
    return click.option(*names, type=click.Path(path_type=Path), **kwargs)


def originals_option(help: str) -> Callable[[Command], Command]:
    """--originals: the ways of `noda_synth.formats.files.links`, which is too heavy to be imported for a help text."""
    ways = click.Choice(["symlink", "hardlink", "copy", "none"])
    return click.option("--originals", type=ways, default="symlink", show_default=True, help=help)


skeleton_option = click.option(
    "--skeleton",
    metavar="FILE",
    help="The joints: a TOML file, or mpii16, coco17, crowdpose14, lsp14.  [default: told by their names]",
)
v1_option = click.option(
    "--v1-occluded",
    is_flag=True,
    help="v = 1 is occluded in COCO files without any v = 2, too, where it usually means labelled.",
)
scale_option = click.option(
    "--scale",
    type=click.Choice(["stated", "from-joints"]),
    default="stated",
    show_default=True,
    help="MPII's scale of everyone: that of the record, or measured from the joints.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Seed of all that is drawn.")
images_option = path_option("--images", help="The images folder, if it lies elsewhere.")
split_option = path_option("--split", help="For the .mat: who is for validation.")
follow_links_option = click.option(
    "--follow-links", is_flag=True, help="Images may be symbolic links out of their folder."
)
jobs_option = click.option("--jobs", type=click.IntRange(1), help="Worker processes.  [default: all cores]")
max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=100_000_000,
    show_default=True,
    help="Refuse images whose header claims more pixels.",
)
anew_option = click.option("--overwrite", is_flag=True, help="Replace what is there; start anew after an interruption.")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Name every problem, not only the first few.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress and no summary, only errors.")


def _bundle(name: str, kind: type[Any], *options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Options that reach the command as one value: a `kind`, whose fields they fill, in the parameter `name`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def bundled(**values: Any) -> Any:
            own = {field.name: values.pop(field.name) for field in fields(kind)}
            return command(**values, **{name: kind(**own)})

        for option in reversed(options):
            bundled = option(bundled)
        return cast(Command, bundled)

    return decorate


@dataclass(frozen=True)
class DataOptions:
    """Which data set: --data, --images, --annotations, --skeleton, --split, --all-train, --follow-links,
    --v1-occluded, --scale."""

    data: Path | None = None
    images: Path | None = None
    annotations: Path | None = None
    skeleton: str | None = None
    split: Path | None = None
    all_train: bool = False
    follow_links: bool = False
    v1_occluded: bool = False
    scale: str = "stated"

    def open(self) -> tuple[Layout, Dataset, dict[str, str]]:
        """Where the files are, the data set, and the hashes of its annotation files. Raises NodaError."""
        from noda_synth.formats.source import open_dataset

        options = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "data"}
        return open_dataset(self.data, **options)

    def check_apart(self, out: Path, layout: Layout, dataset: Dataset, *others: Path | None) -> None:
        """Raises NodaError if `out` is, holds, or lies inside what is read: the data set's files, or the others'."""
        from noda_synth.formats.source import check_output

        check_output(out, layout, dataset, split=self.split, others=others)

    @property
    def folder(self) -> Path | None:
        """The folder of the data set, if one is named or meant."""
        return DEFAULT_DATA if self.data is None and self.annotations is None else self.data


data_options = _bundle(
    "data",
    DataOptions,
    path_option("--data", help=f"Data set in the usual layout, or a YOLO-pose data.yaml.  [default: {DEFAULT_DATA}]"),
    images_option,
    path_option("--annotations", help="The annotation file, if it lies elsewhere: MPII JSON or .mat, or COCO."),
    skeleton_option,
    path_option(
        "--split",
        help="For the .mat: who is for validation (valid.json, valid.h5, list of names), or test: its test part.",
    ),
    click.option("--all-train", is_flag=True, help="For the .mat: everyone is for training."),
    follow_links_option,
    v1_option,
    scale_option,
)


@dataclass(frozen=True)
class ObjectsOptions:
    """Which objects are pasted: --objects, --objects-images."""

    objects: Path | None = None
    objects_images: Path | None = None

    def sources(self, pool: Path | None) -> Sources:
        """What methods paste from, the pool among it."""
        from noda_synth.methods import Sources

        return Sources(pool, self.objects, self.objects_images)


objects_options = _bundle(
    "objects",
    ObjectsOptions,
    path_option(
        "--objects",
        help="For --method objects, --objects-share: a folder of PNG cut-outs or Pascal VOC's, or a COCO file.",
    ),
    path_option("--objects-images", help="The images of that COCO file."),
)


@dataclass(frozen=True)
class RunOptions:
    """How the work is done: --jobs, --backend, --scheduler, --shard, --max-pixels, --overwrite, -v, -q."""

    jobs: int | None = None
    backend: str = "local"
    scheduler: str | None = None
    part: Part | None = None
    max_pixels: int = 100_000_000
    overwrite: bool = False
    verbose: bool = False
    quiet: bool = False

    @contextmanager
    def execution(self) -> Iterator[Execution]:
        """How the run goes, on this machine or on the cluster, which is connected meanwhile. Raises NodaError."""
        from noda_synth.runs.jobs import Execution

        with worker_count(self.jobs, self.backend, self.scheduler) as workers:
            yield Execution(workers, self.part, self.overwrite, self.quiet)


run_options = _bundle(
    "run",
    RunOptions,
    jobs_option,
    click.option(
        "--backend",
        type=click.Choice(["local", "dask"]),
        default="local",
        show_default=True,
        help="Work on this machine, or on a Dask cluster that runs already.",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="The Dask cluster's scheduler: tcp://HOST:8786."),
    click.option(
        "--shard", "part", metavar="I/N", callback=_part, help="Do part I of N; `noda-synth merge` ends the work."
    ),
    max_pixels_option,
    anew_option,
    verbose_option,
    quiet_option,
)


def workers(jobs: int | None) -> int:
    from noda_synth.runs.jobs import default_workers

    return jobs or default_workers()


@contextmanager
def worker_count(jobs: int | None, backend: str, scheduler: str | None) -> Iterator[int]:
    """The number of workers to ask for, on this machine or on the cluster, which is connected meanwhile."""
    if backend == "local":
        if scheduler is not None:
            raise NodaError("--scheduler is for --backend dask; name both or neither")
        yield workers(jobs)
        return
    if scheduler is None:
        raise NodaError("--backend dask needs --scheduler ADDRESS, the tcp://HOST:PORT that dask-scheduler prints")
    if jobs is not None:
        raise NodaError("--jobs is for this machine alone; a cluster works with all the workers that it has")
    from noda_synth.runs.jobs import CLUSTER, dask_cluster

    with dask_cluster(scheduler):
        yield CLUSTER


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Turn an interruption or a full disk into a message that says how to go on."""
    hint = "what is finished is kept: run the same command again to go on"
    try:
        with first_as_interrupt(signal.SIGINT, ignored_after=True):
            yield
    except KeyboardInterrupt:
        from noda_synth.runs.jobs import stop_workers

        stop_workers()
        click.echo(f"\nInterrupted; {hint}.", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise NodaError(f"{out} cannot be written: {why}; {hint}, with that mended") from error
