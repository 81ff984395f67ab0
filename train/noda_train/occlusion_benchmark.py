"""Scores on the occluded benchmark of `noda-synth benchmark`: clean images, their twins, and how far a score drops.

Everything is paired: the score on the twins of a severity stands beside that of the same joints of the same persons on
the clean images. docs/benchmark.md defines the protocol. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.benchmark.folder import read_benchmark
from noda_synth.benchmark.protocol import CLEAN, SEVERITIES
from noda_synth.data.skeleton import MPII
from noda_synth.errors import NodaError
from noda_synth.formats.mpii.records import PersonIds
from noda_train.arrays import Bools, Floats
from noda_train.data import Samples, read_coco_file, samples_of
from noda_train.metrics import pck, scoring
from noda_train.metrics.scoring import Evaluator
from noda_train.metrics.tables import SURE_MEANS, aligned, cell, sure
from noda_train.metrics.truth import Truth, read_everyone, read_truth, truth_of

KINDS = {
    "covered": "newly hidden by the pasted body",
    "uncovered": "neither covered nor occluded before",
    "occluded": "occluded before",
    "all": "all",
}
"""The joints that are scored apart: name -> which they are."""


@dataclass(frozen=True, eq=False)
class PersonList:
    """The clean list, or the twins of a severity.

    Attributes:
        samples: the n persons in the order of the list.
        evaluator: what predictions are read by.
        rows: (n,) each person's row in the clean list.
    """

    samples: Samples
    evaluator: Evaluator
    rows: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark: the name and the digest of labels to be cited, the clean list, and the severities by name."""

    name: str
    labels: str
    clean: PersonList
    severities: Mapping[str, PersonList]

    @property
    def lists(self) -> dict[str, PersonList]:
        """The clean list and those of the severities, by name."""
        return {CLEAN: self.clean, **self.severities}


def read(folder: Path) -> Benchmark:
    """Read a benchmark. Raises NodaError for a folder that is none, or whose lists do not fit together."""
    content = read_benchmark(folder)
    clean = _person_list(folder / CLEAN, None)
    return Benchmark(
        content["name"],
        content["labels"],
        clean,
        {severity.name: _person_list(folder / severity.name, clean.samples) for severity in SEVERITIES},
    )


def _person_list(folder: Path, clean: Samples | None) -> PersonList:
    file = folder / "annot" / "valid.json"
    if file.is_file():
        ids = PersonIds()
        people = [ids.with_id(person) for person in read_everyone(file)]
        samples = samples_of(folder / "images", MPII, people)
        evaluator = Evaluator(read_truth(folder / "annot" / "gt_valid.mat") if people else truth_of(samples))
    else:
        file = folder / "annot" / "coco_valid.json"
        dataset = read_coco_file(file)
        people = list(dataset.persons)
        samples = samples_of(folder / "images", dataset.skeleton, people)
        evaluator = Evaluator(truth_of(samples), samples.names, file)
    if len(evaluator.truth) != len(people):
        raise NodaError(f"{folder}: {len(people)} persons in {file.name}, but {len(evaluator.truth)} in gt_valid.mat")
    row_of = {name: row for row, name in enumerate((clean or samples).ids)}
    if missing := [name for name in samples.ids if name not in row_of]:
        raise NodaError(f"{file}: nobody on the clean images is called {missing[0]}")
    return PersonList(samples, evaluator, np.array([row_of[name] for name in samples.ids], np.intp))


def evaluate(
    predictions: Mapping[str, Floats], twins: Benchmark, bootstrap: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """All numbers, ready for JSON; percentages, None for n/a.

    Args:
        predictions: for the clean list and each severity by name (n, J, 2), 1-based, in the order of the lists.
        twins: the benchmark.
        bootstrap: samples of persons for the intervals of the drops.
        seed: of these.

    Returns:
        {"benchmark": name, "labels": digest, "metric": .., "thresholds": {"0.5": {"clean": {"persons", "n", columns},
        "light": {"persons": n, "covered": {"n": joints, "clean": {columns}, "twin": {columns}, "drop": {column:
        {"difference", "interval"}}}, "uncovered": .., "occluded": .., "all": ..}, ..}}}. The drop is clean less twin,
        in percentage points, with a paired 95 % bootstrap interval over persons.
    """
    truth = twins.clean.evaluator.truth
    on_clean = pck.distances(predictions[CLEAN], truth)
    on_twins = {
        name: np.linalg.norm(predictions[name] - truth.joints[part.rows], axis=2) / truth.unit[part.rows, None]
        for name, part in twins.severities.items()
    }
    result: dict[str, Any] = {"benchmark": twins.name, "labels": twins.labels, "metric": truth.metric, "thresholds": {}}
    everyone = (truth.labelled & truth.counted).astype(np.float64)
    for threshold in truth.thresholds:
        right = (on_clean <= threshold) * everyone
        table: dict[str, Any] = {
            CLEAN: {
                "persons": len(truth),
                "n": int(everyone.sum()),
                **_numbers(pck.columns(right.sum(0), everyone.sum(0), truth)),
            }
        }
        for name, part in twins.severities.items():
            weights = pck.resamples(len(part.rows), bootstrap, seed) if len(part.rows) else np.zeros((0, 0))
            both = (on_clean[part.rows] <= threshold, on_twins[name] <= threshold)
            table[name] = {"persons": len(part.rows)} | {
                kind: _paired(both, mask, truth, weights) for kind, mask in _masks(truth, part).items()
            }
        result["thresholds"][f"{threshold:g}"] = table
    return result


def _masks(truth: Truth, part: PersonList) -> dict[str, Bools]:
    """(n, J) bool for each of KINDS: the joints of it."""
    scored, covered = truth.labelled[part.rows] & truth.counted, part.samples.covered == 1
    before = np.full(scored.shape, -1) if truth.visible is None else truth.visible[part.rows]
    return {
        "covered": scored & covered & (before == 1),
        "uncovered": scored & ~covered & (before != 0),
        "occluded": scored & (before == 0),
        "all": scored,
    }


def _paired(both: tuple[Bools, Bools], mask: Bools, truth: Truth, weights: Floats) -> dict[str, Any]:
    counts = mask.astype(np.float64)
    right = [hits * counts for hits in both]
    clean, twin = (pck.columns(r.sum(0), counts.sum(0), truth) for r in right)
    drop = pck.differences((clean, twin), [pck.columns(weights @ r, weights @ counts, truth) for r in right])
    return {"n": int(counts.sum()), "clean": _numbers(clean), "twin": _numbers(twin), "drop": drop}


def _numbers(columns: Mapping[str, Floats]) -> dict[str, float | None]:
    return {key: pck.number(value) for key, value in columns.items()}


def score(folder: Path, twins: Benchmark) -> dict[str, Any]:
    """All numbers for a folder of predictions: clean, light, medium and heavy, each .h5, .mat or .json."""
    return evaluate({name: _read(folder, name, part) for name, part in twins.lists.items()}, twins)


def _read(folder: Path, name: str, part: PersonList) -> Floats:
    files = [folder / f"{name}{suffix}" for suffix in (".h5", ".mat", ".json")]
    file = next((file for file in files if file.is_file()), None)
    if file is not None:
        return scoring.read(file, part.evaluator).joints
    if len(part.samples):
        raise NodaError(f"{folder}: no predictions for the {name} images; {name}.h5, .mat or .json is looked for")
    return np.zeros((0, len(part.samples.skeleton), 2))


def format_table(result: Mapping[str, Any]) -> str:
    """The table that a command prints: a row for each severity and kind of joint, at the first threshold."""
    threshold, table = next(iter(result["thresholds"].items()))
    rows = [["severity", "joints", "persons", "n", "clean", "twin", "drop", "95 % of drop"]]
    clean = table[CLEAN]
    rows.append([CLEAN, "all", str(clean["persons"]), str(clean["n"]), cell(clean["mean"]), "", "", ""])
    for severity in SEVERITIES:
        part = table[severity.name]
        for kind in KINDS:
            one = part[kind]
            drop = one["drop"]["mean"]
            low, high = (cell(value, sign=True) for value in drop["interval"])
            mark = sure(*drop["interval"])
            scores = [cell(one["clean"]["mean"]), cell(one["twin"]["mean"]), cell(drop["difference"], sign=True)]
            rows.append([severity.name, kind, str(part["persons"]), str(one["n"]), *scores, f"{low}..{high}{mark}"])
    head = f"{result['benchmark']} (labels {result['labels'][:12]}): {result['metric']}@{threshold}, mean"
    notes = [f"{name}: {which}" for name, which in KINDS.items() if name != which]
    note = f"Clean and twin: the same joints of the same persons. {'; '.join(notes)}. {SURE_MEANS}."
    return "\n\n".join([head, aligned(rows), note])
