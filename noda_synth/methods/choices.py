"""The settings of a method as a user chooses them: by its name, a preset and what is changed; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noda_synth.errors import NodaError
from noda_synth.methods import METHODS, method_class
from noda_synth.methods.placement_settings import PRESETS, preset_for
from noda_synth.settings import changed, suggest

if TYPE_CHECKING:
    from noda_synth.data.skeleton import Skeleton


def method_settings(method: str, preset: str, changes: Mapping[str, Any], source: str, pool: Path) -> Any:
    """The settings of a method with some of their fields changed.

    Args:
        method: a name in `METHODS`.
        preset: a name in `PRESETS`; only noda has any but "paper".
        changes: field -> value.
        source: whom errors name.
        pool: the pool of bodies, whose mask levels decide on what `best` is.

    Raises:
        NodaError: a method, preset, field or value that there is not.
    """
    if method not in METHODS:
        raise NodaError(f"{source}: no method {method!r}; {suggest(method, METHODS)}")
    if preset not in PRESETS:
        raise NodaError(f"{source}: no preset {preset!r}; {suggest(preset, PRESETS)}")
    if method == "noda":
        return changed(preset_for(preset, levels_in(pool, preset)), changes, source)
    if preset != "paper":
        raise NodaError(f"{source}: preset is for method noda; {method} has settings alone")
    return changed(method_class(method).settings_type(), changes, source)


def levels_in(pool: Path, preset: str) -> list[str]:
    """The mask levels of the pool, where the preset depends on them; none of a pool that will be refused later."""
    from noda_synth.pool.reader import Pool

    try:
        return Pool(pool).levels if preset == "best" else []
    except NodaError:
        return []


def check_joints(settings: Any, skeleton: Skeleton, source: str) -> None:
    """Raises NodaError, which names `source`, for protected joints that the skeleton does not have."""
    names = getattr(settings, "protect_joints", None) or ()
    if unknown := [name for name in names if name not in skeleton.index]:
        raise NodaError(f"{source}: no joint {unknown[0]!r}; there are {', '.join(skeleton.joints)}")
