"""The command line: what it prints, the files it writes, its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
import torch

from noda_train.cli import COMMANDS
from noda_train.export import write_onnx
from noda_train.metrics import pck
from noda_train.metrics.truth import read_truth
from noda_train.models import build
from noda_train.runs import load_run

pytestmark = pytest.mark.usefixtures("tiny")

Run = Callable[..., int]


def test_fit_leaves_everything_in_its_folder(a_run: Path, drawn: Path) -> None:
    assert {path.name for path in a_run.iterdir()} == {
        "settings.json", "last.pt", "best.pt", "metrics.jsonl", "predictions.h5", "scores.json", "predictions.png"
    }  # fmt: skip
    with h5py.File(a_run / "predictions.h5") as file:
        assert file["preds"].shape == (5, 16, 2) and file["ids"].asstr()[0] == "v0.jpg#0"
        predictions = np.asarray(file["preds"])
    scores = json.loads((a_run / "scores.json").read_text())
    expected = pck.evaluate(predictions, read_truth(drawn / "annot" / "gt_valid.mat"))
    assert scores["thresholds"] == expected["thresholds"]
    picture = cv2.imread(str(a_run / "predictions.png"))
    assert picture is not None and picture.shape[1] == 2 * 320 + 5


def test_a_used_run_folder_is_only_for_resume(
    a_run: Path, drawn: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert python_m_train("fit", "demo", "--data", drawn, "--run", a_run) == 2
    assert "go on with --resume" in capsys.readouterr().err
    assert python_m_train("fit", "--resume", "--run", a_run, "--set", "epochs=2") == 0
    said = capsys.readouterr().out
    for words in (
        "going on after epoch 1 of 2",
        "samples/s",
        "s left",
        "(visible, occluded)",
        "the table is of the last",
    ):
        assert words in said
    assert python_m_train("fit", "--resume", "--run", a_run, "--set", "batch=2") == 2


def test_eval_repeats_the_numbers_and_compares(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads((a_run / "scores.json").read_text())
    other = tmp_path / "other.h5"
    truth = read_truth(drawn / "annot" / "gt_valid.mat")
    with h5py.File(other, "w") as file:
        file["preds"] = truth.joints
    out = tmp_path / "numbers.json"
    code = python_m_train(
        "eval", "--runs", tmp_path, "--against", other, "--json", out, "--mean-pose", "--set", "pictures=2"
    )
    assert code == 0
    numbers = json.loads(out.read_text())
    assert numbers["thresholds"] == first["thresholds"]
    assert numbers["against"]["thresholds"]["0.5"]["all"]["mean"]["difference"] < 0
    assert numbers["mean_pose"]["0.5"]["all"]["mean"] > 20, "upright figures are near their mean"
    assert cv2.imread(str(a_run / "comparison.png")).shape[1] == 3 * 320 + 2 * 5
    assert "the training set's mean pose" in capsys.readouterr().out
    assert python_m_train("eval", "--run", a_run, "--decode", "dark", "--set", "flip_test=false") == 0
    assert python_m_train("eval", "--run", a_run, "--set", "epochs=3") == 2


def test_a_run_keeps_its_own_results_whatever_else_is_evaluated(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {name: (a_run / name).read_bytes() for name in ("scores.json", "predictions.h5", "predictions.png")}
    other, twin = tmp_path / "other", tmp_path / "x" / "other"
    for folder in (other, twin):
        shutil.copytree(drawn, folder)
    for path in (other / "annot" / "valid.json", other / "annot" / "gt_valid.mat"):
        path.unlink()
    people = json.loads((drawn / "annot" / "valid.json").read_text())
    (other / "annot" / "valid.json").write_text(json.dumps(people[::-1]))
    for words in (["--data", other], ["--data", twin], ["--decode", "quarter"], ["--checkpoint", "best"]):
        assert python_m_train("eval", "--run", a_run, *words) == 0
        assert f"what lies in {a_run} stays as it was" in capsys.readouterr().out
    assert {name: (a_run / name).read_bytes() for name in own} == own
    folders = {"eval-other": other, "eval-other-2": twin, "eval-decode-quarter": drawn, "eval-best": drawn}
    for name, data in folders.items():
        assert json.loads((a_run / name / "scores.json").read_text())["data"] == str(data)
    assert python_m_train("eval", "--run", a_run, "--against", a_run / "eval-other") == 2
    said = capsys.readouterr().err
    assert "its row 0 is v4.jpg#0, that of the truth is v0.jpg#0" in said and "eval-SET" in said
    assert python_m_train("eval", "--run", a_run, "--data", other, "--against", a_run / "eval-other") == 0


def test_a_validation_part_alone_is_evaluated(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(drawn, alone)
    train = alone / "annot" / "train.json"
    whole = json.loads((a_run / "scores.json").read_text())["thresholds"]
    train.write_text("[]")
    assert python_m_train("eval", "--run", a_run, "--data", alone) == 0
    train.unlink()
    for data in (alone, alone / "annot" / "valid.json"):
        assert python_m_train("eval", "--run", a_run, "--data", data, "--mean-pose") == 0
        assert "mean pose: n/a" in capsys.readouterr().out
    for name in ("eval-alone", "eval-valid"):
        assert json.loads((a_run / name / "scores.json").read_text())["thresholds"] == whole
    assert python_m_train("fit", "demo", "--data", alone, "--run", tmp_path / "none") == 2
    assert "has no training part" in capsys.readouterr().err


def test_a_list_without_truth_is_predicted_in_the_form_of_mpiis_server(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    people = json.loads((drawn / "annot" / "valid.json").read_text())
    people = [{key: record[key] for key in ("image", "center", "scale")} for record in [*people, people[0]]]
    test, out = tmp_path / "test.json", tmp_path / "pred_keypoints_mpii.mat"
    test.write_text(json.dumps(people))
    words = ("predict", test, "--run", a_run, "--images", drawn / "images", "--out")
    assert python_m_train(*words, out) == 0 and python_m_train(*words, tmp_path / "p.h5") == 0
    assert "6 people on 5 images" in capsys.readouterr().out
    with h5py.File(a_run / "predictions.h5") as own, h5py.File(tmp_path / "p.h5") as file:
        predictions = np.asarray(file["preds"])
        np.testing.assert_allclose(predictions[:5], own["preds"], atol=1e-2)
    images = scipy.io.loadmat(out, squeeze_me=False, struct_as_record=False)["pred"]
    assert images.shape == (1, 5) and images[0, 1].image[0, 0].name[0] == people[1]["image"]
    assert images[0, 0].annorect.shape == (1, 2), "two records on the first image"
    points = images[0, 1].annorect[0, 0].annopoints[0, 0].point[0]
    np.testing.assert_allclose([(p.x[0, 0], p.y[0, 0]) for p in points], predictions[1])
    assert [int(p.id[0, 0]) for p in points] == list(range(16))
    test.write_text(json.dumps([people[0], {"image": "a.jpg"}]))
    assert python_m_train(*words, out) == 2 and "--overwrite" in capsys.readouterr().err
    words = (*words[:-1], "--overwrite", "--out")
    assert python_m_train(*words, out) == 2 and "test.json: record 1: lacks center, scale" in capsys.readouterr().err


def test_any_file_of_predictions_can_be_scored(
    drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    truth_file = drawn / "annot" / "gt_valid.mat"
    truth = read_truth(truth_file)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["preds"] = truth.joints + 1
    out = tmp_path / "s.json"
    assert python_m_train("eval", "--predictions", tmp_path / "p.h5", "--truth", truth_file, "--json", out) == 0
    assert json.loads(out.read_text())["thresholds"]["0.5"]["all"]["mean"] == 100
    assert "(visible, occluded)" in capsys.readouterr().out
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file["preds"] = truth.joints[:3]
    assert python_m_train("eval", "--predictions", tmp_path / "short.h5", "--truth", truth_file) == 2
    assert "predictions for 3 persons" in capsys.readouterr().err


def test_somebodys_weights_are_evaluated_with_their_channels(
    drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    state = {f"module.{key}": value for key, value in build("simple_r50").state_dict().items()}
    torch.save(state, tmp_path / "pose_resnet_50_256x256.pth.tar")
    arguments = ["eval", "--weights", tmp_path / "pose_resnet_50_256x256.pth.tar", "--runs", tmp_path, "--data", drawn]
    assert python_m_train(*arguments) == 2
    sets = ["--set", "size=64", "--set", "pictures=0", "--set", "device=cpu"]
    assert python_m_train(*arguments, "--preset", "simple", *sets) == 0
    assert "channels=bgr" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "channels", "said"),
    [
        ((), "bgr", "trained on BGR: channels=bgr"),
        (
            ("--set", "channels=rgb"),
            "rgb",
            "was trained on BGR, and goes on with rgb",
        ),
    ],
)
def test_fit_starts_from_weights_with_their_channels(
    drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...],
    channels: str, said: str,
) -> None:  # fmt: skip
    torch.save(build("simple_r18", 16).state_dict(), tmp_path / "pose_resnet_18_64x64.pth")
    small = ["size=32", "batch=5", "epochs=1", "device=cpu", "validate_every=0", f"cache_dir={tmp_path}"]
    sets = [part for override in small for part in ("--set", override)]
    start = ("--weights", tmp_path / "pose_resnet_18_64x64.pth", "--run", tmp_path / "run", *words)
    assert python_m_train("fit", "demo", "--data", drawn, *start, *sets) == 0
    assert said in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["channels"] == channels


def test_a_resumed_run_says_what_it_does_and_its_settings_are_true(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (a_run / "metrics.jsonl").read_text()
    for epochs in ("1", "2"):
        told = () if epochs == "1" else ("--set", f"epochs={epochs}", "--set", "lr=0.5")
        assert python_m_train("fit", "--resume", "--run", a_run, *told) == 0
        said = capsys.readouterr().out
        past = "nothing is left to train: last.pt has 1 epochs, and epochs=1" in said
        assert past == (epochs == "1") and ((a_run / "metrics.jsonl").read_text() == before) == past
    stated = json.loads((a_run / "settings.json").read_text())
    assert (stated["epochs"], stated["lr"]) == (2, 0.5)
    other, results = shutil.copytree(drawn, tmp_path / "other"), (a_run / "scores.json").read_bytes()
    assert python_m_train("fit", "--resume", "--run", a_run, "--data", other) == 2
    said = capsys.readouterr().err
    assert "nothing is left to train" in said and f"eval --run {a_run} --data {other}" in said
    assert (a_run / "scores.json").read_bytes() == results
    assert python_m_train("fit", "--resume", "--run", a_run, "--data", other, "--set", "epochs=3") == 0
    said = capsys.readouterr().out
    assert f"epochs 1 to 2 were trained on {drawn}, the next are on {other}" in said
    assert python_m_train("fit", "--resume", "--run", a_run, "--set", "epochs=1") == 0
    assert "last.pt has 3 epochs, and epochs=1" in capsys.readouterr().out
    assert json.loads((a_run / "settings.json").read_text())["epochs"] == 3


def test_export_slim_and_onnx(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    slim = tmp_path / "slim.pt"
    assert python_m_train("export", "--run", a_run, "--slim", slim) == 0
    assert python_m_train("export", "--run", a_run, "--slim", slim) == 2 and "--overwrite" in capsys.readouterr().err
    assert python_m_train("export", "--run", a_run, "--slim", a_run / "last.pt", "--overwrite") == 2
    assert slim.stat().st_size < 0.5 * (a_run / "last.pt").stat().st_size
    beside = sorted(tmp_path.iterdir())
    words = ("eval", "--run", slim, "--runs", tmp_path / "runs", "--data", drawn, "--set", "pictures=0")
    assert python_m_train(*words) == 0
    assert sorted(tmp_path.iterdir()) == sorted([*beside, tmp_path / "runs"])
    assert (tmp_path / "runs" / "eval-slim" / "scores.json").is_file()
    assert python_m_train(*words, "--truth", drawn / "annot" / "gt_valid.mat") == 2
    assert python_m_train("export", "--run", a_run) == 2
    pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert write_onnx(tmp_path / "net.onnx", load_run(a_run, "last", torch.device("cpu"))) < 1e-3
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(None, {"images": np.zeros((5, 3, 32, 32), np.float32)})[0].shape == (5, 16, 8, 8)
    recipe = json.loads(session.get_modelmeta().custom_metadata_map["noda"])
    assert recipe["size"] == 32 and recipe["channels"] == "rgb"


def test_bench_prints_the_ratios(drawn: Path, tmp_path: Path, python_m_train: Run) -> None:
    out = tmp_path / "bench.json"
    sets = ["--set", "size=32", "--set", "batch=4", "--set", "device=cpu", "--set", f"cache_dir={tmp_path}"]
    assert python_m_train("bench", "--data", drawn, "--repeats", 1, "--persons", 8, "--json", out, *sets) == 0
    assert all(value > 0 for value in json.loads(out.read_text())["ratios"].values())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["fit"], 2, "which preset?"),
        (["fit", "hrnett"], 2, "did you mean hrnet"),
        (["fit", "simple", "--set", "eppochs=3"], 2, "did you mean epochs"),
        (["fit", "simple", "--data", "nowhere"], 2, "nowhere"),
        (["fit", "simple", "--frob"], 2, "--frob"),
        (["eval", "--runs", "nowhere"], 2, "no run with a checkpoint"),
        (["eval", "--predictions", "p.h5"], 2, "needs --truth"),
        (["fit", "--resume", "--run", "nowhere"], 2, "no such weight file"),
        (["models"], 0, "28,536,080"),
        (["models", "--keys", "simple_r50"], 0, "deconv_layers.0.weight (2048, 256, 4, 4)"),
        (["--help"], 0, "noda-train fit hrnet"),
        (["--version"], 0, "noda-train, version"),
        (["evl"], 2, "No such command 'evl'. Did you mean 'eval'?"),
    ],
)
def test_exit_codes_and_messages(
    arguments: list[str], code: int, says: str, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert python_m_train(*arguments) == code
    captured = capsys.readouterr()
    assert says in captured.out + captured.err


def test_an_interruption_says_how_to_go_on(
    drawn: Path,
    tmp_path: Path,
    python_m_train: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("noda_train.fit.train_step", interrupted)
    sets = ["--set", "size=32", "--set", "device=cpu", "--set", f"cache_dir={tmp_path}"]
    assert python_m_train("fit", "demo", "--data", drawn, "--run", tmp_path / "run", *sets) == 130
    assert "--resume --run" in capsys.readouterr().out


def test_the_figure_needs_predictions_only(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("last.pt", "best.pt"):
        (a_run / name).unlink()
    exact = tmp_path / "exact.h5"
    with h5py.File(exact, "w") as file:
        file["preds"] = read_truth(drawn / "annot" / "gt_valid.mat").joints
    out = tmp_path / "new" / "fig4.png"
    two = ("figure", "--against", a_run, "--data", drawn, "--out", out, "--side", 120, "--persons", 3)
    two = (*two, "--overwrite")
    assert python_m_train(*two, "--run", exact, "--across", 2, "--choose", "better") == 0
    said = capsys.readouterr().out
    assert said.count("against 0 with exact.h5") == 3
    picture = cv2.imread(str(out))
    assert picture is not None and picture.shape[:2] == (13 + 2 * 124, 2 * (3 * 120 + 2 * 4) + 16)
    yellow = (np.abs(picture.astype(int) - (0, 230, 255)) < 12).all(2)
    first = yellow[13:137, :368]
    assert first[:, 124:244].any() and not first[:, :120].any() and not first[:, 248:].any()
    assert python_m_train(*two, "--run", exact, "--choose", "worse") == 2
    assert "nobody on whom the run is worse" in capsys.readouterr().err
    assert python_m_train(*two, "--run", exact, "--person", "v9.jpg#0") == 2
    assert "ids look like v0.jpg#0" in capsys.readouterr().err


def test_a_run_says_where_its_predictions_were_made(
    a_run: Path, drawn: Path, tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = tmp_path / "exact.h5"
    with h5py.File(exact, "w") as file:
        file["preds"] = read_truth(drawn / "annot" / "gt_valid.mat").joints
    out = tmp_path / "fig4.png"
    assert python_m_train("figure", "--run", a_run, "--against", exact, "--out", out, "--person", "v1.jpg#0") == 0
    assert "fig4.png: 1 person" in capsys.readouterr().out
    vectors = tmp_path / "fig4.svg"
    two = ("figure", "--run", a_run, "--against", exact, "--person", "v1.jpg#0", "--captions", "Å", "Å + NODA")
    assert python_m_train(*two, "--out", vectors) == 0
    assert all(f"<!-- {name} -->" in vectors.read_text() for name in ("ground truth", "Å", "Å + NODA"))
    capsys.readouterr()
    assert python_m_train(*two, "--out", tmp_path / "fig4.jpg") == 2
    assert ".png, .pdf or .svg" in capsys.readouterr().err
    assert python_m_train("figure", "--run", exact, "--against", a_run, "--out", out) == 2
    assert "fig4.png exists" in capsys.readouterr().err
    assert python_m_train("figure", "--run", exact, "--against", a_run, "--out", out, "--overwrite") == 2
    assert "with --data" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_no_torch(words: list[str]) -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom noda_train.cli import main\n"
        f"result = CliRunner().invoke(main, {words!r})\n"
        "print(result.exit_code, [name for name in ('torch', 'cv2', 'h5py', 'scipy', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "0 []\n"
