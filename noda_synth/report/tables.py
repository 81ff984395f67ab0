"""The tables of the report: what was done, to which joints, who was left out and why, and the settings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from noda_synth.data.joint_counts import kind_of
from noda_synth.report.page import text_of

_MOST_PROBLEMS = 1000
_UNKNOWN = "unknown"
_NUMBER = re.compile(rf"-?[\d.,]+( %)?|{_UNKNOWN}")
_COUNTED = {
    "images": "images of the training part",
    "people": "people annotated in them",
    "validation_people": "people of the validation part, which is never covered",
    "wanted": "people to cover: the ratio of those in the training part",
    "covered_people": "people who were covered",
    "copies": "pictures written, one for each person covered and copy",
    "bodies": "different bodies that were pasted",
    "pool_bodies": "bodies in the pool",
    "failed": "images and people that could not be used, see below",
}
_IN_HEAD = ("method", "ratio", "copies", "mask", "smooth", "place", "quality", "seed")


def summary(content: Mapping[str, Any]) -> str:
    """One sentence on the set, from report.json."""
    counts = _section(content, "counts")
    return text_of(
        f"{_count(counts, 'covered_people')} of {_count(counts, 'people')} people covered "
        f"in {_count(counts, 'copies')} images."
    )


def head_line(content: Mapping[str, Any]) -> str:
    """The settings that matter most in one line; all of them are in the table of settings."""
    settings = _section(content, "settings")
    found = {**_section(settings, "placement"), **settings}
    shown = [f"{name} {found[name]}" for name in _IN_HEAD if isinstance(found.get(name), str | int | float)]
    shown += ["appended"] if found.get("append") is True else []
    versions = [f"{name} {version}" for name, version in list(_section(content, "versions").items())[:1]]
    return text_of(", ".join([*shown, *versions, f"settings {content.get('settings_hash', 'not known')}"]))


def counts_table(content: Mapping[str, Any]) -> str:
    """The counts of report.json, each with what is counted."""
    counts = _section(content, "counts")
    rows = [(name.replace("_", " "), f"{value:,}", _COUNTED.get(name, "")) for name, value in counts.items()]
    return table("Counts", (), rows)


def quality_table(qualities: Sequence[float]) -> str:
    """The range of Q among the pasted masks; nothing where none is known."""
    if not qualities:
        return ""
    names = ("lowest 5 % are below", "half are below", "highest 5 % are above")
    rows = [(name, f"{value:.2f}") for name, value in zip(names, np.percentile(qualities, [5, 50, 95]), strict=True)]
    note = "How well a mask agrees with pose and colours: about 0.6 for a poor one, 0.95 for a very good one."
    return table("Quality Q of the pasted masks", (), rows, note)


def joints_table(content: Mapping[str, Any]) -> str:
    """Labelled joints of the training part by what is known of them; where that is nothing, it is unknown and not 0."""
    states = _section(content, "joints")
    before, after = (_section(states, when) for when in ("before", "after"))
    rows = [
        (name, *(cell for state in (before, after) for cell in _share(state, name)))
        for name in ("visible", "occluded", "unknown")
    ]
    note = "Of the training part. Unknown: the annotations do not say whether the joint can be seen."
    return table("Labelled joints, before and after", ("", "before", "%", "after", "%"), rows, note)


def covered_table(content: Mapping[str, Any]) -> str:
    """How often each kind of joint was covered, right and left."""
    joints = {joint: count for joint, count in _section(content, "covered_joints").items() if isinstance(count, int)}
    kinds: dict[str, dict[str, int]] = {}
    for joint, count in joints.items():
        kinds.setdefault(kind_of(joint), {})[joint] = count
    most = max((sum(group.values()) for group in kinds.values()), default=0)
    rows = []
    for kind, group in sorted(kinds.items(), key=lambda item: -sum(item[1].values())):
        total = sum(group.values())
        sides = [f"{group[f'{side}_{kind}']:,}" if f"{side}_{kind}" in group else "" for side in ("right", "left")]
        rows.append((kind.replace("_", " "), *sides, f"{total:,}", Bar(total, most)))
    note = "Labelled joints under what was pasted, in all renders together."
    return table("Covered joints by kind", ("", "right", "left", "all", ""), rows, note)


def numbers_table(lines: Iterable[Mapping[str, Any]]) -> str:
    """How many renders cover one joint, two joints, and so on."""
    numbers = Counter(len(line["covered"]) for line in lines)
    most = max(numbers.values(), default=0)
    rows = [(f"{number}", f"{count:,}", Bar(count, most)) for number, count in sorted(numbers.items())]
    return table("Renders by number of covered joints", ("joints", "renders", ""), rows, "How many one render covers.")


def passed_over_table(content: Mapping[str, Any]) -> str:
    """Why people who came up were passed over."""
    rows = [(reason, f"{count:,}") for reason, count in _section(content, "passed_over").items()]
    note = "People who came up and were not covered; others were taken in their place while there were some."
    return table("Passed over", ("why", "people"), rows, note) if rows else "<p>Nobody was passed over.</p>"


def problems_table(problems: Sequence[Mapping[str, Any]], title: str) -> str:
    """What could not be used, and notes."""
    rows = [
        (problem.get("item", ""), "failed" if problem.get("failed", True) else "note", problem.get("reason", ""))
        for problem in problems[:_MOST_PROBLEMS]
    ]
    if not rows:
        return ""
    rest = len(problems) - len(rows)
    more = f"<p>And {rest:,} more, all in errors.jsonl.</p>" if rest else ""
    return table(f"{title} ({len(problems):,})", ("what", "", "why"), rows) + more


def settings_table(content: Mapping[str, Any]) -> str:
    """Settings, flat, and versions."""
    settings = [*_flat("", content.get("settings", {})), ("hash of the settings", content.get("settings_hash", ""))]
    return table("Settings", (), settings) + table("Versions", (), list(_flat("", content.get("versions", {}))))


class Bar:
    """A bar of a length, in a cell of its own."""

    def __init__(self, value: int, most: int) -> None:
        self.share = 100 * value / max(1, most)

    def html(self) -> str:
        return (
            '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect width="{self.share:.1f}" height="8"/></svg>'
        )


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> str:
    """A table whose first column names the rows; columns of numbers stand at the right, with their headings."""
    places = range(max(map(len, rows), default=0))
    numbers = {place for place in places if all(_is_number(row[place]) for row in rows if row[place] != "")}
    columns = "".join(
        f'<th scope="col"{_side(place in numbers)}>{text_of(name)}</th>' if name else "<td></td>"
        for place, name in enumerate(head)
    )
    body = "".join(
        f'<tr><th scope="row"{_side(0 in numbers)}>{text_of(first)}</th>'
        + "".join(f"<td{_side(place in numbers)}>{_cell(value)}</td>" for place, value in enumerate(rest, 1))
        + "</tr>"
        for first, *rest in rows
    )
    said = f'<span class="small">{text_of(note)}</span>' if note else ""
    return (
        f"<table><caption>{text_of(caption)}{said}</caption>{f'<thead><tr>{columns}</tr></thead>' if head else ''}"
        f"<tbody>{body}</tbody></table>\n"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def _side(number: bool) -> str:
    return ' class="n"' if number else ""


def _cell(value: Any) -> str:
    return value.html() if isinstance(value, Bar) else text_of(value)


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name, {})
    return section if isinstance(section, dict) else {}


def _count(counts: Mapping[str, Any], name: str) -> str:
    return f"{counts.get(name, 0):,}"


def _share(state: Mapping[str, Any], name: str) -> tuple[str, str]:
    """A count of joints and its share in percent, where these can be known."""
    count = {key: state.get(key, 0) for key in ("visible", "occluded", "unknown")}
    if name != "unknown" and count["unknown"] and not count["visible"] + count["occluded"]:
        return _UNKNOWN, ""
    return f"{count[name]:,}", f"{100 * count[name] / max(1, sum(count.values())):.1f}"


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}".lstrip("."), inner)
    else:
        listed = isinstance(value, list | tuple)
        yield prefix, ", ".join(str(item) for item in value) if listed else "none" if value is None else str(value)
