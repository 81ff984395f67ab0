"""The files of the demo data set: images, annotations in MPII's layout, and exact outlines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import MPII
from noda_synth.demo.optics.photo import develop
from noda_synth.demo.primitives.chance import one_of, whole
from noda_synth.demo.rendering import render
from noda_synth.demo.scene import draw_scene
from noda_synth.demo.truth import truths
from noda_synth.errors import NodaError
from noda_synth.formats import (
    coco_annotation,
    coco_category,
    coco_image,
    rle_encode,
    write_coco,
    write_gt_valid,
    write_mpii_json,
)
from noda_synth.formats.files.atomic import parsed, write_item
from noda_synth.runs.jobs import run_ordered
from noda_synth.runs.ownership import FILES, check_removable, write_file_list
from noda_synth.runs.staging import check_output, remove
from noda_synth.version import __version__

SIZES = ((1280, 720), (960, 720), (960, 720), (720, 960))
"""Widths and heights that pictures have, unless one is asked for."""

MARK = "demo.json"
"""A file that says that the folder was made here, and how; without it nothing is ever removed."""


@dataclass(frozen=True)
class DemoSettings:
    """What is asked for; all that decides on the files.

    Attributes:
        images: number of training images.
        valid_images: number of validation images.
        size: (width, height) of all of them, or None for a mix.
        seed: the same seed gives the same files.
    """

    images: int = 48
    valid_images: int = 12
    size: tuple[int, int] | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class DrawnImage:
    """One image: its name, (width, height), JPEG bytes, and everyone in it with the run lengths of both outlines."""

    name: str
    size: tuple[int, int]
    jpeg: bytes
    people: list[tuple[Person, dict[str, Any], dict[str, Any]]]


def draw_image(settings: DemoSettings, number: int) -> DrawnImage:
    """Draw image `number`; it depends on nothing but the seed, the number and the size."""
    random = np.random.default_rng([settings.seed, number])
    size = one_of(random, SIZES) if settings.size is None else settings.size
    name = f"{number:05d}.jpg"
    scene = draw_scene(random, size)
    rendering = render(scene, random)
    quality = whole(random, 78, 96)
    _, jpeg = cv2.imencode(".jpg", develop(rendering.light, random), [cv2.IMWRITE_JPEG_QUALITY, quality])
    people = [
        (truth.person, rle_encode(truth.visible), rle_encode(truth.amodal)) for truth in truths(scene, rendering, name)
    ]
    return DrawnImage(name, size, jpeg.tobytes(), people)


def write_demo(
    out: Path, settings: DemoSettings, *, workers: int, overwrite: bool, on_image: Callable[[int], object]
) -> tuple[int, int] | None:
    """Write the data set; the folder appears under its name only when it is whole.

    Args:
        out: the folder to make.
        settings: what is asked for.
        workers: processes; the files are the same for any number.
        overwrite: replace a demo data set that is there.
        on_image: called with 1 after each image.

    Returns:
        Numbers of training and validation people, or None if it is there already, made with the same settings.

    Raises:
        NodaError: something else is there, or others have put files into what is to be replaced.
    """
    part = out.with_name(f"{out.name}.partial")
    mark = {"made_by": "noda-synth demo-data", "version": __version__, **vars(settings)}
    if check_output(out, _made_with(out), mark, overwrite):
        return None
    left = {path.name for path in part.iterdir()} if part.is_dir() else set()
    if part.exists() and not (MARK in left <= {MARK, FILES, "images", "annot"}):
        raise NodaError(f"{part} was not made by demo-data; move it away.")
    remove(part)
    (part / "images").mkdir(parents=True)
    (part / "annot").mkdir()
    (part / MARK).write_text(json.dumps(mark, indent=1) + "\n")

    images: list[DrawnImage] = []
    draw = partial(draw_image, settings)
    for image in run_ordered(draw, range(settings.images + settings.valid_images), workers=workers):
        write_item(part / "images" / image.name, image.jpeg)
        images.append(replace(image, jpeg=b""))
        on_image(1)
    train, valid = _people(images[: settings.images]), _people(images[settings.images :])
    write_mpii_json(part / "annot" / "train.json", train)
    write_mpii_json(part / "annot" / "valid.json", valid)
    write_gt_valid(part / "annot" / "gt_valid.mat", valid)
    _write_outlines(part / "annot" / "outlines.json", images)
    write_file_list(part)
    if out.exists() or out.is_symlink():
        if not overwrite:
            raise NodaError(f"{out} has come up while this run worked, and is left alone; move it away")
        check_removable(out)
        remove(out)
    part.rename(out)
    return len(train), len(valid)


def _made_with(out: Path) -> dict[str, Any] | None:
    """The settings of the demo data set that is there, or None if there is none."""
    try:
        settings: dict[str, Any] = parsed((out / MARK).read_text())
    except (OSError, ValueError):
        return None
    return settings


def _people(images: Sequence[DrawnImage]) -> list[Person]:
    return [person for image in images for person, _, _ in image.people]


def _write_outlines(path: Path, drawn: Sequence[DrawnImage]) -> None:
    """Everyone, with the outline that can be seen as `segmentation` and the whole one as `noda.amodal`."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(drawn, start=1):
        images.append(coco_image(image.name, number, image.size))
        for person, visible, amodal in image.people:
            annotation = coco_annotation(
                person,
                annotation_id=len(annotations) + 1,
                image_id=number,
                size=image.size,
                segmentation=visible,
                extra={"amodal": amodal},
            )
            annotations.append(annotation)
    write_coco(path, images, annotations, MPII, {"categories": [coco_category(MPII)]})
