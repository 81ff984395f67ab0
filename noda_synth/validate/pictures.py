"""Image files: there, whole, and of the size that the annotations state. Over all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from noda_synth.data.disk_list import DiskList
from noda_synth.errors import ItemError
from noda_synth.imaging.fingerprint import BYTES, differing_bits, fingerprint
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
_ALIKE = 12
"""Pictures whose fingerprints differ in no more of their 128 bits show the same: of 157,000 pairs of mpii-640 all that
do are frames of one video; pictures that were reduced or encoded again differ in 4 at most."""


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
    whether it lies on its side by EXIF, its annotations stating no size. `look` is its fingerprint, if it was decoded.
    """

    picture: Picture
    size: tuple[int, int] | None
    faults: tuple[tuple[str, str], ...]
    on_side: bool = False
    look: bytes | None = None


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


class Looks:
    """Pictures of a part with their fingerprints, one after the other."""

    def __init__(self) -> None:
        self.pictures: DiskList[Picture] = DiskList()
        self.fingerprints = bytearray()

    def add(self, picture: Picture, look: bytes) -> None:
        self.pictures.append(picture)
        self.fingerprints += look

    def __iter__(self) -> Iterator[tuple[Picture, bytes]]:
        for number, picture in enumerate(self.pictures):
            yield picture, bytes(self.fingerprints[number * BYTES : (number + 1) * BYTES])


def alike(training: Looks, validation: Looks) -> Iterator[tuple[Picture, str]]:
    """Pictures of the validation part that show what one of the training part shows, with the nearest's name."""
    for picture, look in validation if training.fingerprints else ():
        differing = differing_bits(look, training.fingerprints)
        nearest = int(differing.argmin())
        if differing[nearest] <= _ALIKE:
            bits = f"{differing[nearest]} of 128 bits of their fingerprints differ"
            yield picture, f"shows what {training.pictures[nearest].name} of the training part shows ({bits})"


def _check_block(block: Sequence[Picture], *, checks: ImageChecks) -> list[CheckedImage]:
    return [_check(picture, checks) for picture in block]


def _check(picture: Picture, checks: ImageChecks) -> CheckedImage:
    try:
        path = image_path(picture.folder, picture.name)
        if not is_there(path):
            broken = " (a link that leads nowhere: was the original moved?)" if is_link(path) else ""
            return CheckedImage(picture, None, (("missing-image", f"{path}: no such file{broken}"),))
        size = image_size(path, checks.max_pixels)
        look = fingerprint(read_image(path, checks.max_pixels)) if checks.decode else None
    except ItemError as error:
        return CheckedImage(picture, None, (("damaged-image", str(error)),))
    faults = []
    if picture.size is not None and picture.size != size:
        stated = f"{picture.size[0]} x {picture.size[1]} annotated"
        faults.append(("size-differs", f"{stated}, {size[0]} x {size[1]} in the file"))
    turn = 1 if isinstance(path, UprightPath) else exif_orientation(path)
    if turn > 1:
        faults.append(("turned-image", f"EXIF orientation {turn}"))
    return CheckedImage(picture, size, tuple(faults), picture.size is None and turn >= ON_ITS_SIDE, look)
