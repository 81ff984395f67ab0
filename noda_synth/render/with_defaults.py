"""render as a function with the command's defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Unpack

from noda_synth.errors import NodaError
from noda_synth.formats.files.links import ORIGINALS
from noda_synth.formats.source import AnyPath, DataOptions, check_output, data_folder, open_dataset
from noda_synth.methods import Sources
from noda_synth.methods.choices import check_joints, method_settings
from noda_synth.methods.real_pairs import with_measured_drops
from noda_synth.render.run import RenderReport
from noda_synth.render.run import render as render_run
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs.jobs import Execution, default_workers
from noda_synth.settings import one_of, suggest, within


class RenderOptions(DataOptions, total=False):
    """What else render may be told, by the names of the command's options."""

    objects: AnyPath | None
    objects_images: AnyPath | None
    ratio: float
    method: str
    copies: int
    append: bool
    format: str
    quality: int | str
    originals: str
    coco: bool
    yolo: bool
    train_pasted: bool
    limit: int | None
    max_pixels: int
    seed: int
    jobs: int | None
    overwrite: bool
    quiet: bool


def render(
    data: AnyPath | None = None,
    out: AnyPath = "data/mpii_noda",
    *,
    pool: AnyPath = "data/pool.h5",
    preset: str = "paper",
    changes: Mapping[str, Any] | None = None,
    **options: Unpack[RenderOptions],
) -> RenderReport | None:
    """Write an occluded copy of a data set, as `noda-synth render` does.

    Args:
        data: the folder of the data set; None: data/mpii.
        out: the folder to write.
        pool: the pool of bodies; not for every method.
        preset: noda's "paper" or "best".
        changes: the method's own settings, those of `--set`: {"mask": "box"}.
        options: ratio, method, copies, ...: the command's, with its defaults.

    Returns:
        What was done, the content of report.json; None if the folder was there already, made with the same settings.

    Raises:
        NodaError: as the command says it with exit code 2.
    """
    if unknown := [name for name in options if name not in RenderOptions.__annotations__]:
        raise NodaError(f"render: no option {unknown[0]!r}; {suggest(unknown[0], RenderOptions.__annotations__)}")
    given: dict[str, Any] = dict(options)
    method = given.get("method", "noda")
    chosen = method_settings(method, preset, changes or {}, "render", Path(pool))
    where = {name: given[name] for name in DataOptions.__annotations__ if name in given}
    layout, dataset, inputs = open_dataset(data, **where)
    check_joints(chosen, dataset.skeleton, "render: protect_joints")
    own = {field.name: given[field.name] for field in fields(RenderSettings) if field.name in given}
    settings = _checked(RenderSettings(**own, placement=with_measured_drops(chosen, dataset)))
    objects = [given.get(name) for name in ("objects", "objects_images")]
    sources = Sources(Path(pool), *(None if path is None else Path(path) for path in objects))
    execution = Execution(
        given.get("jobs") or default_workers(),
        overwrite=given.get("overwrite", False),
        quiet=given.get("quiet", False),
    )
    folder = Path(out)
    read = [data_folder(data, given.get("annotations")), *objects]
    check_output(folder, layout, dataset, split=given.get("split"), others=read)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return render_run(RenderRun(dataset, layout, sources, folder, settings, inputs, execution))


def _checked(settings: RenderSettings) -> RenderSettings:
    """The settings, if the command would take them too. Raises NodaError."""
    try:
        within("ratio", settings.ratio, 0, 1)
        within("copies", settings.copies, 1, math.inf)
        if settings.quality not in ("source", "exact"):
            within("quality", int(settings.quality), 1, 100)
        one_of("format", settings.format, ("source", "jpg", "png"))
        one_of("originals", settings.originals, ORIGINALS)
    except ValueError as error:
        raise NodaError(f"render: {error}") from error
    return settings
