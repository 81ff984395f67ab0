"""Version 1 of the protocol: what it fixes. Any change of these numbers is another version; see docs/benchmark.md."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from noda_synth.benchmark.capsules import Integers

VERSION = 1
TRIES = 32_000
UNCOUNTED = ("pelvis", "thorax")
"""Joints that PCKh leaves out; they may be covered, and do not count for a severity."""


@dataclass(frozen=True)
class Severity:
    """How many joints that could be seen are covered: from `least` to `most`, or any number from `least`."""

    name: str
    least: int
    most: int | None

    def admits(self, hidden: Integers) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """(K,) bool: whether numbers (K,) of newly hidden joints are of this severity."""
        return np.asarray((hidden >= self.least) & (hidden <= (self.most or 1000)))

    def __str__(self) -> str:
        return f"{self.least} and more" if self.most is None else "-".join(map(str, sorted({self.least, self.most})))


SEVERITIES = (Severity("light", 1, 1), Severity("medium", 2, 3), Severity("heavy", 4, None))
SEVERITY_ORDER = {severity.name: number for number, severity in enumerate(SEVERITIES)}
CLEAN = "clean"


@dataclass(frozen=True)
class Generator:
    """Where the bodies come from, in the place of the training part.

    Attributes:
        pool: the content hash of the pool.
        mask: the level of the pool that they are pasted by.
        place: "ring" as in the protocol, or "ground".
    """

    pool: str
    mask: str
    place: str = "ring"


@dataclass(frozen=True)
class Settings:
    """What may be set, and makes it another benchmark.

    Attributes:
        seed: of all draws.
        tries: placements tried for each person and severity; a multiple of POSITIONS.
        generator: of the bodies; None takes the protocol's own, the training part.
    """

    seed: int = 0
    tries: int = TRIES
    generator: Generator | None = None

    def as_json(self) -> dict[str, Any]:
        """As benchmark.json has them: what is not said is the protocol's own."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @property
    def name(self) -> str:
        """The name to be cited: of anything but the standard settings it says so."""
        usual = {"seed": (self.seed, 0), "tries": (self.tries, TRIES)}
        other = [f"{key} {value}" for key, (value, standard) in usual.items() if value != standard]
        if (generator := self.generator) is not None:
            other += [f"pool {generator.pool[:12]}", f"mask {generator.mask}", f"place {generator.place}"]
        return ", ".join([f"noda-synth twins v{VERSION}", *other])


POSITIONS = 64
"""Positions tried with each body that is drawn."""
RESCALE = (205, 307)
"""Range of the factor on a body that was brought to the target's size, in 256ths: 0.8 to 1.2."""
MAX_ENLARGE = 384
"""Bodies are not enlarged more than this, in 256ths."""
MIN_BODY_SIZE = 50
"""Bodies have at least this size S in pixels: people of about 170 pixels."""


class HashRandom:
    """Whole numbers from a text, by SHAKE-256: numpy does not promise the same numbers from a seed for all versions."""

    def __init__(self, key: str) -> None:
        self._key = key.encode("utf-8", "surrogatepass")

    def integers(self, end: int, count: int, name: str) -> Integers:
        """(count,) int64 from 0 to end - 1, for a purpose that has a name."""
        data = hashlib.shake_256(name.encode() + b"\0" + self._key).digest(4 * count)
        return np.asarray((np.frombuffer(data, "<u4").astype(np.uint64) * np.uint64(end)) >> np.uint64(32), np.int64)
