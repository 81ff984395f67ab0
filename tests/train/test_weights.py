"""Weight files load in every layout that is in the wild, whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from noda_synth.errors import NodaError
from noda_train.models.hrnet import hrnet
from noda_train.models.pose_resnet import pose_resnet
from noda_train.models.weights import check_hash, expected_channels, imagenet, initialise, load, read, state_of

State = dict[str, Tensor]


NETWORKS: dict[str, Callable[[], nn.Module]] = {"simple": lambda: pose_resnet(18), "hrnet": lambda: hrnet(8)}


def random_state(model: str) -> State:
    torch.manual_seed(1)
    return NETWORKS[model]().state_dict()


def is_head(key: str) -> bool:
    return key.startswith(("deconv_layers", "final_layer"))


def prefixed(state: State, head: str) -> State:
    return {(head if is_head(key) else "backbone.") + key: value for key, value in state.items()}


class HistoryBuffer:
    """As mmengine has it, whose name it bears in the file."""

    def __init__(self) -> None:
        self._log_history, self._count_history = np.array([1.0, 0.5]), np.array([1, 1])
        self._statistics_methods = {"mean": getattr}


HistoryBuffer.__module__ = "mmengine.logging.history_buffer"


LAYOUTS: dict[str, Callable[[State], dict[str, object]]] = {
    "plain": lambda s: dict(s),
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "DataParallel": lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
    "compiled": lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
    "DataParallel and compiled": lambda s: {f"module._orig_mod.{k}": v for k, v in s.items()},
    "MMPose 0.x": lambda s: {"state_dict": prefixed(s, "keypoint_head.")},
    "MMPose 1.x": lambda s: {"state_dict": prefixed(s, "head."), "message_hub": {}},
    "Lightning": lambda s: {"state_dict": {f"model.{k}": v for k, v in s.items()}, "epoch": 3, "loops": {}},
    "Lightning with a loss beside its network": lambda s: {
        "state_dict": {**{f"net.{k}": v for k, v in s.items()}, "loss.weight": torch.ones(3)},
        "pytorch-lightning_version": "2.6.6",
    },
    "torch's AveragedModel": lambda s: {"n_averaged": torch.tensor(7), **{f"module.{k}": v for k, v in s.items()}},
    "net": lambda s: {"net": s, "acc": 0.7, "epoch": 3},
    "moving average": lambda s: {
        "model": {k: v.float() * 0 for k, v in s.items()},
        "ema": {"module": {f"module.{k}": v for k, v in s.items()}, "updates": 7},
    },
    "HRNet's checkpoint.pth": lambda s: {
        "epoch": 140,
        "model": "pose_hrnet",
        "state_dict": s,
        "best_state_dict": s,
        "perf": np.float64(89.1),
    },
    "MMPose 1.x as it is saved": lambda s: {
        "meta": {"epoch": 2, "dataset_meta": {"dataset_name": "mpii", "sigmas": np.ones(16, np.float32)}},
        "state_dict": prefixed(s, "head."),
        "message_hub": {"log_scalars": {"train/loss": HistoryBuffer()}, "runtime_info": {"epoch": np.int64(2)}},
    },
    "old, without num_batches_tracked": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("model", NETWORKS)
def test_every_layout_gives_the_same_network(
    layout: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = random_state(model)
    with monkeypatch.context() as patch:  # only while the file is written
        for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
            patch.setitem(sys.modules, name, SimpleNamespace(HistoryBuffer=HistoryBuffer))
        torch.save(LAYOUTS[layout](state), tmp_path / "w.pth")
    network = NETWORKS[model]()
    report = load(network, state_of(read(tmp_path / "w.pth"), "w.pth"), "w.pth")
    assert not report.fresh and not report.left_over
    for key, value in network.state_dict().items():
        if "num_batches" not in key:
            torch.testing.assert_close(value, state[key], rtol=0, atol=0)


def classifier(state: State, extras: State) -> State:
    return {key: value for key, value in state.items() if not is_head(key)} | extras


def test_imagenet_classifiers_leave_the_head_fresh() -> None:
    for model, extras in (
        ("simple", {"fc.weight": torch.rand(1000, 512), "fc.bias": torch.rand(1000)}),
        (
            "hrnet",
            {
                "classifier.weight": torch.rand(1000, 2048),
                "incre_modules.0.0.conv1.weight": torch.rand(3),
                "downsamp_modules.0.0.weight": torch.rand(3),
                "final_layer.0.weight": torch.rand(2048, 1024, 1, 1),
                "stage4.2.fuse_layers.3.1.1.0.weight": torch.rand(3),
            },
        ),
    ):
        network = NETWORKS[model]()
        before = network.state_dict()["final_layer.weight"].clone()
        report = load(network, classifier(random_state(model), extras), "file")
        assert set(report.left_over) == set(extras)
        assert "final_layer.weight" in report.fresh
        assert torch.equal(network.state_dict()["final_layer.weight"], before)
        assert "start fresh" in str(report)


def test_a_classifiers_final_layer_is_not_taken_for_ours() -> None:
    """The name collides, and here the shape does too."""
    state = random_state("hrnet") | {"classifier.weight": torch.rand(2, 2)}
    report = load(hrnet(8), state, "timm")
    assert set(report.fresh) == {"final_layer.weight", "final_layer.bias"}


def test_fine_tuning_to_other_joints_keeps_all_but_the_last_layer() -> None:
    torch.manual_seed(0)
    coco = pose_resnet(18, joints=17).state_dict()
    network = pose_resnet(18)
    before = network.state_dict()["final_layer.weight"].clone()
    report = load(network, coco, "coco")
    assert set(report.fresh) == {"final_layer.weight", "final_layer.bias"} and "17 joints" in str(report)
    assert torch.equal(network.state_dict()["final_layer.weight"], before)
    assert torch.equal(network.state_dict()["deconv_layers.0.weight"], coco["deconv_layers.0.weight"])


def test_half_a_head_is_not_used() -> None:
    state = {key: value for key, value in random_state("simple").items() if key != "deconv_layers.0.weight"}
    assert {"deconv_layers.3.weight", "final_layer.bias"} <= set(load(pose_resnet(18), state, "half").fresh)


def test_a_file_that_does_not_cover_the_trunk_is_refused() -> None:
    state = random_state("simple")
    missing = {k: v for k, v in state.items() if not k.startswith("layer4.1")}
    with pytest.raises(NodaError, match=r"not covered \(layer4\.1"):
        load(pose_resnet(18), missing, "half.pth")
    with pytest.raises(NodaError, match=r"half\.pth.*choose the model"):
        load(pose_resnet(50), state, "half.pth")
    with pytest.raises(NodaError, match="1 of the file do not fit"):
        load(pose_resnet(18), state | {"layer9.weight": torch.rand(1)}, "more.pth")


def test_the_hash_in_a_name_is_checked(tmp_path: Path) -> None:
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    right, wrong = tmp_path / f"resnet-{digest[:8]}.pth", tmp_path / "resnet-0123456e.pth"
    for path in (right, wrong):
        path.write_bytes(content)
    check_hash(right)
    with pytest.raises(NodaError, match="the name says sha256 0123456e"):
        check_hash(wrong)
    for name in ("pose_resnet_50_256x256.pth", "hrnet-20240512.pt", "model-00000140.pth"):
        check_hash(tmp_path / name)  # no hash, a date, a number of steps: the file is not even looked at


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1",)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(
        NodaError, match=r"evil\.pth: cannot be read as a file of plain weights: it holds (\w+\.)?eval,"
    ):
        read(tmp_path / "evil.pth")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html>\n<html>Not found</html>", "web page"),
        (b'{"message": "Not found"}', "web page or other text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        (b"weights of mine", "no file of torch.save"),
        (b"PK\x03\x04 cut short", "damaged"),
    ],
)
def test_what_is_no_weight_file_is_refused_in_one_plain_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(NodaError, match=reason) as refusal:
        read(tmp_path / "w.pth")
    assert str(refusal.value).isprintable() and "weights_only" not in str(refusal.value)


def safetensors(path: Path, state: State, header: bytes | None = None) -> Path:
    """A file as the format's description has it."""
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    values = b""
    for name, tensor in state.items():
        raw = tensor.contiguous().numpy().tobytes()
        place = [len(values), len(values) + len(raw)]
        entries[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        values += raw
    text = json.dumps(entries).encode() if header is None else header
    path.write_bytes(len(text).to_bytes(8, "little") + text + values)
    return path


def test_safetensors_are_read_and_damaged_ones_refused(tmp_path: Path) -> None:
    state = {"a.weight": torch.rand(3, 2), "b": torch.tensor(7), "half": torch.rand(5).half(), "none": torch.zeros(0)}
    found = read(safetensors(tmp_path / "w.safetensors", state))
    assert set(found) == set(state) and all(torch.equal(found[key], state[key]) for key in state)
    whole = (tmp_path / "w.safetensors").read_bytes()
    entry = '{"a": {"dtype": "F32", "shape": [3], "data_offsets": [%s]}}'
    for number, content in enumerate((b"", whole[:40], whole[:-3], whole[:8] + b"x" + whole[9:])):
        (tmp_path / f"{number}.safetensors").write_bytes(content)
    safetensors(tmp_path / "8.safetensors", {}, (entry % "0, 12").encode())
    safetensors(tmp_path / "9.safetensors", state, (entry % "-12, 0").encode())
    for number, shape in ((10, "[-3, -4]"), (11, "[Infinity]"), (12, "[" * 100_000)):
        header = entry.replace("[3]", shape) % "0, 48"
        safetensors(tmp_path / f"{number}.safetensors", {"a": torch.ones(12)}, header.encode())
    for number in (0, 1, 2, 3, 8, 9, 10, 11, 12):
        with pytest.raises(NodaError, match=rf"{number}\.safetensors: not a \.safetensors file"):
            read(tmp_path / f"{number}.safetensors")


def test_safetensors_under_the_name_of_a_pickle_are_refused(tmp_path: Path) -> None:
    path = safetensors(tmp_path / "w.safetensors", {"a": torch.ones(12)})
    with pytest.raises(NodaError, match=r"w\.pth: cannot be read as a file of plain weights"):
        read(path.rename(path.with_suffix(".pth")))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("resnet18.pth", "simple_r18"),
        ("resnet18.tv_in1k.safetensors", "simple_r18"),
        ("tv_resnet18-imagenet.pt", "simple_r18"),
        ("resnet18-20240512.pth.tar", "simple_r18"),
    ],
)
def test_the_imagenet_file_is_found_under_its_names(tmp_path: Path, name: str, model: str) -> None:
    state = {key: value for key, value in random_state("simple").items() if not is_head(key)}
    path = tmp_path / name
    safetensors(path, state) if path.suffix == ".safetensors" else torch.save(state, path)
    torch.save({}, tmp_path / "resnet180.pth")
    report = initialise(pose_resnet(18), model, "auto", tmp_path)
    assert report is not None and report.source == str(path)


@pytest.mark.parametrize("words", ["auto", "imagenet"])
def test_auto_and_imagenet_take_the_file_beside_the_data(tmp_path: Path, words: str) -> None:
    torch.save(random_state("simple"), tmp_path / "resnet18_mine.pth")
    report = initialise(pose_resnet(18), "simple_r18", words, tmp_path)
    assert report is not None and "resnet18_mine.pth" in report.source
    assert initialise(pose_resnet(18), "simple_r18", "none") is None


def test_a_broken_torchvision_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(NodaError, match=r"needs torchvision.*or name a file"):
        imagenet("simple_r50")
    with pytest.raises(NodaError, match="hrnet_w32-36af842e"):
        imagenet("hrnet_w32")


def test_a_network_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(**_: object) -> None:
        assert socket.getdefaulttimeout() == 20
        raise TimeoutError("timed out")

    weight = SimpleNamespace(url="https://host/resnet50.pth", get_state_dict=download)
    monkeypatch.setitem(sys.modules, "torchvision.models", SimpleNamespace(get_weight=lambda _: weight))
    with pytest.raises(NodaError, match=r"resnet50\.pth: cannot be downloaded \(timed out\); put the file"):
        imagenet("simple_r50")
    assert socket.getdefaulttimeout() is None


def test_the_channels_of_official_simple_baselines_files_and_of_our_own_are_known(tmp_path: Path) -> None:
    assert expected_channels(Path("pose_resnet_50_256x256.pth")) == "bgr"
    assert expected_channels(Path("pose_hrnet_w32_256x256.pth")) is None
    content = {"conv1.weight": torch.zeros(1)}
    torch.save({**content, "settings": {"channels": "bgr"}}, tmp_path / "slim.pt")
    torch.save(content, tmp_path / "theirs.pt")
    assert expected_channels(tmp_path / "slim.pt") == "bgr"
    assert expected_channels(tmp_path / "theirs.pt") is None
