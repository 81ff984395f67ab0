"""How far a run is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
from typing import IO

from tqdm import tqdm


class _Lines:
    """A stream for tqdm that turns its carriage returns into lines, for logs."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        if text.strip("\r\n "):
            self.stream.write(text.strip("\r\n ") + "\n")

    def flush(self) -> None:
        self.stream.flush()


class Progress:
    """Rate and remaining time: a bar on a terminal, a plain line now and then in a log, nothing if quiet."""

    def __init__(self, total: int, what: str, unit: str, *, quiet: bool = False, stream: IO[str] | None = None) -> None:
        stream = stream or sys.stderr
        terminal = stream.isatty()
        self._bar = tqdm(
            total=total,
            desc=what,
            unit=unit,
            disable=quiet,
            file=stream if terminal else _Lines(stream),
            dynamic_ncols=terminal,
            ascii=not terminal,
            mininterval=0.1 if terminal else 10.0,
            delay=0.0 if terminal else 5.0,
            bar_format=None if terminal else "{desc}: {n_fmt}/{total_fmt} {unit}s, {rate_fmt}, {remaining} left",
        )

    def leave_out(self, count: int) -> None:
        """Count up to less."""
        self._bar.total = (self._bar.total or 0) - count

    def add(self, count: int, resumed: bool = False) -> None:
        if resumed and not self._bar.disable:  # a bar that is switched off has no counts
            self._bar.initial += count
            self._bar.n += count
        else:
            self._bar.update(count)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
