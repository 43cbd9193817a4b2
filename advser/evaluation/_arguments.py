"""Checks of the arguments that the functions of this room share."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
from sklearn.base import is_regressor

from .._routing import unseeded
from .._validation._arrays import check_labels, check_unicode, count_rows
from .._validation._parameters import COUNT, Numbers, check_estimator, check_parameter


def check_choices(values, name, allowed, *, at_least=1):
    """Return one name or several as a list, each once, in the order of the caller."""
    try:
        values = [values] if isinstance(values, str) else list(dict.fromkeys(values))
    except TypeError:  # no sequence, or of sequences
        values = [values]
    known = [*allowed]
    unknown = [v for v in values if np.ndim(v) or v not in known]
    if unknown:
        raise ValueError(
            f"`{name}` has {unknown[0]!r}; it must be one of "
            f"{sorted(allowed, key=str)}, or several."
        )
    if len(values) < at_least:
        raise ValueError(f"`{name}` is empty; it must be one of {known}.")
    return values


def check_estimators(estimators, *, allow_regressors=True):
    """Raise a ValueError unless this is a dict of unfitted estimators by name."""
    if not isinstance(estimators, Mapping):
        raise ValueError(
            f"`estimators` is of type {type(estimators).__name__}; pass a dict of "
            'estimators by name, such as {"SVM": SVC()}.'
        )
    if not estimators:
        raise ValueError("`estimators` has 0 entries; pass at least one.")
    for name, model in estimators.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"`estimators` has the name {name!r}; name it by a str.")
        check_unicode(name, "estimators")
        check_estimator(model, f"estimators[{name!r}]")
        check_estimator(model, f"estimators[{name!r}]", "get_params")
        if not allow_regressors and is_regressor(model):
            raise ValueError(
                f"`estimators` has the regressor {name!r}; pass classifiers."
            )


def check_utterances(X, y, speakers):
    """Return the emotion and the speaker of each row of X as arrays."""
    n_rows = count_rows(X)
    return check_labels(y, "y", n_rows), check_labels(speakers, "speakers", n_rows)


def check_several(n_speakers, purpose):
    """Raise a ValueError unless there are two speakers for some purpose."""
    if n_speakers < 2:
        raise ValueError(
            f"`speakers` names {n_speakers} speaker; {purpose} needs two or more."
        )


def seeds_of(seeds, estimators, ordered=()):
    """Return the seeds of each estimator: one without a free random state has one.

    Those in `ordered` have all, which draw the order of the utterances.
    """
    if isinstance(seeds, Integral):
        check_parameter(seeds, "seeds", COUNT)
        seeds = range(seeds)
    check_parameter(seeds, "seeds", Numbers(Integral, 0, 2**32, at_least=1))
    values = [int(seed) for seed in seeds]
    if len(set(values)) < len(values):
        raise ValueError(f"`seeds` is {seeds!r}; no seed may occur twice.")
    return {
        name: values if name in ordered or unseeded(model) else values[:1]
        for name, model in estimators.items()
    }
