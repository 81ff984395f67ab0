"""The content of weight files as plain values: torch's pickles and .safetensors. Nothing in a file is run.

Pickles are read with weights_only=True. Beside tensors they may hold NumPy's values, which training programs note down
as scores and statistics. Objects of other programs that lie beside the weights (MMEngine's history of losses) come back
as `Unread`: their code is neither imported nor needed.
"""

from __future__ import annotations

import math
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noda_synth.errors import NodaError
from noda_synth.formats.files.atomic import check_regular, parsed

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The names of .safetensors."""
FOREIGN = re.compile(r"GLOBAL ([\w.]+)")
"""What torch's unpickler did not allow, in its message."""
MAX_HEADER = 100_000_000
"""Bytes of the header of a .safetensors file, as its own library limits them."""
DAMAGE = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, MemoryError, RuntimeError, AssertionError),
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
)
"""What torch and json raise where a file is not what it claims to be; in the innermost of torch's readers nearly
anything."""


class Unread:
    """Stands for an object of another program that was not made again."""

    def __new__(cls, *_: object) -> Unread:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Nothing is kept."""


NOT_MADE = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",  # by which pickles of protocol 2 name the methods of HistoryBuffer
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
)


def read_content(path: Path) -> dict[str, Any]:
    """What a weight file holds, by name; tensors on the CPU. NodaError if it is damaged, or holds anything else."""
    check_regular(path)
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        with torch.serialization.safe_globals(_allowed()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise NodaError(f"{path}: cannot be read as a file of plain weights: {_reason(path, error)}") from error
    if not isinstance(content, dict):
        raise NodaError(f"{path}: holds a {type(content).__name__}, not a dictionary of weights")
    return content


def _reason(path: Path, error: Exception) -> str:
    """Why a pickle was not read, in one line: torch's own text goes on to advise that the file be let run."""
    with path.open("rb") as file:
        start = file.read(256).lstrip()
    if not start:
        return "it is empty; fetch it again"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of git-lfs; `git lfs pull` fetches the weights"
    if start[:1] in (b"<", b"{"):
        return "it is a web page or other text; download it again"
    if found := FOREIGN.search(str(error)):
        return (
            f"it holds {found[1]}, which nothing but its own program can make again; save the weights alone there,"
            " with torch.save(model.state_dict(), FILE)"
        )
    return "it is damaged, or no file of torch.save; fetch it again"


def _allowed() -> list[Any]:
    """NumPy's reconstruction of arrays and numbers, by the names of its versions 1 and 2; and what stays unread."""
    core = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    named = [
        (made, f"numpy.{room}.multiarray.{name}")
        for room in ("core", "_core")
        for made, name in zip(core, ("_reconstruct", "scalar"), strict=True)
    ]
    kinds = {type(np.dtype(code)) for code in np.typecodes["All"]}
    return [np.ndarray, np.dtype, *kinds, *named, *((Unread, name) for name in NOT_MADE)]


def _safetensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors file: eight bytes of length, a JSON header, and the values."""
    data = path.read_bytes()
    try:
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or length > min(len(data) - 8, MAX_HEADER):
            raise ValueError("it is cut short")
        header = parsed(data[8 : 8 + length])
        values = memoryview(bytearray(data[8 + length :]))  # torch wants memory that can be written to
        return {name: _tensor(entry, values) for name, entry in header.items() if name != "__metadata__"}
    except DAMAGE as error:
        raise NodaError(f"{path}: not a .safetensors file that can be read ({error})") from error


def _tensor(entry: dict[str, Any], values: memoryview) -> Tensor:
    dtype, shape, (start, end) = DTYPES[entry["dtype"]], [int(n) for n in entry["shape"]], entry["data_offsets"]
    if not 0 <= start <= end <= len(values) or end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array's place does not fit its shape, or lies outside of the file")
    if start == end:
        return torch.zeros(shape, dtype=dtype)
    return torch.frombuffer(values[start:end], dtype=dtype).reshape(shape).clone()
