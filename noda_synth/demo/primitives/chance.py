"""Draws from a generator that give plain Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

Random: TypeAlias = np.random.Generator
T = TypeVar("T")


def whole(random: Random, low: int, high: int) -> int:
    """A whole number from `low` up to, but without, `high`."""
    return int(random.integers(low, high))


def likely(random: Random, share: float) -> bool:
    """True in this share of cases."""
    return bool(random.random() < share)


def one_of(random: Random, options: Sequence[T]) -> T:
    return options[whole(random, 0, len(options))]


def weighted(random: Random, options: Mapping[T, float]) -> T:
    """One of the keys, each as often as its value says; values need not add up to 1."""
    shares = np.cumsum(list(options.values()))
    return list(options)[int(np.searchsorted(shares, random.random() * shares[-1], side="right"))]
