"""An oracle of written sets: whether one is what docs/output.md and docs/methods.md say, told from its files alone.

Nothing of noda_synth is imported, so a fault there cannot hide itself here. A set has to be rendered as PNG, with
`--coco` and everybody's original beside it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from tests.rules import Copy, check, copy_of
from tests.rules import read as read_file

Mask = NDArray[np.bool_]

OPAQUE = ("cutout", "random-erasing", "hide-and-seek", "gridmask", "keypoint-masking")
"""Methods that paste with full opacity: what they leave alone keeps its value."""
MEAN = (104, 116, 124)
_HORIZON, _NEARER, _MOST_DROP, _MOST_ENLARGED = 3.3, 0.05, 0.9, 1.3
_SHIFT = 4
"""Pixels that a body is looked for around where its joints say it is."""

read = lru_cache(maxsize=6)(read_file)


@dataclass
class Written:
    """A written set, the input it was made of, and the pool, where the method pastes bodies.

    Attributes:
        seen: how often each rule was looked at; a rule that was never looked at shows nothing.
    """

    out: Path
    data: Path
    pool: Path | None = None
    seen: Counter[str] = field(default_factory=Counter)

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in (self.out / "manifest.jsonl").read_text().splitlines()]

    @cached_property
    def report(self) -> dict[str, Any]:
        return self._json(self.out / "report.json")

    @cached_property
    def scene(self) -> dict[str, Any]:
        return self._json(self.out / "annot" / "coco_train_scene.json")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.scene["categories"][0]["keypoints"])

    @cached_property
    def on(self) -> dict[str, list[dict[str, Any]]]:
        """File name -> annotations."""
        name_of = {image["id"]: image["file_name"] for image in self.scene["images"]}
        found = defaultdict(list)
        for annotation in self.scene["annotations"]:
            found[name_of[annotation["image_id"]]].append(annotation)
        return found

    def role(self, name: str, role: str) -> list[dict[str, Any]]:
        return [annotation for annotation in self.on[name] if annotation["noda"]["role"] == role]

    @property
    def training_list(self) -> list[dict[str, Any]] | None:
        """In MPII's layout."""
        path = self.out / "annot" / "train.json"
        return self._json(path) if path.exists() else None

    def _json(self, path: Path) -> Any:
        return json.loads(path.read_text())


def check_set(written: Written) -> Counter[str]:
    """Everything below; how often each rule was looked at."""
    check_who(written)
    check_lists(written)
    check_validation(written)
    for line in written.lines:
        _check_scene(written, line)
    method = written.report["settings"]["method"]
    if method == "noda":
        _check_bodies(written)
    else:
        for line in written.lines:
            _check_dropped(written, line)
    return written.seen


# Who.


def check_who(written: Written) -> None:
    """The ratio; nobody twice; nobody pasted from the same picture, from a validation picture, or too often."""
    settings, counts = written.report["settings"], written.report["counts"]
    samples = len(written._json(written.out / "annot" / "coco_train_topdown.json")["annotations"])
    assert counts["people"] == samples == len(written.training_list or range(samples))
    wanted = int(np.floor(settings["ratio"] * samples + 0.5))
    wanted = wanted if settings["limit"] is None else min(wanted, settings["limit"])
    people = {line["person"] for line in written.lines}
    assert counts["wanted"] == wanted
    assert counts["covered_people"] == len(people) <= wanted
    assert counts["copies"] == len(written.lines) == len(people) * settings["copies"]
    if len(people) < wanted:  # then nobody was left to try
        assert len(people) + sum(written.report["passed_over"].values()) == samples
    assert len({(line["person"], line["copy"]) for line in written.lines}) == len(written.lines)

    valid_images = {entry["image"] for entry in _entries(written.data / "annot" / "valid.json")}
    training = {
        (name, annotation["noda"]["person_id"])
        for name, annotations in written.on.items()
        for annotation in annotations
        if annotation["noda"]["role"] == "person"
    }
    times: Counter[int] = Counter()
    for line in written.lines:
        assert (line["source"], line["person"]) in training
        occluder = line.get("occluder", {})
        for body in occluder.get("parts", [occluder] if "source" in occluder else []):
            assert body["source"] != line["source"], f"{line['id']}: pasted from its own picture"
            assert body["source"] not in valid_images, f"{line['id']}: pasted from a validation picture"
            assert (body["source"], body["person"]) in training, line["id"]
            written.seen["occluders"] += 1
        times[line["placement"].get("body", -1)] += 1
    reuse = settings["placement"].get("reuse")
    assert reuse is None or max(times.values()) <= reuse


def check_lists(written: Written) -> None:
    """train.json: the input's records, in its order, with covered joints occluded and other pictures."""
    if written.training_list is None:
        return
    inputs, lines = _entries(written.data / "annot" / "train.json"), {line["row"]: line for line in written.lines}
    assert len(written.training_list) == len(inputs)
    assert all(line["copy"] == 0 for line in written.lines)
    clean = {a["noda"]["person_id"]: a for name in written.on for a in written.role(name, "person")}
    for row, (before, after) in enumerate(zip(inputs, written.training_list, strict=True)):
        line = lines.get(row)
        kept = {key: value for key, value in before.items() if key != "joints_visible"}
        assert {key: after[key] for key in kept} == {**kept, "image": line["file"] if line else before["image"]}
        covered = line["covered"] if line else []
        assert ("synth" in after) == (line is not None)
        if after["person_id"] not in clean:  # a duplicate record
            continue
        if line:
            assert after["person_id"] == line["person"]
        states = np.array(clean[after["person_id"]]["keypoints"]).reshape(-1, 3)[:, 2]
        for joint, name in enumerate(written.names):
            occluded = name in covered or states[joint] == 1
            if states[joint]:
                assert (after["joints_visible"][joint] == 0) == occluded, f"row {row}: {name}"
                written.seen["joints in the list"] += 1


def check_validation(written: Written) -> None:
    """valid.json and gt_valid.mat keep the input's rows, and `jnt_visible` says of each row what valid.json does."""
    source = written.data / "annot" / "gt_valid.mat"
    if not source.exists():
        return
    before, after = loadmat(source), loadmat(written.out / "annot" / "gt_valid.mat")
    inputs, rows = (_entries(folder / "annot" / "valid.json") for folder in (written.data, written.out))
    for key, value in before.items():
        if not key.startswith("__"):
            assert np.array_equal(value, after[key]), key
    assert [row["image"] for row in rows] == [row["image"] for row in inputs]
    near = []
    for number, (old, new) in enumerate(zip(inputs, rows, strict=True)):
        assert new["joints"] == old["joints"]
        labelled = np.array(new["joints_vis"]) > 0
        both = labelled & (after["jnt_missing"][:, number] == 0)
        near += list(np.abs(after["pos_gt_src"][both, :, number] - np.array(new["joints"])[both]).max(axis=1) <= 1.5)
        if "jnt_visible" in after:
            said = after["jnt_visible"][:, number].astype(int)
            expected = np.where(labelled, new.get("joints_visible", [-1] * 16), 0)
            assert (said[labelled] == expected[labelled]).all(), f"row {number} of jnt_visible is somebody else's"
            written.seen["rows of jnt_visible"] += 1
    # MPII's own file has some labelled joints at (0, 0).
    assert np.mean(near) > 0.9, "the rows of gt_valid.mat are other people's than those of valid.json"
    written.seen["rows of gt_valid"] += len(rows)


def _entries(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else []


# Scenes.


def _check_scene(written: Written, line: Mapping[str, Any]) -> None:
    """Everybody is there; joints and outlines lose what is covered, and areas with them; joints never move."""
    what, seen = line["id"], written.seen
    before = {a["noda"]["person_id"]: a for a in written.on[line["source"]] if a["noda"]["role"] == "person"}
    target = written.role(line["file"], "target")
    others = written.role(line["file"], "bystander")
    assert [a["noda"]["person_id"] for a in target] == [line["person"]], what
    assert {a["noda"]["person_id"] for a in target + others} == set(before), what
    original = read(written.data / "images" / line["source"])
    picture = read(written.out / "images" / line["file"])
    changed = (original != picture).any(axis=2)
    pasted = written.role(line["file"], "occluder")
    assert len(pasted) == (line["method"] == "noda"), what
    covering = mask_of(pasted[0], original.shape) if pasted else _covering(line, original.shape)
    if pasted and covering is not None:
        _check_pasted(written, line, pasted[0], covering, changed)
    for annotation in target + others:
        old = before[annotation["noda"]["person_id"]]
        if annotation["iscrowd"]:  # nothing of them is left to be seen
            continue
        table, new = (np.array(a["keypoints"], float).reshape(-1, 3) for a in (old, annotation))
        assert (table[:, :2] == new[:, :2]).all(), f"{what}: joints moved"
        hit = (table[:, 2] > 0) & (new[:, 2] == 1)
        said = {name for name, state in zip(written.names, hit & (table[:, 2] == 2), strict=True) if state}
        assert said <= set(annotation["noda"].get("covered", [])), what
        if annotation in target:
            assert annotation["noda"]["covered"] == line["covered"], what
        covered = np.isin(written.names, annotation["noda"].get("covered", []))
        if covering is not None:
            assert (covered == (table[:, 2] > 0) & _at(covering, table[:, :2])).all(), f"{what}: covered joints"
            seen["covered joints"] += int(covered.sum())
        _check_outline(written, line, (old, annotation), (covering, changed))


def _check_outline(
    written: Written,
    line: Mapping[str, Any],
    annotations: tuple[dict[str, Any], dict[str, Any]],
    covered: tuple[Mask | None, Mask],
) -> None:
    """An outline and its area lose what lies under the paste, and nothing else."""
    before, after = annotations
    covering, changed = covered
    assert bool(before.get("segmentation")) == bool(after.get("segmentation")), line["id"]
    if not before.get("segmentation"):
        return
    old, new = (mask_of(a, changed.shape) for a in annotations)
    unsure = _along(before["segmentation"], old.shape)
    assert not (new & ~old & ~unsure).any(), line["id"]
    if covering is not None:
        assert not ((new != (old & ~covering)) & ~unsure).any(), f"{line['id']}: the outline under what was pasted"
    elif line["method"] in OPAQUE:
        assert not (new & changed & ~unsure).any(), f"{line['id']}: the outline under what was pasted"
    share = new.sum() / max(1, old.sum())
    spare = 0.01 + 0.1 * unsure.sum() / max(1, old.sum())  # a third of a pixel along the outline
    assert abs(after["area"] / before["area"] - share) <= spare, f"{line['id']}: area"
    written.seen["outlines cut"] += int(share < 1)


def _check_pasted(
    written: Written, line: Mapping[str, Any], pasted: Mapping[str, Any], covering: Mask, changed: Mask
) -> None:
    """The pasted person: box and area of its outline, joints under it; and the body is where its joints are."""
    rows, columns = np.flatnonzero(covering.any(axis=1)), np.flatnonzero(covering.any(axis=0))
    box = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert pasted["bbox"] == box, line["id"]
    assert pasted["area"] in (covering.sum(), box[2] * box[3]), line["id"]
    assert pasted["noda"]["source"] == line["occluder"]["source"], line["id"]
    table = np.array(pasted["keypoints"], float).reshape(-1, 3)
    shown = table[:, 2] > 0
    assert _at(covering, table[shown, :2]).all(), f"{line['id']}: a joint of the pasted person is not on it"
    # A soft edge changes some pixels beyond the outline, and colours may happen to be those that were there.
    assert changed[covering].mean() > 0.8, f"{line['id']}: the outline is not where the picture changed"
    placement = line["placement"]
    window = np.zeros_like(changed)
    left, top = placement["left"], placement["top"]
    window[max(0, top) : max(0, top + placement["height"]), max(0, left) : max(0, left + placement["width"])] = True
    assert not (changed & ~window).any(), f"{line['id']}: pixels beside the body changed"
    _check_place(written, line, table, covering)


def _check_place(written: Written, line: Mapping[str, Any], table: NDArray[np.float64], covering: Mask) -> None:
    """Bring the source picture over by the joints that source and copy share; the body has to match right there."""
    (source,) = [
        a
        for a in written.role(line["occluder"]["source"], "person")
        if a["noda"]["person_id"] == line["occluder"]["person"]
    ]
    own = np.array(source["keypoints"], float).reshape(-1, 3)
    shown = (table[:, 2] > 0) & (own[:, 2] > 0)
    assert shown[table[:, 2] > 0].all(), line["id"]
    if shown.sum() < 2 or (np.ptp(own[shown, :2], axis=0) < 10).any():
        return
    fits = [np.polyfit(own[shown, axis], table[shown, axis], 1) for axis in (0, 1)]
    for axis, fit in enumerate(fits):
        assert np.abs(np.polyval(fit, own[shown, axis]) - table[shown, axis]).max() < 1, f"{line['id']}: joints"
        # Rounded to whole pixels the two sides of an overlay differ a little.
        assert fit[0] > 0
    assert abs(fits[0][0] / fits[1][0] - 1) < 0.15, line["id"]
    height, width = covering.shape
    turn = np.array([[fits[0][0], 0, fits[0][1]], [0, fits[1][0], fits[1][1]]])
    image = read(written.data / "images" / line["occluder"]["source"])
    brought = cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR)
    picture = read(written.out / "images" / line["file"])
    if line["placement"]["grey"]:
        brought, picture = (
            cv2.cvtColor(cv2.cvtColor(a, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) for a in (brought, picture)
        )
    inner = cv2.erode(covering.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0)
    y, x = np.nonzero(inner)
    if len(x) < 200:
        return
    rows, columns = slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1)
    grown = cv2.copyMakeBorder(picture, *[_SHIFT] * 4, cv2.BORDER_REPLICATE)
    around = grown[y.min() : y.max() + 1 + 2 * _SHIFT, x.min() : x.max() + 1 + 2 * _SHIFT]
    mask = cv2.merge([inner[rows, columns].astype(np.float32)] * 3)
    found = cv2.matchTemplate(
        around.astype(np.float32), brought[rows, columns].astype(np.float32), cv2.TM_SQDIFF, mask=mask
    ) / len(x)
    reach = np.arange(-_SHIFT, _SHIFT + 1)
    far = np.maximum(*np.abs(np.meshgrid(reach, reach))) > 1
    here, elsewhere = found[~far].min(), found[far].min()
    if found.max() < 60:  # a body of one colour matches anywhere
        return
    assert here < elsewhere, f"{line['id']}: the joints of the pasted person are beside its body"
    written.seen["bodies matched"] += 1


def mask_of(annotation: Mapping[str, Any], shape: Sequence[int]) -> Mask:
    """(H, W) bool of a segmentation: polygons, or run lengths plain or compressed."""
    outline = annotation["segmentation"]
    if isinstance(outline, list):
        # A pixel of COCO's outlines reaches from x to x + 1: it is inside where half of its 4 x 4 parts are.
        parts = np.zeros((4 * shape[0], 4 * shape[1]), np.uint8)
        for polygon in outline:
            cv2.fillPoly(parts, [np.round(4 * np.reshape(polygon, (-1, 2)) - 0.5).astype(np.int32)], 255)
        return cv2.resize(parts, (shape[1], shape[0]), interpolation=cv2.INTER_AREA) >= 128
    counts = outline["counts"]
    runs = counts if isinstance(counts, list) else list(_run_lengths(counts))
    assert outline["size"] == list(shape[:2]) and sum(runs) == shape[0] * shape[1]
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(shape[1], shape[0]).T


def _along(segmentation: Any, shape: Sequence[int]) -> Mask:
    """Pixels along the lines of polygons, also where a polygon touches itself: two programs fill these in two ways."""
    lines = np.zeros(shape[:2], np.uint8)
    for polygon in segmentation if isinstance(segmentation, list) else ():
        cv2.polylines(lines, [np.round(np.reshape(polygon, (-1, 2)) - 0.5).astype(np.int32)], True, 1, thickness=3)
    return lines > 0


def _run_lengths(text: str) -> Iterator[int]:
    """COCO's compressed run lengths: five bits a character, and from the third on differences to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    yield from runs


def _at(mask: Mask, points: NDArray[np.float64]) -> Mask:
    """(P,) bool at points (P, 2); False beside the picture."""
    pixel = np.floor(points + 0.5).astype(int)
    inside = ((pixel >= 0) & (pixel < mask.shape[1::-1])).all(axis=1)
    found = np.zeros(len(points), bool)
    found[inside] = mask[pixel[inside, 1], pixel[inside, 0]]
    return found


# Pasted bodies.


def _check_bodies(written: Written) -> None:
    """The rules of the overlay strategy, by the pool."""
    assert written.pool is not None
    settings = written.report["settings"]["placement"]
    with h5py.File(written.pool, "r") as pool:
        stood = Stances(pool)
        for line in written.lines:
            copy = _copy(written, pool, line)
            check(
                copy,
                radius=settings["radius"],
                rescale=settings["rescale"],
                max_enlarge=settings["max_enlarge"],
                segment=settings["protect"] == "segment",
            )
            row, level = line["placement"]["body"], line["placement"]["level"]
            written.seen["bodies"] += 1
            if settings["mask"] != "mixed":
                quality = pool[f"masks/{level}/quality"][:]
                better = int((quality > quality[row]).sum())
                assert better < np.ceil(settings["body_quality"] * len(quality)), f"{line['id']}: a poor mask"
            if line["placement"]["ground"] in ("standing", "matched"):
                _check_complete(pool, line)
                stood.check(copy)
                written.seen["on the ground"] += 1


def _copy(written: Written, pool: h5py.File, line: dict[str, Any]) -> Copy:
    (old,) = [a for a in written.role(line["source"], "person") if a["noda"]["person_id"] == line["person"]]
    (new,) = written.role(line["file"], "target")
    table, after = (np.array(a["keypoints"], float).reshape(-1, 3) for a in (old, new))
    records = written.training_list
    before = np.where(table[:, 2] == 1, 0, np.where(table[:, 2] == 2, 1, -1))
    return copy_of(
        pool, (written.out, written.data), line, written.names, joints=table[:, :2], labelled=table[:, 2] > 0,
        before=before, after=np.where(after[:, 2] == 1, 0, 1),
        scale=records[line["row"]]["scale"] if records else -1.0,
    )  # fmt: skip


def _check_complete(pool: h5py.File, line: Mapping[str, Any]) -> None:
    """A body on the ground: nearly all joints labelled, every limb under the mask, the mask in one piece."""
    row, level = line["placement"]["body"], pool[f"masks/{line['placement']['level']}"]
    assert pool["bodies/labelled"][row].mean() >= 0.9, line["id"]
    least, mean = level["limbs"][row]
    assert least >= 0.75 and mean >= 0.9 and level["piece"][row] >= 0.97, f"{line['id']}: the body is not whole"


class Stances:
    """How the people of a pool stand in their own pictures: sizes and grounds, by picture and person."""

    def __init__(self, pool: h5py.File) -> None:
        bodies = {name: values[:] for name, values in pool["bodies"].items()}
        self.stance = bodies["stance"]
        self.by_image: dict[str, dict[str, tuple[float, float, NDArray[np.float64]]]] = defaultdict(dict)
        for row, (image, person) in enumerate(zip(bodies["image"], bodies["person"], strict=True)):
            factor, origin = bodies["factor"][row], bodies["origin"][row]
            size = self.stance[row, 0] / factor.mean()
            line = (self.line(row) + 0.5) / factor[1] + origin[1] - 0.5
            joints = (bodies["joints"][row][bodies["labelled"][row] > 0] + 0.5) / factor + origin - 0.5
            self.by_image[image.decode()][person.decode()] = size, line, joints

    def line(self, row: int) -> float:
        """y of a body's ground in its crop: of the lower ankle, or of the lowest joint."""
        return float(np.fmax(*self.stance[row, 6:8]))

    def check(self, copy: Copy) -> None:
        """Feet, size and frame of a body on the target's ground, and nobody who stands nearer is covered."""
        what, placement = copy.line["id"], copy.line["placement"]
        drop = placement["drop"]
        assert 0 <= drop <= _MOST_DROP, what
        assert placement["scale"] <= _MOST_ENLARGED * (1 + 1e-9), what
        x1, y1, x2, y2 = placement["frame"] or (0, 0, *copy.picture.shape[1::-1])
        width = min(placement["left"] + placement["width"], x2) - max(placement["left"], x1)
        height = min(placement["top"] + placement["height"], y2) - max(placement["top"], y1)
        assert width >= 0.75 * placement["width"] and height >= 0.5 * placement["height"], f"{what}: beyond the frame"
        here = self.by_image[copy.line["source"]]
        if copy.line["person"] not in here:
            return
        size, line, _ = here[copy.line["person"]]
        scale = size * (1 + drop / _HORIZON) * placement["rescale"] / self.stance[placement["body"], 0]
        assert abs(placement["scale"] / min(scale, _MOST_ENLARGED) - 1) < 0.01, f"{what}: size"
        factor = placement["height"] / copy.bodies[0][1]["size"][1]
        feet = (self.line(placement["body"]) + 0.5) * factor - 0.5 + placement["top"]
        assert abs(feet - line - drop * size) < 1, f"{what}: the body's feet are not where it was drawn to stand"
        for person, (_, other, joints) in here.items():
            if person != copy.line["person"] and other > line + (drop + _NEARER) * size + 1:
                assert not _at(copy.alpha >= 128, joints).any(), f"{what}: {person}, who stands nearer, is covered"


# Other methods.


def _covering(line: Mapping[str, Any], shape: Sequence[int]) -> Mask | None:
    """(H, W) bool of what a method without bodies covers by at least one half; None where its placement alone does
    not tell."""
    placement, covering = line["placement"], np.zeros(shape[:2], bool)
    if line["method"] in ("cutout", "random-erasing"):
        _inside(covering, placement)[:] = True
    elif line["method"] == "hide-and-seek":
        cells = np.array([[cell == "1" for cell in row] for row in placement["hidden"]])
        grid = cells.repeat(placement["cell"], axis=0).repeat(placement["cell"], axis=1)
        _inside(covering, placement)[:] = grid[: placement["height"], : placement["width"]]
    elif line["method"] == "keypoint-masking":
        for patch in placement["pieces"]:
            _inside(covering, _square(patch))[:] = True
    elif line["method"] != "recompress":
        return None
    return covering


def _square(patch: Mapping[str, Any]) -> dict[str, int]:
    return {"left": patch["left"], "top": patch["top"], "width": patch["side"], "height": patch["side"]}


def _inside(picture: NDArray[Any], box: Mapping[str, Any]) -> NDArray[Any]:
    """The part of a picture under a box that may hang over its border."""
    left, top = box["left"], box["top"]
    return picture[max(0, top) : max(0, top + box["height"]), max(0, left) : max(0, left + box["width"])]


def _check_dropped(written: Written, line: Mapping[str, Any]) -> None:
    """What the other methods write: pixels change where the placement says, and become what it says."""
    original = read(written.data / "images" / line["source"])
    picture = read(written.out / "images" / line["file"])
    changed, placement, what = (original != picture).any(axis=2), line["placement"], line["id"]
    written.seen["dropped"] += 1
    if line["method"] in ("objects", "parts"):
        allowed = np.zeros_like(changed)
        for piece in placement["pieces"]:
            if line["method"] == "objects":
                _inside(allowed, piece)[:] = True
            else:
                reach = _reach(written, piece)
                cv2.circle(paint := allowed.astype(np.uint8), (round(piece["x"]), round(piece["y"])), reach, 1, -1)
                allowed |= paint > 0
        assert not (changed & ~allowed).any(), f"{what}: pixels beside the pieces changed"
    elif line["method"] == "gridmask":
        within = np.zeros_like(changed)
        _inside(within, placement)[:] = True
        assert not (changed & ~within).any(), f"{what}: pixels beside the grid changed"
        assert (picture[changed] == MEAN).all() or placement["fill"] != "mean", what
    else:
        covering = _covering(line, original.shape)
        assert covering is not None and not (changed & ~covering).any(), f"{what}: pixels changed that are not covered"
        if line["method"] == "keypoint-masking":
            expected = original.copy()
            for patch in placement["pieces"]:
                y, x = patch["from_top"], patch["from_left"]
                part = original[y : y + patch["side"], x : x + patch["side"]]
                skip_y, skip_x = max(0, -patch["top"]), max(0, -patch["left"])
                place = _inside(expected, _square(patch))
                place[:] = part[skip_y:, skip_x:][: place.shape[0], : place.shape[1]]
            assert (picture == expected).all(), f"{what}: a patch is not the background it was copied from"
        elif placement.get("fill") == "mean":
            assert (picture[covering] == MEAN).all(), f"{what}: not filled by the mean"
    if line["method"] != "recompress":
        assert changed.any(), what


def _reach(written: Written, piece: Mapping[str, Any]) -> int:
    """No part of a body is farther from its joint than the crop is long."""
    assert written.pool is not None
    return int(np.ceil(np.hypot(*_sizes(written.pool)[piece["body"]]) * piece["scale"])) + 2


@lru_cache(maxsize=1)
def _sizes(pool: Path) -> NDArray[np.int32]:
    with h5py.File(pool, "r") as file:
        return np.asarray(file["bodies/size"][:])
