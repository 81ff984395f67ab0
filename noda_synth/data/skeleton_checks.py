"""The rules for a skeleton file: its content becomes the attributes of a `Skeleton`, or an error names the key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from noda_synth.errors import NodaError

_REQUIRED = ("name", "joints", "limbs", "limb_joints", "protected")
_OPTIONAL = (
    "flips", "protected_needed", "protected_segments", "groups", "sigmas", "visibility_unstated", "aliases",
)  # fmt: skip
_LARGEST = 3.0
"""No limb of a body is wider or longer, in body sizes S, which is about the length of the torso."""


def skeleton_attributes(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The attributes of a Skeleton from the content of its file.

    Args:
        content: the file's keys, as TOML or JSON gives them.
        where: the file's name, for messages.

    Raises:
        NodaError: with the file, the key, what is wrong and what would be right.
    """
    return _Checks(content, where).attributes()


class _Checks:
    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        self.content, self.where = content, where
        if not isinstance(content, Mapping):
            raise NodaError(f"{where}: no keys and values, as a skeleton has them")
        if unknown := [key for key in content if key not in (*_REQUIRED, *_OPTIONAL)]:
            self._fail(unknown[0], f"no such key; there are {', '.join((*_REQUIRED, *_OPTIONAL))}")
        if missing := [key for key in _REQUIRED if key not in content]:
            self._fail(missing[0], "missing; docs/skeletons.md shows a whole file")
        self.joints = self._joints()

    def attributes(self) -> dict[str, Any]:
        name = self.content["name"]
        if not isinstance(name, str) or not name.strip():
            self._fail("name", f"{name!r} is no name; give a short text such as name = 'mine9'")
        limbs, widths, lengths = self._limbs()
        protected = self._names("protected", self.content["protected"])
        limb_joints = self._names("limb_joints", self.content["limb_joints"])
        if both := [joint for joint in limb_joints if joint in protected]:
            self._fail("limb_joints", f"{both[0]!r} is protected, and cannot be covered; take it out of one of them")
        flips = self._flips()
        self._symmetric(dict([*flips, *((left, right) for right, left in flips)]), limbs, protected, limb_joints)
        return {
            "name": name,
            "joints": self.joints,
            "limbs": limbs,
            "flips": flips,
            "protected": protected,
            "protected_needed": self._needed(len(protected)),
            "protected_segments": self._segments(),
            "coverable": limb_joints,
            "groups": self._groups(),
            "widths": widths,
            "lengths": lengths,
            "sigmas": self._sigmas(),
            "visibility_unstated": tuple(
                self._joint("visibility_unstated", joint) for joint in self._list("visibility_unstated")
            ),
            "aliases": self._aliases(),
        }

    def _fail(self, key: str, reason: str) -> NoReturn:
        raise NodaError(f"{self.where}: {key}: {reason}")

    def _joints(self) -> tuple[str, ...]:
        joints = self.content["joints"]
        if not isinstance(joints, list) or len(joints) < 2 or not all(isinstance(j, str) and j for j in joints):
            self._fail("joints", "two names or more are needed, in the order of the annotation files")
        if twice := _repeated(joints):
            self._fail("joints", f"{twice!r} stands there twice; every joint needs a name of its own")
        return tuple(joints)

    def _joint(self, key: str, joint: Any) -> str:
        if joint not in self.joints:
            self._fail(key, f"{joint!r} is no joint; there are {', '.join(self.joints)}")
        name: str = joint
        return name

    def _names(self, key: str, value: Any) -> tuple[str, ...]:
        """A list of joints, each once, at least one."""
        if not isinstance(value, list) or not value:
            self._fail(key, "a list of one joint or more is needed")
        if twice := _repeated(value):
            self._fail(key, f"{twice!r} stands there twice; name it once")
        return tuple(self._joint(key, joint) for joint in value)

    def _list(self, key: str) -> list[Any]:
        value = self.content.get(key, [])
        if not isinstance(value, list):
            self._fail(key, f"a list is needed, not {value!r}")
        return value

    def _table(self, key: str) -> dict[str, Any]:
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            self._fail(key, f"a table is needed, [{key}], not {value!r}")
        return value

    def _limbs(self) -> tuple[tuple[tuple[str, str], ...], tuple[Any, ...], tuple[Any, ...]]:
        """Limbs, their widths, their lengths."""
        found: list[tuple[str, str]] = []
        widths: list[Any] = []
        lengths: list[Any] = []
        for entry in self._list("limbs"):
            limb = entry if isinstance(entry, dict) else {"joints": entry}
            if unknown := [key for key in limb if key not in ("joints", "width", "length")]:
                self._fail("limbs", f"{entry!r}: no such key as {unknown[0]}; there are joints, width and length")
            a, b = self._pair("limbs", limb.get("joints"))
            width = limb.get("width")
            ends = width if isinstance(width, list) else [width, width]
            if width is not None and (len(ends) != 2 or not all(map(_is_measure, ends))):
                self._fail("limbs", f"{a} to {b}: width is a number of body sizes, or two: at {a} and at {b}")
            if "length" in limb and not _is_measure(limb["length"]):
                self._fail("limbs", f"{a} to {b}: length is a number of body sizes")
            found.append((a, b))
            widths.append(None if width is None else tuple(map(float, ends)))
            lengths.append(float(limb["length"]) if "length" in limb else None)
        if twice := _repeated([tuple(sorted(limb)) for limb in found]):
            self._fail("limbs", f"{' to '.join(twice)} stands there twice; name it once")
        return tuple(found), tuple(widths), tuple(lengths)

    def _pair(self, key: str, value: Any) -> tuple[str, str]:
        if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
            self._fail(key, f"{value!r} is no pair of two joints")
        return self._joint(key, value[0]), self._joint(key, value[1])

    def _flips(self) -> tuple[tuple[str, str], ...]:
        pairs = tuple(self._pair("flips", pair) for pair in self._list("flips"))
        if twice := _repeated([joint for pair in pairs for joint in pair]):
            self._fail("flips", f"{twice!r} stands in two pairs; it changes places with one joint only")
        for joint in self.joints:
            other = joint.replace("right", "left", 1)
            if other != joint and other in self.joints and {joint, other} not in map(set, pairs):
                self._fail("flips", f"not symmetric: ['{joint}', '{other}'] is missing")
        return pairs

    def _symmetric(
        self,
        mirrored: Mapping[str, str],
        limbs: Iterable[tuple[str, str]],
        protected: tuple[str, ...],
        limb_joints: tuple[str, ...],
    ) -> None:
        """In a mirrored picture the same has to hold as before."""
        ends = {frozenset(limb) for limb in limbs}
        for a, b in limbs:
            c, d = mirrored.get(a, a), mirrored.get(b, b)
            if frozenset((c, d)) not in ends:
                self._fail("limbs", f"not symmetric: mirrored by flips, {a} to {b} is {c} to {d}, which is missing")
        for key, names in (("protected", protected), ("limb_joints", limb_joints)):
            for joint in names:
                if (other := mirrored.get(joint, joint)) not in names:
                    self._fail(key, f"not symmetric: {joint} is in it, {other} is not, and flips make a pair of them")

    def _needed(self, protected: int) -> int:
        needed = self.content.get("protected_needed", protected)
        if type(needed) is not int or not 0 <= needed <= protected:
            self._fail("protected_needed", f"a whole number from 0 to {protected} is needed, not {needed!r}")
        return needed

    def _segments(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        key = "protected_segments"
        segments = []
        for segment in self._list(key):
            if not isinstance(segment, list) or len(segment) != 2:
                self._fail(key, f"{segment!r} is no pair of ends; an end is a joint, or a list of joints: their mean")
            anchors = [self._names(key, [end] if isinstance(end, str) else end) for end in segment]
            segments.append((anchors[0], anchors[1]))
        return tuple(segments)

    def _groups(self) -> dict[str, tuple[str, ...]]:
        """The columns of tables; without any, every joint is one."""
        groups = self._table("groups") or {joint: [joint] for joint in self.joints}
        return {name: self._names(f"groups.{name}", joints) for name, joints in groups.items()}

    def _sigmas(self) -> tuple[float, ...] | None:
        sigmas = self._table("sigmas")
        if not sigmas:
            return None
        for joint, sigma in sigmas.items():
            self._joint("sigmas", joint)
            if not _is_measure(sigma):
                self._fail("sigmas", f"{joint}: {sigma!r} is no sigma; COCO's lie between 0.025 and 0.107")
        if missing := [joint for joint in self.joints if joint not in sigmas]:
            self._fail("sigmas", f"{missing[0]} has none; state one for every joint, or none at all")
        return tuple(float(sigmas[joint]) for joint in self.joints)

    def _aliases(self) -> dict[str, str]:
        aliases = self._table("aliases")
        for alias, joint in aliases.items():
            self._joint("aliases", joint)
            if alias in self.joints:
                self._fail("aliases", f"{alias!r} is a joint itself; an alias is another name of a joint")
        return dict(aliases)


def _is_measure(value: Any) -> bool:
    """A finite number above zero, of a size that a body can have."""
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= _LARGEST


def _repeated(values: list[Any]) -> Any:
    """The first value that stands in a list twice, or None."""
    return next((value for index, value in enumerate(values) if value in values[:index]), None)
