"""build-pool: everyone in the training part who makes a good occluder, cut out and stored in a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import OCCLUDED, UNKNOWN, Dataset, Image, Person
from noda_synth.data.disk_list import DiskList
from noda_synth.data.geometry import far_outside_note, inside, joint_box
from noda_synth.data.pose import Pose
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem, of_item
from noda_synth.formats.files.missing import not_one_there
from noda_synth.imaging.bars import frame_of
from noda_synth.imaging.fingerprint import fingerprint
from noda_synth.imaging.images import MAX_PIXELS, image_path, image_size, read_image
from noda_synth.masks import GIVEN, LEVELS, Mask, MaskSettings, View, mask_functions, no_given_mask
from noda_synth.masks.entanglement import MAX_BORDER_SHARE, MAX_SHARED_JOINTS, shared_joints
from noda_synth.pool.cutout import Cutout, cut_out, is_truncated, pose_of
from noda_synth.pool.given_masks import Found, MaskSource, Outlines, given_mask, whose
from noda_synth.pool.layout import pool_attributes
from noda_synth.pool.mask_files import MaskFile
from noda_synth.pool.reader import DamagedPool, Pool
from noda_synth.pool.writer import merge_parts, write_part
from noda_synth.runs import jobs
from noda_synth.runs.clock import Clock
from noda_synth.runs.jobs import ONE_WORKER, Execution, Outcomes
from noda_synth.runs.staging import Outcome, Staging, settings_json
from noda_synth.seeding import item_seed
from noda_synth.version import __version__

# Images per shard: small enough to spread a small data set over the workers, large enough to cost nothing.
_SHARD_IMAGES = 16
_UNREADABLE = "image cannot be read"


@dataclass(frozen=True)
class BodyRules:
    """Who is let into the pool.

    Attributes:
        min_joints: labelled joints needed; None means 12 of 16, in proportion for other skeletons.
        min_height: pixels on the longer side of the joint box.
        truncated: let in people who are cut off by the frame.
        min_visible: share of the joints of known visibility that has to be visible.
        max_shared: joints that may lie on this and on another body at once; None sets no limit.
        max_border: length of the mask along the image's borders, in body sizes; None sets no limit.
    """

    min_joints: int | None = None
    min_height: float = 64.0
    truncated: bool = False
    min_visible: float = 0.5
    max_shared: int | None = MAX_SHARED_JOINTS
    max_border: float | None = MAX_BORDER_SHARE

    @classmethod
    def everyone(cls) -> BodyRules:
        """The paper's pool: all training samples (who have two joints to cut by)."""
        return cls(min_joints=2, min_height=0.0, truncated=True, min_visible=0.0, max_shared=None, max_border=None)

    def reason(self, person: Person, pose: Pose, others: Sequence[Pose], size: tuple[int, int], truncated: bool) -> str:
        """Why a person stays out before any mask is made, or an empty string."""
        if person.duplicate:
            return "duplicate record"
        within = pose.labelled & inside(pose.joints, size)
        if within.sum() < 2:
            return "fewer than two joints inside the image"
        needed = self.min_joints if self.min_joints is not None else ceil(len(pose.skeleton) * 12 / 16)
        if person.labelled.sum() < needed:
            return f"fewer than {needed} labelled joints"
        x1, y1, x2, y2 = joint_box(pose.joints[within])
        if max(x2 - x1, y2 - y1) < self.min_height:
            return f"smaller than {self.min_height:g} pixels"
        if truncated and not self.truncated:
            return "cut off by the frame"
        known = person.labelled & (person.visible != UNKNOWN)
        if known.any() and (person.visible[known] != OCCLUDED).mean() < self.min_visible:
            return "mostly hidden"
        frame = (0.0, 0.0, float(size[0]), float(size[1]))
        if self.max_shared is not None and shared_joints(pose, others, frame) > self.max_shared:
            return "entangled with others"
        return ""


@dataclass(frozen=True)
class PoolSettings:
    """All that decides what is in a pool, next to the inputs themselves."""

    rules: BodyRules = field(default_factory=BodyRules)
    masks: MaskSettings = field(default_factory=MaskSettings)
    levels: tuple[str, ...] = LEVELS
    max_side: int = 768
    max_pixels: int = MAX_PIXELS
    seed: int = 0


@dataclass(frozen=True)
class BuildReport:
    """What build-pool did.

    Attributes:
        bodies: people in the pool.
        people: people looked at.
        left_out: reason -> people.
        fallbacks: level -> bodies whose mask is the cardboard level's; of `given`, posecut's.
        problems: what could not be used.
        seconds: stage -> seconds of work, summed over the workers; "cut" includes the mask levels.
    """

    bodies: int
    people: int
    left_out: dict[str, int]
    fallbacks: dict[str, int]
    problems: Sequence[Problem]
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Task:
    """A few images: their names, the people on each, and what masks were found for these."""

    images: Path
    skeleton: Skeleton
    groups: Sequence[tuple[Image, tuple[Person, ...], Found | None]]


def build_pool(
    dataset: Dataset,
    images: Path,
    out: Path,
    settings: PoolSettings,
    inputs: Mapping[str, str],
    execution: Execution = ONE_WORKER,
    given: MaskSource | None = None,
) -> BuildReport | None:
    """Cut the people of the training part out of their images into the pool `out`.

    Args:
        dataset: the annotations.
        images: the images folder.
        out: the pool file; it appears when it is whole.
        settings: how.
        inputs: names and hashes of the annotation files, for the pool's record of its settings.
        execution: workers, part of the work, overwriting and progress; with a part there is no pool yet.
        given: the masks for the level `given`; without them the outlines of the annotations.

    Returns:
        What was done, or None if `out` was there already, made with the same settings.

    Raises:
        NodaError: nobody can be cut out, or has a given mask; another run writes `out` or was begun there with other
            settings.
    """
    source = (given or Outlines()) if GIVEN in settings.levels else None
    if source is not None:
        source.check(dataset)
    all_settings = settings_of(settings, dataset.skeleton, inputs)
    staging = Staging(out, execution.part)
    held = staging.start(all_settings, _settings_in(out), overwrite=execution.overwrite)
    if held is None:
        return None
    attributes = pool_attributes(dataset.skeleton, settings.levels, settings_json(all_settings), __version__)
    groups = (
        (dataset.images[name], people, source.find(dataset.images[name], people) if source else None)
        for name, people in dataset.by_image.items()
        if people
    )
    shards = (
        jobs.Shard(f"{number:06d}", _Task(images, dataset.skeleton, block), len(block))
        for number, block in enumerate(jobs.blocks(groups, _SHARD_IMAGES))
    )
    with held:
        work = partial(_cut_images, settings=settings, attributes=attributes)
        with execution.progress(dataset.by_image.with_people, "build-pool", "image") as progress:
            outcomes = jobs.run_shards(staging, work, shards, workers=execution.workers, progress=progress)
        report = _summary(outcomes, [*dataset.problems, *source.problems] if source else dataset.problems)
        if execution.part:
            return report
        if not report.bodies:
            staging.drop()
            raise NodaError(not_one_there(images, dataset.persons.image_names) or _why_nobody(report))
        whole = staging.folder / "pool.h5"
        merge_parts(outcomes.data(), whole, attributes)
        staging.finish(whole)
    return report


def _why_nobody(report: BuildReport) -> str:
    """Why nobody can be cut out, with the way out."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in report.left_out.items()) or "no people"
    by_rules = "; the rules are options, --everyone drops them" if set(report.left_out) - {_UNREADABLE} else ""
    return f"nobody can be cut out ({reasons}){by_rules}"


def settings_of(settings: PoolSettings, skeleton: Skeleton, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The settings as they are compared, hashed and stored in the pool."""
    return {"skeleton": skeleton.name, "version": __version__, **asdict(settings), "inputs": inputs}


def _settings_in(out: Path) -> dict[str, Any] | None:
    """The settings of the pool that is there, or None if there is none. Raises DamagedPool."""
    try:
        pool = Pool(out)
    except DamagedPool:
        raise
    except NodaError:
        return None
    pool.check_content()
    return pool.settings


def _cut_images(task: _Task, path: Path, *, settings: PoolSettings, attributes: Mapping[str, Any]) -> Outcome:
    """Cut the people of a few images out and write them as a part of the pool."""
    cutter = _Cutter(task, settings)
    for image, people, found in task.groups:
        cutter.cut_image(image, people, found)
    with cutter.clock.running("write"):
        write_part(path, cutter.bodies, attributes)
    masks = [cutout.masks for _, cutout, _ in cutter.bodies]
    counts = {
        "bodies": len(cutter.bodies),
        "people": sum(len(people) for _, people, _ in task.groups),
        "left_out": dict(cutter.left_out),
        "fallbacks": {level: sum(bool(mask[level].fallback) for mask in masks) for level in settings.levels},
    }
    return Outcome(cutter.problems, cutter.clock.seconds, counts)


class _Cutter:
    """Cuts people out, one image after the other.

    Attributes:
        clock: the time by stage.
        bodies: person, cut-out, and whether the frame cuts the person off.
        left_out: reason -> people.
        problems: what could not be used.
    """

    def __init__(self, task: _Task, settings: PoolSettings) -> None:
        self._task, self._settings = task, settings
        self.clock = Clock()
        functions = mask_functions(settings.masks)
        self._levels = {name: self.clock.timed(name, functions[name]) for name in settings.levels if name != GIVEN}
        self.bodies: list[tuple[Person, Cutout, bool]] = []
        self.left_out: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def cut_image(self, image: Image, people: tuple[Person, ...], found: Found | None) -> None:
        """Cut the people of one image out who pass the rules, with what was found of masks for the level `given`."""
        try:
            with of_item():
                self._cut_image(image, people, found)
        except ItemError as error:
            self.problems.append(Problem("build-pool", image.name, str(error)))
            self.left_out[_UNREADABLE] += len(people)

    def _cut_image(self, source: Image, people: tuple[Person, ...], found: Found | None) -> None:
        """The image is decoded once, and only if somebody passes. Raises ItemError."""
        settings, skeleton = self._settings, self._task.skeleton
        path = image_path(self._task.images, source.name)
        with self.clock.running("rules"):
            size = image_size(path, settings.max_pixels)
            poses = [pose_of(person, skeleton, size) for person in people]
            notes = (far_outside_note(person, skeleton, size, "build-pool") for person in people)
            self.problems += [note for note in notes if note]
            neighbours = [
                tuple(other for n, other in enumerate(poses) if n != index and not people[n].duplicate)
                for index in range(len(people))
            ]
            truncated = [bool(pose.labelled.any()) and is_truncated(pose, size) for pose in poses]
            reasons = [
                settings.rules.reason(person, pose, others, size, cut)
                for person, pose, others, cut in zip(people, poses, neighbours, truncated, strict=True)
            ]
        self.left_out.update(filter(None, reasons))
        if all(reasons):
            return
        with self.clock.running("read"):
            image = read_image(path, settings.max_pixels)
            frame, look = frame_of(image), fingerprint(image)
        given: list[MaskFile | None] = [None] * len(people)
        if found is not None:
            with self.clock.running(GIVEN):
                given, faults = whose(found, poses, size)
            self.problems += [Problem("build-pool", f"masks of {path.name}", fault) for fault in faults]
        bodies = []
        for index, (person, pose, reason) in enumerate(zip(people, poses, reasons, strict=True)):
            if reason:
                continue
            levels = dict(self._levels)
            if found is not None:
                levels[GIVEN] = self._given(person, given[index], pose, size)
            with self.clock.running("cut"):
                cutout = cut_out(
                    image,
                    pose,
                    neighbours[index],
                    levels,
                    box_expand=settings.masks.box_expand,
                    max_side=settings.max_side,
                    seed=item_seed(settings.seed, "mask", person.person_id),
                )
            if settings.rules.max_border is not None and cutout.border > settings.rules.max_border:
                self.left_out["mask along the border"] += 1
                continue
            bodies.append((person, replace(cutout, frame=frame, look=look, video=source.video), truncated[index]))
        self.bodies += bodies

    def _given(
        self, person: Person, mask: MaskFile | None, pose: Pose, size: tuple[int, int]
    ) -> Callable[[View], Mask]:
        """The level `given` of a person; posecut where there is no mask, or it is refused, which is reported."""
        if mask is None:
            return partial(no_given_mask, reason="no mask is given")
        try:
            with self.clock.running(GIVEN):
                return given_mask(mask, pose, size)
        except ItemError as error:
            reason = f"{error}; posecut's is taken"
            self.problems.append(Problem("build-pool", f"mask of person {person.person_id}", reason))
            return partial(no_given_mask, reason=str(error))


def _summary(outcomes: Outcomes, known: Sequence[Problem]) -> BuildReport:
    totals: dict[str, Counter[str]] = {"left_out": Counter(), "fallbacks": Counter()}
    bodies = people = 0
    for outcome in outcomes:
        bodies, people = bodies + outcome.counts["bodies"], people + outcome.counts["people"]
        for key, total in totals.items():
            total.update(outcome.counts[key])
    problems = DiskList(known)
    problems.extend(outcomes.problems())
    return BuildReport(
        bodies=bodies,
        people=people,
        left_out=dict(sorted(totals["left_out"].items(), key=lambda item: (-item[1], item[0]))),
        fallbacks=dict(totals["fallbacks"]),
        problems=problems,
        seconds=outcomes.seconds(),
    )
