"""The rooms of noda_synth and noda_train, and which imports which: levels, arrows, and arrows that run back up.

    python scripts/import_levels.py            # the figures, and the rooms level by level
    python scripts/import_levels.py --arrows   # every arrow between rooms, with the modules behind it

A room is a folder, or a module that lies beside the folders of a package. Every import counts, also those inside of
functions and those for type checkers. A room's level is one more than that of the highest room it imports. An arrow
runs back up if the two rooms import each other, directly or by way of others.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"noda_synth": ROOT / "noda_synth", "noda_train": ROOT / "train/noda_train"}
Arrows = dict[tuple[str, str], set[tuple[str, str]]]


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of both packages."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str, files: Mapping[str, Path]) -> str:
    """The room in which a module lies: its folder, or itself where it lies directly in a package."""
    if files[module].name == "__init__.py":
        return module
    folder = module.rpartition(".")[0]
    return module if folder in PACKAGES else folder


def imported(module: str, files: Mapping[str, Path]) -> Iterator[str]:
    """The modules of ours that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(files[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                full = f"{node.module}.{name.name}"
                if full in files:
                    yield full
                elif node.module in files:
                    yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in files)


def arrows() -> Arrows:
    """(room, imported room) -> the pairs of modules behind it."""
    files = modules()
    found: Arrows = defaultdict(set)
    for module in files:
        for other in imported(module, files):
            one, two = room_of(module, files), room_of(other, files)
            if one != two:
                found[one, two].add((module, other))
    return dict(found)


def circles(rooms: set[str], found: Arrows) -> set[tuple[str, str]]:
    """The arrows between rooms that reach each other."""
    reach = {room: {two for one, two in found if one == room} for room in rooms}
    for middle in rooms:
        for room in rooms:
            if middle in reach[room]:
                reach[room] |= reach[middle]
    return {(one, two) for one, two in found if one in reach[two]}


def levels(rooms: set[str], found: Arrows) -> dict[str, int]:
    """Room -> its level, from 1; arrows in circles are left out."""
    back = circles(rooms, found)
    below = {room: {two for one, two in found if one == room and (one, two) not in back} for room in rooms}
    known: dict[str, int] = {}

    def level(room: str) -> int:
        if room not in known:
            known[room] = 1 + max((level(other) for other in below[room]), default=0)
        return known[room]

    for room in rooms:
        level(room)
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrows", action="store_true")
    show_arrows = parser.parse_args().arrows
    found = arrows()
    files = modules()
    rooms = {room_of(module, files) for module in files}
    height = levels(rooms, found)
    back = circles(rooms, found)
    for package in PACKAGES:
        mine = {room for room in rooms if room.split(".")[0] == package}
        inside = {pair for pair in found if set(pair) <= mine}
        print(
            f"{package}: {len(mine)} rooms, {max(levels(mine, {pair: found[pair] for pair in inside}).values())}"
            f" levels, {len(inside)} arrows, {len(back & inside)} of them back up"
        )
    for level in range(max(height.values()), 0, -1):
        print(f"{level:3d}  {', '.join(sorted(room for room in rooms if height[room] == level))}")
    for pair in sorted(found) if show_arrows else sorted(back):
        print(f"{'back up' if pair in back else '       '}  {pair[0]} -> {pair[1]}")
        for one, two in sorted(found[pair]):
            print(f"             {one} -> {two}")


if __name__ == "__main__":
    main()
