"""How a command ends when the system has had enough of it: one line, an exit code, and nothing left half written."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noda_synth.cli.errors import exits
from noda_synth.formats.files.atomic import atomic_path, write_atomically, write_item


def test_a_memory_that_does_not_suffice_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @exits
    def command() -> None:
        raise MemoryError("unable to allocate 3 GiB")

    with pytest.raises(SystemExit) as ended:
        command()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("Error: the memory does not suffice (unable to allocate 3 GiB)") and said.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_leaves_nothing_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    @exits
    def command() -> None:
        with atomic_path(tmp_path / "file") as part:
            part.write_text("half")
            os.kill(os.getpid(), number)
            time.sleep(10)

    usual = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        command()
    assert (ended.value.code, capsys.readouterr().err) == (130, "Interrupted.\n")
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) == usual


@pytest.mark.parametrize("write", [write_item, write_atomically])
def test_a_full_disk_is_told_with_the_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, bytes], None],
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as the system has it: without a name

    @exits
    def command() -> None:
        write(tmp_path / "a.jpg", b"data")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit):
        command()
    assert capsys.readouterr().err == f"Error: {tmp_path / 'a.jpg'}: No space left on device\n"
