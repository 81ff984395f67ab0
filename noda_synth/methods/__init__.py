"""The ways to occlude a person, behind one interface: `noda-synth render --method NAME`.

Each is a small module with one subclass of `base.Method`; docs/methods.md says how to add another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noda_synth.errors import NodaError

if TYPE_CHECKING:
    from noda_synth.methods.base import Method

METHODS = {
    "noda": "Noda",
    "cutout": "Cutout",
    "random-erasing": "RandomErasing",
    "hide-and-seek": "HideAndSeek",
    "gridmask": "GridMask",
    "keypoint-masking": "KeypointMasking",
    "objects": "Objects",
    "parts": "Parts",
    "recompress": "Recompress",
}
"""Name on the command line -> class, in the module of the method's name. Nothing is imported before it is used."""


@dataclass(frozen=True)
class Sources:
    """Where methods take what they paste from; each opens only what it needs.

    Attributes:
        pool: the pool of bodies.
        objects: a folder of RGBA cut-outs or in VOC's layout, or a COCO instances file.
        objects_images: the images of that file.
    """

    pool: Path | None = None
    objects: Path | None = None
    objects_images: Path | None = None


@dataclass(frozen=True)
class Recipe:
    """A method, its settings and its sources: a small value that can be sent to any worker, which opens it there.

    Attributes:
        method: its name.
        settings: its own.
        sources: where they are.
        pool_content: the hash of the pool that was planned with, for another one may take its name; None takes any.
    """

    method: str
    settings: Any
    sources: Sources
    pool_content: str | None = None

    def open(self) -> Method[Any, Any]:
        """The method, opened once in each process; with `pool_content` it keeps its pool whatever takes its name.

        Raises:
            NodaError: a source cannot be used, or the pool is not the one it should be.
        """
        pool = file_state(self.sources.pool) if self.pool_content is None else None
        method = _opened(self, pool, file_state(self.sources.objects))
        method.check_unchanged()
        return method


FileState = tuple[int, int, int] | None


def file_state(path: Path | None) -> FileState:
    """What tells a file from another one that takes its name: a worker of a cluster lives longer than a pool."""
    try:
        state = path.stat() if path else None
    except OSError:
        return None
    return (state.st_ino, state.st_size, state.st_mtime_ns) if state else None


@lru_cache(maxsize=2)  # a set may have copies with bodies and with objects, in turn
def _opened(recipe: Recipe, _pool: FileState, _objects: FileState) -> Method[Any, Any]:
    method = method_class(recipe.method)(recipe.settings, recipe.sources)
    if recipe.pool_content is not None and method.source_hashes().get("pool") != recipe.pool_content:
        raise NodaError(
            f"{recipe.sources.pool} was replaced while the run worked (its content is another than the one that was "
            "planned with); put the old pool back and run the same command again, or start anew with --overwrite"
        )
    return method


def method_class(name: str) -> type[Method[Any, Any]]:
    """The class of a method by its name on the command line."""
    method: type[Method[Any, Any]] = getattr(import_module(f"{__name__}.{name.replace('-', '_')}"), METHODS[name])
    return method
