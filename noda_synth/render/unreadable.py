"""Originals that cannot be read: neither they nor those on them belong into a written training list, as no trainer
could go through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from noda_synth.errors import ItemError, Problem
from noda_synth.imaging.images import MAX_PIXELS, check_image, image_path, read_image
from noda_synth.render.output import Copies
from noda_synth.render.plan import Plan
from noda_synth.render.settings import RenderRun


def unreadable_images(run: RenderRun, plan: Plan, copies: Copies) -> dict[str, str]:
    """Images of the training part that no trainer can read, each with the reason.

    All are looked at from outside, header and end; decoded are those whose people were to be covered and are not.
    """
    dataset, found = run.dataset, dict[str, str]()
    suspects = {dataset.persons[row].image for row in set(plan.rows.tolist()) - set(copies.rows.tolist())}
    for name in dataset.images:
        try:
            path = image_path(run.layout.images, name)
            check_image(path, max(MAX_PIXELS, run.settings.max_pixels))
            if name in suspects:
                read_image(path, max(MAX_PIXELS, run.settings.max_pixels))
        except ItemError as error:
            found[name] = str(error)
    return found


def problems_of(run: RenderRun, unreadable: Mapping[str, str]) -> Iterator[Problem]:
    """A problem for each of them, with the number of people who are left out with it."""
    for name, reason in unreadable.items():
        count = len(run.dataset.by_image[name])
        who = f" and the {count} people on it" if count > 1 else " and who is on it" if count else ""
        yield Problem("render", name, f"{reason}, so the written data set lacks it{who}")
