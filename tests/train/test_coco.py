"""The trainer on sets in COCO's form, of 17 joints and of 14: read, trained on, resumed, evaluated, refused."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from noda_synth.data.skeleton import COCO, MPII, SKELETONS, Skeleton, definition, skeleton_of
from noda_synth.errors import NodaError
from noda_train import checkpoint, evaluate, geometry
from noda_train.data import load
from noda_train.metrics import results, scoring
from noda_train.metrics.average_precision import NUMBERS
from noda_train.metrics.results import CocoResults, assign
from noda_train.metrics.truth import truth_of
from noda_train.models import build, weights
from noda_train.runs import from_weights
from noda_train.settings import Settings
from noda_train.settings import load as settings_of
from tests.drawn_set import write_mpii
from tests.other_joints import NINE, NINE_TOML, recast
from tests.train.coco_set import write_set
from tests.train.conftest import train_briefly

Run = Callable[..., int]
SET_OF = {skeleton.name: skeleton for skeleton in (COCO, SKELETONS["crowdpose14"])}


@pytest.fixture(scope="session", params=list(SET_OF))
def coco_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Skeleton]:
    """A drawn set and its joints."""
    skeleton = SET_OF[request.param]
    return write_set(tmp_path_factory.mktemp("coco") / skeleton.name, skeleton), skeleton


@pytest.fixture
def python_m_train(python_m_train: Run, quick: Callable[..., Settings]) -> Run:
    """The same, new trainings with small settings."""
    sets = ["size=32", "batch=4", "pictures=2", "device=cpu", f"cache_dir={quick().cache_dir}"]

    def run(*arguments: object) -> int:
        is_new = arguments[0] == "fit" and "--resume" not in arguments
        small = [word for one in sets for word in ("--set", one)] if is_new else []
        return python_m_train(*arguments, *small)

    return run


@pytest.fixture(scope="session")
def trained(coco_set: tuple[Path, Skeleton], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_briefly(coco_set[0], tmp_path_factory.mktemp("trained"))


def valid_file(data: Path) -> Path:
    return data / "annotations" / "person_keypoints_val.json"


def test_people_and_crops_are_those_of_the_boxes(coco_set: tuple[Path, Skeleton]) -> None:
    data, skeleton = coco_set
    parts = load(data)
    assert (len(parts.train), len(parts.valid)) == (12, 8), "crowds and people without keypoints are left out"
    first = json.loads(valid_file(data).read_text())["annotations"][0]
    x, y, width, height = first["bbox"]
    samples = parts.valid
    assert samples.joints.shape == (8, len(skeleton), 2) and samples.skeleton == skeleton
    np.testing.assert_allclose(samples.center[0], (x + (width - 1) / 2, y + (height - 1) / 2))
    assert samples.box[0] == 1.25 * (max(width, height) - 1)
    assert samples.area[0] == first["area"] and samples.names[0] == (200, 2000, 1)


def test_a_person_without_box_is_cut_by_the_joints(tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", COCO, train=1, valid=1)
    path = valid_file(data)
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        del annotation["bbox"], annotation["area"]
    path.write_text(json.dumps(content))
    samples = load(data).valid
    low, high = (getattr(samples.joints[0][samples.labelled[0]], end)(axis=0) for end in ("min", "max"))
    np.testing.assert_allclose(samples.center[0], (low + high) / 2)
    np.testing.assert_allclose(samples.person_box[0], [*low, *(high - low + 1)])
    assert samples.area[0] == pytest.approx(0.53 * np.prod(high - low + 1))


def test_a_set_without_validation_part_says_how_to_make_one(
    tmp_path: Path, python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_set(tmp_path / "set", COCO, train=1, valid=1)
    valid_file(data).unlink()
    assert python_m_train("fit", "demo", "--data", data, "--run", tmp_path / "run") == 2
    assert "--to coco --holdout 0.1" in capsys.readouterr().err


def test_mirroring_swaps_the_sides_of_any_skeleton() -> None:
    for skeleton in SKELETONS.values():
        order = geometry.flip_order(skeleton)
        assert (order[order] == np.arange(len(skeleton))).all()
        for joint, name in enumerate(skeleton.joints):
            swapped = name.replace("left", "?").replace("right", "left").replace("?", "right")
            assert skeleton.joints[order[joint]] == swapped


def test_a_run_leaves_its_joints_and_results(a_run: Path, coco_set: tuple[Path, Skeleton]) -> None:
    _, skeleton = coco_set
    content = torch.load(a_run / "last.pt", weights_only=True)
    assert content["skeleton"]["joints"] == list(skeleton.joints)
    assert content["network"]["final_layer.weight"].shape[0] == len(skeleton)
    line = json.loads((a_run / "metrics.jsonl").read_text().splitlines()[0])
    assert set(line["pck@0.1"]) == {"all", "visible", "occluded"} and (a_run / "best.pt").is_file()
    with h5py.File(a_run / "predictions.h5") as file:
        assert file["preds"].shape == (8, len(skeleton), 2)
        found = np.asarray(file["preds"])
    entries = json.loads((a_run / "predictions.json").read_text())
    np.testing.assert_allclose(np.array(entries[3]["keypoints"]).reshape(-1, 3)[:, :2], found[3] - 1)
    scores = json.loads((a_run / "scores.json").read_text())
    assert scores["metric"] == "PCK" and set(scores["thresholds"]) == {"0.2", "0.1", "0.05"}
    assert set(scores["thresholds"]["0.1"]["all"]["counts"]) == set(skeleton.groups)


def test_ap_of_a_run_is_what_pycocotools_says_of_its_files(a_run: Path, coco_set: tuple[Path, Skeleton]) -> None:
    """On the file as it stands, crowd and all."""
    from pycocotools.coco import COCO as Api
    from pycocotools.cocoeval import COCOeval

    data, skeleton = coco_set
    with contextlib.redirect_stdout(io.StringIO()):
        there = Api(str(valid_file(data)))
        run = COCOeval(there, there.loadRes(str(a_run / "predictions.json")), "keypoints")
        run.params.kpt_oks_sigmas = np.array(skeleton.sigmas)
        run.evaluate()
        run.accumulate()
        run.summarize()
    ap = json.loads((a_run / "scores.json").read_text())["oks"]["ap"]["all"]
    assert [-1 if ap[name] is None else ap[name] / 100 for name in NUMBERS] == pytest.approx(list(run.stats))


def test_a_skeleton_of_ones_own_goes_all_the_way(
    tmp_path: Path, python_m_train: Run, tiny: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nine joints with names of their own and without sigmas, stated in a file beside the annotations."""
    source, data = write_mpii(tmp_path / "mpii", images=5, valid_images=1), tmp_path / "nine"
    for part in ("train", "val"):
        images = recast(source, data / "annotations" / f"person_keypoints_{part}.json", NINE)
    shutil.copytree(images, data / "images")
    held_out = data / "annotations" / "person_keypoints_val.json"
    content = json.loads(held_out.read_text())
    for image in content["images"]:  # other pictures than those of the training part, if only by name
        name, image["file_name"] = image["file_name"], f"valid_{image['file_name']}"
        shutil.copyfile(images / name, data / "images" / image["file_name"])
    held_out.write_text(json.dumps(content))
    (data / "annotations" / "skeleton.toml").write_text(NINE_TOML)
    run = tmp_path / "run"
    assert python_m_train("fit", "demo", "--data", data, "--run", run, "--set", "epochs=1", "--set", "steps=1") == 0
    scores = json.loads((run / "scores.json").read_text())
    assert "nine has no sigmas" in scores["oks"]["why_not"]
    assert set(scores["thresholds"]["0.2"]["all"]["counts"]) == {"head", "hands", "feet"}
    assert python_m_train("eval", "--predictions", run / "predictions.json", "--truth", valid_file(data)) == 0
    assert "Hands" in capsys.readouterr().out
    slim = tmp_path / "slim.pt"
    assert python_m_train("export", "--run", run, "--slim", slim) == 0
    words = ("eval", "--run", slim, "--runs", tmp_path, "--data", data, "--set", "pictures=0")
    assert python_m_train(*words) == 0


def test_anybodys_results_are_scored_and_compared(
    a_run: Path,
    coco_set: tuple[Path, Skeleton],
    tmp_path: Path,
    python_m_train: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, _ = coco_set
    own, out = json.loads((a_run / "scores.json").read_text()), tmp_path / "numbers.json"
    words = ["eval", "--predictions", a_run / "predictions.json", "--truth", valid_file(data), "--json", out]
    assert python_m_train(*words, "--against", a_run) == 0
    numbers = json.loads(out.read_text())
    assert numbers["thresholds"] == own["thresholds"] and numbers["oks"] == own["oks"]
    assert numbers["against"]["oks"]["ap"]["visible"]["AP"] == 0
    said = capsys.readouterr().out
    assert "PCK@0.2" in said and "AP50" in said and "mean OKS" in said
    assert python_m_train(*words, "--visible", tmp_path / "visible.h5") == 2
    assert "leave --visible out" in capsys.readouterr().err


def test_a_run_is_evaluated_again_and_resumed(
    a_run: Path, coco_set: tuple[Path, Skeleton], python_m_train: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads((a_run / "scores.json").read_text())["oks"]
    assert python_m_train("eval", "--run", a_run, "--mean-pose", "--against", a_run / "predictions.json") == 0
    assert json.loads((a_run / "scores.json").read_text())["oks"] == before
    said = capsys.readouterr().out
    assert "the training set's mean pose" in said and "+0.0" in said
    assert python_m_train("fit", "--resume", "--run", a_run, "--set", "epochs=2") == 0
    said = capsys.readouterr().out
    assert "going on after epoch 1 of 2" in said and "PCK@0.1" in said


def test_a_run_is_not_resumed_on_other_joints(
    a_run: Path,
    coco_set: tuple[Path, Skeleton],
    drawn: Path,
    python_m_train: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert python_m_train("fit", "--resume", "--run", a_run, "--data", drawn) == 2
    said = capsys.readouterr().err
    assert f"the {len(coco_set[1])} joints of {coco_set[1].name}" in said and "mpii16" in said and "train.json" in said


def test_joints_of_another_set_are_judged_by_name(
    a_run: Path,
    coco_set: tuple[Path, Skeleton],
    drawn: Path,
    python_m_train: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A network for COCO's or CrowdPose's joints on MPII: the twelve of the limbs (and CrowdPose's head), by PCKh."""
    own = (a_run / "predictions.h5").read_bytes()
    out = a_run.parent / "on-mpii"
    words = ("--data", drawn, "--results", out, "--json", out.with_suffix(".json"))
    assert python_m_train("eval", "--run", a_run, *words) == 0
    said = capsys.readouterr().out
    limbs = [joint for joint in MPII.joints if joint in coco_set[1].index]
    assert len(limbs) == {"coco17": 12, "crowdpose14": 13}[coco_set[1].name]
    assert f"the {len(coco_set[1])} joints of {coco_set[1].name}" in said and f"the {len(limbs)} of the same" in said
    assert (a_run / "predictions.h5").read_bytes() == own
    others = [MPII.index[joint] for joint in MPII.joints if joint not in limbs]
    with h5py.File(out / "predictions.h5") as file:
        joints = np.asarray(file["preds"])
    assert np.isnan(joints[:, others]).all() and np.isfinite(np.delete(joints, others, axis=1)).all()
    scores = json.loads(out.with_suffix(".json").read_text())["thresholds"]["0.5"]["all"]
    truth = truth_of(load(drawn).valid)
    rows = [MPII.index[joint] for joint in limbs]
    distance = np.linalg.norm(joints - truth.joints, axis=2)[:, rows] / truth.unit[:, None]
    assert scores["mean"] == pytest.approx(100 * (distance <= 0.5)[truth.labelled[:, rows]].mean())
    assert ("head" in scores) == ("head_top" in limbs) and scores["n"] == truth.labelled[:, rows].sum()


def test_sets_without_a_common_joint_are_refused(coco_set: tuple[Path, Skeleton]) -> None:
    persons = evaluate.evaluation_set(load(coco_set[0]), settings_of("demo"))
    with pytest.raises(NodaError, match="none has the same name in both"):
        evaluate.by_name(persons, skeleton_of(tomllib.loads(NINE_TOML), "nine"))


def test_a_head_for_other_joints_starts_anew_and_the_report_says_so() -> None:
    state = build("simple_r18", len(MPII)).state_dict()
    report = weights.load(build("simple_r18", len(COCO)), state, "mpii.pth")
    assert "the file's is for 16 joints, this network's for 17" in str(report)
    assert "final_layer.weight" in report.fresh and "conv1.weight" in report.loaded
    assert "joints" not in str(weights.load(build("simple_r18", len(MPII)), state, "mpii.pth"))


def test_a_head_of_the_right_size_for_other_joints_starts_anew(tmp_path: Path) -> None:
    crowdpose, lsp = SKELETONS["crowdpose14"], SKELETONS["lsp14"]
    network, path = build("simple_r18", 14), tmp_path / "slim.pt"
    torch.save({"network": network.state_dict(), "skeleton": definition(crowdpose)}, path)
    report = weights.load_file(build("simple_r18", 14), path, lsp)
    assert "crowdpose14" in str(report) and "final_layer.weight" in report.fresh
    assert not weights.load_file(build("simple_r18", 14), path, crowdpose).fresh
    settings = settings_of("simple_r18", ["weights=none"])
    with pytest.raises(NodaError, match=r"slim\.pt.*crowdpose14.*for training to start from"):
        from_weights(path, settings, lsp, torch.device("cpu"))


def poses_of_truth(data: Path) -> tuple[scoring.Evaluator, CocoResults]:
    """Perfect poses, in reverse order and without a word on whose they are."""
    evaluator = scoring.evaluator_of(valid_file(data))
    ones = np.ones(evaluator.truth.labelled.shape)
    poses = results.poses_of(evaluator.truth.joints, ones, evaluator.names)
    return evaluator, CocoResults(tuple(poses[::-1]), (None,) * len(poses))


def test_poses_without_name_go_to_whom_they_fit(coco_set: tuple[Path, Skeleton]) -> None:
    evaluator, found = poses_of_truth(coco_set[0])
    truth: Any = evaluator.truth
    np.testing.assert_allclose(assign(found, truth, evaluator.names), truth.joints)
    fewer = CocoResults(found.poses[1:], found.annotations[1:])
    joints = assign(fewer, truth, evaluator.names)
    assert np.isnan(joints[-1]).all() and not np.isnan(joints[:-1]).any()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"images": []}, "not a list of COCO results"),
        ([{"image_id": 1}], "entry 0: no image_id, keypoints and score"),
        ([{"image_id": 1, "keypoints": [1, 2, 3], "score": 1}], "entry 0: 1 keypoints, but the truth has 17"),
        (["text"], "entry 0"),
        ([{"image_id": 1, "keypoints": [float("nan")] * 51, "score": 1}], "entry 0: a number that is none"),
    ],
)
def test_results_that_are_none_are_named(tmp_path: Path, content: Any, says: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(NodaError, match=f"{path.name}.*{says}"):
        results.read_results(path, 17)


def test_other_categories_are_no_places_where_false_poses_are_forgiven(coco_set: tuple[Path, Skeleton]) -> None:
    path = valid_file(coco_set[0])
    evaluator, content = scoring.evaluator_of(path), json.loads(path.read_text())
    before = results.ignored_in(path, evaluator.names)
    assert sorted(bool(entry.get("iscrowd")) for entry in before) == [False, True]
    dogs = [{**entry, "id": 10**6 + entry["id"], "category_id": 18} for entry in before]
    content["annotations"] += [*dogs, {"id": 9, "image_id": content["images"][1]["id"], "category_id": 18}]
    content["categories"].append({"id": 18, "name": "dog"})
    other = path.with_name("with_dogs.json")
    other.write_text(json.dumps(content))
    assert results.ignored_in(other, evaluator.names) == before
    other.unlink()


@pytest.mark.parametrize("called", [str, "{}.jpg".format, "val/{}.jpg".format])
def test_images_of_results_may_be_called_by_their_files(
    coco_set: tuple[Path, Skeleton], tmp_path: Path, called: Callable[[int], str]
) -> None:
    truth, path = valid_file(coco_set[0]), tmp_path / "r.json"
    content = json.loads(truth.read_text())
    for image in content["images"]:
        image["file_name"] = f"val/{image['file_name']}"
    (tmp_path / "val.json").write_text(json.dumps(content))
    evaluator = scoring.evaluator_of(tmp_path / "val.json")
    ones = np.ones(evaluator.truth.labelled.shape)
    entries = [
        {"image_id": called(int(pose.image)), "category_id": 1, "keypoints": pose.joints.ravel().tolist(), "score": 1}
        for pose in results.poses_of(evaluator.truth.joints, ones, evaluator.names)
    ]
    path.write_text(json.dumps(entries))
    np.testing.assert_allclose(scoring.read(path, evaluator).joints, evaluator.truth.joints)
    for entry in entries:
        entry["image_id"] = "of another set.jpg"
    path.write_text(json.dumps(entries))
    with pytest.raises(NodaError, match=r"r\.json: none of its images is in the truth, 'of another set\.jpg'"):
        scoring.read(path, evaluator)


def test_coco_results_need_a_coco_truth(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("[]")
    with pytest.raises(NodaError, match="need a truth in COCO's form"):
        scoring.score_file(tmp_path / "r.json", drawn / "annot" / "gt_valid.mat")


def test_a_checkpoint_from_before_there_were_others_is_mpiis(tmp_path: Path) -> None:
    assert checkpoint.skeleton_of({}, tmp_path / "last.pt") is MPII
    assert checkpoint.skeleton_of({"skeleton": definition(COCO)}, tmp_path / "last.pt") == COCO
