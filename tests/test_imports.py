"""Imports go downward, floor by floor, and `import advser` loads nothing heavy."""

import ast
import importlib
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import advser

FOLDER = Path(advser.__file__).parent
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}

# A module may import from its own floor and from those before, never from those after.
FLOORS = [
    {
        "_routing",
        "_threads",
        "_validation",
        "distributed",
        "exceptions",
        "features",
        "layers",
        "metrics",
        "scaling",
        "training",
    },
    {
        "base",
        "confounding",
        "datasets",
        "networks",
        "probes",
        "recordings",
        "stacking",
        "utterances",
    },
    {
        "adversarial",
        "dann",
        "enrollment",
        "evaluation",
        "menan",
        "model_selection",
        "plots",
    },
    {"__init__", "__main__", "benchmark", "cli"},
]


def imported_by(name):
    """Return the modules of the package that a module imports, also in functions."""
    found = set()
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level == 0:
                if parts[0] != "advser":
                    continue
                parts = parts[1:]
            if any(parts):
                found.add(parts[0])
            else:  # from . import name
                names = {alias.name for alias in node.names}
                found |= {n if n in SOURCES else "__init__" for n in names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                package, _, rest = alias.name.partition(".")
                if package == "advser":
                    found.add(rest.partition(".")[0] or "__init__")
    return found


def test_every_module_has_one_floor():
    assert sorted(SOURCES) == sorted(name for floor in FLOORS for name in floor)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_imports_go_downward(name):
    floor_of = {module: i for i, floor in enumerate(FLOORS) for module in floor}
    above = {
        module for module in imported_by(name) if floor_of[module] > floor_of[name]
    }
    assert above == set()


def test_imports_have_no_cycle():
    TopologicalSorter({name: imported_by(name) for name in SOURCES}).prepare()


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"__main__"}))
def test_public_names_are_listed_and_documented(name):
    module = importlib.import_module(
        "advser" if name == "__init__" else f"advser.{name}"
    )
    assert module.__doc__
    assert len(module.__all__) == len(set(module.__all__))
    for public in module.__all__:
        assert getattr(module, public).__doc__, public


def run(code):
    """Run code in a fresh interpreter and return what it prints as JSON."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_is_lazy_and_changes_no_global_state():
    found = run(
        """
import json, random, sys, warnings
import numpy, sklearn, skorch, torch

def state():
    return [
        repr(warnings.filters),
        torch.get_num_threads(),
        torch.get_rng_state().tolist(),
        repr(numpy.random.get_state()),
        repr(sklearn.get_config()),
    ]

random.seed(0), numpy.random.seed(0)
before = state()
import advser
heavy = {"opensmile", "audresample", "distributed", "matplotlib", "IPython", "pytest"}
print(json.dumps([state() == before, sorted(heavy & set(sys.modules))]))
"""
    )
    assert found == [True, []]
