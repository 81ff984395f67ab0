"""Pictures on their side by EXIF whose annotations state no size: which reading of them the joints fit.

MPII's lists have no sizes. A list that was made in a browser is of the pictures as EXIF turns them, and its joints then
lie outside of the frame as it is stored, and inside the turned one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from noda_synth.data.geometry import inside
from noda_synth.validate.entries import Entry
from noda_synth.validate.findings import Finding
from noda_synth.validate.pictures import Sizes
from noda_synth.validate.records import without_coordinates

LEAST, SHARE = 3, 0.5
"""A reading fits if so many joints lie outside by the other one, and at most this share of them by itself."""

Key = tuple[str, str]
"""Part and name of an image."""


def weigh_readings(
    findings: Iterable[Finding],
    entries: Iterable[Entry],
    sizes: Sizes,
    turned: Collection[Key],
    files: Mapping[str, str],
) -> Iterator[Finding]:
    """The findings of the images, those on turned ones weighed by joints.

    Args:
        findings: of all images.
        turned: images on their side by EXIF, whose annotations state no size.
        files: name of the list of each part.
    """
    counts = {key: np.zeros(3, int) for key in turned}  # joints; outside of the frame as stored, and as turned
    for entry in entries if turned else ():
        key, person = (entry.part, entry.person.image), entry.person
        if key in counts:
            joints = person.joints[person.labelled & ~without_coordinates(person)]
            size = sizes[key]
            counts[key] += [len(joints), (~inside(joints, size)).sum(), (~inside(joints, size[::-1])).sum()]
    upright = set[Key]()
    for part, file in files.items():
        of_part = {key: count for key, count in counts.items() if key[0] == part}
        joints, stored, as_turned = sum(of_part.values(), np.zeros(3, int)).tolist()
        if stored >= LEAST and as_turned <= SHARE * stored:
            upright |= of_part.keys()
            weighed = f"{as_turned} of {joints} joints lie outside of {len(of_part)} pictures as EXIF turns them"
            yield Finding("annotated-upright", file, f"{weighed}, {stored} as they are stored")
    for finding in findings:
        keys = [(part, finding.image) for part in files if finding.image and (part, finding.image) in counts]
        if finding.kind != "turned-image" or not keys:
            yield finding
        elif not upright.issuperset(keys):
            joints, stored, as_turned = counts[keys[0]].tolist()
            told = f"of {joints} joints {stored} lie outside as it is stored, {as_turned} as it is turned"
            yield Finding(finding.kind, finding.where, f"{finding.what}; {told}", finding.image)
