"""Scores on the occluded benchmark: their arithmetic, and the command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from noda_train import occlusion_benchmark as benchmark
from noda_train.arrays import Floats
from noda_train.metrics import pck
from noda_train.metrics.truth import read_truth
from noda_train.settings import Settings
from tests.command import done
from tests.drawn_set import write_coco, write_mpii
from tests.train.test_cli import Run


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark of drawn people."""
    root = tmp_path_factory.mktemp("twins")
    done("benchmark", write_mpii(root / "data"), root / "twins", "-q", "--jobs", 1, "--tries", 1280)
    return root / "twins"


def _perfect(read: benchmark.Benchmark) -> dict[str, Floats]:
    return {name: part.evaluator.truth.joints.copy() for name, part in read.lists.items()}


@pytest.fixture(scope="module")
def coco_twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark of drawn people with COCO's joints."""
    root = tmp_path_factory.mktemp("coco_twins")
    content = json.loads((write_coco(root / "all") / "person_keypoints.json").read_text())
    for part, images in (("train", content["images"][:-4]), ("val", content["images"][-4:])):
        ids = {image["id"] for image in images}
        people = [one for one in content["annotations"] if one["image_id"] in ids]
        (root / "all" / "annotations").mkdir(exist_ok=True)
        file = root / "all" / "annotations" / f"person_keypoints_{part}.json"
        file.write_text(json.dumps({**content, "images": images, "annotations": people}))
    (root / "all" / "person_keypoints.json").unlink()
    done("benchmark", root / "all", root / "twins", "-q", "--jobs", 1, "--tries", 1280)
    return root / "twins"


def test_coco_people_are_scored_in_box_sizes(coco_twins: Path) -> None:
    read = benchmark.read(coco_twins)
    predictions = _perfect(read)
    light = read.severities["light"]
    assert len(light.samples) and light.samples.behind_pasted.sum() >= len(light.samples)
    predictions["light"][light.samples.behind_pasted] += 1000
    result = benchmark.evaluate(predictions, read)
    assert result["metric"] == "PCK"
    table = result["thresholds"]["0.1"]["light"]
    assert table["covered"]["drop"]["mean"]["difference"] == 100
    assert table["uncovered"]["drop"]["mean"]["difference"] == 0


def _numbers(predictions: dict[str, Floats], read: benchmark.Benchmark) -> Any:
    return benchmark.evaluate(predictions, read)["thresholds"]["0.5"]


def test_a_perfect_prediction_drops_nowhere(twins: Path) -> None:
    read = benchmark.read(twins)
    table = _numbers(_perfect(read), read)
    assert table["clean"]["mean"] == 100 and table["clean"]["persons"] == len(read.clean.samples)
    for name, part in read.severities.items():
        assert table[name]["persons"] == len(part.samples) > 0
        for kind in benchmark.KINDS:
            drop = table[name][kind]["drop"]["mean"]
            assert drop == {"difference": 0.0, "interval": [0.0, 0.0]}, (name, kind)


def test_one_who_fails_on_covered_joints_drops_there_and_nowhere_else(twins: Path) -> None:
    read = benchmark.read(twins)
    predictions = _perfect(read)
    for name, part in read.severities.items():
        predictions[name][part.samples.behind_pasted] += 1000
    table = _numbers(predictions, read)
    for name in read.severities:
        kinds = table[name]
        assert kinds["covered"]["drop"]["mean"] == {"difference": 100.0, "interval": [100.0, 100.0]}
        assert kinds["uncovered"]["drop"]["mean"]["difference"] == 0
        n, hit = kinds["all"]["n"], read.severities[name].samples.behind_pasted & read.clean.evaluator.truth.counted
        assert kinds["all"]["drop"]["mean"]["difference"] == pytest.approx(100 * hit.sum() / n)
        assert kinds["covered"]["n"] + kinds["uncovered"]["n"] + kinds["occluded"]["n"] == n
    assert table["light"]["covered"]["n"] == table["light"]["persons"]


def test_the_clean_score_beside_twins_is_that_of_the_same_persons(twins: Path) -> None:
    read = benchmark.read(twins)
    predictions = _perfect(read)
    heavy = read.severities["heavy"]
    assert 0 < len(heavy.rows) < len(read.clean.samples)
    one = heavy.rows[0]
    predictions["clean"][one] += 1000  # found on no clean image, and on all twins
    table = _numbers(predictions, read)
    mine = read.clean.evaluator.truth.subset("all")[heavy.rows].sum(1)
    expected = 100 * mine[0] / mine.sum()
    assert table["heavy"]["all"]["drop"]["mean"]["difference"] == pytest.approx(-expected)
    others = np.setdiff1d(np.arange(len(read.clean.samples)), heavy.rows)
    predictions = _perfect(read)
    predictions["clean"][others] += 1000
    table = _numbers(predictions, read)
    assert table["heavy"]["all"]["clean"]["mean"] == 100 > table["clean"]["mean"]


def test_clean_numbers_are_those_of_the_data_set_itself(twins: Path) -> None:
    read = benchmark.read(twins)
    rng = np.random.default_rng(2)
    guess = read.clean.evaluator.truth.joints + rng.normal(0, 12, read.clean.evaluator.truth.joints.shape)
    usual = pck.evaluate(guess, read_truth(twins.parent / "data" / "annot" / "gt_valid.mat"))
    table = _numbers({**_perfect(read), "clean": guess}, read)
    assert 20 < table["clean"]["mean"] < 99
    assert table["clean"]["mean"] == pytest.approx(usual["thresholds"]["0.5"]["all"]["mean"])


def test_anybody_s_predictions_are_scored(
    twins: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    read = benchmark.read(twins)
    for name, joints in _perfect(read).items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["preds"], file["scores"] = joints, np.ones(joints.shape[:2])
    words = ("eval", "--predictions", tmp_path, "--truth", twins)
    assert python_m_train(*words, "--json", tmp_path / "out.json") == 0
    said = capsys.readouterr().out
    assert "noda-synth twins v1" in said
    assert re.search(r"light +covered .* 100\.0 +100\.0 +\+0\.0 +\+0\.0\.\.\+0\.0", said), said
    assert json.loads((tmp_path / "out.json").read_text())["labels"] == read.labels
    assert python_m_train(*words, "--against", tmp_path) == 2
    (tmp_path / "heavy.h5").unlink()
    assert python_m_train(*words) == 2
    assert "no predictions for the heavy images" in capsys.readouterr().err


def test_a_run_is_scored_on_a_benchmark(
    twins: Path,
    quick: Callable[..., Settings],
    tmp_path: Path,
    python_m_train: Run,
    tiny: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    sets = ["size=32", "batch=4", "epochs=1", "steps=1", "pictures=0", "device=cpu", f"cache_dir={quick().cache_dir}"]
    words = [word for one in sets for word in ("--set", one)]
    assert python_m_train("fit", "demo", "--data", twins.parent / "data", "--run", run, *words) == 0
    assert python_m_train("eval", "--run", run, "--data", twins, "--set", "device=cpu") == 0
    said = capsys.readouterr().out
    assert "heavy" in said and "95 % of drop" in said
    stored = json.loads((run / "benchmark-twins" / "scores.json").read_text())
    again = benchmark.score(run / "benchmark-twins", benchmark.read(twins))
    assert again == stored
