"""A network that is never wrong gets every joint right: no step from heatmaps to scores shifts a joint.

That crops show what they should is tested in test_parity.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from noda_train.data import Samples, load
from noda_train.distributed import World
from noda_train.metrics import pck
from noda_train.metrics.truth import truth_of
from noda_train.predict import predict
from noda_train.settings import Settings
from noda_train.targets import draw_heatmaps

SIZE = 256


class Oracle(nn.Module):
    """Answers each batch of crops, in the order of the persons, with the targets of their true joints.

    A batch is seen twice where the flip test is on, the second time mirrored.
    """

    def __init__(self, samples: Samples, flip_test: bool) -> None:
        super().__init__()
        in_crop = (samples.joints - samples.center[:, None]) * (SIZE / samples.box)[:, None, None] + SIZE / 2
        self.joints, self.labelled = torch.from_numpy(in_crop), torch.from_numpy(samples.labelled)
        order = np.arange(len(samples.skeleton))
        for left, right in samples.skeleton.flip_indices:
            order[[left, right]] = right, left
        self.order, self.flip_test, self.calls, self.seen = torch.from_numpy(order), flip_test, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        rows = slice(self.seen, self.seen + len(images))
        joints, labelled = self.joints[rows], self.labelled[rows]
        if self.flip_test and self.calls % 2:
            mirrored = torch.stack([SIZE - 1 - joints[..., 0], joints[..., 1]], dim=-1)
            joints, labelled = mirrored[:, self.order], labelled[:, self.order]
        self.calls += 1
        if not self.flip_test or self.calls % 2 == 0:
            self.seen += len(images)
        return draw_heatmaps(joints, labelled, SIZE // 4, 2.0)[0].float()


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("part", ["train", "valid"])
def test_an_oracles_joints_come_back_unshifted(
    drawn: Path, quick: Callable[..., Settings], flip_test: bool, part: str
) -> None:
    samples: Samples = getattr(load(drawn), part)
    settings = quick(f"size={SIZE}", f"flip_test={flip_test}", "sigma=2", "decode=quarter")
    prediction = predict(Oracle(samples, flip_test), samples, settings, World(torch.device("cpu")))
    truth = truth_of(samples)
    errors = prediction.joints - truth.joints
    if flip_test:  # the originals' shift by one cell leaves a mirrored peak half a cell off in half of the cases
        errors[..., 0] -= samples.box[:, None] / (SIZE / 4) / 8
    errors = errors[truth.labelled]
    assert np.abs(errors.mean(axis=0)).max() < 0.3, errors.mean(axis=0)
    assert np.abs(errors).max() < 4, "a joint is further off than a heatmap's cell"
    table = pck.evaluate(prediction.joints, truth, thresholds=(0.5,), bootstrap=0)["thresholds"]["0.5"]
    assert table["all"]["mean"] == 100
