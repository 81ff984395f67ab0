"""NODA (Chen, He, Dai): a body of the pool pasted over the limbs of another person; the rules are in `placement`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.imaging.compositing import Overlay, fused_colours, resize_crop
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.bodies import BodyMethod
from noda_synth.methods.ground import GroundBodies, GroundTarget, draw_on_ground
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

    def counts(self) -> dict[str, int]:
        return {"bodies": len(self.occluders.rows), "pool_bodies": len(self.pool)}

    def subject(
        self, person: Person, skeleton: Skeleton, size: tuple[int, int], others: Sequence[Person] = ()
    ) -> TargetPerson:
        if self.settings.place != "ground":
            return TargetPerson(person, skeleton, size, self.settings)
        target = GroundTarget(person, skeleton, size, self.settings, others)
        if (row := self.pool.row_of(person.person_id)) is not None:
            target.tone = self.tones[row]
        return target

    def draw(self, subject: TargetPerson, rng: np.random.Generator) -> tuple[Placement | None, str]:
        if isinstance(subject, GroundTarget):
            if subject.ground:
                return draw_on_ground(subject, self.occluders, self.bodies, self.settings, rng)
            if self.settings.no_ground == "skip":
                return None, "stands on no ground"
        return draw_placement(subject, self.occluders, self.settings, rng)

    def overlay(self, placement: Placement) -> Overlay:
        size = (placement.width, placement.height)
        alpha = overlay_alpha(self.pool, placement.body, placement.level, size, self.settings.smooth)
        return Overlay(alpha, placement.left, placement.top)

    def colours(self, placement: Placement, overlay: Overlay, picture: BGRImage) -> BGRImage:
        crop = self.pool.crop(placement.body)
        if self.settings.smooth == "matte":
            radius = max(2, round(_FUSION_RADIUS * float(self.sizes[placement.body])))
            crop = fused_colours(crop, self.pool.opacity(placement.body, placement.level), radius)
        return resize_crop(crop, (placement.width, placement.height))

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """(N,) float64: the bodies' sizes S, in pixels of their crops."""
        return self.pool.stances()[:, 0]

    def occluder(self, placement: Placement) -> dict[str, Any]:
        return {"source": self.pool.images[placement.body], "person": self.pool.persons[placement.body]}

    def pasted_person(self, placement: Placement) -> Person:
        pool, body = self.pool, placement.body
        joints = placement.to_picture(pool.joints[body], pool.size[body])
        return Person(pool.images[body], pool.persons[body], joints, pool.labelled[body], pool.visible[body])
