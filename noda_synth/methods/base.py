"""What a method of occlusion is: it draws where to occlude from annotations alone, and later says with which pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.geometry import inside, joint_box, padded_box, stated_box, usable_joints
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_synth.imaging.compositing import COVERING, Overlay, alpha_at
from noda_synth.imaging.images import BGRImage
from noda_synth.methods import Sources

SettingsT = TypeVar("SettingsT")
PlacementT = TypeVar("PlacementT")


class Subject:
    """A person to be occluded, as every method sees them.

    Attributes:
        person: the person.
        skeleton: the joints.
        size: (width, height) of the image.
        others: the other people of the image, for methods that say that they look at them.
        usable, inside: (J,) bool, joints that may be relied on, and those of them in the image.
        reason: why the person cannot be occluded, or an empty string.
    """

    def __init__(
        self, person: Person, skeleton: Skeleton, size: tuple[int, int], others: Sequence[Person] = ()
    ) -> None:
        self.person, self.skeleton, self.size, self.others = person, skeleton, size, others
        self.usable = usable_joints(person, size)
        self.inside = self.usable & inside(person.joints, size)
        self.reason = ""
        if person.duplicate:
            self.reason = "duplicate record"
        elif self.inside.sum() < 2:
            self.reason = "fewer than two joints inside the image"

    @cached_property
    def joint_box(self) -> NDArray[np.float64]:
        """x1, y1, x2, y2 of the joints inside the image, (4,) float64."""
        return joint_box(self.person.joints[self.inside])

    @cached_property
    def box(self) -> Box:
        """The person's box in whole pixels: the input's, or that of the joints with a margin, cut at the frame."""
        stated = stated_box(self.person.record)
        if stated:
            x, y, width, height = stated
            corners = np.array([x, y, x + width, y + height], np.float64)
        else:
            corners = padded_box(self.person.joints[self.inside], self.size)
        frame = np.array(self.size)
        left, top = (int(value) for value in np.clip(np.floor(corners[:2]), 0, frame - 1))
        right, bottom = (int(value) for value in np.clip(np.ceil(corners[2:]), (left + 1, top + 1), frame))
        return Box(left, top, right - left, bottom - top)

    def under(self, overlay: Overlay | None) -> NDArray[np.bool_]:
        """(J,) bool: labelled joints inside the image that the overlay covers."""
        if overlay is None:
            return np.zeros_like(self.inside)
        return self.covered(overlay.alpha, overlay.left, overlay.top)

    def covered(self, alpha: NDArray[np.uint8], left: Any, top: Any) -> NDArray[np.bool_]:
        """(J,) or (K, J) bool: labelled joints inside the image that lie under an overlay."""
        return np.asarray((alpha_at(alpha, self.person.joints, left, top) >= COVERING) & self.inside)


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels of the picture."""

    left: int
    top: int
    width: int
    height: int

    @property
    def side(self) -> float:
        """Side of the square with the same area.

        The papers on information dropping work on square pictures; their lengths are taken as shares of this one.
        """
        return float(np.sqrt(self.width * self.height))


class Method(ABC, Generic[SettingsT, PlacementT]):
    """A way to occlude people.

    A placement is a frozen dataclass of plain values. It is drawn without a look at any pixel beyond `look`, goes into
    the manifest, and together with the sources it is all that is needed to make overlay and colours again.

    Attributes:
        settings_type: frozen dataclass of the method's parameters, the paper's as defaults.
        placement_type: frozen dataclass of what is drawn.
        takes: the sources it cannot do without: "pool", "objects".
        sees_others: it is given the other people of the image, too.
        pastes_people: it has `pasted_people`.
    """

    settings_type: ClassVar[type[Any]]
    placement_type: ClassVar[type[Any]]
    takes: ClassVar[frozenset[str]] = frozenset()
    sees_others: ClassVar[bool] = False
    pastes_people: ClassVar[bool] = False

    def __init__(self, settings: SettingsT, sources: Sources) -> None:
        self.settings = settings
        self.sources = sources

    def check(self, dataset: Dataset) -> None:
        """Raises NodaError where the sources are damaged, or do not fit the data set."""

    def check_unchanged(self) -> None:
        """Raises NodaError where a source that is open was written to since it was opened."""

    def source_hashes(self) -> dict[str, str]:
        """Name of a source -> hash of its content, for manifest, settings and replay."""
        return {}

    def counts(self) -> dict[str, int]:
        """What there is to draw from, for report.json."""
        return {}

    def subject(
        self, person: Person, skeleton: Skeleton, size: tuple[int, int], others: Sequence[Person] = ()
    ) -> Subject:
        """The person as this method sees them; its `reason` says why not."""
        return Subject(person, skeleton, size, others)

    def look(self, subject: Any, reduced: Callable[[], BGRImage]) -> None:
        """Take from the picture what the draw depends on; most methods draw from annotations alone.

        Args:
            subject: the person.
            reduced: gives the picture, reduced by `imaging.bars.REDUCTION`; only called where it is needed.

        Raises:
            ItemError: the picture cannot be read.
        """

    @abstractmethod
    def draw(self, subject: Any, rng: np.random.Generator) -> tuple[PlacementT | None, str]:
        """A placement, or None and the reason."""

    def draw_beside(
        self, subject: Any, rng: np.random.Generator, spent: Collection[int]
    ) -> tuple[PlacementT | None, str]:
        """The same without the bodies that are used up, for methods with a setting `reuse`."""
        return self.draw(subject, rng)

    @abstractmethod
    def overlay(self, placement: PlacementT) -> Overlay | None:
        """What covers the picture, known without it; None where nothing does."""

    @abstractmethod
    def colours(self, placement: PlacementT, overlay: Overlay, picture: BGRImage) -> BGRImage:
        """The overlay's colours, (h, w, 3) uint8, for a picture that is not occluded yet."""

    def occluder(self, placement: PlacementT) -> dict[str, Any] | None:
        """Whose body or which objects are pasted, for the manifest; None where it is neither."""
        return None

    def pasted_people(self, placement: PlacementT) -> Sequence[tuple[Person, Overlay]]:
        """The whole people that are pasted, each over those before, with what is seen of each."""
        return ()

    def pasted_bodies(self, placement: PlacementT) -> Sequence[Person]:
        """Those of `pasted_people` alone: joints in 0-based pixels of the picture."""
        return ()

    @classmethod
    def sources_of(cls, record: Mapping[str, Any]) -> frozenset[str]:  # noqa: ARG003
        """The sources that the placement of a manifest's record takes."""
        return cls.takes

    @classmethod
    def placement_of(cls, record: Mapping[str, Any]) -> PlacementT:
        """The placement that a manifest's record holds. Raises NodaError for one of another kind."""
        try:
            placement: PlacementT = cls.placement_type(**record)
        except TypeError:
            raise NodaError("the placement is not as render wrote it: it lacks keys, or has others") from None
        return placement
