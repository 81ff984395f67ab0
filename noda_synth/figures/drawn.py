"""What can be drawn of many items: one that cannot costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from noda_synth.errors import ItemError, NodaError, Problem, of_item

Drawing = TypeVar("Drawing")


def drawn(items: Iterable[tuple[str, Callable[[], Drawing]]], source: Path) -> tuple[list[Drawing], list[Problem]]:
    """What can be drawn of items, which are a name and what draws it, and what cannot be.

    Raises:
        NodaError: nothing can.
    """
    shown, problems = list[Drawing](), list[Problem]()
    for name, draw in items:
        try:
            with of_item():
                shown.append(draw())
        except (ItemError, NodaError) as error:
            problems.append(Problem("draw", name, str(error)))
    if not shown:
        raise NodaError(f"{source}: {problems[0].item} cannot be shown, nor anything else: {problems[0].reason}")
    return shown, problems
