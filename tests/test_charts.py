"""Charts: what is drawn goes with the numbers, and says them."""

from __future__ import annotations

import io
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from noda_synth.errors import NodaError
from noda_synth.figures import charts
from noda_synth.figures.charts import BarGroup, Heading
from noda_synth.figures.style import BLUE, ORANGE, encode, figure_format, house_style

figure_module = pytest.importorskip("matplotlib.figure")


@pytest.fixture(autouse=True)
def _in_style() -> Iterator[None]:
    with house_style():
        yield


def figure_and_axes(**options: Any) -> tuple[Any, Any]:
    figure = figure_module.Figure((4.5, 3), layout="constrained")
    return figure, figure.add_subplot(**options)


def pixels(figure: Any) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(encode(figure, "png"))) as picture:
        return np.asarray(picture.convert("RGB"))


def count(figure: Any, colour: str) -> int:
    rgb = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return int((pixels(figure) == rgb).all(axis=-1).sum())


def texts(figure: Any) -> set[str]:
    return set(re.findall(r"<!-- (.*?) -->", encode(figure, "svg").decode()))


def drawn_bars(*groups: BarGroup, legend: dict[str, str] | None = None) -> Any:
    figure, axes = figure_and_axes()
    charts.bars(axes, groups, [(BLUE, ORANGE)] * len(groups[0].bars), Heading("t", "n = 1", "x", legend), limit=100)
    return figure


def test_a_bar_is_as_long_as_its_number() -> None:
    one, two = (count(drawn_bars(BarGroup("a", [(value, 0)], [""])), BLUE) for value in (40, 80))
    assert two == pytest.approx(2 * one, rel=0.02)
    both = drawn_bars(BarGroup("a", [(40, 20)], [""]))
    assert count(both, BLUE) == pytest.approx(one, rel=0.02)
    assert count(both, ORANGE) == pytest.approx(one / 2, rel=0.03)


def test_bars_say_their_labels_and_numbers_and_what_is_not_known() -> None:
    figure = drawn_bars(BarGroup("both", [(40, 20), None], ["60.0", ""]), BarGroup("none", [None, None], ["", ""]))
    said = [text for text in texts(figure) if text in ("both", "none", "60.0", "n/a", "t", "n = 1", "x")]
    assert sorted(said) == sorted(["both", "none", "60.0", "n/a", "t", "n = 1", "x"])
    assert encode(figure, "svg").decode().count("<!-- n/a -->") == 2  # once for the bar, once for the whole group


def test_a_histogram_goes_with_its_counts() -> None:
    def area(*counts: int) -> int:
        figure, axes = figure_and_axes()
        charts.histogram(axes, counts, None, Heading("t", "n", "x"))
        return count(figure, BLUE)

    assert area(10, 5) == pytest.approx(1.5 * area(10, 0), rel=0.02)
    assert area(0, 0) == 0


def test_the_area_of_a_sector_goes_with_its_count() -> None:
    def area(*counts: int) -> int:
        figure, axes = figure_and_axes(projection="polar")
        charts.rose(axes, counts, Heading("t", "n"))
        return count(figure, BLUE)

    full, half = area(0, 8, 0, 0, 0, 8, 0, 0), area(0, 8, 0, 0, 0, 4, 0, 0)
    assert half == pytest.approx(0.75 * full, rel=0.03)


def test_sectors_go_clockwise_from_the_right() -> None:
    figure, axes = figure_and_axes(projection="polar")
    charts.rose(axes, (5, 0, 0, 0), Heading("t"))
    blue = np.argwhere((pixels(figure) == (0, 114, 178)).all(axis=-1))
    height, width = pixels(figure).shape[:2]
    assert (blue.mean(axis=0) > (height / 2, width / 2)).all()  # from 0 to 90 degrees: right and below


def test_the_heat_map_shows_the_fullest_cell_darkest_and_rows_from_the_top() -> None:
    counts = np.zeros((4, 4), np.int64)
    counts[0, 3] = 9
    figure, axes = figure_and_axes()
    charts.heat_map(axes, counts, 2.0, Heading("t", "n", "x"), "renders")
    assert {"renders", "target", "−2", "2"} <= texts(figure)
    dark = (pixels(figure) == (12, 24, 80)).all(axis=-1)
    rows, columns = np.nonzero(dark)
    assert np.median(rows) < dark.shape[0] / 2
    assert np.median(columns) > dark.shape[1] / 2


def touching(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts on a figure, within it, that come nearer to one another than a pixel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]
    inside = [(text, box) for text, box in boxes if box.width and box.x1 < figure.bbox.x1]
    return [
        (a, b) for (a, one), (b, two) in itertools.combinations(inside, 2) if a != b and one.padded(1).overlaps(two)
    ]


def test_numbers_in_the_corner_of_the_axes_do_not_touch() -> None:
    figure, axes = figure_and_axes()
    charts.heat_map(axes, np.ones((4, 4), np.int64), 2.0, Heading("t", "n", "x"), "renders")
    assert touching(figure) == []
    figure, axes = figure_and_axes()
    charts.histogram(axes, [50, 80, 20], [0.0, 0.2, 0.4, 0.6], Heading("t", "n", "x"))
    assert touching(figure) == []


@pytest.mark.parametrize("counts", [[], [0], [1], [123456]])
def test_any_counts_can_be_drawn(counts: list[int]) -> None:
    figure, axes = figure_and_axes()
    charts.histogram(axes, counts, None, Heading("t", "n", "x"))
    assert {"t", "n", "x", "0"} <= texts(figure)
    figure, axes = figure_and_axes(projection="polar")
    charts.rose(axes, counts, Heading("t"))
    assert "90° (below)" in texts(figure)


@pytest.mark.parametrize("name", ["Łódź, Øst é", "колено", "$a$ ^ \\frac", "_hidden", "bad \x07 \ud800", "x" * 200])
def test_names_are_drawn_whatever_their_letters(name: str) -> None:
    figure = drawn_bars(BarGroup(name[:20], [(1, 1)], [""]), legend={name: BLUE})
    expected = re.sub(r"[\x07\ud800]", "\ufffd", name)
    said = texts(figure)
    assert expected in said or any(re.fullmatch("x{10,60}…x{10,60}", text) for text in said)
    for file_format in ("png", "pdf"):
        assert encode(figure, file_format)


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_the_same_numbers_give_the_same_bytes(file_format: str) -> None:
    first, second = (encode(drawn_bars(BarGroup("a", [(1, 2)], ["3"])), file_format) for _ in range(2))
    assert first == second
    assert b"Date" not in first.replace(b"dateTime", b"") and b"CreationDate" not in first


def test_figures_look_alike_whatever_was_set_before_and_leave_it_as_it_was() -> None:
    import matplotlib

    expected = encode(drawn_bars(BarGroup("a", [(1, 2)], ["3"])), "svg")
    with matplotlib.rc_context({"font.size": 20, "axes.grid": False}):
        with house_style():
            assert encode(drawn_bars(BarGroup("a", [(1, 2)], ["3"])), "svg") == expected
        assert matplotlib.rcParams["font.size"] == 20
    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NodaError, match=r"pip install 'noda-synth\[figures\]'"), house_style():
        pass


def test_other_suffixes_are_refused_by_name() -> None:
    assert [figure_format(Path(f"a.{suffix}")) for suffix in ("png", "PDF", "svg")] == ["png", "pdf", "svg"]
    for name in ("a.jpg", "a", "a.png.gz"):
        with pytest.raises(NodaError, match=rf"^{re.escape(name)}: .*\.png, \.pdf or \.svg"):
            figure_format(Path(name))
