"""How large and how fast the page of `noda-synth report` is for a set of MPII's size, made of a small set's lines.

    python -m scripts.bench_report --set data/mpii_noda --pool data/pool.h5 --renders 11000

Printed are the time to write the page (by the wall clock, and the processors' own, which depends little on who else
uses them), its size and, where Chromium is installed, what passes in the browser: until the first pictures are drawn,
until the page is loaded, to filter, to order, and to jump to another row.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from tests.browser import NAMES, Browser

_FIRST = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("#gallery image")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.firstPictures = performance.now(); }));
}).observe(document, {childList: true, subtree: true});
"""
_DRAWN = "await new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
_ACTIONS = {
    "filter by text": 'const field = document.querySelector("[name=text]"); field.value = "_0001"',
    "filter by joint": 'const field = document.querySelector("[name=kind][value=wrist]"); field.checked = true',
    "order by Q": 'const field = document.querySelector("[name=sort]"); field.value = "worst"',
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, required=True, help="a rendered set")
    parser.add_argument("--pool", type=Path, required=True, help="its pool")
    parser.add_argument("--renders", type=int, default=11_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repeat(arguments.set, folder / "set", arguments.renders)
        page = folder / "report.html"
        command = [
            "report",
            folder / "set",
            "--page",
            page,
            "--pool",
            arguments.pool,
            "--jobs",
            arguments.jobs,
            "-q",
            "--overwrite",
        ]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "noda_synth", *map(str, command)], check=True)
        seconds, spent = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{arguments.renders} renders written in {seconds:.1f} s, {arguments.jobs} workers")
        print(f"{1e3 * (spent.ru_utime + spent.ru_stime) / arguments.renders:.1f} ms of processor time per render")
        print(f"{page.stat().st_size / 1e6:.1f} MB, {page.stat().st_size / arguments.renders / 1e3:.1f} kB per render")
        if os.environ.get("CHROMIUM") or any(map(shutil.which, NAMES)):
            look(page, folder / "profile")


def repeat(source: Path, target: Path, renders: int) -> None:
    """A set of so many renders: the lines of `source` again and again under other ids, with its images."""
    target.mkdir(parents=True)
    for part in ("images", "annot", "report.json"):
        (target / part).symlink_to((source / part).resolve())
    lines = [json.loads(text) for text in (source / "manifest.jsonl").read_text().splitlines()]
    with (target / "manifest.jsonl").open("w") as file:
        for number, line in enumerate(islice(cycle(lines), renders)):
            file.write(json.dumps({**line, "id": f"{number:06d}_{line['id']}"}) + "\n")


def look(page: Path, profile: Path) -> None:
    """Print what passes in the browser."""
    with Browser(profile) as browser:
        browser.send("Page.addScriptToEvaluateOnNewDocument", source=_FIRST)
        browser.open(page.as_uri())
        browser.until("window.firstPictures > 0")
        browser.settle()
        print(f"first pictures after {browser.js('Math.round(window.firstPictures)')} ms")
        loaded = "Math.round(performance.getEntriesByType('navigation')[0].loadEventEnd)"
        print(f"whole page after {browser.js(loaded)} ms")
        for name, action in _ACTIONS.items():
            change = f'{action}; field.dispatchEvent(new Event("input", {{bubbles: true}}))'
            print(f"{name}: {timed(browser, change)} ms, {browser.js('document.getElementById(`count`).textContent')}")
            browser.js("document.querySelector('[type=reset]').click()")
            browser.settle()
        print(f"jump to the middle: {timed(browser, 'window.scrollTo(0, document.body.scrollHeight / 2)')} ms")
        print(f"{browser.js('document.querySelectorAll(`#gallery li`).length')} renders in the document")


def timed(browser: Browser, action: str) -> int:
    """Milliseconds from an action until its result is drawn."""
    milliseconds: int = browser.js(
        f"(async () => {{ const start = performance.now(); {action}; {_DRAWN}; "
        "return Math.round(performance.now() - start); })()"
    )
    return milliseconds


if __name__ == "__main__":
    main()
