"""AP by the evaluators of others: hotcoco in the place of pycocotools, and faster-coco-eval's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from noda_synth.data.skeleton import COCO, SKELETONS, Skeleton
from noda_train.metrics import average_precision
from noda_train.metrics.average_precision import NUMBERS, Ranking, rank
from tests.train.test_oks import constants_of, people

PYCOCOTOOLS = (("pycocotools.coco", "pycocotools.cocoeval"),)
HOTCOCO = (("hotcoco", "hotcoco"),)


def rankings(evaluators: Any, skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch) -> dict[str, Ranking]:
    """Of poses around people, and of some on nobody; a crowd and an image without anybody are there, too."""
    predictions, evaluator = people(skeleton, n=40, off=5, seed=3)
    assert predictions.poses is not None
    images = [name.image for name in evaluator.names]
    astray = [
        type(pose)(pose.image, pose.joints + np.array([40, 5, 0]), round(pose.score, 1))
        for pose in predictions.poses[::3]
    ]
    crowd = {"image_id": images[4], "iscrowd": 1, "bbox": [0, 0, 250, 250], "area": 62500, "num_keypoints": 0}
    monkeypatch.setattr(average_precision, "EVALUATORS", evaluators)
    poses = [*predictions.poses, *astray]
    return rank(poses, evaluator.truth, images, constants_of(skeleton), [crowd])


@pytest.mark.parametrize("skeleton", [COCO, SKELETONS["crowdpose14"]], ids=lambda skeleton: skeleton.name)
def test_hotcoco_gives_what_pycocotools_gives(skeleton: Skeleton, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hotcoco")
    ours = rankings(PYCOCOTOOLS, skeleton, monkeypatch)
    theirs = rankings(HOTCOCO, skeleton, monkeypatch)
    assert 5 < ours["all"].numbers["AP"] < 95  # type: ignore[operator]
    for name, ranking in ours.items():
        assert theirs[name].numbers == pytest.approx(ranking.numbers, abs=1e-9)
        for field in ("right", "wrong", "image", "people"):
            assert np.array_equal(getattr(theirs[name], field), getattr(ranking, field)), (name, field)


def test_faster_coco_eval_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own run; it does not say who was found, so the trainer cannot take it."""
    faster = pytest.importorskip("faster_coco_eval")
    seen: dict[str, Any] = {}
    original = average_precision._cocoeval

    def both(annotations: Any, results: Any, images: int, constants: Any) -> Any:
        there = faster.COCO()
        there.dataset = {
            "images": [{"id": number} for number in range(1, images + 1)],
            "annotations": [{**one, "id": number} for number, one in enumerate(annotations, start=1)],
            "categories": [{"id": 1, "name": "person"}],
        }
        there.createIndex()
        found = there.loadRes([dict(one) for one in results])
        run = faster.COCOeval_faster(there, found, "keypoints", kpt_oks_sigmas=constants)
        run.run()
        ours = original(annotations, results, images, constants)
        seen[str(len(seen))] = (list(run.stats[: len(NUMBERS)]), list(ours.stats))
        return ours

    monkeypatch.setattr(average_precision, "_cocoeval", both)
    rankings(PYCOCOTOOLS, COCO, monkeypatch)
    assert len(seen) == 3
    for theirs, ours in seen.values():
        assert theirs == pytest.approx(ours, abs=1e-9)
