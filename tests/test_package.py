"""What gets installed: two packages, their data files, their commands, and which versions they ask for."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from tests.command import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {"noda_synth": ROOT / "noda_synth", "noda_train": ROOT / "train" / "noda_train"}


def test_nothing_but_the_two_packages_is_installed() -> None:
    """A top-level package with a common name would hide another project's, or be hidden by it."""
    places = PROJECT["tool"]["setuptools"]["packages"]["find"]
    found = [path for where in places["where"] for name in places["include"] for path in ROOT.glob(f"{where}/{name}")]
    folders = [path for path in found if path.is_dir() and "." not in path.name]
    assert sorted(folders) == sorted(PACKAGES.values())
    for package in PACKAGES.values():
        inside = {file.parent for file in package.rglob("*.py")}
        assert [folder for folder in inside if not (folder / "__init__.py").exists()] == [], (
            "setuptools would leave it out"
        )


@pytest.mark.parametrize("name", PACKAGES)
def test_every_file_that_is_no_module_is_installed_too(name: str) -> None:
    package = PACKAGES[name]
    listed = {glob: set(package.glob(glob)) for glob in PROJECT["tool"]["setuptools"]["package-data"][name]}
    assert all(listed.values()), "one of them finds nothing"
    others = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert others <= set().union(*listed.values())
    assert package / "py.typed" in others


@pytest.mark.parametrize("command", PROJECT["project"]["scripts"])
def test_the_commands_are_there(command: str) -> None:
    module, _, function = PROJECT["project"]["scripts"][command].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_lowest_versions_that_are_allowed_are_the_ones_that_are_tested() -> None:
    allowed = dict(requirement.split(">=") for requirement in PROJECT["project"]["dependencies"])
    tested = dict(re.findall(r"(?m)^([\w-]+)==(\S+)$", Path(ROOT / "constraints-lowest.txt").read_text()))
    for name, version in allowed.items():
        assert f"{tested[name]}.".startswith(f"{version}."), name
