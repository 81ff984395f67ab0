"""Contact sheets to look at, and single images rendered again from their line in the manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from noda_synth.figures.contact_sheet import _font, _shortened, sheet
from noda_synth.figures.style import GROUND
from tests.command import done, refused
from tests.conftest import Made
from tests.rules import read


def ids(out: Path) -> list[str]:
    return [json.loads(text)["id"] for text in (out / "manifest.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def rendered(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.render(tmp_path_factory.mktemp("rendered") / "set", "--copies", 2, "--mask", "mixed")


def replay(made: Made, out: Path, wanted: str, file: Path, *options: object) -> tuple[object, ...]:
    return (
        "replay", out / "manifest.jsonl", "--id", wanted, "--images", made.data / "images", "--pool", made.pool,
        "--out", file, *options,
    )  # fmt: skip


def test_every_image_is_rendered_again_to_the_byte(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    for number, line in enumerate(map(json.loads, (rendered / "manifest.jsonl").read_text().splitlines())):
        again = tmp_path / line["file"].replace("/", "_")
        done(*replay(drawn, rendered, line["id"] if number % 2 else line["file"], again))
        assert again.read_bytes() == (rendered / "images" / line["file"]).read_bytes()


def test_real_images_are_rendered_again_to_the_byte(mpii_mini: Made, tmp_path: Path) -> None:
    out = mpii_mini.render(tmp_path / "set", "--limit", 5)
    for wanted in ids(out):
        done(*replay(mpii_mini, out, wanted, tmp_path / "again.jpg", "--overwrite"))
        assert (tmp_path / "again.jpg").read_bytes() == (out / "images" / f"{wanted}.jpg").read_bytes()


SEVERAL = ("--preset", "best", "--body-quality", "1", "--bodies", "1", "3", "--mirror", "--limit", "6")


@pytest.mark.parametrize("options", [("--format", "png"), ("--preset", "best"), ("--smooth", "feather"), SEVERAL])
def test_other_choices_are_rendered_again_to_the_byte(drawn: Made, tmp_path: Path, options: tuple[str, ...]) -> None:
    out = drawn.render(tmp_path / "set", "--limit", 2, *options)
    for wanted in ids(out):
        (file,) = (out / "images").glob(f"{wanted}.*")
        done(*replay(drawn, out, wanted, tmp_path / "again", "--overwrite"))
        assert (tmp_path / "again").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["again.png", "again.webp", "a.jpg.gz"])
def test_an_image_is_not_written_under_the_suffix_of_another_format(
    drawn: Made, rendered: Path, tmp_path: Path, name: str
) -> None:
    said = refused(*replay(drawn, rendered, ids(rendered)[0], tmp_path / name))
    assert "end the name with .jpg" in said
    done(*replay(drawn, rendered, ids(rendered)[0], tmp_path / "again.JPEG"))


def test_replay_refuses_what_it_cannot_do_by_name(
    drawn: Made, drawn_coco: Made, rendered: Path, tmp_path: Path
) -> None:
    first, again = ids(rendered)[0], tmp_path / "again.jpg"
    assert "'nobody'" in refused(*replay(drawn, rendered, "nobody", again))
    assert "'nobody'" in refused("replay", rendered, "--id", "nobody", "--images", drawn.data, "--out", again)
    assert "is not the pool" in refused(*replay(Made(drawn.data, drawn_coco.pool), rendered, first, again))
    assert "no such file" in refused(*replay(Made(tmp_path, drawn.pool), rendered, first, again))
    assert not again.exists()
    again.write_text("mine")
    assert "--overwrite" in refused(*replay(drawn, rendered, first, again))
    assert again.read_text() == "mine"
    for place in (drawn.pool, tmp_path, tmp_path / "none.jsonl", rendered / "report.json"):
        words = list(replay(drawn, rendered, first, tmp_path / "other.jpg"))
        words[1] = place
        assert str(place) in refused(*words)


def test_a_damaged_manifest_line_is_named(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    text = (rendered / "manifest.jsonl").read_text().splitlines()
    line = json.loads(text[0])
    changes: tuple[dict[str, object], ...] = ({"placement": {"body": 1}}, {"method": ["noda"]}, {"method": {}})
    changed = [json.dumps({**line, "id": "x", **change}) for change in changes]
    for spoilt in ("[1, 2]", json.dumps({"id": "x"}), "[" * 100_000, *changed):
        (tmp_path / "manifest.jsonl").write_text(spoilt + "\n")
        assert "manifest.jsonl" in refused(*replay(drawn, tmp_path, "x", tmp_path / "again.jpg"))


def test_a_sheet_of_renders_trusts_no_line(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(rendered, folder, symlinks=True)
    line = json.loads((rendered / "manifest.jsonl").read_text().splitlines()[0])
    for changed, said in (
        ({"copy": "x"}, "manifest.jsonl, line 1"),
        ({"source": "../../secret.jpg"}, "leads out of the images folder"),
        ({"file": "../../secret.jpg"}, "leads out of the images folder"),
        ({"person": "nobody"}, "cannot be shown"),
    ):
        (folder / "manifest.jsonl").write_text(json.dumps({**line, **changed}) + "\n")
        assert said in refused("preview", folder, "--out", tmp_path / "sheet.png")


def test_a_sheet_of_bodies_shows_crop_and_levels_side_by_side(drawn: Made, tmp_path: Path) -> None:
    said = done("preview", drawn.pool, "--out", tmp_path / "sheet.png", "--number", 2, "--side", 100, "--columns", 1)
    assert "2 bodies" in said
    sheet = read(tmp_path / "sheet.png")
    assert sheet.shape[0] == 20 + 2 * (100 + 20)  # headings, then bodies with their texts
    assert sheet.shape[1] >= 5 * 45  # a crop and four levels
    assert sheet[:20].min() < 100
    assert sheet[120:140].min() < 100
    assert (sheet == GROUND[::-1]).all(axis=2).mean() > 0.2


@pytest.mark.parametrize("clothes", [250, 15])
def test_white_and_black_clothes_stand_out_from_the_ground(clothes: int) -> None:
    assert min(abs(tone - clothes) for tone in GROUND) > 60


def test_a_sheet_of_renders_is_drawn_for_every_kind_of_set(
    drawn: Made, drawn_coco: Made, rendered: Path, tmp_path: Path
) -> None:
    """Several copies, appended copies, originals left out, COCO."""
    sets = [
        rendered,
        drawn.render(tmp_path / "append", "--append"),
        drawn.render(tmp_path / "none", "--originals", "none"),
        drawn_coco.render(tmp_path / "coco"),
        drawn_coco.render(tmp_path / "coco_copies", "--copies", 2),
    ]
    for out in sets:
        done("preview", out, "--out", tmp_path / "sheet.png", "--side", 64, "--number", 50, "--overwrite")
        assert read(tmp_path / "sheet.png").std() > 10


def test_the_same_sheet_comes_from_the_same_seed(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    for source, again in ((drawn.pool, ()), (rendered, ("--overwrite",))):
        for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
            done("preview", source, "--out", tmp_path / name, "--side", 48, "--number", 4, "--seed", seed, *again)
        a, b, c = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
        assert a == b != c


def test_wanted_ones_can_be_named(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    for wanted in (ids(rendered)[3], f"{ids(rendered)[3]}.jpg"):
        assert "1 render of" in done(
            "preview", rendered, "--id", wanted, "--out", tmp_path / "sheet.png", "--overwrite"
        )
    assert "1 body of" in done("preview", drawn.pool, "--id", "000.jpg#0", "--out", tmp_path / "one.png")
    assert "'nobody'" in refused("preview", rendered, "--id", "nobody", "--out", tmp_path / "none.png")


def test_preview_refuses_what_is_neither_pool_nor_set(drawn: Made, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "nowhere", drawn.data / "annot" / "train.json"):
        assert str(source) in refused("preview", source, "--out", tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_labels_are_cut_between_words() -> None:
    font = _font(12)

    def room(text: str) -> int:
        return round(font.getlength(text)) + 1

    assert _shortened("a covered: left_knee", room("a covered: left_knee"), font) == "a covered: left_knee"
    label = "a covered: left_knee, left_hip"
    assert _shortened(label, room("a covered: left_knee, l ..."), font) == "a covered: left_knee, ..."
    assert _shortened("no_room_for_this", room("no_r ..."), font) == "no_r ..."


def test_labels_have_their_letters_and_the_suffix_is_the_format(drawn: Made, tmp_path: Path) -> None:
    tile = np.full((20, 120, 3), 245, np.uint8)
    accented, unknown = (sheet([tile], [(label,)], ("",), 1)[40:] for label in ("é", "\ufffd"))
    assert not np.array_equal(accented, unknown) and accented.min() < 100
    done("preview", drawn.pool, "--out", tmp_path / "sheet.jpg", "--number", 1, "--side", 64)
    assert (tmp_path / "sheet.jpg").read_bytes().startswith(b"\xff\xd8")
    said = refused("preview", drawn.pool, "--out", tmp_path / "sheet.pdf")
    assert "sheet.pdf" in said and ".png or .jpg" in said


def test_a_benchmark_and_an_unfinished_run_are_called_so(drawn: Made, tmp_path: Path) -> None:
    (tmp_path / "twins" / "heavy" / "annot").mkdir(parents=True)
    (tmp_path / "twins" / "benchmark.json").write_text("{}")
    (tmp_path / "twins" / "heavy" / "annot" / "valid.json").write_text("[]")
    for command in ("stats", "validate"):
        assert "is an occluded benchmark" in refused(command, tmp_path / "twins")
        assert "heavy/annot/valid.json" in refused(command, tmp_path / "twins" / "heavy")
        assert "a pool of bodies" in refused(command, drawn.pool)
    words = (
        "--data",
        drawn.data,
        "--pool",
        drawn.pool,
        "--out",
        tmp_path / "set",
        "--limit",
        2,
        "--shard",
        "1/2",
        "-q",
    )
    done("render", *words)
    for command in ("preview", "report"):
        assert "noda-synth merge" in refused(
            command, tmp_path / "set", *(["--out", "x.png"] if command == "preview" else [])
        )
    assert "an unfinished run" in refused("stats", tmp_path / "set.shard-1-of-2")


def test_a_set_whose_image_is_gone_names_it(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--limit", 1)
    for copy in (out / "images").glob("*_0*"):
        copy.unlink()
    assert "no such file" in refused("preview", out, "--out", tmp_path / "sheet.png")
