"""NODA (Chen, He, Dai): a body of the pool pasted over the limbs of another person; the rules are in `placement`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.imaging.compositing import Overlay, resize_crop, rim_colours
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.bodies import BodyMethod
from noda_synth.methods.placement import Occluders, Placement, TargetPerson, draw_placement, overlay_alpha
from noda_synth.methods.placement_settings import PlacementSettings


class Noda(BodyMethod[PlacementSettings, Placement]):
    settings_type, placement_type = PlacementSettings, Placement

    @cached_property
    def occluders(self) -> Occluders:
        return Occluders(self.pool, self.settings)

    def counts(self) -> dict[str, int]:
        return {"bodies": len(self.occluders.rows), "pool_bodies": len(self.pool)}

    def subject(
        self, person: Person, skeleton: Skeleton, size: tuple[int, int], others: Sequence[Person] = ()
    ) -> TargetPerson:
        return TargetPerson(person, skeleton, size, self.settings)

    def draw(self, subject: TargetPerson, rng: np.random.Generator) -> tuple[Placement | None, str]:
        return draw_placement(subject, self.occluders, self.settings, rng)

    def overlay(self, placement: Placement) -> Overlay:
        size = (placement.width, placement.height)
        alpha = overlay_alpha(self.pool, placement.body, placement.level, size, self.settings.smooth)
        return Overlay(alpha, placement.left, placement.top)

    def colours(self, placement: Placement, overlay: Overlay, picture: BGRImage) -> BGRImage:
        colours = resize_crop(self.pool.crop(placement.body), (placement.width, placement.height))
        return rim_colours(colours, overlay.alpha) if self.settings.smooth == "matte" else colours

    def occluder(self, placement: Placement) -> dict[str, Any]:
        return {"source": self.pool.images[placement.body], "person": self.pool.persons[placement.body]}

    def pasted_person(self, placement: Placement) -> Person:
        pool, body = self.pool, placement.body
        joints = placement.to_picture(pool.joints[body], pool.size[body])
        return Person(pool.images[body], pool.persons[body], joints, pool.labelled[body], pool.visible[body])
