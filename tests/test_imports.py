"""Imports have no cycle, names are listed, and `import advser` loads nothing heavy."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import advser

FOLDER = Path(advser.__file__).parent
SOURCES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text("utf-8")
    for path in FOLDER.rglob("*.py")
}

ROOMS = {name.split(".")[0] for name in SOURCES}


def imported_by(name):
    """Return the modules of the package that a module imports, also in functions."""
    found = set()
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            if node.level == 0:
                if parts[:1] != ["advser"]:
                    continue
                parts = parts[1:]
            else:
                parts = package[: len(package) - node.level + 1] + parts
            for alias in node.names:  # from . import name
                found.add(module_of([*parts, alias.name]) or module_of(parts))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "advser":
                    found.add(module_of(parts[1:]))
    return found


def module_of(parts):
    """Return the module of this name, that of a package being its `__init__`."""
    names = [".".join(parts), ".".join([*parts, "__init__"])]
    return next((name for name in names if name in SOURCES), None)


def test_rooms_have_no_cycle():
    imports = {room: set() for room in ROOMS}
    for name in SOURCES:
        room = name.split(".")[0]
        imports[room] |= {other.split(".")[0] for other in imported_by(name)} - {room}
    TopologicalSorter(imports).prepare()


def test_imports_have_no_cycle():
    TopologicalSorter({name: imported_by(name) for name in SOURCES}).prepare()


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"__main__"}))
def test_listed_names_exist_and_are_documented(name):
    module = importlib.import_module(f"advser.{name}".removesuffix(".__init__"))
    assert module.__doc__
    listed = getattr(module, "__all__", [])
    assert len(listed) == len(set(listed))
    for public in listed:
        value = getattr(module, public)
        assert not callable(value) or value.__doc__, public


@pytest.mark.parametrize(
    "room", sorted(room for room in ROOMS if f"{room}.__init__" in SOURCES)
)
def test_every_public_name_of_a_package_is_listed(room):
    module = importlib.import_module(f"advser.{room}")
    found = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found == set(getattr(module, "__all__", ()))


# What a fresh interpreter has loaded after each step.
STEPS = """
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
found = {"state is as before": state() == before, "advser": [*sys.modules]}
import advser.plots
found["advser.plots"] = [*sys.modules]
import advser.audio._features
found["advser.audio._features"] = [*sys.modules]
X = numpy.random.default_rng(0).normal(size=(40, 3)).astype("float32")
y, speakers = numpy.arange(40) % 2, numpy.arange(40) // 2 % 4
advser.AdversarialSER(max_epochs=2).fit(X, y, speakers=speakers).predict(X)
found["fit and predict"] = [*sys.modules]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded():
    """Return what a fresh interpreter has loaded after each step."""
    command = [sys.executable, "-W", "error", "-c", STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_changes_no_global_state(loaded):
    assert loaded["state is as before"]


@pytest.mark.parametrize(
    ("step", "heavy"),
    [
        ("advser", {"audresample", "opensmile", "soundfile"}),
        ("advser", {"distributed", "matplotlib", "IPython", "pytest", "transformers"}),
        ("advser.plots", {"matplotlib"}),
        ("advser.audio._features", {"audresample", "opensmile", "soundfile"}),
        ("fit and predict", {"sympy", "torch._dynamo", "transformers"}),
    ],
)
def test_step_loads_nothing_heavy(step, heavy, loaded):
    assert not heavy & set(loaded[step])
