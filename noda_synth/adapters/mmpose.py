"""A transform for MMPose's pipelines, to stand between LoadImage and GetBBoxCenterScale; importing it registers it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import TRANSFORMS

from noda_synth.api.occluder import Occluder


@TRANSFORMS.register_module(name="NodaOcclude")
class Occlude:
    """Occludes the first person of a top-down sample, with the rest as the other people of the image.

    Reads `img` (H, W, 3) BGR, `keypoints` (N, K, 2) and `keypoints_visible` (N, K), which in MMPose says who is
    labelled and weighs the loss: it stays as it is, so that covered joints are learned. Writes `img` and
    `keypoints_covered` (N, K) bool.

    MMPose tells its pipelines no epoch. The key is (id of the sample, a number below `variants`), the number from
    NumPy's global generator, which MMEngine seeds in each worker.

    Args:
        pool: the pool of bodies.
        prob: share of the samples that is occluded.
        images: folder of the images that the pool was made from; with it nobody is pasted into their own image.
        variants: differently occluded versions that a sample can have.
        first_pixel: coordinates of the centre of the top-left pixel: 1 with MMPose's MpiiDataset, which leaves MPII's
            numbers as they are; 0 with its other datasets.
        settings: of `Occluder`: method, preset, skeleton, seed, ...
    """

    def __init__(
        self,
        pool: str = "data/pool.h5",
        prob: float = 0.5,
        images: str | None = None,
        variants: int = 1 << 31,
        first_pixel: int = 0,
        **settings: Any,
    ) -> None:
        self.occluder = Occluder(pool, channels="bgr", **settings)
        self.prob, self.images, self.variants, self.first_pixel = prob, images, variants, first_pixel

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        labelled = np.asarray(results["keypoints_visible"])
        labelled = (labelled[..., 0] if labelled.ndim == 3 else labelled) > 0
        joints = np.where(labelled[..., None], np.asarray(results["keypoints"]) - self.first_pixel, np.nan)
        covered = np.zeros(labelled.shape, np.bool_)
        if np.random.random() < self.prob:  # noqa: NPY002
            key = (str(results.get("id", results.get("img_id", ""))), int(np.random.randint(self.variants)))  # noqa: NPY002
            result = self.occluder(
                results["img"], joints[0], labelled[0], key=key, others=list(joints[1:]), source=self._source(results)
            )
            results["img"], covered[0] = result.image, result.covered
        results["keypoints_covered"] = covered
        return results

    def _source(self, results: dict[str, Any]) -> str | None:
        if self.images is None:
            return None
        # Not resolved: images may be links.
        path, folder = (Path(os.path.abspath(place)) for place in (results.get("img_path", ""), self.images))  # noqa: PTH100
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None
