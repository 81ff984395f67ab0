"""What is in a pool file, for the writer and the reader; docs/pool-format.md describes it for others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from noda_synth.data.skeleton import COCO, MPII, SKELETONS, Skeleton, definition, skeleton_of
from noda_synth.formats.files.atomic import parsed

FORMAT, FORMAT_VERSION = "noda-synth pool", 3
STATUS_OK, STATUS_FALLBACK = 0, 1
"""Status of a level: its own mask, or the cardboard level's because it could not run."""

NO_VIDEO = -1
_GEOMETRY = ("joints", "labelled", "visible", "scale", "box", "size", "origin", "factor")
COLUMNS = (*_GEOMETRY, "truncated", "image", "person", "stance", "tone", "frame", "look", "video")
"""Arrays with one row per body, in the order in which they are hashed."""
_COPY_BYTES = 8 << 20


def pool_attributes(skeleton: Skeleton, levels: Iterable[str], settings: str, version: str) -> dict[str, Any]:
    """The attributes at the top of a pool; `settings` is JSON.

    A skeleton is stored whole; but the names of MPII's and COCO's have always stood for them.
    """
    whole = {} if skeleton in (MPII, COCO) else {"skeleton_definition": json.dumps(definition(skeleton))}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": f"noda-synth {version}",
        "skeleton": skeleton.name,
        "joints": json.dumps(skeleton.joints),
        **whole,
        "levels": json.dumps(list(levels)),
        "settings": settings,
    }


def skeleton_in(attributes: Mapping[str, Any]) -> Skeleton:
    """Raises KeyError, ValueError or NodaError for attributes that state none."""
    if "skeleton_definition" in attributes:
        return skeleton_of(parsed(attributes["skeleton_definition"]), "skeleton_definition")
    return SKELETONS[attributes["skeleton"]]


def dataset_names(levels: Sequence[str]) -> list[str]:
    blobs = [
        name
        for group in ("crops", *(f"masks/{level}" for level in levels))
        for name in (f"{group}/bytes", f"{group}/offsets")
    ]
    flags = [
        f"masks/{level}/{name}"
        for level in levels
        for name in ("status", "foreground", "quality", "matte", "limbs", "piece")
    ]
    return [*(f"bodies/{name}" for name in COLUMNS), *flags, *blobs]


def steps(values: h5py.Dataset) -> Iterator[slice]:
    """A few megabytes at a time."""
    step = max(1, _COPY_BYTES // max(1, values[:1].nbytes))
    return (slice(start, start + step) for start in range(0, len(values), step))


def array_digest(values: h5py.Dataset) -> hashlib._Hash:
    """SHA-256 of the array's bytes."""
    digest = hashlib.sha256()
    for part in steps(values):
        digest.update(np.ascontiguousarray(values[part]).tobytes())
    return digest


def content_hash(attributes: Mapping[str, Any], digests: Iterable[hashlib._Hash]) -> str:
    content = hashlib.sha256(json.dumps(dict(attributes), sort_keys=True).encode())
    for digest in digests:
        content.update(digest.digest())
    return content.hexdigest()
