"""Settings as frozen dataclasses: read from KEY=VALUE text or from TOML, checked, with errors that show the way out.

`parse` gives values the types of their fields, `build` and `apply_overrides` make the dataclass. What a value may be is
said in its `__post_init__`, by `one_of`, `within` and `require`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from noda_synth.errors import NodaError

SettingsT = TypeVar("SettingsT")

_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_ACCEPTED: Mapping[type, UnionType | type] = {str: str, int: str | int, float: str | int | float}


def split_pairs(texts: Iterable[str], source: str = "--set") -> dict[str, str]:
    """KEY=VALUE texts as keys and values; of a key that comes twice the last value. Raises NodaError."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise NodaError(f"{source} {text}: write KEY=VALUE")
        pairs[key.strip()] = value.strip()
    return pairs


def suggest(word: str, known: Collection[str]) -> str:
    """The way out for an unknown word: those that are near, else all."""
    near = get_close_matches(word, list(known), n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(known)}" if known else "there are none"


def parse(kind: type[Any], values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Values of TOML (typed) or of a command line (text) with the types of the fields of the dataclass `kind`.

    A key may have hyphens for underscores.

    Raises:
        NodaError: an unknown key or a value of another type. It names `source`, key and value.
    """
    hints = get_type_hints(kind)
    kinds = {field.name: hints[field.name] for field in fields(kind)}
    typed = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in kinds:
            raise NodaError(f"{source} {key}={value}: no setting {name!r}; {suggest(name, kinds)}")
        try:
            typed[name] = _typed(value, kinds[name])
        except (KeyError, ValueError, TypeError):
            raise NodaError(f"{source} {key}={value}: expected {_described(kinds[name])}") from None
    return typed


def build(kind: type[SettingsT], typed: Mapping[str, Any], source: str) -> SettingsT:
    """The dataclass of values that `parse` gave. Raises NodaError for missing fields and for what it refuses."""
    missing = [f.name for f in fields(kind) if f.name not in typed and f.default is MISSING]  # type: ignore[arg-type]
    if missing:
        raise NodaError(f"{source}: {', '.join(missing)} missing; only what has a default may be left out")
    try:
        return kind(**typed)
    except ValueError as error:
        raise NodaError(f"{source}: {error}") from error


def apply_overrides(settings: SettingsT, texts: Iterable[str], source: str = "--set") -> SettingsT:
    """Settings with some of their fields given as KEY=VALUE. Raises NodaError, which names `source`."""
    return changed(settings, split_pairs(texts, source), source)


def changed(settings: SettingsT, values: Mapping[str, Any], source: str) -> SettingsT:
    """Settings with some of their fields replaced, by typed values or text. Raises NodaError, which names `source`."""
    typed = parse(type(settings), values, source)
    try:
        return replace(settings, **typed)  # type: ignore[type-var]
    except ValueError as error:
        raise NodaError(f"{source}: {error}") from error


def one_of(name: str, value: str, allowed: Collection[str]) -> None:
    """Raises ValueError for a value that is not allowed."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; {suggest(value, allowed)}")


def within(name: str, values: float | Sequence[float], low: float, high: float) -> None:
    """Raises ValueError for a number, or a range of two, that is not within the bounds or runs backwards."""
    numbers = [values] if isinstance(values, int | float) else list(values)
    if any(not low <= number <= high for number in numbers):
        raise ValueError(f"{name} is {_shown(numbers)}; from {low:g} to {high:g}")
    if numbers != sorted(numbers):
        raise ValueError(f"{name} is {_shown(numbers)}; the lower end comes first")


def require(settings: object, rules: Mapping[str, tuple[bool, str]]) -> None:
    """Raises ValueError for the first field whose rule does not hold; a rule is (whether it holds, what is wanted)."""
    for name, (holds, wanted) in rules.items():
        if not holds:
            raise ValueError(f"{name} is {getattr(settings, name)}; it must be {wanted}")


def _shown(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _typed(value: Any, kind: Any) -> Any:
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        parts = value
        if isinstance(value, str):
            parts = [part.strip() for part in value.strip("()[] ").split(",") if part.strip()]
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(parts)
        return tuple(_typed(part, part_kind) for part, part_kind in zip(parts, kinds, strict=True))
    if isinstance(kind, UnionType):
        return None if str(value).lower() == "none" else _typed(value, get_args(kind)[0])
    if kind is bool:
        return _TRUTHS[str(value).lower()]
    if isinstance(value, bool) or not isinstance(value, _ACCEPTED[kind]):
        raise ValueError(value)
    typed = kind(value)
    if isinstance(typed, float) and not math.isfinite(typed):
        raise ValueError(value)
    return typed


def _described(kind: Any) -> str:
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if kinds[-1] is Ellipsis:
            return f"{_described(kinds[0])}, or several with commas between"
        return f"{len(kinds)} numbers, as in 0.2,0.4"
    if isinstance(kind, UnionType):
        return f"{_described(get_args(kind)[0])}, or none"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
