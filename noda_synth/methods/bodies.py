"""Methods that paste from the pool of bodies."""

from __future__ import annotations

import os
from functools import cached_property, lru_cache
from pathlib import Path

from noda_synth.data.dataset import Dataset
from noda_synth.data.skeleton import differences
from noda_synth.errors import NodaError
from noda_synth.methods import FileState, file_state
from noda_synth.methods.base import Method, PlacementT, SettingsT
from noda_synth.pool.reader import Pool


class BodyMethod(Method[SettingsT, PlacementT]):
    """A method that takes bodies, or parts of them, from `pool`."""

    takes = frozenset({"pool"})

    @cached_property
    def pool(self) -> Pool:
        assert self.sources.pool is not None
        return _open_pool(self.sources.pool, file_state(self.sources.pool), os.getpid())

    def check(self, dataset: Dataset) -> None:
        """Raises NodaError for a damaged pool and for one of another skeleton."""
        self.pool.check_content()
        ours, theirs = self.pool.skeleton, dataset.skeleton
        if ours != theirs:
            raise NodaError(
                f"{self.pool.path} holds bodies with the {len(ours)} joints of {ours.name}, but the data set has "
                f"the {len(theirs)} of {theirs.name} (they differ in {', '.join(differences(ours, theirs))}); "
                "build a pool from data of the same kind"
            )

    def check_unchanged(self) -> None:
        if "pool" in self.__dict__:
            self.pool.check_unchanged()

    def source_hashes(self) -> dict[str, str]:
        return {"pool": self.pool.content}


@lru_cache(maxsize=1)
def _open_pool(path: Path, _state: FileState, _process: int) -> Pool:
    """The pool, opened once in each process, also in one that was forked from a process that has it open."""
    return Pool(path)
