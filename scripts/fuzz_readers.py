"""Feed the readers with what a fuzzer comes up with: what they read, or one of our two errors, and nothing else.

    pip install atheris
    python scripts/fuzz_readers.py corpus/pools -max_total_time=720 -max_len=65536 -rss_limit_mb=1500

The folder's name is the kind of the files, one of KINDS, each fuzzed on its own: the slow ones would else take nearly
all of the time. The folder gets seeds, if it is empty. A finding is left in `crash-...` and printed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.io import savemat

_MAX_PIXELS = 1 << 20


def write_annotations(corpus: Path) -> None:
    """Lists, a truth and a split, with the traps that real ones have."""
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
    truth = {"jnt_missing": np.zeros((16, 2)), "pos_gt_src": np.ones((16, 2, 2)), "jnt_visible": np.ones((16, 2))}
    savemat(corpus / "gt_valid.mat", {**truth, "headboxes_src": np.ones((2, 2, 2))}, do_compression=True)
    (corpus / "names.txt").write_text("a.jpg\nb.jpg\n")


def write_pictures(corpus: Path) -> None:
    """A picture of every kind that OpenCV writes, one with EXIF and a profile, a mask of labels and a cut-out."""
    picture = np.random.default_rng(0).integers(0, 255, (9, 14, 3), np.uint8)
    for suffix in ("jpg", "png", "bmp", "tiff", "webp"):
        cv2.imwrite(str(corpus / f"picture.{suffix}"), picture)
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(picture).save(corpus / "turned.jpg", exif=exif, icc_profile=b"profile", progressive=True)
    PillowImage.fromarray(picture).convert("P").save(corpus / "labels.png")
    PillowImage.fromarray(np.dstack([picture, picture[..., 0]])).save(corpus / "cut_out.png")


def write_manifest(corpus: Path) -> None:
    """A line of a method of one piece and of several."""
    line = {
        "id": "a_noda000000",
        "file": "a_noda000000.jpg",
        "source": "a.jpg",
        "person": "a.jpg#0",
        "row": 0,
        "copy": 0,
    }
    hole = {"left": 1, "top": 2, "width": 5, "height": 4, "fill": "noise", "noise_seed": 3}
    patch = {"joint": "right_knee", "left": 3, "top": 4, "side": 3, "from_left": 0, "from_top": 0}
    made = {"covered": ["right_knee"], "format": "jpg", "quality": "source", "settings": "0"}
    lines = [
        {**line, "method": "cutout", "placement": hole, **made},
        {**line, "method": "keypoint-masking", "placement": {"pieces": [patch]}, **made},
    ]
    (corpus / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_pool(corpus: Path) -> None:
    """A pool of two drawn people, by the commands themselves."""
    from noda_synth.cli import main

    with tempfile.TemporaryDirectory() as name:
        words = ["demo-data", f"{name}/set", "--images", "2", "--valid-images", "1", "--size", "160x120", "-q"]
        for more in (words, ["build-pool", "--data", f"{name}/set", "--out", str(corpus / "pool.h5"), "-q"]):
            options = ["--jobs", "1", *(["--everyone", "--levels", "cardboard"] if more is not words else [])]
            main([*more, *options], standalone_mode=False)
        (corpus / "pool.h5.run_log.json").unlink()


def write_weights(corpus: Path) -> None:
    """A state dict in torch's two formats and in that of .safetensors; nothing without torch."""
    with suppress(ImportError):
        import torch

        state = {"final_layer.weight": torch.zeros(2, 3), "epoch": 3}
        torch.save(state, corpus / "new.pth")
        torch.save(state, corpus / "old.pth", _use_new_zipfile_serialization=False)
    header = json.dumps({"final_layer.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    (corpus / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(24))


def _structs(*items: dict[str, Any]) -> NDArray[Any]:
    """A MATLAB struct array of items with the same fields; a plain array of them would become a cell array."""
    return np.array([tuple(item.values()) for item in items], [(name, object) for name in items[0]])


KINDS = {
    "annotations": write_annotations,
    "pictures": write_pictures,
    "manifests": write_manifest,
    "pools": write_pool,
    "weights": write_weights,
}


def main() -> None:
    import atheris

    corpus = Path(next(argument for argument in sys.argv[1:] if not argument.startswith("-")))
    if corpus.name not in KINDS:
        sys.exit(f"{corpus}: the folder's name says what is fuzzed: {', '.join(KINDS)}")
    # Only what is imported in here is instrumented.
    with atheris.instrument_imports(include=["noda_synth", "noda_train"]):
        read = reader(corpus.name)
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        KINDS[corpus.name](corpus)
    # A file on a disk that is cut short and written again waits for the disk each time.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    path = folder / ("manifest.jsonl" if corpus.name == "manifests" else "input.png")

    def read_bytes(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    atheris.Setup(sys.argv, read_bytes)
    atheris.Fuzz()


def reader(kind: str) -> Callable[[Path], None]:
    """What reads a file of one of KINDS in all ways that the commands do, and takes no error but our two."""
    readers = {
        "annotations": _annotations,
        "pictures": _pictures,
        "manifests": _manifests,
        "pools": _pools,
        "weights": _weights,
    }
    return readers[kind]()


def _annotations() -> Callable[[Path], None]:
    from noda_synth.errors import NodaError
    from noda_synth.formats import Layout, read_dataset
    from noda_synth.formats.files.detect import detect
    from noda_synth.formats.mpii.gt_valid import read_gt_valid
    from noda_synth.formats.mpii.split import read_split

    def read(path: Path) -> None:
        with suppress(NodaError):
            kind = detect(path)
            if kind == "gt_valid":
                read_gt_valid(path)
            elif kind in ("mpii_json", "mpii_mat", "cpm_json", "coco"):
                read_dataset(Layout(path.parent, path, kind), all_train=kind == "mpii_mat")
        with suppress(NodaError):
            read_split(path)

    return read


def _pictures() -> Callable[[Path], None]:
    from noda_synth.errors import ItemError, NodaError
    from noda_synth.imaging.encoding import encode_copy
    from noda_synth.imaging.images import UprightPath, image_size, is_turned, read_image, read_reduced
    from noda_synth.imaging.jpeg import jpeg_style
    from noda_synth.methods.object_sources import ObjectFolder
    from noda_synth.pool.mask_files import label_values

    def read(path: Path) -> None:
        for one in (path, UprightPath(path)):
            with suppress(ItemError):
                image_size(one, _MAX_PIXELS)
            with suppress(ItemError):
                picture = read_image(one, _MAX_PIXELS)
                encode_copy(picture, path.read_bytes(), "jpg", "source")
        with suppress(ItemError):
            read_reduced(path, 4, _MAX_PIXELS)
        with suppress(ItemError):
            label_values(path, image_size(path, _MAX_PIXELS))
        with suppress(ItemError, NodaError):
            ObjectFolder(path.parent).cut(0)
        is_turned(UprightPath(path))
        jpeg_style(path.read_bytes())

    return read


def _manifests() -> Callable[[Path], None]:
    from noda_synth.errors import NodaError
    from noda_synth.methods import Sources
    from noda_synth.render.manifest import manifest_lines
    from noda_synth.render.replay import find_line, overlay_of

    def read(path: Path) -> None:
        with suppress(NodaError):
            manifest_lines(path.parent)
        with suppress(NodaError):
            find_line(path, "none of them")
        with suppress(NodaError):
            overlay_of(find_line(path, "a_noda000000"), Sources())

    return read


def _pools() -> Callable[[Path], None]:
    from noda_synth.errors import NodaError
    from noda_synth.pool.reader import Pool

    def read(path: Path) -> None:
        with suppress(NodaError):
            pool = Pool(path)
            # As if whoever changed the pool had written its hash, too: else nothing that comes after were reached.
            with patch("noda_synth.pool.reader.content_hash", lambda *_: pool.content):
                pool.check_content()
            pool.seeds()
            for level in pool.levels:
                for column in (pool.quality, pool.limbs, pool.piece, pool.status, pool.has_matte, pool.foreground):
                    column(level)
            for row in range(min(len(pool), 4)):
                pool.crop(row)
                for level in pool.levels:
                    pool.mask(row, level)

    return read


def _weights() -> Callable[[Path], None]:
    from noda_synth.errors import NodaError
    from noda_train.models.files import read_content

    def read(path: Path) -> None:
        for suffix in (".pth", ".safetensors"):
            path = path.rename(path.with_suffix(suffix))
            with suppress(NodaError):
                read_content(path)

    return read


if __name__ == "__main__":
    main()
