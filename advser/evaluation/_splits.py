"""Speaker-disjoint folds, and the searches within them."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    ParameterGrid,
    ParameterSampler,
)

from ..model_selection import StackedGridSearchCV, is_stackable

__all__ = ["equal_grids", "inner_folds", "search_of", "speaker_disjoint_folds"]


def speaker_disjoint_folds(cv, y, speakers, groups):
    """Return the training and test rows of each fold."""
    n_speakers = len(pd.unique(speakers))
    if n_speakers < 2:
        raise ValueError(
            f"`speakers` names {n_speakers} speaker; a test on unseen speakers needs "
            "two at least."
        )
    if isinstance(cv, str):
        if cv != "loso":
            raise ValueError(f"`cv` is {cv!r}; it must be 'loso' or a splitter.")
        cv = LeaveOneGroupOut()
    return _disjoint(cv, y, speakers, groups, "cv")


def inner_folds(inner_cv, folds, y, speakers):
    """Return the splitter of the searches, which must keep speakers together."""
    train = min((rows for rows, _ in folds), key=lambda rows: len(set(speakers[rows])))
    n_speakers = len(set(speakers[train]))
    if n_speakers < 2:
        raise ValueError(
            f"`search` needs two training speakers in each fold, and `cv` leaves "
            f"{n_speakers} in one; use a splitter with more folds, or no search."
        )
    if isinstance(inner_cv, Integral):
        inner_cv = GroupKFold(min(inner_cv, n_speakers))
    _disjoint(inner_cv, y[train], speakers[train], speakers[train], "inner_cv")
    return inner_cv


def _disjoint(splitter, y, speakers, groups, name):
    """Return the folds of a splitter; raise if they share a speaker."""
    folds = list(splitter.split(np.zeros(len(y)), y, groups=groups))
    for train, test in folds:
        both = set(speakers[train]) & set(speakers[test])
        if both:
            raise ValueError(
                f"`{name}` puts speaker {both.pop()!r} into both training and test "
                "rows; use a splitter that keeps groups together, such as GroupKFold."
            )
    return folds


def equal_grids(search, n_candidates, estimators):
    """Return equally many candidates for each estimator that is searched."""
    unknown = sorted(set(search) - set(estimators))
    if unknown:
        raise ValueError(
            f"`search` names {unknown[0]!r}, which is none of the `estimators` "
            f"{list(estimators)}."
        )
    sizes = {name: len(ParameterGrid(grid)) for name, grid in search.items()}
    smallest = min(sizes, key=sizes.get, default=None)
    if n_candidates is None:
        n_candidates = sizes.get(smallest)
    elif search and not 1 <= n_candidates <= sizes[smallest]:
        raise ValueError(
            f"`n_candidates` is {n_candidates} and the grid of {smallest!r} has "
            f"{sizes[smallest]} settings; every search must try as many. Pass a number "
            "from 1 to that, or a larger grid."
        )
    return {
        name: list(
            ParameterGrid(grid)
            if sizes[name] == n_candidates
            else ParameterSampler(grid, n_candidates, random_state=0)
        )
        for name, grid in search.items()
    }


def search_of(estimator, candidates, cv, scoring):
    """Return a search of candidates, which trains its networks together."""
    kind = StackedGridSearchCV if is_stackable(estimator) else GridSearchCV
    grid = [{name: [value] for name, value in one.items()} for one in candidates]
    # A search is one job; its fits stay in the process of that job.
    return kind(estimator, grid, cv=cv, scoring=scoring, n_jobs=1)
