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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat


def write_seeds(corpus: Path) -> None:
    """A small file of every kind, with the traps that real ones have."""
    corpus.mkdir(parents=True, exist_ok=True)
    joints = [[float(index), 2.5 * index] for index in range(16)]
    record = {"image": "a.jpg", "center": [1.5, 2], "scale": 1.1, "joints": joints, "joints_vis": [1] * 15 + [0]}
    (corpus / "mpii.json").write_text(json.dumps([record, {**record, "joints_visible": [1] * 16}]))
    ids = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0}
    outline = {"size": [8, 8], "counts": "`05"}
    annotation = {**ids, "keypoints": [5, 6, 2] * 17, "bbox": [1, 2, 3, 4], "segmentation": outline}
    names = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    limbs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    names += [f"{side}_{joint}" for joint in limbs for side in ("left", "right")]
    image = {"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}
    person = {"id": 1, "name": "person", "keypoints": names}
    (corpus / "coco.json").write_text(
        json.dumps({"images": [image], "annotations": [annotation], "categories": [person]})
    )
    shown, hidden = {"x": 1.0, "y": 2.0, "id": 9, "is_visible": "1"}, {"x": 3.0, "y": 2.0, "id": 0, "is_visible": []}
    points = {"point": _structs(shown, hidden)}
    head = {"x1": 1, "y1": 2, "x2": 3, "y2": 4}
    rect = {"scale": 1.5, "objpos": {"x": 3.0, "y": 4.0}, "annopoints": points, **head}
    entry = {"image": {"name": "a.jpg"}, "annorect": rect, "vididx": 1.0}
    release = {"annolist": _structs(entry, {**entry, "annorect": []}), "img_train": np.array([1, 1])}
    for compressed in (True, False):
        savemat(corpus / f"mpii{compressed:d}.mat", {"RELEASE": release}, do_compression=compressed)
    (corpus / "names.txt").write_text("a.jpg\nb.jpg\n")


def _structs(*items: dict[str, Any]) -> NDArray[Any]:
    """A MATLAB struct array of items with the same fields; a plain array of them would become a cell array."""
    return np.array([tuple(item.values()) for item in items], [(name, object) for name in items[0]])


def main() -> None:
    import atheris

    # Only what is imported in here is instrumented.
    with atheris.instrument_imports(include=["noda_synth"]):
        from noda_synth.errors import NodaError
        from noda_synth.formats import Layout, read_dataset
        from noda_synth.formats.files.detect import detect
        from noda_synth.formats.mpii.split import read_split

    folder = Path(tempfile.mkdtemp())

    def read(data: bytes) -> None:
        path = folder / "input"
        path.write_bytes(data)
        with suppress(NodaError):
            kind = detect(path)
            if kind in ("mpii_json", "mpii_mat", "coco"):
                read_dataset(Layout(folder, path, kind), all_train=kind == "mpii_mat")
        with suppress(NodaError):
            read_split(path)

    corpus = Path(next(argument for argument in sys.argv[1:] if not argument.startswith("-")))
    if not corpus.is_dir() or not any(corpus.iterdir()):
        write_seeds(corpus)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
