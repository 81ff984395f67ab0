"""Reading and writing image files, with the checks that a decoder leaves out.

`cv2.imread` gives a half grey picture for a JPEG that ends early, allocates as much as a header claims, and turns the
image by its EXIF orientation away from its joints. So the bytes are read here, looked at, and only then decoded.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import stays_inside
from noda_synth.errors import ItemError, of_item
from noda_synth.imaging.pillow import opened, quiet_decoders

BGRImage = NDArray[np.uint8]
"""(H, W, 3) uint8, blue-green-red as OpenCV has it."""

MAX_PIXELS = 100_000_000
"""Images whose header claims more are not decoded (`--max-pixels`): 100 megapixels take 300 MB."""

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_END_OF_IMAGE = b"\xff\xd9"
# A marker with something to say: inside a scan every 0xFF is followed by 0x00 or by the number of a restart.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]", re.DOTALL)
# The same before the picture, where a second start of an image (0xD8) is an error that ends the search.
_SEGMENT = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
_NOT_A_SEGMENT = frozenset((0xD8, 0xD9, 0xDA))
_JPEG_START = b"\xff\xd8"
_PNG_SIGNATURE, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_PNG_START = _PNG_SIGNATURE + b"\0\0\0\rIHDR"
_ORIENTATION = 0x0112
# Orientation -> quarter turns to the left, and whether to mirror then.
_TURNS = {
    1: (0, False),
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (-1, True),
    6: (-1, False),
    7: (1, True),
    8: (1, False),
}
# Nearly every JPEG states its size within so many bytes, thumbnails included.
_HEAD_BYTES = 1 << 16
_PIXEL_BYTES, _OTHER_BYTES = 8, 16 << 20
"""Image files that have more bytes than so many a pixel, and so many beside them, are not read."""


class UprightPath(type(Path())):  # type: ignore[misc]  # Path itself cannot be derived from before Python 3.12
    """A folder, or an image in it, whose annotations were made on pictures turned as EXIF says: it is read that way."""


def image_path(folder: Path, name: str) -> Path:
    """The path of a named image. Raises ItemError for a name that leads out of the folder."""
    if not stays_inside(name):
        raise ItemError(f"image name {name!r} leads out of the images folder; correct the name in the annotations")
    return folder / name


def links_out(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """The names that lead out of the folder by a symbolic link; the folder itself may be one."""
    home = folder.resolve()
    parents: dict[Path, bool] = {}
    for name in names:
        path = home / name
        if path.parent not in parents:
            parents[path.parent] = _resolved(path.parent).is_relative_to(home)
        if not parents[path.parent] or (is_link(path) and not _resolved(path).is_relative_to(home)):
            yield name


def is_link(path: Path) -> bool:
    """Whether there is a symbolic link of a name, which may be one that no file can have: Path would raise then."""
    return os.path.islink(path)  # noqa: PTH114


def is_there(path: Path) -> bool:
    """Whether there is anything of a name, links followed; a name that no file can have is not there, either."""
    return os.path.exists(path)  # noqa: PTH110


def _resolved(path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path  # nothing is found there


def check_file(path: Path) -> os.stat_result:
    """The state of a regular file. Raises ItemError for all else: a FIFO is not waited for, no device is opened."""
    with of_item(path):
        state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ItemError(f"{path}: no regular file ({_kind(state.st_mode)}); put the image there")
    return state


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def image_size(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(width, height) in pixels from the header alone, turned by EXIF only for an UprightPath. Raises ItemError."""
    check_bytes(check_file(path).st_size, max_pixels, path)
    with of_item(path), path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        size = plain_size(head)
        if size is None and head.startswith(_JPEG_START):
            head += stream.read()
        size = size or _size_of(head, stream, path)
    _check_size(size, path, max_pixels)
    return size[::-1] if isinstance(path, UprightPath) and exif_orientation(path) >= ON_ITS_SIDE else size


def check_image(path: Path, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ItemError for a file that is no whole image by its header, or as a JPEG by its end. It is not decoded."""
    image_size(path, max_pixels)
    with of_item(path), path.open("rb") as stream:
        is_jpeg = stream.read(len(_JPEG_START)) == _JPEG_START
        stream.seek(-len(_END_OF_IMAGE), io.SEEK_END)
        ends = stream.read() == _END_OF_IMAGE
    if is_jpeg and not ends:
        read_checked(path, max_pixels)


ON_ITS_SIDE = 5
"""From this of EXIF's orientations on, width and height change places."""


def exif_orientation(file: Path | BinaryIO) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none or where it cannot be read."""
    try:
        with opened(file) as image:
            turn = int(image.getexif().get(_ORIENTATION, 1))
    except ItemError:  # of EXIF's many ways to be damaged none keeps a trainer from decoding the image
        return 1
    return turn if turn in _TURNS else 1


def is_turned(path: Path) -> bool:
    """Whether an image that is read upright is stored in another way."""
    return isinstance(path, UprightPath) and exif_orientation(path) > 1


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> BGRImage:
    """Decode an image file as trainers do: three channels, EXIF orientation ignored unless it is an UprightPath.

    Raises:
        ItemError: no such file, empty, no image, larger than `max_pixels` by its header, or it ends early.
    """
    return decode_checked(read_checked(path, max_pixels), path)


def read_reduced(path: Path, reduction: Literal[2, 4, 8], max_pixels: int = MAX_PIXELS) -> BGRImage:
    """An image at a fraction of its width and height, rounded up: of a JPEG faster than the whole. Raises ItemError."""
    return decode_checked(read_checked(path, max_pixels), path, reduction)


def read_checked(path: Path, max_pixels: int = MAX_PIXELS) -> bytes:
    """The bytes of an image file that is safe to decode. Raises ItemError as `read_image` does."""
    check_bytes(check_file(path).st_size, max_pixels, path)
    with of_item(path):
        data = path.read_bytes()
    _check_size(_size_of(data, io.BytesIO(data), path), path, max_pixels)
    if data.startswith(_JPEG_START) and not _is_whole_jpeg(data):
        raise ItemError(f"{path}: the JPEG ends early ({len(data)} bytes); fetch the file again")
    return data


def decode_checked(data: bytes, path: Path, reduction: Literal[1, 2, 4, 8] = 1) -> BGRImage:
    """Decode the bytes that `read_checked` gave for a path; those of an UprightPath are turned.

    Raises:
        ItemError: the image is damaged, or of another size than its header says.
    """
    image = decode_image(data, str(path), _REDUCED[reduction])
    size = _size_of(data, io.BytesIO(data), path)
    if reduction == 1 and image.shape[1::-1] != size:
        raise ItemError(
            f"{path}: it decodes to {image.shape[1]} x {image.shape[0]} pixels, but its header says "
            f"{size[0]} x {size[1]}; fetch the file again"
        )
    if not isinstance(path, UprightPath):
        return image
    quarters, mirrored = _TURNS[exif_orientation(io.BytesIO(data))]
    turned = np.rot90(image, quarters)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def decode_image(data: bytes | NDArray[np.uint8], name: str, kind: int = cv2.IMREAD_COLOR) -> BGRImage:
    """Decode the bytes of an image to BGR. Raises ItemError, naming `name`."""
    _check_chunks(data, name)
    try:
        with quiet_decoders():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
    except (cv2.error, MemoryError) as error:
        raise ItemError(f"{name}: cannot be decoded ({error}); fetch the file again") from error
    if image is None:
        raise ItemError(f"{name}: cannot be decoded, the file is damaged; fetch the file again")
    return np.asarray(image, np.uint8)


def encode_jpeg(image: NDArray[np.uint8], quality: int = 95) -> bytes:
    """JPEG bytes of a BGR image; the same pixels give the same bytes."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a BGR or grey image, lightly compressed: masks shrink well anyway, photographs do not."""
    return cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def encode_mask(mask: NDArray[np.uint8], *, hard: bool) -> bytes:
    """PNG bytes of a mask; a hard one (only 0 and 255) takes one bit per pixel.

    Unfiltered, a matte is written in a third of the time and read in half of it, and is no larger. OpenCV before 4.12
    cannot be told so.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_BILEVEL, int(hard)]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    return cv2.imencode(".png", mask, options)[1].tobytes()


def decode_mask(data: bytes | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The single channel of a PNG mask, (H, W) uint8. Raises ItemError."""
    _check_chunks(data, "mask")
    try:
        with quiet_decoders():
            mask = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (cv2.error, MemoryError):
        mask = None
    if mask is None:
        raise ItemError("a mask of the pool cannot be decoded: the pool is damaged, build it again")
    return np.asarray(mask, np.uint8)


def _check_chunks(data: bytes | NDArray[np.uint8], name: str) -> None:
    """Raises ItemError for a PNG with a chunk that claims more bytes than all of it has: OpenCV makes room for 4 GB."""
    offset = len(_PNG_SIGNATURE)
    if bytes(data[:offset]) != _PNG_SIGNATURE:
        return
    kind = b""
    while kind != _PNG_END and offset + 8 <= len(data):
        length, kind = struct.unpack(">I4s", bytes(data[offset : offset + 8]))
        if length > len(data):
            raise ItemError(
                f"{name}: a part of it claims {length} bytes, but there are {len(data)}; fetch the file again"
            )
        offset += length + 12


def _is_whole_jpeg(data: bytes) -> bool:
    """Whether a JPEG has its end marker: its own, not that of a thumbnail or of anything that was appended."""
    if data.endswith(_END_OF_IMAGE):
        return True  # nearly every file; of a file that was cut right there nothing is left to decode
    offset = 2
    while marker := _MARKER.search(data, offset):
        if marker.group() == _END_OF_IMAGE:
            return True
        offset = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return False


def plain_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) by a PNG's or JPEG's header, in a fifth of Pillow's time; None if it is not found that way."""
    width = height = 0
    if data.startswith(_PNG_START) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
    if data.startswith(_JPEG_START):
        height, width = _frame_size(data)
    return (width, height) if width and height else None


def _frame_size(data: bytes) -> tuple[int, int]:
    """(height, width) by a JPEG's first frame header, found as libjpeg finds it: any number of 0xFF may stand before a
    marker, and what is no marker is skipped. (0, 0) if there is none."""
    offset = 2
    while marker := _SEGMENT.search(data, offset):
        kind, offset = data[marker.end() - 1], marker.end()
        length = int.from_bytes(data[offset : offset + 2])
        if kind in _NOT_A_SEGMENT or length < 2:
            break
        if kind in _FRAME_HEADERS and offset + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, offset + 3)
            return height, width
        offset += length
    return 0, 0


def _size_of(data: bytes, stream: BinaryIO, path: Path) -> tuple[int, int]:
    """By the header, of a JPEG as the decoder reads it and not as Pillow does."""
    size = plain_size(data)
    if size is None and data.startswith(_JPEG_START):
        raise ItemError(f"{path}: not an image (a JPEG without a frame header); fetch the file again")
    return size or _header_size(stream, path)


def _header_size(stream: BinaryIO, path: Path) -> tuple[int, int]:
    if stream.seek(0, io.SEEK_END) == 0:
        raise ItemError(f"{path}: the file is empty; fetch the file again")
    stream.seek(0)
    with opened(stream, path) as image:
        width, height = image.size
    return width, height


def _check_size(size: tuple[int, int], path: Path, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ItemError(
            f"{path}: its header claims {width} x {height} pixels, more than --max-pixels {max_pixels} allows"
        )


def check_bytes(count: int, max_pixels: int, path: Path | None = None) -> None:
    """Before anything is read: raises ItemError for more bytes than an image of so many pixels has."""
    if count > max_pixels * _PIXEL_BYTES + _OTHER_BYTES:
        named, allowed = (f"{path}: ", f"--max-pixels {max_pixels}") if path else ("", f"{max_pixels} pixels")
        raise ItemError(f"{named}{count} bytes, more than an image of {allowed} has; it is not read")
