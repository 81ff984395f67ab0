"""NODA (Chen, He, Dai): a body of the pool pasted over the limbs of another person; the rules are in `placement`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import NodaError
from noda_synth.imaging.bars import REDUCTION, frame_of_reduced
from noda_synth.imaging.compositing import COVERING, Overlay, alpha_at, fused_colours, resize_crop
from noda_synth.imaging.fingerprint import SAME_SCENE, differing_bits, fingerprint
from noda_synth.imaging.images import BGRImage
from noda_synth.imaging.tone import tone
from noda_synth.methods.bodies import BodyMethod
from noda_synth.methods.ground import GroundBodies, GroundTarget, draw_on_ground, draw_without_ground
from noda_synth.methods.pieces import combine
from noda_synth.methods.placement import (
    Occluders,
    Placement,
    TargetPerson,
    draw_placement,
    mirror_image,
    overlay_alpha,
)
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.layout import NO_VIDEO

_FUSION_RADIUS = 0.08
"""S that the colours of a matte's rim are looked for around it."""


class Noda(BodyMethod[PlacementSettings, Placement]):
    settings_type, placement_type = PlacementSettings, Placement
    sees_others = pastes_people = True

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

    @cached_property
    def looks(self) -> NDArray[np.uint8]:
        return self.pool.looks()

    @cached_property
    def videos(self) -> NDArray[np.int64]:
        return self.pool.videos()

    def counts(self) -> dict[str, int]:
        return {"bodies": len(self.occluders.rows), "pool_bodies": len(self.pool)}

    def subject(
        self, person: Person, skeleton: Skeleton, size: tuple[int, int], others: Sequence[Person] = ()
    ) -> TargetPerson:
        if self.settings.place != "ground":
            return TargetPerson(person, skeleton, size, self.settings)
        return GroundTarget(person, skeleton, size, self.settings, others)

    def look(self, subject: TargetPerson, reduced: Callable[[], BGRImage]) -> None:
        """Tone, frame and scene of the target's picture: from the pool, or for who is not in it from the file."""
        if not isinstance(subject, GroundTarget):
            return
        if (row := self._row_of(subject.person)) is not None:
            subject.see(self.tones[row], self.frames[row])
            subject.same_scene = self._of_scene(self.looks[row].tobytes(), int(self.videos[row]))
            return
        picture, box = reduced(), subject.box
        rows = slice(box.top // REDUCTION, -(-(box.top + box.height) // REDUCTION))
        columns = slice(box.left // REDUCTION, -(-(box.left + box.width) // REDUCTION))
        subject.see(tone(picture[rows, columns]), frame_of_reduced(picture, subject.size))
        subject.same_scene = self._of_scene(fingerprint(picture), NO_VIDEO)

    def _of_scene(self, look: bytes, video: int) -> frozenset[int]:
        """The bodies that are frames of the same video, or look so: beside another picture of themselves they show."""
        same = differing_bits(look, self.looks) <= SAME_SCENE
        if video != NO_VIDEO:
            same |= self.videos == video
        return frozenset(np.flatnonzero(same).tolist())

    def draw(self, subject: TargetPerson, rng: np.random.Generator) -> tuple[Placement | None, str]:
        return self.draw_beside(subject, rng, ())

    def draw_beside(
        self, subject: TargetPerson, rng: np.random.Generator, spent: Collection[int]
    ) -> tuple[Placement | None, str]:
        if self.settings.bodies == (1, 1):
            return self._draw_one(subject, rng, spent)
        return self._draw_several(subject, rng, spent)

    def _draw_one(
        self, subject: TargetPerson, rng: np.random.Generator, spent: Collection[int]
    ) -> tuple[Placement | None, str]:
        if not isinstance(subject, GroundTarget):
            return draw_placement(subject, self.occluders, self.settings, rng, spent)
        spent = subject.same_scene.union(spent)
        if subject.ground:
            return draw_on_ground(subject, self.occluders, self.bodies, self.settings, rng, spent)
        if self.settings.no_ground == "skip":
            return None, "stands on no ground"
        return draw_without_ground(subject, self.occluders, self.settings, rng, spent)

    def _draw_several(
        self, subject: TargetPerson, rng: np.random.Generator, spent: Collection[int]
    ) -> tuple[Placement | None, str]:
        """Bodies that keep all rules each and together; on the ground the nearer ones over those farther away."""
        least, most = self.settings.bodies
        found: list[Placement] = []
        reason = ""
        for _ in range(int(rng.integers(least, most + 1))):
            used = {*spent, *(placement.body for placement in found)}
            placement, reason = self._draw_one(subject, rng, used)
            if placement is None:
                break
            together = sorted([*found, placement], key=lambda one: one.drop or 0.0)
            if len(together) > 1 and not self._keeps_rules(subject, _as_one(together)):
                reason = "the bodies together cover too much"
                break
            found = together
        return (None, reason) if len(found) < least else (_as_one(found), "")

    def _keeps_rules(self, subject: TargetPerson, placement: Placement) -> bool:
        """Whether head and neck stay free under all bodies: two edges over each other may cover what neither does."""
        overlay = self.overlay(placement)
        free = alpha_at(overlay.alpha, subject.free_points, overlay.left, overlay.top) < COVERING
        most = self.settings.max_covered
        return bool(free.all()) and (most is None or int(subject.under(overlay).sum()) <= most)

    def overlay(self, placement: Placement) -> Overlay:
        if placement.more:
            return combine((self.overlay(one), None) for one in placement.each)[0]
        size = (placement.width, placement.height)
        alpha = overlay_alpha(
            self.pool, placement.body, placement.level, size, self.settings.smooth, mirrored=placement.mirrored
        )
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
        if placement.more:
            layers = [(one, self.overlay(one)) for one in placement.each]
            mixed = combine((own, self.colours(one, own, picture)) for one, own in layers)[1]
            assert mixed is not None
            return mixed
        colours = resize_crop(self.pool.crop(placement.body), (placement.width, placement.height))
        if placement.mirrored:
            colours = mirror_image(colours)
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
        images, persons = self.pool.images, self.pool.persons
        first, *more = ({"source": images[one.body], "person": persons[one.body]} for one in placement.each)
        return {**first, "more": more} if more else first

    def pasted_people(self, placement: Placement) -> list[tuple[Person, Overlay]]:
        return [(self._pasted(one), self.overlay(one)) for one in placement.each]

    def _pasted(self, placement: Placement) -> Person:
        pool, body = self.pool, placement.body
        joints = placement.to_picture(pool.joints[body], pool.size[body])
        order = list(pool.skeleton.flip_order if placement.mirrored else range(len(pool.skeleton)))
        scale = float(pool.scale[body] * placement.scale / pool.factor[body].mean())
        return Person(
            pool.images[body],
            pool.persons[body],
            joints[order],
            pool.labelled[body][order],
            pool.visible[body][order],
            scale=None if np.isnan(scale) else round(scale, 6),
        )

    @classmethod
    def placement_of(cls, record: Mapping[str, Any]) -> Placement:
        more = record.get("more", ())
        if not isinstance(more, list | tuple) or not all(isinstance(one, Mapping) for one in more):
            raise NodaError("the placement is not as render wrote it: `more` is no list of placements")
        one = super().placement_of({**record, "more": ()})
        return replace(one, more=tuple(map(cls.placement_of, more))) if more else one


def _as_one(placements: Sequence[Placement]) -> Placement:
    return replace(placements[0], more=tuple(placements[1:]))
