"""Checks of the arguments that the functions of this room share."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
from sklearn.base import is_regressor

from .._routing import unseeded

__all__ = [
    "check_choices",
    "check_count",
    "check_estimators",
    "check_level",
    "seeds_of",
]


def check_count(value, name, least, also="", verb="is"):
    """Raise a ValueError unless a value is an integer of at least `least`."""
    is_whole = isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
    if not is_whole or value < least:
        raise ValueError(
            f"`{name}` {verb} {value!r}; it must be an integer of at least "
            f"{least}{also}."
        )


def check_level(confidence_level):
    """Raise a ValueError unless a confidence level is between 0 and 1."""
    is_number = isinstance(confidence_level, Real)
    if not is_number or not 0 < confidence_level < 1:
        raise ValueError(
            f"`confidence_level` is {confidence_level!r}; it must be between 0 and 1, "
            "such as 0.95."
        )


def check_choices(values, name, allowed):
    """Return one name or several as a list, each once, in the order of the caller."""
    values = [values] if isinstance(values, str) else list(dict.fromkeys(values))
    unknown = [value for value in values if value not in allowed]
    if unknown:
        raise ValueError(
            f"`{name}` has {unknown[0]!r}; it must be one of {sorted(allowed)}, or "
            "several."
        )
    return values


def check_estimators(estimators, *, allow_regressors=True):
    """Raise a ValueError unless this is a dict of unfitted estimators by name."""
    if not isinstance(estimators, Mapping):
        raise ValueError(
            f"`estimators` is of type {type(estimators).__name__}; pass a dict of "
            'estimators by name, such as {"SVM": SVC()}.'
        )
    if not estimators:
        raise ValueError("`estimators` has 0 entries; pass one at least.")
    for name, model in estimators.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"`estimators` has the name {name!r}; name it by a str.")
        is_estimator = hasattr(model, "fit") and hasattr(model, "get_params")
        if isinstance(model, type) or not is_estimator:
            raise ValueError(
                f"`estimators` has {model!r} as {name!r}, which is no estimator; pass "
                "an instance of one, such as SVC()."
            )
        if not allow_regressors and is_regressor(model):
            raise ValueError(
                f"`estimators` has the regressor {name!r}; pass classifiers."
            )


def seeds_of(seeds, estimators, ordered=()):
    """Return the seeds of each estimator: one without a free random state has one.

    Those in `ordered` have all, which draw the order of the utterances.
    """
    if isinstance(seeds, Integral):
        check_count(seeds, "seeds", 1)
        seeds = range(seeds)
    try:
        values = list(seeds)
    except TypeError:
        values = []
    for value in values:
        check_count(value, "seeds", 0, verb="holds")
    most = 2**32 - 1
    if not values or len(set(values)) < len(values) or max(values) > most:
        raise ValueError(
            f"`seeds` is {seeds!r}; it must be a number of seeds, or hold different "
            f"integers from 0 to {most}."
        )
    values = [int(value) for value in values]
    return {
        name: values if name in ordered or unseeded(model) else values[:1]
        for name, model in estimators.items()
    }
