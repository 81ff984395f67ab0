"""The paper's tables: what their files say, what is shared, what a kill costs, and what the numbers are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noda_synth.errors import NodaError
from noda_train import settings as config
from noda_train.metrics import paired, pck
from noda_train.metrics.tables import sure
from noda_train.metrics.truth import FURTHER, SUBSETS, Truth, mpii_truth
from noda_train.tables import scores, text, workers
from noda_train.tables import spec as specs
from noda_train.tables.picture import draw_table
from noda_train.tables.scores import Difference, MeanScore, RowScores, TableScores
from noda_train.tables.spec import Overrides, Row, TableSpec
from noda_train.tables.work import Task, Work

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "train/noda_train/tables"
WAIT = 60.0
"""Seconds after which a process that should have ended fails its test."""

SMALL = """
data = "set"
preset = "demo"
pool = "--levels box"
render = "--ratio 0.5"
seeds = 2
keep = "predictions"
labels = ["Box"]
[[row]]
name = "plain"
[[row]]
name = "box"
render = "--mask box"
labels = ["x"]
[[row]]
name = "the same box, longer"
render = "--mask box"
set = { epochs = 40 }
[[row]]
name = "objects"
render = "--method objects {objects}"
[quick]
set = { epochs = 2 }
seeds = 1
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def work_of(table: Path, overrides: Overrides | None = None) -> Work:
    folder = table.parent / "work"
    return Work(specs.read(table, overrides or Overrides(), folder), folder)


# What a file says


@pytest.mark.parametrize(
    ("found", "written", "told"),
    [
        ("seeds = 2", "seed = 2", "unknown key 'seed'; did you mean seeds?"),
        ("seeds = 2", 'seeds = "2"', "seeds = '2': should be a whole number"),
        ("seeds = 2", "seeds = 0", "seeds = 0: 1 or more"),
        ('name = "box"', 'nmae = "box"', "row 2: needs a name"),
        ('name = "box"', 'name = "plain"', "row 'plain': there are two of this name"),
        ('labels = ["x"]', 'labels = ["x", ""]', "row 'box': 2 labels for 1 columns"),
        ('labels = ["x"]', 'against = "plian"', "did you mean plain?"),
        ('labels = ["x"]', 'paper = "88.5 (92.8, 70.8)"', "paper has 1 cells, not 8"),
        ('labels = ["x"]', f'paper = "{" | ".join(["88.5"] * 8)}"', "'88.5' does not look like"),
        ("{objects}", "{object}", "render has {object}; there are: {data}, {objects}"),
        ('keep = "predictions"', 'keep = "prediction"', "did you mean predictions?"),
        ('data = "set"', "", "no `data`"),
        ('preset = "demo"', "", "no `preset`"),
        ("[quick]", "[quick]\ntow = []", "[quick]: unknown key 'tow'"),
        ("[[row]]", "[[row]", "not a TOML file"),
    ],
)
def test_a_mistake_is_named(table: Path, found: str, written: str, told: str) -> None:
    table.write_text(SMALL.replace(found, written, 1))
    with pytest.raises(NodaError) as error:
        work_of(table)
    assert told in str(error.value) and str(table) in str(error.value)


def test_an_unknown_section_or_row_is_named(table: Path) -> None:
    with pytest.raises(NodaError, match=r"no section \[quik\]; did you mean quick"):
        work_of(table, Overrides(section="quik"))
    with pytest.raises(NodaError, match="no row 'boxes'; did you mean box"):
        work_of(table, Overrides(rows=("boxes",)))


def test_a_section_lies_over_the_table_and_its_rows(table: Path) -> None:
    spec = work_of(table, Overrides(section="quick", settings=("batch=4",))).spec
    assert spec.seeds == 1 and spec.data == Path("set")
    assert {row.settings for row in spec.rows} == {("epochs=2", "batch=4")}
    assert [row.against for row in spec.rows] == [None, "plain", "plain", "plain"]
    assert spec.note == "Settings of this run that differ from the file: batch=4."


def test_chosen_rows_come_with_their_baseline(table: Path) -> None:
    assert [row.name for row in work_of(table, Overrides(rows=("box",))).spec.rows] == ["plain", "box"]


@pytest.mark.parametrize(
    ("name", "section"),
    [("table1", None), ("table1", "quick"), ("table1", "mpii640"), ("table2", None), ("table2", "quick")],
)
def test_the_papers_tables_are_whole(name: str, section: str | None, tmp_path: Path) -> None:
    spec = specs.read(TABLES / f"{name}.toml", Overrides(section=section), tmp_path)
    for row in spec.rows:
        config.load(row.preset, row.settings)
    assert sum(bool(row.paper) for row in spec.rows) == {"table1": 7, "table2": 6}[name]
    if section == "quick":
        assert "proof of the path only" in spec.note and not any(row.skipped for row in spec.rows)
    elif name == "table1":
        assert [row.name for row in spec.rows if row.skipped] == ["Objects"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tabel1"], "no table 'tabel1': there are table1, table2"),
        (["table1", "--data", "nowhere"], "nowhere"),
        (["table1", "--section", "quick", "--set", "epcohs=3"], "did you mean epochs?"),
    ],
)
def test_bad_words_are_refused_before_anything_runs(words: list[str], told: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "noda_train", "table", *words]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and told in ended.stderr and "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())


# What is shared


def test_rows_with_the_same_options_share_renders_and_runs(table: Path) -> None:
    work = work_of(table)
    kinds = [task.kind for task in work.tasks.values()]
    assert (kinds.count("pool"), kinds.count("render"), kinds.count("run")) == (1, 2, 6)
    plain, box, longer, _ = work.spec.rows
    by_row = [{work.tasks[work.run_key(row, seed)].needs for seed in range(2)} for row in (plain, box, longer)]
    assert by_row[0] == {()}  # the original set, whatever the seed
    assert by_row[1] == by_row[2] and len(by_row[1]) == 2  # a render for each seed, for both rows
    seeds = {task.argv[task.argv.index("--seed") + 1] for task in work.tasks.values() if task.kind == "render"}
    assert seeds == {"0", "1"}


def test_both_tables_share_what_they_have_in_common(tmp_path: Path) -> None:
    one, two = (
        Work(specs.read(TABLES / f"{name}.toml", Overrides(), tmp_path), tmp_path) for name in ("table1", "table2")
    )
    shared = set(one.tasks) & set(two.tasks)
    kinds = sorted(one.tasks[key].kind for key in shared)
    assert kinds == ["pool", *["render"] * 3, *["run"] * 6]


def test_objects_run_where_their_source_is_given(table: Path) -> None:
    assert work_of(table).spec.rows[3].skipped == "no objects given (--objects)"
    row = work_of(table, Overrides(objects=Path("my cut-outs"))).spec.rows[3]
    assert row.render == ("--ratio", "0.5", "--method", "objects", "--objects", "my cut-outs") and not row.skipped


def test_there_is_a_worker_for_each_gpu() -> None:
    assert [worker.name for worker in workers.make_workers([])] == ["cpu"]
    assert [worker.gpu for worker in workers.make_workers(["0", "0", "3"])] == ["", "0", "0", "3"]


# What a kill and a failure cost: real processes, with a stand-in for the commands

STAND_IN = """
import os, sys, time
from pathlib import Path
place = Path(__file__).parent
words = sys.argv[1:]
with (place / "calls.txt").open("a") as calls:
    calls.write(" ".join(word for word in words if "/" not in word) + "\\n")
out = Path(words[words.index("--run" if words[0] == "fit" else "--out") + 1])
if words[0] == "render" and (place / "broken").exists():
    sys.exit("Error: no such mask")
if words[0] == "build-pool":
    out.write_text("pool")
else:
    out.mkdir(exist_ok=True)
if words[0] == "fit":
    (out / "last.pt").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    while not (place / "go").exists():
        time.sleep(0.02)
    (out / "predictions.h5").write_text("done")
"""

RUNNER = """
import sys
from pathlib import Path
from noda_train.tables import spec, work, workers
place = Path(sys.argv[1])
work.NODA = work.TRAIN = (sys.executable, str(place / "stand_in.py"))
todo = work.Work(spec.read(place / "small.toml", spec.Overrides(seeds=1), place / "work"), place / "work")
with workers.lock_folder(todo.folder, print) as lock:
    outcome = workers.run_tasks(todo.left(), workers.make_workers(sys.argv[2:]), lock, print, lambda task: todo.tidy())
print(len(todo.left()), "left,", len(outcome.failed), "failed")
"""


def runner(table: Path, *gpus: str) -> subprocess.Popen[str]:
    (table.parent / "stand_in.py").write_text(STAND_IN)
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(table.parent), *gpus],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "train")])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # these tests may run where it is ignored
    )


def calls(table: Path) -> list[str]:
    return [
        line.split(" --")[0] + (" --resume" * ("--resume" in line))
        for line in (table.parent / "calls.txt").read_text().splitlines()
    ]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on(table: Path, blow: signal.Signals) -> None:
    with runner(table) as first:
        begun = time.monotonic()
        while not list(table.parent.glob("work/runs/*/last.pt")):
            assert time.monotonic() - begun < 20 and first.poll() is None
            time.sleep(0.02)
        first.send_signal(blow)
        first.wait(WAIT)
    (table.parent / "go").touch()  # what outlived the kill ends, and the second runner waits for it
    with runner(table) as second:
        said = second.communicate(timeout=WAIT)[0]
    assert said.splitlines()[-1] == "0 left, 0 failed"
    assert calls(table) == ["fit demo", "fit --resume", "build-pool", "render", "fit demo", "fit demo"]
    assert not list(table.parent.glob("work/runs/*/last.pt"))  # keep = "predictions"
    with runner(table) as third:
        assert third.communicate(timeout=WAIT)[0] == "0 left, 0 failed\n"
    assert len(calls(table)) == 6


def test_each_gpu_has_one_training_at_a_time(table: Path) -> None:
    table.write_text(SMALL.replace("predictions", "all"))
    with runner(table, "2", "5") as process:
        begun = time.monotonic()
        while len(list(table.parent.glob("work/runs/*/last.pt"))) < 2:
            assert time.monotonic() - begun < 20 and process.poll() is None
            time.sleep(0.02)
        (table.parent / "go").touch()
        said = process.communicate(timeout=WAIT)[0].splitlines()
    assert said[-1] == "0 left, 0 failed"
    assert [line.split(":")[0] for line in said[:-1]].count("data") == 2
    files = list(table.parent.glob("work/runs/*/last.pt"))
    assert len(files) == 3 and {file.read_text() for file in files} == {"2", "5"}


def test_renders_do_not_run_far_ahead_of_the_trainings(table: Path) -> None:
    """Each takes gigabytes, and goes when the trainings that need it are done."""
    rows = "".join(f'[[row]]\nname = "{n}"\nrender = "--rescale {n} {n}"\nlabels = [""]\n' for n in range(1, 7))
    table.write_text(SMALL.replace("[quick]", f"{rows}[quick]"))
    with runner(table, "2") as process:
        begun = time.monotonic()
        while len(list(table.parent.glob("work/done/*-s0-*.json"))) < 2 and time.monotonic() - begun < 20:
            time.sleep(0.02)
        time.sleep(0.5)
        ahead = calls(table).count("render")
        (table.parent / "go").touch()
        assert process.communicate(timeout=WAIT)[0].endswith("0 left, 0 failed\n")
    assert ahead == 2  # one for the next training, and one in reserve
    assert calls(table).count("render") == 7


def test_a_training_on_a_gpu_does_not_fall_back_to_the_cpu(table: Path) -> None:
    task = work_of(table).left()[0]
    assert "device=cuda" in task.commands("cuda")[0] and "device=cpu" in task.commands("cpu")[0]
    task.output.mkdir(parents=True)
    (task.output / "last.pt").touch()
    assert {"device=cuda", "--resume"} <= set(task.commands("cuda")[0])
    named = work_of(table, Overrides(settings=("device=cuda:1",))).left()[0]
    assert [word for word in named.commands("cuda")[0] if word.startswith("device=")] == ["device=cuda:1"]


def test_everything_stays_in_the_work_folder(table: Path) -> None:
    """A preset may be a file anywhere."""
    mine = table.parent / "presets/mine.toml"
    mine.parent.mkdir()
    mine.write_text((Path(config.__file__).parent / "presets/demo.toml").read_text())
    table.write_text(SMALL.replace('preset = "demo"', f'preset = "{mine}"'))
    for task in work_of(table).tasks.values():
        assert {task.log.parent, task.marker.parent} == {table.parent / "work/logs", table.parent / "work/done"}
        assert task.output.is_relative_to(table.parent / "work")


def test_other_demo_data_is_another_task(table: Path) -> None:
    """What was done with other options counts for nothing."""
    keys = []
    for images in (5, 6):
        table.write_text(SMALL.replace('data = "set"', f'demo = "--images {images}"'))
        keys.append(next(task.key for task in work_of(table).tasks.values() if task.kind == "demo"))
    assert keys[0] != keys[1]


def test_the_time_may_be_limited(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table.parent / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr("noda_train.tables.work.TRAIN", (sys.executable, str(table.parent / "stand_in.py")))
    todo = work_of(table, Overrides(rows=("plain",), seeds=1))
    with workers.lock_folder(todo.folder, print) as lock:
        tasks, one = todo.left(), workers.make_workers([])
        outcome = workers.run_tasks(tasks, one, lock, print, lambda task: None, minutes=0.05)
    assert outcome.stopped and not outcome.failed
    assert len(todo.left()) == 1
    words = todo.left()[0].commands("cpu")[0]
    assert "--resume" in words and words[-2:] == ("--data", "set")


def test_a_failure_costs_only_what_needs_it(table: Path) -> None:
    (table.parent / "go").touch()
    (table.parent / "broken").touch()
    with runner(table) as first:
        said = first.communicate(timeout=WAIT)[0]
    assert "no such mask" in said and said.endswith("3 left, 3 failed\n")
    assert calls(table) == ["fit demo", "build-pool", "render"]
    (table.parent / "broken").unlink()
    with runner(table) as second:
        assert second.communicate(timeout=WAIT)[0].endswith("0 left, 0 failed\n")
    assert calls(table).count("fit demo") == 3


def test_renders_go_when_nobody_needs_them(table: Path) -> None:
    table.write_text(SMALL.replace("seeds = 2", "seeds = 2\nkeep_renders = false"))
    (table.parent / "go").touch()
    with runner(table) as process:
        assert process.communicate(timeout=WAIT)[0].endswith("0 left, 0 failed\n")
    assert not list((table.parent / "work/renders").iterdir())
    work = work_of(table, Overrides(seeds=1))
    assert work.left() == []  # and are not missed
    (work.run_of(work.spec.rows[1], 0) / "predictions.h5").parent.rename(table.parent / "lost")
    assert [task.kind for task in work.left()] == ["render", "run"]


@pytest.mark.slow
def test_the_whole_path_on_drawn_people(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    words = ["table1", "--section", "quick", "--seeds", "1", "--row", "+ box", "--gpus", "none"]
    command = [sys.executable, "-m", "noda_train", "table", *words]
    for said in ("training of + box, seed 0", "QUICK"):  # the second time there is nothing to do but the table
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 and said in ended.stdout, ended.stdout + ended.stderr
    assert "training of" not in ended.stdout
    folder = tmp_path / "runs/tables/quick/table1"
    for name in ("table.md", "table.csv"):
        assert "proof of the path only" in (folder / name).read_text()
    assert (folder / "table.png").read_bytes().startswith(b"\x89PNG")


# What the numbers are


def truth_of(persons: int) -> Truth:
    """Everybody's head measures 10 px; wrists are occluded, everything else is visible."""
    visible = np.ones((persons, 16), np.int8)
    visible[:, [10, 15]] = 0
    return mpii_truth(np.zeros((persons, 16, 2)), np.ones((persons, 16), bool), np.full(persons, 10.0), visible)


def predicted(wrong: np.ndarray) -> np.ndarray:
    """Predictions (runs, N, 16, 2), 9 px off where `wrong` (runs, N, 16)."""
    return np.where(wrong[..., None], 9.0, 0.0) * np.array([1.0, 0.0])


def rows_of_two() -> tuple[Row, Row]:
    base = Row("base", None, "demo", (), None, ("",), ("96.4 (96.8, 0)",) * 8)
    return base, Row("ours", ("--mask", "box"), "demo", (), "base", ("x",), ("89.3(+0.8) (+0.7, +1.1)",) * 8)


def test_means_deviations_and_differences_by_hand() -> None:
    wrong = np.zeros((2, 4, 16), bool)
    wrong[0, :2, 10] = True  # seed 0: two of four right wrists, which is 2 of 8 wrists and 2 of 56 joints
    wrong[1, :4, 10] = True  # seed 1: all four
    base, ours = rows_of_two()
    predictions = {"base": predicted(wrong), "ours": predicted(np.zeros((2, 4, 16), bool))}
    both = {"base": [0, 1], "ours": [0, 1]}
    least = scores.measure(base, both, predictions, truth_of(4))
    assert least.values["all", "wrist"] == MeanScore(62.5, pytest.approx(np.std([75, 50], ddof=1)))
    assert least.values["occluded", "mean"].mean == 62.5 and least.values["visible", "mean"] == MeanScore(100, 0)
    assert least.values["occluded", "head"] == MeanScore(None, None)
    assert not least.differences
    best = scores.measure(ours, both, predictions, truth_of(4))
    assert best.differences["all", "mean"].points == pytest.approx(100 * 3 / 56)
    # With seed 0 persons 0 and 1 lose one of their two wrists, with seed 1 all do: the rest is who and which seed is
    # drawn how often.
    lost = np.array([[1, 1, 0, 0], [1, 1, 1, 1]])
    drawn = (pck.resamples(4, 1000) @ lost.T * pck.resamples(2, 1000, 1) / 2).sum(1) / 8 * 100
    found = best.differences["occluded", "wrist"]
    assert (found.points, found.low, found.high) == pytest.approx((37.5, *np.percentile(drawn, [2.5, 97.5])))


def test_one_seed_has_no_deviation_and_rows_without_runs_no_numbers() -> None:
    base, ours = rows_of_two()
    predictions = {"base": predicted(np.zeros((1, 4, 16), bool))}
    assert scores.measure(base, {"base": [0], "ours": []}, predictions, truth_of(4)).values["all", "mean"] == MeanScore(
        100, None
    )
    assert scores.measure(ours, {"base": [0], "ours": []}, predictions, truth_of(4)) == RowScores(ours, ())


def a_table() -> tuple[TableSpec, TableScores]:
    base, ours = rows_of_two()
    cells = [(subset, column) for subset in SUBSETS for column in specs.COLUMNS]
    values = {cell: MeanScore(88.5, 0.25) for cell in cells} | {("occluded", "head"): MeanScore(None, None)}
    differences = {cell: Difference(-0.04, -1.26, 0.7) for cell in cells}
    spec = TableSpec("t", "A table", "the paper", "QUICK", Path("d"), None, (), 2, "all", True, ("Box",), (base, ours))
    return spec, TableScores((RowScores(base, (0, 1), values), RowScores(ours, (0,), values, differences)), 4, 2)


def test_cells_look_like_the_papers() -> None:
    base, ours = a_table()[1].rows
    assert text.cell(base, "mean") == "88.5 (88.5, 88.5)" and text.cell(base, "head") == "88.5 (88.5, n/a)"
    assert text.cell(ours, "knee") == "88.5 (+0.0, +0.0)" and text.cell(ours, "mean") == "88.5 (+0.0) (+0.0, +0.0)"


def test_markdown_csv_and_picture_say_the_same() -> None:
    spec, found = a_table()
    page = text.markdown(spec, found)
    assert "QUICK" in page and "Not complete" in page
    assert "| ours (1 of 2 seeds) | x | 88.5 (+0.0, +0.0) |" in page
    assert "| *paper* |  | *96.4 (96.8, 0)* |" in page
    assert "| ours | 88.5 ± 0.2; +0.0 [-1.3, +0.7] |" in page
    lines = text.as_csv(spec, found).splitlines()
    assert len(lines) == 1 + 2 * 3 * 8 and all("QUICK" in line for line in lines[1:])
    assert (
        lines[-3]
        == 't,QUICK,ours,base,mean,all,1,88.5000,0.2500,-0.0400,-1.2600,0.7000,1.4000,"89.3(+0.8) (+0.7, +1.1)",'
    )
    drawn = draw_table(spec, found, "svg").decode()
    cells = ("base", "✓", "88.5 ± 0.2", "(88.5, n/a)", "[-1.3, +0.7]", "96.4 (96.8, 0)")
    assert [cell for cell in cells if f"<!-- {cell} -->" not in drawn] == []
    assert draw_table(spec, found).startswith(b"\x89PNG") and draw_table(spec, found) == draw_table(spec, found)


def test_intervals_without_0_are_marked_and_test_sets_stand_in_the_csv() -> None:
    spec, found = a_table()
    base, ours = found.rows
    cells = [(subset, "mean") for subset in (*SUBSETS, *FURTHER)]
    better = replace(
        ours, values=dict.fromkeys(cells, MeanScore(50, 1)), differences=dict.fromkeys(cells, Difference(2, 0.4, 3))
    )
    base = replace(base, values=better.values)
    found = replace(found, tests={"coco: PCK@0.1, 9 persons": (base, better)})
    page = text.markdown(spec, found)
    assert "50.0 ± 1.0; +2.0 [+0.4, +3.0]* |" in page and "occluded by a person" in page
    lines = [line for line in text.as_csv(spec, found).splitlines() if line.endswith(',"coco: PCK@0.1, 9 persons"')]
    assert len(lines) == 2 * 7
    assert "t,QUICK,ours,base,mean,occluded_by_person,1,50.0000,1.0000,2.0000,0.4000,3.0000,1.8571,," in lines[-2]
    assert [sure(*ends) for ends in ((0.1, 2), (-2, -0.1), (-1, 1), (0, 1), (None, None))] == ["*", "*", "", "", ""]


# Two stages, lanes, further test sets


def test_the_shipped_study_has_its_rows_and_names_test_sets_that_are_not_there(tmp_path: Path) -> None:
    data = tmp_path / "sets" / "mpii"
    table = Path(specs.__file__).with_name("table1.toml")
    spec = specs.read(table, Overrides("cpu", data), tmp_path)
    rows = {row.name: row for row in spec.rows}
    assert rows["NODA, best"].first and not rows["NODA, paper, long"].first
    assert rows["NODA, paper, long"].against == "Clean, long" and rows["Clean, long"].against is None
    assert "no objects" in rows["Objects"].skipped
    (tmp_path / "sets" / "occluded-test" / "coco").mkdir(parents=True)
    missing = specs.missing_tests(spec)
    assert "coco" in spec.tests and "coco" not in missing and "off-centre" not in missing
    assert missing["coco-twins-heavy"] == Path("data/coco-twins/heavy")


TWO_STAGES = (
    SMALL
    + """
[cpu]
first = { epochs = 5, lr = 1e-3 }
set = { lr = 2e-4 }
tests = { off = "--off-centre 0.1" }
seeds = 2
labels = []
[[cpu.row]]
name = "clean"
[[cpu.row]]
name = "box"
render = "--mask box"
set = { shift = 0.1, hidden_weight = 0.5 }
[[cpu.row]]
name = "box, less often"
render = "--mask box --ratio 0.25 --append"
set = { lr = 1e-4 }
seeds = 1
"""
)


def test_rows_of_a_seed_start_from_the_weights_of_its_first_training(table: Path) -> None:
    table.write_text(TWO_STAGES)
    work = work_of(table, Overrides("cpu"))
    runs = [task for task in work.tasks.values() if task.kind == "run"]
    firsts = [task for task in runs if task.title.startswith("first")]
    assert [task.title for task in firsts] == ["first training, seed 0", "first training, seed 1"]
    assert len(runs) == 2 + 3 + 2, "the third row has one seed"
    for first in firsts:
        assert {"epochs=5", "lr=0.001"} < set(first.argv) and first.keep == "network" and not first.tests
        assert str(first.output / "network.pt") == first.commands("cpu")[-1][-1]
    for task in runs:
        if task not in firsts:
            first = firsts[int(task.title[-1])]
            assert first.key in task.needs and f"weights={first.output / 'network.pt'}" in task.argv
            assert sum(word.startswith("weights=") for word in task.argv) == 1
    box, less = (
        next(task for task in runs if task.title == f"training of {name}, seed 0")
        for name in ("box", "box, less often")
    )
    assert {"lr=0.0002", "shift=0.1", "hidden_weight=0.5"} < set(box.argv)
    assert "lr=0.0001" in less.argv, "a section's own rows win over what it sets for all of them"
    render = work.tasks[less.needs[0]]
    assert render.argv[-7:-2] == ("--mask", "box", "--ratio", "0.25", "--append")
    last = less.commands("cpu")[-1]
    assert last[3] == "eval" and "--off-centre" in last and last[-1] == str(less.output / "tests" / "off")


def test_copies_of_a_row_are_rendered_and_trained_on_in_turn(table: Path) -> None:
    text = table.read_text()
    table.write_text(text.replace('render = "--mask box"', 'render = "--mask box"\ncopies = 3', 1))
    work = work_of(table)
    (row,) = [row for row in work.spec.rows if row.render and "--copies" in row.render]
    assert row.render[-2:] == ("--copies", "3") and "copies=in_turn" in row.settings
    table.write_text(text + '[[row]]\nname = "clean once more"\ncopies = 3\n')
    with pytest.raises(NodaError, match="row 'clean once more': copies = 3"):
        work_of(table)


def test_a_table_without_first_training_has_the_runs_that_it_had(table: Path) -> None:
    work = work_of(table)
    row = work.spec.rows[0]
    assert not row.first and not row.seeds
    assert work.run_key(row, 0) == work.run_key(specs.Row(row.name, None, "demo", (), None, ("",), ()), 0)


@pytest.mark.parametrize(
    ("found", "written", "told"),
    [
        ('off = "--off-centre 0.1"', "off = 0.1", "tests, off: 0.1: a name without blanks"),
        ("seeds = 1\n", "seeds = 0\n", "row 'box, less often': seeds = 0"),
    ],
)
def test_a_mistake_in_a_section_is_named(table: Path, found: str, written: str, told: str) -> None:
    table.write_text(written.join(TWO_STAGES.rsplit(found, 1)))
    with pytest.raises(NodaError) as error:
        specs.read(table, Overrides("cpu"), table.parent)
    assert told in str(error.value)


def test_lanes_share_the_cpu_at_low_priority(tmp_path: Path) -> None:
    lanes = workers.make_workers([], lanes=2, threads=1)
    assert [worker.name for worker in lanes] == ["lane 1", "lane 2"]
    assert all(worker.nice > 0 and worker.threads == 1 and "run" in worker.kinds for worker in lanes)
    assert all(worker.nice == 0 for worker in workers.make_workers(["0"]))
    code = "import os; print(os.nice(0), os.environ['OMP_NUM_THREADS'])"
    output = tmp_path / "made"
    output.touch()

    class Says(Task):
        def commands(self, device: str, jobs: int = 0) -> list[tuple[str, ...]]:
            return [(sys.executable, "-c", f"{code}; print('{device}', {jobs})")]

    task = Says("run", "a", "a", output, (), (), tmp_path)
    with workers.lock_folder(tmp_path, print) as lock:
        workers.run_tasks([task], lanes, lock, print, lambda _: None)
    assert task.log.read_text().splitlines()[-2:] == [f"{min(19, os.nice(0) + workers.NICE)} 1", "cpu 1"]


def test_makers_get_as_many_processes_as_their_lane_has_threads(table: Path) -> None:
    pool = next(task for task in work_of(table).tasks.values() if task.kind == "pool")
    assert pool.commands("cpu", 1)[0][-2:] == ("--jobs", "1") and "--jobs" not in pool.commands("cpu")[0]


def test_rows_are_compared_on_the_seeds_that_both_have() -> None:
    ours = rows_of_two()[1]
    wrong = np.zeros((3, 4, 16), bool)
    wrong[1:, :, 10] = True  # seeds 1 and 2 of the baseline are worse, but the other row has seed 0 alone
    predictions = {"base": predicted(wrong), "ours": predicted(np.zeros((1, 4, 16), bool))}
    found = scores.measure(ours, {"base": [0, 1, 2], "ours": [0]}, predictions, truth_of(4))
    assert found.differences["all", "mean"].points == 0
    assert not scores.measure(ours, {"base": [0, 1, 2], "ours": [3]}, predictions, truth_of(4)).differences


def test_what_could_be_seen_is_wider_with_noisy_seeds() -> None:
    rng = np.random.default_rng(0)
    truth = truth_of(40)
    right = rng.random((3, 40, 16)) < 0.2
    base = predicted(right)
    noisy = right.copy()
    noisy[0] = False  # one training went much better
    same = paired.compare(base, predicted(right), truth, 0.5)["all", "mean"]
    other = paired.compare(predicted(noisy), base, truth, 0.5)["all", "mean"]
    assert (same.points, same.low, same.high, same.detectable) == (0, 0, 0, 0)
    persons = pck.compare(predicted(noisy), base, truth, (0.5,))["thresholds"]["0.5"]["all"]["mean"]
    assert other.points == pytest.approx(persons["difference"])
    low, high = persons["interval"]
    assert other.low is not None and other.high is not None and other.high - other.low > 2 * (high - low)
    assert other.detectable == pytest.approx(2.8 / 1.96 * (other.high - other.low) / 2)
