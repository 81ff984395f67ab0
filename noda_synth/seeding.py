"""Every item draws from a generator of its own, so that results do not depend on workers, order or interruption."""

from __future__ import annotations

import hashlib

import numpy as np


def item_seed(seed: int, stage: str, key: str) -> int:
    """A 64-bit seed from the user's seed, the stage of the work and the item's key."""
    digest = hashlib.sha256(f"{seed}\0{stage}\0{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "little")


def item_generator(seed: int, stage: str, key: str) -> np.random.Generator:
    """The generator that belongs to (seed, stage, item key)."""
    return np.random.default_rng(item_seed(seed, stage, key))
