"""NODA (Chen, He, Dai): a body of the pool pasted over the limbs of another person; the rules are in `placement`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.dataset import Dataset, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError
from noda_synth.imaging.bars import REDUCTION, frame_of_reduced
from noda_synth.imaging.compositing import Overlay, fused_colours, resize_crop
from noda_synth.imaging.fingerprint import SAME_SCENE, differing_bits, fingerprint
from noda_synth.imaging.images import BGRImage
from noda_synth.imaging.tone import tone
from noda_synth.methods.bodies import BodyMethod
from noda_synth.methods.ground import GroundBodies, GroundTarget, draw_on_ground, draw_without_ground
from noda_synth.methods.objects import Objects, ObjectsSettings
from noda_synth.methods.pieces import Pieces, combine
from noda_synth.methods.placement import (
    Occluders,
    Placement,
    TargetPerson,
    draw_placement,
    good_corners,
    mirror_image,
    overlay_alpha,
)
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.pool.layout import NO_VIDEO

_FUSION_RADIUS = 0.08
"""S that the colours of a matte's rim are looked for around it."""
_OBJECT_DRAWS = 20
"""Draws of objects for a person before a body is taken."""


class Noda(BodyMethod[PlacementSettings, Placement | Pieces]):
    settings_type, placement_type = PlacementSettings, Placement
    sees_others = pastes_people = True

    @cached_property
    def occluders(self) -> Occluders:
        return Occluders(self.pool, self.settings)

    @cached_property
    def bodies(self) -> GroundBodies:
        return GroundBodies(self.occluders)

    @cached_property
    def objects(self) -> Objects:
        return Objects(ObjectsSettings(), self.sources)

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

    def check(self, dataset: Dataset) -> None:
        super().check(dataset)
        if not self.settings.objects_share:
            return
        if self.sources.objects is None:
            raise NodaError("objects_share needs --objects: a folder of PNG cut-outs or of VOC, or a COCO file")
        self.objects.check(dataset)

    def source_hashes(self) -> dict[str, str]:
        return {**super().source_hashes(), **(self.objects.source_hashes() if self.settings.objects_share else {})}

    @classmethod
    def sources_of(cls, record: Mapping[str, Any]) -> frozenset[str]:
        return cls.takes | (Objects.takes if "pieces" in record else frozenset())

    def counts(self) -> dict[str, int]:
        objects = self.objects.counts() if self.settings.objects_share else {}
        return {"bodies": len(self.occluders.rows), "pool_bodies": len(self.pool), **objects}

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

    def draw(self, subject: TargetPerson, rng: np.random.Generator) -> tuple[Placement | Pieces | None, str]:
        return self.draw_beside(subject, rng, ())

    def draw_beside(
        self, subject: TargetPerson, rng: np.random.Generator, spent: Collection[int]
    ) -> tuple[Placement | Pieces | None, str]:
        share = self.settings.objects_share
        if share and rng.uniform() < share and (pieces := self._draw_objects(subject, rng)) is not None:
            return pieces, ""
        if self.settings.bodies == (1, 1):
            return self._draw_one(subject, rng, spent)
        return self._draw_several(subject, rng, spent)

    def _draw_objects(self, subject: TargetPerson, rng: np.random.Generator) -> Pieces | None:
        """Objects that keep the rules of a body, or None."""
        for _ in range(_OBJECT_DRAWS):
            pieces, _ = self.objects.draw(subject, rng)
            try:
                if self._keeps_rules(subject, pieces):
                    return pieces
            except ItemError:
                return pieces  # of an object that cannot be read, which the copy is going to name
        return None

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

    def _keeps_rules(self, subject: TargetPerson, placement: Placement | Pieces) -> bool:
        """Whether all that is pasted keeps the rules: two edges over each other may cover what neither does."""
        overlay = self.overlay(placement)
        corner = np.array([[overlay.left]]), np.array([[overlay.top]])
        return bool(good_corners(subject, overlay.alpha, *corner, self.settings)[0])

    def overlay(self, placement: Placement | Pieces) -> Overlay:
        if isinstance(placement, Pieces):
            return self.objects.overlay(placement)
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

    def colours(self, placement: Placement | Pieces, overlay: Overlay, picture: BGRImage) -> BGRImage:
        if isinstance(placement, Pieces):
            return self.objects.colours(placement, overlay, picture)
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

    def occluder(self, placement: Placement | Pieces) -> dict[str, Any]:
        if isinstance(placement, Pieces):
            return self.objects.occluder(placement)
        images, persons = self.pool.images, self.pool.persons
        first, *more = ({"source": images[one.body], "person": persons[one.body]} for one in placement.each)
        return {**first, "more": more} if more else first

    def pasted_people(self, placement: Placement | Pieces) -> list[tuple[Person, Overlay]]:
        if isinstance(placement, Pieces):
            return []
        return list(zip(self.pasted_bodies(placement), map(self.overlay, placement.each), strict=True))

    def pasted_bodies(self, placement: Placement | Pieces) -> list[Person]:
        return [] if isinstance(placement, Pieces) else [self._pasted(one) for one in placement.each]

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
    def placement_of(cls, record: Mapping[str, Any]) -> Placement | Pieces:
        return Objects.placement_of(record) if "pieces" in record else cls._bodies_of(record)

    @classmethod
    def _bodies_of(cls, record: Mapping[str, Any]) -> Placement:
        more = record.get("more", ())
        if not isinstance(more, list | tuple) or not all(isinstance(one, Mapping) for one in more):
            raise NodaError("the placement is not as render wrote it: `more` is no list of placements")
        one = super().placement_of({**record, "more": ()})
        assert isinstance(one, Placement)
        return replace(one, more=tuple(map(cls._bodies_of, more))) if more else one


def _as_one(placements: Sequence[Placement]) -> Placement:
    return replace(placements[0], more=tuple(placements[1:]))
