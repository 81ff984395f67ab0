"""Weight files as the programs really write them, read by the trainer, or refused in one plain line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError
from tests.peers.mmpose_training import Trained

torch = pytest.importorskip("torch")
from noda_train.models import build
from noda_train.models.weights import load_file, read

NETWORK = "simple_r18"


def loaded(path: Path) -> Any:
    """The trainer's network with these weights; nothing of it may stay fresh."""
    network = build(NETWORK, 16)
    report = load_file(network, path, MPII)
    assert not report.fresh, report
    return network.eval()


def published(path: Path) -> Path:
    """The form that MMPose's own script gives a file that goes to others."""
    import mmpose

    script = Path(mmpose.__file__).parent / ".mim" / "tools" / "misc" / "publish_model.py"
    command = [sys.executable, str(script), str(path), str(path.parent / "published.pth")]
    # The script unpickles everything, which torch no longer does unless told so.
    subprocess.run(command, check=True, env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"})
    return next(path.parent.glob("published-*.pth"))


@pytest.mark.parametrize("form", ["epoch_1.pth", "published"])
def test_a_training_of_mmpose(mmpose_training: Trained, form: str) -> None:
    path, theirs = mmpose_training.checkpoint, mmpose_training.model
    with pytest.raises(Exception, match=r"[Ww]eights.only"):  # it holds more than plain weights
        torch.load(path, weights_only=True)
    file = published(path) if form == "published" else path
    content = read(file)
    assert ("message_hub" in content) == ("optimizer" in content) == (form != "published")
    ours = loaded(file)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image, None, mode="tensor"))


def test_a_lightning_checkpoint(tmp_path: Path) -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    network = build(NETWORK, 16)

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self, rate: Any) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.model = network

        def training_step(self, batch: Any, _: int) -> Any:
            return self.model(batch).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), float(self.hparams["rate"]))

    trainer = lightning.Trainer(
        max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
        default_root_dir=str(tmp_path),
    )  # fmt: skip
    trainer.fit(Module(np.float64(1e-4)), torch.utils.data.DataLoader(torch.randn(4, 3, 64, 64), 2))
    (file,) = tmp_path.rglob("*.ckpt")
    assert same(loaded(file), network)


def test_safetensors(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.torch")
    network = build(NETWORK, 16)
    library.save_file(network.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert same(loaded(tmp_path / "model.safetensors"), network)


def test_a_model_of_ultralytics_is_refused(tmp_path: Path) -> None:
    """Its files hold whole objects, the moving average too: nothing that can be read without running their code."""
    ultralytics = pytest.importorskip("ultralytics")
    ultralytics.YOLO("yolo11n-pose.yaml", verbose=False).save(tmp_path / "pose.pt")
    with pytest.raises(
        NodaError, match=r"it holds ultralytics\.nn\.tasks\.PoseModel, .* save the weights alone"
    ) as refusal:
        read(tmp_path / "pose.pt")
    assert str(refusal.value).isprintable()


def same(a: Any, b: Any) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key].cpu(), theirs[key].cpu()) for key in ours)
