"""The parameters of a method from `--set KEY=VALUE`, checked against its settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from noda_synth.errors import NodaError

SettingsT = TypeVar("SettingsT")

_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def changed(settings: SettingsT, words: Iterable[str], method: str) -> SettingsT:
    """Settings with some of their fields given as `key=value`. Raises NodaError, naming the word and the way out."""
    kinds = {key: kind for key, kind in get_type_hints(type(settings)).items() if key in _names(settings)}
    given: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise NodaError(f"--set {word}: write KEY=VALUE")
        if key not in kinds:
            near = get_close_matches(key, kinds, n=1)
            known = ", ".join(kinds) or "none at all"
            hint = f"did you mean {near[0]}?" if near else f"it has {known}"
            raise NodaError(f"--set {word}: {method} has no parameter {key!r}; {hint}")
        try:
            given[key] = _value(text.strip(), kinds[key])
        except (KeyError, ValueError):
            raise NodaError(f"--set {word}: expected {_described(kinds[key])}") from None
    try:
        return replace(settings, **given)  # type: ignore[type-var]
    except ValueError as error:
        raise NodaError(f"--method {method}, --set: {error}") from error


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raises ValueError for a value that is not allowed."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; there are {', '.join(allowed)}")


def within(name: str, values: float | Sequence[float], low: float, high: float) -> None:
    """Raises ValueError for a number, or a range of two, that is not within the bounds or runs backwards."""
    numbers = [values] if isinstance(values, int | float) else list(values)
    if any(not low <= number <= high for number in numbers):
        raise ValueError(f"{name} is {_shown(numbers)}; from {low:g} to {high:g}")
    if numbers != sorted(numbers):
        raise ValueError(f"{name} is {_shown(numbers)}; the lower end comes first")


def _shown(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _names(settings: Any) -> list[str]:
    return [field.name for field in fields(settings)]


def _value(text: str, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        parts = [part.strip() for part in text.strip("()[] ").split(",") if part.strip()]
        if len(kinds) == 2 and kinds[1] is Ellipsis:
            return tuple(_value(part, kinds[0]) for part in parts)
        if len(parts) != len(kinds):
            raise ValueError(text)
        return tuple(_value(part, part_kind) for part, part_kind in zip(parts, kinds, strict=True))
    if isinstance(kind, UnionType):
        return None if text.lower() == "none" else _value(text, get_args(kind)[0])
    if kind is bool:
        return _TRUTHS[text.lower()]
    value = kind(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(text)
    return value


def _described(kind: Any) -> str:
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        some = len(kinds) == 2 and kinds[1] is Ellipsis
        return f"{_described(kinds[0])}, some with commas between" if some else f"{len(kinds)} numbers, as in 0.2,0.4"
    if isinstance(kind, UnionType):
        return f"{_described(get_args(kind)[0])}, or none"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a word")
