"""What each method of occlusion costs an image: to draw a placement, and to paste it; on one core.

    python scripts/bench_methods.py --data data/mpii --pool data/pool.h5 --objects cutouts --number 100

Medians over the same number of people for each method, by processor time. Reading and encoding the image, which are the
same for all, stand in the first line. Methods whose source is not named are left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from noda_synth.errors import NodaError
from noda_synth.formats import find_layout, read_dataset
from noda_synth.imaging.images import encode_jpeg, image_path, image_size, read_image
from noda_synth.methods import METHODS, Sources, method_class
from noda_synth.render.occluded_copies import PlannedCopies, compose
from noda_synth.render.plan import draw_plan
from noda_synth.render.settings import RenderRun, RenderSettings
from noda_synth.runs.jobs import Execution
from noda_synth.seeding import item_generator
from noda_synth.settings import apply_overrides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pool", type=Path)
    parser.add_argument("--objects", type=Path)
    parser.add_argument("--objects-images", type=Path)
    parser.add_argument("--people", action="store_true", help="paste the people of the objects file too")
    parser.add_argument("--number", type=int, default=100, help="people for each method")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sources = Sources(arguments.pool, arguments.objects, arguments.objects_images)
    for number, method in enumerate(METHODS):
        changes = ["people=true"] if arguments.people and method == "objects" else []
        try:
            draw, paste, rest = measure(method, changes, arguments.data, sources, arguments.number)
        except NodaError as error:
            print(f"{method:<18}left out: {error}")
            continue
        if number == 0:
            print(f"read and encode   {rest:8.2f} ms")
        print(f"{method:<18}{draw:8.2f} ms to draw, {paste:8.2f} ms to paste")


def measure(method: str, changes: list[str], data: Path, sources: Sources, number: int) -> tuple[float, float, float]:
    """Medians in ms: of a draw, of stamp and colours and pasting, and of reading and encoding."""
    layout = find_layout(data)
    dataset = read_dataset(layout)
    chosen = apply_overrides(method_class(method).settings_type(), changes, f"--method {method} --set")
    settings = RenderSettings(ratio=1.0, limit=number, method=method, placement=chosen)
    run = RenderRun(dataset, layout, sources, Path("unused"), settings, {}, Execution(quiet=True))
    plan = draw_plan(run)
    kind = run.recipe.open()
    rows = []
    for spec in PlannedCopies(run, plan):
        path = image_path(layout.images, spec.person.image)
        others = tuple(p for p in dataset.by_image[spec.person.image] if p.person_id != spec.person.person_id)
        read_image(path)  # once unmeasured, so that the file is in memory
        times = [time.process_time()]
        image = read_image(path)
        times.append(time.process_time())
        subject = kind.subject(spec.person, dataset.skeleton, image_size(path), others)
        kind.draw(subject, item_generator(1, "bench", spec.person.person_id))
        times.append(time.process_time())
        compose(image, kind, spec.placement)
        times.append(time.process_time())
        encode_jpeg(image, 95)
        times.append(time.process_time())
        rows.append(np.diff(times))
    read, draw, paste, write = 1000 * np.median(rows, axis=0)
    return float(draw), float(paste), float(read + write)


if __name__ == "__main__":
    main()
