"""Which category of a COCO file is the person's, and what skeleton its keypoints are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from noda_synth.data.skeleton import SKELETONS, Skeleton
from noda_synth.errors import NodaError


def person_categories(
    categories: Sequence[Any], skeleton: Skeleton | None, path: Path
) -> tuple[set[int | str], Skeleton]:
    """The ids of the categories with the keypoints of a skeleton, and the skeleton in their order.

    Args:
        categories: of the file.
        skeleton: the one to look for; without it, one of the shipped.
        path: the file, for messages.

    Raises:
        NodaError: no category has these joints, or they could be those of two shipped skeletons.
    """
    named = [c for c in categories if isinstance(c, dict) and isinstance(c.get("keypoints"), list)]
    known = SKELETONS.values() if skeleton is None else [skeleton]
    fitting = [(fit, category) for one in known for category in named if (fit := one.ordered_as(category["keypoints"]))]
    # The same joints in the order that a skeleton states speak for it.
    fitting = [pair for pair in fitting if pair[0] in known] or fitting
    if not fitting:
        raise NodaError(_no_category(named, skeleton), path)
    found, first = fitting[0]
    if others := [other.name for other, category in fitting[1:] if category is first]:
        raise NodaError(
            f"its keypoints could be those of {found.name} or {others[0]}, in the order of neither; "
            f"say which with --skeleton {found.name} or --skeleton {others[0]}.",
            path,
        )
    same = [category for category in named if category["keypoints"] == first["keypoints"]]
    return {category["id"] for category in same if isinstance(category.get("id"), int | str)}, found


def _no_category(named: Sequence[dict[str, Any]], skeleton: Skeleton | None) -> str:
    known = SKELETONS.values() if skeleton is None else [skeleton]
    lists = [f"  {category.get('name')}: {_listed(category['keypoints'])}" for category in named]
    found = "\n".join(["found:", *lists]) if lists else "found: no keypoints"
    near = next(((one, category) for one in known for category in named if _alike(one, category["keypoints"])), None)
    if near:
        one, category = near
        word = f"{category.get('name')}'s keypoints differ from those of {one.name} in spelling only;"
        wanted = f"\n  {one.name}: {_listed(one.joints)}"
    elif skeleton is not None:
        word, wanted = (
            f"no category with the {len(skeleton)} keypoints of {skeleton.name};",
            f"\n  {skeleton.name}: {_listed(skeleton.joints)}",
        )
    else:
        word, wanted = f"no category with the keypoints of a known skeleton ({', '.join(SKELETONS)});", ""
    way = "Name them in a skeleton file as this one has them, or under [aliases]: --skeleton FILE (docs/skeletons.md)"
    return f"{word} {found}{wanted}\n{way}"


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names))


def _alike(skeleton: Skeleton, names: Iterable[Any]) -> bool:
    """The names are the skeleton's but for case and signs."""
    return sorted(map(_bare, skeleton.joints)) == sorted(_bare(skeleton.aliases.get(str(n), str(n))) for n in names)


def _bare(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())
