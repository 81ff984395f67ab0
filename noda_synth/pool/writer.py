"""Writing a pool: parts, which are pools themselves, and the whole that is put together from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from noda_synth.data.pose import Pose
from noda_synth.data.stance import STANCE_FIELDS, stance_of
from noda_synth.imaging.fingerprint import BYTES
from noda_synth.imaging.images import encode_jpeg, encode_mask
from noda_synth.imaging.tone import TONE_FIELDS, tone
from noda_synth.masks.completeness import largest_piece, limb_cover
from noda_synth.pool.layout import NO_VIDEO, STATUS_FALLBACK, STATUS_OK, content_hash, dataset_names, skeleton_in, steps

if TYPE_CHECKING:
    from noda_synth.data.dataset import Person
    from noda_synth.pool.cutout import Cutout


def write_part(path: Path, bodies: Sequence[tuple[Person, Cutout, bool]], attributes: Mapping[str, Any]) -> None:
    """Write bodies (person, cut-out, truncated by the frame) as a pool of their own."""
    levels = json.loads(attributes["levels"])
    joints = len(json.loads(attributes["joints"]))
    skeleton = skeleton_in(attributes)
    poses = [Pose(skeleton, c.joints, c.labelled, c.visible) for _, c, _ in bodies]
    columns: dict[str, NDArray[Any]] = {
        "joints": np.array([c.joints for _, c, _ in bodies], np.float64).reshape(-1, joints, 2),
        "labelled": np.array([c.labelled for _, c, _ in bodies], np.uint8).reshape(-1, joints),
        "visible": np.array([c.visible for _, c, _ in bodies], np.int8).reshape(-1, joints),
        "scale": np.array([np.nan if p.scale is None else p.scale for p, _, _ in bodies], np.float64),
        "box": np.array([c.box for _, c, _ in bodies], np.float64).reshape(-1, 4),
        "size": np.array([c.image.shape[1::-1] for _, c, _ in bodies], np.int32).reshape(-1, 2),
        "origin": np.array([c.origin for _, c, _ in bodies], np.float64).reshape(-1, 2),
        "factor": np.array([c.factor for _, c, _ in bodies], np.float64).reshape(-1, 2),
        "truncated": np.array([t for _, _, t in bodies], np.uint8),
        "stance": np.array([stance_of(pose).as_array() for pose in poses]).reshape(-1, len(STANCE_FIELDS)),
        "tone": np.array([tone(c.image) for _, c, _ in bodies]).reshape(-1, len(TONE_FIELDS)),
        "frame": np.array([c.frame for _, c, _ in bodies], np.int32).reshape(-1, 4),
        "look": np.frombuffer(b"".join(c.look for _, c, _ in bodies), np.uint8).reshape(-1, BYTES),
        "video": np.array([NO_VIDEO if c.video is None else c.video for _, c, _ in bodies], np.int64),
        "image": _texts(p.image for p, _, _ in bodies),
        "person": _texts(p.person_id for p, _, _ in bodies),
    }
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, values in columns.items():
            file[f"bodies/{name}"] = values
        _write_blobs(file, "crops", [encode_jpeg(c.image) for _, c, _ in bodies])
        for level in levels:
            masks = [c.masks[level] for _, c, _ in bodies]
            _write_blobs(file, f"masks/{level}", [encode_mask(m.opacity, hard=m.matte is None) for m in masks])
            file[f"masks/{level}/status"] = np.array(
                [STATUS_FALLBACK if m.fallback else STATUS_OK for m in masks], np.uint8
            )
            file[f"masks/{level}/foreground"] = np.array([m.inside.mean() for m in masks], np.float64)
            file[f"masks/{level}/quality"] = np.array([c.quality[level] for _, c, _ in bodies], np.float64)
            file[f"masks/{level}/limbs"] = np.array(
                [limb_cover(m.inside, pose) for m, pose in zip(masks, poses, strict=True)], np.float64
            ).reshape(-1, 2)
            file[f"masks/{level}/piece"] = np.array([largest_piece(m.inside) for m in masks], np.float64)
            file[f"masks/{level}/matte"] = np.array([m.matte is not None for m in masks], np.uint8)


def _texts(values: Iterable[str]) -> NDArray[Any]:
    """(N,) bytes in UTF-8, half a surrogate pair as if it were a character."""
    return np.array([value.encode("utf-8", "surrogatepass") for value in values] or np.empty(0, "S1"), "S")


def merge_parts(parts: Sequence[Path], path: Path, attributes: Mapping[str, Any]) -> None:
    """Put parts together, in their order, into one pool with contiguous arrays; one part is open at a time.

    The attribute `content` is a SHA-256 over everything in the pool; render writes it down, so that a copy can be
    traced to the very pool it came from.
    """
    names = dataset_names(json.loads(attributes["levels"]))
    lengths, dtypes, shapes = dict.fromkeys(names, 0), dict[str, Any](), dict[str, Any]()
    for part in parts:
        with h5py.File(part, "r") as source:
            for name in names:
                values = source[name]
                lengths[name] += len(values) - name.endswith("/offsets")
                shapes[name] = values.shape[1:]
                dtypes[name] = max(dtypes.get(name, values.dtype), values.dtype, key=lambda dtype: dtype.itemsize)
    with h5py.File(path, "w") as pool:
        pool.attrs.update(attributes)
        appenders = {
            name: _Appender(pool, name, (lengths[name] + name.endswith("/offsets"), *shapes[name]), dtypes[name])
            for name in names
        }
        for part in parts:
            with h5py.File(part, "r") as source:
                for name in names:
                    appenders[name].append(source[name])
        pool.attrs["content"] = content_hash(attributes, (appenders[name].digest for name in names))


def _write_blobs(file: h5py.File, group: str, blobs: Sequence[bytes]) -> None:
    lengths = np.array([0, *map(len, blobs)], np.uint64)
    file[f"{group}/bytes"] = np.frombuffer(b"".join(blobs), np.uint8)
    file[f"{group}/offsets"] = np.cumsum(lengths, dtype=np.uint64)


class _Appender:
    """One array of the pool, filled part by part, a few megabytes at a time."""

    def __init__(self, pool: h5py.File, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.target = pool.create_dataset(name, shape, dtype)
        self.digest = hashlib.sha256()
        self.position = 0
        self.is_offsets = name.endswith("/offsets")
        self.base = np.uint64(0)
        if self.is_offsets:
            self._write(np.zeros(1, dtype))

    def append(self, source: h5py.Dataset) -> None:
        if self.is_offsets:
            values = source[1:] + self.base
            self._write(values)
            self.base = values[-1] if len(values) else self.base
            return
        for part in steps(source):
            self._write(source[part].astype(self.target.dtype))

    def _write(self, values: NDArray[Any]) -> None:
        self.target[self.position : self.position + len(values)] = values
        self.digest.update(np.ascontiguousarray(values).tobytes())
        self.position += len(values)
