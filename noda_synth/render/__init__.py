"""render: settings, plan, copies, annotation files, COCO scenes, manifest, replay.

`noda_synth.render(...)` is public, and this folder has its name: once any module of it is imported, Python puts the
folder in the place of the name. So the folder itself can be called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from noda_synth.render.with_defaults import render

        return render(*args, **options)


sys.modules[__name__].__class__ = _Callable
