"""Which category of a COCO file is the person's, and what skeleton its keypoints are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noda_synth.data.skeleton import SKELETONS, Skeleton
from noda_synth.errors import NodaError


@dataclass(frozen=True)
class PersonCategories:
    """The categories of a COCO file that are people's.

    Attributes:
        ids: theirs, in the order of the file.
        skeleton: their joints, in the order of the file.
        categories: all of the file, where the people's name the joints even if the file does not.
        notes: what is worth knowing.
    """

    ids: tuple[int | str, ...]
    skeleton: Skeleton
    categories: Sequence[Any]
    notes: tuple[str, ...] = ()


def person_categories(
    categories: Sequence[Any],
    skeleton: Skeleton | None,
    path: Path,
    joint_counts: Callable[[], Mapping[int | str, set[int]]],
) -> PersonCategories:
    """The categories with the keypoints of a skeleton.

    A skeleton that is given is enough for categories that name no keypoints, or more or fewer than their annotations
    have, if the annotations have as many as it.

    Args:
        categories: of the file.
        skeleton: the one to look for; without it, one of the shipped.
        path: the file, for messages.
        joint_counts: tells the numbers of joints in the annotations of each category id; asked where names fail.

    Raises:
        NodaError: no category has these joints, or they could be those of two shipped skeletons.
    """
    named = [c for c in categories if isinstance(c, dict) and isinstance(c.get("keypoints"), list) and c["keypoints"]]
    known = SKELETONS.values() if skeleton is None else [skeleton]
    fitting = [(fit, category) for one in known for category in named if (fit := one.ordered_as(category["keypoints"]))]
    # The same joints in the order that a skeleton states speak for it.
    fitting = [pair for pair in fitting if pair[0] in known] or fitting
    if not fitting:
        return _by_count(categories, skeleton, path, joint_counts())
    found, first = fitting[0]
    if others := [other.name for other, category in fitting[1:] if category is first]:
        raise NodaError(
            f"its keypoints could be those of {found.name} or {others[0]}, in the order of neither; "
            f"say which with --skeleton {found.name} or --skeleton {others[0]}.",
            path,
        )
    same = [category for category in named if category["keypoints"] == first["keypoints"]]
    return PersonCategories(_ids(same), found, categories)


def _by_count(
    categories: Sequence[Any], skeleton: Skeleton | None, path: Path, counts: Mapping[int | str, set[int]]
) -> PersonCategories:
    """The categories whose names are no help, by the number of joints that their annotations have."""
    unnamed: dict[int | str, int] = {}
    for category in categories:
        if isinstance(category, dict) and isinstance(number := category.get("id"), int | str):
            (count, *more) = counts.get(number, set()) or (0,)
            if count and not more and len(_names(category)) != count:
                unnamed[number] = count
    fitting = {number for number, count in unnamed.items() if skeleton is not None and count == len(skeleton)}
    if skeleton is None or not fitting:
        named = [category for category in categories if isinstance(category, dict) and _names(category)]
        raise NodaError(_no_category(named, skeleton, sorted(set(unnamed.values()))), path)
    first = next(category for category in categories if isinstance(category, dict) and category.get("id") in fitting)
    # Of more names than joints the first ones may be the joints, in an order of their own.
    found = skeleton.ordered_as(_names(first)[: len(skeleton)]) or skeleton
    same = [c for c in categories if isinstance(c, dict) and c.get("id") in fitting and _names(c) == _names(first)]
    stated = {"keypoints": list(found.joints), "skeleton": [[a + 1, b + 1] for a, b in found.limb_indices]}
    note = (
        f"category {first.get('name')!r} names {len(_names(first)) or 'no'} keypoints, its annotations have "
        f"{len(found)}: read as those of {found.name}, as --skeleton says"
    )
    named_now = [{**category, **stated} if category in same else category for category in categories]
    return PersonCategories(_ids(same), found, named_now, (note,))


def _ids(categories: Iterable[Mapping[str, Any]]) -> tuple[int | str, ...]:
    ids = (category.get("id") for category in categories)
    return tuple(dict.fromkeys(number for number in ids if isinstance(number, int | str)))


def _names(category: Mapping[str, Any]) -> list[Any]:
    names = category.get("keypoints")
    return names if isinstance(names, list) else []


def _no_category(named: Sequence[dict[str, Any]], skeleton: Skeleton | None, unnamed: Sequence[int]) -> str:
    """The message; `unnamed` are the numbers of joints in annotations of categories whose names do not fit them."""
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
    if unnamed:
        fitting = [name for name, one in SKELETONS.items() if len(one) in unnamed]
        joints = " or ".join(map(str, unnamed))
        examples = f" (--skeleton {fitting[0]}, if they are its joints)" if fitting else ""
        way = (
            f"There are annotations with {joints} joints, which their category does not name. Say which they are with "
            f"--skeleton FILE, that of as many joints or its name{examples}, or put the names into the category."
        )
    return f"{word} {found}{wanted}\n{way}"


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names))


def _alike(skeleton: Skeleton, names: Iterable[Any]) -> bool:
    """The names are the skeleton's but for case and signs."""
    return sorted(map(_bare, skeleton.joints)) == sorted(_bare(skeleton.aliases.get(str(n), str(n))) for n in names)


def _bare(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())
