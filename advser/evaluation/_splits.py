"""Speaker-disjoint folds with the searches within them, and the folds of a probe."""

import re
import reprlib
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

from .._validation._arrays import encode
from .._validation._parameters import Number, check_parameter
from ..model_selection import StackedGridSearchCV
from ..model_selection._evaluation import is_stackable
from ._arguments import check_several


def speaker_disjoint_folds(cv, y, speakers, groups):
    """Return the training and test rows of each fold."""
    check_several(len(pd.unique(speakers)), "a test on unseen speakers")
    return _disjoint(splitter_of(cv, "cv", groups), y, speakers, groups, "cv")


def splitter_of(cv, name, groups):
    """Return the splitter of a `cv`: "loso", a number of folds, or a splitter."""
    if isinstance(cv, str) and cv == "loso":
        return LeaveOneGroupOut()
    if isinstance(cv, Integral):
        check_parameter(cv, name, Number(Integral, 2))
        return GroupKFold(min(int(cv), len(pd.unique(groups))))
    if isinstance(cv, type | str | bytes) or not hasattr(cv, "split"):
        raise ValueError(
            f"`{name}` is {reprlib.repr(cv)}; it must be 'loso', a number of folds or "
            "a splitter with a method `split`. For folds of your own, pass a "
            "`PredefinedSplit` of scikit-learn."
        )
    return cv


def inner_folds(inner_cv, folds, y, speakers):
    """Return the splitter of the searches, which must keep speakers together."""
    train = min((rows for rows, _ in folds), key=lambda rows: len(set(speakers[rows])))
    n_speakers = len(set(speakers[train]))
    if n_speakers < 2:
        raise ValueError(
            f"`search` needs two training speakers in each fold, and `cv` leaves "
            f"{n_speakers} in one; use a splitter with more folds, or no search."
        )
    inner_cv = splitter_of(inner_cv, "inner_cv", speakers[train])
    _disjoint(inner_cv, y[train], speakers[train], speakers[train], "inner_cv")
    return inner_cv


def _disjoint(splitter, y, speakers, groups, name):
    """Return the folds of a splitter; raise if they share a speaker."""
    folds = list(splitter.split(np.zeros(len(y)), y, groups=groups))
    if not folds or not all(len(train) and len(test) for train, test in folds):
        raise ValueError(
            f"`{name}` makes {len(folds)} folds, of which some have no training rows "
            "or no test rows; use another splitter."
        )
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
    try:
        sizes = {name: len(ParameterGrid(grid)) for name, grid in search.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"`search` is {search!r}: {error}") from None
    smallest = min(sizes, key=sizes.get, default=None)
    if n_candidates is None:
        n_candidates = sizes.get(smallest)
    elif search and n_candidates > sizes[smallest]:
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
    return kind(estimator, grid, cv=cv, scoring=scoring, n_jobs=1, refit=best_index)


def best_index(results):
    """Return the candidate of `cv_results_` with the highest mean over inner folds.

    Folds without a score of any candidate do not count, such as those whose speakers
    have no ratings, or lack an emotion that the score needs.
    """
    folds = [name for name in results if re.fullmatch(r"split\d+_test_score", name)]
    scores = np.array([results[name] for name in folds], dtype=float)
    scores = scores[~np.isnan(scores).all(axis=1)]
    totals = scores.sum(axis=0)
    if not len(scores) or np.isnan(totals).all():
        raise ValueError(
            "A search has no score of any candidate in the inner folds: every fit or "
            "`scoring` fails there, or the speakers have no ratings. Choose another "
            "`scoring`, `inner_cv` or grid."
        )
    return int(np.nanargmax(totals))


def halves(speakers, y, random_state):
    """Return 0 or 1 for each row: rows sorted by speaker and emotion take turns.

    The shares of a speaker, and of a speaker's emotion, differ by one row at most.
    """
    order, _ = _in_cells(speakers, y, random_state)
    half = np.empty(len(order), dtype=int)
    half[order] = np.arange(len(order)) % 2
    return half


def dealt(speakers, y, n_folds, random_state):
    """Return the fold of each row: the rows of a speaker with an emotion take turns.

    They begin at the same fold for all speakers. Where a fold costs one speaker a
    training row with an emotion, it so costs the others one, too. Otherwise a probe
    that sees nothing but the emotion would guess any speaker but the right one.
    """
    order, emotion = _in_cells(speakers, y, random_state)
    table = pd.DataFrame({"speaker": speakers, "emotion": emotion})
    by_turn = table.iloc[order].groupby(["speaker", "emotion"]).cumcount().sort_index()
    folds = (by_turn + emotion) % n_folds
    # A speaker in a single fold would be unknown there: all their rows take turns.
    is_single = folds.groupby(speakers).transform("nunique") == 1
    in_turn = table.iloc[order].groupby("speaker").cumcount().sort_index() % n_folds
    return folds.where(~is_single, in_turn).to_numpy()


def _in_cells(speakers, y, random_state):
    """Return rows sorted by speaker and emotion, at random in both, and the emotions.

    These are numbers, all 0 if they are not known.
    """
    shuffled = np.random.default_rng(random_state).random(len(speakers))
    emotion = np.zeros(len(speakers), dtype=int) if y is None else encode(y)[0]
    return np.lexsort((shuffled, emotion, encode(speakers)[0])), emotion
