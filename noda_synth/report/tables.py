"""The tables of the report: what was done, to which joints, who was left out and why, and the settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from noda_synth.data.joint_counts import kind_of
from noda_synth.report.page import text_of

_MOST_PROBLEMS = 1000


def summary(content: Mapping[str, Any]) -> str:
    """One sentence on the set, from report.json."""
    counts = _section(content, "counts")
    return text_of(
        f"{_count(counts, 'covered_people')} of {_count(counts, 'people')} people covered "
        f"in {_count(counts, 'copies')} images."
    )


def counts_table(content: Mapping[str, Any], qualities: Sequence[float]) -> str:
    """The counts of report.json, and the range of Q among the pasted masks."""
    rows = [(name.replace("_", " "), f"{value:,}") for name, value in _section(content, "counts").items()]
    if qualities:
        low, middle, high = np.percentile(qualities, [5, 50, 95])
        rows.append(("Q of pasted masks: 5 %, median, 95 %", f"{low:.2f}, {middle:.2f}, {high:.2f}"))
    return table("Counts", (), rows)


def joints_table(content: Mapping[str, Any]) -> str:
    """Labelled joints of the training part by what is known of them; where that is nothing, it is unknown and not 0."""
    states = _section(content, "joints")
    before, after = (_section(states, when) for when in ("before", "after"))
    rows = [
        (name, *(_share_of(name, state) for state in (before, after))) for name in ("visible", "occluded", "unknown")
    ]
    return table("Labelled joints, before and after", ("", "before", "after"), rows)


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
    return table("Covered joints by kind", ("", "right", "left", "all", ""), rows)


def numbers_table(lines: Iterable[Mapping[str, Any]]) -> str:
    """How many renders cover one joint, two joints, and so on."""
    numbers = Counter(len(line["covered"]) for line in lines)
    most = max(numbers.values(), default=0)
    rows = [(f"{number}", f"{count:,}", Bar(count, most)) for number, count in sorted(numbers.items())]
    return table("Renders by number of covered joints", ("joints", "renders", ""), rows)


def passed_over_table(content: Mapping[str, Any]) -> str:
    """Why people who came up were passed over."""
    rows = [(reason, f"{count:,}") for reason, count in _section(content, "passed_over").items()]
    return table("Passed over", ("why", "people"), rows) if rows else "<p>Nobody was passed over.</p>"


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


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table whose first column names the rows."""
    columns = "".join(f'<th scope="col">{text_of(name)}</th>' if name else "<td></td>" for name in head)
    body = "".join(
        f'<tr><th scope="row">{text_of(first)}</th>{"".join(f"<td>{_cell(value)}</td>" for value in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f"<table><caption>{text_of(caption)}</caption>{f'<thead><tr>{columns}</tr></thead>' if head else ''}"
        f"<tbody>{body}</tbody></table>\n"
    )


def _cell(value: Any) -> str:
    return value.html() if isinstance(value, Bar) else text_of(value)


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name, {})
    return section if isinstance(section, dict) else {}


def _count(counts: Mapping[str, Any], name: str) -> str:
    return f"{counts.get(name, 0):,}"


def _total(state: Mapping[str, Any]) -> int:
    return sum(state.get(name, 0) for name in ("visible", "occluded", "unknown"))


def _share_of(name: str, state: Mapping[str, Any]) -> str:
    """How many joints of a state there are; of the known ones "unknown" where there are none but unknown ones."""
    total, unknown = _total(state), state.get("unknown", 0)
    return "unknown" if name != "unknown" and unknown == total > 0 else _share(state.get(name, 0), total)


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / max(1, total):.1f} %)"


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}".lstrip("."), inner)
    else:
        listed = isinstance(value, list | tuple)
        yield prefix, ", ".join(str(item) for item in value) if listed else "none" if value is None else str(value)
