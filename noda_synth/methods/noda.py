"""NODA (Chen, He, Dai): a body of the pool pasted over the limbs of another person; the rules are in `placement`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.imaging.bars import REDUCTION, frame_of_reduced
from noda_synth.imaging.compositing import Overlay, fused_colours, resize_crop
from noda_synth.imaging.images import BGRImage
from noda_synth.imaging.tone import tone
from noda_synth.methods.bodies import BodyMethod
from noda_synth.methods.ground import GroundBodies, GroundTarget, draw_on_ground, draw_without_ground
from noda_synth.methods.placement import Occluders, Placement, TargetPerson, draw_placement, overlay_alpha
from noda_synth.methods.placement_settings import PlacementSettings

_FUSION_RADIUS = 0.08
"""S that the colours of a matte's rim are looked for around it."""


class Noda(BodyMethod[PlacementSettings, Placement]):
    settings_type, placement_type = PlacementSettings, Placement
    sees_others = True

    @cached_property
    def occluders(self) -> Occluders:
        return Occluders(self.pool, self.settings)

    @cached_property
    def bodies(self) -> GroundBodies:
        return GroundBodies(self.occluders)

    @cached_property
    def tones(self) -> NDArray[np.float64]:
        return self.pool.tones()

    @cached_property
    def frames(self) -> NDArray[np.int32]:
        return self.pool.frames()

    def counts(self) -> dict[str, int]:
        return {"bodies": len(self.occluders.rows), "pool_bodies": len(self.pool)}

    def subject(
        self, person: Person, skeleton: Skeleton, size: tuple[int, int], others: Sequence[Person] = ()
    ) -> TargetPerson:
        if self.settings.place != "ground":
            return TargetPerson(person, skeleton, size, self.settings)
        return GroundTarget(person, skeleton, size, self.settings, others)

    def look(self, subject: TargetPerson, reduced: Callable[[], BGRImage]) -> None:
        """Tone and frame of the target's picture: from the pool, or for who is not in it from the reduced file."""
        if not isinstance(subject, GroundTarget):
            return
        if (row := self._row_of(subject.person)) is not None:
            subject.see(self.tones[row], self.frames[row])
            return
        picture, box = reduced(), subject.box
        rows = slice(box.top // REDUCTION, -(-(box.top + box.height) // REDUCTION))
        columns = slice(box.left // REDUCTION, -(-(box.left + box.width) // REDUCTION))
        subject.see(tone(picture[rows, columns]), frame_of_reduced(picture, subject.size))

    def draw(self, subject: TargetPerson, rng: np.random.Generator) -> tuple[Placement | None, str]:
        return self.draw_beside(subject, rng, ())

    def draw_beside(
        self, subject: TargetPerson, rng: np.random.Generator, spent: Collection[int]
    ) -> tuple[Placement | None, str]:
        if not isinstance(subject, GroundTarget):
            return draw_placement(subject, self.occluders, self.settings, rng, spent)
        if subject.ground:
            return draw_on_ground(subject, self.occluders, self.bodies, self.settings, rng, spent)
        if self.settings.no_ground == "skip":
            return None, "stands on no ground"
        return draw_without_ground(subject, self.occluders, self.settings, rng, spent)

    def overlay(self, placement: Placement) -> Overlay:
        size = (placement.width, placement.height)
        alpha = overlay_alpha(self.pool, placement.body, placement.level, size, self.settings.smooth)
        if placement.frame is not None:
            left, top, right, bottom = placement.frame
            shown = np.zeros_like(alpha)
            within = (
                slice(max(0, top - placement.top), max(0, bottom - placement.top)),
                slice(max(0, left - placement.left), max(0, right - placement.left)),
            )
            shown[within] = alpha[within]
            alpha = shown
        return Overlay(alpha, placement.left, placement.top)

    def colours(self, placement: Placement, overlay: Overlay, picture: BGRImage) -> BGRImage:
        colours = resize_crop(self.pool.crop(placement.body), (placement.width, placement.height))
        if self.settings.smooth == "matte":
            radius = max(2, round(_FUSION_RADIUS * float(self.sizes[placement.body]) * placement.scale))
            colours = fused_colours(colours, overlay.alpha, radius)
        if placement.grey:
            colours = np.asarray(cv2.cvtColor(cv2.cvtColor(colours, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
        return colours

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """(N,) float64: the bodies' sizes S, in pixels of their crops."""
        return self.pool.stances()[:, 0]

    def _row_of(self, person: Person) -> int | None:
        """The row of a person in the pool, if it was built from this data set: other sets may have the same ids."""
        row, pool = self.pool.row_of(person.person_id), self.pool
        if row is None or pool.images[row] != person.image:
            return None
        own = (pool.joints[row] + 0.5) / pool.factor[row] + pool.origin[row] - 0.5
        known = pool.labelled[row]
        return row if np.abs(own - person.joints)[known].max(initial=0.0) < 1 else None

    def occluder(self, placement: Placement) -> dict[str, Any]:
        return {"source": self.pool.images[placement.body], "person": self.pool.persons[placement.body]}

    def pasted_person(self, placement: Placement) -> Person:
        pool, body = self.pool, placement.body
        joints = placement.to_picture(pool.joints[body], pool.size[body])
        return Person(pool.images[body], pool.persons[body], joints, pool.labelled[body], pool.visible[body])
