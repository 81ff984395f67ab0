"""noda-synth levels: the paper's Fig. 3."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noda_synth.figures.levels import best_bodies
from noda_synth.pool.reader import Pool
from tests.command import done, refused
from tests.conftest import Made
from tests.rules import read


def test_a_row_for_each_body_and_a_column_for_each_level(drawn: Made, tmp_path: Path) -> None:
    said = done("levels", drawn.pool, "--out", tmp_path / "a.png", "--number", 3, "--side", 100)
    assert "3 people" in said
    figure = read(tmp_path / "a.png")
    assert 3 * 100 < figure.shape[0] < 3 * 100 + 120
    # Crop and four levels: all columns hold something else than paper in every row.
    columns = np.array_split(figure[60:], 5, axis=1)
    assert all(column.std() > 5 for column in columns)
    assert not np.array_equal(columns[0][:, :60], columns[3][:, :60])


def test_the_best_masks_are_chosen_and_no_image_twice(drawn: Made) -> None:
    pool = Pool(drawn.pool)
    rows = best_bodies(pool, 5)
    score = np.mean([pool.quality(level) for level in pool.levels if level != "box"], axis=0)
    assert rows[0] == int(np.argmax(score))
    assert len({pool.images[row] for row in rows}) == 5
    assert (np.diff(score[rows]) <= 0).all()


def test_people_can_be_named_and_the_same_give_the_same_bytes(drawn: Made, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        done("levels", drawn.pool, "--id", "000.jpg#0", "--out", tmp_path / name, "--side", 80)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert "'nobody'" in refused("levels", drawn.pool, "--id", "nobody", "--out", tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


def test_the_suffix_is_the_format(drawn: Made, tmp_path: Path) -> None:
    done("levels", drawn.pool, "--out", tmp_path / "a.svg", "--number", 1, "--side", 100)
    assert all(f"<!-- {name} -->" in (tmp_path / "a.svg").read_text() for name in ("Crop", "Box", "GrabCut", "Posecut"))
    for name in ("a.pdf", "b.pdf"):
        done("levels", drawn.pool, "--out", tmp_path / name, "--number", 1, "--side", 100)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    for name in ("a.jpg", "a"):
        assert ".png, .pdf or .svg" in refused("levels", drawn.pool, "--out", tmp_path / name)


def test_what_is_no_pool_is_refused(drawn: Made, tmp_path: Path) -> None:
    for source in (tmp_path / "none.h5", drawn.data / "annot" / "train.json"):
        assert str(source) in refused("levels", source, "--out", tmp_path / "a.png")
