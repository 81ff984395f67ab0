"""The adapters to other people's loaders, with the libraries where they are installed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

import noda_synth
from noda_synth import NodaError, Occluder
from tests.conftest import Made
from tests.rules import read


class People:
    """Everyone of a set, as another program's dataset would have them."""

    def __init__(self, made: Made) -> None:
        self.persons = list(noda_synth.read_dataset(made.data).samples)
        self.images = made.data / "images"

    def __len__(self) -> int:
        return len(self.persons)

    def __getitem__(self, index: int) -> dict[str, Any]:
        person = self.persons[index]
        others = [other.joints for other in self.persons if other.image == person.image and other is not person]
        picture = cv2.imread(str(self.images / person.image))
        assert picture is not None
        return {
            "id": person.person_id,
            "image": np.ascontiguousarray(picture[..., ::-1]),
            "joints": person.joints,
            "visible": person.visible,
            "source": person.image,
            "scale": person.scale,
            "others": others,
        }


def occluded(occluder: Occluder, sample: dict[str, Any], copy: Any) -> Any:
    names = ("joints", "visible", "source", "scale")
    given = {name: sample[name] for name in names}
    return occluder(sample["image"], key=(sample["id"], copy), **given)


def as_it_is(sample: dict[str, Any]) -> dict[str, Any]:
    return sample


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_of_a_data_loader_see_the_epoch_and_the_same_pixels(drawn: Made, start: str) -> None:
    data = pytest.importorskip("torch.utils.data")
    from noda_synth.adapters.torch import OccludedDataset

    people = People(drawn)
    wrapped = OccludedDataset(people, Occluder(drawn.pool), ratio=0.5)
    loader = data.DataLoader(
        wrapped, None, num_workers=2, collate_fn=as_it_is, multiprocessing_context=start, persistent_workers=True
    )
    seen: list[set[int]] = []
    for epoch in range(2):
        wrapped.set_epoch(epoch)
        loaded = list(loader)
        seen.append({n for n, sample in enumerate(loaded) if sample["covered"].any()})
        for index, sample in enumerate(loaded):
            np.testing.assert_array_equal(sample["image"], wrapped[index]["image"])
            np.testing.assert_array_equal(sample["covered"], wrapped[index]["covered"])
            if sample["covered"].any():
                result = occluded(wrapped.occluder, people[index], epoch)
                np.testing.assert_array_equal(sample["image"], result.image)
                np.testing.assert_array_equal(sample["visible"], result.visible)
    assert seen[0] != seen[1]
    assert all(0.2 * len(people) < len(chosen) < 0.7 * len(people) for chosen in seen)


def test_samples_that_stay_as_they_are_fit_into_a_batch_with_the_others(drawn: Made) -> None:
    data = pytest.importorskip("torch.utils.data")
    from noda_synth.adapters.torch import OccludedDataset

    bare = [{name: People(drawn)[n][name] for name in ("image", "joints")} for n in range(8)]
    batch = next(iter(data.DataLoader(OccludedDataset(bare, Occluder(drawn.pool)), 8)))
    assert batch["image"].shape == (8, 300, 360, 3) and batch["visible"].shape == batch["covered"].shape == (8, 16)
    assert 0 < batch["covered"].any(dim=1).sum() < 8
    pairs = OccludedDataset([(sample["image"], sample["joints"]) for sample in bare], Occluder(drawn.pool))
    with pytest.raises(NodaError, match='sample 3 is no mapping with "image" and "joints", but tuple'):
        pairs[3]


class Written:
    """The same people in a rendered set, whose lists are taken in turn."""

    def __init__(self, folder: Path) -> None:
        self.images = folder / "images"
        self.lists = [json.loads((folder / "annot" / f"train_{copy}.json").read_text()) for copy in (1, 2)]
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lists[0])

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        record = self.lists[self.epoch][index]
        picture = read(self.images / record["image"])
        return {
            "image": np.ascontiguousarray(picture[..., ::-1]),
            "joints": np.array(record["joints"]) - 1,
            "visible": np.array(record["joints_visible"], np.int8),
        }


def trained(people: Any) -> tuple[list[Any], list[float]]:
    """Ten steps over two epochs in a fixed order: the pictures of each step, and its loss."""
    import torch
    from torch.utils.data import DataLoader

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 9, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
        torch.nn.Linear(64, 32),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)

    def batch_of(samples: list[dict[str, Any]]) -> dict[str, Any]:
        names = ("image", "joints", "visible")
        return {name: torch.from_numpy(np.stack([sample[name] for sample in samples])) for name in names}

    order = torch.Generator().manual_seed(3)
    loader = DataLoader(people, 8, shuffle=True, generator=order, collate_fn=batch_of)
    pictures, losses = [], []
    for epoch in range(2):
        people.set_epoch(epoch)
        for batch in loader:
            found = network(batch["image"].permute(0, 3, 1, 2) / 255).reshape(-1, 16, 2)
            weight = 1 + (batch["visible"] == 0)[..., None]
            loss = (weight * (found - batch["joints"].float() / 300) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            pictures.append(batch["image"])
            losses.append(loss.item())
    return pictures, losses


def test_ten_steps_of_training_see_what_a_written_set_shows(drawn: Made, tmp_path: Path) -> None:
    """The wrapper with the keys of render, epoch by epoch, beside the static set's lists in turn."""
    torch = pytest.importorskip("torch")
    from noda_synth.adapters.torch import OccludedDataset

    out = drawn.render(tmp_path / "set", "--ratio", 1, "--copies", 2, "--format", "png")
    written, losses = trained(Written(out))
    seen, others = trained(OccludedDataset(People(drawn), Occluder(drawn.pool), ratio=1))
    assert len(written) == 10 and not torch.equal(written[0], written[5])
    assert all(torch.equal(*pair) for pair in zip(written, seen, strict=True))
    assert losses == others and losses[-1] < losses[0]


@pytest.mark.parametrize("named", [True, False])
def test_albumentations_keep_the_labels_and_mark_what_is_hidden(drawn: Made, named: bool) -> None:
    pytest.importorskip("albumentations", exc_type=ImportError)
    import albumentations

    from noda_synth.adapters.albumentations import Occlude

    occluder, shown = Occluder(drawn.pool), 0
    keypoints = albumentations.KeypointParams("xy", label_fields=["joint", "visible"], remove_invisible=False)
    transform = albumentations.Compose([Occlude(occluder, p=1)], keypoint_params=keypoints)
    order = list(range(16))[::-1]
    people = People(drawn)
    for sample in (people[n] for n in range(6)):
        labels = [occluder.skeleton.joints[n] for n in order] if named else order
        joints = sample["joints"].astype(np.float32)
        after = transform(
            image=sample["image"],
            keypoints=joints[order],
            joint=labels,
            visible=sample["visible"][order].tolist(),
            key=(sample["id"], 0),
            scale=sample["scale"],
            source=sample["source"],
        )
        result = occluded(occluder, {**sample, "joints": joints}, 0)
        np.testing.assert_array_equal(after["image"], result.image)
        np.testing.assert_allclose(after["keypoints"], joints[order], atol=1e-3)
        assert list(after["joint"]) == labels
        assert [int(value) for value in after["visible"]] == result.visible[order].tolist()
        shown += not result.reason
    assert shown >= 3
    another = albumentations.Compose([Occlude(occluder, p=1)], keypoint_params=keypoints)  # 2.0 keeps kinds of labels
    with pytest.raises(NodaError, match="list of numbers"):
        another(image=sample["image"], keypoints=joints, joint=labels, visible=["yes"] * 16)
    plain = albumentations.Compose([Occlude(occluder, p=1)], keypoint_params=albumentations.KeypointParams("xy"))
    with pytest.raises(NodaError, match="label_fields"):
        plain(image=sample["image"], keypoints=joints)


def test_albumentations_draw_the_key_from_their_own_seed(drawn: Made) -> None:
    pytest.importorskip("albumentations", exc_type=ImportError)
    import albumentations

    from noda_synth.adapters.albumentations import Occlude

    sample = People(drawn)[0]
    keypoints = albumentations.KeypointParams("xy", label_fields=["joint", "visible"], remove_invisible=False)

    def pictures(seed: int) -> list[Any]:
        transform = albumentations.Compose([Occlude(Occluder(drawn.pool))], keypoint_params=keypoints, seed=seed)
        given = {"keypoints": sample["joints"], "joint": list(range(16)), "visible": [-1] * 16}
        return [transform(image=sample["image"], **given)["image"].tobytes() for _ in range(8)]

    assert pictures(1) == pictures(1) != pictures(2)
    assert len(set(pictures(1))) > 2


def test_an_mmpose_pipeline_occludes_and_goes_on_learning_covered_joints(drawn: Made) -> None:
    pytest.importorskip("mmengine")
    from mmengine.registry import TRANSFORMS

    import noda_synth.adapters.mmpose  # noqa: F401

    images = str(drawn.data / "images")
    near = os.path.relpath(images)  # one is named from here, the other from the root
    step = {"type": "NodaOcclude", "pool": str(drawn.pool), "prob": 1.0, "images": near, "variants": 1}
    pipeline, occluder, shown = TRANSFORMS.build(step), Occluder(drawn.pool), 0
    people = People(drawn)
    for number in range(6):
        sample = people[number]
        before = sample["image"][..., ::-1].copy()
        results = pipeline({
            "img": before, "img_path": f"{images}/{sample['source']}", "id": number,
            "keypoints": sample["joints"][None].astype(np.float32), "keypoints_visible": np.ones((1, 16), np.float32),
        })  # fmt: skip
        joints = sample["joints"].astype(np.float32)
        result = occluder(sample["image"], joints, key=(number, 0), source=sample["source"])
        np.testing.assert_array_equal(results["img"][..., ::-1], result.image)
        np.testing.assert_array_equal(results["keypoints_covered"][0], result.covered)
        assert results["keypoints_visible"].all() and (before == sample["image"][..., ::-1]).all()
        shown += not result.reason
    assert shown >= 3


@pytest.mark.filterwarnings("ignore")
def test_torchvision_gets_its_own_kinds_back(drawn: Made) -> None:
    torch = pytest.importorskip("torch")
    try:
        from torchvision import tv_tensors
    except (ImportError, RuntimeError) as error:  # one that was built for another torch
        pytest.skip(f"torchvision cannot be imported: {error}")
    from noda_synth.adapters.torchvision import Occlude

    if not hasattr(tv_tensors, "KeyPoints"):
        pytest.skip("torchvision has no KeyPoints yet")
    occluder, sample = Occluder(drawn.pool), People(drawn)[0]
    image = tv_tensors.Image(torch.from_numpy(sample["image"]).permute(2, 0, 1))
    points = tv_tensors.KeyPoints(torch.from_numpy(sample["joints"]), canvas_size=image.shape[1:])
    given = {"visible": sample["visible"], "scale": sample["scale"], "source": sample["source"]}
    before = image.clone()
    after = Occlude(occluder, p=1)({"image": image, "keypoints": points, "key": (sample["id"], 0), **given})
    result = occluded(occluder, sample, 0)
    assert isinstance(after["image"], tv_tensors.Image) and isinstance(after["keypoints"], tv_tensors.KeyPoints)
    np.testing.assert_array_equal(after["image"].permute(1, 2, 0).numpy(), result.image)
    assert after["visible"].tolist() == result.visible.tolist() and after["covered"].tolist() == result.covered.tolist()
    assert (image == before).all()
    torch.manual_seed(1)
    drawn_keys = [Occlude(occluder, p=1)({"image": image, "keypoints": points})["image"] for _ in range(2)]
    assert not torch.equal(*drawn_keys)
    skipped = Occlude(occluder, p=0)({"image": image, "keypoints": points})
    with pytest.raises(NodaError, match=r'"image" is Image; put v2.ToImage\(\) before Occlude'):
        Occlude(occluder, p=1)({"image": PillowImage.fromarray(sample["image"]), "keypoints": points})
    assert torch.equal(skipped["image"], image) and not skipped["covered"].any() and (skipped["visible"] == -1).all()
