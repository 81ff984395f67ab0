"""Methods that lay several pieces over a person, each over those before it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from noda_synth.errors import NodaError
from noda_synth.imaging.compositing import Overlay
from noda_synth.imaging.images import BGRImage
from noda_synth.methods.base import Method, SettingsT


@dataclass(frozen=True)
class Pieces:
    """Pieces in the order in which they are laid, each a frozen dataclass of the method's own."""

    pieces: tuple[Any, ...]


class PieceMethod(Method[SettingsT, Pieces]):
    """A method that says for each piece where and what it is; here they become one overlay.

    Attributes:
        piece_type: frozen dataclass of one piece.
    """

    placement_type = Pieces
    piece_type: ClassVar[type[Any]]

    @abstractmethod
    def piece_overlay(self, piece: Any) -> Overlay:
        """What one piece covers."""

    @abstractmethod
    def piece_colours(self, piece: Any, overlay: Overlay, picture: BGRImage) -> BGRImage:
        """The colours of a piece, (h, w, 3) uint8."""

    def overlay(self, placement: Pieces) -> Overlay:
        if len(placement.pieces) == 1:
            return self.piece_overlay(placement.pieces[0])
        return combine((self.piece_overlay(piece), None) for piece in placement.pieces)[0]

    def colours(self, placement: Pieces, overlay: Overlay, picture: BGRImage) -> BGRImage:
        if len(placement.pieces) == 1:
            return self.piece_colours(placement.pieces[0], overlay, picture)
        overlays = [(piece, self.piece_overlay(piece)) for piece in placement.pieces]
        colours = combine((one, self.piece_colours(piece, one, picture)) for piece, one in overlays)[1]
        assert colours is not None
        return colours

    @classmethod
    def placement_of(cls, record: Mapping[str, Any]) -> Pieces:
        try:
            return Pieces(tuple(cls.piece_type(**piece) for piece in record["pieces"]))
        except (TypeError, KeyError):
            raise NodaError("the placement is not as render wrote it: it lacks keys, or has others") from None


def combine(layers: Iterable[tuple[Overlay, BGRImage | None]]) -> tuple[Overlay, NDArray[np.uint8] | None]:
    """Overlays, with colours or without, laid over each other: one that looks the same on any picture."""
    known = list(layers)
    left, top = min(overlay.left for overlay, _ in known), min(overlay.top for overlay, _ in known)
    right = max(overlay.left + overlay.alpha.shape[1] for overlay, _ in known)
    bottom = max(overlay.top + overlay.alpha.shape[0] for overlay, _ in known)
    opacity = np.zeros((bottom - top, right - left), np.float32)
    mixed = np.zeros((*opacity.shape, 3), np.float32)
    for overlay, colours in known:
        height, width = overlay.alpha.shape
        y, x = overlay.top - top, overlay.left - left
        window = slice(y, y + height), slice(x, x + width)
        share = overlay.alpha.astype(np.float32) / 255
        opacity[window] += share * (1 - opacity[window])
        if colours is not None:
            mixed[window] += share[..., None] * (colours - mixed[window])
    alpha = Overlay(np.rint(255 * opacity).astype(np.uint8), left, top)
    if known[0][1] is None:
        return alpha, None
    # `mixed` is already weighted by opacity, because it began at zero.
    plain = mixed / np.maximum(opacity, 1 / 512)[..., None]
    return alpha, np.clip(np.rint(plain), 0, 255).astype(np.uint8)
