"""What build-pool leaves beside a pool: problems that it met, and how long it took."""

from __future__ import annotations

import json
from pathlib import Path

from noda_synth.formats.files.atomic import write_problems
from noda_synth.pool.build import BuildReport


def write_notes(out: Path, report: BuildReport, *, workers: int, elapsed: float) -> Path:
    """Write OUT.errors.jsonl, where there are problems, and OUT.run_log.json. Returns the path of the first."""
    errors, log = (out.with_name(out.name + suffix) for suffix in (".errors.jsonl", ".run_log.json"))
    errors.unlink(missing_ok=True)
    write_problems(errors, report.problems)
    log.write_text(json.dumps({"workers": workers, "seconds": {**report.seconds, "all": elapsed}}) + "\n")
    return errors
