"""The paper's tables as specs of experiments: renders, trains, evaluates, and writes table.md, table.csv, table.png.

\b
  noda-train table table1 --data data/mpii             # Table I: three seeds a row, on all GPUs
  noda-train table table2 --gpus 0,1 --seeds 5
  noda-train table table1 --section cpu --lanes 2 --threads 1   # a study that two cores can pay for
  noda-train table table1 --section quick              # the whole path in minutes, no GPU needed
  noda-train table table1 --status                     # what is done, what is left
  noda-train table table1 --collect                    # the table of what is there

Kill it at any time and run it again: nothing finished is done twice, a training goes on from its last checkpoint. TABLE
is a name in noda_train/tables/ or any TOML file of that kind.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noda_synth.errors import NodaError
from noda_train.cli.shared import PATH

if TYPE_CHECKING:
    from noda_train.tables.work import Task, Work
    from noda_train.tables.workers import Outcome, Worker

TABLES = Path(__file__).parents[1] / "tables"


@click.command("table", help=__doc__)
@click.argument("table")
@click.option("--section", help="A section of the file, laid over it: quick, mpii640, cpu.")
@click.option("--data", type=PATH, help="Data set in MPII's layout [default: the file's].")
@click.option("--seeds", type=click.IntRange(1), help="Runs a row [default: the file's].")
@click.option("--gpus", help="Such as 0,1,2,3; 0,0 is two runs at a time on one; none is the CPU [default: all].")
@click.option("--lanes", type=click.IntRange(1), default=1, show_default=True, help="On CPUs: tasks at a time.")
@click.option("--threads", type=click.IntRange(0), default=0, help="On CPUs: of each task [default: all cores].")
@click.option("--row", "rows", multiple=True, metavar="NAME", help="Only this row and the one it is compared with.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting for every training.")
@click.option("--objects", type=PATH, help="Pictures of objects for the row that pastes them: see render --objects.")
@click.option("--objects-images", type=PATH, help="See render --objects-images.")
@click.option("--work", type=PATH, help="Where everything goes [default: runs/tables, or runs/tables/SECTION].")
@click.option("--minutes", type=float, help="Stop after so long; the same command goes on.")
@click.option("--status", is_flag=True, help="Only say what is done and what is left.")
@click.option("--collect", "collecting", is_flag=True, help="Only write the table of what is there.")
def command(
    table: str,
    section: str | None,
    data: Path | None,
    seeds: int | None,
    gpus: str | None,
    lanes: int,
    threads: int,
    rows: tuple[str, ...],
    settings: tuple[str, ...],
    objects: Path | None,
    objects_images: Path | None,
    work: Path | None,
    minutes: float | None,
    status: bool,
    collecting: bool,
) -> None:
    from noda_synth.formats import find_layout
    from noda_train import settings as config
    from noda_train.tables import spec as specs
    from noda_train.tables.work import Work

    shipped = {path.stem: path for path in sorted(TABLES.glob("*.toml"))}
    if not table.endswith(".toml") and table not in shipped:
        raise NodaError(f"no table {table!r}: there are {', '.join(shipped)}, or name a TOML file")
    path = shipped.get(table, Path(table))
    folder = work or Path("runs/tables") / (section or "")
    overrides = specs.Overrides(section, data, seeds, objects, objects_images, settings, rows)
    spec = specs.read(path, overrides, folder)
    for row in spec.rows:
        config.load(row.preset, row.first)
        config.load(row.preset, row.settings)  # refuses what a training would refuse, before hours of rendering
    if spec.demo is None:
        find_layout(spec.data)  # says what is missing
    missing = specs.missing_tests(spec)
    for name, place in missing.items():
        click.echo(f"test set {name} is left out: {place} is not there; a run that ends without it never has it")
    spec = replace(spec, tests={name: words for name, words in spec.tests.items() if name not in missing})
    todo = Work(spec, folder)
    if not (status or collecting):
        outcome = _run(todo, _workers(gpus, lanes, threads), minutes)
        _write(todo)
        _end(todo, outcome)
    elif collecting:
        _write(todo)
    if status:
        _print_status(todo)


def _workers(gpus: str | None, lanes: int, threads: int) -> list[Worker]:
    from noda_train.tables import workers

    if gpus is None:
        names = workers.visible_gpus()
    else:
        names = [] if gpus in ("none", "") else [name.strip() for name in gpus.split(",")]
    if names and (lanes > 1 or threads):
        raise NodaError("--lanes and --threads are for CPUs: add --gpus none, or name a GPU twice (--gpus 0,0)")
    return workers.make_workers(names, lanes, threads)


def _run(todo: Work, all_workers: Sequence[Worker], minutes: float | None) -> Outcome:
    from noda_train.tables import workers

    click.echo(todo.spec.title)
    if todo.spec.note:
        click.echo(todo.spec.note)
    for row in todo.spec.rows:
        if row.skipped:
            click.echo(f"skipped: {row.name}: {row.skipped}")
    trainers = sum("run" in worker.kinds for worker in all_workers)
    runs = sum(task.kind == "run" for task in todo.tasks.values())

    def on_done(task: Task) -> None:
        todo.tidy()
        left = todo.left()
        minutes_left = _minutes_left(todo, left, trainers)
        click.echo(
            f"  done in {task.seconds():.0f} s: {task.title}; "
            f"{sum(t.kind == 'run' for t in left)} of {runs} runs left, about {minutes_left:.0f} min"
        )

    with workers.lock_folder(todo.folder, click.echo) as lock:
        todo.tidy()
        return workers.run_tasks(todo.left(), all_workers, lock, click.echo, on_done, minutes)


def _minutes_left(todo: Work, left: Sequence[Task], workers: int) -> float:
    """From how long tasks of the same kind have taken; runs are shared by the workers."""
    total = 0.0
    for kind in ("pool", "render", "run"):
        took = [task.seconds() for task in todo.tasks.values() if task.kind == kind and task.marker.is_file()]
        number = sum(task.kind == kind for task in left)
        total += number * (sum(took) / len(took) if took else 0.0) / (workers if kind == "run" else 1)
    return total / 60


def _write(todo: Work) -> None:
    """table.md, table.csv, table.png and table.pdf of what is there."""
    from noda_synth.formats.files.atomic import write_bytes, write_text
    from noda_train.tables import picture, scores, text

    measured = scores.collect(todo)
    folder = todo.folder / todo.spec.name
    page = text.markdown(todo.spec, measured)
    write_text(folder / "table.md", page)
    write_text(folder / "table.csv", text.as_csv(todo.spec, measured))
    click.echo("\n" + page)
    for file_format in ("png", "pdf"):
        write_bytes(folder / f"table.{file_format}", picture.draw_table(todo.spec, measured, file_format))
    click.echo(f"{folder}: table.md, table.csv, table.png, table.pdf")


def _end(todo: Work, outcome: Outcome) -> None:
    """Say what failed or is left, with exit code 1 if anything is."""
    for key, reason in outcome.failed.items():
        click.echo(f"FAILED: {todo.tasks[key].title}: {reason}", err=True)
    if outcome.failed:
        click.echo("Remove the cause and run the same command again: only what is missing is done.", err=True)
    if outcome.stopped:
        click.echo("The time is over; run the same command again to go on.", err=True)
    if outcome.failed or outcome.stopped:
        sys.exit(1)


def _print_status(todo: Work) -> None:
    spec = todo.spec
    width = max(len(row.name) for row in spec.rows)
    for row in spec.rows:
        if row.skipped:
            click.echo(f"{row.name:{width}}  skipped: {row.skipped}")
            continue
        states = []
        for seed in range(row.runs(spec.seeds)):
            task = todo.tasks[todo.run_key(row, seed)]
            begun = (task.output / "last.pt").exists()
            states.append("done" if task.done else "begun" if begun else "open")
        click.echo(f"{row.name:{width}}  " + "  ".join(f"seed {seed}: {state}" for seed, state in enumerate(states)))
    left = todo.left()
    counts = {kind: sum(task.kind == kind for task in left) for kind in ("pool", "render", "run")}
    click.echo(f"left: {counts['render']} renders, {counts['run']} runs; logs in {todo.folder / 'logs'}")
