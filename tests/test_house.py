"""The page `docs/house.rst` lists the rooms, from the top down, and imports obey it."""

import ast
import re
from pathlib import Path

import pytest

import advser

FOLDER = Path(advser.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "house.rst"
# Rows of the table: floor, room, content.
ROW = re.compile(r"^   \* - (?P<floor>\d)\n     - ``(?P<room>\w+)``$", re.MULTILINE)
ROWS = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
ROOMS = [row["room"] for row in ROWS]  # from the top down
ENTRY = {"__init__", "__main__"}  # above all floors
FILES = sorted(FOLDER.rglob("*.py"))


def parts_of(file):
    """Return the names below `advser` that lead to a file, without `__init__`."""
    parts = file.relative_to(FOLDER).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def rooms_imported_by(source, package):
    """Return the rooms that the source of a module in `package` imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = ["advser", *package[: len(package) - node.level + 1], *base]
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        found |= {name[1] for name in names if name[0] == "advser" and name[1:]}
    return found


def package_of(file):
    """Return the names below `advser` of the package that a file is in."""
    return file.relative_to(FOLDER).parent.parts


def test_page_lists_every_room_once():
    modules = {file.stem for file in FOLDER.glob("*.py")} - ENTRY
    packages = {file.parent.name for file in FOLDER.glob("*/__init__.py")}
    assert sorted(ROOMS) == sorted(modules | packages)


def test_page_starts_at_the_top_floor():
    floors = [int(row["floor"]) for row in ROWS]
    assert floors == sorted(floors, reverse=True)
    assert set(floors) == set(range(8))


def test_picture_shows_the_rooms_in_the_same_order():
    picture = (PAGE.parent / "_static" / "house.svg").read_text(encoding="utf-8")
    assert re.findall(r">(\w+)</text></g>", picture) == ROOMS


@pytest.mark.parametrize(
    "file", FILES, ids=lambda file: file.relative_to(FOLDER).as_posix()
)
def test_imports_point_downward(file):
    room = parts_of(file)[0]
    if room in ENTRY:
        return
    imported = rooms_imported_by(file.read_text(encoding="utf-8"), package_of(file))
    # `from advser import __version__` names no room.
    imported = (imported & set(ROOMS)) - {room}
    upward = imported - set(ROOMS[ROOMS.index(room) :])
    assert not upward, f"`{room}` imports {upward}, which are above it on the page"


def test_files_of_a_room_are_private():
    for file in FOLDER.glob("*/*.py"):
        assert file.stem.startswith("_"), file


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("from ..nn import mlp", {"nn"}),
        ("from .. import metrics, nn", {"metrics", "nn"}),
        ("from ._base import Base", {"methods"}),
        ("def f():\n    from ..plots._style import ink", {"plots"}),
        ("import advser.evaluation", {"evaluation"}),
        ("from advser.cli import main", {"cli"}),
        ("import numpy, torch.nn", set()),
    ],
)
def test_imports_are_found(source, rooms):
    assert rooms_imported_by(source, ("methods",)) == rooms
