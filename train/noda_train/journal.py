"""The record of a run: a line per epoch in metrics.jsonl, and TensorBoard's files where it is installed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from noda_synth.formats.files.atomic import write_text
from noda_train.distributed import World


class Journal:
    """metrics.jsonl, and TensorBoard where it is installed. Lines after the epoch that is resumed from are dropped."""

    def __init__(self, run: Path, epoch: int, world: World) -> None:
        self.path, self.writes, self.board = run / "metrics.jsonl", world.is_first, None
        if not self.writes:
            return
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        write_text(self.path, "".join(text + "\n" for text in lines if _epoch(text) <= epoch))
        self.board = _tensorboard(run)

    def __enter__(self) -> Journal:
        return self

    def write(self, line: dict[str, Any]) -> None:
        """Add an epoch; the first process alone does."""
        if not self.writes:
            return
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            scores = {
                f"{key}/{k}": v for key, value in line.items() if isinstance(value, dict) for k, v in value.items()
            }
            for key, value in {**line, **scores}.items():
                if isinstance(value, int | float) and key != "epoch":
                    self.board.add_scalar(key, value, line["epoch"])

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()


def _epoch(text: str) -> float:
    """The epoch of a line; infinity for one that was cut short when the run was killed."""
    try:
        return float(json.loads(text)["epoch"])
    except ValueError:
        return math.inf


def _tensorboard(run: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run))
