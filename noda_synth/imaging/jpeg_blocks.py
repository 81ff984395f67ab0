"""A JPEG with a few of its blocks written anew, and every other coefficient kept as it stands in the file.

A picture that is decoded and encoded again changes everywhere, if only a little: chroma is resampled, values are
rounded, clipped ones are lost. Here the coefficients are taken from the file, those of the touched blocks are made
anew with the file's own tables, and all are written back. Needs pyjpegio (`pip install 'noda-synth[exact]'`), which
reads and writes coefficients by libjpeg-turbo.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_synth.imaging.compositing import Overlay, overlap

_SIDE = 8
_CENTRE = 128.0
# What comes out half way between two steps is rounded up on every machine, whatever its last bit says.
_HALF = 0.5 + 1e-6
# Sizes of a difference; and runs of 0 to 15 with sizes 1 to 10, the end of a block, a run of 16.
_DC_SYMBOLS, _AC_SYMBOLS = 12, 162
# Segments that say how the values are to be read; all others (EXIF, thumbnails, comments) are left out.
_KEPT = ((0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"))


def check_exact() -> None:
    """Raises NodaError where pyjpegio is missing."""
    try:
        import_module("jpegio")
    except ImportError as error:
        raise NodaError(
            "--quality exact needs pyjpegio: pip install 'noda-synth[exact]'; or take --quality source"
        ) from error


def replace_blocks(picture: NDArray[np.uint8], source: bytes, overlay: Overlay | None) -> bytes | None:
    """JPEG bytes of a picture that differs from its source under an overlay alone.

    Args:
        picture: (H, W, 3) uint8 BGR, of the size that the source decodes to.
        source: the bytes of a JPEG of the three channels Y Cb Cr, see `jpeg.jpeg_style`.
        overlay: what was laid over it, or None for nothing.

    Returns:
        The bytes, which hold the source's own coefficients in all blocks that alpha does not touch: with chroma of
        half the size a block of it is 16 pixels of the picture, and decoders mix a pixel of its rim into the
        neighbour's. None where the source's coefficients cannot be read or written (libjpeg's warnings aside).

    Raises:
        NodaError: pyjpegio is missing.
    """
    check_exact()
    jpegio = import_module("jpegio")
    with tempfile.TemporaryDirectory(prefix="noda-jpeg-") as folder:
        file = Path(folder) / "picture.jpg"
        file.write_bytes(source)
        try:
            coded = jpegio.read(str(file))
            if len(coded.quant_tables) != len({info.quant_tbl_no for info in coded.comp_info}):
                return None  # a table that no channel uses: which is whose is not told
            coded.markers = [marker for marker in coded.markers if _is_kept(marker)]
            if overlay is not None:
                _write_anew(picture, overlay, coded)
            coded.optimize_coding = _lacks_symbols(coded)
            jpegio.write(coded, str(file))
        except RuntimeError:
            return None
        return file.read_bytes()


def _is_kept(marker: dict[str, Any]) -> bool:
    return any(marker["type"] == kind and marker["data"].startswith(start) for kind, start in _KEPT)


def _lacks_symbols(coded: Any) -> bool:
    """Whether the source's Huffman tables were made for its own blocks; libjpeg-turbo writes nonsense by such ones."""
    tables = ((coded.dc_huff_tables, _DC_SYMBOLS), (coded.ac_huff_tables, _AC_SYMBOLS))
    return any(int(table["counts"].sum()) < needed for kind, needed in tables for table in kind)


def _write_anew(picture: NDArray[np.uint8], overlay: Overlay, coded: Any) -> None:
    """Put the coefficients of the blocks under alpha into `coded`, in place."""
    window = overlap(overlay.alpha.shape, picture.shape, overlay.left, overlay.top)
    if window is None:
        return
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(overlay.alpha[window[1]]))
    if not width:
        return
    rows, columns = window[0]
    unit = _SIDE * coded.max_h_samp_factor, _SIDE * coded.max_v_samp_factor
    start = (columns.start + x) // unit[0] * unit[0], (rows.start + y) // unit[1] * unit[1]
    end = -(-(columns.start + x + width) // unit[0]) * unit[0], -(-(rows.start + y + height) // unit[1]) * unit[1]
    size = end[0] - start[0], end[1] - start[1]
    part = picture[start[1] : end[1], start[0] : end[0]]
    beyond = size[1] - part.shape[0], size[0] - part.shape[1]
    part = np.asarray(cv2.copyMakeBorder(part, 0, beyond[0], 0, beyond[1], cv2.BORDER_REPLICATE))
    touched = np.zeros(size[::-1], np.bool_)
    place = rows.start - start[1], columns.start - start[0]
    _paste_mask(touched, overlay.alpha[window[1]] > 0, place)
    # The tables are those of the slots in use; which slots these are is said by the channels alone.
    slots = sorted({info.quant_tbl_no for info in coded.comp_info})
    channels = cv2.split(cv2.cvtColor(part, cv2.COLOR_BGR2YCrCb))
    for index, channel in enumerate((channels[0], channels[2], channels[1])):
        info, coefficients = coded.comp_info[index], coded.coef_arrays[index]
        step = coded.max_h_samp_factor // info.h_samp_factor, coded.max_v_samp_factor // info.v_samp_factor
        sides = _SIDE * step[1], _SIDE * step[0]
        top, left = start[1] // sides[0], start[0] // sides[1]
        held = _blocks(coefficients)[top : top + size[1] // sides[0], left : left + size[0] // sides[1]]
        # The last row and column of units may have more blocks than the file has of this channel.
        anew = np.any(_blocks(touched, *sides), axis=(2, 3))[: held.shape[0], : held.shape[1]]
        values = _blocks(channel, *sides)[: held.shape[0], : held.shape[1]][anew]
        means = _means(values, step)
        table = np.asarray(coded.quant_tables[slots.index(info.quant_tbl_no)], np.float64)
        held[anew] = np.floor(_TRANSFORM @ (means - _CENTRE) @ _TRANSFORM.T / table + _HALF)


def _paste_mask(touched: NDArray[np.bool_], mask: NDArray[np.bool_], place: tuple[int, int]) -> None:
    """Set what a mask touches whose first pixel lies at `place`, which may be before the beginning."""
    window = overlap(mask.shape, touched.shape, place[1], place[0])
    assert window is not None
    touched[window[0]] = mask[window[1]]


def _blocks(values: NDArray[Any], height: int = _SIDE, width: int = _SIDE) -> NDArray[Any]:
    """A view (rows, columns, height, width) of an array (rows * height, columns * width) in blocks."""
    tall, wide = values.shape[0] // height, values.shape[1] // width
    return values.reshape(tall, height, wide, width).transpose(0, 2, 1, 3)


def _means(values: NDArray[np.uint8], step: tuple[int, int]) -> NDArray[np.float64]:
    """Blocks (N, 8, 8) float64 from (N, 8 * step[1], 8 * step[0]), each value a mean of `step` pixels."""
    sums = np.zeros((len(values), _SIDE, _SIDE))
    for y in range(step[1]):
        for x in range(step[0]):
            sums += values[:, y :: step[1], x :: step[0]]
    return sums / (step[0] * step[1])


def _cosines() -> NDArray[np.float64]:
    """(8, 8) float64: the orthonormal discrete cosine transform, a row per frequency."""
    frequency, sample = np.mgrid[:_SIDE, :_SIDE]
    basis = np.cos((2 * sample + 1) * frequency * np.pi / (2 * _SIDE)) / 2
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)


_TRANSFORM = _cosines()
