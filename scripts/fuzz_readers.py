"""Feed the readers with what a fuzzer comes up with: what they read, or one of our two errors, and nothing else.

Annotations and splits, pictures and their headers, manifests, pools, and (where torch is installed) weights.

    pip install atheris
    python scripts/fuzz_readers.py corpus -max_total_time=3600 -max_len=65536 -rss_limit_mb=3000

The corpus folder gets seeds, if it is empty: a small file of every kind. A finding is left in `crash-...` and printed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.io import savemat

_MAX_PIXELS = 1 << 20


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


def write_pictures(corpus: Path) -> None:
    """A picture of every kind that OpenCV writes, one with EXIF, and one with a profile."""
    picture = np.random.default_rng(0).integers(0, 255, (9, 14, 3), np.uint8)
    for suffix in ("jpg", "png", "bmp", "tiff", "webp"):
        cv2.imwrite(str(corpus / f"picture.{suffix}"), picture)
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(picture).save(corpus / "turned.jpg", exif=exif, icc_profile=b"profile", progressive=True)


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


def main() -> None:
    import atheris

    # Only what is imported in here is instrumented.
    with atheris.instrument_imports(include=["noda_synth", "noda_train"]):
        from noda_synth.errors import ItemError, NodaError
        from noda_synth.formats import Layout, read_dataset
        from noda_synth.formats.files.detect import detect
        from noda_synth.formats.mpii.split import read_split
        from noda_synth.imaging.images import UprightPath, image_size, is_turned, read_image, read_reduced
        from noda_synth.imaging.jpeg import jpeg_style
        from noda_synth.methods import Sources
        from noda_synth.pool.reader import Pool
        from noda_synth.render.manifest import manifest_lines
        from noda_synth.render.replay import find_line, overlay_of

        try:
            from noda_train.models.files import read_content
        except ImportError:
            read_content = None  # type: ignore[assignment]

    folder = Path(tempfile.mkdtemp())
    refused = suppress(NodaError, ItemError)

    def read_annotations(path: Path) -> None:
        with refused:
            kind = detect(path)
            if kind in ("mpii_json", "mpii_mat", "coco"):
                read_dataset(Layout(folder, path, kind), all_train=kind == "mpii_mat")
        with refused:
            read_split(path)

    def read_picture(path: Path) -> None:
        for one in (path, UprightPath(path)):
            with refused:
                image_size(one, _MAX_PIXELS)
            with refused:
                read_image(one, _MAX_PIXELS)
            with refused:
                read_reduced(one, 4, _MAX_PIXELS)
        is_turned(UprightPath(path))
        jpeg_style(path.read_bytes())

    def read_manifest(path: Path) -> None:
        with refused:
            manifest_lines(folder)
        with refused:
            find_line(path, "none of them")
        with refused:
            overlay_of(find_line(path, "a_noda000000"), Sources())

    def read_pool(path: Path) -> None:
        with refused:
            pool = Pool(path)
            pool.seeds()
            for level in pool.levels:
                for column in (pool.quality, pool.limbs, pool.piece, pool.status, pool.has_matte, pool.foreground):
                    column(level)
            for row in range(min(len(pool), 4)):
                pool.crop(row)
                for level in pool.levels:
                    pool.mask(row, level)
            pool.check_content()

    def read_weights(path: Path) -> None:
        if read_content is None:
            return
        for suffix in (".pth", ".safetensors"):
            with refused:
                read_content(path.rename(path.with_suffix(suffix)))
            path = path.with_suffix(suffix)

    # Every reader gets the files that begin as its own do; the rest goes to those of annotations.
    readers: tuple[tuple[tuple[bytes, ...], Callable[[Path], None], str], ...] = (
        ((b"\xff\xd8", b"\x89PNG", b"BM", b"II", b"MM", b"RIFF"), read_picture, "picture"),
        ((b'{"id"',), read_manifest, "manifest.jsonl"),
        ((b"\x89HDF",), read_pool, "pool.h5"),
        ((b"PK", b"\x80"), read_weights, "weights"),
        ((b"",), read_annotations, "input"),
    )

    def read(data: bytes) -> None:
        for starts, reader, name in readers:
            if data.startswith(starts) or (reader is read_weights and data[2:8] == bytes(6)):
                path = folder / name
                path.write_bytes(data)
                reader(path)
                return

    corpus = Path(next(argument for argument in sys.argv[1:] if not argument.startswith("-")))
    if not corpus.is_dir() or not any(corpus.iterdir()):
        for write in (write_seeds, write_pictures, write_manifest, write_pool, write_weights):
            write(corpus)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
