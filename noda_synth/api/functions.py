"""The commands as functions, with the commands' defaults; `render` is in `noda_synth.render.with_defaults`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Unpack

from noda_synth.data.dataset import Dataset
from noda_synth.errors import NodaError
from noda_synth.formats.source import AnyPath, DataOptions, check_output, open_dataset
from noda_synth.masks import GIVEN, LEVELS, MaskSettings
from noda_synth.methods import Sources
from noda_synth.pool.build import BodyRules, BuildReport, PoolSettings
from noda_synth.pool.build import build_pool as run_build
from noda_synth.pool.given_masks import masks_for
from noda_synth.pool.notes import write_notes
from noda_synth.render.replay import find_line
from noda_synth.render.replay import replay as replay_line
from noda_synth.runs.jobs import Execution, default_workers
from noda_synth.settings import suggest


class PoolOptions(DataOptions, total=False):
    """What else build-pool may be told, by the names of the command's options."""

    masks: AnyPath | None
    min_joints: int | None
    min_height: float
    truncated: bool
    min_visible: float
    max_shared: int
    max_border: float
    box_expand: float
    grabcut_size: int
    grabcut_iterations: int
    max_side: int
    max_pixels: int
    seed: int
    jobs: int | None
    overwrite: bool
    quiet: bool


def read_dataset(data: AnyPath | None = None, **options: Unpack[DataOptions]) -> Dataset:
    """Read a data set in any of the layouts and formats that the commands know.

    Args:
        data: its folder; None: data/mpii.
        options: images, annotations, skeleton, split, all_train, follow_links, v1_occluded, scale.

    Raises:
        NodaError: files are missing or unusable.
    """
    _known("read_dataset", options, DataOptions)
    return open_dataset(data, **options)[1]


def build_pool(
    data: AnyPath | None = None,
    out: AnyPath = "data/pool.h5",
    *,
    levels: Sequence[str] = LEVELS,
    everyone: bool = False,
    **options: Unpack[PoolOptions],
) -> BuildReport | None:
    """Cut the people of a data set out into a pool, as `noda-synth build-pool` does.

    Args:
        data: the folder of the data set; None: data/mpii.
        out: the pool.
        levels: mask levels; "given" takes the outlines of the annotations, or what `masks` names.
        everyone: drop the rules on who gets in.
        options: the command's, with its defaults.

    Returns:
        What was done; None if the pool was there already, made with the same settings.

    Raises:
        NodaError: as the command says it with exit code 2.
    """
    start = time.perf_counter()
    _known("build_pool", options, PoolOptions)
    known = (*LEVELS, GIVEN)
    if not levels or isinstance(levels, str) or not set(levels) <= set(known):
        raise NodaError(f"build_pool: levels is {levels!r}; a tuple is expected, of {', '.join(known)}")
    given: dict[str, Any] = dict(options)
    masks = given.pop("masks", None)  # PoolSettings has another field of that name

    def of(kind: type[Any]) -> dict[str, Any]:
        return {field.name: given[field.name] for field in fields(kind) if field.name in given}

    where = {name: given[name] for name in DataOptions.__annotations__ if name in given}
    layout, dataset, inputs = open_dataset(data, **where)
    workers, path = given.get("jobs") or default_workers(), Path(out)
    check_output(path, layout, dataset, split=given.get("split"), others=[masks])
    inputs.pop("gt_valid", None)  # as in the command: it decides on nobody in the training part
    source, hashed = masks_for(levels, None if masks is None else Path(masks))
    settings = PoolSettings(
        levels=tuple(level for level in known if level in levels),
        rules=BodyRules.everyone() if everyone else BodyRules(**of(BodyRules)),
        masks=MaskSettings(**of(MaskSettings)),
        **of(PoolSettings),
    )
    execution = Execution(workers, overwrite=given.get("overwrite", False), quiet=given.get("quiet", False))
    path.parent.mkdir(parents=True, exist_ok=True)
    report = run_build(dataset, layout.images, path, settings, inputs | hashed, execution, source)
    if report is not None:
        write_notes(path, report, workers=workers, elapsed=time.perf_counter() - start)
    return report


def replay(
    manifest: AnyPath,
    wanted: str,
    out: AnyPath,
    *,
    images: AnyPath,
    pool: AnyPath | None = None,
    objects: tuple[AnyPath, AnyPath | None] | None = None,
    overwrite: bool = False,
) -> None:
    """Render one image again from its line in a manifest, byte for byte.

    Args:
        manifest: manifest.jsonl, or the rendered set that it is in.
        wanted: the image, by its id or its file name.
        out: the file to write.
        images: the folder of the original images.
        pool: the pool that the set was rendered with, if its method needs one.
        objects: the objects that it was rendered with, and the images of theirs or None.
        overwrite: replace a file that is there.

    Raises:
        NodaError: there is no such line, or the sources are not those of the line.
    """
    found = None if objects is None else [None if path is None else Path(path) for path in objects]
    sources = Sources(None if pool is None else Path(pool), *(found or ()))
    replay_line(find_line(Path(manifest), wanted), Path(images), sources, Path(out), overwrite=overwrite)


def _known(function: str, options: Any, kind: Any) -> None:
    """Raises NodaError for an option that there is not."""
    if unknown := [name for name in options if name not in kind.__annotations__]:
        raise NodaError(f"{function}: no option {unknown[0]!r}; {suggest(unknown[0], kind.__annotations__)}")
