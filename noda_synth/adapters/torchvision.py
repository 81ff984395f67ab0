"""A transform for torchvision v2: samples are mappings with a tv_tensors.Image and tv_tensors.KeyPoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from noda_synth.api.occluder import Occluder
from noda_synth.data.dataset import UNKNOWN
from noda_synth.errors import NodaError


class Occlude(v2.Transform):  # type: ignore[misc]
    """Occludes the person of a sample: "image" (3, H, W) uint8 and "keypoints" (J, 2), and, where they are known,
    "labelled", "visible", "scale", "others" and "source", as an `Occluder` takes them, and "key".

    Without "key" one is drawn from torch's generator, which a DataLoader seeds in each worker. Keypoints stay where
    they are; "visible" (J,) int8 says what can be seen after, "covered" (J,) bool what was covered.

    Args:
        occluder: of RGB.
        p: share of the samples that is occluded.
    """

    def __init__(self, occluder: Occluder, *, p: float = 0.5) -> None:
        super().__init__()
        self.occluder, self.p = occluder, p

    def forward(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        if torch.rand(()) >= self.p:
            # All samples have the same keys, as it takes to put them into a batch.
            count = len(sample["keypoints"])
            unknown = torch.full((count,), UNKNOWN, dtype=torch.int8)
            return {"visible": unknown, **sample, "covered": torch.zeros(count, dtype=torch.bool)}
        key = sample["key"] if "key" in sample else int(torch.randint(1 << 62, ()))
        given = {name: sample[name] for name in ("labelled", "visible", "scale", "others", "source") if name in sample}
        if not isinstance(sample["image"], torch.Tensor):
            kind = type(sample["image"]).__name__
            raise NodaError(f'"image" is {kind}; put v2.ToImage() before Occlude, which makes a tensor (3, H, W)')
        image = sample["image"].permute(1, 2, 0).contiguous().numpy()
        result = self.occluder(image, sample["keypoints"].double().numpy(), key=key, **given)
        picture = torch.from_numpy(result.image).permute(2, 0, 1).contiguous()
        return {
            **sample,
            "image": tv_tensors.wrap(picture, like=sample["image"]),
            "visible": torch.from_numpy(result.visible),
            "covered": torch.from_numpy(result.covered),
        }
