"""Charts: what is drawn goes with the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from noda_synth.figures import charts
from noda_synth.figures.charts import BLUE, ORANGE, Colour, Row


def count(image: Image.Image, colour: Colour) -> int:
    return int((np.asarray(image) == colour).all(axis=-1).sum())


def drawn_bars(*rows: Row) -> Image.Image:
    colours = [(BLUE, ORANGE)] * len(rows[0].bars)
    legend = (("a",), (BLUE,))
    return charts.bars(rows, colours, width=900, title="t", note="n = 1", axis="x", legend=legend, limit=100)


def test_a_bar_is_as_long_as_its_number() -> None:
    empty = count(drawn_bars(Row("a", [(0, 0)])), BLUE)  # the legend's square
    one, two = (count(drawn_bars(Row("a", [(value, 0)])), BLUE) - empty for value in (40, 80))
    assert two == pytest.approx(2 * one, rel=0.01)
    both = drawn_bars(Row("a", [(40, 20)]))
    assert count(both, BLUE) - empty == one
    assert count(both, ORANGE) == pytest.approx(one / 2, rel=0.02)


def test_a_bar_that_is_not_there_is_no_bar_of_length_zero() -> None:
    nothing, zero = (np.asarray(drawn_bars(Row("a", [bar]))) for bar in (None, (0, 0)))
    assert not np.array_equal(nothing, zero)


def test_a_histogram_goes_with_its_counts() -> None:
    def area(*counts: int) -> int:
        return count(charts.histogram(counts, None, size=(600, 400), title="t", note="n", axis="x"), BLUE)

    assert area(10, 5) == pytest.approx(1.5 * area(10, 0), rel=0.02)
    assert area(0, 0) == 0


def test_the_area_of_a_sector_goes_with_its_count() -> None:
    def area(*counts: int) -> int:
        return count(charts.rose(counts, size=(600, 600), title="t", note="n"), BLUE)

    full, half = area(0, 8, 0, 0, 0, 8, 0, 0), area(0, 8, 0, 0, 0, 4, 0, 0)
    assert half == pytest.approx(0.75 * full, rel=0.03)


def test_the_heat_map_shows_the_fullest_cell_darkest_and_rows_from_the_top() -> None:
    counts = np.zeros((4, 4), np.int64)
    counts[0, 3] = 9
    image = charts.heat_map(counts, 2.0, size=(600, 600), title="t", note="n", axis="x", most="renders")
    dark = np.argwhere((np.asarray(image)[:, :440] == (12, 24, 80)).all(axis=-1))
    assert (dark.mean(axis=0) < (250, 999)).all()
    assert dark[:, 1].mean() > 300


@pytest.mark.parametrize("counts", [[], [0], [1], [123456]])
def test_any_counts_can_be_drawn(counts: list[int]) -> None:
    charts.histogram(counts, None, size=(600, 400), title="t", note="n", axis="x")
    charts.png(charts.page([[charts.rose(counts or [0], size=(400, 400), title="", note="")]]))
