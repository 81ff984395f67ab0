"""The entries of a COCO file as they stand, but with ids that every reader of such files can take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from noda_synth.errors import ItemError
from noda_synth.formats.coco.ids import Numbering, first_free
from noda_synth.formats.files.checks import identity, image_name, noda_extension
from noda_synth.formats.files.json_pieces import list_in, open_json

Wanted = Callable[[int | str], bool]
"""Whether the image of an id, as it stands in the file, is."""


def everything(_image_id: int | str) -> bool:
    """Of all images."""
    return True


class Entries:
    """Images and annotations of a file, in its order; each call goes through it anew, so that nothing is held.

    Left out is what no reader could take: entries that are no objects, images without id or name, those of an id that
    stands for two pictures, and annotations of images that are not there. Ids that pycocotools cannot take are numbered
    anew above the others.

    Attributes:
        header: what stands in the file beside the two lists.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.header = path, dict[str, Any]()
        self._first_annotation = 1
        names = dict[int | str, str]()
        twice = set[int | str]()
        with open_json(path) as file:
            for key, value in file.items():
                if key == "images" and isinstance(value, Iterator):
                    known = filter(None, map(_id_and_name, value))
                    twice |= {image_id for image_id, name in known if names.setdefault(image_id, name) != name}
                elif key == "annotations" and isinstance(value, Iterator):
                    self._first_annotation = first_free(entry.get("id") for entry in value if isinstance(entry, dict))
                else:
                    self.header[key] = list(value) if isinstance(value, Iterator) else value
        numbering = Numbering(first_free(names), lowest=0)
        self._image_ids = {given: numbering.keep(given) for given in names if given not in twice}

    @property
    def sound(self) -> bool:
        """Whether there is nothing to change, so that the file itself will do."""
        return all(written is entry for entry, _, written in chain(self._images(), self._annotations()))

    def images(self, wanted: Wanted = everything) -> Iterator[Mapping[str, Any]]:
        return (written for _, image_id, written in self._images() if written is not None and wanted(image_id))

    def annotations(self, wanted: Wanted = everything) -> Iterator[Mapping[str, Any]]:
        return (written for _, image_id, written in self._annotations() if written is not None and wanted(image_id))

    def _images(self) -> Iterator[tuple[Any, int | str, Mapping[str, Any] | None]]:
        """Entries, the ids of their images as they stand there, and as they are to be written; None for those left
        out."""
        written: set[int | str] = set()
        for entry in list_in(self._path, "images"):
            image_id, _ = _id_and_name(entry) or ("", "")
            if image_id not in self._image_ids or image_id in written:
                yield entry, image_id, None
                continue
            written.add(image_id)
            new = self._image_ids[image_id]
            renamed = {**entry, "id": new, "noda": {**noda_extension(entry), "id": image_id}}
            yield entry, image_id, entry if new == image_id else renamed

    def _annotations(self) -> Iterator[tuple[Any, int | str, Mapping[str, Any] | None]]:
        """The same of the annotations."""
        numbering = Numbering(self._first_annotation, lowest=1)
        for entry in list_in(self._path, "annotations"):
            image_id = _identity(entry, "image_id")
            if image_id is None or image_id not in self._image_ids:
                yield entry, "", None
                continue
            ids = {"id": numbering.keep(entry.get("id")), "image_id": self._image_ids[image_id]}
            same = all(entry.get(key) == number for key, number in ids.items())
            yield entry, image_id, entry if same else {**entry, **ids}


def _id_and_name(entry: Any) -> tuple[int | str, str] | None:
    image_id = _identity(entry, "id")
    try:
        return None if image_id is None else (image_id, image_name(entry.get("file_name")))
    except ItemError:
        return None


def _identity(entry: Any, key: str) -> int | str | None:
    try:
        return identity(entry, key) if isinstance(entry, dict) else None
    except ItemError:
        return None
