"""An occluder for other people's loops: an image and the joints of a person in, the occluded image and labels out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noda_synth.api.channels import check_channels, to_bgr
from noda_synth.api.person import Key, key_text, person_of
from noda_synth.data.dataset import OCCLUDED, Dataset, Images, People, Person
from noda_synth.data.skeleton import Skeleton, load_skeleton, skeleton_file
from noda_synth.errors import ItemError, NodaError
from noda_synth.imaging.bars import reduce_picture
from noda_synth.imaging.compositing import Overlay, overlap
from noda_synth.methods import Sources, method_class
from noda_synth.methods.base import Method
from noda_synth.methods.choices import check_joints, method_settings
from noda_synth.render.occluded_copies import compose
from noda_synth.seeding import item_generator

Others = Sequence[Person | ArrayLike] | NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Pasted:
    """The whole person that was pasted.

    Attributes:
        id: the person's id in the pool.
        source: name of the image that the person was cut out of.
        joints: (J, 2) float64, 0-based pixels of the picture; NaN where not labelled.
        labelled: (J,) bool.
        visible: (J,) int8, as in the image that the person is from.
    """

    id: str
    source: str
    joints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    visible: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Occluded:
    """What became of an image.

    Attributes:
        image: (H, W, 3) uint8, an array of its own; where `reason` says why nobody could be placed, the same pixels.
        visible: (J,) int8: 1 visible, 0 occluded, -1 unknown; the joints under what was pasted are occluded.
        covered: (J,) bool, the labelled joints that lie under what was pasted.
        alpha: (H, W) uint8, the opacity of what was pasted; the image differs from the input here and nowhere else.
        occluder: the person that was pasted, or None: methods that paste something else, or nothing was pasted.
        placement: what was drawn, plain values as in the manifest of render; None if nothing was.
        reason: why nobody could be placed, or an empty string.
        more: with `bodies` the further people, in the order in which they were pasted over the first.
    """

    image: NDArray[np.uint8]
    visible: NDArray[np.int8]
    covered: NDArray[np.bool_]
    alpha: NDArray[np.uint8]
    occluder: Pasted | None
    placement: Mapping[str, Any] | None
    reason: str
    more: tuple[Pasted, ...] = ()


class Occluder:
    """Occludes people in images, as `noda-synth render` does.

    An occluder can be sent to workers and survives a fork; each process opens the pool for itself. What is drawn
    depends on the seed and the key of a call alone.

    Args:
        pool: the pool of bodies; methods that paste none do not look at it.
        method: how people are occluded, a name of `render --method`.
        preset: noda's "paper" or "best".
        skeleton: the joints: a shipped name ("mpii16", "coco17", "crowdpose14", "lsp14"), a TOML file, or a Skeleton.
        seed: of everything that is drawn.
        channels: order of the colours: "rgb" or "bgr".
        settings: the method's own, those of `render --set`; and for "objects" where these lie: `objects` (and
            `objects_images`).

    Raises:
        NodaError: an unknown name or value; a pool that is missing, damaged, or has other joints.
    """

    def __init__(
        self,
        pool: str | Path = "data/pool.h5",
        *,
        method: str = "noda",
        preset: str = "paper",
        skeleton: str | Path | Skeleton = "mpii16",
        seed: int = 0,
        channels: str = "rgb",
        **settings: Any,
    ) -> None:
        check_channels(channels)
        objects, images = (
            None if where is None else Path(where)
            for where in (settings.pop(name, None) for name in ("objects", "objects_images"))
        )
        self.skeleton = skeleton if isinstance(skeleton, Skeleton) else load_skeleton(skeleton_file(str(skeleton)))
        self.method, self.seed, self.channels = method, seed, channels
        self.settings = method_settings(method, preset, settings, "Occluder", Path(pool))
        check_joints(self.settings, self.skeleton, "Occluder: protect_joints")
        if "objects" in method_class(method).takes and objects is None:
            raise NodaError(f"Occluder: method {method} needs objects=, a folder of PNG cut-outs or a COCO file")
        self._sources = Sources(Path(pool), objects, images)
        self._opened: tuple[int, Method[Any, Any]] | None = None
        self._open().check(Dataset(self.skeleton, Images(), People()))

    def __call__(
        self,
        image: NDArray[np.uint8],
        joints: ArrayLike,
        labelled: ArrayLike | None = None,
        visible: ArrayLike | None = None,
        *,
        key: Key,
        scale: float | None = None,
        others: Others = (),
        source: str | None = None,
    ) -> Occluded:
        """Occlude a person.

        Args:
            image: (H, W, 3) uint8; it is not written to.
            joints: (J, 2) float, 0-based pixels: the centre of the top-left pixel is (0, 0).
            labelled: (J,) bool, or numbers above 0, for those that have coordinates; None takes the finite ones.
            visible: (J,) of 1 visible, 0 occluded, -1 unknown; None: all unknown.
            key: text, a number or a tuple of these, for instance (image id, epoch). The same key gives the same draw
                in any process; (person id, copy) gives that of `render`.
            scale: MPII's scale (height / 200 px), by which bodies are brought to size; None takes the joints' box.
            others: the other people of the image, each a (J, 2) array with NaN where not labelled, or a Person.
            source: the image's name in the data set of the pool: nobody is pasted into the image they are from.

        Raises:
            NodaError: arrays of another shape or kind; a damaged pool.
        """
        person = person_of(joints, labelled, visible, self.skeleton, scale=scale, source=source)
        return self.cover(image, person, key=key, others=others)

    def cover(self, image: NDArray[np.uint8], person: Person, *, key: Key, others: Others = ()) -> Occluded:
        """Occlude a person of `read_dataset`, with all that the annotations say; else as a call."""
        _check_image(image)
        self._check_joints(person)
        rng = item_generator(self.seed, "placement", key_text(key))
        method, size = self._open(), (image.shape[1], image.shape[0])
        seen = self._people(others, person.image) if method.sees_others else ()
        subject = method.subject(person, self.skeleton, size, seen)
        if not subject.reason:
            method.look(subject, lambda: reduce_picture(to_bgr(image, self.channels)))
        placement, reason = (None, subject.reason) if subject.reason else method.draw(subject, rng)
        alpha = np.zeros(image.shape[:2], np.uint8)
        if placement is None:
            covered = np.zeros(len(self.skeleton), np.bool_)
            return Occluded(image.copy(), person.visible.copy(), covered, alpha, None, None, reason)
        picture = to_bgr(image, self.channels)
        try:
            overlay = compose(picture, method, placement)
        except ItemError as error:
            raise NodaError(f"{key_text(key)}: {error}") from error
        covered = subject.under(overlay)
        pasted = [_pasted(body) for body in method.pasted_bodies(placement)]
        if overlay is not None:
            _draw_alpha(alpha, overlay)
        return Occluded(
            image=picture if self.channels == "bgr" else to_bgr(picture, self.channels),
            visible=np.where(covered, OCCLUDED, person.visible).astype(np.int8),
            covered=covered,
            alpha=alpha,
            occluder=pasted[0] if pasted else None,
            placement=asdict(placement),
            reason="",
            more=tuple(pasted[1:]),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _open(self) -> Method[Any, Any]:
        """The method as this process has it open."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), method_class(self.method)(self.settings, self._sources))
        return self._opened[1]

    def _check_joints(self, person: Person) -> None:
        if len(person.joints) != len(self.skeleton):
            count = f"{len(person.joints)} joints; {self.skeleton.name} has {len(self.skeleton)}"
            raise NodaError(f"person {person.person_id} has {count}")

    def _people(self, others: Others, source: str) -> list[Person]:
        people = []
        for number, other in enumerate(() if others is None else others):
            if isinstance(other, Person):
                self._check_joints(other)
                people.append(other)
                continue
            name = f"others[{number}]"
            people.append(person_of(other, None, None, self.skeleton, source=source, person_id=name, name=name))
        return people


def _check_image(image: NDArray[np.uint8]) -> None:
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        raise NodaError(
            f"image is {kind}; expected a uint8 array (H, W, 3), as np.asarray makes of pictures and tensors"
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shares = "; of floats 0 to 1 it is (255 * image).round().astype(np.uint8)" if image.dtype.kind == "f" else ""
        raise NodaError(
            f"image is {image.dtype} {image.shape}; expected a uint8 array (H, W, 3){_ways(image.shape)}{shares}"
        )
    if not image.size:
        raise NodaError(f"image has no pixels: {image.shape}")


def _ways(shape: tuple[int, ...]) -> str:
    """How an image of another shape becomes one."""
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 1):
        return "; a grey one is cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)"
    if len(shape) == 3 and shape[2] == 4:
        return "; without its alpha it is image[..., :3]"
    if len(shape) == 3 and shape[0] == 3 and shape[2] != 3:
        return "; with the colours first it is image.transpose(1, 2, 0)"
    return ""


def _draw_alpha(alpha: NDArray[np.uint8], overlay: Overlay) -> None:
    window = overlap(overlay.alpha.shape, alpha.shape, overlay.left, overlay.top)
    if window is not None:
        alpha[window[0]] = overlay.alpha[window[1]]


def _pasted(body: Person) -> Pasted:
    joints = np.where(body.labelled[:, None], body.joints, np.nan)
    return Pasted(body.person_id, body.image, joints, body.labelled, body.visible)
