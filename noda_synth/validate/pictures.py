"""Image files: there, whole, and of the size that the annotations state. Over all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from noda_synth.errors import ItemError
from noda_synth.imaging.images import (
    MAX_PIXELS,
    ON_ITS_SIDE,
    UprightPath,
    exif_orientation,
    image_path,
    image_size,
    is_link,
    is_there,
    read_image,
)
from noda_synth.runs import jobs

Sizes = Mapping[tuple[str, str], tuple[int, int]]
"""Part and name of an image -> its width and height."""

_BLOCK = 16


@dataclass(frozen=True)
class Picture:
    """An image to be checked: its part, name and folder, and its annotated size if any."""

    part: str
    name: str
    folder: Path
    size: tuple[int, int] | None


@dataclass(frozen=True)
class CheckedImage:
    """An image after its checks: the size by the header if there is one, its faults as (kind of finding, text), and
    whether it lies on its side by EXIF, its annotations stating no size."""

    picture: Picture
    size: tuple[int, int] | None
    faults: tuple[tuple[str, str], ...]
    on_side: bool = False


@dataclass(frozen=True)
class ImageChecks:
    """How images are checked.

    Attributes:
        decode: decode them wholly; else read the header alone.
        max_pixels: images whose header claims more are not decoded.
        workers: worker processes.
    """

    decode: bool = True
    max_pixels: int = MAX_PIXELS
    workers: int = 1


def check_images(
    pictures: Iterable[Picture], checks: ImageChecks, done: Callable[[int], None]
) -> Iterator[CheckedImage]:
    """Check images in order; `done` is called with the number of images of each block."""
    work = partial(_check_block, checks=checks)
    for block in jobs.run_ordered(work, jobs.blocks(pictures, _BLOCK), workers=checks.workers):
        done(len(block))
        yield from block


def _check_block(block: Sequence[Picture], *, checks: ImageChecks) -> list[CheckedImage]:
    return [_check(picture, checks) for picture in block]


def _check(picture: Picture, checks: ImageChecks) -> CheckedImage:
    try:
        path = image_path(picture.folder, picture.name)
        if not is_there(path):
            broken = " (a link that leads nowhere: was the original moved?)" if is_link(path) else ""
            return CheckedImage(picture, None, (("missing-image", f"{path}: no such file{broken}"),))
        size = image_size(path, checks.max_pixels)
        if checks.decode:
            read_image(path, checks.max_pixels)
    except ItemError as error:
        return CheckedImage(picture, None, (("damaged-image", str(error)),))
    faults = []
    if picture.size is not None and picture.size != size:
        stated = f"{picture.size[0]} x {picture.size[1]} annotated"
        faults.append(("size-differs", f"{stated}, {size[0]} x {size[1]} in the file"))
    turn = 1 if isinstance(path, UprightPath) else exif_orientation(path)
    if turn > 1:
        faults.append(("turned-image", f"EXIF orientation {turn}"))
    return CheckedImage(picture, size, tuple(faults), picture.size is None and turn >= ON_ITS_SIDE)
