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
SOURCES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text("utf-8")
    for path in FOLDER.rglob("*.py")
}

# A module may import from its own floor and from those before, never from those after.
FLOORS = [
    {
        "_products",
        "_recording",
        "_routing",
        "_store",
        "_threads",
        "_validation",
        "distributed",
        "exceptions",
        "features",
        "layers",
        "metrics",
        "scaling",
        "statistics",
        "training",
    },
    {
        "base",
        "confounding",
        "corpora.__init__",
        "corpora._table",
        "corpora.cmu_mosei",
        "corpora.cremad",
        "corpora.emodb",
        "corpora.generic",
        "corpora.iemocap",
        "corpora.interchange",
        "corpora.msp_improv",
        "corpora.ravdess",
        "corpora.urdu",
        "datasets",
        "extraction",
        "networks",
        "outputs",
        "probes",
        "recordings",
        "rendezvous",
        "ridge",
        "stacking",
        "utterances",
    },
    {
        "_answers",
        "_jobs",
        "adversarial",
        "autoencoder",
        "cross_corpus",
        "dann",
        "enrollment",
        "evaluation",
        "menan",
        "model_selection",
        "plots.__init__",
        "plots._comparison",
        "plots._corpora",
        "plots._networks",
        "plots._ratings",
        "plots._speakers",
        "plots._style",
        "siamese",
    },
    {"__init__", "__main__", "benchmark", "cli", "rating_benchmark", "report"},
]


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
    module = importlib.import_module(f"advser.{name}".removesuffix(".__init__"))
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


def test_fit_and_predict_load_no_compiler():
    found = run(
        """
import json, sys
import numpy
from advser import AdversarialSER
X = numpy.random.default_rng(0).normal(size=(40, 3)).astype("float32")
y, speakers = numpy.arange(40) % 2, numpy.arange(40) // 2 % 4
AdversarialSER(max_epochs=2).fit(X, y, speakers=speakers).predict(X)
print(json.dumps(sorted({"torch._dynamo", "sympy"} & set(sys.modules))))
"""
    )
    assert found == []
