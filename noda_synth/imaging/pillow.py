"""Pictures as Pillow reads them: the header of unusual ones, cut-outs, masks of labels, profiles, EXIF. And silence."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from noda_synth.errors import ItemError, NodaError

_STDERR = 2


@contextmanager
def opened(file: Path | BinaryIO, name: object = "") -> Iterator[PillowImage.Image]:
    """A picture whose header was read; what is done with it decodes the rest.

    Of damaged files Pillow raises nearly anything, an IndexError for one, and warns on stderr without a name.

    Args:
        file: what is read.
        name: what the message begins with.

    Raises:
        ItemError: for whatever goes wrong, in here and in the block.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # also of sizes: those are checked by --max-pixels
            with quiet_decoders(), PillowImage.open(file) as image:
                yield image
    except (ItemError, NodaError):
        raise
    except PillowImage.DecompressionBombError as error:
        raise ItemError(f"{name}: its header claims more pixels than --max-pixels allows ({error})") from error
    except UnidentifiedImageError as error:
        raise ItemError(f"{name}: not an image; fetch the file again") from error
    except Exception as error:
        raise ItemError(f"{name}: cannot be decoded ({error or type(error).__name__}); fetch the file again") from error


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep off stderr what libjpeg and libpng say there themselves, without the name of the file they mean.

    The descriptor belongs to the whole process: in other threads than the main one it is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        stderr = os.dup(_STDERR)
    except OSError:  # there is none
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(stderr, _STDERR)
        os.close(stderr)
