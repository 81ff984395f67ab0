"""The two kinds of work on a benchmark, spread over the workers in shards: deciding, and painting."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from noda_synth.benchmark import paint
from noda_synth.benchmark.capsules import Joints
from noda_synth.benchmark.decide import Body, Decider, Size, Target, hidden
from noda_synth.benchmark.protocol import SEVERITIES, Settings
from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, Problem
from noda_synth.formats import Layout
from noda_synth.formats.files.atomic import write_atomically
from noda_synth.imaging.images import encode_jpeg, image_path, read_image
from noda_synth.runs import jobs
from noda_synth.runs.progress import Progress
from noda_synth.runs.staging import Outcome, Staging

_JPEG_QUALITY = 95
_DECIDE_PEOPLE, _PAINT_PEOPLE = 16, 8
_PLACES = {severity.name: place for place, severity in enumerate(SEVERITIES)}
Line = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Order:
    """A twin to be painted: its line of the manifest, the target, the body and the other people of its image."""

    line: Line
    target: Person
    body: Body
    occluder: Person
    others: tuple[Person, ...]


def decided(
    dataset: Dataset,
    sizes: Mapping[str, Size],
    bodies: Sequence[Body],
    settings: Settings,
    staging: Staging,
    workers: int,
    quiet: bool,
) -> list[Line]:
    """A line for every person and severity: the twin, or the reason why there is none."""
    # Too many to be sent with each piece of work.
    text = json.dumps([[body.image, body.row, body.joints.at, body.size] for body in bodies])
    write_atomically(staging.folder / "bodies.json", text)
    people = [(row, person, sizes.get(person.image)) for row, person in enumerate(dataset.valid)]
    shards = [
        jobs.Shard(f"decide-{number:06d}", block, len(block))
        for number, block in enumerate(jobs.blocks(people, _DECIDE_PEOPLE))
    ]
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    work = partial(
        _decide_people, skeleton=dataset.skeleton, bodies=staging.folder / "bodies.json", fingerprint=fingerprint,
        settings=settings,
    )  # fmt: skip
    with Progress(len(people), "decide", "person", quiet=quiet) as progress:
        jobs.run_shards(staging, work, shards, workers=workers, progress=progress)
    lines = [json.loads(text) for shard in shards for text in staging.data(shard.name).read_text().splitlines()]
    for line in lines:
        if "reason" not in line:
            occluder = dataset.persons[line["occluder"]["row"]]
            line["occluder"] = {"source": occluder.image, "person": occluder.person_id, **line["occluder"]}
    return sorted(lines, key=lambda line: (_PLACES[line["severity"]], line["row"]))


def _decide_people(
    people: Sequence[tuple[int, Person, Size | None]],
    path: Path,
    *,
    skeleton: Skeleton,
    bodies: Path,
    fingerprint: str,
    settings: Settings,
) -> Outcome:
    decider = Decider(_read_bodies(bodies, fingerprint), settings)
    with path.open("w") as file:
        for row, person, size in people:
            target = Target(person, skeleton, size) if size else None
            for severity in SEVERITIES:
                twin, reason = decider.twin(target, severity) if target else (None, "image cannot be read")
                line: Line = {"severity": severity.name, "row": row, "person": person.person_id, "source": person.image}
                if twin is None:
                    line["reason"] = reason
                else:
                    name = PurePosixPath(person.image)
                    name = name.with_name(f"{name.stem}_{severity.name}{row:06d}.jpg")
                    new = hidden(twin, person.visible)
                    line |= {
                        "id": f"{severity.name}/{name.with_suffix('')}",
                        "file": str(name),
                        "covered": [joint for joint, hit in zip(skeleton.joints, twin.covered, strict=True) if hit],
                        "newly_hidden": [joint for joint, hit in zip(skeleton.joints, new, strict=True) if hit],
                        "occluder": {"row": decider.bodies[twin.place.body].row},
                        "place": {key: value for key, value in asdict(twin.place).items() if key != "body"},
                    }
                file.write(json.dumps(line) + "\n")
    return Outcome()


@lru_cache(maxsize=1)
def _read_bodies(path: Path, _fingerprint: str) -> list[Body]:
    """Read once in each process."""
    rows = json.loads(path.read_text())
    return [
        Body(image, row, Joints({name: (x, y) for name, (x, y) in joints.items()}), size)
        for image, row, joints, size in rows
    ]


def _order(dataset: Dataset, line: Line, body: Body) -> _Order:
    occluder = dataset.persons[body.row]
    others = tuple(
        other
        for other in dataset.by_image[occluder.image]
        if other.person_id != occluder.person_id and not other.duplicate
    )
    return _Order(line, dataset.valid[line["row"]], body, occluder, others)


def painted(
    dataset: Dataset,
    twins: Sequence[Line],
    bodies: Sequence[Body],
    layout: Layout,
    valid_images: Path,
    staging: Staging,
    max_pixels: int,
    workers: int,
    quiet: bool,
) -> tuple[list[Problem], int]:
    """Paint all twins and put their pictures into place; what could not be painted, and joints that were mended."""
    by_row: dict[int, list[_Order]] = defaultdict(list)
    body_of = {body.row: body for body in bodies}
    for line in twins:
        order = _order(dataset, line, body_of[line["occluder"]["row"]])
        by_row[line["row"]].append(order)
    shards = [
        jobs.Shard(f"paint-{number:06d}", [order for group in block for order in group], sum(map(len, block)))
        for number, block in enumerate(jobs.blocks(list(by_row.values()), _PAINT_PEOPLE))
    ]
    work = partial(
        _paint_twins,
        images=layout.images,
        valid_images=valid_images,
        skeleton=dataset.skeleton,
        max_pixels=max_pixels,
    )
    with Progress(len(twins), "paint", "twin", quiet=quiet) as progress:
        outcomes = jobs.run_shards(staging, work, shards, workers=workers, progress=progress)
    for shard in shards:
        folder = staging.data(shard.name)
        for file in sorted(folder.rglob("*.jpg")):
            place = staging.result / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
    return list(outcomes.problems()), sum(outcome.counts["mended"] for outcome in outcomes)


def _paint_twins(
    orders: Sequence[_Order], path: Path, *, images: Path, valid_images: Path, skeleton: Skeleton, max_pixels: int
) -> Outcome:
    """Paint a few twins into the folder `path`, under the names that they get in the benchmark."""
    path.mkdir()
    problems, mended = [], 0
    for order in orders:
        try:
            picture = read_image(image_path(valid_images, order.line["source"]), max_pixels)
            source = read_image(image_path(images, order.occluder.image), max_pixels)
            mended += paint.twin(picture, source, order.line, order.target, order.body, order.occluder, order.others,
                                 skeleton)  # fmt: skip
        except ItemError as error:
            problems.append(Problem("benchmark", order.line["id"], str(error)))
            continue
        file = path / order.line["severity"] / "images" / order.line["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_jpeg(picture, _JPEG_QUALITY))
    return Outcome(problems, counts={"mended": mended})
