"""KEY=VALUE and TOML values become typed settings; errors name the word, its source and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from noda_synth.errors import NodaError
from noda_synth.settings import apply_overrides, build, one_of, parse, require, within


@dataclass(frozen=True)
class Some:
    name: str
    side: float = 0.5
    count: int = 1
    hard: bool = False
    scale: tuple[float, float] = (0.5, 1.0)
    steps: tuple[int, ...] = ()
    limit: int | None = None
    max_side: float = 2.0

    def __post_init__(self) -> None:
        one_of("name", self.name, ("mean", "noise"))
        within("scale", self.scale, 0, 4)
        require(self, {"side": (self.side < self.max_side, "below max_side")})


@pytest.mark.parametrize(
    ("key", "value", "typed"),
    [
        ("side", "1", 1.0),
        ("side", 1, 1.0),
        ("max-side", "3", 3.0),
        ("hard", "Yes", True),
        ("hard", True, True),
        ("scale", "(0.2, 0.4)", (0.2, 0.4)),
        ("scale", [1, 2], (1.0, 2.0)),
        ("steps", "[90, 120]", (90, 120)),
        ("steps", "", ()),
        ("limit", "none", None),
        ("limit", None, None),
        ("limit", "7", 7),
    ],
)
def test_values_get_the_types_of_their_fields(key: str, value: Any, typed: object) -> None:
    (found,) = parse(Some, {key: value}, "a.toml").values()
    assert found == typed and type(found) is type(typed)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sied=1", "--set sied=1: no setting 'sied'; did you mean side"),
        ("xyz=1", "no setting 'xyz'; there are name, side, count"),
        ("side", "--set side: write KEY=VALUE"),
        ("side=wide", "--set side=wide: expected a number"),
        ("side=inf", "expected a number"),
        ("count=1.5", "expected a whole number"),
        ("hard=maybe", "expected true or false"),
        ("scale=1", "expected 2 numbers, as in 0.2,0.4"),
        ("steps=a", "expected a whole number, or several with commas between"),
        ("limit=few", "expected a whole number, or none"),
        ("name=nois", "--set: name is 'nois'; did you mean noise"),
        ("scale=2,1", "scale is 2,1; the lower end comes first"),
        ("scale=1,5", "scale is 1,5; from 0 to 4"),
        ("side=3", "side is 3.0; it must be below max_side"),
    ],
)
def test_a_wrong_override_says_what_is_right(text: str, says: str) -> None:
    with pytest.raises(NodaError) as error:
        apply_overrides(Some("mean"), [text])
    assert says in str(error.value)


def test_a_file_is_named_with_the_fields_it_lacks() -> None:
    with pytest.raises(NodaError, match=r"a\.toml: name missing"):
        build(Some, parse(Some, {"side": 1}, "a.toml"), "a.toml")
    for value in (True, None, [1], 2.0):
        with pytest.raises(NodaError, match=r"a\.toml count=.*: expected a whole number"):
            parse(Some, {"count": value}, "a.toml")
