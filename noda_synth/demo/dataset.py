"""The files of the demo data set: images, annotations in MPII's layout, and exact outlines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from joblib import Parallel, delayed

from noda_synth.demo.photo import develop
from noda_synth.demo.rendering import render
from noda_synth.demo.scene import draw_scene
from noda_synth.demo.truth import truths
from noda_synth.dataset import Person
from noda_synth.errors import NodaError
from noda_synth.formats import coco_annotation, coco_category, coco_image, rle_encode, write_coco, write_gt_valid, write_mpii_json
from noda_synth.skeleton import MPII

SIZES = ((1280, 720), (960, 720), (960, 720), (720, 960))
"""Widths and heights that pictures have, in turn, unless one is asked for."""

MARK = "demo.json"
"""A file that says that the folder was made here, and how; without it nothing is ever removed."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One image: its name, (width, height), JPEG bytes, and everyone in it with the run lengths of both outlines."""

    name: str
    size: tuple[int, int]
    jpeg: bytes
    people: list[tuple[Person, dict[str, Any], dict[str, Any]]]


def shoot(seed: int, number: int, size: tuple[int, int] | None) -> Shot:
    """Draw image `number` of the data set; it depends on nothing but these arguments."""
    random = np.random.default_rng([seed, number])
    size = SIZES[int(random.integers(len(SIZES)))] if size is None else size
    name = f"demo_{number:05d}.jpg"
    scene = draw_scene(random, size)
    rendering = render(scene, random)
    quality = int(random.integers(78, 96))
    _, jpeg = cv2.imencode(".jpg", develop(rendering.light, random), [cv2.IMWRITE_JPEG_QUALITY, quality])
    people = [(truth.person, rle_encode(truth.visible), rle_encode(truth.amodal)) for truth in truths(scene, rendering, name)]
    return Shot(name, size, jpeg.tobytes(), people)


def write_demo(out: Path, *, images: int, valid_images: int, size: tuple[int, int] | None, seed: int, jobs: int, overwrite: bool) -> tuple[int, int]:
    """Write the data set; the folder appears under its name only when it is whole.

    Args:
        out: the folder to make.
        images: number of training images.
        valid_images: number of validation images.
        size: (width, height) of all of them, or None for a mix.
        seed: the same seed gives the same files.
        jobs: processes.
        overwrite: replace a demo data set that is there.

    Returns:
        Numbers of training and validation people.
    """
    if out.exists() and not overwrite:
        raise NodaError(f"{out} exists. Choose another place, or replace it with --overwrite.")
    if out.exists() and not (out / MARK).is_file():
        raise NodaError(f"{out} was not made by demo-data (it has no {MARK}), so it is not overwritten.")
    part = out.with_name(f"{out.name}.partial")
    if part.exists() and not (part / MARK).is_file():
        raise NodaError(f"{part} is in the way and was not made by demo-data; move it.")
    shutil.rmtree(part, ignore_errors=True)
    (part / "images").mkdir(parents=True)
    (part / "annot").mkdir()
    settings = {"made_by": "noda-synth demo-data", "images": images, "valid_images": valid_images, "size": size, "seed": seed}
    (part / MARK).write_text(json.dumps(settings, indent=1) + "\n")

    shots: list[Shot] = []
    for shot in Parallel(n_jobs=jobs, return_as="generator")(delayed(shoot)(seed, number, size) for number in range(images + valid_images)):
        (part / "images" / shot.name).write_bytes(shot.jpeg)
        shots.append(Shot(shot.name, shot.size, b"", shot.people))
    train, valid = ([person for shot in group for person, _, _ in shot.people] for group in (shots[:images], shots[images:]))
    write_mpii_json(part / "annot" / "train.json", train)
    write_mpii_json(part / "annot" / "valid.json", valid)
    write_gt_valid(part / "annot" / "gt_valid.mat", valid)
    _write_outlines(part / "annot" / "outlines.json", shots)
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)
    return len(train), len(valid)


def _write_outlines(path: Path, shots: Sequence[Shot]) -> None:
    """Everyone with the outline that can be seen as `segmentation` and the whole one as `noda.amodal`."""
    entries = [coco_image(shot.name, number + 1, shot.size) for number, shot in enumerate(shots)]
    everyone = [(number + 1, shot, who) for number, shot in enumerate(shots) for who in shot.people]
    annotations = [
        coco_annotation(person, annotation_id=count + 1, image_id=image, size=shot.size, segmentation=visible, extra={"amodal": amodal})
        for count, (image, shot, (person, visible, amodal)) in enumerate(everyone)
    ]
    write_coco(path, entries, annotations, MPII, {"categories": [coco_category(MPII)]})
