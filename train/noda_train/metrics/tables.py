"""The tables that the commands print, from the numbers of `scoring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noda_train.metrics.average_precision import NUMBERS
from noda_train.metrics.truth import FURTHER, SUBSETS

_EXPLAINED = {
    "PCKh": "Mean: weighted by samples, 14 joints (Simple Baselines, HRNet, NODA). Macro: plain mean of the 14 joints.",
    "PCK": "PCK: share of joints within the threshold x the longer side of the person's box. Mean: weighted by samples."
    " Macro: plain mean of the joints.",
}
Interval = Sequence[float | None]
LEANING = 0.5
"""A median error of all joints above this share of the smallest threshold gets a hint."""
SURE = "*"
SURE_MEANS = "* the interval leaves 0 out"
NAMED = 5
"""People who cannot be judged are named in print up to this many; all of them stand in the JSON."""


def cell(value: float | None, sign: bool = False) -> str:
    """A number of a table; a difference that rounds to nothing is +0.0, never -0.0."""
    return "n/a" if value is None else f"{value:+z.1f}" if sign else f"{value:.1f}"


def sure(low: float | None, high: float | None) -> str:
    """The mark of an interval of differences that does not hold 0; else nothing."""
    return SURE if low is not None and high is not None and (low > 0 or high < 0) else ""


def span(interval: Interval, sign: bool = False) -> str:
    """An interval [low, high] of a table, with `sign` one of differences."""
    if interval[0] is None:
        return "n/a"
    return "..".join(cell(end, sign) for end in interval) + (sure(*interval) if sign else "")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines of text, the columns aligned at their right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)


def format_numbers(result: Mapping[str, Any]) -> str:
    """All numbers of predictions: the paper's table, and OKS and AP for sets in COCO's form."""
    has_split = "split" not in result
    parts = ["\n".join([_persons(result), *result.get("notes", ())])]
    if not has_split:
        parts.append(f"visible and occluded: {result['split']}")
    for threshold, tables in result["thresholds"].items():
        parts.append(aligned(_pck_rows(f"{_metric(result)}@{threshold}", tables, has_split)))
    parts.append(_EXPLAINED[_metric(result)])
    if "bias" in result:
        parts.append(_bias(result))
    if similarity := result.get("oks"):
        if "why_not" in similarity:
            parts.append(f"OKS and AP: n/a, {similarity['why_not']}")
        else:
            parts += _similarity(similarity, _subsets(similarity) if has_split else SUBSETS[:1], sign=False)
    return "\n\n".join(parts)


def _bias(result: Mapping[str, Any]) -> str:
    """The median error along x and y, and a hint where all predictions lean to one side."""
    unit = {"PCKh": "heads"}.get(_metric(result), "box sizes")
    table = result["bias"]
    shown = "; ".join(
        f"{name.capitalize()} {entry['x']:+z.3f} {entry['y']:+z.3f}"
        for name, entry in table.items()
        if entry["x"] is not None
    )
    text = f"median error along x and y (down), in {unit}: {shown or 'n/a'}"
    limit = LEANING * min(map(float, result["thresholds"]))
    whole = [value for value in table["all"].values() if value is not None]
    if any(abs(value) > limit for value in whole):
        text += "\nall predictions lean to one side: perhaps the crops' centres of training and test differ"
    return text


def _persons(result: Mapping[str, Any]) -> str:
    """How many people the numbers are of, and who could not be judged."""
    if "not_judged" not in result:
        return f"{result['persons']} persons"
    who = result["not_judged"]["persons"]
    names = ", ".join(who[:NAMED]) + (", ..." if len(who) > NAMED else "")
    have = "has" if len(who) == 1 else "have"
    why = result["not_judged"]["why"]
    return f"{result['judged']} of {result['persons']} persons judged: {len(who)} {have} {why} ({names})"


def format_comparison(result: Mapping[str, Any]) -> str:
    """Differences in the paper's form: (+visible, +occluded), then the intervals of the means."""
    parts = [f"differences over {result['persons']} persons, this run less the other"]
    for threshold, tables in result["thresholds"].items():
        headings = _headings(tables)
        rows = [
            [f"{_metric(result)}@{threshold}", *headings.values()],
            *_paper_rows(tables, headings, lambda table, key: cell(table[key]["difference"], sign=True)),
        ]
        further = {
            name: text
            for name, text in FURTHER.items()
            if name in tables and tables[name]["mean"]["difference"] is not None
        }
        for name, text in further.items():
            rows.append([text, *(cell(tables[name][key]["difference"], sign=True) for key in headings)])
        names = {**{name: name for name in SUBSETS}, **further}
        spans = [f"{text} {_ends(tables[name]['mean']['interval'])}" for name, text in names.items()]
        parts.append(f"{aligned(rows)}\n95 % of the mean's difference ({SURE_MEANS}): {', '.join(spans)}")
    parts.append(_EXPLAINED[_metric(result)])
    if similarity := result.get("oks"):
        parts += _similarity(similarity, _subsets(similarity), sign=True)
    return "\n\n".join(parts)


def format_off_centre(results: Mapping[str, Any], followed: float) -> str:
    """The columns at the followed threshold against how far crops are off, in sides of the crop."""
    first = next(iter(results.values()))
    headings = _headings(first["thresholds"][f"{followed:g}"])
    rows = [["off by", *headings.values()]]
    for error, result in results.items():
        everything, pairs = _paper_rows(
            result["thresholds"][f"{followed:g}"], headings, lambda table, key: cell(table[key])
        )
        rows += [[error, *everything[1:]], pairs]
    name = f"{_metric(first)}@{followed:g}"
    explained = "Crops are off by up to so much of their side, in x, y and size, the same for every network."
    return f"{first['persons']} persons, {name}\n\n{aligned(rows)}\n\n{explained}\n{_EXPLAINED[_metric(first)]}"


def _metric(result: Mapping[str, Any]) -> str:
    name: str = result.get("metric", "PCKh")  # numbers that were written before there was another metric
    return name


def _headings(tables: Mapping[str, Any]) -> dict[str, str]:
    """Key -> heading of the table's columns, from the numbers themselves."""
    means = {"mean": "Mean", "macro_mean": "Macro"}
    others = ("n", "counts", "interval", *means)
    return {**{key: key.capitalize() for key in tables["all"] if key not in others}, **means}


def _paper_rows(
    tables: Mapping[str, Any], headings: Mapping[str, str], shown: Callable[[Mapping[str, Any], str], str]
) -> list[list[str]]:
    """A row for all joints, and below it the pairs (visible, occluded)."""
    everything, visible, occluded = (tables[name] for name in SUBSETS)
    pairs = [f"({shown(visible, key)}, {shown(occluded, key)})" for key in headings]
    return [["all", *(shown(everything, key) for key in headings)], ["(visible, occluded)", *pairs]]


def _pck_rows(name: str, tables: Mapping[str, Any], has_split: bool) -> list[list[str]]:
    headings = _headings(tables)
    everything, pairs = _paper_rows(tables, headings, lambda table, key: cell(table[key]))
    spans = {subset: span(tables[subset].get("interval", {}).get("mean", (None, None))) for subset in SUBSETS}
    rows = [
        [name, *headings.values(), "95 % of mean", "n"],
        [*everything, spans["all"], str(tables["all"]["n"])],
    ]
    if has_split:
        counts = f"({tables['visible']['n']}, {tables['occluded']['n']})"
        rows.append([*pairs, f"({spans['visible']}, {spans['occluded']})", counts])
    for subset in FURTHER:
        if has_split and (table := tables.get(subset)) and table["n"]:
            ends = span(table.get("interval", {}).get("mean", (None, None)))
            rows.append([FURTHER[subset], *(cell(table[key]) for key in headings), ends, str(table["n"])])
    return rows


def _subsets(similarity: Mapping[str, Any]) -> list[str]:
    """Those that the numbers have, in the order of the tables; further ones only where somebody is of them."""
    mean = similarity["mean"]
    further = [name for name in FURTHER if name in mean and mean[name]["interval"][0] is not None]
    return [*SUBSETS, *further]


def _similarity(similarity: Mapping[str, Any], subsets: Sequence[str], sign: bool) -> list[str]:
    """The table of OKS and AP, of numbers or (with `sign`) of differences, and why there is no AP."""
    tables: Mapping[str, Any] = similarity.get("ap", {})
    keys = NUMBERS if tables else ()
    rows = [
        ["OKS", *keys, *(["95 % of AP"] if tables else []), "mean OKS", "95 % of mean", *([] if sign else ["persons"])]
    ]
    for name in subsets:
        mean = similarity["mean"][name]
        numbers = [cell(tables[name][key], sign) for key in keys]
        spans = [span(tables[name]["interval"]["AP"], sign)] if tables else []
        value = cell(mean["difference" if sign else "mean"], sign)
        count = [] if sign else [str(mean["persons"])]
        rows.append([FURTHER.get(name, name), *numbers, *spans, value, span(mean["interval"], sign), *count])
    return [aligned(rows), *([f"AP: n/a, {similarity['why_no_ap']}"] if "why_no_ap" in similarity else [])]


def _ends(interval: Interval) -> str:
    """An interval of differences, each end for itself: n/a..n/a where nothing is known."""
    return "..".join(cell(end, sign=True) for end in interval) + sure(*interval)
