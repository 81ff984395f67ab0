"""What can go wrong, in two kinds: input that stops a run, and items that fail while the rest goes on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path


class NodaError(Exception):
    """Unusable input or usage: the message names the file, the record and the way out. Exit code 2.

    Attributes:
        path: the file at fault, which the message then begins with; None where it is no single file.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message if path is None else f"{path}: {message}")
        self.path = path


class ItemError(Exception):
    """One image or record cannot be used; it is reported by name and the rest goes on. Exit code 1 at the end."""


@dataclass(frozen=True)
class Problem:
    """One line of `errors.jsonl`.

    `item` names the file or the record, `reason` says what is wrong with it. A problem that costs the item is
    `failed`; one that is only worth knowing (a joint far outside the image, which is written back unchanged) is not.
    """

    stage: str
    item: str
    reason: str
    failed: bool = True

    def as_json(self) -> dict[str, object]:
        return asdict(self)
