"""The command line as a user has it, for tests: in this process where that will do, as a process of its own else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from inspect import signature
from pathlib import Path

from click.testing import CliRunner, Result

from noda_synth.cli import main

ROOT = Path(__file__).resolve().parents[1]
# Before click 8.2 the runner mixes stdout and stderr unless told otherwise; since then it always has both apart.
_APART = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


def noda(*words: object) -> Result:
    """Run a command in this process; an exception that is no exit is a bug, and comes out as one."""
    return CliRunner(**_APART).invoke(main, [str(word) for word in words], catch_exceptions=False)


def done(*words: object) -> str:
    """Run a command that has to succeed; what it says on stdout."""
    result = noda(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: object) -> str:
    """Run a command that has to be refused with exit code 2; what it says on stderr, in any number of lines."""
    result = noda(*words)
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


class Process(subprocess.Popen[str]):
    """A command as the leader of a process group of its own.

    What it says goes into a file: workers that outlive it would keep a pipe open.
    """

    def __init__(self, *words: object, **options: object) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115
        super().__init__(
            [sys.executable, "-m", "noda_synth", *map(str, words)],
            cwd=ROOT, text=True, stdout=self._said, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, **options,  # type: ignore[call-overload]
        )  # fmt: skip

    def said(self) -> str:
        """Everything on stdout and stderr until now."""
        self._said.seek(0)
        return self._said.read()

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.wait(timeout=60)
        self._said.close()


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything in a folder by relative name: the bytes of files, the targets of links; without run_log.json."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and path.name != "run_log.json"
    }
