"""Every public function and method has type hints."""

import importlib
import inspect
import pkgutil

import pytest

import advser

ROOMS = [
    module.name
    for module in pkgutil.iter_modules(advser.__path__)
    if not module.name.startswith("_")
]


def public_functions(room):
    """Return the public functions and methods of a room by name."""
    module = importlib.import_module(f"advser.{room}")
    found = {}
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value):
            found[name] = value
        elif inspect.isclass(value):
            for parent in value.__mro__:
                if parent.__module__.startswith("advser."):
                    found |= methods_of(parent)
    return found


def methods_of(cls):
    """Return the constructor and the public methods that a class defines, by name."""
    functions = {}
    for name, value in vars(cls).items():
        function = getattr(value, "fget", getattr(value, "__func__", value))
        is_public = name == "__init__" or not name.startswith("_")
        if is_public and inspect.isfunction(function):
            functions[f"{cls.__name__}.{name}"] = function
    return functions


def missing_hints(function):
    """Return the parameters of a function without a type hint, and "return"."""
    kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    signature = inspect.signature(function)
    missing = [
        name
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
        and parameter.kind not in kinds
        and parameter.annotation is inspect.Parameter.empty
    ]
    if signature.return_annotation is inspect.Signature.empty:
        missing.append("return")
    return missing


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_have_type_hints(room):
    missing = {name: missing_hints(f) for name, f in public_functions(room).items()}
    assert {name: names for name, names in missing.items() if names} == {}
