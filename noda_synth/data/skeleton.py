"""Skeletons: the joints of a data set, and what is true of them.

Everything that depends on which joints a data set marks is stated once, in a TOML file: names, limbs, left-right pairs,
the joints that must never be covered, the limb joints that may be, the groups (columns) of result tables. Four files
lie in `skeletons/`; docs/skeletons.md describes them key by key for those who write another.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.skeleton_checks import skeleton_attributes
from noda_synth.errors import NodaError

Anchor = tuple[str, ...]


@dataclass(frozen=True)
class Skeleton:
    """The joints of a data set, in its order. Two are equal if all is but the last two attributes: how files are read.

    An *anchor* is a tuple of joint names and stands for the mean of those joints; segments run from anchor to anchor.
    Lengths and widths are in body sizes S (`noda_synth.data.pose`).

    Attributes:
        name: short name, as stored in pools.
        joints: joint names in the order of the files.
        limbs: pairs of joint names that are connected by a bone; drawn, and sure foreground for GrabCut.
        flips: (right, left) pairs of joint names that change places when an image is mirrored.
        protected: joints that a pasted body never covers.
        protected_needed: how many of the protected joints have to be labelled before a person can be a target.
        protected_segments: pairs of anchors; the whole line between them is kept free as well.
        coverable: the limb joints, of which a pasted body has to cover at least one (paper, section III-B, rule 2).
        groups: column of result tables -> joint names.
        widths: for each limb its widths at both ends, or None; for limbs whose joints the anatomy does not know.
        lengths: for each limb its length when seen at full length, or None.
        sigmas: for each joint the sigma of OKS (COCO's keypoint evaluation), or None if nobody has stated them.
        visibility_unstated: joints whose v = 1 in COCO files says no more than that they are labelled.
        aliases: other name of a joint in annotation files -> its name here.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    flips: tuple[tuple[str, str], ...]
    protected: tuple[str, ...]
    protected_needed: int
    protected_segments: tuple[tuple[Anchor, Anchor], ...]
    coverable: tuple[str, ...]
    groups: dict[str, tuple[str, ...]] = field(hash=False)
    widths: tuple[tuple[float, float] | None, ...]
    lengths: tuple[float | None, ...]
    sigmas: tuple[float, ...] | None = None
    visibility_unstated: tuple[str, ...] = field(default=(), compare=False)
    aliases: dict[str, str] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def index(self) -> dict[str, int]:
        """Joint name -> position in the files, 0-based."""
        return {joint: position for position, joint in enumerate(self.joints)}

    def indices(self, *joints: str) -> list[int]:
        """The positions of the named joints, leaving out those that this skeleton does not have."""
        return [self.index[joint] for joint in joints if joint in self.index]

    def flags(self, joints: Iterable[str]) -> NDArray[np.bool_]:
        """(J,) bool, true for the named joints; those that this skeleton does not have are left out."""
        flags = np.zeros(len(self), np.bool_)
        flags[self.indices(*joints)] = True
        return flags

    def named(self, flags: NDArray[np.bool_]) -> list[str]:
        """The names of the joints whose flag, of (J,), is true, in the order of the skeleton."""
        return [joint for joint, flag in zip(self.joints, flags, strict=True) if flag]

    @property
    def limb_indices(self) -> list[tuple[int, int]]:
        return [(self.index[a], self.index[b]) for a, b in self.limbs]

    @property
    def flip_indices(self) -> list[tuple[int, int]]:
        return [(self.index[a], self.index[b]) for a, b in self.flips]

    @cached_property
    def flip_order(self) -> tuple[int, ...]:
        """For each joint the one that takes its place in a mirrored picture."""
        order = list(range(len(self)))
        for a, b in self.flip_indices:
            order[a], order[b] = b, a
        return tuple(order)

    def ordered_as(self, names: Iterable[Any]) -> Skeleton | None:
        """This skeleton in the order of a list of names or aliases; None if these are not its joints."""
        joints = tuple(self.aliases.get(str(name), str(name)) for name in names)
        if joints == self.joints:
            return self
        if len(joints) != len(self.joints) or set(joints) != set(self.joints):
            return None
        sigmas = None if self.sigmas is None else tuple(self.sigmas[self.index[joint]] for joint in joints)
        return replace(self, joints=joints, sigmas=sigmas)


def skeleton_of(content: Mapping[str, Any], where: str) -> Skeleton:
    """The skeleton of a TOML file's content. Raises NodaError that names `where`, the key and the way out."""
    return Skeleton(**skeleton_attributes(content, where))


def load_skeleton(path: Path) -> Skeleton:
    """Read a skeleton file. Raises NodaError that names the file, the key and the way out."""
    if path.exists() and not path.is_file():
        raise NodaError(f"{path} is no file; docs/skeletons.md shows a skeleton file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no TOML: {error}"
        raise NodaError(f"{path} cannot be read as a skeleton file ({reason}); docs/skeletons.md shows one") from error
    return skeleton_of(content, str(path))


def skeleton_file(named: str) -> Path:
    """The file that is meant by a path, or by the name of a skeleton that is shipped. Raises NodaError."""
    path = Path(named)
    if named in SKELETONS and not path.exists():
        return _FOLDER / f"{named}.toml"
    if not path.is_file():
        raise NodaError(f"{named}: no such skeleton file, and no skeleton that is shipped: {', '.join(SKELETONS)}")
    return path


def definition(skeleton: Skeleton) -> dict[str, Any]:
    """All of a skeleton but how files are read, as plain data that `skeleton_of` takes back."""
    limbs = [
        {"joints": list(limb), **({"width": list(width)} if width else {}), **({"length": length} if length else {})}
        for limb, width, length in zip(skeleton.limbs, skeleton.widths, skeleton.lengths, strict=True)
    ]
    sigmas = {} if skeleton.sigmas is None else dict(zip(skeleton.joints, skeleton.sigmas, strict=True))
    return {
        "name": skeleton.name,
        "joints": list(skeleton.joints),
        "limbs": limbs,
        "flips": [list(pair) for pair in skeleton.flips],
        "limb_joints": list(skeleton.coverable),
        "protected": list(skeleton.protected),
        "protected_needed": skeleton.protected_needed,
        "protected_segments": [[list(anchor) for anchor in segment] for segment in skeleton.protected_segments],
        "groups": {name: list(joints) for name, joints in skeleton.groups.items()},
        "sigmas": sigmas,
    }


def differences(one: Skeleton, other: Skeleton) -> list[str]:
    """The keys in which two skeletons differ; "order" where their joints are the same in another order."""
    ours, theirs = definition(one), definition(other)
    keys = [key for key in ours if ours[key] != theirs[key]]
    return ["order of joints"] if keys == ["joints"] and set(one.joints) == set(other.joints) else keys


def _shipped(names: Iterable[str]) -> dict[str, Skeleton]:
    return {name: load_skeleton(_FOLDER / f"{name}.toml") for name in names}


_FOLDER = Path(__file__).with_name("skeletons")
SKELETONS = _shipped(("mpii16", "coco17", "crowdpose14", "lsp14"))
MPII, COCO = SKELETONS["mpii16"], SKELETONS["coco17"]
