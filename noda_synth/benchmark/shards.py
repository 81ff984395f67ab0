"""A run that makes a benchmark, and its two kinds of work, spread over workers in shards: deciding and painting."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from noda_synth.benchmark.capsules import Joints
from noda_synth.benchmark.decide import Body, Decider, Size, Twin, ValidationTarget, newly_hidden
from noda_synth.benchmark.generators import GroundDecider, look_at, pool_cutout
from noda_synth.benchmark.labels import ids_of_twins
from noda_synth.benchmark.paint import LEVEL, TwinSpec, cut_body, paint_twin
from noda_synth.benchmark.protocol import SEVERITIES, SEVERITY_ORDER, Generator, Settings, Severity
from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem, of_item
from noda_synth.formats import Layout
from noda_synth.formats.coco.ids import MadeIds, named_after
from noda_synth.formats.files.atomic import write_atomically, write_item
from noda_synth.imaging.encoding import SOURCE, encode_copy, format_of
from noda_synth.imaging.images import MAX_PIXELS, decode_checked, image_path, read_checked, read_image
from noda_synth.pool.cutout import Cutout
from noda_synth.pool.reader import Pool
from noda_synth.runs import jobs
from noda_synth.runs.progress import Progress
from noda_synth.runs.staging import Outcome, Staging

_DECIDE_PEOPLE, _PAINT_PEOPLE = 16, 8
Line = dict[str, Any]


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """What a benchmark is made of, and how.

    Attributes:
        dataset: the annotations.
        layout: where its files lie.
        out: the folder of the benchmark.
        settings: what makes it another benchmark.
        inputs: names and hashes of the annotation files.
        originals: how the clean images get there: "symlink", "hardlink", "copy" or "none".
        max_pixels: larger images are refused by their header.
        workers: worker processes, or jobs.CLUSTER.
        quiet: no progress.
        pool: of the bodies, for another generator than the protocol's.
    """

    dataset: Dataset
    layout: Layout
    out: Path
    settings: Settings
    inputs: Mapping[str, str]
    originals: str = "symlink"
    max_pixels: int = MAX_PIXELS
    workers: int = 1
    quiet: bool = False
    pool: Path | None = None

    @property
    def valid_images(self) -> Path:
        """The folder with the images of the validation part."""
        return self.layout.valid_images or self.layout.images


def decide_all(run: BenchmarkRun, sizes: Mapping[str, Size], bodies: Sequence[Body], staging: Staging) -> list[Line]:
    """A line for every person and severity: the twin, or the reason why there is none.

    Args:
        run: what is made.
        sizes: image of the validation part -> (width, height).
        bodies: who may be pasted.
        staging: held by the caller.
    """
    dataset = run.dataset
    # Too many to be sent with each piece of work.
    text = json.dumps([[body.image, body.row, body.joints.pixels, body.size, body.tone] for body in bodies])
    write_atomically(staging.folder / "bodies.json", text)
    people = [(row, person, sizes.get(person.image)) for row, person in enumerate(dataset.valid)]
    shards = [
        jobs.Shard(f"decide-{number:06d}", block, len(block))
        for number, block in enumerate(jobs.blocks(people, _DECIDE_PEOPLE))
    ]
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    bodies_file = staging.folder / "bodies.json"
    job = _Deciding(dataset.skeleton, bodies_file, fingerprint, run.settings, ids_of_twins(dataset), run.valid_images)
    work = partial(_decide_people, job=job)
    with Progress(len(people), "decide", "person", quiet=run.quiet) as progress:
        jobs.run_shards(staging, work, shards, workers=run.workers, progress=progress)
    lines = [json.loads(text) for shard in shards for text in staging.data(shard.name).read_text().splitlines()]
    for line in lines:
        if "reason" not in line:
            line["occluder"] = _named(run, line["occluder"]["row"])
    return sorted(lines, key=lambda line: (SEVERITY_ORDER[line["severity"]], line["row"]))


def _named(run: BenchmarkRun, row: int) -> dict[str, Any]:
    """Who is pasted, as the manifest has it."""
    generator = run.settings.generator
    if generator is None:
        occluder = run.dataset.persons[row]
        return {"source": occluder.image, "person": occluder.person_id, "row": row}
    pool = open_pool(run.pool, generator)
    return {"source": pool.images[row], "person": pool.persons[row], "row": row, **asdict(generator)}


@lru_cache(maxsize=1)
def open_pool(path: Path | None, generator: Generator) -> Pool:
    """The pool of a generator, opened once in each process. NodaError where it is another or none."""
    if path is None:
        raise NodaError(f"the bodies come from a pool ({generator.pool[:12]}); name it with --pool")
    pool = Pool(path)
    if pool.content != generator.pool:
        raise NodaError(f"{path} is not the pool that the bodies come from ({generator.pool[:12]})")
    return pool


@dataclass(frozen=True, eq=False)
class _Deciding:
    """By what it is decided; the bodies stand in a file of that fingerprint, the pictures in the folder `images`."""

    skeleton: Skeleton
    bodies: Path
    fingerprint: str
    settings: Settings
    ids: MadeIds
    images: Path

    @property
    def on_ground(self) -> bool:
        """Whether bodies are to stand on the target's ground, in a tone that fits: then pictures are looked at."""
        return self.settings.generator is not None and self.settings.generator.place == "ground"

    def target_of(self, person: Person, size: Size | None) -> ValidationTarget | None:
        """Whom to cover; None where the picture cannot be read."""
        if size is None:
            return None
        target = ValidationTarget(person, self.skeleton, size)
        if self.on_ground:
            try:
                look_at(read_image(image_path(self.images, person.image)), target)
            except ItemError:
                return None
        return target

    def twin_line(self, twin: Twin, person: Person, row: int, severity: Severity) -> Line:
        """What the manifest says of a twin, but for whose body it is."""
        name = twin_name(person, row, SEVERITY_ORDER[severity.name], self.ids)
        return {
            "id": f"{severity.name}/{name.with_suffix('')}",
            "file": str(name),
            "covered": self.skeleton.named(twin.covered),
            "newly_hidden": self.skeleton.named(newly_hidden(twin, person.visible)),
        }


def _decide_people(people: Sequence[tuple[int, Person, Size | None]], path: Path, *, job: _Deciding) -> Outcome:
    """Write a line for each of a few people (row in the validation part, person, size of the image) and severity."""
    decider = (GroundDecider if job.on_ground else Decider)(_read_bodies(job.bodies, job.fingerprint), job.settings)
    with path.open("w") as file:
        for row, person, size in people:
            target = job.target_of(person, size)
            for severity in SEVERITIES:
                line: Line = {"severity": severity.name, "row": row, "person": person.person_id, "source": person.image}
                twin, reason = decider.draw_twin(target, severity) if target else (None, "image cannot be read")
                if twin is None:
                    line["reason"] = reason
                else:
                    line |= job.twin_line(twin, person, row, severity)
                    line["occluder"] = {"row": decider.bodies[twin.position.body].row}
                    line["place"] = {key: value for key, value in asdict(twin.position).items() if key != "body"}
                file.write(json.dumps(line) + "\n")
    return Outcome()


def twin_name(person: Person, row: int, severity: int, ids: MadeIds) -> PurePosixPath:
    """`dir/name.jpg`, row 12, the first severity: `dir/name_1_000012.jpg`; made of the id where the source's name is.

    Where the source's name parses as a number, so does this one.
    """
    pure, suffix = PurePosixPath(person.image), format_of(person.image)
    own = named_after(ids.of(row, severity), person.image, person.record.get("image_id"))
    if own is not None:
        return PurePosixPath(own).with_suffix(f".{suffix}")
    return pure.with_name(f"{pure.stem.rstrip()}_{severity + 1}_{row:06d}.{suffix}")


@lru_cache(maxsize=1)
def _read_bodies(path: Path, _fingerprint: str) -> list[Body]:
    """Read once in each process."""
    rows = json.loads(path.read_text())
    return [
        Body(image, row, Joints({name: (x, y) for name, (x, y) in joints.items()}), size, tuple(tone))
        for image, row, joints, size, tone in rows
    ]


def _spec(run: BenchmarkRun, line: Line, body: Body) -> TwinSpec:
    dataset = run.dataset
    if run.settings.generator is not None:
        return TwinSpec(line, dataset.valid[line["row"]], body, None)
    occluder = dataset.persons[body.row]
    others = tuple(
        other
        for other in dataset.by_image[occluder.image]
        if other.person_id != occluder.person_id and not other.duplicate
    )
    return TwinSpec(line, dataset.valid[line["row"]], body, occluder, others)


def paint_all(
    run: BenchmarkRun, twins: Sequence[Line], bodies: Sequence[Body], staging: Staging
) -> tuple[list[Problem], int]:
    """Paint all twins and put their pictures where they belong.

    Returns:
        What could not be painted, and the number of points at which masks had to be mended.
    """
    by_row: dict[int, list[TwinSpec]] = defaultdict(list)
    body_of = {body.row: body for body in bodies}
    for line in twins:
        by_row[line["row"]].append(_spec(run, line, body_of[line["occluder"]["row"]]))
    shards = [
        jobs.Shard(f"paint-{number:06d}", [spec for group in block for spec in group], sum(map(len, block)))
        for number, block in enumerate(jobs.blocks(list(by_row.values()), _PAINT_PEOPLE))
    ]
    generator, skeleton = run.settings.generator, run.dataset.skeleton
    job = _Painting(run.layout.images, run.valid_images, skeleton, run.max_pixels, generator, run.pool)
    work = partial(_paint_twins, job=job)
    with Progress(len(twins), "paint", "twin", quiet=run.quiet) as progress:
        outcomes = jobs.run_shards(staging, work, shards, workers=run.workers, progress=progress)
    for shard in shards:
        folder = staging.data(shard.name)
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            target = staging.result / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
    return list(outcomes.problems()), sum(outcome.counts["mended"] for outcome in outcomes)


@dataclass(frozen=True, eq=False)
class _Painting:
    """What twins are painted from: the folders of images, and the pool where another generator has the bodies."""

    images: Path
    valid_images: Path
    skeleton: Skeleton
    max_pixels: int
    generator: Generator | None
    pool: Path | None

    def cutout_of(self, spec: TwinSpec) -> tuple[Cutout, str]:
        """The body of a twin, and the mask by which it is pasted."""
        if self.generator is not None:
            level = self.generator.mask
            return pool_cutout(open_pool(self.pool, self.generator), spec.body.row, level), level
        assert spec.occluder is not None
        source = read_image(image_path(self.images, spec.occluder.image), self.max_pixels)
        return cut_body(source, spec.occluder, spec.others, self.skeleton), LEVEL


def _paint_twins(specs: Sequence[TwinSpec], path: Path, *, job: _Painting) -> Outcome:
    """Paint a few twins into the folder `path`, under the names that they get in the benchmark."""
    path.mkdir()
    problems, mended = [], 0
    for spec in specs:
        try:
            with of_item():
                path_of_valid = image_path(job.valid_images, spec.line["source"])
                data = read_checked(path_of_valid, job.max_pixels)
                picture = decode_checked(data, path_of_valid)
                cutout, level = job.cutout_of(spec)
                points = paint_twin(picture, cutout, spec, job.skeleton, level)
                file = path / spec.line["severity"] / "images" / spec.line["file"]
                encoded = encode_copy(picture, data, file.suffix[1:], SOURCE)
            write_item(file, encoded)
            mended += points
        except ItemError as error:
            problems.append(Problem("benchmark", spec.line["id"], str(error)))
    return Outcome(problems, counts={"mended": mended})
