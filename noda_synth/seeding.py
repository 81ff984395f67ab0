"""Every item draws from a generator of its own, so that results do not depend on workers, order or interruption.

Who is chosen from many depends on each one's own key, not on how many there are or in which order they stand: with one
more or one fewer the choice stays as it was, but for that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)
_LAST = np.uint64((1 << 64) - 1)
_PART_BITS = 13


def item_seed(seed: int, stage: str, key: str) -> int:
    """A 64-bit seed from the user's seed, the stage of the work and the item's key."""
    digest = hashlib.sha256(f"{seed}\0{stage}\0{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "little")


def item_generator(seed: int, stage: str, key: str) -> np.random.Generator:
    """The generator that belongs to (seed, stage, item key)."""
    return np.random.default_rng(item_seed(seed, stage, key))


def seeded_order(seed: int, stage: str, keys: Iterable[str]) -> NDArray[np.intp]:
    """(N,) intp: a random order of items, in which one item more or fewer moves no other before or behind another."""
    seeds = np.fromiter((item_seed(seed, stage, key) for key in keys), np.uint64)
    return np.argsort(seeds, kind="stable")


def draws(seeds: NDArray[np.uint64], allowed: NDArray[np.bool_], rng: np.random.Generator) -> Iterator[int]:
    """Indices of the items that are allowed, drawn one after the other, each but once.

    Rendezvous hashing: each item gets a number that its own seed and the generator decide, and the lowest numbers come
    first. One more item changes nothing before it is itself drawn. All have the same chance; among more than 8,000
    items nearly: a part of the seeds is drawn first, so that not all of them have to be looked at.

    Args:
        seeds: (N,) uint64, the items' own, in rising order.
        allowed: (N,) bool.
        rng: of which two numbers are taken, whatever N is.
    """
    start, salt = rng.integers(1 << 64, size=2, dtype=np.uint64)
    parts = 1 << max(0, len(seeds).bit_length() - _PART_BITS)
    edges = np.array([(int(start) + (part << 64) // parts) % (1 << 64) for part in range(parts + 1)], np.uint64)
    first = np.searchsorted(seeds, edges)
    for part in range(parts):
        beyond = 0 if edges[part] < edges[part + 1] else len(seeds)
        indices = np.arange(first[part], first[part + 1] + beyond) % max(1, len(seeds))
        indices = indices[allowed[indices]]
        numbers = (seeds[indices] ^ salt) * _MULTIPLIERS[0]
        numbers ^= numbers >> np.uint64(32)
        numbers *= _MULTIPLIERS[1]
        for _ in range(len(indices)):
            lowest = int(numbers.argmin())
            yield int(indices[lowest])
            numbers[lowest] = _LAST
