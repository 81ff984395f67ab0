"""The part of YAML that a data.yaml is written in: numbers, texts, lists and maps of them.

Lists and maps stand in brackets, over as many lines as they take, or line by line below their key; a list of texts
below a number, as the names of keypoints are, is a list of lists. Keys that are not needed are skipped with all that
stands below them, however it is written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from noda_synth.errors import NodaError

_TOP = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?$")
_BELOW = re.compile(r"\s+(?:-\s+|(\d+)\s*:\s*)(.*)$|\s*-\s+(.*)$")
_COMMENT = re.compile(r"(^|\s)#.*$")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"")
_ENDS = {"[": "]", "{": "}"}


def read_keys(lines: Sequence[str], keys: Sequence[str], path: Path) -> dict[str, Any]:
    """The values of the keys that are there; of names below a key that are numbered, a list.

    Raises:
        NodaError: a line of theirs is not understood; it is named.
    """
    values: dict[str, Any] = {}
    key, held, first = "", "", 0
    for number, line in enumerate(lines, start=1):
        text = _COMMENT.sub("", line).rstrip()
        if held:
            text = f"{held} {text.strip()}"
        elif not text or text in ("---", "..."):
            continue
        else:
            first = number
        top = _TOP.match(text)
        held = text if (top[1] in keys if top else key) and _is_open(text) else ""
        if held:
            continue
        if top:
            key = top[1] if top[1] in keys else ""
            if key in values:
                raise NodaError(f"line {first}: {key} stands there twice.", path)
            if key:
                values[key] = _value(top[2], first, path) if top[2] else []
            continue
        if not key:
            continue  # below a key that is not needed
        below = _BELOW.match(text)
        if not below or not isinstance(values[key], list):
            raise NodaError(f"line {first}, {key}: {text.strip()!r} is not understood; write it on one line.", path)
        value = below[2] if below[2] is not None else below[3]
        if below[1] and key == "kpt_names":
            if int(below[1]):
                key = ""  # the keypoints of another class
            elif value:
                values[key] = _value(value, first, path)
            continue
        if below[1] and int(below[1]) != len(values[key]):
            raise NodaError(f"line {first}, {key}: {below[1]} is out of order; they count from 0.", path)
        values[key].append(_value(value, first, path))
    if held:
        raise NodaError(f"line {first}: a list that does not end.", path)
    return values


def _is_open(text: str) -> bool:
    """Whether a list or map in brackets goes on in the next line."""
    bare = _QUOTED.sub("", text)
    return any(bare.count(start) > bare.count(end) for start, end in _ENDS.items())


def _value(text: str, number: int, path: Path) -> Any:
    """A number, a text, a list or a map."""
    text = text.strip()
    if text[:1] in _ENDS:
        if text[-1] != _ENDS[text[0]]:
            raise NodaError(f"line {number}: {text[:40]!r} does not end with {_ENDS[text[0]]}.", path)
        parts = [part for part in _parts(text[1:-1]) if part.strip()]
        if text[0] == "[":
            return [_value(part, number, path) for part in parts]
        pairs = [part.partition(":") for part in parts]
        return {_value(key, number, path): _value(value, number, path) for key, _, value in pairs}
    if text[:1] in ("&", "*", "!", "|", ">"):
        raise NodaError(f"line {number}: {text!r} is YAML that is not read here; write numbers, texts and lists.", path)
    if text[:1] in ("'", '"'):
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            raise NodaError(f"line {number}: {text} is no text in quotes.", path) from None
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else text


def _parts(text: str) -> Iterator[str]:
    """What stands between commas that are in no further brackets and no quotes."""
    bare = _QUOTED.sub(lambda quoted: "'" * len(quoted[0]), text)
    depth = start = 0
    for place, sign in enumerate(bare):
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not depth:
            yield text[start:place]
            start = place + 1
    yield text[start:]
