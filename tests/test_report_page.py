"""The report as a person uses it, in headless Chromium: gallery, filters, keyboard, address. Skipped without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.bench_report import repeat
from tests.browser import Browser
from tests.command import done, noda
from tests.conftest import Made
from tests.test_report import HOSTILE, lines_of, rewrite

RENDERS = 300


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shown(browser: Browser, drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, Any]]]:
    """The address of a page with many renders, one of them broken and one with a hostile name, and their lines."""
    folder = tmp_path_factory.mktemp("page")
    repeat(drawn.render(folder / "few", "--mask", "mixed", "--seed", 4), folder / "set", RENDERS)
    lines = lines_of(folder / "set")
    lines[1]["id"] += HOSTILE.encode("utf-8", "replace").decode()
    lines[2]["file"] = "lost.jpg"
    rewrite(folder / "set", lines)
    noda("report", folder / "set", "--pool", drawn.pool, "--jobs", 1, "-q", "--side", 64)
    return (folder / "set" / "report.html").as_uri(), lines


@pytest.fixture
def page(browser: Browser, shown: tuple[str, list[dict[str, Any]]]) -> Iterator[Browser]:
    """The page just opened; in the end it has asked for nothing and complained of nothing."""
    browser.open(shown[0])
    show_gallery(browser)
    browser.requests.clear()
    browser.complaints.clear()
    yield browser
    browser.settle()
    assert browser.requests == []
    assert browser.complaints == []


@pytest.fixture
def lines(shown: tuple[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return shown[1]


def show_gallery(page: Browser) -> None:
    page.js("document.getElementById('gallery-title').scrollIntoView()")
    page.settle()
    page.until("!document.getElementById('gallery').textContent.includes('loading')")


def ids(page: Browser) -> list[str]:
    """Of the renders in the document."""
    found: list[str] = page.js("[...document.querySelectorAll('#gallery .name')].map(name => name.textContent)")
    return found


def count(page: Browser) -> int:
    said = page.js("document.getElementById('count').textContent")
    return 0 if said.startswith("None") else int(said.split()[0].replace(",", ""))


def fill(page: Browser, name: str, value: object) -> None:
    field = f"document.querySelector('[name={name}]')"
    page.js(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")
    page.settle()


def tick(page: Browser, kind: str) -> None:
    page.js(f"document.querySelector('[name=kind][value={kind}]').click()")
    page.settle()


def covers(line: dict[str, Any], kind: str) -> bool:
    return any(joint.endswith(kind) for joint in line["covered"])


def focused(page: Browser) -> str:
    name: str = page.js("document.activeElement.closest('.tile')?.querySelector('.name').textContent ?? ''")
    return name


def enter_gallery(page: Browser) -> None:
    page.js("document.querySelector('#show-mask').focus()")
    page.press("Tab")


def test_only_what_is_in_sight_is_in_the_document(page: Browser, lines: list[dict[str, Any]]) -> None:
    assert count(page) == RENDERS
    assert ids(page)[0] == lines[0]["id"]
    assert 3 <= len(ids(page)) <= 60
    page.js("window.scrollTo(0, document.body.scrollHeight)")
    page.settle()
    assert lines[-1]["id"] in ids(page)
    assert lines[0]["id"] not in ids(page)[1:]
    assert len(ids(page)) <= 60
    decoded = "Promise.all([...document.querySelectorAll('#gallery image')].map(image => image.decode().then(() => 1)))"
    assert all(page.js(decoded))


def test_a_broken_picture_and_a_hostile_name_do_no_harm(page: Browser, lines: list[dict[str, Any]]) -> None:
    assert page.js("document.title").endswith("noda-synth report")
    assert ids(page)[1] == lines[1]["id"]
    assert "lost.jpg" in page.js("document.querySelectorAll('#gallery li')[2].textContent")
    assert page.js("[...document.querySelectorAll('img')].every(image => image.src.startsWith('data:image/'))")


def test_filters_keep_what_they_say(page: Browser, lines: list[dict[str, Any]]) -> None:
    tick(page, "wrist")
    assert count(page) == sum(covers(line, "wrist") for line in lines)
    tick(page, "knee")
    assert count(page) == sum(covers(line, "wrist") or covers(line, "knee") for line in lines)
    fill(page, "match", "all")
    assert count(page) == sum(covers(line, "wrist") and covers(line, "knee") for line in lines)
    page.js("document.querySelector('[type=reset]').click()")
    page.settle()
    assert count(page) == RENDERS
    fill(page, "least", 2)
    fill(page, "most", 3)
    assert count(page) == sum(2 <= len(line["covered"]) <= 3 for line in lines)
    page.js("document.querySelector('[type=reset]').click()")
    fill(page, "level", "box")
    assert count(page) == sum(line["placement"]["level"] == "box" for line in lines)
    fill(page, "level", "")
    fill(page, "text", "00029")
    texts = (f"{line['id']}\n{line['person']}\n{line['occluder']['person']}" for line in lines)
    assert count(page) == sum("00029" in text for text in texts)
    fill(page, "text", "there is none such")
    assert count(page) == 0
    assert ids(page) == []


def test_quality_filters_and_orders(page: Browser) -> None:
    qualities = "[...document.querySelectorAll('#gallery .facts')].map(facts => parseFloat(facts.textContent.slice(2)))"
    fill(page, "sort", "worst")
    worst = page.js(qualities)
    assert worst == sorted(worst)
    fill(page, "sort", "best")
    best = page.js(qualities)
    assert best == sorted(best, reverse=True)
    assert best[0] > worst[0]
    fill(page, "qmost", worst[0] + 0.005)
    assert 0 < count(page) < RENDERS
    assert max(page.js(qualities)) <= worst[0] + 0.01


def test_the_keyboard_goes_through_gallery_and_large_view(page: Browser, lines: list[dict[str, Any]]) -> None:
    names = [line["id"] for line in lines]
    enter_gallery(page)
    assert focused(page) == names[0]
    columns = page.js(
        "new Set([...document.querySelectorAll('#gallery li')].map(li => li.style.transform.split(',')[0])).size"
    )
    assert columns == 3
    page.press("ArrowRight", "ArrowDown")
    assert focused(page) == names[1 + columns]
    assert page.js("document.activeElement.matches(':focus-visible')")
    page.press("End")
    assert focused(page) == names[-1]
    box = page.js("(({top, bottom}) => [top, bottom])(document.activeElement.getBoundingClientRect())")
    assert 0 <= box[0] < box[1] <= 900
    page.press("PageUp", "Home", "Enter")
    assert page.js("document.getElementById('large').open")
    page.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert page.js("document.getElementById('large-title').textContent") == names[3]
    assert page.js("document.querySelectorAll('#large-pictures image').length") == 2
    assert lines[3]["occluder"]["person"] in page.js("document.getElementById('large-facts').textContent")
    assert page.js("document.body.classList.contains('no-mask')")
    page.press("m")
    assert not page.js("document.body.classList.contains('no-mask')")
    outline = "getComputedStyle(document.querySelector('#large-pictures .mask'))"
    assert page.js(f"[{outline}.fill, {outline}.display]") == ["none", "inline"]
    assert page.js("location.hash.includes('mask=on')")
    page.press("m", "Escape")
    assert not page.js("document.getElementById('large').open")
    assert focused(page) == names[3]
    assert page.js("document.querySelectorAll('#gallery [tabindex=\"0\"]').length") == 1


def test_a_first_picture_opens_its_render_large(page: Browser, lines: list[dict[str, Any]]) -> None:
    assert page.js("document.querySelector('.first').getBoundingClientRect().top + window.scrollY") < 300
    images = "[...document.querySelectorAll('img')]"
    assert page.js(f"Promise.all({images}.map(image => image.decode().then(() => image.naturalWidth > 100)))") == 8 * [
        True
    ]
    page.js("document.querySelector('.first a').click()")
    page.until("document.getElementById('large').open")
    assert page.js("document.getElementById('large-title').textContent") in {line["id"] for line in lines}
    file = page.js("document.querySelector('#large-facts a').getAttribute('href')")
    assert file in {f"images/{line['file']}" for line in lines}


def test_the_address_holds_what_is_shown(
    page: Browser, shown: tuple[str, list[dict[str, Any]]], lines: list[dict[str, Any]]
) -> None:
    tick(page, "ankle")
    fill(page, "sort", "many")
    page.js("document.getElementById('show-joints').click()")
    before = ids(page), count(page)
    enter_gallery(page)
    page.press("ArrowRight", "Enter")
    state, wanted = page.js("location.hash"), page.js("document.getElementById('large-title').textContent")
    page.open(shown[0] + state)
    assert (count(page), page.js("document.getElementById('large-title').textContent")) == (before[1], wanted)
    assert page.js("document.body.classList.contains('no-joints')")
    assert page.js("document.querySelector('[name=kind][value=ankle]').checked")
    page.press("Escape")
    show_gallery(page)
    assert ids(page)[:3] == before[0][:3]
    page.requests.clear()  # of the page that was opened again


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1920])
def test_it_fits_narrow_and_wide_windows_with_enough_contrast(
    page: Browser, shown: tuple[str, list[dict[str, Any]]], width: int, scheme: str
) -> None:
    page.open(shown[0], width=width, height=740, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    assert page.js("document.documentElement.scrollWidth") == width
    assert page.js("getComputedStyle(document.querySelector('.tile')).transitionDuration") == "0s"
    ground_of = {".name": ".tile", ".facts": ".tile"}
    for element in ("h1", "tbody th", ".name", ".facts", "#count", ".small", "summary"):
        text, ground = (
            page.js(f"getComputedStyle(document.querySelector('{selector}')).{what}")
            for selector, what in ((element, "color"), (ground_of.get(element, "body"), "backgroundColor"))
        )
        assert contrast(text, ground) >= 4.5, (element, text, ground)
    page.js("document.querySelector('#gallery button').click()")
    page.settle()
    assert page.js("document.getElementById('large').getBoundingClientRect().right") <= width
    page.requests.clear()


def contrast(*colours: str) -> float:
    """Of two CSS colours rgb(r, g, b), by WCAG 2."""
    light = []
    for colour in colours:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        light.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(light) + 0.05) / (min(light) + 0.05)


def test_without_renders_the_page_still_stands(browser: Browser, drawn: Made, tmp_path: Path) -> None:
    out = drawn.render(tmp_path / "set", "--ratio", 0)
    done("report", out, "--pool", drawn.pool, "-q")
    browser.open((out / "report.html").as_uri())
    assert browser.js("document.getElementById('count').textContent") == "No renders"
    assert browser.complaints == []
