"""What a run of render is asked for: the settings, and the value that goes through all of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import Dataset
from noda_synth.errors import NodaError
from noda_synth.formats import Layout
from noda_synth.imaging.encoding import SOURCE
from noda_synth.imaging.images import MAX_PIXELS
from noda_synth.methods import Recipe, Sources, method_class
from noda_synth.methods.placement_settings import PlacementSettings
from noda_synth.runs.jobs import ONE_WORKER, Execution
from noda_synth.runs.staging import Staging, settings_hash
from noda_synth.version import __version__


@dataclass(frozen=True)
class RenderSettings:
    """All that decides what is written, next to the inputs themselves.

    Attributes:
        ratio: share of the training samples that is covered.
        method: how people are occluded, a name in `methods.METHODS`.
        placement: the method's own settings; for noda the overlay strategy.
        copies: differently occluded copies of each chosen person.
        append: add the copies to the training list instead of putting them in the originals' place.
        format: "jpg", "png", or "source" for that of each picture's source.
        quality: of the JPEGs, 1..100, "source" for that of each picture's source, or "exact", which keeps the source's
            coefficients too, wherever nothing is pasted.
        originals: "symlink", "hardlink", "copy" or "none".
        coco: write COCO files too.
        yolo: write labels of YOLO-pose too, made of the COCO files.
        train_pasted: list the pasted people as training samples, too.
        limit: render at most so many people.
        max_pixels: larger images are refused by their header.
        seed: of everything that is drawn.
    """

    ratio: float = 0.5
    method: str = "noda"
    placement: Any = field(default_factory=PlacementSettings)
    copies: int = 1
    append: bool = False
    format: str = SOURCE
    quality: int | str = SOURCE
    originals: str = "symlink"
    coco: bool = False
    yolo: bool = False
    train_pasted: bool = False
    limit: int | None = None
    max_pixels: int = MAX_PIXELS
    seed: int = 0


@dataclass(frozen=True)
class RenderRun:
    """One run of render, from the annotations to the written folder.

    Attributes:
        dataset: the annotations.
        layout: where its files lie.
        sources: the pool of bodies, or the objects; what the method does not need is not looked at.
        out: the folder; it appears when it is whole.
        settings: how.
        inputs: names and hashes of the annotation files, for the record of the settings.
        execution: workers, part of the work, overwriting and progress; with a part no data set is written yet.
    """

    dataset: Dataset
    layout: Layout
    sources: Sources
    out: Path
    settings: RenderSettings
    inputs: Mapping[str, str] = field(default_factory=dict)
    execution: Execution = ONE_WORKER

    @cached_property
    def recipe(self) -> Recipe:
        """The method with its sources. Raises NodaError where one is missing, damaged, or not for this data set."""
        settings = self.settings
        if settings.train_pasted and not method_class(settings.method).pastes_people:
            raise NodaError(f"--method {settings.method} pastes no people with joints; leave --train-pasted out")
        for source in sorted(method_class(settings.method).takes):
            if getattr(self.sources, source) is None:
                raise NodaError(
                    f"--method {settings.method} needs --{source}; noda-synth render --help says what it may be"
                )
        recipe = Recipe(settings.method, settings.placement, self.sources)
        method = recipe.open()
        method.check(self.dataset)
        return replace(recipe, pool_content=method.source_hashes()["pool"]) if "pool" in method.takes else recipe

    @cached_property
    def all_settings(self) -> dict[str, Any]:
        """The settings as they are compared, hashed and written, with the hashes of all that is read."""
        hashes = self.recipe.open().source_hashes()
        settings = asdict(self.settings)
        for later in ("yolo", "train_pasted"):
            if not settings[later]:
                del settings[later]  # so that sets without it have the settings that they always had
        if not settings["placement"].get("objects_share", True):
            del settings["placement"]["objects_share"]
        return {"version": __version__, **settings, **hashes, "inputs": self.inputs}

    @cached_property
    def settings_hash(self) -> str:
        return settings_hash(self.all_settings)

    @cached_property
    def provenance(self) -> dict[str, str]:
        """Hashes of the sources and of the settings, for each line of the manifest."""
        return {**self.recipe.open().source_hashes(), "settings": self.settings_hash}

    @cached_property
    def staging(self) -> Staging:
        """The folder in which `out` is made."""
        return Staging(self.out, self.execution.part)
