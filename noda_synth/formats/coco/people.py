"""Writing the people of a data set as a COCO file, with the sizes of their images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from noda_synth.data.dataset import Image, Images, Person
from noda_synth.data.skeleton import Skeleton
from noda_synth.errors import ItemError, NodaError, Problem
from noda_synth.formats.coco.write import coco_annotation, coco_image, write_coco
from noda_synth.formats.files.missing import not_one_there


def write_coco_people(
    path: Path, skeleton: Skeleton, names: Collection[str], persons: Sequence[Person], folder: Path
) -> list[Problem]:
    """Write the people on images of these names, in `folder`, as a COCO file.

    Returns:
        Images that are left out, with everyone on them. Raises NodaError where that is all of them.
    """
    from noda_synth.imaging.images import image_path, image_size

    sized: Images = Images()
    problems: list[Problem] = []
    for name in names:
        try:
            sized.add(Image(name, image_size(image_path(folder, name))))
        except ItemError as error:
            problems.append(Problem("write", f"{path.name} image {name}", f"left out with everyone on it: {error}"))
    if not sized:
        raise NodaError(not_one_there(folder, names) or f"none of {len(names)} images can be read.", path)
    images = (
        coco_image(name, number, image.size)
        for number, (name, image) in enumerate(sized.items(), start=1)
        if image.size
    )

    def annotations() -> Iterator[dict[str, Any]]:
        for number, person in enumerate((p for p in persons if p.image in sized), start=1):
            image_id, size = sized.index(person.image) + 1, sized[person.image].size
            if size:
                yield coco_annotation(person, annotation_id=number, image_id=image_id, size=size)

    write_coco(path, images, annotations(), skeleton)
    return problems
