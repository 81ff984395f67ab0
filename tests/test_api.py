"""`import noda_synth`: what other people's programs call, and that it does what the commands do."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError, fields
from inspect import signature
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import noda_synth
from noda_synth import NodaError, Occluded, Occluder, Person, Pool
from noda_synth.api.functions import PoolOptions
from noda_synth.cli.build_pool import command as build_command
from noda_synth.cli.render import command as render_command
from noda_synth.methods import METHODS, method_class
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.build import PoolSettings
from noda_synth.render.settings import RenderSettings
from noda_synth.render.with_defaults import RenderOptions, render
from tests.conftest import Made
from tests.rules import read

POOL_FREE = [name for name in METHODS if "objects" not in method_class(name).takes]


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


def people(made: Made) -> dict[str, list[Person]]:
    """Image name -> its people."""
    dataset = noda_synth.read_dataset(made.data)
    return {name: list(dataset.by_image[name]) for name in dataset.images}


def image_of(made: Made, person: Person) -> NDArray[np.uint8]:
    picture = cv2.imread(str(made.data / "images" / person.image))
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)


def occlude(occluder: Occluder, made: Made, person: Person, others: list[Any], copy: int = 0) -> Occluded:
    """As others would call it: with arrays alone."""
    return occluder(
        image_of(made, person),
        person.joints,
        person.labelled,
        person.visible,
        key=(person.person_id, copy),
        scale=person.scale,
        others=others,
        source=person.image,
    )


def one(made: Made, occluder: Occluder) -> tuple[Person, Occluded]:
    """The first person who can be covered."""
    for group in people(made).values():
        for person in group:
            result = occlude(occluder, made, person, [])
            if not result.reason:
                return person, result
    raise AssertionError("nobody")


def test_importing_it_loads_nothing_else() -> None:
    code = "import sys, noda_synth; print(sorted(m for m in sys.modules if m.split('.')[0] in ('noda_synth', 'numpy')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['noda_synth', 'noda_synth.version']"


def test_all_names_are_there_and_no_others() -> None:
    assert all(getattr(noda_synth, name) is not None for name in noda_synth.__all__)
    assert set(noda_synth.__all__) <= set(dir(noda_synth))
    with pytest.raises(AttributeError, match="no attribute 'renders'"):
        noda_synth.renders  # noqa: B018


@pytest.mark.parametrize("first", ["import noda_synth.render.run", "from noda_synth import Occluder", "pass"])
def test_render_can_be_called_whatever_was_imported_before(first: str) -> None:
    code = f"import noda_synth\n{first}\nassert callable(noda_synth.render)\nfrom noda_synth.render.run import render"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("method", POOL_FREE)
@pytest.mark.parametrize("with_arrays", [True, False])
def test_the_pictures_are_those_of_render(drawn: Made, tmp_path: Path, method: str, with_arrays: bool) -> None:
    out = drawn.render(tmp_path / "set", "--method", method, "--format", "png", "--copies", 2, "--ratio", 0.3)
    records = json.loads((out / "annot" / "train_1.json").read_text())
    everybody, made_of = people(drawn), {line["id"]: line for line in lines(out)}
    occluder, shown = Occluder(drawn.pool, method=method), 0
    for line in made_of.values():
        person = next(p for p in everybody[line["source"]] if p.person_id == line["person"])
        rest = [p for p in everybody[line["source"]] if p is not person]
        if with_arrays:
            result = occlude(occluder, drawn, person, [other.joints for other in rest], line["copy"])
        else:
            key = (person.person_id, line["copy"])
            result = occluder.cover(image_of(drawn, person), person, key=key, others=rest)
        assert result.reason == ""
        np.testing.assert_array_equal(result.image[..., ::-1], read(out / "images" / line["file"]))
        assert json.loads(json.dumps(result.placement)) == line["placement"]
        assert occluder.skeleton.named(result.covered) == line["covered"]
        if method == "noda":
            assert result.occluder is not None and result.occluder.id == line["occluder"]["person"]
        if line["copy"] == 0:
            assert result.visible.tolist() == records[line["row"]]["joints_visible"]
        shown += 1
    assert shown == 24


_CHOICES: list[tuple[dict[str, Any], list[Any]]] = [
    ({"preset": "best"}, ["--preset", "best"]),
    ({"mask": "box", "smooth": "none", "rescale": (1, 1)}, ["--mask", "box", "--smooth", "none", "--rescale", 1, 1]),
    ({"bodies": (2, 2), "mirror": True}, ["--bodies", 2, 2, "--mirror"]),
]


@pytest.mark.parametrize(("options", "words"), _CHOICES)
def test_presets_and_settings_are_those_of_render(
    drawn: Made, tmp_path: Path, options: dict[str, Any], words: list[Any]
) -> None:
    line = lines(drawn.render(tmp_path / "set", "--format", "png", "--limit", 1, *words))[0]
    person = next(p for p in people(drawn)[line["source"]] if p.person_id == line["person"])
    rest = [p for p in people(drawn)[line["source"]] if p is not person]
    result = occlude(Occluder(drawn.pool, **options), drawn, person, [other.joints for other in rest])
    np.testing.assert_array_equal(result.image[..., ::-1], read(tmp_path / "set" / "images" / line["file"]))
    assert [body.id for body in result.more] == [body["person"] for body in line["occluder"].get("more", [])]
    assert len(result.more) == len(line["placement"]["more"]) == (1 if "bodies" in options else 0)


def test_the_result_says_what_was_done_and_the_input_stays(drawn: Made) -> None:
    occluder = Occluder(drawn.pool)
    person, result = one(drawn, occluder)
    image = image_of(drawn, person)
    before = image.copy()
    image.flags.writeable = False
    arrays = [person.joints.copy(), person.labelled.copy(), person.visible.copy()]
    for array in arrays:
        array.flags.writeable = False
    again = occluder(image, *arrays, key=(person.person_id, 0), scale=person.scale, source=person.image)
    np.testing.assert_array_equal(again.image, result.image)
    np.testing.assert_array_equal(image, before)
    changed = (again.image != before).any(axis=2)
    assert changed.any() and not (changed & (again.alpha == 0)).any()
    assert again.alpha.shape == image.shape[:2] and again.alpha.dtype == np.uint8
    x, y = np.floor(person.joints + 0.5).astype(int).T
    np.testing.assert_array_equal(again.covered, again.alpha[y, x] >= 128)
    np.testing.assert_array_equal(again.visible, np.where(again.covered, 0, person.visible))
    assert again.occluder is not None and again.occluder.source != person.image
    assert again.occluder.joints.shape == (16, 2)
    with pytest.raises(FrozenInstanceError):
        again.reason = "another"  # type: ignore[misc]


def test_bgr_gives_the_same_pixels_in_the_other_order(drawn: Made) -> None:
    person, result = one(drawn, Occluder(drawn.pool))
    args = (person.joints, person.labelled, person.visible)
    swapped = Occluder(drawn.pool, channels="bgr")(
        image_of(drawn, person)[..., ::-1], *args, key=(person.person_id, 0), scale=person.scale, source=person.image
    )
    np.testing.assert_array_equal(swapped.image[..., ::-1], result.image)


def test_who_cannot_be_covered_gets_the_image_back_and_the_reason(drawn: Made) -> None:
    person, _ = one(drawn, Occluder(drawn.pool))
    image = image_of(drawn, person)
    result = Occluder(drawn.pool)(image, np.full((16, 2), np.nan), key=1)
    assert result.reason == "fewer than two joints inside the image"
    np.testing.assert_array_equal(result.image, image)
    assert not np.shares_memory(result.image, image)
    assert not result.alpha.any() and not result.covered.any()
    assert result.occluder is None and result.placement is None and (result.visible == -1).all()


def test_the_key_decides_the_draw(drawn: Made) -> None:
    occluder = Occluder(drawn.pool)
    person, _ = one(drawn, occluder)
    image = image_of(drawn, person)

    def at(key: Any, seed: int = 0) -> Any:
        chosen = occluder if seed == 0 else Occluder(drawn.pool, seed=seed)
        return chosen(image, person.joints, key=key).placement

    assert at((7, 1)) == at("7/1") == at([np.int64(7), 1]) != at((7, 2))
    assert at((7, 1)) != at((7, 1), seed=1)


Call = tuple[Occluder, NDArray[np.uint8], NDArray[np.float64], int]


def work(call: Call) -> tuple[bytes, Any]:
    occluder, image, joints, key = call
    result = occluder(image, joints, key=key)
    return result.image.tobytes(), result.placement


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_same_key_gives_the_same_pixels_in_any_process(drawn: Made, start: str) -> None:
    """The parent has used pool and OpenCV before it forks, and goes on using them."""
    occluders = [Occluder(drawn.pool), Occluder(drawn.pool, preset="best"), Occluder(drawn.pool, method="parts")]
    person, _ = one(drawn, occluders[0])
    image = image_of(drawn, person)
    calls = [(occluders[n % 3], image, person.joints, n) for n in range(12)]
    here = [work(call) for call in calls]
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        there = list(pool.map(work, calls))
    assert here == there == [work(call) for call in calls]
    assert len({placement["body"] for _, placement in here if placement and "body" in placement}) > 1


def body_of(call: tuple[Pool, int]) -> tuple[str, bytes, float]:
    body = call[0].body(call[1])
    return body.id, body.crop.tobytes(), body.quality["posecut"]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_pool_shows_its_bodies_in_any_process(drawn: Made, start: str) -> None:
    pool = Pool(drawn.pool)
    calls = [(pool, number) for number in range(len(pool))]
    here = [body_of(call) for call in calls]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(start)) as workers:
        assert list(workers.map(body_of, calls)) == here
    assert [one[0] for one in here] == list(pool.ids)


def test_a_body_has_its_crop_masks_and_joints(drawn: Made) -> None:
    pool = Pool(drawn.pool)
    assert pool.levels == ("box", "cardboard", "grabcut", "posecut") and pool.skeleton.name == "mpii16"
    dataset = noda_synth.read_dataset(drawn.data)
    for number in range(len(pool)):
        body = pool.body(number)
        person = next(p for p in dataset.persons if p.person_id == body.id)
        assert body.source == person.image and pool.number(body.id) == number
        assert {level: alpha.shape for level, alpha in body.opacity.items()} == dict.fromkeys(
            pool.levels, body.crop.shape[:2]
        )
        assert body.quality.keys() == body.opacity.keys() and body.scale == person.scale
        np.testing.assert_array_equal(body.labelled, person.labelled)
        np.testing.assert_array_equal(body.visible, person.visible)
        offset = (person.joints - body.joints)[body.labelled]
        np.testing.assert_allclose(offset, np.broadcast_to(offset[0], offset.shape), atol=1e-6)
    blue = Pool(drawn.pool, channels="bgr").body(0)
    np.testing.assert_array_equal(blue.crop[..., ::-1], pool.body(0).crop)
    with pytest.raises(IndexError):
        pool.body(len(pool))
    with pytest.raises(IndexError):
        pool.body(-1)


def test_pools_and_occluders_can_be_sent_after_use(drawn: Made) -> None:
    occluder, pool = Occluder(drawn.pool), Pool(drawn.pool)
    person, result = one(drawn, occluder)
    again = occlude(pickle.loads(pickle.dumps(occluder)), drawn, person, [])
    np.testing.assert_array_equal(again.image, result.image)
    assert pool.body(0).id == pickle.loads(pickle.dumps(pool)).body(0).id


def test_what_cannot_be_is_refused_with_the_way_out(drawn: Made, drawn_coco: Made, tmp_path: Path) -> None:
    occluder = Occluder(drawn.pool)
    image, joints = np.zeros((50, 50, 3), np.uint8), np.full((16, 2), 20.0)
    first = np.arange(16)[:, None] == 0
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        r"image is float64 \(50, 50, 3\)": ((image / 255, joints), {}),
        r"image is uint8 \(50, 50\)": ((image[..., 0], joints), {}),
        "image is str": (("a.jpg", joints), {}),
        "image is Image; expected .* np.asarray": ((Image.fromarray(image), joints), {}),
        "255 \\* image": ((image / 255, joints), {}),
        "COLOR_GRAY2RGB": ((image[..., :1], joints), {}),
        r"image\[..., :3\]": ((np.dstack([image, image[..., :1]]), joints), {}),
        r"image.transpose\(1, 2, 0\)": ((image.transpose(2, 0, 1), joints), {}),
        "image has no pixels": ((image[:0], joints), {}),
        r"joints has the shape \(17, 2\); with the joints of mpii16 it is \(16, 2\)": ((image, np.zeros((17, 2))), {}),
        "joints: expected an array": ((image, "joints"), {}),
        "joints: right_ankle cannot lie there": ((image, np.where(first, np.nan, joints), np.ones(16)), {}),
        "right_ankle cannot lie there; say": ((image, np.where(first, 1e300, joints)), {}),
        "labelled has the shape": ((image, joints, [True]), {}),
        "labelled: False or 0": ((image, joints, np.where(first[:, 0], np.nan, 1)), {}),
        "labelled: .* no other values": ((image, joints, [None] * 16), {}),
        "labelled: expected an array": ((image, joints, ["no"] * 16), {}),
        "scale: expected a number": ((image, joints), {"scale": "big"}),
        r"scale has the shape \(2,\)": ((image, joints), {"scale": np.ones(2)}),
        r"others\[0\] has the shape \(2,\)": ((image, joints), {"others": joints}),
        r"others\[1\] has the shape \(16, 3\)": ((image, joints), {"others": [joints, np.ones((16, 3))]}),
        "COCO's v": ((image, joints, None, np.full(16, 2)), {}),
        "key is None": ((image, joints), {"key": None}),
        r"key is \(\)": ((image, joints), {"key": ()}),
    }
    for message, (args, kwargs) in calls.items():
        with pytest.raises(NodaError, match=message):
            occluder(*args, **({"key": 1} | kwargs))
    makes: dict[str, dict[str, Any]] = {
        "no method 'nodda'; did you mean noda": {"method": "nodda"},
        "no preset 'bets'; did you mean best": {"preset": "bets"},
        "preset is for method noda": {"method": "cutout", "preset": "best"},
        "no setting 'masks'; did you mean mask": {"masks": "box"},
        "min_covered=many: expected a whole number": {"min_covered": "many"},
        "radius is -1,1": {"radius": (-1, 1)},
        "protect_joints: no joint 'nose'": {"protect_joints": ("nose",)},
        'channels is \'gbr\'; "rgb" or "bgr"': {"channels": "gbr"},
        "no such skeleton file": {"skeleton": "mpii17"},
        "17 joints of coco17": {"skeleton": "mpii16", "pool": drawn_coco.pool},
        "no pool at": {"pool": tmp_path / "none.h5"},
        "method objects needs objects=": {"method": "objects"},
    }
    for message, options in makes.items():
        with pytest.raises(NodaError, match=message):
            Occluder(**({"pool": drawn.pool} | options))


@pytest.mark.parametrize(
    "same",
    [
        lambda image: image[:, ::-1].copy()[:, ::-1],
        lambda image: image[..., ::-1].copy()[..., ::-1],
        np.asfortranarray,
        lambda image: image.transpose(2, 0, 1).copy().transpose(1, 2, 0),
        lambda image: np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape),
    ],
)
def test_an_image_may_lie_in_memory_as_it_likes(drawn: Made, same: Any) -> None:
    for channels in ("rgb", "bgr"):
        occluder = Occluder(drawn.pool, channels=channels)
        person, _ = one(drawn, occluder)
        image = image_of(drawn, person)
        wanted = occluder(image.copy(), person.joints, key=1)
        np.testing.assert_array_equal(occluder(same(image), person.joints, key=1).image, wanted.image)


def test_keys_and_flags_are_taken_in_the_kinds_that_loaders_have(drawn: Made) -> None:
    """Arrays without dimensions, as a batch of ids has them; v and floats for labels; None where there is nothing."""
    occluder = Occluder(drawn.pool)
    person, _ = one(drawn, occluder)
    image = image_of(drawn, person)
    labelled = np.arange(16) > 2
    wanted = occluder(image, np.where(labelled[:, None], person.joints, np.nan), key=("7", 1))
    bare = [point.tolist() if known else [None, None] for point, known in zip(person.joints, labelled, strict=True)]
    calls: list[tuple[Any, Any, Any]] = [
        (bare, None, (np.array(7), np.int64(1))),
        (person.joints, labelled.astype(int) * 2, (np.str_("7"), 1)),
        (person.joints, labelled.astype(np.float32) / 2, ["7", np.uint8(1)]),
        (np.where(labelled[:, None], person.joints, -1), labelled.tolist(), "7/1"),
    ]
    for joints, flags, key in calls:
        result = occluder(image, joints, flags, key=key, others=None)
        np.testing.assert_array_equal(result.image, wanted.image)


def test_a_person_of_other_joints_is_named(drawn: Made, drawn_coco: Made) -> None:
    occluder = Occluder(drawn.pool)
    person, stranger = (noda_synth.read_dataset(made.data).persons[0] for made in (drawn, drawn_coco))
    image = image_of(drawn, person)
    said = f"person {stranger.person_id} has 17 joints; mpii16 has 16"
    for who, others in ((stranger, []), (person, [stranger])):
        with pytest.raises(NodaError, match=said):
            Occluder(drawn.pool).cover(image, who, key=1, others=others)
    assert occluder.cover(image, person, key=1).image.shape == image.shape


def test_the_functions_never_write_to_what_is_read(drawn: Made, tmp_path: Path) -> None:
    data = shutil.copytree(drawn.data, tmp_path / "data")
    before = sorted(data.rglob("*"))
    calls: list[Any] = [
        lambda: noda_synth.build_pool(data, data / "images" / "pool.h5", levels=("box",), jobs=1),
        lambda: noda_synth.build_pool(data, data / "annot" / "pool.h5", levels=("box",), jobs=1),
        lambda: noda_synth.render(data, data / "images" / "set", pool=drawn.pool, jobs=1),
        lambda: noda_synth.render(data, tmp_path, pool=drawn.pool, jobs=1),
    ]
    for call in calls:
        with pytest.raises(NodaError, match=r"never written to|exists and was not made"):
            call()
    assert sorted(data.rglob("*")) == before


def test_the_functions_have_all_that_decides_what_is_written(drawn_coco: Made, tmp_path: Path) -> None:
    """But for noda's own settings, which are `changes`."""
    runs = {"backend", "scheduler", "part", "verbose", "dry_run"}
    noda = {field.name for field in fields(PlacementSettings)} | {"changes", "suffix"}
    for command, function, options in (
        (build_command, noda_synth.build_pool, PoolOptions), (render_command, render, RenderOptions),
    ):  # fmt: skip
        there = options.__annotations__.keys() | signature(function).parameters.keys()
        assert {option.name for option in command.params} - there - runs - noda == set()
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "1000.png"), np.full((300, 360), 255, np.uint8))
    masks = tmp_path / "masks"
    report = noda_synth.build_pool(
        drawn_coco.data, tmp_path / "pool.h5", levels=("given",), masks=masks, everyone=True, jobs=1, quiet=True
    )
    assert report is not None and report.fallbacks["given"] == report.bodies - 1
    with pytest.raises(NodaError, match="is for the level given"):
        noda_synth.build_pool(drawn_coco.data, tmp_path / "p.h5", levels=("box",), masks=masks, jobs=1, quiet=True)
    noda_synth.render(
        drawn_coco.data, tmp_path / "set", pool=tmp_path / "pool.h5", changes={"mask": "given"}, yolo=True, limit=1,
        jobs=1, quiet=True,
    )  # fmt: skip
    assert (tmp_path / "set" / "data.yaml").is_file()


def test_the_functions_write_what_the_commands_write(drawn: Made, tmp_path: Path) -> None:
    pool, out = tmp_path / "pool.h5", tmp_path / "set"
    report = noda_synth.build_pool(drawn.data, pool, grabcut_size=96, jobs=1, quiet=True)
    assert report is not None and report.bodies == len(Pool(pool))
    assert pool.read_bytes() == drawn.pool.read_bytes()
    assert pool.with_name("pool.h5.run_log.json").is_file()
    made = noda_synth.render(drawn.data, out, pool=pool, format="png", jobs=1, quiet=True)
    theirs = drawn.render(tmp_path / "theirs", "--format", "png")
    assert made is not None and json.loads(json.dumps(made.content)) == json.loads((theirs / "report.json").read_text())
    for name in ("manifest.jsonl", "annot/train.json", "report.json"):
        assert (out / name).read_bytes() == (theirs / name).read_bytes()
    assert noda_synth.render(drawn.data, theirs, pool=pool, format="png", jobs=1, quiet=True) is None
    line = lines(out)[0]
    noda_synth.replay(out, line["id"], tmp_path / "again.png", images=drawn.data / "images", pool=pool)
    assert (tmp_path / "again.png").read_bytes() == (out / "images" / line["file"]).read_bytes()
    box = noda_synth.render(
        drawn.data, tmp_path / "box", pool=pool, changes={"mask": "box"}, limit=1, jobs=1, quiet=True
    )
    assert box is not None and lines(tmp_path / "box")[0]["placement"]["level"] == "box"


def test_the_functions_have_the_defaults_of_the_commands() -> None:
    def defaults(function: Any) -> dict[str, Any]:
        return {name: parameter.default for name, parameter in signature(function).parameters.items()}

    command, function = render_command.make_context("render", []).params, defaults(render)
    for name in ("out", "pool", "preset"):
        assert str(function[name]) == str(command[name]), name
    settings = RenderSettings()
    for name in ("ratio", "method", "copies", "append", "originals", "coco", "limit", "max_pixels", "seed"):
        assert getattr(settings, name) == command[name], name
    assert settings.format == command["suffix"]
    command, function = build_command.make_context("build-pool", []).params, defaults(noda_synth.build_pool)
    assert str(function["out"]) == str(command["out"]) and ",".join(function["levels"]) == command["levels"]
    pool, checked = PoolSettings(), 0
    for name in PoolOptions.__annotations__.keys() & command.keys() - {"masks"}:  # settings have others of that name
        for part in (pool, pool.rules, pool.masks):
            if hasattr(part, name):
                assert getattr(part, name) == command[name], name
                checked += 1
    assert checked >= 12


def test_the_functions_refuse_what_the_commands_refuse(drawn: Made, tmp_path: Path) -> None:
    calls: dict[str, Any] = {
        "no option 'ration'; did you mean ratio": lambda: noda_synth.render(drawn.data, tmp_path, ration=1),  # type: ignore[call-arg]
        "ratio is 2": lambda: noda_synth.render(drawn.data, tmp_path / "a", pool=drawn.pool, ratio=2),
        "format is 'gif'": lambda: noda_synth.render(drawn.data, tmp_path / "a", pool=drawn.pool, format="gif"),
        "no option 'level'": lambda: noda_synth.build_pool(drawn.data, tmp_path / "p", level="box"),  # type: ignore[call-arg]
        "levels is": lambda: noda_synth.build_pool(drawn.data, tmp_path / "p", levels=("boxes",)),
        "no option 'image'": lambda: noda_synth.read_dataset(drawn.data, image="x"),  # type: ignore[call-arg]
    }
    for message, call in calls.items():
        with pytest.raises(NodaError, match=message):
            call()
    assert not list(tmp_path.iterdir())
