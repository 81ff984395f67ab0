"""Contact sheets: bodies of a pool, and people before and after rendering, as pictures to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.geometry import inside, joint_box, usable_joints
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.figures.drawn import drawn
from noda_synth.figures.levels import CAPTIONS, cut_out
from noda_synth.figures.style import GROUND, drawable
from noda_synth.formats.files.atomic import write_bytes
from noda_synth.imaging.images import BGRImage, encode_jpeg, encode_png, image_path, is_there, read_image
from noda_synth.pool.reader import Pool
from noda_synth.render.manifest import CoveredPeople, manifest_lines
from noda_synth.runs.staging import unfinished

# A joint of a body lies within so many sides of its crop.
_FAR = 100
_PAPER = (245, 245, 245)
_INK = (40, 40, 40)
# Pixels: between the panels of a tile, and of a sheet of bodies that is not told how many columns it has.
_GAP, _WIDTH = 4, 1600
# Width over height of a body's panels: the median body's, so that most stand as large as can be.
_SLIM, _WIDE = 0.45, 1.0
_ENCODERS = {".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg}
# Blue-green-red; told apart by brightness and shape too, for those who cannot tell the colours apart.
VISIBLE_COLOUR, COVERED_COLOUR, HIDDEN_COLOUR = (60, 200, 60), (40, 40, 230), (230, 160, 40)
BONE_COLOUR = (250, 250, 250)


def preview(
    source: Path, out: Path, *, number: int, side: int, columns: int | None, wanted: Sequence[str], seed: int
) -> tuple[str, list[Problem]]:
    """Write a contact sheet of a pool or of a rendered data set to `out`; returns what it shows, and what cannot be.

    Args:
        source: a pool, or the folder of a written data set.
        out: the sheet: .png, .jpg or .jpeg.
        number: how many bodies or renders, drawn at random.
        side: pixels of a picture's height.
        columns: of the sheet; None takes as many as a screen shows.
        wanted: ids to be shown instead of random ones.
        seed: of the draw.

    Raises:
        NodaError: the source is neither, an id is not in it, nothing of it can be shown, or `out` has another suffix.
    """
    if (encoder := _ENCODERS.get(out.suffix.lower())) is None:
        raise NodaError(f"{out}: a contact sheet is written as .png or .jpg; end the name with one of them")
    rng = np.random.default_rng(seed)
    if source.is_dir():
        shown, problems = drawn(_render_tiles(source, number, side, wanted, rng), source)
        heads = ["Before", "After", "Joints (red: covered)"]
        what, columns = f"{len(shown)} render{'s' * (len(shown) != 1)} of {source}", columns or 2
    elif not source.exists():
        raise NodaError(f"{source}: neither a pool nor a data set is there{unfinished(source)}")
    else:
        pool = Pool(source)
        rows = _choose(pool.persons, len(pool), number, wanted, rng, source)
        aspect = float(np.median(pool.size[rows, 0] / pool.size[rows, 1]).clip(_SLIM, _WIDE))
        box = (round(side * aspect), side)
        shown, problems = drawn(((pool.persons[row], partial(_labelled_body, pool, row, box)) for row in rows), source)
        heads = ["Joints", *(CAPTIONS.get(level, level) for level in pool.levels)]
        what = f"{len(shown)} {'body' if len(shown) == 1 else 'bodies'} of {source}"
        columns = columns or max(1, _WIDTH // shown[0][0].shape[1])
    tiles, labels = [tile for tile, _ in shown], [texts for _, texts in shown]
    write_bytes(out, encoder(sheet(tiles, labels, heads, min(columns, len(tiles)))))
    return what, problems


def _choose(
    ids: Iterable[str], count: int, number: int, wanted: Sequence[str], rng: np.random.Generator, source: Path
) -> list[int]:
    """Rows of the wanted ids, or random ones of `count`."""
    if wanted:
        rows: dict[str, int] = {}
        for row, name in enumerate(ids):
            if name in wanted:
                rows.setdefault(name, row)
        if missing := [name for name in wanted if name not in rows]:
            raise NodaError(f"{source} has no {missing[0]!r}")
        return [rows[name] for name in wanted]
    if not count:
        raise NodaError(f"{source} is empty: there is nothing to show")
    return sorted(int(row) for row in rng.permutation(count)[:number])


def _render_tiles(
    folder: Path, number: int, side: int, wanted: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[str, Callable[[], tuple[BGRImage, tuple[str, ...]]]]]:
    """Ids of the renders, and what draws each, with its label."""
    lines, people = manifest_lines(folder), CoveredPeople(folder)
    by_file = {line["file"]: line["id"] for line in lines if line["file"] in wanted}
    wanted = [by_file.get(name, name) for name in wanted]
    for row in _choose((line["id"] for line in lines), len(lines), number, wanted, rng, folder):
        yield lines[row]["id"], partial(_labelled_render, folder / "images", lines[row], people, side)


def _labelled_render(
    images: Path, line: Mapping[str, Any], people: CoveredPeople, side: int
) -> tuple[BGRImage, tuple[str, ...]]:
    try:
        person = people.of(line)
    except KeyError as error:
        raise ItemError(f"person {error} is not in the annotations") from error
    tile = render_tile(images, line, person, people.dataset, side)
    return tile, (f"{line['id']}  covered: {', '.join(line['covered']) or 'no joint'}",)


def render_tile(images: Path, line: Mapping[str, Any], person: Person, dataset: Dataset, side: int) -> BGRImage:
    """A person before and after, without and with the skeleton: three squares of `side` pixels.

    Args:
        images: the images folder of the written set.
        line: of the manifest.
        person: as the written annotations have it.
        dataset: the written data set.
        side: pixels of a square.
    """
    skeleton = dataset.skeleton
    after, source = read_image(image_path(images, line["file"])), image_path(images, line["source"])
    size = (after.shape[1], after.shape[0])
    before = read_image(source) if is_there(source) else np.full_like(after, _PAPER[0])
    known, window = person_window(person, size)
    covered = skeleton.flags(line["covered"])
    shift = np.array([window[1].start, window[0].start])
    box = (side, side)
    joints = _fitted(person.joints - shift, after[window], box)
    drawn = draw_joints(fit(after[window], box), joints, known, person.visible, skeleton, covered)
    return _side_by_side([fit(before[window], box), fit(after[window], box), drawn])


def person_window(person: Person, size: tuple[int, int]) -> tuple[NDArray[np.bool_], tuple[slice, slice]]:
    """The joints (J,) bool that can be shown in a picture of (width, height), and rows and columns around them."""
    known = usable_joints(person, size) & inside(person.joints, size)
    if not known.any():
        return known, (slice(0, size[1]), slice(0, size[0]))
    x1, y1, x2, y2 = joint_box(person.joints[known])
    margin = 0.35 * max(x2 - x1, y2 - y1)
    return known, (
        slice(max(0, int(y1 - margin)), min(size[1], int(y2 + margin) + 1)),
        slice(max(0, int(x1 - margin)), min(size[0], int(x2 + margin) + 1)),
    )


def _labelled_body(pool: Pool, row: int, box: tuple[int, int]) -> tuple[BGRImage, tuple[str, ...]]:
    qualities = (f"Q {pool.quality(level)[row]:.2f}" for level in pool.levels)
    return body_tile(pool, row, box), (pool.persons[row], *qualities)


def body_tile(pool: Pool, row: int, box: tuple[int, int]) -> BGRImage:
    """The crop and its masks side by side, as in the paper's Fig. 3: one panel of (width, height) pixels each.

    Raises:
        ItemError: a labelled joint lies nowhere near the crop.
    """
    crop, ground = pool.crop(row), GROUND[::-1]
    if not (np.abs(pool.joints[row][pool.labelled[row]]) < _FAR * max(crop.shape)).all():  # nor is NaN
        raise ItemError("a labelled joint is NaN, infinite, or far from the crop; build the pool again")
    joints = _fitted(pool.joints[row], crop, box)
    pictures = [draw_joints(fit(crop, box), joints, pool.labelled[row], pool.visible[row], pool.skeleton)]
    pictures += [fit(cut_out(crop, pool.opacity(row, level), ground), box, ground) for level in pool.levels]
    return _side_by_side(pictures)


def _side_by_side(pictures: Sequence[BGRImage]) -> BGRImage:
    between = np.full((len(pictures[0]), _GAP, 3), _PAPER, np.uint8)
    return np.hstack([strip for picture in pictures for strip in (picture, between)][:-1])


def fit(picture: BGRImage, box: tuple[int, int], ground: tuple[int, int, int] = _PAPER) -> BGRImage:
    """A picture reduced or enlarged to fit (width, height) pixels, in the middle, on a ground (BGR)."""
    size, left, top = fit_box(picture, box)
    panel = np.full((box[1], box[0], 3), ground, np.uint8)
    panel[top : top + size[1], left : left + size[0]] = resized(picture, size)
    return panel


def resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (H, W) or (H, W, 3) in (width, height) pixels: means where it shrinks, interpolated where it grows."""
    smaller = size[0] < picture.shape[1]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR))


def fit_box(picture: BGRImage, box: tuple[int, int]) -> tuple[tuple[int, int], int, int]:
    """Size (width, height), left and top that a picture gets in a box of (width, height) pixels."""
    height, width = picture.shape[:2]
    factor = min(box[0] / width, box[1] / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return size, (box[0] - size[0]) // 2, (box[1] - size[1]) // 2


def _fitted(joints: NDArray[np.float64], picture: BGRImage, box: tuple[int, int]) -> NDArray[np.float64]:
    """Joints (J, 2) of a picture where `fit` puts them."""
    size, left, top = fit_box(picture, box)
    factor = np.array(size) / picture.shape[1::-1]
    return np.asarray((joints + 0.5) * factor - 0.5 + (left, top))


def draw_joints(
    picture: BGRImage,
    joints: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    visible: NDArray[np.int8],
    skeleton: Skeleton,
    covered: NDArray[np.bool_] | None = None,
) -> BGRImage:
    """Draw a skeleton into a picture, in place.

    Joints that the pasted body covers are red crosses, those occluded before blue rings, all others green dots.
    """
    unit = max(2, round(max(picture.shape[:2]) / 160))
    points = {int(j): (round(joints[j, 0]), round(joints[j, 1])) for j in np.flatnonzero(labelled)}
    for a, b in skeleton.limb_indices:
        if a in points and b in points:
            cv2.line(picture, points[a], points[b], BONE_COLOUR, max(1, unit // 2), cv2.LINE_AA)
    for j, point in points.items():
        if covered is not None and covered[j]:
            cv2.drawMarker(picture, point, COVERED_COLOUR, cv2.MARKER_TILTED_CROSS, 4 * unit, unit, cv2.LINE_AA)
        elif visible[j] == 0:
            cv2.circle(picture, point, unit + 1, HIDDEN_COLOUR, max(1, unit // 2), cv2.LINE_AA)
        else:
            cv2.circle(picture, point, unit, VISIBLE_COLOUR, -1, cv2.LINE_AA)
    return picture


def sheet(tiles: Sequence[BGRImage], labels: Sequence[Sequence[str]], heads: Sequence[str], columns: int) -> BGRImage:
    """Tiles of one size in rows, each with texts evenly spread below, under a line of headings for their panels."""
    bar, apart = 20, 16
    height, width = tiles[0].shape[:2]
    size = (columns * (width + apart) - apart, bar + -(-len(tiles) // columns) * (height + bar))
    page = Image.new("RGB", size, _PAPER)
    pencil, font = ImageDraw.Draw(page), _font(12)

    def write(texts: Sequence[str], left: int, top: int) -> None:
        room = (width + _GAP) / len(texts)
        for place, text in enumerate(texts):
            line = _shortened(drawable(text), int(room) - 6, font)
            pencil.text((left + 3 + round(place * room), top + 14), line, _INK, font, anchor="ls")

    for column in range(columns):
        write(heads, column * (width + apart), 0)
    for number, (tile, texts) in enumerate(zip(tiles, labels, strict=True)):
        left, top = (number % columns) * (width + apart), bar + (number // columns) * (height + bar)
        page.paste(Image.fromarray(np.ascontiguousarray(tile[:, :, ::-1])), (left, top))
        write(texts, left, top + height)
    return np.ascontiguousarray(np.asarray(page)[:, :, ::-1])


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's font where that is installed: Pillow's own has no letters beyond ASCII."""
    if (package := find_spec("matplotlib")) is not None and package.origin is not None:
        return ImageFont.truetype(str(Path(package.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"), size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # as it is for every size that is given
    return font


def _shortened(label: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """A label that is at most `width` pixels wide, cut between words if it can be."""
    if font.getlength(label) <= width:
        return label
    text = label
    while text and font.getlength(f"{text} ...") > width:
        text = text[:-1]
    return f"{text.rpartition(' ')[0] or text} ..."
