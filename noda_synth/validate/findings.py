"""The kinds of findings, and findings themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Kind:
    """What can be wrong: how bad it is, its title, and a way out."""

    severity: str
    title: str
    way_out: str


_FETCH = "fetch the file again, or take the records of this image out"
_LOOK = "look at it, and correct or remove the record if it is wrong"

KINDS = {
    # files
    "unusable-record": Kind(ERROR, "records that cannot be read", "correct or remove the record"),
    "unusable-file": Kind(ERROR, "files that cannot be read", "write or fetch the file again, or remove it"),
    "no-images": Kind(ERROR, "parts of which not one image is found", "--images names another folder"),
    "missing-image": Kind(ERROR, "missing images", _FETCH),
    "damaged-image": Kind(ERROR, "images that cannot be decoded", _FETCH),
    "size-differs": Kind(
        ERROR, "images of another size than annotated", "correct width and height, or fetch the image"
    ),
    "turned-image": Kind(
        WARNING,
        "images turned by EXIF",
        "decode without turning (cv2.IMREAD_IGNORE_ORIENTATION), as noda-synth does, or the joints will not fit",
    ),
    "annotated-upright": Kind(
        ERROR,
        "lists that fit their pictures as EXIF turns them",
        "turn the pixels and drop the tag (mogrify -auto-orient, exiftran -ai): lists without sizes are taken to be of "
        "pictures as they are stored",
    ),
    "ids": Kind(
        WARNING,
        "files with ids that readers of COCO cannot take",
        "number the annotations anew from 1; noda-synth does so in what it writes",
    ),
    "upright": Kind(
        WARNING,
        "files annotated on pictures turned by EXIF",
        "noda-synth reads them upright; for programs that do not, turn the pixels and drop the tag",
    ),
    "shared-image": Kind(ERROR, "images in the training and in the validation part", "take them out of training"),
    "alike": Kind(
        WARNING,
        "validation images that show what a training image shows",
        "take them out of one part, or draw it by whole videos (noda-synth convert --holdout): scores on what was "
        "trained on are too good",
    ),
    # evaluation truth
    "row-count": Kind(
        ERROR, "evaluation truth of another length", "make gt_valid.mat again: noda-synth convert valid.json"
    ),
    "truth-differs": Kind(
        ERROR,
        "rows of the truth that differ from their record",
        "make gt_valid.mat again: noda-synth convert valid.json, or restore the order of valid.json",
    ),
    "head-box": Kind(
        ERROR,
        "validation people without a usable head box",
        "PCKh needs one: take it from the original .mat, or let `noda-synth convert` estimate it",
    ),
    "no-truth": Kind(
        WARNING,
        "validation parts without head boxes",
        "PCKh then goes by the neck; put gt_valid.mat or the original .mat beside the lists",
    ),
    # people
    "duplicate": Kind(
        WARNING,
        "people annotated twice with the same joints",
        "remove one; noda-synth neither covers nor pastes the second",
    ),
    "near-duplicate": Kind(WARNING, "people annotated twice, nearly the same", _LOOK),
    "no-joints": Kind(
        WARNING, "people without any labelled joint", "nothing can be learnt from them: remove the record"
    ),
    "no-coordinates": Kind(ERROR, "people with labelled joints without coordinates", "mark them as not labelled"),
    "joint-outside": Kind(
        WARNING, "people with joints outside the image", "most trainers ignore them; correct them if they are wrong"
    ),
    "joint-far-outside": Kind(WARNING, "people with joints farther outside the image than the body is large", _LOOK),
    "visibility": Kind(
        WARNING,
        "people whose visibility contradicts the labels",
        "noda-synth goes by the labels; correct the record for others",
    ),
    "outline": Kind(
        WARNING,
        "people whose outline cannot be read",
        "write polygons as lists of x1, y1, x2, y2, ..., or run lengths of the image's size; it is left out until then",
    ),
    "box": Kind(
        WARNING,
        "people with a box or an area of no size",
        "top-down trainers crop by the box, and OKS is scaled by the area: take those of the joints",
    ),
    "v1": Kind(
        WARNING,
        "files whose v tells labelled joints only",
        "nothing to be done if it means labelled; where it means occluded, say so with --v1-occluded",
    ),
    "keypoint-count": Kind(
        WARNING,
        "people whose num_keypoints is not the number of labelled joints",
        "correct it: tools that filter by it see other people",
    ),
    "no-scale": Kind(
        ERROR,
        "people without scale",
        "trainers cut their crop by it: estimate one, as `noda-synth convert` does from the .mat",
    ),
    "no-center": Kind(
        ERROR, "people without center", "trainers cut their crop around it: take the middle of the joints"
    ),
    "scale-outlier": Kind(WARNING, "people whose scale does not fit their size", _LOOK),
    "scale": Kind(
        WARNING,
        "lists whose scales are not those of their people",
        "noda-synth convert --scale from-joints writes the lists anew; what render writes so has the scales, too",
    ),
    "center-off": Kind(WARNING, "people with a center far off", _LOOK),
    "crops-differ": Kind(
        WARNING,
        "centers or scales that lie differently about the joints in training and validation",
        "a network learns where people stand in their crops: scatter those of training, or train with shift",
    ),
    # rendered sets
    "manifest-line": Kind(ERROR, "lines of the manifest that cannot be read", "render the set again"),
    "copies-missing": Kind(ERROR, "manifest of another length than reported", "render the set again"),
    "no-copy": Kind(ERROR, "lines of the manifest without their image", "render it again: noda-synth replay"),
    "no-record": Kind(ERROR, "lines of the manifest without a training record", "render the set again"),
    "no-line": Kind(ERROR, "rendered records without a line in the manifest", "render the set again"),
    "covered-visible": Kind(
        ERROR, "records with covered joints that are not marked as occluded", "render the set again, or mark them"
    ),
    "originals-left-out": Kind(
        WARNING, "rendered sets without their originals", "trainers have to look for them in the source's folder, too"
    ),
    "stray-image": Kind(WARNING, "images that neither records nor manifest know", "remove them if nobody needs them"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: key of KINDS.
        where: file and record, line or image.
        what: is wrong, with the numbers.
        image: name of the image, or None.
        person: id of the person, or None.
    """

    kind: str
    where: str
    what: str
    image: str | None = None
    person: str | None = None

    @property
    def severity(self) -> str:
        return KINDS[self.kind].severity


def count(findings: Sequence[Finding], severity: str) -> int:
    """How many findings are of a severity, ERROR or WARNING."""
    return sum(finding.severity == severity for finding in findings)


def by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings by kind: errors first, each in the order of KINDS."""
    order = sorted(KINDS, key=lambda kind: KINDS[kind].severity != ERROR)
    groups: dict[str, list[Finding]] = {kind: [] for kind in order}
    for finding in findings:
        groups[finding.kind].append(finding)
    return {kind: group for kind, group in groups.items() if group}


def as_json(findings: Sequence[Finding], checked: dict[str, Any]) -> dict[str, Any]:
    """All findings and their kinds as plain values."""
    numbers = Counter(finding.kind for finding in findings)
    return {
        "checked": checked,
        "errors": count(findings, ERROR),
        "warnings": count(findings, WARNING),
        "kinds": {kind: {**asdict(KINDS[kind]), "count": numbers[kind]} for kind in by_kind(findings)},
        "findings": [{"severity": f.severity, **asdict(f)} for group in by_kind(findings).values() for f in group],
    }
