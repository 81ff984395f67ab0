"""Feed the three annotation readers with what a fuzzer comes up with: a data set or a NodaError, and nothing else.

    pip install atheris
    python scripts/fuzz_readers.py corpus -max_total_time=3600 -max_len=16384 -rss_limit_mb=2000

The corpus folder gets seeds, if it is empty: a small file of every kind. A finding is left in `crash-...` and printed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris
import numpy as np
from scipy.io import savemat

with atheris.instrument_imports(include=["noda_synth"]):
    from noda_synth.errors import NodaError
    from noda_synth.formats import Layout, read_dataset
    from noda_synth.formats.files.detect import detect
    from noda_synth.formats.mpii.split import read_split

FOLDER = Path(tempfile.mkdtemp())


def seeds(corpus: Path) -> None:
    """A small file of every kind, with the traps that real ones have."""
    corpus.mkdir(parents=True, exist_ok=True)
    joints = [[float(place), 2.5 * place] for place in range(16)]
    record = {"image": "a.jpg", "center": [1.5, 2], "scale": 1.1, "joints": joints, "joints_vis": [1] * 15 + [0]}
    (corpus / "mpii.json").write_text(json.dumps([record, {**record, "joints_visible": [1] * 16}]))
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": [5, 6, 2] * 17,
        "bbox": [1, 2, 3, 4],
    }
    annotation["segmentation"] = {"size": [8, 8], "counts": "`05"}
    names = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    names += [
        f"{side}_{joint}"
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}], "annotations": [annotation],
        "categories": [{"id": 1, "name": "person", "keypoints": names}],
    }  # fmt: skip
    (corpus / "coco.json").write_text(json.dumps(content))
    points = np.array(
        [{"x": 1.0, "y": 2.0, "id": 9, "is_visible": "1"}, {"x": 3.0, "y": 2.0, "id": 0, "is_visible": []}]
    )
    rect = {
        "scale": 1.5,
        "objpos": {"x": 3.0, "y": 4.0},
        "annopoints": {"point": points},
        "x1": 1,
        "y1": 2,
        "x2": 3,
        "y2": 4,
    }
    entry = {"image": {"name": "a.jpg"}, "annorect": rect, "vididx": 1.0}
    release = {"annolist": np.array([entry, {**entry, "annorect": []}]), "img_train": np.array([1, 1])}
    for compressed in (True, False):
        savemat(corpus / f"mpii{compressed:d}.mat", {"RELEASE": release}, do_compression=compressed)
    (corpus / "names.txt").write_text("a.jpg\nb.jpg\n")


def one_input(data: bytes) -> None:
    path = FOLDER / "input"
    path.write_bytes(data)
    with suppress(NodaError):
        kind = detect(path)
        if kind in ("mpii_json", "mpii_mat", "coco"):
            read_dataset(Layout(FOLDER, path, kind), all_train=kind == "mpii_mat")
    with suppress(NodaError):
        read_split(path)


if __name__ == "__main__":
    corpus = Path(next(word for word in sys.argv[1:] if not word.startswith("-")))
    if not corpus.is_dir() or not any(corpus.iterdir()):
        seeds(corpus)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
