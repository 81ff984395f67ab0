"""Loading weight files of all usual layouts, and never in part without saying so.

Accepted: a plain state dict; {"state_dict": ..} and its like, a moving average first, torch's too; prefixes `module.`,
`_orig_mod.` and Lightning's `model.`, without the losses beside its network; MMPose's `backbone.*` with
`keypoint_head.*` or `head.*`; ImageNet classifiers of torchvision, HRNet and timm; files without `num_batches_tracked`;
float16 files; .safetensors; this project's checkpoints and slim files. Files are read without running anything in them,
always (`files.py`).
"""

from __future__ import annotations

import hashlib
import importlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from noda_synth.data.skeleton import MPII, Skeleton
from noda_synth.errors import NodaError
from noda_train.models.files import read_content

State = dict[str, Tensor]

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "keypoint_head.", "head.")
AVERAGES = ("state_dict_ema", "model_ema", "ema", "average")
"""The keys of moving averages, ours last: where there is one it is what its program evaluates."""
WRAPPERS = (*AVERAGES, "state_dict", "model_state_dict", "model_state", "model", "module", "network", "net", "params")
_LIGHTNING = "pytorch-lightning_version"
LEFTOVERS = re.compile(
    r"(fc|classifier|incre_modules|downsamp_modules|data_preprocessor)\."  # classifiers and MMPose's normalisation
    r"|stage4\.2\.fuse_layers\.[123]\."  # HRNet classifiers use all branches to the end
)
"""Keys of known files that a pose network does not have."""
TORCHVISION = {
    "simple_r18": "ResNet18",
    "simple_r50": "ResNet50",
    "simple_r101": "ResNet101",
    "simple_r152": "ResNet152",
}
PUBLIC_NAMES = {
    "hrnet_w32": ("hrnet_w32", "hrnetv2_w32"),
    "hrnet_w48": ("hrnet_w48", "hrnetv2_w48"),
    **{model: (name.lower(), f"tv_{name.lower()}") for model, name in TORCHVISION.items()},
}
"""How the names of public ImageNet files begin: of torchvision and timm, and of HRNet's authors."""
SUFFIXES = (".pth", ".pth.tar", ".pt", ".bin", ".safetensors")
HEADS = ("deconv_layers.", "final_layer.")
"""What no ImageNet file can fill."""
LAST = "final_layer."
"""The layer that depends on the joints."""
TIMEOUT_S = 20.0
"""Seconds without an answer after which a download is given up: some firewalls drop requests and say nothing."""
HASH_IN_NAME = re.compile(r"-(?=[0-9]*[a-f])([0-9a-f]{8,64})\.(?:pth|pt|tar|bin|safetensors)")
"""Digits alone are a date or a number of steps: one hash of eight digits in forty looks so, and none of the files that
are meant."""


@dataclass(frozen=True)
class Report:
    """What a weight file gave: keys that were filled, keys of the head left fresh, keys of the file left over."""

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    left_over: tuple[str, ...]
    head: str = ""  # why the file's head could not be used, where it has one for other joints

    def __str__(self) -> str:
        parts = [f"{self.source}: {len(self.loaded)} arrays loaded"]
        if self.fresh:
            why = f" ({self.head})" if self.head else ""
            parts.append(f"{len(self.fresh)} of the head start fresh{why}")
        if self.left_over:
            shown = ", ".join(self.left_over[:3]) + (", ..." if len(self.left_over) > 3 else "")
            parts.append(f"{len(self.left_over)} of the file left over ({shown})")
        return "; ".join(parts)


def read(path: Path) -> dict[str, Any]:
    """The content of a weight file as a dictionary, after a check of the hash in its name."""
    if not path.is_file():
        raise NodaError(f"{path}: no such weight file")
    check_hash(path)
    return read_content(path)


def check_hash(path: Path) -> None:
    """Public files carry the first digits of their sha256 in their name, as in resnet50-19c8e357.pth."""
    match = HASH_IN_NAME.search(path.name)
    if match is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(match[1]):
        raise NodaError(f"{path}: the name says sha256 {match[1]}, the file has {digest[:8]}; download it again")


def state_of(content: Mapping[str, Any], source: str) -> State:
    """The plain state dict within a file: wrappers unpacked, prefixes removed, floats in float32."""
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping) and _has_weights(inner):
            return state_of(_of_network(inner) if _LIGHTNING in content else inner, source)
    state: State = {}
    for key, value in content.items():
        if not isinstance(value, Tensor) or key == "n_averaged":  # torch's AveragedModel counts there
            continue
        plain = _plain(key)
        if plain in state:
            raise NodaError(f"{source}: two arrays are both called {plain} once prefixes are removed")
        state[plain] = value.float() if value.is_floating_point() else value
    if not state:
        raise NodaError(f"{source}: no weights in this file (keys: {', '.join(map(str, list(content)[:5]))})")
    return state


def _has_weights(content: object) -> bool:
    """Whether this is a dictionary of tensors, or holds one under a usual key."""
    if not isinstance(content, Mapping):
        return False
    return any(isinstance(value, Tensor) for value in content.values()) or any(
        _has_weights(content.get(wrapper)) for wrapper in WRAPPERS
    )


def _of_network(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a Lightning module keeps of its network, which has a prefix, without the losses and metrics beside it."""
    return {key: value for key, value in state.items() if key.startswith(PREFIXES)} or state


def _plain(key: str) -> str:
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return _plain(key.removeprefix(prefix))
    return key


def load_file(network: nn.Module, path: Path, skeleton: Skeleton) -> Report:
    """Fill a network for these joints from a weight file. A last layer that is known to be for others is not used,
    though it may be of the right size: CrowdPose and LSP both have 14 joints."""
    content = read(path)
    state, stored = state_of(content, str(path)), content.get("skeleton")
    if stored is None or tuple(stored["joints"]) == skeleton.joints:
        return load(network, state, str(path))
    rest = {key: value for key, value in state.items() if not key.startswith(LAST)}
    report = load(network, rest, str(path))
    head = f"the file's is for {stored['name']}, this network's for {skeleton.name}"
    return replace(report, left_over=(*report.left_over, *(key for key in state if key not in rest)), head=head)


def load(network: nn.Module, state: State, source: str) -> Report:
    """Fill a network from a plain state dict. The trunk has to be covered whole, in names and shapes. A head may stay
    fresh, and the report says so: all of it where the file has none (an ImageNet file), its last layer where that is
    for another number of joints."""
    wanted = network.state_dict()
    # The final_layer of a classifier has the same name and another meaning.
    is_classifier = any(key.startswith(("classifier.", "incre_modules.", "final_layer.0.")) for key in state)
    usable, left_over, misfits = {}, [], []
    for key, value in state.items():
        is_head = key.startswith(HEADS)
        if key in wanted and value.shape == wanted[key].shape and not (is_head and is_classifier):
            usable[key] = value
        elif is_head or LEFTOVERS.match(key):
            left_over.append(key)
        else:
            misfits.append(key if key not in wanted else f"{key} {tuple(value.shape)}")
    absent = [key for key in wanted if key not in usable and not key.endswith("num_batches_tracked")]
    absent_trunk = [key for key in absent if not key.startswith(HEADS)]
    if absent_trunk or misfits:
        raise NodaError(
            f"{source}: these are not weights of this network: {len(absent_trunk)} arrays of its trunk are not covered"
            f" ({', '.join(absent_trunk[:3]) or 'none'}), {len(misfits)} of the file do not fit"
            f" ({', '.join(misfits[:3]) or 'none'}); choose the model that the file belongs to"
        )
    absent_head = [key for key in absent if key.startswith(HEADS)]
    # Half a head is no head: its layers were trained together. The last one alone has to change with the joints.
    anew = LAST if all(key.startswith(LAST) for key in absent_head) else HEADS
    dropped = [key for key in usable if absent_head and key.startswith(anew)]
    for key in dropped:
        del usable[key]
    is_fresh = [key for key in wanted if absent_head and key.startswith(anew)]
    fresh = tuple(key for key in is_fresh if not key.endswith("num_batches_tracked"))
    network.load_state_dict(usable, strict=False)  # completeness was checked above, key by key
    return Report(source, tuple(usable), fresh, (*left_over, *dropped), _other_head(state, wanted, is_classifier))


def _other_head(state: State, wanted: State, is_classifier: bool) -> str:
    """A word on a head for another number of joints, empty where there is none."""
    of_file, of_network = state.get("final_layer.weight"), wanted.get("final_layer.weight")
    if of_file is None or of_network is None or is_classifier or len(of_file) == len(of_network):
        return ""
    return f"the file's is for {len(of_file)} joints, this network's for {len(of_network)}"


def imagenet(model: str) -> State:
    """torchvision's ImageNet weights (V1) for the trunk of a Simple Baselines network, downloaded by torchvision."""
    name = TORCHVISION.get(model)
    if name is None:
        raise NodaError(
            f"torchvision has no ImageNet weights for {model}; get hrnet_w32-36af842e.pth or hrnet_w48-8ef0771d.pth"
            " from the HRNet authors and put it into data/weights, or name it: --weights FILE"
        )
    try:
        models = importlib.import_module("torchvision.models")
    # A broken installation raises RuntimeError, not ImportError.
    except (ImportError, RuntimeError) as error:
        raise NodaError(
            f"--weights imagenet needs torchvision, which cannot be imported here ({error}); install the version that"
            " belongs to your torch, or name a file: --weights resnet50-0676ba61.pth"
        ) from error
    enum = models.get_weight(f"{name}_Weights.IMAGENET1K_V1")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        state: State = enum.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise NodaError(f"{enum.url}: cannot be downloaded ({error}); put the file into data/weights") from error
    finally:
        socket.setdefaulttimeout(before)
    return state


def initialise(
    network: nn.Module, model: str, weights: str, folder: Path = Path("data/weights"), skeleton: Skeleton = MPII
) -> Report | None:
    """Start a network from `weights`: "none", "imagenet", a file, or "auto". None when it starts fresh.

    "imagenet" and "auto" take the model's public ImageNet file from `folder`, else torchvision's; training with "auto"
    goes on where there is neither.

    Raises:
        NodaError: there is no such file, or it does not fit.
    """
    if weights == "none":
        return None
    if weights in ("auto", "imagenet"):
        if (found := _public_file(model, folder)) is not None:
            return load_file(network, found, skeleton)
        return load(network, imagenet(model), f"torchvision's {TORCHVISION[model]}")
    return load_file(network, Path(weights), skeleton)


def _public_file(model: str, folder: Path) -> Path | None:
    """The model's public ImageNet file in a folder, the first by name."""
    named = re.compile(f"({'|'.join(PUBLIC_NAMES[model])})([-_.].*)?", re.IGNORECASE)
    for path in sorted(folder.glob("*")):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix and named.fullmatch(path.name.removesuffix(suffix)):
            return path
    return None


def expected_channels(weights: Path) -> str | None:
    """The channel order that a file was trained on, where that is known: the official pose_resnet files of MPII want
    BGR, and our own files say it. Raises NodaError for a file that cannot be read."""
    if re.match(r"pose_resnet_\d+_\d+x\d+", weights.name):
        return "bgr"
    stored = read(weights).get("settings") if weights.is_file() else None
    return stored.get("channels") if isinstance(stored, Mapping) else None
