"""What render costs against the floor, and what build-pool spends its time on; all in one run, on one core.

    python scripts/bench_render.py --data data/mpii --number 100
    python scripts/bench_render.py --data data/mpii --pool data/pool.h5 --preset best --quality exact
    python scripts/bench_render.py --data data/mpii --api   # and a call of noda_synth.Occluder against render

The floor of an image is to decode it and to encode it again at quality 95, nothing else. Render does that too, and
pastes a body. The two are timed in turn on the same images by processor time, and their ratio is taken image by image.
The whole pipeline, with its shards, files and manifest lines, is timed over the same copies too.

A call of the Python API draws the placement too, which render does when it plans: with `--api` it is timed against the
drawing and the pasting of the same copies in render. Neither decodes nor encodes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from noda_synth import Occluder
from noda_synth.formats import find_layout, read_dataset
from noda_synth.imaging.compositing import Overlay, overlap
from noda_synth.imaging.encoding import EXACT, SOURCE, encode_copy
from noda_synth.imaging.images import (
    BGRImage,
    decode_checked,
    decode_image,
    encode_jpeg,
    image_path,
    read_checked,
    read_image,
)
from noda_synth.masks import LEVELS
from noda_synth.methods import Sources
from noda_synth.methods.placement_settings import PRESETS
from noda_synth.pool.build import PoolSettings, build_pool
from noda_synth.render.occluded_copies import PlannedCopies, compose, draw_copies
from noda_synth.render.plan import Plan, draw_plan
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs.jobs import Execution
from noda_synth.seeding import item_generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pool", type=Path, help="render from this pool; without it one is built, and timed")
    parser.add_argument("--number", type=int, default=100, help="copies to render")
    parser.add_argument("--preset", choices=list(PRESETS), default="paper")
    parser.add_argument("--quality", type=lambda text: text if text in (SOURCE, EXACT) else int(text), default="source")
    parser.add_argument("--api", action="store_true", help="time the Python API as well")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        built: dict[str, Any] = {}
        if arguments.pool is None:
            arguments.pool, built = build(arguments.data, Path(folder))
        settings = RenderSettings(
            ratio=1.0, limit=arguments.number, quality=arguments.quality, placement=PRESETS[arguments.preset]
        )
        figures = {**built, **measure(arguments.data, arguments.pool, Path(folder), settings, api=arguments.api)}
    if built:
        print(f"build-pool, {built['bodies']} bodies, one core, ms per person:")
        for stage, value in built["build_ms"].items():
            print(f"  {stage:<12}{value:8.2f}")
    print(f"render, {figures['copies']} copies, one core, medians:")
    for name in ("floor_ms", "render_ms", "read_ms", "paste_ms", "encode_ms"):
        print(f"  {name:<12}{figures[name]:8.2f}")
    print(f"  ratio       {figures['ratio']:8.3f}  (render / floor of the same image)")
    print(f"  largest     {figures['ratio_largest']:8.3f}  (the same for the third with the highest floors)")
    print(f"  plan        {figures['plan_ms']:8.3f}  (ms a copy)")
    print(f"  kept        {figures['kept_outside']:8.4f}  (values outside of the body that are the source's)")
    print(f"  size        {figures['size']:8.3f}  (bytes / the source's)")
    print(f"  pipeline    {figures['pipeline_ratio']:8.3f}  (all copies / the sum of their floors)")
    if arguments.api:
        print("the Python API, the same copies, medians:")
        for name in ("draw_and_paste_ms", "api_bgr_ms", "api_rgb_ms"):
            print(f"  {name:<18}{figures[name]:8.2f}")
        print(f"  api_ratio         {figures['api_ratio']:8.3f}  (api_bgr / draw_and_paste of the same copy)")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def build(data: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A pool of the data set in a folder, and what it cost."""
    layout = find_layout(data)
    dataset = read_dataset(layout, all_train=layout.kind == "mpii_mat")
    report = build_pool(dataset, layout.images, folder / "pool.h5", PoolSettings(), {})
    assert report is not None
    stages = [stage for stage in ("rules", "read", *LEVELS, "write") if stage in report.seconds]
    costs = {stage: round(1000 * report.seconds[stage] / report.bodies, 3) for stage in stages}
    return folder / "pool.h5", {"bodies": report.bodies, "build_ms": costs}


def measure(data: Path, pool: Path, folder: Path, settings: RenderSettings, *, api: bool) -> dict[str, Any]:
    layout = find_layout(data)
    dataset = read_dataset(layout, all_train=layout.kind == "mpii_mat")
    run = RenderRun(dataset, layout, Sources(pool=pool), folder / "set", settings, {}, Execution(quiet=True))
    method = run.recipe.open()
    start = time.process_time()
    plan = draw_plan(run)
    planned = time.process_time() - start
    rows, kept, sizes = [], [], []
    for spec in PlannedCopies(run, plan):
        path = image_path(layout.images, spec.person.image)
        image = read_image(path)  # once unmeasured, so that both ways find the file in memory
        start = time.process_time()
        source = path.read_bytes()
        encode_jpeg(np.asarray(cv2.imdecode(np.frombuffer(source, np.uint8), cv2.IMREAD_COLOR)), 95)
        floor = time.process_time() - start
        times = [time.process_time()]
        source = read_checked(path)
        image = decode_checked(source, path)
        times.append(time.process_time())
        overlay = compose(image, method, spec.placement)
        times.append(time.process_time())
        copy = encode_copy(image, source, spec.suffix, settings.quality, overlay)
        times.append(time.process_time())
        rows.append([floor, times[3] - times[0], *np.diff(times)])
        kept.append(kept_outside(read_image(path), decode_image(copy, "copy"), overlay))
        sizes.append(len(copy) / len(source))
    values = np.array(rows) * 1000
    largest = values[np.argsort(values[:, 0])[-len(values) // 3 :]]
    names = ("floor_ms", "render_ms", "read_ms", "paste_ms", "encode_ms")
    with run.staging.hold({}):
        start = time.process_time()
        draw_copies(run, plan)
        pipeline = time.process_time() - start
    return {
        "copies": len(rows),
        "plan_ms": round(1000 * planned / len(rows), 3),
        "kept_outside": round(float(np.mean(kept)), 4),
        "size": round(float(np.mean(sizes)), 3),
        **{name: round(float(np.median(values[:, n])), 3) for n, name in enumerate(names)},
        "ratio": round(float(np.median(values[:, 1] / values[:, 0])), 4),
        "ratio_largest": round(float(np.median(largest[:, 1] / largest[:, 0])), 4),
        "pipeline_ratio": round(1000 * pipeline / float(values[:, 0].sum()), 4),
        **(measure_api(run, plan) if api else {}),
    }


def kept_outside(before: BGRImage, after: BGRImage, overlay: Overlay | None) -> float:
    """The share of values that a copy has from its source, of all that the body does not touch."""
    outside = np.ones(before.shape[:2], np.bool_)
    if overlay is not None and (window := overlap(overlay.alpha.shape, before.shape, overlay.left, overlay.top)):
        outside[window[0]] = overlay.alpha[window[1]] == 0
    return float((before[outside] == after[outside]).mean())


def measure_api(run: RenderRun, plan: Plan) -> dict[str, float]:
    """Medians of a call of the API, and of what render does for the same copy: draw, copy the image, paste."""
    assert run.sources.pool is not None
    method, occluder = run.recipe.open(), Occluder(run.sources.pool, skeleton=run.dataset.skeleton, channels="bgr")
    swapped = Occluder(run.sources.pool, skeleton=run.dataset.skeleton)
    rows = []
    for spec in PlannedCopies(run, plan):
        image, key = (
            read_image(image_path(run.layout.images, spec.person.image)),
            f"{spec.person.person_id}/{spec.copy}",
        )
        times = [time.process_time()]
        subject = method.subject(spec.person, run.dataset.skeleton, (image.shape[1], image.shape[0]))
        placement, _ = method.draw(subject, item_generator(run.settings.seed, "placement", key))
        picture = image.copy()
        subject.under(compose(picture, method, placement))
        times.append(time.process_time())
        result = occluder.cover(image, spec.person, key=key)
        times.append(time.process_time())
        swapped.cover(image, spec.person, key=key)
        times.append(time.process_time())
        assert np.array_equal(picture, result.image)
        rows.append(np.diff(times))
    values = 1000 * np.array(rows)
    names = ("draw_and_paste_ms", "api_bgr_ms", "api_rgb_ms")
    medians = {name: round(float(np.median(values[:, n])), 3) for n, name in enumerate(names)}
    return {**medians, "api_ratio": round(float(np.median(values[:, 1] / values[:, 0])), 4)}


if __name__ == "__main__":
    main()
