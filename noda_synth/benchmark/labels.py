"""The annotation files of a benchmark: those of the clean images, and those of the twins of each severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.benchmark.protocol import SEVERITY_ORDER
from noda_synth.data.dataset import OCCLUDED, Dataset, Person
from noda_synth.errors import Problem
from noda_synth.formats import coco_annotation, coco_image, mpii_record, write_coco, write_gt_valid
from noda_synth.formats.coco.ids import MadeIds, Numbering, first_free
from noda_synth.formats.files.atomic import read_bytes, write_bytes, write_json_list
from noda_synth.formats.files.matlab import load_mat, save_mat
from noda_synth.formats.layout import SKELETON_NAME

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A person as a list of the benchmark has it.

    Attributes:
        person: with the image and the visibility that they have there.
        row: their index in the clean list, 0-based.
        covered: (J,) bool, the joints under the pasted body.
        line: of the manifest, or None for a clean image.
    """

    person: Person
    row: int
    covered: NDArray[np.bool_]
    line: Mapping[str, Any] | None = None


def clean_people(dataset: Dataset) -> list[Labelled]:
    """Everyone of the validation part as they are, in their order."""
    return [Labelled(p, row, dataset.skeleton.flags(())) for row, p in enumerate(dataset.valid)]


def covered_person(dataset: Dataset, line: Mapping[str, Any]) -> Labelled:
    """The person of a line of the manifest, on the twin's image and with the twin's visibility."""
    person = dataset.valid[line["row"]]
    covered = dataset.skeleton.flags(line["covered"])
    visible = np.where(covered, OCCLUDED, person.visible).astype(np.int8)
    return Labelled(replace(person, image=line["file"], visible=visible), line["row"], covered, line)


def write_labels(
    dataset: Dataset, people: Sequence[Labelled], sizes: Mapping[str, Size], annot: Path, skeleton: Path | None
) -> list[Problem]:
    """Write a list in every format: valid.json and gt_valid.mat for MPII's joints, coco_valid.json for all.

    Args:
        dataset: the annotations.
        people: in the order of the list.
        sizes: image of the validation part -> (width, height).
        annot: the folder to write to.
        skeleton: the file that describes the joints, which is put beside a COCO file; None where they are known.
    """
    annot.mkdir(parents=True, exist_ok=True)
    if skeleton is not None and dataset.source == "coco":
        write_bytes(annot / SKELETON_NAME, read_bytes(skeleton))
    problems: list[Problem] = []
    if dataset.source != "coco":
        write_json_list(annot / "valid.json", (_record(labelled) for labelled in people))
        problems = write_gt_valid(annot / "gt_valid.mat", [labelled.person for labelled in people])
        truth = load_mat(annot / "gt_valid.mat")
        covered = np.array([labelled.covered for labelled in people], np.uint8).reshape(-1, len(dataset.skeleton))
        save_mat(annot / "gt_valid.mat", {**truth, "jnt_covered": covered.T})
    images = _coco_images(dataset, people, sizes)
    ids = {image["file_name"]: image["id"] for image in images}
    annotations = (_annotation(dataset, one, ids, sizes) for one in people if one.person.image in ids)
    write_coco(annot / "coco_valid.json", images, annotations, dataset.skeleton, dataset.header)
    return problems


def _record(labelled: Labelled) -> dict[str, Any]:
    record = mpii_record(labelled.person)
    if labelled.line is None:
        return record
    twin = {key: labelled.line[key] for key in ("id", "severity", "source", "row")}
    covered = [int(hit) for hit in labelled.covered]
    return {**record, "image": labelled.person.image, "joints_covered": covered, "twin": twin}


def _coco_images(dataset: Dataset, people: Sequence[Labelled], sizes: Mapping[str, Size]) -> list[dict[str, Any]]:
    """One entry per image, of the input's id where it has one; those of twins follow from the person."""
    numbering = Numbering(first_free(person.record.get("image_id") for person in dataset.valid), lowest=0)
    made = ids_of_twins(dataset)
    found: dict[str, dict[str, Any]] = {}
    for labelled in people:
        name, source = labelled.person.image, dataset.valid[labelled.row]
        if name in found or source.image not in sizes:
            continue
        if labelled.line is None:
            number = numbering.keep(source.record.get("image_id"))
        else:
            number = made.of(labelled.row, SEVERITY_ORDER[labelled.line["severity"]])
        found[name] = coco_image(name, number, sizes[source.image])
    return list(found.values())


def ids_of_twins(dataset: Dataset) -> MadeIds:
    """COCO ids of the twins' images, by the person's row and the number of the severity."""
    first = first_free(person.record.get("image_id") for person in dataset.valid) + len(dataset.valid)
    return MadeIds.above(first, len(dataset.valid), len(SEVERITY_ORDER))


def _annotation(
    dataset: Dataset, labelled: Labelled, ids: Mapping[str, int], sizes: Mapping[str, Size]
) -> dict[str, Any]:
    person, line = labelled.person, labelled.line
    twin = {} if line is None else {key: line[key] for key in ("severity", "source", "row", "covered")}
    return coco_annotation(
        person,
        annotation_id=person.record["id"] if dataset.source == "coco" else labelled.row + 1,
        image_id=ids[person.image],
        size=sizes[dataset.valid[labelled.row].image],
        extra={"person_id": person.person_id, **twin},
    )
