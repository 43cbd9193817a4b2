"""Checks of the parameters of estimators, and of the arguments of functions."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

# scikit-learn has no public means to check parameters; its own estimators use these,
# and those of this package import them from here.
from sklearn.utils._param_validation import (
    Interval,
    Options,  # noqa: F401
    StrOptions,  # noqa: F401
    make_constraint,
)


class Number(Interval):
    """An interval of finite numbers, without booleans, which Python counts as numbers.

    Parameters
    ----------
    kind : {Integral, Real}

    low, high : int, float or None
        The bounds; None for no bound.

    closed : {"left", "right", "both", "neither"}, default="left"
        Which bounds belong to the interval.
    """

    def __init__(self, kind, low, high=None, *, closed="left"):
        if kind is Integral and high is None:
            high = 2**31
        super().__init__(kind, low, high, closed=closed)

    def is_satisfied_by(self, val):
        """Whether `val` is such a number."""
        return (
            isinstance(val, int | float | np.integer | np.floating)
            and not isinstance(val, bool)
            and _is_finite(val)
            and super().is_satisfied_by(val)
        )


class Numbers(Number):
    """Sequences of such numbers, with `at_least` so many of them."""

    def __init__(self, *interval, at_least=0, **settings):
        super().__init__(*interval, **settings)
        self.at_least = at_least

    def is_satisfied_by(self, val):
        """Whether `val` is a sequence, and holds nothing but such numbers."""
        if not hasattr(val, "__len__") or isinstance(val, str | bytes | dict):
            return False
        try:
            numbers = list(val)
        except TypeError:  # an array without dimensions
            return False
        are_right = all(Number.is_satisfied_by(self, number) for number in numbers)
        return are_right and len(numbers) >= self.at_least

    def __str__(self):
        length = f" of {self.at_least} or more" if self.at_least else ""
        return f"a sequence{length}, each {super().__str__()}"


COUNT, COUNTS = Number(Integral, 1), Numbers(Integral, 1)
LEVEL = Number(Real, 0, 1, closed="neither")  # of confidence
FLAG = "boolean"
INTEGER, SEED = Number(Integral, -(2**31)), Number(Integral, 0, 2**32)
NOT_NEGATIVE, POSITIVE = Number(Real, 0), Number(Real, 0, closed="neither")
# Of terms of a loss. With far larger ones a network stays untrained: the squares of its
# gradients are infinite in float32, and Adam then takes no step.
WEIGHT = Number(Real, 0, 1e15)
FLAGS = (
    "as_frame leave_one_out return_estimator return_indices return_train_score "
    "return_X_y_speakers transductive within_emotion"
)
# What an argument holds in every function that has it.
ARGUMENTS: dict[str, Sequence] = {
    **dict.fromkeys(FLAGS.split(), (FLAG,)),
    "confidence_level": [LEVEL],
    "max_stack": [COUNT],
    "n_candidates": [COUNT, None],
    "n_jobs": [INTEGER, None],
    "n_resamples": [COUNT],
    "n_splits": [Number(Integral, 2)],
    "params": [dict, None],
    "random_state": [SEED, None],
    "repeats": [COUNT],
    "search": [dict, None],
    "verbose": ["verbose"],
    "within": [Number(Integral, 2), None],
}


def check_parameter(value: Any, name: str, *constraints: Any) -> None:
    """Raise a ValueError unless a parameter satisfies one of some constraints."""
    allowed = [make_constraint(constraint) for constraint in constraints]
    if not any(constraint.is_satisfied_by(value) for constraint in allowed):
        kinds = " or ".join(map(str, allowed))
        raise ValueError(f"`{name}` must be {kinds}; got {value!r}.")


def check_arguments(arguments: dict[str, Any]) -> None:
    """Raise a ValueError for arguments that have the same meaning in all functions.

    Parameters
    ----------
    arguments : dict
        By name, such as ``locals()`` at the start of a function. Names that are not in
        `ARGUMENTS` are not checked.
    """
    for name in (name for name in ARGUMENTS if name in arguments):
        check_parameter(arguments[name], name, *ARGUMENTS[name])


def check_names(values: Any, name: str, kinds: Any = str) -> list:
    """Return a sequence of names as a list; raise a ValueError for other values."""
    is_sequence = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    names = list(values) if is_sequence else [None]
    if not all(isinstance(one, kinds) for one in names):
        raise ValueError(f"`{name}` must be a sequence of names; got {values!r}.")
    return names


def _is_finite(number):
    """Whether a number is finite as a float."""
    try:
        return math.isfinite(number)
    except OverflowError:  # a large int
        return False


def check_table(
    table: Any, columns: Iterable[str], name: str = "table", *, n_rows: int = 0
) -> None:
    """Raise a ValueError unless a table has some columns, and so many rows or more."""
    if not isinstance(table, pd.DataFrame):
        raise ValueError(
            f"`{name}` must be a DataFrame of pandas; got {type(table).__name__}."
        )
    if missing := [column for column in columns if column not in table]:
        raise ValueError(
            f"`{name}` lacks the columns {missing}; it has {list(table.columns)[:20]}."
        )
    if len(table) < n_rows:
        raise ValueError(f"`{name}` has {len(table)} rows; pass at least {n_rows}.")


def check_estimator(estimator: Any, name: str, needs: str = "fit") -> None:
    """Raise a ValueError unless an estimator, no class, has what it needs."""
    if isinstance(estimator, type):
        raise ValueError(
            f"`{name}` is the class {estimator.__name__}; pass an instance of it."
        )
    if not hasattr(estimator, needs):
        raise ValueError(
            f"`{name}` is of type {type(estimator).__name__}, which has no `{needs}` "
            "here; pass an estimator that has."
        )
