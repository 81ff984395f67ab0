"""A rendered set as YOLO-pose as well: labels/, data.yaml and the lists of pictures, beside images/.

Training are the pictures of the scenes, clean and covered, with everyone on them; what is for validation stands on a
list of its own, so that nobody takes it for background.
"""

from __future__ import annotations

from noda_synth.data.dataset import ByImage, Image, Images
from noda_synth.errors import Problem
from noda_synth.formats.coco.read import read_coco
from noda_synth.formats.yolo.write import Part, Picture, write_yolo
from noda_synth.render.coco_scenes import SCENES
from noda_synth.render.settings import RenderRun


def write_yolo_set(run: RenderRun) -> list[Problem]:
    """Write it into the result, in which the scenes are written already. Returns pictures that are left out."""
    result, dataset, layout = run.staging.result, run.dataset, run.layout
    scenes = read_coco(result / "annot" / SCENES, dataset.skeleton)
    # By the names that render gives, nobody else's picture has that of a copy.
    held = dataset.valid.image_names
    train = (
        Picture(name, people, scenes.images[name].size) for name, people in scenes.by_image.items() if name not in held
    )
    parts = [Part("train", result / "images", train, listed=True)]
    if dataset.valid:
        valid = ByImage(Images(Image(name) for name in held), dataset.valid)
        pictures = (Picture(name, people) for name, people in valid.items())
        parts.append(Part("val", layout.valid_images or layout.images, pictures, listed=True))
    return write_yolo(result, parts, dataset.skeleton, "none")
