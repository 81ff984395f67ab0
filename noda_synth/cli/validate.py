"""noda-synth validate"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noda_synth.cli.errors import echo_some, exits
from noda_synth.cli.options import (
    images_option,
    jobs_option,
    max_pixels_option,
    path_option,
    skeleton_option,
    split_option,
    v1_option,
    workers,
)

if TYPE_CHECKING:
    from noda_synth.validate.findings import Finding

_SHOWN = 3
_HAS_ERRORS = 1


@click.command("validate")
@click.argument("data", type=click.Path(path_type=Path))
@images_option
@skeleton_option
@split_option
@v1_option
@click.option("--headers", is_flag=True, help="Read the images' headers alone: quick, but misses damage further on.")
@click.option("--strict", is_flag=True, help="Warnings count as errors for the exit code.")
@path_option("--json", "report", help="Write all findings into this file.")
@jobs_option
@max_pixels_option
@click.option("-v", "--verbose", is_flag=True, help="Name every finding, not only the first few of a kind.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and nothing but errors.")
@exits
def command(
    data: Path,
    images: Path | None,
    skeleton: str | None,
    split: Path | None,
    v1_occluded: bool,
    headers: bool,
    strict: bool,
    report: Path | None,
    jobs: int | None,
    max_pixels: int,
    verbose: bool,
    quiet: bool,
) -> None:
    """Check DATA, a folder or an annotation file, plain or rendered, for what a trainer would trip over.

    \b
    Images that are missing, damaged or of another size; joints outside their image; labels, visibility,
    scales and centers that cannot be; people counted twice; evaluation truth that does not fit its
    list; manifest, images and records of a rendered set that do not fit each other. docs/data.md
    explains every finding. Exit code 0: no error, 1: errors (with --strict warnings, too), 2: unusable.

    \b
    Examples:
      noda-synth validate data/mpii
      noda-synth validate data/mpii_noda --headers --json findings.json
    """
    from noda_synth.data.skeleton import skeleton_file
    from noda_synth.formats.files.atomic import write_json
    from noda_synth.formats.layout import find_layout
    from noda_synth.validate.findings import ERROR, WARNING, as_json, count
    from noda_synth.validate.pictures import ImageChecks
    from noda_synth.validate.run import validate

    layout = find_layout(data, images) if data.is_dir() else find_layout(None, images, data)
    layout = replace(layout, insist_occluded=v1_occluded)
    if skeleton is not None:
        layout = replace(layout, skeleton=skeleton_file(skeleton))
    if layout.kind != "mpii_mat":
        split = None
    all_train = layout.kind == "mpii_mat" and not (split or layout.valid)
    checks = ImageChecks(not headers, max_pixels, workers(jobs))
    result = validate(data, layout, checks, split=split, all_train=all_train, quiet=quiet)
    if report is not None:
        write_json(report, as_json(result.findings, result.checked))
    errors, warnings = (count(result.findings, severity) for severity in (ERROR, WARNING))
    _print_findings(result.findings, verbose, quiet)
    if not quiet:
        checked = result.checked
        click.echo(
            f"{data}: {checked['people']:,} people of the training part, {checked['validation_people']:,} of the "
            f"validation part, {checked['images']:,} images{'' if headers else ' decoded'}: "
            f"{_number(errors, 'error')}, {_number(warnings, 'warning')}"
        )
    sys.exit(_HAS_ERRORS if errors or (strict and warnings) else 0)


def _print_findings(findings: Sequence[Finding], verbose: bool, quiet: bool) -> None:
    """Findings by kind, the first few of each by name."""
    from noda_synth.validate.findings import ERROR, KINDS, by_kind

    for name, group in by_kind(findings).items():
        kind = KINDS[name]
        if quiet and kind.severity != ERROR:
            continue
        click.echo(f"{kind.severity}: {len(group)} {kind.title}")
        shown = group if verbose else group[:_SHOWN]
        lines = []
        for finding in shown:
            person = f", person {finding.person}" if finding.person and finding.person not in finding.where else ""
            lines.append(f"  {finding.where}{person}: {finding.what}")
        echo_some(lines, len(group))
        click.echo(f"  way out: {kind.way_out}")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
