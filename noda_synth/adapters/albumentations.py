"""An albumentations transform: keypoints keep their places and labels, and a label field says what is visible."""

from __future__ import annotations

from typing import Any

import albumentations
import numpy as np
from numpy.typing import NDArray

from noda_synth.api.occluder import Occluded, Occluder
from noda_synth.errors import NodaError

_ARGUMENTS = ("scale", "others", "source")


class Occlude(albumentations.DualTransform):  # type: ignore[misc]
    """Occludes the one person whose keypoints come with the image.

    The `Compose` needs `KeypointParams(format="xy", label_fields=["joint", "visible"])`: "joint" says which joint each
    keypoint is, by name or by number, "visible" is a list of numbers 1, 0, -1. A joint that another transform has
    removed counts as not labelled. Other targets (masks, boxes) stay as they are.

    A call may bring `key=(id, epoch)`, `scale=`, `others=` and `source=` along; without a key one is drawn from
    albumentations' own generator.

    Args:
        occluder: what occludes.
        joint, visible: the names of the two label fields.
        p: share of the images that is occluded.
    """

    def __init__(self, occluder: Occluder, *, joint: str = "joint", visible: str = "visible", p: float = 0.5) -> None:
        super().__init__(p=p)
        self.occluder, self.joint, self.visible = occluder, joint, visible

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        rows, names = np.asarray(data["keypoints"], np.float64), self.occluder.skeleton.joints
        joints, visible = np.full((len(names), 2), np.nan), np.full(len(names), -1, np.int8)
        numbers = self._numbers(rows)
        if len(set(numbers)) < len(numbers):
            raise NodaError(f"label field {self.joint!r} names a joint twice; one call takes one person")
        joints[numbers] = rows[:, :2]
        visible[numbers] = rows[:, self._column(self.visible)]
        key = data["key"] if "key" in data else int(self.random_generator.integers(1 << 62))
        given = {name: data[name] for name in _ARGUMENTS if name in data}
        return {"occluded": self.occluder(data["image"], joints, None, visible, key=key, **given), "numbers": numbers}

    @property
    def available_keys(self) -> set[str]:
        return {*super().available_keys, "key", *_ARGUMENTS}

    def apply(self, img: NDArray[np.uint8], occluded: Occluded, **params: Any) -> NDArray[np.uint8]:
        return occluded.image

    def apply_to_keypoints(
        self, keypoints: NDArray[np.float32], occluded: Occluded, numbers: list[int], **params: Any
    ) -> NDArray[np.float32]:
        after = keypoints.copy()
        after[:, self._column(self.visible)] = occluded.visible[numbers]
        return after

    def apply_to_mask(self, mask: NDArray[Any], **params: Any) -> NDArray[Any]:
        return mask

    def apply_to_bboxes(self, bboxes: NDArray[Any], **params: Any) -> NDArray[Any]:
        return bboxes

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        return ("occluder", "joint", "visible")

    def _numbers(self, rows: NDArray[np.float64]) -> list[int]:
        """The number of each keypoint's joint."""
        labels = rows[:, self._column(self.joint)].astype(int)
        encoder = self._encoder(self.joint)
        if encoder is None:
            return [int(label) for label in labels]
        index = self.occluder.skeleton.index
        names = [str(name) for name in encoder.inverse_transform(labels)]
        if unknown := [name for name in names if name not in index]:
            raise NodaError(f"label field {self.joint!r}: no joint {unknown[0]!r}; there are {', '.join(index)}")
        return [index[name] for name in names]

    def _column(self, field: str) -> int:
        """Where albumentations keeps a label field, counted from the end of a keypoint's row."""
        fields = list(self._processor().params.label_fields or ())
        if field not in fields:
            raise NodaError(f"KeypointParams needs label_fields={[self.joint, self.visible]}; it has {fields}")
        if field == self.visible and self._encoder(field) is not None:
            raise NodaError(f"label field {field!r} has to be a list of numbers (array.tolist()): 1, 0 or -1")
        return fields.index(field) - len(fields)

    def _encoder(self, field: str) -> Any:
        """What turned the labels of a field into numbers, None where they are numbers. Its place moved with 2.0."""
        processor = self._processor()
        if hasattr(processor, "label_manager"):
            return processor.label_manager.metadata["keypoints"][field].encoder
        return processor.label_encoders["keypoints"].get(field)

    def _processor(self) -> Any:
        processor = self.get_processor("keypoints")
        if processor is None:
            raise NodaError("Occlude needs a Compose with keypoint_params=KeypointParams(...)")
        return processor
