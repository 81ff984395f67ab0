"""noda-synth: occlusion-augmented copies of human pose data sets, made from their own people (NODA).

What stands in `__all__` is for other people's programs; docs/python.md shows how. Nothing of it is imported before it
is used, so that `import noda_synth` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from noda_synth.version import __version__

if TYPE_CHECKING:
    from noda_synth.api.functions import build_pool, read_dataset, replay
    from noda_synth.api.occluder import Occluded, Occluder, Pasted
    from noda_synth.api.pool import Body, Pool
    from noda_synth.data.dataset import Dataset, Person
    from noda_synth.errors import NodaError
    from noda_synth.render.with_defaults import render

__all__ = [
    "Body",
    "Dataset",
    "NodaError",
    "Occluded",
    "Occluder",
    "Pasted",
    "Person",
    "Pool",
    "__version__",
    "build_pool",
    "read_dataset",
    "render",
    "replay",
]

_PLACES = {
    "Body": "noda_synth.api.pool",
    "Dataset": "noda_synth.data.dataset",
    "NodaError": "noda_synth.errors",
    "Occluded": "noda_synth.api.occluder",
    "Occluder": "noda_synth.api.occluder",
    "Pasted": "noda_synth.api.occluder",
    "Person": "noda_synth.data.dataset",
    "Pool": "noda_synth.api.pool",
    "build_pool": "noda_synth.api.functions",
    "read_dataset": "noda_synth.api.functions",
    "replay": "noda_synth.api.functions",
}


def __getattr__(name: str) -> Any:
    if name == "render":  # the folder of that name, which can be called
        return import_module("noda_synth.render")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
