"""The page around the figures and the gallery: templates filled in, data made safe, and nothing loaded or sent."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

from noda_synth.figures.contact_sheet import BONE_COLOUR, COVERED_COLOUR, HIDDEN_COLOUR, VISIBLE_COLOUR

_COLOURS = {"seen": VISIBLE_COLOUR, "hidden": HIDDEN_COLOUR, "covered": COVERED_COLOUR, "bone": BONE_COLOUR}


def page_head(parts: Mapping[str, str]) -> str:
    """The page up to the gallery's blocks of data; the parts are HTML, but `index`, which is JSON."""
    style, script = _style(), _template("page.js")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )
    index = json_for_script(parts["index"])
    filled = {**parts, "index": index, "policy": policy, "style": style, "script": script}
    # In one go, so that nothing in the data is taken for a field of the template.
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _template("page.html"))
    # ASCII, so that nothing depends on how the page is served, and half a surrogate pair in a name does no harm.
    return text.encode("ascii", "xmlcharrefreplace").decode()


def page_block(number: int, entries: str) -> str:
    """A block of the gallery's entries, which the page reads when they scroll into view."""
    return f'<script type="application/json" id="block{number}">{json_for_script(entries)}</script>\n'


def charts(drawn: Mapping[str, bytes]) -> str:
    """Charts as pictures; `drawn` are SVG by what they show."""
    return "".join(
        f'<img class="chart" alt="{text_of(name)}" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}">'
        for name, svg in drawn.items()
    )


def first_picture(entry: Mapping[str, Any], address: str) -> str:
    """A render before and after, which opens it in the gallery's large view; see `thumbs.make_entries`."""
    width, height = entry["size"]
    covered = ", ".join(joint.replace("_", " ") for joint in entry["line"]["covered"]) or "no joint"
    shown = "before and after" if entry["before"] else "after"
    return (
        f'<a href="{text_of(address)}"><img width="{width * (1 + entry["before"])}" height="{height}" '
        f'alt="A person {shown}" src="data:image/webp;base64,{entry["picture"]}">'
        f'<span class="small">covered: {text_of(covered)}</span></a>'
    )


PAGE_END = "</body>\n</html>\n"


def json_for_script(text: str) -> str:
    """ASCII JSON made safe to stand in a script element: neither </script> nor <!-- can occur."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def text_of(value: Any) -> str:
    """A value from the data as HTML text, without characters that no page may have."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd", str(value)))


def _style() -> str:
    colours = "".join(f"--{name}:#{red:02x}{green:02x}{blue:02x};" for name, (blue, green, red) in _COLOURS.items())
    return f":root{{{colours}}}\n{_template('page.css')}"


def _template(name: str) -> str:
    return files("noda_synth.report").joinpath(name).read_text("utf-8")


def _source(text: str) -> str:
    """The only style or script that the policy allows, by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
