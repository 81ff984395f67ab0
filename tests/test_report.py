"""The HTML report of a rendered set: one file that holds everything and lets nothing in or out."""

from __future__ import annotations

import base64
import json
import re
import shutil
from contextlib import nullcontext
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from noda_synth.report.tables import joints_table
from noda_synth.report.write import side_for
from tests.command import done, noda, refused
from tests.conftest import Made, without_charts
from tests.rules import read
from tests.test_methods import cut_outs, words

HOSTILE = (
    "</script><script>document.title='caught'</script><!--<script><img src=x onerror=alert(1)>\"'&\u2028{{index}}\ud800"
)


class Page(HTMLParser):
    """A page taken apart: its elements with attributes, its JSON, and the text outside scripts and styles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, Any] = {}
        self.text = ""
        self._open: list[tuple[str, str | None]] = []
        self.feed(path.read_text("ascii"))
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._open = [(tag, dict(attributes).get("id"))]

    def handle_endtag(self, tag: str) -> None:
        self._open = []

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.text += data
        elif self._open[0][1]:
            self.data[self._open[0][1]] = json.loads(data)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What the gallery shows, in the order of the set."""
        return [entry for name, block in self.data.items() if name.startswith("block") for entry in block]

    @property
    def ids(self) -> list[str]:
        return [row[0] for row in self.data["index"]["renders"]]


def report(made: Made, out: Path, page: Path, *options: object, charts: bool = False) -> Page:
    with nullcontext() if charts else without_charts():
        done("report", out, "--page", page, "--pool", made.pool, "--jobs", 1, "-q", "--overwrite", *options)
    return Page(page)


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (out / "manifest.jsonl").read_text().splitlines()]


def rewrite(out: Path, lines: list[dict[str, Any]]) -> None:
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def rendered(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.render(tmp_path_factory.mktemp("rendered") / "set", "--preset", "best", "--body-quality", 1)


def test_all_renders_stand_on_the_page_with_what_the_manifest_says(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    page, lines = report(drawn, rendered, tmp_path / "page.html"), lines_of(rendered)
    assert page.ids == [line["id"] for line in lines]
    joints = page.data["index"]["joints"]
    for row, entry, line in zip(page.data["index"]["renders"], page.entries, lines, strict=True):
        assert [joints[joint] for joint in row[3]] == line["covered"]
        assert [name for name, mark in zip(joints, entry["joints"], strict=True) if mark and mark[2] == 3] == [
            joint for joint in joints if joint in line["covered"]
        ]
        assert 0 < row[4] <= 1
        assert entry["line"]["occluder"] == line["occluder"]
        assert entry["mask"].startswith("M")


def test_pictures_show_before_and_after_and_the_mask_is_where_they_differ(
    drawn: Made, rendered: Path, tmp_path: Path
) -> None:
    page = report(drawn, rendered, tmp_path / "page.html", "--side", 120)
    for entry in page.entries:
        strip = cv2.imdecode(np.frombuffer(base64.b64decode(entry["picture"]), np.uint8), cv2.IMREAD_COLOR)
        width, height = entry["size"]
        assert strip is not None
        assert strip.shape[:2] == (height, 2 * width)
        assert 118 <= max(width, height) <= 121
        change = np.abs(strip[:, :width].astype(int) - strip[:, width:]).sum(axis=2)
        mask = np.zeros((height, width), np.uint8)
        pieces = [np.array(piece.split(), int).reshape(-1, 2) for piece in re.findall(r"M([\d ]+)z", entry["mask"])]
        cv2.fillPoly(mask, pieces, 1)
        away = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
        assert change[mask > 0].mean() > 4 * change[away].mean()


def test_the_page_is_one_file_that_asks_for_nothing(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    page = report(drawn, rendered, tmp_path / "page.html", charts=True)
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    inside = [address for address in addresses if address and address.startswith(("#view=", "data:image/"))]
    assert set(addresses) - set(inside) == {"#gallery-title"}
    assert "link" not in {tag for tag, _ in page.elements}
    policy = next(attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_figures_settings_and_who_was_passed_over_are_told(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    content = json.loads((rendered / "report.json").read_text())
    text = report(drawn, rendered, tmp_path / "page.html").text
    counts, joints = content["counts"], content["joints"]
    assert f"{counts['covered_people']} of {counts['people']} people covered in {counts['copies']} images." in text
    for when in ("before", "after"):
        assert f"{joints[when]['occluded']:,}{100 * joints[when]['occluded_share']:.1f}" in text
    assert content["settings"]["pool"] in text
    assert content["versions"]["opencv"] in text
    (rendered / "errors.jsonl").write_text(
        '{"stage": "render", "item": "lost.jpg", "reason": "gone", "failed": true}\n'
    )
    content["passed_over"] = {"no limb joint left to cover": 1234}
    shutil.copytree(rendered, tmp_path / "set", symlinks=True)
    (rendered / "errors.jsonl").unlink()
    (tmp_path / "set" / "report.json").write_text(json.dumps(content))
    text = report(drawn, tmp_path / "set", tmp_path / "page.html").text
    assert "lost.jpgfailedgone" in text
    assert "no limb joint left to cover1,234" in text


def test_it_opens_with_pictures_charts_and_the_settings(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    page = report(drawn, rendered, tmp_path / "page.html", charts=True)
    pictures = [attributes for tag, attributes in page.elements if tag == "img"]
    kinds = [(str(attributes["src"])[:16], attributes.get("alt")) for attributes in pictures]
    assert kinds[:6] == [("data:image/webp;", "A person before and after")] * 6
    assert kinds[6:] == [
        ("data:image/svg+x", "Labelled joints by kind"),
        ("data:image/svg+x", "Share of the joints that is occluded"),
    ]
    content = json.loads((rendered / "report.json").read_text())
    head = page.text[: page.text.index("Figures")]
    for said in ("method noda", "mask posecut", "place ground", "seed 0", content["settings_hash"]):
        assert said in head


def test_where_nothing_was_known_before_no_share_is_given() -> None:
    states = {"before": {"visible": 0, "occluded": 0, "unknown": 90}, "after": {"occluded": 9, "unknown": 81}}
    text = joints_table({"joints": states})
    occluded = text.split("occluded</th>")[1].split("</tr>")[0]
    assert re.findall(r">([^<]*)</td>", occluded) == ["unknown", "", "9", "10.0"]


@pytest.mark.parametrize(("renders", "side"), [(0, 480), (174, 480), (4000, 480), (11_000, 200), (10**6, 160)])
def test_pictures_are_as_sharp_as_a_page_can_carry(renders: int, side: int) -> None:
    assert side_for(renders) == side


def test_names_from_the_data_stay_text(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    plain = report(drawn, rendered, tmp_path / "plain.html", charts=True)
    out = shutil.copytree(rendered, tmp_path / "set", symlinks=True)
    lines = lines_of(out)
    rewrite(out, [{**line, "id": f"{HOSTILE}{number}"} for number, line in enumerate(lines)])
    content = json.loads((out / "report.json").read_text())
    content["passed_over"] = {HOSTILE: 3}
    content["settings"][HOSTILE] = HOSTILE
    (out / "report.json").write_text(json.dumps(content))
    (out / "errors.jsonl").write_text(json.dumps({"item": HOSTILE, "reason": HOSTILE}) + "\n")
    page = report(drawn, out, tmp_path / "page.html", charts=True)
    tags = {tag for tag, _ in page.elements}
    assert tags == {tag for tag, _ in plain.elements} | {"thead"}
    assert page.ids == [f"{HOSTILE}{number}" for number in range(len(lines))]
    assert page.text.count("document.title='caught'") == 5
    names = [[tag for tag, _ in one.elements].count("script") for one in (page, plain)]
    assert names[0] == names[1]


def test_the_same_set_gives_the_same_bytes_for_any_number_of_workers(
    drawn: Made, rendered: Path, tmp_path: Path
) -> None:
    for jobs in (1, 2):
        done("report", rendered, "--page", tmp_path / f"{jobs}.html", "--pool", drawn.pool, "--jobs", jobs, "-q")
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


def test_a_broken_picture_costs_only_itself(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    out = shutil.copytree(rendered, tmp_path / "set", symlinks=True)
    first, second, third, *_ = lines_of(out)
    (out / "images" / first["file"]).unlink()
    (out / "images" / second["file"]).write_bytes(b"no picture")
    rewrite(out, [first, second, {**third, "placement": {"body": 1}}, *lines_of(out)[3:]])
    result = noda("report", out, "--page", tmp_path / "page.html", "--pool", drawn.pool, "--jobs", 1, "--overwrite")
    assert result.exit_code == 1
    page = Page(tmp_path / "page.html")
    assert ["error" in entry for entry in page.entries[:4]] == [True, True, True, False]
    assert page.ids == [line["id"] for line in lines_of(out)]
    for line in (first, second, third):
        assert line["id"] in result.stderr
        assert line["id"] in page.text


def test_without_its_pool_the_page_says_so_and_has_no_masks(drawn: Made, drawn_coco: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--limit", 3)
    for pool, reason in ((tmp_path / "none.h5", "no pool at"), (drawn_coco.pool, "is not the pool")):
        page = report(Made(drawn.data, pool), out, tmp_path / "page.html")
        assert reason in page.text
        assert "Neither masks nor their quality Q are shown" in page.text
        assert all(entry["picture"] and not entry["mask"] for entry in page.entries)
        assert all(row[4] is None for row in page.data["index"]["renders"])


@pytest.mark.parametrize(
    "options", [("--copies", 2), ("--append",), ("--method", "cutout"), ("--method", "recompress")]
)
def test_every_kind_of_set_is_shown(drawn: Made, drawn_coco: Made, tmp_path: Path, options: tuple[object, ...]) -> None:
    for made in (drawn, drawn_coco):
        out = made.render(tmp_path / made.data.name, *options)
        page = report(made, out, tmp_path / "page.html")
        assert page.ids == [line["id"] for line in lines_of(out)]
        assert all(bool(entry["mask"]) == ("recompress" not in options) for entry in page.entries)


@pytest.mark.parametrize("method", ["objects", "parts", "random-erasing"])
def test_every_method_is_shown_with_what_it_pasted(drawn: Made, tmp_path: Path, method: str) -> None:
    out = drawn.render(tmp_path / "set", *words(drawn, method), "--limit", 9)
    page = report(drawn, out, tmp_path / "page.html", *(["--objects", cut_outs(drawn)] if method == "objects" else []))
    assert any(entry["mask"] for entry in page.entries)
    assert not any("error" in entry for entry in page.entries)
    assert {row[6] for row in page.data["index"]["renders"]} == {method}
    if method == "objects":
        assert {name for row in page.data["index"]["renders"] for name in row[2].split()} <= {
            "disc.png",
            "soft.png",
            "bar.png",
        }
        assert "needs --objects" in report(drawn, out, tmp_path / "page.html").text


def test_joints_that_another_copy_covers_are_not_called_occluded_before(drawn: Made, tmp_path: Path) -> None:
    clean = drawn.render(tmp_path / "clean", "--ratio", 0)
    records = json.loads((clean / "annot" / "train.json").read_text())
    before = {record["person_id"]: record["joints_visible"] for record in records}
    out = drawn.render(tmp_path / "set", "--copies", 2)
    entries = report(drawn, out, tmp_path / "page.html").entries
    marks = [
        (mark[2], known)
        for entry in entries
        for mark, known in zip(entry["joints"], before[entry["line"]["person"]], strict=True)
        if mark and mark[2] != 3
    ]
    assert {known for _, known in marks} >= {0, 1}
    assert all(mark == (2 if known == 0 else 1) for mark, known in marks)


def test_originals_that_were_left_out_are_found_elsewhere(drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--originals", "none", "--limit", 2)
    page = report(drawn, out, tmp_path / "page.html")
    assert not any(entry["before"] for entry in page.entries)
    page = report(drawn, out, tmp_path / "page.html", "--images", drawn.data / "images")
    assert all(entry["before"] for entry in page.entries)


def test_a_number_of_renders_is_drawn_by_the_seed(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    every = [line["id"] for line in lines_of(rendered)]
    first = report(drawn, rendered, tmp_path / "page.html", "--number", 3)
    assert len(first.ids) == 3
    assert sorted(first.ids, key=every.index) == first.ids
    assert f"3 of {len(every)} renders" in first.text
    assert report(drawn, rendered, tmp_path / "page.html", "--number", 3, "--seed", 5).ids != first.ids


def test_real_people_are_shown(mpii_mini: Made, tmp_path: Path) -> None:
    out = mpii_mini.render(tmp_path / "set", "--limit", 9)
    page = report(mpii_mini, out, out / "report.html")
    assert len(page.entries) == 9
    assert all(entry["mask"] for entry in page.entries)
    assert read(out / "images" / lines_of(out)[0]["file"]).size


def test_what_is_no_rendered_set_is_refused(drawn: Made, rendered: Path, tmp_path: Path) -> None:
    assert str(drawn.data) in refused("report", drawn.data, "--page", tmp_path / "page.html")
    out = shutil.copytree(rendered, tmp_path / "set", symlinks=True)
    (out / "report.json").write_text("[]")
    assert "report.json" in refused("report", out, "--page", tmp_path / "page.html")
    (out / "manifest.jsonl").write_text("[]\n")
    assert "line 1" in refused("report", out, "--page", tmp_path / "page.html")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("report", rendered, "--page", tmp_path / "file" / "page.html", "-q")
    assert not (tmp_path / "page.html").exists()
