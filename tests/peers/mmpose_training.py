"""A training of MMPose of two steps on a rendered set, by its own runner, with its validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

CODEC = {"type": "MSRAHeatmap", "input_size": (64, 64), "heatmap_size": (16, 16), "sigma": 2}


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes:
        checkpoint: the file that MMPose saved.
        model: its network.
        pictures: the names of the pictures of each step.
        losses: the loss of each step.
        scores: what its evaluator said.
    """

    checkpoint: Path
    model: Any
    pictures: list[list[str]]
    losses: list[float]
    scores: dict[str, float]


def train(data: Path, rows: list[int], out: Path) -> Trained:
    """Train on rows of the training list, half of them a step, and validate on the whole validation part."""
    import mmpose.models  # noqa: F401
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    class Seeing(Hook):  # type: ignore[misc]
        def __init__(self) -> None:
            self.pictures: list[list[str]] = []
            self.losses: list[float] = []

        def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            self.pictures.append([Path(sample.img_path).name for sample in data_batch["data_samples"]])
            self.losses.append(outputs["loss"].item())

    crop = [{"type": "LoadImage"}, {"type": "GetBBoxCenterScale"}, {"type": "TopdownAffine", "input_size": (64, 64)}]
    learn = [*crop, {"type": "GenerateTarget", "encoder": CODEC}, {"type": "PackPoseInputs"}]

    def loader(part: str, pipeline: list[Any], **options: Any) -> dict[str, Any]:
        dataset = {"type": "MpiiDataset", "data_root": str(data), "ann_file": f"annot/{part}.json",
                   "data_prefix": {"img": "images/"}, "pipeline": pipeline, **options}  # fmt: skip
        sampler = {"type": "DefaultSampler", "shuffle": part == "train"}
        return {"batch_size": len(rows) // 2, "num_workers": 0, "dataset": dataset, "sampler": sampler}

    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    loss = {"type": "KeypointMSELoss", "use_target_weight": True}
    head = {"type": "HeatmapHead", "in_channels": 512, "out_channels": 16, "loss": loss, "decoder": CODEC}
    model = {
        "type": "TopdownPoseEstimator", "backbone": {"type": "ResNet", "depth": 18}, "head": head,
        "data_preprocessor": {"type": "PoseDataPreprocessor", "mean": mean, "std": std, "bgr_to_rgb": True},
    }  # fmt: skip
    runner = Runner.from_cfg(Config({
        "default_scope": "mmpose", "work_dir": str(out), "model": model, "log_level": "WARNING",
        "train_dataloader": loader("train", learn, indices=rows),
        "train_cfg": {"by_epoch": True, "max_epochs": 1},
        "val_dataloader": loader("valid", [*crop, {"type": "PackPoseInputs"}], test_mode=True,
                                 headbox_file=f"{data}/annot/gt_valid.mat"),
        "val_cfg": {}, "val_evaluator": {"type": "MpiiPCKAccuracy"},
        "optim_wrapper": {"optimizer": {"type": "Adam", "lr": 1e-3}},
        "param_scheduler": [{"type": "LinearLR", "begin": 0, "end": 2, "start_factor": 0.1, "by_epoch": False}],
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
    }))  # fmt: skip
    seeing = Seeing()
    runner.register_hook(seeing)
    runner.train()
    scores = runner.val_loop.run()
    return Trained(out / "epoch_1.pth", runner.model.eval(), seeing.pictures, seeing.losses, scores)
