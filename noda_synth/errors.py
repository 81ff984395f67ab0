"""What can go wrong, in two kinds: input that stops a run, and items that fail while the rest goes on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

# What says nothing about the item in hand: it would go wrong with the next one, too.
_OF_THE_SYSTEM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG))
_OUT_OF_HANDLES = frozenset((errno.EMFILE, errno.ENFILE))


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


@contextmanager
def of_item(name: object = "") -> Iterator[None]:
    """The one place that turns what the system, the memory or a library says of one item into the item's error.

    A full or read-only disk passes through, for that is not the item's fault.

    Args:
        name: what the message begins with, the file for one; "" where the message goes beside the item's name.

    Raises:
        ItemError: the item cannot be used.
        NodaError: this process may open no more files.
    """
    named = f"{name}: " if name != "" else ""
    try:
        yield
    except UnicodeEncodeError as error:  # half a surrogate pair, which no name of a file can hold
        raise ItemError(f"{named}no file can have this name ({error})") from error
    except OSError as error:
        if error.errno in _OUT_OF_HANDLES:
            raise NodaError("too many files are open; raise the limit (ulimit -n), or lower --jobs") from error
        if error.errno in _OF_THE_SYSTEM:
            raise
        missing = isinstance(error, FileNotFoundError)
        raise ItemError(f"{named}{'no such file' if missing else error.strerror or error}") from error
    except MemoryError as error:
        raise ItemError(f"{named}it does not fit into the memory") from error
    except RecursionError as error:
        raise ItemError(f"{named}it is nested too deeply") from error
    except (ValueError, ArithmeticError) as error:
        raise ItemError(f"{named}{error}") from error
    except Exception as error:
        if type(error).__module__ != "cv2":  # OpenCV's, which is not imported here
            raise
        raise ItemError(f"{named}{str(error).strip()}") from error
